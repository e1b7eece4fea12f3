"""How losses are called: by rows, for their terms, or as pytorch-metric-learning calls its own."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class AsMetricLearning(nn.Module):
    """A loss of this package, called as pytorch-metric-learning calls its own.

    `AsMetricLearning(loss)(emb, labels, ref_emb=..., ref_labels=...)`: `emb` and `ref_emb` are the
    two views, (B, D) unit rows. `ref_labels` must hold the same labels as `labels`, each as often;
    their rows are brought into the same order (rows of one label keep theirs). Raises ValueError
    otherwise, and for mined tuples: which negatives count is the loss's own. `MetricLearningLoss`
    adapts the other way round.
    """

    def __init__(self, loss: nn.Module):
        super().__init__()
        self.loss = loss

    def forward(
        self,
        embeddings: Tensor,
        labels: Tensor,
        indices_tuple: tuple[Tensor, ...] | None = None,
        ref_emb: Tensor | None = None,
        ref_labels: Tensor | None = None,
    ) -> Tensor:
        """Scalar loss of B rows of each view."""
        if ref_emb is None or ref_labels is None:
            raise ValueError(
                f"ref_{'emb' if ref_emb is None else 'labels'} is None; expected the other view "
                "too: loss(emb, labels, ref_emb=, ref_labels=)"
            )
        if indices_tuple is not None:
            raise ValueError(
                "indices_tuple was given; mined tuples are not taken, so expected "
                "loss(emb, labels, ref_emb=, ref_labels=)"
            )
        z_gallery, places = _aligned(labels, ref_emb, ref_labels)
        return self.loss(embeddings, z_gallery, places)


class LossOfTerms(nn.Module):
    """A loss whose value is one of its named terms, computed by the subclass's `_terms`."""

    def forward(self, z_query: Tensor, z_gallery: Tensor, places: Tensor | None = None) -> Tensor:
        """Scalar loss of B aligned rows, (B, D) each; places (B,) masks rows of the same place."""
        return self._terms(z_query, z_gallery, places)["loss"]

    @torch.no_grad()
    def terms(
        self, z_query: Tensor, z_gallery: Tensor, places: Tensor | None = None
    ) -> dict[str, Tensor]:
        """The loss's named pieces, "loss" and those that the class names."""
        return self._terms(z_query, z_gallery, places)

    def _terms(self, z_query: Tensor, z_gallery: Tensor, places: Tensor | None):
        raise NotImplementedError


def _aligned(labels: Tensor, ref_emb: Tensor, ref_labels: Tensor) -> tuple[Tensor, Tensor]:
    """ref_emb with its rows in the order of `labels`, and `labels`."""
    labels, ref_labels = (torch.as_tensor(x, device=ref_emb.device) for x in (labels, ref_labels))
    order, ref_order = labels.argsort(stable=True), ref_labels.argsort(stable=True)
    if labels.shape != ref_labels.shape or not torch.equal(labels[order], ref_labels[ref_order]):
        raise ValueError(
            f"labels {tuple(labels.shape)} and ref_labels {tuple(ref_labels.shape)} differ; "
            "expected the same labels, each as often (every query has one positive row)"
        )
    partner = torch.empty_like(order)
    partner[order] = ref_order
    return ref_emb[partner], labels
