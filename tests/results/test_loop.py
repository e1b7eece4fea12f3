"""Recall makes lambda, lambda makes recall: the gain of that loop, as the page of checks has it."""

import numpy as np

from dphr_lab import results
from dphr_lab.studies.comparisons import student_interval
from tests.helpers import ROOT


def test_the_loop_of_recall_and_lambda_cannot_run_away():
    main = results.load("main")

    def late_recall(arm, seed):
        curves = main["mini", arm, seed]["curves"]
        return np.array(curves["recall"])[np.array(curves["step"]) > 720].mean()

    gain = student_interval(
        [late_recall("sharp_rda", seed) - late_recall("triplet", seed) for seed in range(5)]
    )
    assert 0 < gain.mean - gain.half_width < gain.mean + gain.half_width < 0.5
    page = (ROOT / "book" / "checked.md").read_text("utf-8")
    assert f"is {gain.mean:.2f} ± {gain.half_width:.2f} above" in page
