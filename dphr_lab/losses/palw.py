"""PALW, progressive adaptive loss weighting: how much the weighted term counts by now."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.distributed as dist
from torch import Tensor, nn

from dphr_lab.losses.distances import mean_over_negatives

SIGNALS = ("loss", "recall", "triplet", "similarity", "step", "constant", "course")
_OPEN_LOOP = ("step", "constant", "course")  # these read no batch and bypass the average
PROGRESS_MAPS = ("relative", "exp", "reciprocal")  # of the loss signal
SMOOTHS = ("coefficient", "signal")


@torch.no_grad()
def batch_progress(distance: Tensor, negatives: Tensor, signal: str = "recall") -> Tensor:
    """How far training has come, read off one batch, both directions averaged: scalar in [0, 1].

    distance (B, B) has the positives on its diagonal; negatives (B, B) bool is symmetric.
    "recall": share of queries whose positive is strictly nearer than every negative, "triplet":
    share of triplets with d_pos < d_neg, both rescaled so that chance is 0; "similarity": mean
    cosine of positives minus that of negatives. All of them [O]; the signal "loss" needs no reading
    of the batch beside L_tri. Taught in: book/08.
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


def above_chance(share: Tensor | float, chance: Tensor | float) -> Tensor | float:
    """A share of successes rescaled so that chance gives 0 and certainty 1, clamped to [0, 1]."""
    return _in_unit_range((share - chance) / (1 - chance))


class ProgressiveWeight(nn.Module):
    """lambda^t in [0, lambda_max]: how much the weighted term counts after t updates.

    Each batch gives a progress a_t in [0, 1], which is bent and averaged:

    * signal "loss": a_t = 1 - m_t / m_ref, clamped, where m_t is the mean of the last `window`
      values of the unweighted triplet loss and m_ref the mean of the first `window`; 0 until there
      are so many. `progress_map` "exp" and "reciprocal" are exp(-m_t) and 1 / (1 + m_t) instead.
    * signals "recall", "triplet", "similarity": `batch_progress`.
    * `smooth` "coefficient": lambda^t = mu lambda^(t-1) + (1 - mu) lambda_max a_t^gamma;
      "signal": lambda^t = lambda_max (average of a_t)^gamma. mu is `momentum`; with
      `bias_correction` averages are divided by 1 - mu^t, as Adam's are.
    * signals "step" (t / total_steps), "constant" (1) and "course" (a recorded `course`, one value
      an update, the last one kept) read no batch and are not averaged: open-loop controls.

    lambda is 0 before the first update. The state lives in buffers: saved, restored and moved with
    the module. The defaults are the closest reading's; sharp DPHR's are signal="recall",
    smooth="signal", bias_correction=True.

    Raises ValueError for an unknown signal, map or smoothing, "step" without total_steps, "course"
    without a course, or a setting out of range. Grade: [S] a moving average of recent unweighted
    triplet losses and a coefficient smoothed by an exponential moving average; [O] window, maps to
    progress, momentum and all other signals. Taught in: book/08.
    """

    average: Tensor
    steps: Tensor

    def __init__(
        self,
        signal: str = "loss",
        lambda_max: float = 1.0,
        gamma: float = 1.0,
        momentum: float = 0.99,
        total_steps: int | None = None,
        *,
        window: int = 100,
        progress_map: str = "relative",
        smooth: str = "coefficient",
        bias_correction: bool = False,
        course: Sequence[float] | None = None,
    ):
        super().__init__()
        for name, value, known in (
            ("signal", signal, SIGNALS),
            ("progress_map", progress_map, PROGRESS_MAPS),
            ("smooth", smooth, SMOOTHS),
        ):
            if value not in known:
                raise ValueError(f"{name} is {value!r}; expected one of {known}")
        if signal == "step" and not (total_steps and total_steps > 0):
            raise ValueError(
                f"total_steps is {total_steps}; signal='step' needs the number of optimiser steps"
            )
        if lambda_max < 0 or gamma <= 0:
            raise ValueError(f"lambda_max is {lambda_max}, gamma {gamma}; expected >= 0 and > 0")
        if not 0 <= momentum < 1:
            raise ValueError(f"momentum is {momentum}; expected 0 (no average) to below 1")
        if isinstance(window, bool) or not isinstance(window, int) or window < 1:
            raise ValueError(f"window is {window!r}; expected a whole number of steps, at least 1")
        self.signal, self.lambda_max, self.gamma = signal, lambda_max, gamma
        self.momentum, self.total_steps = momentum, total_steps
        self.window, self.progress_map = window, progress_map
        self.smooth, self.bias_correction = smooth, bias_correction
        self.register_buffer("average", torch.zeros(()))
        self.register_buffer("steps", torch.zeros((), dtype=torch.long))
        if signal == "loss":
            self.register_buffer("losses", torch.zeros(window))  # the last ones, in a ring
            self.register_buffer("first_mean", torch.zeros(()))  # of the first `window`
        if signal == "course":
            self.register_buffer("course", _checked_course(course), persistent=False)

    @property
    def updates_now(self) -> bool:
        """Whether `forward` would update the state: in train() with gradients enabled."""
        return self.training and torch.is_grad_enabled()

    @property
    def reads_batch(self) -> bool:
        """Whether the signal is read off the batch (the open-loop ones are not)."""
        return self.signal not in _OPEN_LOOP

    def update(self, read: Tensor | float | None, rows: int | None) -> None:
        """Take in what one batch of `rows` queries gave: its progress, or for "loss" its L_tri.

        Where torch.distributed runs, all ranks must call it together: what was read is averaged
        over them by row count, so that every rank has the same lambda; with `rows` None it is taken
        for read off the rows of all of them.
        """
        if not self.reads_batch:
            self.steps.add_(1)
            return
        read = torch.as_tensor(read, dtype=torch.float32).detach()
        if read.device != self.average.device:
            self.to(read.device)  # a loss that was never moved follows its input
        several = dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1
        if several and rows is not None:
            total = torch.stack([read * rows, torch.full_like(read, rows)])
            dist.all_reduce(total)
            read = total[0] / total[1]
        average, read, steps = map(as_cheap, (self.average, read, self.steps))
        steps = steps + 1
        progress = self._progress_of_losses(read, steps) if self.signal == "loss" else read
        self.steps.add_(1)
        if self.smooth == "coefficient" and self.gamma != 1:
            progress = progress**self.gamma
        gain = 1 - self.momentum
        if self.bias_correction:
            # a_t = a_(t-1) + (s_t - a_(t-1)) (1 - m) / (1 - m^t): corrected at every step
            log_momentum = math.log(self.momentum) if self.momentum else -math.inf
            expm1 = torch.expm1 if isinstance(steps, Tensor) else math.expm1
            gain = -gain / expm1(steps * log_momentum)
        average = average + gain * (progress - average)
        self.average.fill_(_in_unit_range(average) if self.bias_correction else average)

    def _progress_of_losses(self, loss: Tensor | float, steps: Tensor | int) -> Tensor | float:
        """The progress after one more L_tri, with which there are `steps`.

        A loss that is not finite counts as the mean before it.
        """
        if isinstance(loss, Tensor):
            loss = torch.where(loss < torch.inf, loss, self.loss_average())
            self.losses.index_fill_(0, (steps - 1) % self.window, loss.to(self.losses.dtype))
            divisor = steps.clamp_max(self.window)
        else:
            loss = loss if math.isfinite(loss) else self.loss_average().item()
            self.losses[(steps - 1) % self.window].fill_(loss)
            divisor = min(steps, self.window)
        mean = as_cheap(self.losses.sum()) / divisor
        if self.progress_map == "exp":
            return torch.exp(-mean) if isinstance(mean, Tensor) else math.exp(-mean)
        if self.progress_map == "reciprocal":
            return 1 / (1 + mean)
        if isinstance(mean, Tensor):
            first = torch.where(steps <= self.window, mean, self.first_mean)
            self.first_mean.copy_(first)
        elif steps <= self.window:
            self.first_mean.fill_(first := mean)
        else:
            first = self.first_mean.item()
        tiny = torch.finfo(self.first_mean.dtype).tiny  # zero from the start is no progress
        return _at_least((first - mean) / _at_least(first, tiny), 0.0)

    def loss_average(self) -> Tensor:
        """m_t of the signal "loss": mean of the last `window` values of L_tri, 0 before the first.

        Changes nothing.
        """
        return self.losses.sum() / self.steps.clamp(1, self.window)

    def progress(self) -> Tensor:
        """The progress behind the present lambda, scalar in [0, 1]; changes nothing.

        With smooth="coefficient" it is lambda / lambda_max; a course may lie above 1.
        """
        if self.signal == "constant":
            return torch.ones_like(self.average)
        if self.signal == "step":
            return (self.steps / self.total_steps).clamp(max=1).to(self.average.dtype)
        if self.signal == "course":
            last = self.course.shape[0] - 1
            now = self.course.gather(0, (self.steps - 1).clamp(0, last)[None])[0]
            return torch.where(self.steps > 0, now, 0.0).to(self.average.dtype)
        return self.average.clone()

    def value(self) -> Tensor:
        """The present lambda, scalar; changes nothing."""
        progress = self.average if self.reads_batch else self.progress()
        bent = self.gamma != 1 and (self.smooth == "signal" or not self.reads_batch)
        return self.lambda_max * (progress**self.gamma if bent else progress)

    def forward(self, distance: Tensor, negatives: Tensor, triplet: Tensor | None = None) -> Tensor:
        """lambda for this batch, updated before use in train() with gradients enabled.

        distance, negatives (B, B) as for `batch_progress`; `triplet`: L_tri, for the signal "loss".
        """
        if self.updates_now:
            read = None
            if self.signal == "loss":
                read = triplet
            elif self.reads_batch:
                read = batch_progress(distance, negatives, self.signal)
            self.update(read, rows=distance.shape[0])
        return self.value().to(distance)

    def extra_repr(self) -> str:
        return (
            f"signal={self.signal!r}, lambda_max={self.lambda_max}, gamma={self.gamma}, "
            f"momentum={self.momentum}, total_steps={self.total_steps}, window={self.window}, "
            f"progress_map={self.progress_map!r}, smooth={self.smooth!r}, "
            f"bias_correction={self.bias_correction}"
        )


def as_cheap(number: Tensor, like: Tensor | None = None) -> Tensor | float:
    """A number on the CPU as Python's, whose arithmetic costs next to nothing.

    It stays a tensor on a GPU, where to look at it is to wait, and while `torch.compile` traces:
    then of the dtype and on the device of `like`.
    """
    if not torch.compiler.is_compiling() and number.is_cpu:
        return number.item()
    return number if like is None else number.to(like)


def _in_unit_range(number: Tensor | float) -> Tensor | float:
    return number.clamp(0, 1) if isinstance(number, Tensor) else min(max(number, 0.0), 1.0)


def _at_least(number: Tensor | float, low: float) -> Tensor | float:
    return number.clamp_min(low) if isinstance(number, Tensor) else max(number, low)


def _checked_course(course: Sequence[float] | None) -> Tensor:
    values = torch.as_tensor(list(course or ()), dtype=torch.float32)
    if values.ndim != 1 or not len(values) or not values.isfinite().all() or (values < 0).any():
        raise ValueError(
            f"course has {len(values)} values; signal='course' needs one or more, each finite and "
            "0 or more: lambda after the first, second, ... update"
        )
    return values
