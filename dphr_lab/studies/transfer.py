"""Whether a conclusion drawn on rendered towns holds on photographs: a rule, and its error rates.

A first rule stood here before any run of the study it is for. It said "does not transfer" as soon
as the signs of the means differed, which those of an arm without any effect do in three studies of
four. The rule below replaced it after the runs; `operating_characteristics` says how often each
verdict comes out when the truth is known.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations

import numpy as np
from scipy import stats

from dphr_lab.results.tables import markdown_table

RULE = """
A difference between an arm and the reference arm *transfers* when it has the same sign on every
level of realism and is clear of 0 on each (its 95 % interval over seeds leaves out 0).
It *does not transfer* when two levels differ clearly from each other (Welch's t test at 5 %), and
either both are clear of 0 with opposite signs, or one is clear of 0 and the other is equivalent to
0 within 2 points (its 90 % interval lies inside) while the first is not.
Otherwise nothing is decided.
The order of the arms transfers when Kendall's tau of the arms' means, smallest over the pairs of
levels, has a lower bound above 0 (the 2.5th percentile over bootstrap samples of seeds) and above
the tau that pairs of arms clearly apart on every level force by themselves, unless all are so.
Arms that collapsed are left out of the order.
Nothing is concluded from fewer than five seeds on a level.
""".strip()

LEAST_SEEDS = 5
EQUIVALENT_WITHIN = 2.0  # points
VERDICTS = ("transfers", "does not transfer", "undecided")


@dataclass(frozen=True)
class LevelDifference:
    """An arm minus the reference on one level of realism, in points."""

    mean: float
    low: float  # 95 % interval of the mean over seeds (Student's t)
    high: float
    seeds: int
    half_width_90: float  # of the 90 % interval, which decides equivalence
    sd: float  # over seeds, of a sample

    @property
    def sign(self) -> int:
        """-1, 0 or 1: of the mean."""
        return int(np.sign(self.mean))

    @property
    def clear(self) -> bool:
        """Whether the interval leaves out 0."""
        return self.low > 0 or self.high < 0

    @property
    def negligible(self) -> bool:
        """Whether the mean is equivalent to 0 within `EQUIVALENT_WITHIN` points, at 5 %."""
        return abs(self.mean) + self.half_width_90 < EQUIVALENT_WITHIN


@dataclass(frozen=True)
class Verdict:
    """What the rule says; `str` is a table with a line an arm."""

    arms: dict[str, str]  # arm -> one of VERDICTS
    differences: dict[str, dict[str, LevelDifference]]  # arm -> realism -> difference
    tau: float  # smallest over the pairs of levels, of all seeds
    tau_low: float  # its lower bound by the bootstrap
    tau_forced: float  # what pairs of arms clearly apart on every level force, all others reversed
    order: str  # one of VERDICTS

    def to_dict(self) -> dict:
        """The verdict as values that JSON can hold."""
        return asdict(self)

    def __str__(self):
        levels = list(next(iter(self.differences.values())))
        rows = []
        for arm, by_level in self.differences.items():
            cells = (f"{d.mean:+.1f} [{d.low:+.1f}, {d.high:+.1f}]" for d in by_level.values())
            rows.append((arm, *cells, self.arms[arm]))
        table = markdown_table(("arm", *levels, "verdict"), rows)
        return (
            f"{table}\n\n"
            f"Order: tau {self.tau:.2f}, at least {self.tau_low:.2f}; "
            f"{self.tau_forced:.2f} is forced by arms far apart: {self.order}"
        )


def transfers(
    differences_by_realism: Mapping[str, Mapping[str, Sequence[float]]],
    samples: int = 1000,
    seed: int = 0,
    collapsed: Sequence[str] = (),
) -> Verdict:
    """Apply `RULE` to {realism: {arm: difference to the reference arm, one a seed}}, in points.

    Seeds stand in the same order for all arms of a level, since they are resampled together. The
    reference is not among the arms; in the order of the arms it stands at 0. `collapsed` arms get
    a verdict and take no part in the order: `collapsed_arms` finds them. Raises ValueError for
    fewer than two levels, other arms on one of them, differences that are not finite, or fewer
    than two seeds, which give no interval.
    """
    levels = list(differences_by_realism)
    if len(levels) < 2:
        raise ValueError(f"differences_by_realism has {levels}; expected two levels or more")
    arms = list(differences_by_realism[levels[0]])
    tables = {}
    for level in levels:
        rows = differences_by_realism[level]
        if set(rows) != set(arms) or not arms:
            raise ValueError(
                f"differences_by_realism[{level!r}] has the arms {sorted(rows)}; expected those of "
                f"{levels[0]!r}, at least one: {sorted(arms)}"
            )
        lengths = {len(rows[arm]) for arm in arms}
        if len(lengths) != 1 or min(lengths) < 2:
            raise ValueError(
                f"differences_by_realism[{level!r}] has {sorted(lengths)} seeds an arm; expected "
                "as many for each, two or more"
            )
        tables[level] = np.array([rows[arm] for arm in arms], float)  # (arms, seeds)
        if not np.isfinite(tables[level]).all():
            raise ValueError(f"differences_by_realism[{level!r}] holds a number that is not finite")
    differences = {
        arm: {level: _difference(tables[level][i]) for level in levels}
        for i, arm in enumerate(arms)
    }
    ordered = [i for i, arm in enumerate(arms) if arm not in collapsed]
    tau = _least_tau([table[ordered].mean(1) for table in tables.values()])
    rng = np.random.default_rng(seed)
    drawn = []
    for _ in range(samples):
        means = []
        for table in tables.values():
            seeds = rng.integers(0, table.shape[1], table.shape[1])
            means.append(table[ordered][:, seeds].mean(1))
        drawn.append(_least_tau(means))
    tau_low = float(np.percentile(drawn, 2.5))
    forced = _forced_tau([table[ordered] for table in tables.values()])
    enough = all(table.shape[1] >= LEAST_SEEDS for table in tables.values())
    holds = tau_low > 0 and (tau_low > forced or forced == 1)
    order = "transfers" if holds else "does not transfer" if tau <= 0 else "undecided"
    return Verdict(
        {arm: _judge(list(by_level.values()), enough) for arm, by_level in differences.items()},
        differences,
        tau,
        tau_low,
        forced,
        order if enough else "undecided",
    )


def _difference(values: np.ndarray) -> LevelDifference:
    mean, error, free = values.mean(), stats.sem(values), len(values) - 1
    reach, reach_90 = (float(stats.t.ppf(level, free) * error) for level in (0.975, 0.95))
    low, high, sd = mean - reach, mean + reach, values.std(ddof=1)
    return LevelDifference(float(mean), float(low), float(high), len(values), reach_90, float(sd))


def _judge(levels: Sequence[LevelDifference], enough: bool) -> str:
    if not enough:
        return "undecided"
    clear = [level for level in levels if level.clear]
    if len(clear) == len(levels) and len({level.sign for level in levels}) == 1:
        return "transfers"
    turns = any(a.sign != b.sign and _differ(a, b) for a, b in combinations(clear, 2))
    vanishes = any(
        a.negligible and not b.negligible and _differ(a, b) for a in levels for b in clear
    )
    return "does not transfer" if turns or vanishes else "undecided"


def _differ(a: LevelDifference, b: LevelDifference) -> bool:
    """Whether two levels' means differ, by Welch's t test at 5 %."""
    found = stats.ttest_ind_from_stats(
        a.mean, a.sd, a.seeds, b.mean, b.sd, b.seeds, equal_var=False
    )
    return bool(found.pvalue < 0.05)


def _least_tau(means: list[np.ndarray]) -> float:
    """The smallest Kendall's tau between the orders of the arms and the reference, which is 0."""
    means = [np.append(mean, 0.0) for mean in means]
    found = [stats.kendalltau(a, b).statistic for a, b in combinations(means, 2)]
    return float(np.nan_to_num(min(found, key=lambda t: -2 if np.isnan(t) else t), nan=0.0))


def _forced_tau(tables: list[np.ndarray]) -> float:
    """Tau if only pairs of arms clearly apart, the same way on every level, kept their order.

    Each table (arms, seeds) of differences to the reference, which stands in the last row as 0.
    """
    tables = [np.vstack([table, np.zeros(table.shape[1])]) for table in tables]
    kept = pairs = 0
    for a, b in combinations(range(len(tables[0])), 2):
        gaps = [_difference(table[a] - table[b]) for table in tables]
        kept += all(gap.clear for gap in gaps) and len({gap.sign for gap in gaps}) == 1
        pairs += 1
    return (2 * kept - pairs) / pairs


def collapsed_arms(
    runs: Mapping[tuple[str, str, int], Mapping],
    reference: str = "triplet",
    direction: str = "D2S",
    measure: str = "r_at_1",
) -> list[str]:
    """Arms whose mean over seeds is below a tenth of the reference's in every world."""
    scores: dict[tuple[str, str], list[float]] = {}
    for (world, arm, _), run in runs.items():
        scores.setdefault((world, arm), []).append(run["report"][direction][measure])
    means = {at: float(np.mean(values)) for at, values in scores.items()}
    worlds, arms = ({at[i] for at in means} for i in (0, 1))
    return sorted(
        arm
        for arm in arms
        if all(
            means.get((world, arm), np.inf) < means.get((world, reference), 0) / 10
            for world in worlds
        )
    )


def operating_characteristics(
    effects: Mapping[str, Sequence[float]],
    sd: float,
    seeds: int = LEAST_SEEDS,
    studies: int = 2000,
    seed: int = 0,
) -> dict[str, dict[str, float]]:
    """{name: {verdict: share of simulated studies}} of arms whose effect on each level is known.

    `effects`: {name: mean difference to the reference on each level, points}; `sd`: of a
    difference over seeds, points. Differences are normal and independent.
    """
    rng = np.random.default_rng(seed)
    found = {}
    for name, means in effects.items():
        verdicts = [
            _judge([_difference(rng.normal(mean, sd, seeds)) for mean in means], True)
            for _ in range(studies)
        ]
        found[name] = {verdict: verdicts.count(verdict) / studies for verdict in VERDICTS}
    return found


def differences(
    runs: Mapping[tuple[str, str, int], Mapping],
    reference: str = "triplet",
    direction: str = "D2S",
    measure: str = "r_at_1",
) -> dict[str, dict[str, list[float]]]:
    """What `transfers` takes, from the runs of `results.load`: each world is a level of realism.

    An arm minus `reference`, seed by seed. A seed is left out unless all arms of a world have it.
    Raises ValueError when the reference is missing in a world.
    """
    result: dict[str, dict[str, list[float]]] = {}
    for world in dict.fromkeys(world for world, _, _ in runs):
        score = {
            (arm, seed): run["report"][direction][measure]
            for (w, arm, seed), run in runs.items()
            if w == world
        }
        arms = sorted({arm for arm, _ in score})
        if reference not in arms:
            raise ValueError(f"reference is {reference!r}; world {world!r} has {', '.join(arms)}")
        seeds = [
            seed for seed in sorted({seed for _, seed in score})
            if all((arm, seed) in score for arm in arms)
        ]  # fmt: skip
        result[world] = {
            arm: [score[arm, seed] - score[reference, seed] for seed in seeds]
            for arm in arms
            if arm != reference
        }
    return result
