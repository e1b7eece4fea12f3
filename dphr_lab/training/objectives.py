"""From the names in `Settings` to an encoder, a loss and an augmentation."""

import inspect
from collections.abc import Mapping, Sequence
from operator import attrgetter
from typing import Any

import torch
from torch import Tensor, nn

from dphr_lab import losses
from dphr_lab.datasets import NO_AUGMENTATION, Augmentation
from dphr_lab.losses import MetricLearningLoss
from dphr_lab.losses.parts import MeanOverParts
from dphr_lab.models import HOSTS, MCCG, Encoder
from dphr_lab.models.weights import weights_source
from dphr_lab.settings import LOSSES, OF_PARTS, Settings
from dphr_lab.settings.checks import check_keywords


def make_encoder(settings: Settings, places: Sequence[int] | None = None) -> Encoder:
    """The host that `settings.host` names, on `settings.backbone`, with `settings.host_options`.

    `places` are the training places' labels, which the classifiers of some hosts learn. Raises
    `ValueError` for an option that the host does not know, and what its class raises.
    """
    given = {name: getattr(settings, name) for name in ("backbone", "pretrained", "image_px")}
    if settings.host in OF_PARTS:
        given["places"] = places
    else:
        given |= {name: getattr(settings, name) for name in ("embed_dim", "pool")}
    encoder = HOSTS[settings.host].with_options(dict(settings.host_options), **given)
    if isinstance(encoder, MCCG):
        encoder.joined_by_pair_loss = settings.loss != "none"
    return encoder


def check_host_options(settings: Settings) -> None:
    """Raise `ValueError` for an option that the host does not know."""
    HOSTS[settings.host].check_options(settings.host_options)


def check_backbone(settings: Settings) -> None:
    """Raise what `make_encoder` would of the backbone's name, its size and the weights' place.

    No weights are read. Raises `ValueError` and `FileNotFoundError`.
    """
    Encoder(settings.backbone, image_px=settings.image_px)
    weights_source(settings.pretrained, settings.backbone)


class NoPairLoss(nn.Module):
    """Zero for whatever embeddings: of a host that trains with its own loss alone."""

    def forward(self, z_query: Tensor, z_gallery: Tensor, places: Tensor | None = None) -> Tensor:
        return torch.zeros((), device=z_query.device)


def make_loss(settings: Settings, parts: int = 1) -> nn.Module:
    """The loss that `settings.loss` names, with `settings.loss_options` as keywords.

    With `settings.pair_on` "parts" it is the mean over the `parts` of the host's vectors. "none"
    is a loss of zero, "rda" is DPHR at a constant lambda, "palw" is DPHR with weights of one;
    "sharp…" are those of sharp DPHR (ours), all others of the closest reading. Raises `ValueError`
    for an option that the loss does not know.
    """
    if settings.loss == "none":
        return with_keywords(NoPairLoss, settings.loss_options, "loss_options")
    loss = _pair_loss(settings)
    return MeanOverParts(loss, parts) if settings.pair_on == "parts" else loss


def _pair_loss(settings: Settings) -> nn.Module:
    named, options = LOSSES[settings.loss], dict(settings.loss_options)
    if named.of_metric_learning:
        from pytorch_metric_learning import losses as of_metric_learning

        kind = getattr(of_metric_learning, named.kind)
        loss = MetricLearningLoss(with_keywords(kind, options, "loss_options"))
        try:
            loss(torch.eye(3), torch.eye(3))  # it looks at no keyword before
        except Exception as error:
            raise ValueError(f"loss_options: found {options}; {error}") from None
        return loss
    kind = attrgetter(named.kind)(losses)
    base = {"base": getattr(losses, named.base)()} if named.base else {}
    options = base | dict(named.options) | options
    if options.get("signal") == "step":
        options = {"total_steps": settings.steps} | options
    made = getattr(kind, "__self__", kind)
    if "across_processes" in inspect.signature(made).parameters and options.get("detach", True):
        options = {"across_processes": True} | options
    return with_keywords(kind, options, "loss_options")


def make_augmentation(settings: Settings) -> Augmentation:
    """The augmentation of `settings.augmentation`; raises `ValueError` for an unknown keyword."""
    if settings.augmentation is None:
        return NO_AUGMENTATION
    return with_keywords(Augmentation, settings.augmentation, "augmentation")


def with_keywords(kind: type, options: Mapping[str, Any], name: str) -> Any:
    """`kind(**options)`; raises `ValueError`, which begins with `name`, for what it cannot take."""
    made = getattr(kind, "__self__", kind)  # the class, of a preset such as `DPHRLoss.sharp`
    known = inspect.signature(made).parameters
    unknown = sorted(set(options) - set(known))
    if unknown:
        raise ValueError(
            f"{name}: found {', '.join(unknown)}; {made.__name__} takes {', '.join(known)}"
        )
    check_keywords(name, made, options)
    try:
        return kind(**options)
    except (TypeError, OverflowError) as error:  # of keywords without a type
        raise ValueError(f"{name}: found {dict(options)}; {error}") from None
