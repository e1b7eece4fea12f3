"""RDA, ratio-based difficulty-aware weights: how hard a negative is beside its own positive."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from dphr_lab.losses.distances import mean_over_negatives
from dphr_lab.losses.margins import as_column

WEIGHT_MAPS = ("interval", "exp", "power", "linear")
SCALES = ("none", "minmax")
NORMALISATIONS = ("query", "batch", "none")


def rda_hardness(d_pos: Tensor, d_neg: Tensor) -> Tensor:
    """h = d_pos / (d_pos + d_neg) in [0, 1]; d_pos (B,), d_neg (B, K) -> (B, K).

    1/2: the negative is as far as the positive; above: nearer, a violation; to 0: easy. It is
    sigmoid(log d_pos - log d_neg), so scaling every distance by one constant leaves it alone.
    Two zero distances give 1/2. Grade: [S]. Taught in: book/07.
    """
    d_pos = as_column(d_pos, d_neg)
    total = d_pos + d_neg
    both_zero = total == 0
    return torch.where(both_zero, 0.5, d_pos / torch.where(both_zero, 1.0, total))


def map_hardness(
    hardness: Tensor,
    weight_map: str = "interval",
    beta: float = 16.0,
    bounds: tuple[float, float] = (0.5, 1.5),
) -> Tensor:
    """The increasing map of h, before normalising.

    "interval": w_min + (w_max - w_min) h with `bounds` (w_min, w_max) [S that h is mapped linearly
    into a weight interval, O the bounds]; "exp": exp(beta (h - 1/2)), "power": (2h)^beta, "linear":
    h, all [O].
    """
    if weight_map == "interval":
        w_min, w_max = bounds
        return w_min + (w_max - w_min) * hardness
    if weight_map == "exp":
        return torch.exp(beta * (hardness - 0.5))
    if weight_map == "power":
        return (2 * hardness) ** beta
    return hardness


def rda_weights(
    hardness: Tensor,
    negatives: Tensor | None = None,
    weight_map: str = "interval",
    beta: float = 16.0,
    normalise: str = "none",
    detach: bool = True,
    bounds: tuple[float, float] = (0.5, 1.5),
    scale: str = "none",
) -> Tensor:
    """Weights omega >= 0 of the negatives, (B, K) -> (B, K); zero where `negatives` is False.

    normalise "query": each row's weights have mean 1 over its negatives; "batch": the mean over
    queries of those means is 1; "none": as mapped. `scale` "minmax": h is first scaled to [0, 1] by
    its least and largest value in each row (all of 1/2 where these are equal). With `detach`
    weights are constants for the gradient. The defaults are the closest reading's; sharp DPHR has
    weight_map="exp", normalise="query".

    Raises ValueError for an unknown map, scale or normalisation, beta outside [0, 100], or bounds
    that are not 0 <= w_min <= w_max. Grade: [S] that h is mapped linearly into an interval, [O] its
    bounds, the other maps, normalisation, scale and detaching. Taught in: book/07.
    """
    check_weights(weight_map, beta, normalise, bounds, scale)
    if negatives is None:
        negatives = torch.ones_like(hardness, dtype=torch.bool)
    if detach:
        hardness = hardness.detach()
    if scale == "minmax":
        hardness = _scaled_to_its_range(hardness, negatives)
    weights = torch.where(negatives, map_hardness(hardness, weight_map, beta, bounds), 0)
    tiny = torch.finfo(weights.dtype).tiny  # a row without negatives has weights of sum zero
    if normalise == "query":
        mean = weights.sum(1, keepdim=True) / negatives.sum(1, keepdim=True).clamp_min(1)
        weights = weights / mean.clamp_min(tiny)
    elif normalise == "batch":
        weights = weights / mean_over_negatives(weights, negatives).clamp_min(tiny)
    return weights


def _scaled_to_its_range(hardness: Tensor, negatives: Tensor) -> Tensor:
    """(h - least) / (largest - least) of each row's negatives; 1/2 where they are all equal."""
    least = hardness.masked_fill(~negatives, torch.inf).amin(1, keepdim=True)
    largest = hardness.masked_fill(~negatives, -torch.inf).amax(1, keepdim=True)
    span = largest - least
    equal = ~(span > 0)  # also a row without negatives
    scaled = (hardness - least) / torch.where(equal, 1.0, span)
    return torch.where(equal, 0.5, scaled)


def check_weights(
    weight_map: str,
    beta: float,
    normalise: str,
    bounds: tuple[float, float] = (0.5, 1.5),
    scale: str = "none",
) -> None:
    """Raises ValueError for what `rda_weights` does not take."""
    if weight_map not in WEIGHT_MAPS:
        raise ValueError(f"weight_map is {weight_map!r}; expected one of {WEIGHT_MAPS}")
    if normalise not in NORMALISATIONS:
        raise ValueError(f"normalise is {normalise!r}; expected one of {NORMALISATIONS}")
    if not 0 <= beta <= 100:  # exp(beta / 2) must stay inside float32
        raise ValueError(f"beta is {beta}; expected 0 (all weights equal) to 100 (16 is usual)")
    if scale not in SCALES:
        raise ValueError(f"scale is {scale!r}; expected one of {SCALES}")
    w_min, w_max = bounds
    if not 0 <= w_min <= w_max < math.inf:
        raise ValueError(
            f"w_min is {w_min}, w_max {w_max}; expected finite numbers, 0 <= w_min <= w_max "
            "(0.5 and 1.5 are the defaults)"
        )
    if weight_map == "interval" and w_max == 0:
        raise ValueError(
            "w_min and w_max are both 0; expected w_max above 0, else no weight is left"
        )
