"""One axis for all losses: how steeply a negative's weight falls with its distance.

kappa = -d log(weight) / d d_neg, per unit distance, where the weight is the factor by which the
loss pulls on that negative; and the number of negatives that a weighting effectively uses.
"""

from __future__ import annotations

import torch
from torch import Tensor

from dphr_lab.losses.margins import as_column
from dphr_lab.losses.rda import rda_hardness


def soft_margin_sharpness(d_pos: Tensor, d_neg: Tensor, alpha: float = 10.0) -> Tensor:
    """alpha (1 - sigma), of the weight sigma = sigmoid(alpha (d_pos - d_neg)); (B, K).

    Taught in: book/04.
    """
    return alpha * torch.sigmoid(alpha * (d_neg - as_column(d_pos, d_neg)))


def rda_sharpness(d_pos: Tensor, d_neg: Tensor, beta: float = 16.0) -> Tensor:
    """beta h (1 - h) / d_neg, of the weight exp(beta (h - 1/2)); (B, K), per unit distance.

    It multiplies the soft margin's weight in L_wtri, so their sharpnesses add. Taught in: book/04.
    """
    h = rda_hardness(d_pos, d_neg)
    return beta * h * (1 - h) / d_neg


def info_nce_sharpness(d_neg: Tensor, temperature: float = 0.07) -> Tensor:
    """d_neg / temperature, of the weight exp(s / temperature) with s = 1 - d_neg^2 / 2.

    Taught in: book/04.
    """
    return d_neg / temperature


def effective_negatives(weights: Tensor, negatives: Tensor | None = None) -> Tensor:
    """(sum w)^2 / sum w^2 of each row, (B, K) -> (B,): K for equal weights, 1 for a single one.

    Only entries where `negatives` is True count; a row of zero weights has 0. Taught in: book/04.
    """
    if negatives is not None:
        weights = weights.masked_fill(~negatives, 0)
    largest = weights.amax(1, keepdim=True)  # so that squares neither vanish nor overflow
    weights = weights / torch.where(largest > 0, largest, 1)
    squares = weights.square().sum(1)
    return weights.sum(1).square() / torch.where(squares > 0, squares, 1)
