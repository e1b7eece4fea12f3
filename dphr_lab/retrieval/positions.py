"""Measures of positions: how far an answer lies from the truth, and whether its radius holds.

Retrieval by places asks whether the right image came first. On a map whose tiles overlap there is
no right image, only a distance. All measures here take positions in degrees (WGS 84) or distances
in metres; what is drawn again for an interval is a flight or a map cell, never an image, since
neighbouring photographs succeed and fail together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from dphr_lab.retrieval.intervals import LEVEL, RESAMPLES, Interval, bootstrap

EARTH_RADIUS_M = 6_378_137.0  # of the haversine in the public code of DenseUAV
THRESHOLDS_M = (5, 10, 25, 50, 100)
COVERED = (0.5, 0.9)  # shares that the error radii promise


def haversine_m(lat, lon, other_lat, other_lon) -> np.ndarray:
    """Metres between positions in degrees on a sphere of 6378.137 km; shapes broadcast.

    The sphere is DenseUAV's and up to 0.6 % off the ellipsoid.
    """
    lat, lon, other_lat, other_lon = (
        np.radians(np.asarray(v, float)) for v in (lat, lon, other_lat, other_lon)
    )
    h = (
        np.sin((other_lat - lat) / 2) ** 2
        + np.cos(lat) * np.cos(other_lat) * np.sin((other_lon - lon) / 2) ** 2
    )
    return 2 * EARTH_RADIUS_M * np.arcsin(np.sqrt(np.clip(h, 0, 1)))


def recall_within(distances_m, k: int, within_m: float) -> np.ndarray:
    """R@K by distance, (Q,) bool: one of the first `k` answers lies at most `within_m` away.

    `distances_m` (Q, K) are the metres from each query's truth to its answers, best first.
    Raises ValueError when fewer than `k` answers are given.
    """
    return (_first(distances_m, k) <= within_m).any(1)


def sdm_degrees(truth, answers, k: int) -> np.ndarray:
    """SDM@K as DenseUAV defines it, (Q,) in [0, 1]; distances in *degrees*.

    `truth` (Q, 2) and `answers` (Q, K, 2) are (latitude, longitude). A query scores
    sum_i w_i s_i / sum_i w_i over i = 1 … K, with w_i = 1 - (i - 1) / K and s_i = exp(-5000 d_i),
    d_i the Euclidean distance in degrees of longitude and latitude (s falls to 1/e at 0.0002
    degrees, 22 m to the north). Dai et al., "Vision-Based UAV Self-Positioning in Low-Altitude
    Urban Environments" (DenseUAV), IEEE TIP 2024, and its public code.
    Not to be compared with `sdm_metres`, which has the same name in papers.
    """
    truth, answers = np.asarray(truth, float), np.asarray(answers, float)
    if answers.ndim != 3 or truth.shape != (len(answers), 2) or answers.shape[2] != 2:
        raise ValueError(
            f"truth has shape {truth.shape}, answers {answers.shape}: expected (Q, 2), (Q, K, 2)"
        )
    degrees = np.hypot(*np.moveaxis(answers - truth[:, None], 2, 0))
    return _weighted(np.exp(-5000 * _first(degrees, k)))


def sdm_metres(distances_m, k: int) -> np.ndarray:
    """SDM@K as GTA-UAV (Game4Loc) defines it, (Q,) in [0, 1]; distances in *metres*.

    As `sdm_degrees`, but s_i = exp(-0.001 d_i) with d_i in metres, so that it falls to 1/e at a
    kilometre. `distances_m` (Q, K), best first. Ji et al., "Game4Loc", AAAI 2025, public code.
    """
    return _weighted(np.exp(-0.001 * _first(distances_m, k)))


def distance_at(distances_m, k: int) -> np.ndarray:
    """Dis@K, (Q,) metres: the mean distance of the first `k` answers (GTA-UAV)."""
    return _first(distances_m, k).mean(1)


def accuracy_within(errors_m, within_m: float) -> np.ndarray:
    """MA@m, (Q,) bool: the first answer lies *less* than `within_m` metres away (DenseUAV).

    DenseUAV measures by `haversine_m`.
    """
    return np.asarray(errors_m, float) < within_m


def covered(errors_m, radii_m) -> np.ndarray:
    """(Q,) bool: the truth lies inside the error radius. Both (Q,) metres."""
    errors_m, radii_m = np.asarray(errors_m, float), np.asarray(radii_m, float)
    if errors_m.shape != radii_m.shape:
        raise ValueError(f"errors_m has shape {errors_m.shape}, radii_m {radii_m.shape}")
    return errors_m <= radii_m


def median_interval(
    values, groups, resamples: int = RESAMPLES, seed: int = 0, level: float = LEVEL
) -> Interval:
    """The median of `values` (Q,) and its percentile interval, whole groups being drawn again.

    Raises ValueError for other shapes, non-finite values, or fewer than 2 groups.
    """
    values, groups = np.asarray(values, float), np.asarray(groups)
    if values.ndim != 1 or groups.shape != values.shape or not np.isfinite(values).all():
        raise ValueError(
            f"values {values.shape} and groups {groups.shape}: expected finite numbers, one a group"
        )
    names, group = np.unique(groups, return_inverse=True)
    if len(names) < 2:
        raise ValueError(f"groups: found {len(names)}, expected at least 2 flights or cells")
    order = np.argsort(values)
    values, group = values[order], group[order]
    rng = np.random.default_rng(seed)
    medians = np.empty(resamples)
    for i in range(resamples):  # a value counts as often as its group was drawn
        times = np.bincount(rng.integers(len(names), size=len(names)), minlength=len(names))
        weight = np.cumsum(times[group])
        half = weight[-1] / 2
        low = values[np.searchsorted(weight, half)]
        high = values[np.searchsorted(weight, half, side="right")]
        medians[i] = (low + high) / 2
    low, high = np.quantile(medians, [(1 - level) / 2, (1 + level) / 2])
    above = float(np.mean(medians > 0) + np.mean(medians == 0) / 2)
    estimate = float(np.median(values))
    return Interval(estimate, float(low), float(high), above, len(names), level, resamples, seed)


@dataclass(frozen=True)
class PositionReport:
    """Errors of many answers: what they are, and how sure one may be of them.

    `within` is percent by metres, `coverage` percent of the truths inside the radius that
    promises a share; intervals over groups are None where there is one group only.
    """

    queries: int
    groups: int
    group_kind: str  # "flight" or "map cell"
    median_m: float
    mean_m: float
    median_interval: Interval | None
    within: dict[float, float]
    within_intervals: dict[float, Interval | None]
    coverage: dict[float, float]
    coverage_intervals: dict[float, Interval | None]
    more: dict[str, float] = field(default_factory=dict)  # such as SDM@K, named in full

    def __str__(self) -> str:
        def span(interval, form="{:.0f}"):
            if interval is None:
                return ""
            return f" ({form.format(interval.low)} to {form.format(interval.high)})"

        kinds = f"{self.groups} {self.group_kind}{'s' if self.groups != 1 else ''}"
        lines = [
            f"{self.queries} photographs of {kinds}",
            f"  median error   {self.median_m:8.1f} m{span(self.median_interval, '{:.1f}')}",
            f"  mean error     {self.mean_m:8.1f} m",
        ]
        for metres, percent in self.within.items():
            interval = span(self.within_intervals[metres])
            lines.append(f"  within {metres:4g} m  {percent:8.1f} %{interval}")
        for share, percent in self.coverage.items():
            interval = span(self.coverage_intervals[share])
            lines.append(f"  inside {100 * share:g} % radius {percent:5.1f} %{interval}")
        lines += [f"  {name:14s} {value:8.3f}" for name, value in self.more.items()]
        if self.groups < 2:
            lines.append(f"  one {self.group_kind}: nothing can be said of others")
        return "\n".join(lines)

    def to_dict(self) -> dict:
        """The fields as JSON's own types."""
        plain = {k: v for k, v in self.__dict__.items() if "interval" not in k}
        plain["within"] = {str(k): v for k, v in self.within.items()}
        plain["coverage"] = {str(k): v for k, v in self.coverage.items()}
        for name in ("within_intervals", "coverage_intervals"):
            plain[name] = {str(k): v and v.to_dict() for k, v in getattr(self, name).items()}
        return plain | {"median_interval": self.median_interval and self.median_interval.to_dict()}


def position_report(
    errors_m,
    groups: Sequence,
    radii_m: dict[float, Sequence[float]] | None = None,
    *,
    group_kind: str = "flight",
    thresholds_m: Sequence[float] = THRESHOLDS_M,
    more: dict[str, float] | None = None,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> PositionReport:
    """The report of errors (Q,) in metres; `groups` (Q,) are the flights or map cells.

    `radii_m`: {promised share: (Q,) metres}, such as {0.5: …, 0.9: …}.
    Raises ValueError for no queries, other shapes, or errors that are not finite.
    """
    errors, groups = np.asarray(errors_m, float), np.asarray(groups)
    if errors.ndim != 1 or len(errors) == 0 or groups.shape != errors.shape:
        raise ValueError(
            f"errors_m has shape {errors.shape}, groups {groups.shape}: expected (Q,) both, Q > 0"
        )
    if not np.isfinite(errors).all():
        raise ValueError("errors_m holds a value that is NaN or infinite")
    count = len(np.unique(groups))

    def interval(values):
        if count < 2:
            return None
        return bootstrap(100.0 * values, groups, resamples=resamples, seed=seed)

    near = {m: errors <= m for m in thresholds_m}
    inside = {share: covered(errors, radii) for share, radii in (radii_m or {}).items()}
    return PositionReport(
        queries=len(errors),
        groups=count,
        group_kind=group_kind,
        median_m=float(np.median(errors)),
        mean_m=float(errors.mean()),
        median_interval=None if count < 2 else median_interval(errors, groups, resamples, seed),
        within={m: 100 * float(hit.mean()) for m, hit in near.items()},
        within_intervals={m: interval(hit) for m, hit in near.items()},
        coverage={share: 100 * float(hit.mean()) for share, hit in inside.items()},
        coverage_intervals={share: interval(hit) for share, hit in inside.items()},
        more=dict(more or {}),
    )


def _first(values, k: int) -> np.ndarray:
    values = np.asarray(values, float)
    if values.ndim != 2 or not 1 <= k <= values.shape[1]:
        raise ValueError(f"values have shape {values.shape} and k is {k}: expected (Q, K), K >= k")
    return values[:, :k]


def _weighted(scores: np.ndarray) -> np.ndarray:
    k = scores.shape[1]
    weights = 1 - np.arange(k) / k
    return scores @ weights / weights.sum()
