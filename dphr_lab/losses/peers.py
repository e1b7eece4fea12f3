"""The losses that DPHR is compared with, besides InfoNCE: mined, reweighted, and adapted ones."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dphr_lab.losses.calls import LossOfTerms
from dphr_lab.losses.distances import (
    check_pairs,
    distance_from_similarity,
    mean_over_negatives,
    pairwise_distance,
    similarities,
)
from dphr_lab.losses.infonce import SymmetricInfoNCE, info_nce
from dphr_lab.losses.margins import soft_margin_triplet
from dphr_lab.losses.rda import check_weights, rda_hardness

MINING = ("hardest", "semi_hard")
WEIGHTINGS = ("rda", "hcl")


def mined_distance(distance: Tensor, negatives: Tensor, mining: str) -> Tensor:
    """Distance of the one negative that each row learns from, (B, B) -> (B,).

    "hardest": the nearest. "semi_hard": the nearest of those farther than the positive, and where
    there is none, the farthest.
    """
    if mining == "hardest":
        return distance.masked_fill(~negatives, torch.inf).amin(1)
    farther = negatives & (distance > distance.diagonal()[:, None])
    nearest = distance.masked_fill(~farther, torch.inf).amin(1)
    farthest = distance.masked_fill(~negatives, -torch.inf).amax(1)
    return torch.where(farther.any(1), nearest, farthest)


class MinedTripletLoss(LossOfTerms):
    """relu(margin + d_pos - d_mined): one negative a query, both directions averaged.

    mining "hardest" (Hermans et al., arXiv 1703.07737, across the views) or "semi_hard" (FaceNet,
    Schroff et al., CVPR 2015). Raises ValueError for another. Taught in: book/06.

    Terms: distance and negatives (B, B), mined and pair_loss (2, B).
    """

    def __init__(self, mining: str = "hardest", margin: float = 0.3):
        super().__init__()
        if mining not in MINING:
            raise ValueError(f"mining is {mining!r}; expected one of {MINING}")
        self.mining, self.margin = mining, margin

    def _terms(self, z_query, z_gallery, places):
        pairs = check_pairs(z_query, z_gallery, places)
        distance, negatives = pairwise_distance(pairs.z_query, pairs.z_gallery), pairs.negatives
        mined = torch.stack(
            [mined_distance(d, negatives, self.mining) for d in (distance, distance.T)]
        )
        pair_loss = F.relu(self.margin + distance.diagonal() - mined)
        return {
            "loss": pair_loss.mean(),
            "distance": distance,
            "negatives": negatives,
            "mined": mined,
            "pair_loss": pair_loss,
        }

    def extra_repr(self) -> str:
        return f"mining={self.mining!r}, margin={self.margin}"


class WeightedInfoNCE(LossOfTerms):
    """Symmetric InfoNCE whose negatives count omega_ik times: log omega_ik joins their logits.

    weighting "hcl": omega = exp(beta s) / mean (HCL, Robinson et al., ICLR 2021, without its
    debiasing; beta is per unit cosine, so it is their code's beta over the temperature).
    "rda": omega = exp(beta (h - 1/2)) / mean, RDA's weights on InfoNCE [O]. The mean is over a
    query's negatives. Weights are attached to the gradient, as in HCL's code, unless `detach`.
    Raises ValueError for another weighting or a setting out of range. Taught in: book/24.

    Terms: similarity and negatives (B, B), temperature, and weights (2, B, B), [0] query ->
    gallery, [1] gallery -> query, zero where there is no negative.
    """

    def __init__(
        self,
        weighting: str = "hcl",
        beta: float = 2.0,
        detach: bool = False,
        label_smoothing: float = 0.0,
        temperature: float = 0.07,
        learn_temperature: bool = True,
    ):
        super().__init__()
        if weighting not in WEIGHTINGS:
            raise ValueError(f"weighting is {weighting!r}; expected one of {WEIGHTINGS}")
        check_weights("exp", beta, "query")
        self.weighting, self.beta, self.detach = weighting, beta, detach
        self.info_nce = SymmetricInfoNCE(label_smoothing, temperature, learn_temperature)

    def _terms(self, z_query, z_gallery, places):
        pairs = check_pairs(z_query, z_gallery, places)
        similarity, negatives = similarities(pairs.z_query, pairs.z_gallery), pairs.negatives
        own = torch.eye(len(similarity), dtype=torch.bool, device=similarity.device)
        scale = self.info_nce.scale().to(similarity)
        losses, weights = [], []
        for s in (similarity, similarity.T):
            log_weights = self._log_weights(s, negatives)
            logits = scale * s + log_weights.masked_fill(own, 0)
            losses.append(info_nce(logits, self.info_nce.label_smoothing, negatives | own))
            weights.append(log_weights.detach().exp().masked_fill(~negatives, 0))
        return {
            "loss": sum(losses) / 2,
            "similarity": similarity,
            "negatives": negatives,
            "weights": torch.stack(weights),
            "temperature": 1 / scale,
        }

    def _log_weights(self, similarity: Tensor, negatives: Tensor) -> Tensor:
        """log omega, (B, B); with mean omega 1 over each row's negatives."""
        exponent = self.beta * similarity
        if self.weighting == "rda":
            distance = distance_from_similarity(similarity)
            exponent = self.beta * rda_hardness(distance.diagonal(), distance)
        if self.detach:
            exponent = exponent.detach()
        total = exponent.masked_fill(~negatives, -torch.inf).logsumexp(1, keepdim=True)
        return exponent - total + negatives.sum(1, keepdim=True).log()

    def extra_repr(self) -> str:
        return f"weighting={self.weighting!r}, beta={self.beta}, detach={self.detach}"


class HERLikeLoss(LossOfTerms):
    """Soft-margin triplets with static weights that are rectified at both ends.

    omega = (clip(sigmoid(slope (d_pos - d_neg)), low, high) - low) / (high - low), detached: easy
    triplets are dropped and the hardest, often noise, count no more than hard ones. In the manner
    of HER (Cai et al., ICCV 2019), of which we know the abstract alone: the formula is ours [O].
    Raises ValueError unless 0 <= low < high <= 1. Taught in: book/24.

    Terms: distance and negatives (B, B), weights (2, B, B).
    """

    def __init__(
        self, alpha: float = 10.0, slope: float = 10.0, low: float = 0.05, high: float = 0.95
    ):
        super().__init__()
        if not 0 <= low < high <= 1:
            raise ValueError(f"low is {low}, high {high}; expected 0 <= low < high <= 1")
        self.alpha, self.slope, self.low, self.high = alpha, slope, low, high

    def _terms(self, z_query, z_gallery, places):
        pairs = check_pairs(z_query, z_gallery, places)
        distance, negatives = pairwise_distance(pairs.z_query, pairs.z_gallery), pairs.negatives
        losses, weights = [], []
        for d in (distance, distance.T):
            difficulty = torch.sigmoid(self.slope * (d.diagonal()[:, None] - d)).detach()
            rectified = (difficulty.clamp(self.low, self.high) - self.low) / (self.high - self.low)
            weights.append(rectified.masked_fill(~negatives, 0))
            pair_loss = weights[-1] * soft_margin_triplet(d.diagonal(), d, self.alpha)
            losses.append(mean_over_negatives(pair_loss, negatives))
        return {
            "loss": sum(losses) / 2,
            "distance": distance,
            "negatives": negatives,
            "weights": torch.stack(weights),
        }

    def extra_repr(self) -> str:
        return f"alpha={self.alpha}, slope={self.slope}, low={self.low}, high={self.high}"


class MetricLearningLoss(LossOfTerms):
    """Any pytorch-metric-learning loss in this package's slot, both directions averaged.

    `loss` and `miner` are that library's objects (`pip install pytorch-metric-learning`); each
    direction is called with the other view as reference. It counts every row of the same place in
    the other view as a positive, where this package's losses take the aligned row alone.

    Terms: query_to_gallery, gallery_to_query.
    """

    def __init__(self, loss: nn.Module, miner: nn.Module | None = None):
        super().__init__()
        self.loss, self.miner = loss, miner

    def _terms(self, z_query, z_gallery, places):
        pairs = check_pairs(z_query, z_gallery, places)
        labels = pairs.places
        if labels is None:
            labels = torch.arange(len(z_query), device=z_query.device)
        both = (pairs.z_query, pairs.z_gallery)
        forth, back = (self._one_way(a, b, labels) for a, b in (both, both[::-1]))
        return {
            "loss": (forth + back) / 2,
            "query_to_gallery": forth,
            "gallery_to_query": back,
        }

    def _one_way(self, anchors: Tensor, others: Tensor, labels: Tensor) -> Tensor:
        # a copy: for one and the same label object the library takes both views for one set and
        # drops the diagonal, which here holds the positives
        reference = dict(ref_emb=others, ref_labels=labels.clone())
        mined = None if self.miner is None else self.miner(anchors, labels, **reference)
        return self.loss(anchors, labels, mined, **reference)
