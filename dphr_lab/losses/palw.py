"""PALW, progressive adaptive loss weighting: how much the weighted term counts by now."""

from __future__ import annotations

import math

import torch
import torch.distributed as dist
from torch import Tensor, nn

from dphr_lab.losses.distances import mean_over_negatives

SIGNALS = ("recall", "triplet", "similarity", "step", "constant")
_OPEN_LOOP = ("step", "constant")  # these read no batch and bypass the average


@torch.no_grad()
def batch_progress(distance: Tensor, negatives: Tensor, signal: str = "recall") -> Tensor:
    """How far training has come, read off one batch, both directions averaged: scalar in [0, 1].

    distance (B, B) has the positives on its diagonal; negatives (B, B) bool is symmetric.
    "recall": share of queries whose positive is strictly nearer than every negative, "triplet":
    share of triplets with d_pos < d_neg, both rescaled so that chance is 0; "similarity": mean
    cosine of positives minus that of negatives. Grade: [S] that there is a signal, [O] which.
    Taught in: book/05.
    """
    if signal == "similarity":
        cosine = 1 - distance.square() / 2
        others = (mean_over_negatives(c, negatives) for c in (cosine, cosine.T))
        gap = cosine.diagonal().mean() - sum(others) / 2
        return gap.nan_to_num(0.0).clamp(0, 1)  # NaN must not enter the average
    count = negatives.sum(1)  # the same for rows and columns
    shares = []
    for d in (distance, distance.T):
        nearer = d.diagonal()[:, None] < d
        if signal == "recall":
            shares.append((nearer | ~negatives).all(1).to(distance.dtype).mean())
        else:
            shares.append(((nearer & negatives).sum(1) / count).mean())
    chance = (1 / (count + 1)).mean() if signal == "recall" else 0.5
    return above_chance(sum(shares) / 2, chance).to(distance.dtype)


def above_chance(share: Tensor, chance: Tensor | float) -> Tensor:
    """A share of successes rescaled so that chance gives 0 and certainty 1, clamped to [0, 1]."""
    return ((share - chance) / (1 - chance)).clamp(0, 1)


class ProgressiveWeight(nn.Module):
    """lambda^t = lambda_max * progress^gamma, in [0, lambda_max].

    progress is the bias-corrected moving average (`momentum`) of the batches' signal; for "step"
    it is t / total_steps and for "constant" it is 1, the open-loop controls. 0 before the first
    update. The state lives in buffers: saved, restored and moved with the module. `average` is
    corrected already: a_t = a_(t-1) + (s_t - a_(t-1)) (1 - m) / (1 - m^t).

    Raises ValueError for an unknown signal, "step" without total_steps, or a setting out of range.
    Grade: [S] that lambda^t follows a progress signal, [O] signal and update. Taught in: book/05.
    """

    average: Tensor
    steps: Tensor

    def __init__(
        self,
        signal: str = "recall",
        lambda_max: float = 1.0,
        gamma: float = 1.0,
        momentum: float = 0.99,
        total_steps: int | None = None,
    ):
        super().__init__()
        if signal not in SIGNALS:
            raise ValueError(f"signal is {signal!r}; expected one of {SIGNALS}")
        if signal == "step" and not (total_steps and total_steps > 0):
            raise ValueError(
                f"total_steps is {total_steps}; signal='step' needs the number of optimiser steps"
            )
        if lambda_max < 0 or gamma <= 0:
            raise ValueError(f"lambda_max is {lambda_max}, gamma {gamma}; expected >= 0 and > 0")
        if not 0 <= momentum < 1:
            raise ValueError(f"momentum is {momentum}; expected 0 (no average) to below 1")
        self.signal, self.lambda_max, self.gamma = signal, lambda_max, gamma
        self.momentum, self.total_steps = momentum, total_steps
        self.register_buffer("average", torch.zeros(()))
        self.register_buffer("steps", torch.zeros((), dtype=torch.long))

    @property
    def updates_now(self) -> bool:
        """Whether `forward` would update the state: in train() with gradients enabled."""
        return self.training and torch.is_grad_enabled()

    @property
    def reads_batch(self) -> bool:
        """Whether the signal is read off the batch ("step" and "constant" are not)."""
        return self.signal not in _OPEN_LOOP

    @torch.no_grad()
    def update(self, progress: Tensor | float | None, rows: int | None) -> None:
        """Take in one batch's progress in [0, 1], read off `rows` queries.

        Where torch.distributed runs, all ranks must call it together: progress is averaged over
        them by row count, so that every rank has the same lambda; with `rows` None it is taken
        for read off the rows of all of them.
        """
        self.steps.add_(1)
        if self.reads_batch:
            progress = torch.as_tensor(progress, dtype=torch.float32)
            if progress.device != self.average.device:
                self.to(progress.device)  # a loss that was never moved follows its input
            several = dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1
            if several and rows is not None:
                total = torch.stack([progress * rows, torch.full_like(progress, rows)])
                dist.all_reduce(total)
                progress = total[0] / total[1]
            log_momentum = math.log(self.momentum) if self.momentum else -math.inf
            decayed = torch.expm1(self.steps * log_momentum)  # m^t - 1
            gap = progress - self.average
            self.average.addcdiv_(gap, decayed, value=self.momentum - 1).clamp_(0, 1)

    def progress(self) -> Tensor:
        """The progress behind the present lambda, scalar in [0, 1]; changes nothing."""
        if self.signal == "constant":
            return torch.ones_like(self.average)
        if self.signal == "step":
            return (self.steps / self.total_steps).clamp(max=1).to(self.average.dtype)
        return self.average.clone()

    def value(self) -> Tensor:
        """The present lambda, scalar in [0, lambda_max]; changes nothing."""
        progress = self.progress()
        return self.lambda_max * (progress if self.gamma == 1 else progress**self.gamma)

    def forward(self, distance: Tensor, negatives: Tensor) -> Tensor:
        """lambda for this batch, updated before use in train() with gradients enabled."""
        if self.updates_now:
            read = batch_progress(distance, negatives, self.signal) if self.reads_batch else None
            self.update(read, rows=distance.shape[0])
        return self.value().to(distance)

    def extra_repr(self) -> str:
        return (
            f"signal={self.signal!r}, lambda_max={self.lambda_max}, gamma={self.gamma}, "
            f"momentum={self.momentum}, total_steps={self.total_steps}"
        )
