"""Symmetric InfoNCE, the loss of the field's strongest baselines."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dphr_lab.losses.calls import LossOfTerms
from dphr_lab.losses.distances import check_pairs, similarities

MAX_LOGIT_SCALE = 100.0  # CLIP's ceiling: a temperature of 0.01


def info_nce(logits: Tensor, label_smoothing: float = 0.0, allowed: Tensor | None = None) -> Tensor:
    """Cross entropy of each row's own column, (B, B) -> scalar mean over rows.

    `allowed` (B, B) bool marks the columns that take part (the diagonal must); the smoothing mass
    is spread over those alone.
    """
    if allowed is None:
        target = torch.arange(logits.shape[0], device=logits.device)
        return F.cross_entropy(logits, target, label_smoothing=label_smoothing)
    log_p = logits.masked_fill(~allowed, -torch.inf).log_softmax(1)
    own = log_p.diagonal()
    spread = log_p.masked_fill(~allowed, 0).sum(1) / allowed.sum(1)
    return -((1 - label_smoothing) * own + label_smoothing * spread).mean()


class SymmetricInfoNCE(LossOfTerms):
    """InfoNCE from query to gallery and back, averaged; the positive is the aligned row.

    Other rows of the same place are neither positive nor negative: they are masked out.
    `logit_scale` is log(1 / temperature), a parameter if `learn_temperature`, else a buffer; the
    scale is capped at 100. Raises ValueError for a temperature below 0.01 or a smoothing outside
    [0, 1). Source: Sample4Geo (Deuser et al., ICCV 2023), CLIP (Radford et al., ICML 2021).
    Taught in: book/06.

    Terms: query_to_gallery, gallery_to_query, similarity (B, B), temperature.
    """

    logit_scale: Tensor

    def __init__(
        self,
        label_smoothing: float = 0.1,
        temperature: float = 0.07,
        learn_temperature: bool = True,
    ):
        super().__init__()
        if not temperature >= 1 / MAX_LOGIT_SCALE:
            raise ValueError(
                f"temperature is {temperature}; expected at least 0.01 (0.07 is usual)"
            )
        if not 0 <= label_smoothing < 1:
            raise ValueError(f"label_smoothing is {label_smoothing}; expected 0 to below 1")
        self.label_smoothing = label_smoothing
        logit_scale = torch.tensor(math.log(1 / temperature))
        if learn_temperature:
            self.logit_scale = nn.Parameter(logit_scale)
        else:
            self.register_buffer("logit_scale", logit_scale)

    def scale(self) -> Tensor:
        """1 / temperature, at most 100: what similarities are multiplied by."""
        return self.logit_scale.exp().clamp(max=MAX_LOGIT_SCALE)

    def _terms(self, z_query, z_gallery, places):
        pairs = check_pairs(z_query, z_gallery, places)
        similarity = similarities(pairs.z_query, pairs.z_gallery)
        scale = self.scale().to(similarity)
        logits, allowed = scale * similarity, None
        if pairs.places is not None:
            allowed = pairs.negatives.fill_diagonal_(True)
        forth = info_nce(logits, self.label_smoothing, allowed)
        back = info_nce(logits.T, self.label_smoothing, allowed)
        return {
            "loss": (forth + back) / 2,
            "query_to_gallery": forth,
            "gallery_to_query": back,
            "similarity": similarity,
            "temperature": 1 / scale,
        }

    def extra_repr(self) -> str:
        return (
            f"label_smoothing={self.label_smoothing}, "
            f"learn_temperature={isinstance(self.logit_scale, nn.Parameter)}"
        )
