"""An encoder, a gallery, an answer: the protocol's reports, and the places of a few images."""

from dphr_lab.localization.evaluation import (
    evaluate_dataset,
    evaluate_images,
    evaluate_modes,
    place_distances,
    score,
)
from dphr_lab.localization.search import SearchResult, search_images

__all__ = [
    "SearchResult",
    "evaluate_dataset",
    "evaluate_images",
    "evaluate_modes",
    "place_distances",
    "score",
    "search_images",
]
