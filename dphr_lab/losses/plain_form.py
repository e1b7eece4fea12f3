"""L_tri and L_wtri as their formulas say: the plain form, B x B arrays and autograd.

`closed_form` computes the same numbers faster. Taught in: book/07, book/08.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from dphr_lab.losses.distances import mean_over_negatives
from dphr_lab.losses.margins import triplet_loss
from dphr_lab.losses.rda import rda_hardness, rda_weights


@dataclass(frozen=True)
class TermSettings:
    """What decides the two triplet terms."""

    alpha: float = 10.0  # slope of the soft margin, per unit distance
    form: str = "soft_margin"  # "soft_margin" or "hinge"
    margin: float = 0.3  # of the hinge, a distance
    weight_map: str | None = None  # "interval", "exp", "power", "linear"; None: omega = 1
    beta: float = 0.0  # sharpness of "exp" and "power"
    bounds: tuple[float, float] = (0.0, 1.0)  # w_min and w_max of "interval"
    scale: str = "none"  # "minmax": h is scaled to its own least and largest per anchor
    normalise: str = "none"  # "query", "batch" or "none"
    ratio: str = "own"  # "own", or "batch_mean" for the broken-ratio control
    rescale: bool = False  # divide by 1 + lambda


def both_terms(
    distance: Tensor, negatives: Tensor, settings: TermSettings, detach: bool = True
) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
    """L_tri, L_wtri and their pieces, of distances (B, B) with the positives on the diagonal.

    Pieces, detached, (2, B, B): pair_loss, hardness, weights; [0] query -> gallery, [1] gallery ->
    query, a row an anchor, zero where there is no negative.
    """
    s = settings
    plain, weighted = [], []
    pieces: dict[str, list[Tensor]] = {"pair_loss": [], "hardness": [], "weights": []}
    for d in (distance, distance.T):  # a row is an anchor: each query, then each gallery image
        pair_loss = triplet_loss(d.diagonal(), d, s.form, s.alpha, s.margin)
        weights = term_weights(d, negatives, s, detach)
        plain.append(mean_over_negatives(pair_loss, negatives))
        weighted.append(mean_over_negatives(weights * pair_loss, negatives))
        found = (pair_loss, _hardness(d, s), weights)
        for name, piece in zip(pieces, found, strict=True):
            pieces[name].append(piece.detach().masked_fill(~negatives, 0))
    stacked = {name: torch.stack(piece) for name, piece in pieces.items()}
    return sum(plain) / 2, sum(weighted) / 2, stacked


def term_weights(
    d: Tensor, negatives: Tensor, settings: TermSettings, detach: bool = True
) -> Tensor:
    """omega (B, B) of distances whose rows are anchors; 0 where there is no negative."""
    s = settings
    if s.weight_map is None:
        return negatives.to(d)
    options = {"bounds": s.bounds, "scale": s.scale}
    return rda_weights(
        _hardness(d, s), negatives, s.weight_map, s.beta, s.normalise, detach, **options
    )


def _hardness(d: Tensor, s: TermSettings) -> Tensor:
    d_pos = d.diagonal()
    return rda_hardness(d_pos if s.ratio == "own" else d_pos.mean().expand_as(d_pos), d)


def joined(plain: Tensor, weighted: Tensor, lam: Tensor | float, rescale: bool) -> Tensor:
    """L_DPHR = L_tri + lambda^t L_wtri; with `rescale` divided by 1 + lambda^t, a control."""
    loss = plain + lam * weighted
    return loss / (1 + lam) if rescale else loss
