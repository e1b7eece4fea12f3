"""Intervals and corrections by closed form and by simulation, differences by hand."""

import json
import math
import warnings
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("scipy")

from dphr_lab import results
from dphr_lab.studies import comparisons
from dphr_lab.studies.comparisons import (
    Difference,
    against,
    equivalence,
    equivalences,
    holm,
    over_seeds,
    p_text,
    paired,
    student_interval,
    values,
)


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


def test_a_p_value_is_never_told_as_nought():
    assert [p_text(p) for p in (1.0, 0.0426, 0.001, 0.00099, 0.0)] == [
        "1.000", "0.043", "0.001", "< 0.001", "< 0.001",
    ]  # fmt: skip
    certain = paired(runs_of({"a": [2, 3], "b": [1, 2]}), "mini", "a", "b")
    assert "+1.0 ± 0.0 (p < 0.001; by seed +1.0 +1.0)" in str(certain)


@pytest.mark.parametrize(
    "value, text",
    [(0.04, "0.0"), (-0.04, "0.0"), (0.0, "0.0"), (0.06, "+0.1"), (-10.0, "-10.0")],
)
def test_a_difference_that_rounds_to_nought_has_no_sign(value, text):
    assert comparisons.signed(value) == text
    assert comparisons.StudentInterval(value, 0.5).signed == f"{text} ± 0.5"


def test_differences_are_taken_within_seeds_that_both_have():
    runs = runs_of({"a": [50, 60, 70, None], "b": [48, 59, None, 1]})
    found = paired(runs, "mini", "a", "b")
    assert found.by_seed == (2, 1) and found.interval.mean == 1.5
    assert str(found).startswith("a − b: +1.5 ± 6.4 (p ")
    same = paired(runs, "mini", "a", "a")
    assert same.p == 1 and same.interval.half_width == 0


def test_an_arm_over_its_seeds():
    runs = runs_of({"a": [50, 60, 70, None], "b": [1]})
    runs = dict(reversed(runs.items()))
    assert list(over_seeds(runs, "mini", "a")) == [50, 60, 70]
    assert list(over_seeds(runs, "mini", "a", seeds=(2, 0))) == [70, 50]
    with pytest.raises(KeyError, match="3"):
        over_seeds(runs, "mini", "a", seeds=(0, 3))
    with pytest.raises(ValueError, match="no stored run of mini-c; there are mini-a, mini-b"):
        over_seeds(runs, "mini", "c")


def test_the_same_difference_on_every_seed_is_certain():
    runs = runs_of({"a": [50.1, 60.2], "b": [48.1, 58.2]})
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # of a spread that is but rounding
        found = paired(runs, "mini", "a", "b")
    assert found.by_seed == (2, 2) and found.p == 0 and found.interval.half_width == 0


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


def difference_of(by_seed, p=1.0):
    return Difference("a", "b", tuple(by_seed), student_interval(list(by_seed)), p)


def test_two_one_sided_tests_by_hand():
    """Mean 0.5, standard error 0.5 of 4: t of 5 and of 3 with 3 degrees; the larger p counts."""
    found = equivalence(difference_of([-0.5, 0.0, 0.75, 1.75]), 2)
    se = np.std([-0.5, 0, 0.75, 1.75], ddof=1) / 2
    assert found.p == pytest.approx(student_tail(1.5 / se, 3), abs=1e-6)
    reach = 2.353363 * se  # 95th percentile of t with 3 degrees
    assert found.range_90 == pytest.approx((0.5 - reach, 0.5 + reach), abs=1e-5)


def student_tail(t, degrees):
    """P(T > t) by a sum over the density, no library's."""
    step = 5e-4
    x = t + step * (np.arange(2_000_000) + 0.5)
    density = (1 + x**2 / degrees) ** (-(degrees + 1) / 2)
    scale = math.gamma((degrees + 1) / 2) / math.gamma(degrees / 2) / math.sqrt(degrees * math.pi)
    return scale * step * density.sum()


@pytest.mark.parametrize("by_seed", [[0.1, -0.3, 0.4, 2.5, 1.0], [3.0, 2.0, 2.5], [9.0, -9.0]])
def test_equivalent_is_the_90_percent_range_inside_the_margin(by_seed):
    found = equivalence(difference_of(by_seed), 2)
    low, high = found.range_90
    assert (found.p < 0.05) == (low > -2 and high < 2)


def share_equivalent(mean, spread, seeds, draws=400):
    rng = np.random.default_rng(0)
    found = [
        equivalence(difference_of(rng.normal(mean, spread, seeds)), 2).p < 0.05
        for _ in range(draws)
    ]
    return np.mean(found)


@pytest.mark.slow
def test_equivalence_is_claimed_as_often_as_its_power_says():
    """Known spread s, n seeds, no difference: about 2 Φ(2 √n / s − t) − 1 of the studies."""
    assert share_equivalent(0, 2, 20) > 0.97  # 0.99
    assert share_equivalent(0, 4, 20) == pytest.approx(0.39, abs=0.08)
    assert share_equivalent(0, 5, 5) < 0.02  # five seeds that scatter by 5 cannot show it


def test_a_difference_as_large_as_the_margin_is_seldom_called_equivalent():
    assert share_equivalent(2, 2, 20) < 0.09  # 0.05
    assert share_equivalent(4, 2, 20) == 0


def test_the_three_verdicts():
    near, far, wide = [0.2, -0.1, 0.1, 0.0], [5.0, 5.5, 4.8, 5.2], [9.0, -8.0, 3.0, -3.0]
    runs = runs_of({"r": [50] * 4} | {
        arm: [50 + d for d in column] for arm, column in zip("nfw", (near, far, wide), strict=True)
    })  # fmt: skip
    found = equivalences(against(runs, "mini", "r", "nfw"), 2)
    assert [each.verdict for each in found] == ["equivalent within ±2", "different", "undecided"]
    assert (
        "n − r: +0.1, 90 % from -0.1 to +0.2, 4 seeds: **equivalent within ±2** (p < 0.001 for"
        in (str(found[0]))
    )
    assert found[0].p > equivalence(found[0].difference, 2).p  # Holm over three
    assert equivalence(paired(runs, "mini", "r", "r"), 2).verdict == "equivalent within ±2"
    assert equivalence(difference_of([3.0, 3.0], p=0.0), 2).verdict == "different"
    with pytest.raises(ValueError, match="margin is 0; expected points above 0"):
        equivalence(found[0].difference, 0)


def sections(report):
    """{heading: lines below it} of a report of one world, by its #### headings."""
    parts = report.split("\n#### ")[1:]
    return {head: rest.splitlines() for head, _, rest in (part.partition("\n") for part in parts)}


def test_a_report_tests_equivalence_where_a_margin_is_given():
    plain = comparisons.study_report("main", "sharp_rda", only=["broken_ratio"])
    assert "Equivalent" not in plain and "* sharp − sharp_rda" not in plain
    report = comparisons.study_report("main", "sharp_rda", margin=2, only=["broken_ratio"])
    assert list(sections(plain)) == list(sections(report))
    assert report.startswith(plain[: plain.index("#### ")])  # levels as without
    for direction, lines in sections(report).items():
        of_plain = [line for line in sections(plain)[direction] if line]
        assert [line for line in lines if line][: len(of_plain)] == of_plain
        assert sum(line.startswith("* broken_ratio − sharp_rda") for line in of_plain) == 1
        assert sum(line.startswith("* broken_ratio − sharp_rda") for line in lines) == 2
        assert sum("Equivalent within ±2 points" in line for line in lines) == 1


def test_a_report_of_a_stored_study_names_every_arm():
    report = comparisons.study_report("main", "triplet")
    arms = {arm for _, arm, _ in results.load("main")}
    assert "* sharp − triplet: " in report
    assert all(f"| {arm} |" in report for arm in arms)
    assert results.table("main", "mini") in report


def test_a_report_gives_levels_with_intervals_over_seeds():
    report, runs = comparisons.study_report("main", "triplet"), results.load("main")
    assert "| arm | seeds | drone → satellite | satellite → drone |" in report
    for arm in {arm for _, arm, _ in runs}:
        seeds = [run["report"] for (_, a, _), run in runs.items() if a == arm]
        cells = []
        for direction in ("D2S", "S2D"):
            r_at_1 = np.array([report[direction]["r_at_1"] for report in seeds])
            assert len(r_at_1) == 5  # 2.776: 97.5th percentile of t with 4 degrees
            half_width = 2.776445 * r_at_1.std(ddof=1) / math.sqrt(5)
            cells.append(f"{r_at_1.mean():.1f} ± {half_width:.1f}")
        assert f"| {arm} | 5 | {cells[0]} | {cells[1]} |" in report
    assert str(student_interval([3.0])) == "3.0 ± –"


def test_a_report_has_both_directions_each_corrected_over_its_own_arms():
    found = sections(comparisons.study_report("main", "triplet"))
    assert list(found) == ["drone → satellite (D2S)", "satellite → drone (S2D)"]
    runs = results.load("main")
    arms = sorted({arm for _, arm, _ in runs} - {"triplet"})
    for direction, lines in zip(("D2S", "S2D"), found.values(), strict=True):
        alone = [paired(runs, "mini", arm, "triplet", direction=direction) for arm in arms]
        p_values = holm([difference.p for difference in alone])
        assert [line for line in lines if line.startswith("* ")] == [
            f"* {replace(d, p=p)}" for d, p in zip(alone, p_values, strict=True)
        ]
    assert not sections(comparisons.study_report("main", "nobody"))
    assert "no run of nobody here" in comparisons.study_report("main", "nobody")


def test_a_figure_has_a_panel_a_world_and_every_seed(tmp_path, monkeypatch):
    figure = pytest.importorskip("matplotlib.figure")
    table = {"plain": {"a": [60, 98], "b": [30, 40]}, "hard": {"a": [10, 12], "c": [7, None]}}
    for world, arms in table.items():
        for (_, arm, seed), run in runs_of(arms, world).items():
            (tmp_path / results.run_name(world, arm, seed)).write_text(json.dumps(run), "utf-8")
    drawn, save = [], figure.Figure.savefig
    monkeypatch.setattr(
        figure.Figure, "savefig", lambda self, *a, **k: drawn.append(self) or save(self, *a, **k)
    )
    comparisons.draw_levels(tmp_path, tmp_path / "new" / "levels.svg")
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["levels.svg"]
    panels = drawn[0].axes
    assert [axes.get_title(loc="left") for axes in panels] == ["hard", "plain"]
    labels = [[label.get_text() for label in axes.get_yticklabels()] for axes in panels]
    assert labels == [["a", "c"], ["a", "b"]]  # by the mean of all: 45, 35 and 7
    for axes, world, arms in zip(panels, ("hard", "plain"), labels, strict=True):
        of_seeds = [[value for value in table[world][arm] if value] for arm in arms]
        marks = [list(line.get_xdata()) for line in axes.lines if line.get_marker() == "."]
        assert [found for found in marks if found in of_seeds] == of_seeds
        low, high = axes.get_xlim()
        assert 0 <= low < 7 and 98 < high <= 100  # the interval of 60 and 98 reaches beyond
