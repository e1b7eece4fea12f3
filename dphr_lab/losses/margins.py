"""What one triplet costs: a soft margin or a hinge of d_pos - d_neg."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

FORMS = ("soft_margin", "hinge")


def as_column(d_pos: Tensor, d_neg: Tensor) -> Tensor:
    """(B,) -> (B, 1) beside (B, K) negatives; any other shape is left to broadcasting."""
    return d_pos.unsqueeze(-1) if d_pos.ndim == d_neg.ndim - 1 else d_pos


def soft_margin_triplet(d_pos: Tensor, d_neg: Tensor, alpha: float = 10.0) -> Tensor:
    """softplus(alpha (d_pos - d_neg)) for each negative; d_pos (B,), d_neg (B, K) -> (B, K).

    Grade: [S] that the paper has a triplet term, [O] this form and alpha. Taught in: book/06.
    """
    gap = alpha * (as_column(d_pos, d_neg) - d_neg)
    return F.softplus(gap, threshold=50)  # the default threshold cuts off at 2e-9 in float64


def hinge_triplet(d_pos: Tensor, d_neg: Tensor, margin: float = 0.3) -> Tensor:
    """relu(margin + d_pos - d_neg) for each negative; d_pos (B,), d_neg (B, K) -> (B, K).

    Grade: [O], the alternative to the soft margin. Taught in: book/06.
    """
    return F.relu(margin + as_column(d_pos, d_neg) - d_neg)


def triplet_loss(d_pos: Tensor, d_neg: Tensor, form: str, alpha: float, margin: float) -> Tensor:
    """The chosen form's loss for each negative; d_pos (B,), d_neg (B, K) -> (B, K)."""
    if form == "soft_margin":
        return soft_margin_triplet(d_pos, d_neg, alpha)
    return hinge_triplet(d_pos, d_neg, margin)


def check_form(form: str, alpha: float) -> None:
    """Raises ValueError for an unknown form or a non-positive alpha."""
    if form not in FORMS:
        raise ValueError(f"form is {form!r}; expected one of {FORMS}")
    if not alpha > 0:
        raise ValueError(f"alpha is {alpha}; expected a positive slope (10 is the default)")
