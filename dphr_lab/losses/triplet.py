"""The plain triplet term L_tri: every negative of every anchor, all weighing the same."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from dphr_lab.losses.closed_form import check_chunk_size, closed_form_loss
from dphr_lab.losses.distances import check_pairs, pairwise_distance
from dphr_lab.losses.margins import check_form
from dphr_lab.losses.plain_form import TermSettings, both_terms


class TripletLoss(nn.Module):
    """L_tri: mean over queries of the mean over their negatives, both directions averaged.

    Computed in closed form, `chunk_size` rows at a time where memory is short; with
    `across_processes` from each process's own rows, as in `DPHRLoss`.
    form "soft_margin" has slope `alpha` (per unit distance), "hinge" has `margin` (distance).
    Raises ValueError for an unknown form or a non-positive alpha. Grade: [S] the term, [O] its
    form. Taught in: book/06.
    """

    def __init__(
        self,
        *,
        alpha: float = 10.0,  # slope of the soft margin, per unit distance
        form: str = "soft_margin",  # or "hinge"
        margin: float = 0.3,  # of the hinge, a distance
        chunk_size: int | None = None,  # rows at a time; None: all
        across_processes: bool = False,  # the batch is spread over torch.distributed's processes
    ):
        super().__init__()
        check_form(form, alpha)
        check_chunk_size(chunk_size)
        self.alpha, self.form, self.margin = alpha, form, margin
        self.chunk_size, self.across_processes = chunk_size, across_processes
        self._settings = TermSettings(alpha, form, margin)

    def forward(self, z_query: Tensor, z_gallery: Tensor, places: Tensor | None = None) -> Tensor:
        """Scalar loss of B aligned rows, (B, D) each; places (B,) masks rows of the same place."""
        pairs = check_pairs(z_query, z_gallery, places, self.across_processes)
        # L_tri as `plain_form.both_terms` and `terms` write it; the same number, faster:
        return closed_form_loss(pairs, self._settings, chunk_size=self.chunk_size)

    @torch.no_grad()
    def terms(
        self, z_query: Tensor, z_gallery: Tensor, places: Tensor | None = None
    ) -> dict[str, Tensor]:
        """The named pieces: loss, distance and negatives (B, B), pair_loss (2, B, B).

        pair_loss[0] is query -> gallery, pair_loss[1] gallery -> query; a row is an anchor.
        """
        pairs = check_pairs(z_query, z_gallery, places)
        distance, negatives = pairwise_distance(pairs.z_query, pairs.z_gallery), pairs.negatives
        loss, _, pieces = both_terms(distance, negatives, self._settings)
        return {
            "loss": loss,
            "distance": distance,
            "negatives": negatives,
            "pair_loss": pieces["pair_loss"],
        }

    def extra_repr(self) -> str:
        return f"alpha={self.alpha}, form={self.form!r}, margin={self.margin}"
