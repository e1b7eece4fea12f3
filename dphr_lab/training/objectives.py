"""From the names in `Settings` to a loss, an augmentation and a learning rate."""

import inspect
import math
from collections.abc import Mapping
from typing import Any

from torch import nn

from dphr_lab.datasets import NO_AUGMENTATION, Augmentation
from dphr_lab.losses import (
    DPHRLoss,
    MetricLearningLoss,
    MinedTripletLoss,
    SymmetricInfoNCE,
    TripletLoss,
    WeightedInfoNCE,
)
from dphr_lab.settings import Settings

# name in `settings.LOSSES` -> class and what its name implies; `loss_options` go over it
_LOSS_CLASSES = {
    "triplet": (TripletLoss, {}),
    "rda": (DPHRLoss, {"signal": "constant"}),
    "palw": (DPHRLoss, {"weight_map": None}),
    "dphr": (DPHRLoss, {}),
    "dphr_infonce": (DPHRLoss, {"base": SymmetricInfoNCE}),
    "sharp_rda": (DPHRLoss.sharp, {"signal": "constant"}),
    "sharp_palw": (DPHRLoss.sharp, {"weight_map": None}),
    "sharp": (DPHRLoss.sharp, {}),
    "sharp_infonce": (DPHRLoss.sharp, {"base": SymmetricInfoNCE}),
    "infonce": (SymmetricInfoNCE, {}),
    "hcl": (WeightedInfoNCE, {"weighting": "hcl"}),
    "hardest": (MinedTripletLoss, {"mining": "hardest"}),
    "semi_hard": (MinedTripletLoss, {"mining": "semi_hard"}),
}
_OF_METRIC_LEARNING = {"multi_similarity": "MultiSimilarityLoss", "circle": "CircleLoss"}


def make_loss(settings: Settings) -> nn.Module:
    """The loss that `settings.loss` names, with `settings.loss_options` as keywords.

    "rda" is DPHR at a constant lambda, "palw" is DPHR with weights of one. Raises `ValueError`
    for an option that the loss does not know.
    """
    options = dict(settings.loss_options)
    if settings.loss in _OF_METRIC_LEARNING:
        from pytorch_metric_learning import losses

        kind = getattr(losses, _OF_METRIC_LEARNING[settings.loss])
        return MetricLearningLoss(with_keywords(kind, options, "loss_options"))
    kind, implied = _LOSS_CLASSES[settings.loss]
    options = {name: v() if isinstance(v, type) else v for name, v in implied.items()} | options
    if options.get("signal") == "step":
        options = {"total_steps": settings.steps} | options
    made = getattr(kind, "__self__", kind)
    if "across_processes" in inspect.signature(made).parameters and options.get("detach", True):
        options = {"across_processes": True} | options
    return with_keywords(kind, options, "loss_options")


def learning_rate(step: int, settings: Settings) -> float:
    """Rate of optimiser step `step` (0-based): linear warm-up, then a cosine to 0."""
    warm = round(settings.warmup * settings.steps)
    if step < warm:
        return settings.learning_rate * (step + 1) / warm
    share = (step - warm) / max(1, settings.steps - warm)
    return settings.learning_rate * (1 + math.cos(math.pi * share)) / 2


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
    try:
        return kind(**options)
    except TypeError as error:  # a word for a number, and the like
        raise ValueError(f"{name}: found {dict(options)}; {error}") from None
