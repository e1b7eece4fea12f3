"""RDA, ratio-based difficulty-aware weights: how hard a negative is beside its own positive."""

from __future__ import annotations

import torch
from torch import Tensor

from dphr_lab.losses.distances import mean_over_negatives
from dphr_lab.losses.triplet import as_column

WEIGHT_MAPS = ("exp", "power", "linear")
NORMALISATIONS = ("query", "batch", "none")


def rda_hardness(d_pos: Tensor, d_neg: Tensor) -> Tensor:
    """h = d_pos / (d_pos + d_neg) in [0, 1]; d_pos (B,), d_neg (B, K) -> (B, K).

    1/2: the negative is as far as the positive; above: nearer, a violation; to 0: easy. It is
    sigmoid(log d_pos - log d_neg), so scaling every distance by one constant leaves it alone.
    Two zero distances give 1/2. Grade: [S]. Taught in: book/04.
    """
    d_pos = as_column(d_pos, d_neg)
    total = d_pos + d_neg
    both_zero = total == 0
    return torch.where(both_zero, 0.5, d_pos / torch.where(both_zero, 1.0, total))


def map_hardness(hardness: Tensor, weight_map: str = "exp", beta: float = 16.0) -> Tensor:
    """The increasing map of h, before normalising: exp(beta (h - 1/2)), (2h)^beta or h.

    Grade: [S] that there is a map, [O] which.
    """
    if weight_map == "exp":
        return torch.exp(beta * (hardness - 0.5))
    if weight_map == "power":
        return (2 * hardness) ** beta
    return hardness


def rda_weights(
    hardness: Tensor,
    negatives: Tensor | None = None,
    weight_map: str = "exp",
    beta: float = 16.0,
    normalise: str = "query",
    detach: bool = True,
) -> Tensor:
    """Weights omega >= 0 of the negatives, (B, K) -> (B, K); zero where `negatives` is False.

    normalise "query": each row's weights have mean 1 over its negatives; "batch": the mean over
    queries of those means is 1; "none": as mapped. With `detach` they are constants for the
    gradient. Raises ValueError for an unknown map or normalisation, or beta outside [0, 100].
    Grade: [S] that weights grow with h, [O] map, normalisation and detaching. Taught in: book/04.
    """
    check_weights(weight_map, beta, normalise)
    if negatives is None:
        negatives = torch.ones_like(hardness, dtype=torch.bool)
    if detach:
        hardness = hardness.detach()
    weights = torch.where(negatives, map_hardness(hardness, weight_map, beta), 0)
    tiny = torch.finfo(weights.dtype).tiny  # a row without negatives has weights of sum zero
    if normalise == "query":
        mean = weights.sum(1, keepdim=True) / negatives.sum(1, keepdim=True).clamp_min(1)
        weights = weights / mean.clamp_min(tiny)
    elif normalise == "batch":
        weights = weights / mean_over_negatives(weights, negatives).clamp_min(tiny)
    return weights


def check_weights(weight_map: str, beta: float, normalise: str) -> None:
    """Raises ValueError for an unknown map or normalisation, or beta outside [0, 100]."""
    if weight_map not in WEIGHT_MAPS:
        raise ValueError(f"weight_map is {weight_map!r}; expected one of {WEIGHT_MAPS}")
    if normalise not in NORMALISATIONS:
        raise ValueError(f"normalise is {normalise!r}; expected one of {NORMALISATIONS}")
    if not 0 <= beta <= 100:  # exp(beta / 2) must stay inside float32
        raise ValueError(f"beta is {beta}; expected 0 (all weights equal) to 100 (16 is usual)")
