"""Whether a conclusion drawn on rendered towns holds on photographs: a rule, written first.

The rule stood here before any run of the study it is for, and is applied to whatever comes out.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations

import numpy as np
from scipy import stats

RULE = """
A difference between an arm and the reference arm transfers when it has the same sign on every
level of realism, and is told from chance on each (its 95 % interval over seeds leaves out 0).
If the signs of the means differ, the conclusion does not transfer; if they agree but an interval
holds 0, nothing is decided. The order of the arms transfers when Kendall's tau of the arms' means,
smallest over the pairs of levels, has a lower bound above 0: the 2.5th percentile over bootstrap
samples of seeds. Nothing is concluded from fewer than five seeds on a level.
""".strip()

LEAST_SEEDS = 5
VERDICTS = ("transfers", "does not transfer", "undecided")


@dataclass(frozen=True)
class Difference:
    """An arm less the reference on one level of realism, in points."""

    mean: float
    low: float  # 95 % interval of the mean over seeds (Student's t)
    high: float
    seeds: int

    @property
    def sign(self) -> int:
        """-1, 0 or 1: of the mean."""
        return int(np.sign(self.mean))

    @property
    def clear(self) -> bool:
        """Whether the interval leaves out 0."""
        return self.low > 0 or self.high < 0


@dataclass(frozen=True)
class Verdict:
    """What the rule says; `str` is a table with a line an arm."""

    arms: dict[str, str]  # arm -> one of VERDICTS
    differences: dict[str, dict[str, Difference]]  # arm -> realism -> difference
    tau: float  # smallest over the pairs of levels, of all seeds
    tau_low: float  # its lower bound by the bootstrap
    order: str  # one of VERDICTS

    def to_dict(self) -> dict:
        """Return the verdict as JSON-ready values."""
        return asdict(self)

    def __str__(self):
        levels = list(next(iter(self.differences.values())))
        lines = ["| arm | " + " | ".join(levels) + " | verdict |", "|---" * (len(levels) + 2) + "|"]
        for arm, by_level in self.differences.items():
            cells = (f"{d.mean:+.1f} [{d.low:+.1f}, {d.high:+.1f}]" for d in by_level.values())
            lines.append(f"| {arm} | " + " | ".join(cells) + f" | {self.arms[arm]} |")
        lines.append("")
        lines.append(f"Order: tau {self.tau:.2f}, at least {self.tau_low:.2f}: {self.order}")
        return "\n".join(lines)


def transfers(
    differences_by_realism: Mapping[str, Mapping[str, Sequence[float]]],
    samples: int = 1000,
    seed: int = 0,
) -> Verdict:
    """Apply `RULE` to {realism: {arm: difference to the reference arm, one a seed}}, in points.

    Seeds stand in the same order for all arms of a level, since they are resampled together. The
    reference is not among the arms; in the order of the arms it stands at 0. Raises ValueError for
    fewer than two levels, other arms on one of them, differences that are not finite, or fewer
    than two seeds, of which no interval can be had.
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
    tau = _least_tau([table.mean(1) for table in tables.values()])
    rng = np.random.default_rng(seed)
    drawn = []
    for _ in range(samples):
        means = []
        for table in tables.values():
            seeds = rng.integers(0, table.shape[1], table.shape[1])
            means.append(table[:, seeds].mean(1))
        drawn.append(_least_tau(means))
    tau_low = float(np.percentile(drawn, 2.5))
    enough = all(table.shape[1] >= LEAST_SEEDS for table in tables.values())
    order = "transfers" if tau_low > 0 else "does not transfer" if tau <= 0 else "undecided"
    return Verdict(
        {arm: _judge(by_level.values(), enough) for arm, by_level in differences.items()},
        differences,
        tau,
        tau_low,
        order if enough else "undecided",
    )


def _difference(values: np.ndarray) -> Difference:
    mean, error = values.mean(), stats.sem(values)
    reach = stats.t.ppf(0.975, len(values) - 1) * error
    return Difference(float(mean), float(mean - reach), float(mean + reach), len(values))


def _judge(levels, enough: bool) -> str:
    if not enough:
        return "undecided"
    if len({level.sign for level in levels}) > 1:
        return "does not transfer"
    return "transfers" if all(level.clear for level in levels) else "undecided"


def _least_tau(means: list[np.ndarray]) -> float:
    """The smallest Kendall's tau between the orders of the arms and the reference, which is 0."""
    means = [np.append(mean, 0.0) for mean in means]
    found = [stats.kendalltau(a, b).statistic for a, b in combinations(means, 2)]
    return float(np.nan_to_num(min(found, key=lambda t: -2 if np.isnan(t) else t), nan=0.0))


def differences(
    runs: Mapping[tuple[str, str, int], Mapping],
    reference: str = "triplet",
    direction: str = "D2S",
    measure: str = "r_at_1",
) -> dict[str, dict[str, list[float]]]:
    """Return what `transfers` takes from the runs of `results.load`: worlds are the realisms.

    An arm less `reference`, seed by seed; seeds that not all arms of a world have are left out.
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
