"""Losses for cross-view retrieval: `loss(z_query, z_gallery, places=None)` -> scalar.

Every loss takes B aligned rows of unit embeddings and shows its pieces by `loss.terms(...)`.
Needs torch alone.
"""

from dphr_lab.losses.distances import pairwise_distance
from dphr_lab.losses.dphr import DPHRLoss
from dphr_lab.losses.infonce import SymmetricInfoNCE
from dphr_lab.losses.palw import ProgressiveWeight, batch_progress
from dphr_lab.losses.rda import rda_hardness, rda_weights
from dphr_lab.losses.triplet import TripletLoss, hinge_triplet, soft_margin_triplet

__all__ = [
    "DPHRLoss",
    "ProgressiveWeight",
    "SymmetricInfoNCE",
    "TripletLoss",
    "batch_progress",
    "hinge_triplet",
    "pairwise_distance",
    "rda_hardness",
    "rda_weights",
    "soft_margin_triplet",
]
