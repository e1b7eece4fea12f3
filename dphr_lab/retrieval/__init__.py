"""Ranking a gallery and the protocol's measures of it: R@K, R@top1%, AP, and the choice of a twin.

Embeddings and labels in, numbers out: nothing here knows a data set, a view or an encoder.

Two rules hold for every number. **Score**: the cosine similarity, in float32. **Order**: higher
scores first, and among equal scores the image with the lower gallery index first. The public
evaluation code leaves ties to the sorting routine; with the rule a result can be repeated.

Taught in: book/01, book/04.
"""

from dphr_lab.retrieval.feature_files import (
    Features,
    Scores,
    evaluate_files,
    outcomes_of,
    read_features,
)
from dphr_lab.retrieval.index import ExactIndex, VectorIndex, rank
from dphr_lab.retrieval.intervals import Interval, bootstrap, paired_bootstrap, resampled_counts
from dphr_lab.retrieval.outcomes import QueryOutcomes, compare, evaluate, query_outcomes
from dphr_lab.retrieval.report import MEASURES, SELECTED_ON_TEST, STAMP, RetrievalReport

__all__ = [
    "MEASURES",
    "SELECTED_ON_TEST",
    "STAMP",
    "ExactIndex",
    "Features",
    "Interval",
    "QueryOutcomes",
    "RetrievalReport",
    "Scores",
    "VectorIndex",
    "bootstrap",
    "compare",
    "evaluate",
    "evaluate_files",
    "outcomes_of",
    "paired_bootstrap",
    "query_outcomes",
    "rank",
    "read_features",
    "resampled_counts",
]
