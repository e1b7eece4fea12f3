"""Intervals and corrections by closed form and by simulation, differences by hand."""

import math

import numpy as np
import pytest

pytest.importorskip("scipy")

from dphr_lab import comparisons, results
from dphr_lab.comparisons import against, holm, paired, student_interval, values


def runs_of(table, world="mini"):
    """{(world, arm, seed): run} of {arm: R@1 by seed}; a None is a seed that was not run."""
    return {
        (world, arm, seed): {"report": {"D2S": {"r_at_1": value}}}
        for arm, column in table.items()
        for seed, value in enumerate(column)
        if value is not None
    }


def test_student_interval_by_hand():
    found = student_interval([1.0, 2.0, 3.0])
    assert found.mean == 2
    assert found.half_width == pytest.approx(4.302653 / math.sqrt(3))
    assert math.isnan(student_interval([1.0]).half_width)


def test_the_interval_holds_the_truth_as_often_as_it_says():
    rng = np.random.default_rng(0)
    intervals = [student_interval(rng.normal(3, 2, 5).tolist()) for _ in range(2000)]
    holds = np.mean([abs(i.mean - 3) <= i.half_width for i in intervals])
    assert abs(holds - 0.95) < 0.015


def test_differences_are_taken_within_seeds_that_both_have():
    runs = runs_of({"a": [50, 60, 70, None], "b": [48, 59, None, 1]})
    found = paired(runs, "mini", "a", "b")
    assert found.by_seed == (2, 1) and found.interval.mean == 1.5
    assert str(found).startswith("a − b: +1.5 ± 6.4 (p ")
    same = paired(runs, "mini", "a", "a")
    assert same.p == 1 and same.interval.half_width == 0


def test_too_few_seeds_and_unknown_arms_are_said():
    runs = runs_of({"a": [50, 60], "b": [48]})
    with pytest.raises(ValueError, match="a and b share 1 seeds"):
        paired(runs, "mini", "a", "b")
    with pytest.raises(ValueError, match="no stored run of mini-c; there are mini-a, mini-b"):
        values(runs, "mini", "c")


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.5, 0.9]) == [1, 1]
    assert holm([]) == []


def test_holm_keeps_false_alarms_rare_where_nothing_differs():
    rng = np.random.default_rng(1)
    alarms = 0
    for _ in range(300):
        runs = runs_of({arm: rng.normal(50, 3, 5).tolist() for arm in "rabcdef"})
        alarms += any(d.p < 0.05 for d in against(runs, "mini", "r", "abcdef"))
    assert alarms / 300 < 0.09


def test_a_report_of_a_stored_study_names_every_arm():
    report = comparisons.study_report("main", "triplet")
    arms = {arm for _, arm, _ in results.load("main")}
    assert "* dphr − triplet: " in report
    assert all(f"| {arm} |" in report for arm in arms)
