"""Losses for cross-view retrieval: `loss(z_query, z_gallery, places=None)` -> scalar.

Every loss takes B aligned rows of unit embeddings and shows its pieces by `loss.terms(...)`.
Needs torch alone.
"""

from dphr_lab.losses.calls import AsMetricLearning
from dphr_lab.losses.distances import pairwise_distance
from dphr_lab.losses.dphr import DPHRLoss
from dphr_lab.losses.infonce import SymmetricInfoNCE
from dphr_lab.losses.margins import hinge_triplet, soft_margin_triplet
from dphr_lab.losses.palw import ProgressiveWeight, batch_progress
from dphr_lab.losses.parts import MeanOverParts
from dphr_lab.losses.peers import HERLikeLoss, MetricLearningLoss, MinedTripletLoss, WeightedInfoNCE
from dphr_lab.losses.rda import rda_hardness, rda_weights
from dphr_lab.losses.sharpness import (
    effective_negatives,
    info_nce_sharpness,
    rda_sharpness,
    soft_margin_sharpness,
)
from dphr_lab.losses.triplet import TripletLoss

__all__ = [
    "AsMetricLearning",
    "DPHRLoss",
    "HERLikeLoss",
    "MeanOverParts",
    "MetricLearningLoss",
    "MinedTripletLoss",
    "ProgressiveWeight",
    "SymmetricInfoNCE",
    "TripletLoss",
    "WeightedInfoNCE",
    "batch_progress",
    "effective_negatives",
    "hinge_triplet",
    "info_nce_sharpness",
    "pairwise_distance",
    "rda_hardness",
    "rda_sharpness",
    "rda_weights",
    "soft_margin_sharpness",
    "soft_margin_triplet",
]
