"""Positions on continuous towns: what one encoder finds, against dead reckoning and a guess.

`evaluate_town` locates the test flights of a town in all ways, with the heading known and unknown;
`rows` makes the table of several towns. Radii are fitted on other flights over the same town.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from dphr_lab.localization.gallery import Gallery
from dphr_lab.localization.ground import moved
from dphr_lab.localization.locate import (
    HEADINGS,
    LocalFrame,
    LocateOptions,
    Scored,
    calibration_of,
    located,
    photos_in,
    score_photos,
)
from dphr_lab.localization.track import (
    TrackOptions,
    calibrate_flights,
    read_odometry,
    track_scored,
)
from dphr_lab.retrieval.positions import PositionReport, position_report

PRIOR_M = 300.0  # how far a prior may be wrong
PRIOR_SEED = 5
REFINED_EACH = 2  # local features are slow: only each second photograph is refined
# The ways a photograph or a flight is located, by name, and what each is called in tables.
WAYS = {
    "single": "one photograph",
    "prior": f"one photograph, its position known to {PRIOR_M:.0f} m",
    "refined": "one photograph, refined by local features",
    "speed_live": "track, speed bound, live",
    "speed_smoothed": "track, speed bound, smoothed",
    "live": "track, odometry, live",
    "smoothed": "track, odometry, smoothed",
}
# What they are compared with, likewise.
BASELINES = {"dead_reckoning": "dead reckoning from the true start", "middle": "the map's middle"}


def evaluate_town(
    gallery: Gallery, encoder, flights: Path, progress: bool = False
) -> dict[str, Any]:
    """Errors and radii of all test photographs below `flights`, metres.

    Fits the radii on `flights`/calibration and stores them with the gallery first. Returns
    {"answers": {heading: {way: {"flight", "error_m", "radius_50_m", "radius_90_m"}}},
    "baselines": {name: {"flight", "error_m"}}}; a list has an entry a photograph.
    """
    folders = {kind: sorted((flights / kind).iterdir()) for kind in ("calibration", "test")}
    refined = LocateOptions(refine=True)
    calibrate_flights(gallery, encoder, folders["calibration"], refined, progress)
    frame, rng = LocalFrame(gallery), np.random.default_rng(PRIOR_SEED)
    answers = {name: {way: [] for way in WAYS} for name in HEADINGS}
    baselines = {name: {"flight": [], "error_m": []} for name in BASELINES}
    for folder in folders["test"]:
        steps = read_odometry(folder / "odometry.csv")
        for name in HEADINGS:
            asked = replace(refined, use_heading=name == "known")
            scored = list(score_photos(gallery, encoder, photos_in([folder]), asked, progress))
            calibration = calibration_of(gallery, name == "known")
            found = answers[name]
            for i, s in enumerate(scored):
                near = restricted(s, frame, rng)
                found["single"].append(located(gallery, frame, s, calibration))
                found["prior"].append(located(gallery, frame, near, calibration.under_prior()))
                if i % REFINED_EACH == 0:
                    found["refined"].append(located(gallery, frame, s, calibration, refined))
            for start, odometry in (("speed_", None), ("", steps)):
                track = track_scored(gallery, scored, TrackOptions(odometry=odometry))
                found[f"{start}live"] += track.live
                found[f"{start}smoothed"] += track.smoothed
        truth = np.array([frame.metres(s.pose.lat, s.pose.lon) for s in scored])
        path = truth[0] + np.cumsum([(0.0, 0.0)] + [steps[s.path.name] for s in scored[1:]], 0)
        for name, gaps in (("dead_reckoning", path - truth), ("middle", truth)):
            baselines[name]["flight"] += [folder.name] * len(scored)
            baselines[name]["error_m"] += np.round(np.hypot(*gaps.T), 2).tolist()
    return {
        "answers": {
            n: {way: _columns(a) for way, a in ways.items()} for n, ways in answers.items()
        },
        "baselines": baselines,
    }


def restricted(scored: Scored, frame: LocalFrame, rng: np.random.Generator) -> Scored:
    """As if searched around a prior that is wrong by up to `PRIOR_M`, evenly over that disc."""
    angle, gap = 2 * np.pi * rng.random(), PRIOR_M * np.sqrt(rng.random())
    around = moved(scored.pose.lat, scored.pose.lon, gap * np.cos(angle), gap * np.sin(angle))
    east, north = frame.metres(*around)
    # tiles are where a photograph looks, the prior is where it was taken
    reach = PRIOR_M + np.hypot(*scored.offsets.T).max()
    far = np.hypot(frame.east[scored.rows] - east, frame.north[scored.rows] - north)
    chosen = far <= reach
    return replace(scored, scores=scored.scores[:, chosen], rows=scored.rows[chosen])


def _columns(answers) -> dict[str, list[float]]:
    names = ("error_m", "radius_50_m", "radius_90_m")
    columns = {name: [round(getattr(a, name), 2) for a in answers] for name in names}
    return {"flight": [a.path.parent.name for a in answers]} | columns


def report(records: Sequence[dict], heading: str, way: str) -> PositionReport:
    """One line of the table, over the flights of all towns; `way`: of `WAYS` or `BASELINES`."""
    columns: dict[str, list[float]] = {"error_m": [], "radius_50_m": [], "radius_90_m": []}
    groups = []
    for record in records:
        found = record["baselines"].get(way) or record["answers"][heading][way]
        for name in columns:
            columns[name] += found.get(name, [])
        groups += [f"{record['seed']}-{flight}" for flight in found["flight"]]
    radii = {0.5: columns["radius_50_m"], 0.9: columns["radius_90_m"]}
    return position_report(
        columns["error_m"], groups, radii if columns["radius_50_m"] else None, resamples=2000
    )


def table(records: Sequence[dict]) -> list[dict[str, Any]]:
    """A row a heading and way: median error and share within 25 m, coverage, in m and percent."""
    asked = [("", way) for way in BASELINES] + [(h, way) for h in HEADINGS for way in WAYS]
    lines = []
    for heading, way in asked:
        found = report(records, heading, way)
        lines.append({
            "heading": heading, "way": (WAYS | BASELINES)[way],
            "median_m": found.median_m,
            "from": found.median_interval.low, "to": found.median_interval.high,
            "within_25": found.within[25],
            "inside_50": found.coverage.get(0.5), "inside_90": found.coverage.get(0.9),
        })  # fmt: skip
    return lines
