"""From scores to a position with an error radius that holds what it promises.

Scores of all tiles become a probability: a softmax with a temperature, mixed with a share for
"the scores say nothing". The position is the middle of the likeliest cluster; the radii hold 50 %
and 90 % of the probability around it, and are then scaled so that on held-out flights they held
50 % and 90 % of the truths (split conformal prediction). Temperature, share and spread are those
that give the held-out truths the highest likelihood.

Taught in: book/12.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace

import numpy as np

KEPT = 400  # of the likeliest spots, from which a position and radii are made
COVERED = (0.5, 0.9)
TEMPERATURES = tuple(float(t) for t in np.geomspace(0.004, 0.4, 21))
SHARES = (0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.7)  # of "the scores say nothing"
SPREADS = (0.4, 0.7, 1.0, 1.5)  # of the truth around its tile, in strides
RING = np.array([(r * np.cos(a), r * np.sin(a)) for r in (0.0, 0.9, 1.8)
                 for a in np.linspace(0, 2 * np.pi, 6, endpoint=False)])  # fmt: skip
RING_WEIGHTS = np.repeat([0.35, 0.45, 0.2], 6) / 6  # a Gaussian's mass, by rings
MIN_PHOTOS = 20  # that must be there to fit anything
HIDDEN_M = 250.0
PRIORS_M = (150.0, 300.0, 600.0)  # of made-up priors, under which radii are scaled, too
FALSE_ALARMS = 0.05  # photographs on the map that are called off it


@dataclass(frozen=True)
class Calibration:
    """What scores mean on one map, by one encoder; fitted on held-out flights.

    Without a fit these are guesses, and `photographs` is 0.
    """

    temperature: float = 0.03
    share: float = 0.2  # of "the scores say nothing"
    spread_m: float = 25.0  # standard deviation of the truth around its tile
    scales: dict[str, float] = field(default_factory=lambda: {"0.5": 1.0, "0.9": 1.0})
    near_scales: dict[str, float] | None = None  # where the search was restricted by a prior
    off_map_below: float | None = None  # a best score below it: not on this map
    off_map_found: float | None = None  # share of off-map photographs that score below it
    refined_m: dict[str, float] | None = None  # radii of a position refined by local features
    unrefined_scales: dict[str, float] | None = None  # of radii, where local features gave up
    track: dict | None = None  # of `dphr track`: tempering and scales
    photographs: int = 0  # that it was fitted on; 0: not fitted
    flights: int = 0
    headings: int = 1  # hypotheses of the heading when it was fitted; 1: known

    def to_dict(self) -> dict:
        """The fields as JSON's own types."""
        return asdict(self)

    def under_prior(self) -> Calibration:
        """The same with the radii's scales of a restricted search, where they were fitted."""
        return self if self.near_scales is None else replace(self, scales=self.near_scales)


@dataclass(frozen=True)
class Spots:
    """Where a camera may be, with probabilities: what scores and poses say together.

    `east`, `north` (n,) metres in the map's own local frame; `weight` (n,) sums to 1 less what is
    spread over the whole map. `tile` (n,) and `heading` (n,) say which hypothesis each spot is.
    """

    east: np.ndarray
    north: np.ndarray
    weight: np.ndarray
    tile: np.ndarray
    heading: np.ndarray


def spots_of(
    scores: np.ndarray, east: np.ndarray, north: np.ndarray, offsets: np.ndarray, temperature: float
) -> Spots:
    """The likeliest spots of one photograph.

    `scores` (H, N): cosine similarities of H headings to N tiles; `east`, `north` (N,): tile
    centres, metres; `offsets` (H, 2): metres from the camera's foot to the tile seen, by heading.
    """
    logits = scores / temperature
    weight = np.exp(logits - logits.max())
    weight /= weight.sum()
    flat = weight.ravel()
    kept = np.argpartition(-flat, min(KEPT, flat.size) - 1)[:KEPT]
    kept = kept[np.argsort(-flat[kept], kind="stable")]
    heading, tile = np.unravel_index(kept, scores.shape)
    return Spots(
        east[tile] - offsets[heading, 0], north[tile] - offsets[heading, 1], flat[kept],
        tile, heading,
    )  # fmt: skip


def likeliest(spots: Spots, reach_m: float) -> tuple[float, float]:
    """The middle of the cluster that holds most probability; `reach_m` is a cluster's size."""
    points = np.stack([spots.east, spots.north], 1)
    first = points[:200]
    near = np.exp(-((first[:, None] - points[None]) ** 2).sum(-1) / (2 * reach_m**2))
    at = first[int(np.argmax(near @ spots.weight))]
    for _ in range(5):  # mean shift: to the weighted middle of what is near
        pull = spots.weight * np.exp(-((points - at) ** 2).sum(1) / (2 * reach_m**2))
        at = (pull[:, None] * points).sum(0) / pull.sum()
    return float(at[0]), float(at[1])


def radii(
    spots: Spots, at: tuple[float, float], spread_m: float, share: float, far_m: np.ndarray,
    levels: Sequence[float] = COVERED,
) -> tuple[float, ...]:  # fmt: skip
    """Metres around `at` that hold each share of the probability.

    `far_m`: distances of some spots spread evenly over the map, which hold `share` together.
    """
    points = np.stack([spots.east, spots.north], 1) - at
    spread = points[:, None] + spread_m * RING
    distance = np.hypot(spread[..., 0], spread[..., 1]).ravel()
    weight = (spots.weight[:, None] * RING_WEIGHTS).ravel()
    weight = weight / weight.sum() * (1 - share)
    distance = np.concatenate([distance, far_m])
    weight = np.concatenate([weight, np.full(len(far_m), share / max(1, len(far_m)))])
    order = np.argsort(distance)
    mass = np.cumsum(weight[order])
    mass /= mass[-1]
    # at least what lies between a spot and its neighbours: the promise must not be a point
    return tuple(
        max(float(np.interp(level, mass, distance[order])), spread_m / 2) for level in levels
    )


@dataclass(frozen=True)
class Seen:
    """One held-out photograph: its scores, its hypotheses, and where it really was."""

    scores: np.ndarray  # (H, N)
    offsets: np.ndarray  # (H, 2)
    truth: tuple[float, float]  # metres in the map's local frame
    flight: str


def fit_calibration(
    seen: Sequence[Seen], east: np.ndarray, north: np.ndarray, stride_m: float, area_m2: float
) -> Calibration:
    """Temperature, share and spread of the highest likelihood, radii scaled to their promise.

    `east`, `north` (N,): tile centres in the map's local frame; `area_m2`: of the map.
    Raises ValueError for fewer than 20 photographs.
    """
    if len(seen) < MIN_PHOTOS:
        raise ValueError(
            f"{len(seen)} photographs with a known position on this map; at least {MIN_PHOTOS} of "
            "held-out flights are needed to fit what its scores mean"
        )
    best = (-np.inf, None)
    for temperature in TEMPERATURES:
        spots = [spots_of(s.scores, east, north, s.offsets, temperature) for s in seen]
        gaps = [
            (p.east - s.truth[0]) ** 2 + (p.north - s.truth[1]) ** 2
            for p, s in zip(spots, seen, strict=True)
        ]
        for spread in SPREADS:
            two = 2 * (spread * stride_m) ** 2
            there = np.array([
                p.weight @ np.exp(-g / two) / (np.pi * two)
                for p, g in zip(spots, gaps, strict=True)
            ])  # fmt: skip
            for share in SHARES:
                found = np.log((1 - share) * there + share / area_m2).sum()
                if found > best[0]:
                    best = (found, (temperature, share, spread * stride_m))
    temperature, share, spread_m = best[1]
    plain = Calibration(temperature, share, spread_m)
    near = under_priors(seen, east, north)  # few or none where tiles lie far apart
    enough = len(near) >= MIN_PHOTOS
    below, found = off_map_score(seen, east, north)
    return replace(
        plain,
        scales=_scales(seen, east, north, stride_m, plain),
        near_scales=_scales(near, east, north, stride_m, plain) if enough else None,
        off_map_below=below,
        off_map_found=found,
        photographs=len(seen),
        flights=len({s.flight for s in seen}),
        headings=seen[0].scores.shape[0],
    )


def under_priors(seen: Sequence[Seen], east: np.ndarray, north: np.ndarray) -> list[Seen]:
    """Each photograph as if its position were known to each of `PRIORS_M`, wrong by up to that.

    Tiles out of reach score -inf. Priors are drawn evenly from a disc around the truth, the same
    ones at each call.
    """
    rng, restricted = np.random.default_rng(0), []
    for s in seen:
        # tiles are where a photograph looks, the prior is where it was taken
        ahead = np.hypot(*s.offsets.T).max()
        for within in PRIORS_M:
            angle, gap = 2 * np.pi * rng.random(), within * np.sqrt(rng.random())
            at = s.truth[0] + gap * np.cos(angle), s.truth[1] + gap * np.sin(angle)
            reach = np.hypot(east - at[0], north - at[1]) <= within + ahead
            if reach.any():
                restricted.append(replace(s, scores=np.where(reach, s.scores, -np.inf)))
    return restricted


def _scales(
    seen: Sequence[Seen], east: np.ndarray, north: np.ndarray, stride_m: float, plain: Calibration
) -> dict[str, float]:
    """What radii are to be multiplied with, so that they hold their promise on `seen`."""
    ratios = []
    for s in seen:
        there = np.isfinite(s.scores).any(0)
        x, y = east[there], north[there]
        at, within = answer(s.scores[:, there], s.offsets, x, y, stride_m, plain, far_spots(x, y))
        ratios.append(np.hypot(at[0] - s.truth[0], at[1] - s.truth[1]) / np.array(within))
    ratios = np.array(ratios)
    return {str(level): float(conformal(ratios[:, i], level)) for i, level in enumerate(COVERED)}


def answer(scores, offsets, east, north, stride_m, calibration: Calibration, far):
    """((east, north), (radius at 50 %, radius at 90 %)) of one photograph, in metres."""
    spots = spots_of(scores, east, north, offsets, calibration.temperature)
    at = likeliest(spots, max(stride_m, calibration.spread_m))
    far_m = np.hypot(far[0] - at[0], far[1] - at[1])
    plain = radii(spots, at, calibration.spread_m, calibration.share, far_m)
    scaled = [r * calibration.scales[str(level)] for r, level in zip(plain, COVERED, strict=True)]
    return at, (scaled[0], max(scaled))  # the larger share never has the smaller radius


def far_spots(east: np.ndarray, north: np.ndarray, count: int = 400):
    """Some tiles spread evenly over the map."""
    step = max(1, len(east) // count)
    return east[::step], north[::step]


def conformal(ratios: np.ndarray, level: float) -> float:
    """The smallest scale that holds `level` of exchangeable new ratios (split conformal)."""
    n = len(ratios)
    rank = min(n, int(np.ceil((n + 1) * level)))
    return float(np.sort(ratios)[rank - 1])


def off_map_score(seen: Sequence[Seen], east: np.ndarray, north: np.ndarray):
    """(best score below which a photograph is called off the map, share of such that it finds).

    One photograph in twenty that is on the map scores below it. What off-map photographs score is
    seen by hiding the tiles around each truth. (None, None) where hiding leaves nothing.
    """
    on, off = [], []
    for s in seen:
        hidden = np.hypot(east - s.truth[0], north - s.truth[1]) > HIDDEN_M
        if not hidden.any():
            return None, None
        on.append(s.scores.max())
        off.append(s.scores[:, hidden].max())
    below = float(np.quantile(on, FALSE_ALARMS))
    return below, float(np.mean(np.array(off) < below))
