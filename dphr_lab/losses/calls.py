"""How losses are called: by rows, for their terms, and as pytorch-metric-learning calls its own."""

from __future__ import annotations

import functools
from collections.abc import Callable

import torch
from torch import Tensor, nn


def accepts_metric_learning_call(forward: Callable) -> Callable:
    """Let `forward(self, z_query, z_gallery, places)` be called `(emb, labels, ref_emb=...)` too.

    In that call `ref_labels` must hold the same labels as `labels`, each as often; their rows are
    brought into the same order (rows of one label keep theirs). Raises ValueError otherwise, and
    for mined tuples as the third argument: which negatives count is this package's loss's own.
    """

    @functools.wraps(forward)
    def call(self, z_query, z_gallery=None, places=None, *, ref_emb=None, ref_labels=None):
        if ref_emb is None:
            if z_gallery is None:
                raise ValueError("z_gallery is None; expected loss(z_query, z_gallery, places)")
            return forward(self, z_query, z_gallery, places)
        if ref_labels is None or z_gallery is None:
            raise ValueError("ref_emb was given; expected loss(emb, labels, ref_emb=, ref_labels=)")
        if places is not None:
            raise ValueError(
                "a third argument was given beside ref_emb; mined tuples are not taken, so "
                "expected loss(emb, labels, ref_emb=, ref_labels=)"
            )
        z_gallery, labels = _aligned(z_gallery, ref_emb, ref_labels)
        return forward(self, z_query, z_gallery, labels)

    return call


class LossOfTerms(nn.Module):
    """A loss whose value is one of its named terms, computed by the subclass's `_terms`."""

    @accepts_metric_learning_call
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
