"""How sure a score is: the bootstrap over places, of one model or of the difference of two.

Images of one place succeed and fail together, so a test set of 54 pictures of each of 701 places
holds far less evidence than 37,854 separate questions would. So whole places are drawn again, with
replacement, each with all its queries. (On Twin Towns whole families are drawn, since twins are
rivals of each other.) Gallery and ranks stay as they are. The interval therefore says how the score
varies over places, with the same encoder and gallery. It does not cover another training run.

Taught in: book/05.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass

import numpy as np

from dphr_lab.settings.checks import check_value

RESAMPLES = 10_000
LEVEL = 0.95
_AT_A_TIME = 2_000_000  # numbers drawn at once: 16 MB


@dataclass(frozen=True)
class Interval:
    """A mean over queries, and where its bootstrap resamples lie."""

    estimate: float  # of the queries as they are, in the unit of the values
    low: float  # quantile (1 - level) / 2 of the resamples
    high: float  # quantile (1 + level) / 2
    share_above_0: float  # of the resamples, one at 0 counting 1/2: for differences
    groups: int  # places or families that were drawn
    level: float = LEVEL  # between 0 and 1
    resamples: int = RESAMPLES
    seed: int = 0

    def __str__(self) -> str:
        return f"{self.estimate:.2f} ({self.low:.2f} to {self.high:.2f})"

    def to_dict(self) -> dict:
        """The fields as a dict of JSON's own types."""
        return asdict(self)


def bootstrap(
    values, groups, counts=None, resamples: int = RESAMPLES, seed: int = 0, level: float = LEVEL
) -> Interval:
    """The mean of `values` and its percentile interval, whole groups being drawn again.

    `values` (Q,): one outcome a query, or the difference of two models' outcomes; `groups` (Q,):
    the place or family of each, integers or strings. `counts` (Q,): what each value sums over,
    for a mean of totals such as twin duels won by duels met (each 1 by default).
    The interval is of width 0 where all groups agree, as at 100 %: that is the method's limit,
    not certainty. Raises ValueError for other shapes, non-finite values, or fewer than 2 groups.
    """
    return bootstraps({"": values}, groups, counts, resamples, seed, level)[""]


def bootstraps(
    measures, groups, counts=None, resamples: int = RESAMPLES, seed: int = 0, level: float = LEVEL
) -> dict[str, Interval]:
    """`bootstrap` of several measures {name: values (Q,)} by the same resamples."""
    found = {name: _per_group(values, groups, counts) for name, values in measures.items()}
    _check(resamples, level)
    sizes = next(iter(found.values()))[1]  # of the groups alone
    totals = np.stack([sums for sums, _ in found.values()] + [sizes], 1)  # (groups, measures + 1)
    drawn = np.concatenate([times @ totals for times in _resampled(sizes, resamples, seed)])
    means = drawn[:, :-1] / drawn[:, -1:]
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2], axis=0)
    return {
        name: Interval(
            estimate=float(sums.sum() / sizes.sum()),
            low=float(low[i]),
            high=float(high[i]),
            share_above_0=float(np.mean(means[:, i] > 0) + np.mean(means[:, i] == 0) / 2),
            groups=len(sums),
            level=level,
            resamples=resamples,
            seed=seed,
        )
        for i, (name, (sums, _)) in enumerate(found.items())
    }


def paired_bootstrap(first, second, groups, **options) -> Interval:
    """The interval of mean(first) - mean(second), both models asked the same queries.

    `first`, `second`, `groups` (Q,), row i of all three one query; `options` as for `bootstrap`.
    Each draw takes the same places for both models, so what makes a place hard for either cancels.
    """
    first, second = np.asarray(first, dtype=float), np.asarray(second, dtype=float)
    if first.shape != second.shape:
        raise ValueError(
            f"first has shape {first.shape}, second {second.shape}; expected the same queries"
        )
    return bootstrap(first - second, groups, **options)


def resampled_counts(groups: int, resamples: int, seed: int = 0) -> np.ndarray:
    """(resamples, groups): how often each group is drawn, for a statistic that is no mean.

    One seed gives other resamples here than in `bootstrap`: the numbers that either has stored
    stay what they are.
    """
    rng = np.random.default_rng(seed)
    return rng.multinomial(groups, np.full(groups, 1 / groups), size=resamples)


def share_intervals(
    won, met, drawn, level: float = LEVEL
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Shares won of what was met, and the lower and upper ends of their intervals, (C,) each.

    `won`, `met` (groups, C); `drawn` (resamples, groups) as `resampled_counts` gives it. A
    resample that met nothing of a column says nothing of it.
    """
    with np.errstate(invalid="ignore"):
        shares = (drawn @ won) / (drawn @ met)
    low, high = np.nanquantile(shares, ((1 - level) / 2, (1 + level) / 2), axis=0)
    return won.sum(0) / met.sum(0), low, high


def _resampled(sizes, resamples: int, seed: int) -> Iterator[np.ndarray]:
    """How often each group is drawn, (some of the resamples, groups) at a time."""
    rng = np.random.default_rng(seed)
    groups = len(sizes)
    rows = max(1, _AT_A_TIME // groups)
    for start in range(0, resamples, rows):
        part = min(rows, resamples - start)
        drawn = rng.integers(groups, size=(part, groups))
        drawn += groups * np.arange(part)[:, None]  # so that one bincount serves all
        yield np.bincount(drawn.ravel(), minlength=part * groups).reshape(part, groups)


def _per_group(values, groups, counts) -> tuple[np.ndarray, np.ndarray]:
    """Totals of the values and of the counts of each group, groups without counts left out."""
    values, groups = np.asarray(values, dtype=float), np.asarray(groups)
    counts = np.ones(values.shape) if counts is None else np.asarray(counts, dtype=float)
    if values.ndim != 1 or groups.shape != values.shape or counts.shape != values.shape:
        raise ValueError(
            f"values {values.shape}, groups {groups.shape} and counts {counts.shape} do not fit: "
            "expected three of (queries,)"
        )
    if not (np.isfinite(values).all() and np.isfinite(counts).all() and (counts >= 0).all()):
        raise ValueError(
            "values and counts hold NaN, infinity or a count below 0; expected finite numbers, "
            "counts of 0 or more"
        )
    _, group = np.unique(groups, return_inverse=True)
    sums, sizes = np.bincount(group, values), np.bincount(group, counts)
    kept = sizes > 0
    if kept.sum() < 2:
        raise ValueError(
            f"groups: found {kept.sum()} with anything to count, expected at least 2: from one "
            "place nothing can be said of others"
        )
    return sums[kept], sizes[kept]


def _check(resamples: int, level: float) -> None:
    check_value("resamples", resamples, resamples >= 1, "at least 1")
    check_value("level", level, 0 < level < 1, "a share between 0 and 1, such as 0.95")
