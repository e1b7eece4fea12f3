"""The optimiser: what it trains, which one it is, and its learning rate over the steps."""

import math
from functools import partial
from typing import Any

import torch
from torch import nn

from dphr_lab.models import Encoder
from dphr_lab.settings import Settings

_CLASSES = {  # name in `settings.OPTIMIZERS` -> class
    "adamw": torch.optim.AdamW,
    "sgd": partial(torch.optim.SGD, momentum=0.9),
    "nesterov": partial(torch.optim.SGD, momentum=0.9, nesterov=True),
}
DROP = 0.1  # what a rate is multiplied by at each of `rate_drops`


def make_optimiser(encoder: Encoder, loss: nn.Module, settings: Settings) -> torch.optim.Optimizer:
    """The optimiser that `settings.optimizer` names, of all that the encoder and the loss learn."""
    return _CLASSES[settings.optimizer](
        parameter_groups(encoder, loss, settings),
        lr=settings.learning_rate,
        weight_decay=settings.weight_decay,
    )


def parameter_groups(encoder: Encoder, loss: nn.Module, settings: Settings) -> list[dict[str, Any]]:
    """What an optimiser is made of: the encoder, then what has no weight decay.

    With `backbone_rate` other than 1 the backbone is a group of its own. "rate" is a group's share
    of the learning rate.
    """
    undecayed = [p for name, p in encoder.named_parameters() if name in encoder.undecayed]
    last = {"params": [*loss.parameters(), *undecayed], "weight_decay": 0.0, "rate": 1.0}
    decayed = [p for name, p in encoder.named_parameters() if name not in encoder.undecayed]
    if settings.backbone_rate == 1:
        return [{"params": decayed, "rate": 1.0}, last]
    of_backbone = set(map(id, encoder.backbone.parameters()))
    return [
        {
            "params": [p for p in decayed if id(p) in of_backbone],
            "rate": float(settings.backbone_rate),
        },
        {"params": [p for p in decayed if id(p) not in of_backbone], "rate": 1.0},
        last,
    ]


def learning_rate(step: int, settings: Settings) -> float:
    """Rate of optimiser step `step` (0-based): linear warm-up, then a cosine to 0.

    With `rate_drops` it falls to a tenth at each of these shares of the steps instead.
    """
    warm = round(settings.warmup * settings.steps)
    if step < warm:
        return settings.learning_rate * (step + 1) / warm
    if settings.rate_drops:
        drops = sum(step >= round(share * settings.steps) for share in settings.rate_drops)
        return settings.learning_rate * DROP**drops
    share = (step - warm) / max(1, settings.steps - warm)
    return settings.learning_rate * (1 + math.cos(math.pi * share)) / 2


def set_learning_rate(optimizer: torch.optim.Optimizer, step: int, settings: Settings) -> float:
    """Give every group its share of the rate of step `step` (0-based); returns that rate."""
    rate = learning_rate(step, settings)
    for group in optimizer.param_groups:
        group["lr"] = rate * group["rate"]
    return rate
