"""One axis for all losses: how steeply a negative's weight falls with its distance.

kappa = -d log(weight) / d d_neg, per unit distance, where the weight is the factor by which the
loss pulls on that negative; and the number of negatives that a weighting effectively uses.
"""

from __future__ import annotations

import torch
from torch import Tensor

from dphr_lab.losses.margins import as_column
from dphr_lab.losses.rda import check_weights, map_hardness, rda_hardness


def soft_margin_sharpness(d_pos: Tensor, d_neg: Tensor, alpha: float = 10.0) -> Tensor:
    """alpha (1 - sigma), of the weight sigma = sigmoid(alpha (d_pos - d_neg)); (B, K).

    Taught in: book/24.
    """
    return alpha * torch.sigmoid(alpha * (d_neg - as_column(d_pos, d_neg)))


def rda_sharpness(
    d_pos: Tensor,
    d_neg: Tensor,
    beta: float = 16.0,
    weight_map: str = "exp",
    bounds: tuple[float, float] = (0.5, 1.5),
    scale: str = "none",
) -> Tensor:
    """(d log omega / d h) h (1 - h) / d_neg, of RDA's weights; (B, K), per unit distance.

    d log omega / d h is `beta` for "exp", beta / h for "power", 1 / h for "linear", and
    (w_max - w_min) / omega for "interval" with `bounds` (w_min, w_max). With `scale` "minmax" h is
    scaled to its range in each row first, and that range counts as constant. Normalising changes
    none of it, as the mean is shared. It multiplies the soft margin's weight in L_wtri, so their
    sharpnesses add. Raises ValueError as `rda_weights` does. Taught in: book/07, book/24.
    """
    check_weights(weight_map, beta, "none", bounds, scale)
    h = rda_hardness(d_pos, d_neg)
    per_h, mapped = 1.0, h
    if scale == "minmax":
        span = h.amax(1, keepdim=True) - h.amin(1, keepdim=True)
        per_h = torch.where(span > 0, 1 / span, 0.0)  # equal hardness: equal weights
        mapped = torch.where(span > 0, (h - h.amin(1, keepdim=True)) * per_h, 0.5)
    if weight_map == "interval":
        w_min, w_max = bounds
        slope = (w_max - w_min) / map_hardness(mapped, "interval", bounds=bounds)
    else:
        slope = {"exp": beta, "power": beta / mapped, "linear": 1 / mapped}[weight_map]
    return slope * per_h * h * (1 - h) / d_neg


def info_nce_sharpness(d_neg: Tensor, temperature: float = 0.07) -> Tensor:
    """d_neg / temperature, of the weight exp(s / temperature) with s = 1 - d_neg^2 / 2.

    Taught in: book/24.
    """
    return d_neg / temperature


def effective_negatives(weights: Tensor, negatives: Tensor | None = None) -> Tensor:
    """(sum w)^2 / sum w^2 of each row, (B, K) -> (B,): K for equal weights, 1 for a single one.

    Only entries where `negatives` is True count; a row of zero weights has 0.
    Taught in: book/06, book/07.
    """
    if negatives is not None:
        weights = weights.masked_fill(~negatives, 0)
    largest = weights.amax(1, keepdim=True)  # so that squares neither vanish nor overflow
    weights = weights / torch.where(largest > 0, largest, 1)
    squares = weights.square().sum(1)
    return weights.sum(1).square() / torch.where(squares > 0, squares, 1)
