"""A batch through the encoder and its gradient back, at once or in micro-batches."""

import warnings
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor, nn

from dphr_lab.datasets import Batch
from dphr_lab.losses.microbatch import MicroBatches, freeze_batch_norm, normalises_over_batch
from dphr_lab.models import Encoder
from dphr_lab.settings import Settings


class Outputs(NamedTuple):
    """What the encoder makes of this process's b pairs, and which places they show."""

    z_drone: Tensor  # (b, D)
    z_satellite: Tensor  # (b, D)
    further: dict[str, Tensor]  # (2 b, ...) each, for `Encoder.host_loss`: drones, then satellites
    places: Tensor  # (b,) int64, of the drone rows
    satellite_places: Tensor  # (b,) int64, equal to `places` unless the views are unpaired


class TrainingModel(nn.Module):
    """An encoder as a step calls it: DDP and autocast look at `forward` alone."""

    def __init__(self, encoder: Encoder):
        super().__init__()
        self.encoder = encoder

    def forward(self, images: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        return self.encoder.training_outputs(images)


class WholeBatch:
    """One pass over all images of a batch, both views together."""

    def __init__(self, model: nn.Module, accelerator):
        self.model, self.accelerator = model, accelerator

    def forward(self, batch: Batch) -> Outputs:
        """The batch, moved to where the model is, through the model."""
        device = self.accelerator.device
        images = torch.cat([batch.drone, batch.satellite]).to(device, non_blocking=True)
        with self.accelerator.autocast():
            z, further = self.model(images)  # (2 b, 3, px, px) -> (2 b, D)
        return _outputs(batch, z, further)

    def backward(self) -> None:
        """Nothing is left to do: the loss's gradient has gone through the model already."""


class InMicroBatches:
    """A pass for the embeddings, and after the loss's gradient a second one for the model's.

    Every micro-batch holds both views, as the whole batch does: first drones, then satellites.
    """

    def __init__(self, model: nn.Module, accelerator, pairs: int):
        self.model, self.accelerator, self.pairs = model, accelerator, pairs
        self.parts: MicroBatches | None = None

    def forward(self, batch: Batch) -> Outputs:
        """The batch, moved to where the model is, through the model."""
        device, rows = self.accelerator.device, len(batch.places)
        cut = torch.arange(rows).split(self.pairs)
        order = torch.cat([torch.cat([pairs, pairs + rows]) for pairs in cut])
        images = torch.cat([batch.drone, batch.satellite])[order].to(device, non_blocking=True)
        self.parts = MicroBatches(self.model, images, 2 * self.pairs)
        z, further = self.parts.embed()
        back = order.argsort().to(device)
        return _outputs(batch, z[back], {name: values[back] for name, values in further.items()})

    def backward(self) -> None:
        """Carry the gradients of `forward`'s outputs through the model, a micro-batch at a time."""
        self.parts.backward(not_yet=partial(self.accelerator.no_sync, self.model))


def make_passes(model: nn.Module, accelerator, settings: Settings) -> WholeBatch | InMicroBatches:
    """The passes that `settings.micro_batch` asks for."""
    if settings.micro_batch is None:
        return WholeBatch(model, accelerator)
    return InMicroBatches(model, accelerator, settings.micro_batch)


def training_mode(model: nn.Module, settings: Settings) -> None:
    """Put the model into training mode; its batch norm stays as it is with `freeze_bn`."""
    model.train()
    if settings.freeze_bn:
        freeze_batch_norm(model)


def warn_of_batch_norm(model: nn.Module, settings: Settings, processes: int) -> None:
    """Warn where the step is not that of the whole batch in one process."""
    own, micro_batch = settings.batch / processes, settings.micro_batch
    cut = micro_batch is not None and micro_batch < own
    training_mode(model, settings)
    if (cut or processes > 1) and normalises_over_batch(model):
        warnings.warn(
            f"{settings.backbone} has batch norm, and each "
            f"{'micro-batch' if cut else 'process'} normalises itself: the gradients are not "
            "those of the whole batch; freeze_bn (--freeze-bn) makes them so",
            stacklevel=2,
        )


def _outputs(batch: Batch, z: Tensor, further: dict[str, Tensor]) -> Outputs:
    rows = len(batch.places)
    places = [labels.to(z.device) for labels in (batch.places, batch.satellite_places)]
    return Outputs(z[:rows], z[rows:], further, *places)
