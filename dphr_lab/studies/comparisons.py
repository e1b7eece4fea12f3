"""What a study's seeds can say: levels, differences within a seed, and how sure they are.

A seed changes world, initialisation and sampler, and arms share it, so differences are taken
within seeds. Intervals are Student's, over seeds. Needs scipy.

Taught in: book/05.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import numpy as np
from scipy import stats

from dphr_lab import results
from dphr_lab.results.tables import markdown_table
from dphr_lab.settings.protocol import DIRECTIONS

Runs = Mapping[tuple[str, str, int], Mapping[str, Any]]  # what results.load gives


@dataclass(frozen=True)
class StudentInterval:
    """A mean over seeds and its 95 % interval, in points of the measure."""

    mean: float
    half_width: float  # NaN for a single value

    @property
    def signed(self) -> str:
        """As text, the mean with its sign: of a difference."""
        return f"{signed(self.mean)} ± {self.half_width:.1f}"

    def __str__(self) -> str:
        half_width = "–" if math.isnan(self.half_width) else f"{self.half_width:.1f}"
        return f"{self.mean:.1f} ± {half_width}"


@dataclass(frozen=True)
class Difference:
    """An arm minus a reference, seed by seed."""

    arm: str
    reference: str
    by_seed: tuple[float, ...]
    interval: StudentInterval
    p: float  # two-sided, of no difference; of a family of arms after Holm's correction

    def __str__(self) -> str:
        seeds = " ".join(f"{d:+.1f}" for d in self.by_seed)
        sure = f"p {p_text(self.p)}; by seed {seeds}"
        return f"{self.arm} − {self.reference}: {self.interval.signed} ({sure})"


@dataclass(frozen=True)
class Equivalence:
    """Whether an arm lies within `margin` points of a reference: two one-sided t tests."""

    difference: Difference
    margin: float  # points, above 0
    range_90: tuple[float, float]  # of the mean difference; inside ± margin: equivalent, if alone
    p: float  # the larger of the two tests', of a difference at the margin; Holm as above

    @property
    def verdict(self) -> str:
        """At 5 %: equivalent within the margin, else "different" from 0, else "undecided"."""
        if self.p < 0.05:
            return f"equivalent within ±{self.margin:g}"
        return "different" if self.difference.p < 0.05 else "undecided"

    def __str__(self) -> str:
        low, high = self.range_90
        difference = self.difference
        return (
            f"{difference.arm} − {difference.reference}: {difference.interval.mean:+.1f}, 90 % "
            f"from {low:+.1f} to {high:+.1f}, {len(difference.by_seed)} seeds: **{self.verdict}** "
            f"(p {p_text(self.p)} for equivalence, {p_text(difference.p)} for a difference)"
        )


def signed(value: float, digits: int = 1) -> str:
    """A difference as text, with its sign; one that rounds to 0.0 has no sign."""
    text = f"{value:+.{digits}f}"
    return text if text.strip("+-0.") else text[1:]


def p_text(p: float) -> str:
    """A p value as text: three decimals, or "< 0.001" below that."""
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def student_interval(values: Sequence[float], confidence: float = 0.95) -> StudentInterval:
    """Mean of independent values and the half-width of Student's interval."""
    count = len(values)
    if count < 2:
        return StudentInterval(mean(values), math.nan)
    quantile = stats.t.ppf((1 + confidence) / 2, count - 1)
    return StudentInterval(mean(values), float(quantile) * stdev(values) / math.sqrt(count))


def values(
    runs: Runs, world: str, arm: str, measure: str = "r_at_1", direction: str = "D2S"
) -> dict[int, float]:
    """A measure of an arm's reports by seed; raises ValueError naming the arms there are."""
    found = {
        seed: run["report"][direction][measure]
        for (w, a, seed), run in runs.items()
        if (w, a) == (world, arm)
    }
    if not found:
        known = sorted({f"{w}-{a}" for w, a, _ in runs})
        raise ValueError(f"no stored run of {world}-{arm}; there are {', '.join(known)}")
    return found


def over_seeds(
    runs: Runs,
    world: str,
    arm: str,
    measure: str = "r_at_1",
    direction: str = "D2S",
    seeds: Sequence[int] | None = None,
) -> np.ndarray:
    """A measure of an arm's reports, (seeds,), in the order of `seeds`; None: all, rising.

    Raises as `values`, and KeyError for a seed without a run.
    """
    by_seed = values(runs, world, arm, measure, direction)
    return np.array([by_seed[seed] for seed in (sorted(by_seed) if seeds is None else seeds)])


def paired(
    runs: Runs,
    world: str,
    arm: str,
    reference: str,
    measure: str = "r_at_1",
    direction: str = "D2S",
) -> Difference:
    """`arm` minus `reference` over the seeds that both have.

    Raises ValueError for fewer than two such seeds: one difference has no spread.
    """
    ours, theirs = (values(runs, world, a, measure, direction) for a in (arm, reference))
    shared = sorted(ours.keys() & theirs.keys())
    # rounded, so that equal shares are equal
    by_seed = tuple(round(ours[seed] - theirs[seed], 9) for seed in shared)
    if len(by_seed) < 2:
        raise ValueError(f"{arm} and {reference} share {len(by_seed)} seeds; at least 2 are needed")
    if len(set(by_seed)) == 1:  # certain, either way
        p = float(by_seed[0] == 0)
    else:
        p = float(stats.ttest_1samp(by_seed, 0).pvalue)
    return Difference(arm, reference, by_seed, student_interval(by_seed), p)


def against(
    runs: Runs,
    world: str,
    reference: str,
    arms: Sequence[str],
    measure: str = "r_at_1",
    direction: str = "D2S",
) -> list[Difference]:
    """`paired` of each arm with the reference, p corrected by Holm over the arms."""
    return corrected([paired(runs, world, arm, reference, measure, direction) for arm in arms])


def corrected(differences: Sequence[Difference]) -> list[Difference]:
    """The differences, p corrected by Holm for being several."""
    p_values = holm([difference.p for difference in differences])
    return [replace(d, p=p) for d, p in zip(differences, p_values, strict=True)]


def equivalence(difference: Difference, margin: float) -> Equivalence:
    """Two one-sided t tests (Schuirmann 1987) of a mean difference within ± `margin` points.

    That a difference is not significant does not make two arms equal; this can. Raises ValueError
    for a margin that is not above 0.
    """
    if not margin > 0:
        raise ValueError(f"margin is {margin}; expected points above 0")
    by_seed, middle = difference.by_seed, difference.interval.mean
    if len(set(by_seed)) == 1:  # certain, either way
        return Equivalence(difference, margin, (middle, middle), float(abs(middle) >= margin))
    above = stats.ttest_1samp(by_seed, -margin, alternative="greater").pvalue
    below = stats.ttest_1samp(by_seed, margin, alternative="less").pvalue
    reach = student_interval(by_seed, 0.9).half_width
    return Equivalence(
        difference, margin, (middle - reach, middle + reach), float(max(above, below))
    )


def equivalences(differences: Sequence[Difference], margin: float) -> list[Equivalence]:
    """`equivalence` of each of a family of differences, p corrected by Holm over them."""
    found = [equivalence(difference, margin) for difference in differences]
    p_values = holm([each.p for each in found])
    return [replace(each, p=p) for each, p in zip(found, p_values, strict=True)]


def holm(p_values: Sequence[float]) -> list[float]:
    """p values corrected for being several (Holm 1979), in the order given."""
    order = sorted(range(len(p_values)), key=lambda i: p_values[i])
    corrected, largest = [0.0] * len(p_values), 0.0
    for rank, i in enumerate(order):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[i]))
        corrected[i] = largest
    return corrected


def study_report(
    study: str | Path,
    reference: str,
    margin: float | None = None,
    only: Sequence[str] | None = None,
) -> str:
    """Markdown of a stored study or a folder of runs.

    Each world's levels, R@1 with intervals, and in each direction every arm's R@1 minus that of
    `reference`, paired by seed; levels only for arms that share fewer than two seeds with it. With
    a `margin` also whether they are equivalent within it. `only` names the arms to compare; none:
    all of them.
    """
    runs = results.load(study)
    lines = []
    for world in _worlds(runs):
        arms = _arms(runs, world)
        lines += [f"### {world}", "", results.table(study, world), ""]
        lines += [*_levels(runs, world, arms), ""]
        if reference not in arms:
            lines += [f"no run of {reference} here: levels only, unless another arm is named", ""]
            continue
        seeds = {arm: values(runs, world, arm).keys() for arm in arms}
        several = [
            arm
            for arm in arms
            if arm != reference and len(seeds[arm] & seeds[reference]) > 1
            and (only is None or arm in only)
        ]  # fmt: skip
        for direction, name in DIRECTIONS.items() if several else ():
            differences = against(runs, world, reference, several, direction=direction)
            lines += [f"#### {name} ({direction})", "", f"R@1 minus that of {reference}: mean ± "
                      "95 % half-width (Student, paired by seed), p after Holm over these arms",
                      ""]  # fmt: skip
            lines += [f"* {difference}" for difference in differences] + [""]
            if margin is not None:
                lines += [f"Equivalent within ±{margin:g} points of R@1? Two one-sided t tests, "
                          "paired by seed, p after Holm over these arms", ""]  # fmt: skip
                lines += [f"* {each}" for each in equivalences(differences, margin)] + [""]
    return "\n".join(lines)


def draw_levels(study: str | Path, path: Path | str) -> None:
    """Draw R@1, drone → satellite, of every arm over seeds into a file; its suffix is the format.

    A panel a world, all on one scale; arms by their mean over all runs, the best on top.
    """
    from matplotlib.figure import Figure

    from dphr_lab.plotting import arms_over_seeds, save

    runs = results.load(study)
    shown = {
        world: {arm: list(values(runs, world, arm).values()) for arm in _arms(runs, world)}
        for world in _worlds(runs)
    }
    pooled = {arm: [r for arms in shown.values() for r in arms.get(arm, ())] for _, arm, _ in runs}
    best_first = sorted(pooled, key=lambda arm: -mean(pooled[arm]))
    rows = [len(arms) for arms in shown.values()]
    figure = Figure(
        figsize=(7, 0.6 + sum(0.5 + 0.3 * count for count in rows)), layout="constrained"
    )
    panels = figure.subplots(
        len(rows), 1, sharex=True, squeeze=False, gridspec_kw={"height_ratios": rows}
    )[:, 0]
    for axes, (world, arms) in zip(panels, shown.items(), strict=True):
        arms = {arm: arms[arm] for arm in best_first if arm in arms}
        arms_over_seeds(axes, arms, {a: student_interval(arms[a]).half_width for a in arms})
        axes.set_title(world, loc="left")
    low, high = panels[0].get_xlim()
    panels[0].set_xlim(max(low, 0), min(high, 100))  # few seeds have intervals beyond what can be
    panels[-1].set_xlabel(
        "R@1, drone → satellite (%): tall lines are seeds, dots means, bars 95 % intervals"
    )
    save(figure, path, dpi=150)


def _worlds(runs: Runs) -> list[str]:
    return list(dict.fromkeys(world for world, _, _ in runs))


def _arms(runs: Runs, world: str) -> list[str]:
    return list(dict.fromkeys(arm for w, arm, _ in runs if w == world))


def _levels(runs: Runs, world: str, arms: Sequence[str]) -> list[str]:
    """A Markdown table of R@1 in both directions, arms in the order of `results.table`."""
    of = {
        arm: [list(values(runs, world, arm, direction=d).values()) for d in DIRECTIONS]
        for arm in arms
    }
    rows = [
        (arm, len(of[arm][0]), *map(student_interval, of[arm]))
        for arm in sorted(of, key=lambda arm: mean(of[arm][0]))
    ]
    table = markdown_table(("arm", "seeds", *DIRECTIONS.values()), rows)
    return ["R@1: mean ± 95 % half-width (Student, over seeds)", "", table]
