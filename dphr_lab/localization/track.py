"""A flight's track: a Bayes (histogram) filter over a map, with odometry or a bound on the speed.

The belief is a probability for each cell of a grid over the map. Between two photographs it moves
by the odometry and widens by its error, or widens by how far the drone can have flown; each
photograph multiplies it by what its scores say. Filtering uses what was seen so far, as a drone in
the air could; smoothing uses the whole flight, too. A small share of the belief is spread anew at
each step, so that a filter that is lost finds its way back.

Thrun, Burgard, Fox, "Probabilistic Robotics", 2005, chapter 8 (grid localization).

Taught in: book/12.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import torch

from dphr_lab._files import read_csv, write_json
from dphr_lab.localization.belief import COVERED, Calibration, conformal
from dphr_lab.localization.gallery import CALIBRATION_FILE, Gallery
from dphr_lab.localization.ground import metres_from
from dphr_lab.localization.locate import (
    AS_FILES_SAY,
    HEADINGS,
    LocalFrame,
    LocateOptions,
    Scored,
    calibrate_scored,
    calibration_of,
    metres,
    photos_in,
    score_photos,
)

TEMPERS = (1.0, 1.5, 2.0, 3.0, 4.5)  # photographs of one flight are not independent witnesses
SPREAD_ANEW = 0.01  # of the belief at each step
STEP_ERROR = 0.15  # of an odometry step, a standard deviation
STEP_ERROR_M = 1.5  # at least
TWO_FLIGHTS = timedelta(minutes=15)  # a longer gap is another flight
FLAT = 4  # times the grid's size: a belief that has spread so far is as good as even
LONGEST_STEP_M = 1_000_000  # between two photographs
LOST_BELOW = 0.5  # of the belief near the position: the filter is lost
MOST_BYTES = 2 * 2**30  # of stored beliefs, which smoothing needs


@dataclass(frozen=True)
class TrackOptions:
    """How the drone moves. `odometry`: metres since the photograph before, by file name."""

    odometry: dict[str, tuple[float, float]] | None = None
    speed_m_s: float = 15.0  # at most, where there is no odometry
    interval_s: float | None = None  # between photographs, where files do not say their time
    smooth: bool = True

    def __post_init__(self):
        if not self.speed_m_s > 0:
            raise ValueError(f"speed_m_s is {self.speed_m_s}: expected above 0")
        if self.interval_s is not None and not self.interval_s > 0:
            raise ValueError(f"interval_s is {self.interval_s}: expected above 0")


PLAIN = TrackOptions()


@dataclass(frozen=True)
class TrackPoint:
    """Where the drone was at one photograph."""

    path: Path
    lat: float
    lon: float
    radius_50_m: float
    radius_90_m: float
    lost: bool
    truth: tuple[float, float] | None = None

    @property
    def error_m(self) -> float | None:
        """Metres between answer and truth, where there is a truth."""
        if self.truth is None:
            return None
        return float(np.hypot(*metres_from(self.lat, self.lon, *self.truth)))


@dataclass(frozen=True)
class Track:
    """A flight: `live` used what was seen so far, `smoothed` the whole flight (None: not asked)."""

    live: tuple[TrackPoint, ...]
    smoothed: tuple[TrackPoint, ...] | None
    notes: tuple[str, ...]
    calibrated: bool

    @property
    def best(self) -> tuple[TrackPoint, ...]:
        """Smoothed where there is such."""
        return self.smoothed or self.live

    def __str__(self) -> str:
        lines = [f"note: {note}" for note in self.notes]
        for live, point in zip(self.live, self.best, strict=True):
            state = "  lost" if point.lost else ""
            error = "" if point.error_m is None else f"  {metres(point.error_m)} from its GPS"
            half, most = metres(point.radius_50_m), metres(point.radius_90_m)
            where = f"{point.path.name}  {point.lat:.6f} {point.lon:.6f}"
            lines.append(f"{where}  ± {half} (50 %)  ± {most} (90 %){error}{state}")
            if self.smoothed and live.lost and not point.lost:
                lines[-1] += "  (lost when it flew here)"
        if not self.calibrated:
            lines.append("radii are not calibrated: dphr map calibrate fits them")
        return "\n".join(lines)


def read_odometry(path: Path | str) -> dict[str, tuple[float, float]]:
    """{photograph: (metres east, metres north) since the one before} of a CSV.

    Columns `photo`, `east_m`, `north_m`. Raises ValueError naming the file and the line.
    """
    header, rows = read_csv(path)
    wanted = {"photo", "east_m", "north_m"}
    if not wanted <= set(header):
        raise ValueError(f"{path}: expected columns {sorted(wanted)}, found {sorted(header)}")
    steps = {}
    for number, row in rows:
        try:
            photo, step = row["photo"], (float(row["east_m"]), float(row["north_m"]))
        except (KeyError, ValueError):
            raise ValueError(f"{path}, line {number}: a step that is no number: {row}") from None
        if not all(map(math.isfinite, step)):
            raise ValueError(f"{path}, line {number}: a step that is not finite")
        if math.hypot(*step) > LONGEST_STEP_M:
            raise ValueError(
                f"{path}, line {number}: a step of {math.hypot(*step):g} m; expected "
                f"{LONGEST_STEP_M:,} m at most"
            )
        if photo in steps:
            raise ValueError(f"{path}, line {number}: a second step for {photo}; expected one")
        steps[photo] = step
    return steps


class Grid:
    """Square cells over a map's tiles and a margin around them, half a stride wide."""

    def __init__(self, frame: LocalFrame, margin_m: float):
        self.cell_m = frame.stride_m / 2
        self.stride_m = frame.stride_m
        low = np.array([frame.east.min(), frame.north.min()]) - margin_m
        high = np.array([frame.east.max(), frame.north.max()]) + margin_m
        self.low = low
        self.shape = tuple(int(n) for n in np.ceil((high - low) / self.cell_m).astype(int) + 1)[
            ::-1
        ]
        # tiles on a grid of their own, a stride wide; its rows are shifted a little against one
        # another, so that a tile's value is shared by the two columns beside it
        self.tile_low = np.array([frame.east.min(), frame.north.min()])
        columns = (frame.east - self.tile_low[0]) / frame.stride_m
        rows = np.rint((frame.north - self.tile_low[1]) / frame.stride_m).astype(int)
        left = np.floor(columns).astype(int)
        self.tile_at, self.right = (rows, left), columns - left
        self.tile_shape = (int(rows.max()) + 1, int(left.max()) + 2)

    def centres(self, rest: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(east (columns,), north (rows,)) of the cells, moved by `rest` metres."""
        east = self.low[0] + rest[0] + self.cell_m * np.arange(self.shape[1])
        north = self.low[1] + rest[1] + self.cell_m * np.arange(self.shape[0])
        return east, north

    def likelihood(
        self, scored: Scored, rest: np.ndarray, temperature: float, share: float
    ) -> np.ndarray:
        """How much likelier than chance the photograph is, seen from each cell.

        A mean of 1 over the tiles; where the map has no tile, only `share` is left.
        """
        from scipy.ndimage import map_coordinates

        logits = scored.scores / temperature
        weight = np.exp(logits - logits.max())
        weight /= weight.mean(axis=1).sum()  # all headings together: mean of 1 over the tiles
        rows, columns = (axis[scored.rows] for axis in self.tile_at)
        right = self.right[scored.rows]
        east, north = self.centres(rest)
        found = np.zeros(self.shape)
        for values, offset in zip(weight, scored.offsets, strict=True):
            picture = np.zeros(self.tile_shape)
            np.add.at(picture, (rows, columns), (1 - right) * values)
            np.add.at(picture, (rows, columns + 1), right * values)
            u = (east + offset[0] - self.tile_low[0]) / self.stride_m
            v = (north + offset[1] - self.tile_low[1]) / self.stride_m
            where = np.broadcast_arrays(v[:, None], u[None, :])
            found += map_coordinates(picture, where, order=1, mode="constant")
        return (1 - share) * found + share


@dataclass(frozen=True)
class Motion:
    """What happens between two photographs: whole cells moved, and how the belief widens."""

    cells: tuple[int, int]  # (rows, columns)
    rest: np.ndarray  # metres (east, north) that are left of a cell, after the move
    error_m: float  # standard deviation, or the radius that the drone can have flown
    is_bound: bool


def motions(
    paths: Sequence[Path], seconds: Sequence[float], options: TrackOptions, cell_m: float
) -> list[Motion]:
    """The motions before each photograph but the first."""
    found, rest = [], np.zeros(2)
    for path, dt in zip(paths[1:], seconds, strict=True):
        if options.odometry is None:
            found.append(Motion((0, 0), rest, options.speed_m_s * dt, True))
            continue
        step = np.array(options.odometry[path.name])
        whole = np.rint((rest + step) / cell_m)
        rest = rest + step - whole * cell_m
        error = max(STEP_ERROR_M, STEP_ERROR * float(np.hypot(*step)))
        found.append(Motion((int(whole[1]), int(whole[0])), rest, error, False))
    return found


def moved_belief(belief: np.ndarray, motion: Motion, cell_m: float, back: bool = False):
    """The belief after a motion, or before it (`back`); what leaves the grid is lost."""
    from scipy.ndimage import gaussian_filter
    from scipy.signal import fftconvolve

    if not back:
        belief = _rolled(belief, motion.cells)
    if motion.is_bound:
        # beyond the grid's size a longer reach changes nothing
        reach = max(1, min(math.ceil(motion.error_m / cell_m), max(belief.shape)))
        y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
        disc = (np.hypot(x, y) * cell_m <= max(motion.error_m, cell_m)).astype(float)
        belief = np.maximum(fftconvolve(belief, disc / disc.sum(), mode="same"), 0)
    else:
        spread = min(motion.error_m / cell_m, FLAT * max(belief.shape))
        belief = gaussian_filter(belief, spread, mode="constant")
    if back:
        belief = _rolled(belief, (-motion.cells[0], -motion.cells[1]))
    total, even = belief.sum(), 1 / belief.size
    if not total > 0:
        return np.full_like(belief, even)
    return (1 - SPREAD_ANEW) * belief / total + SPREAD_ANEW * even


def _rolled(belief: np.ndarray, cells: tuple[int, int]) -> np.ndarray:
    """Moved by whole cells, zeros coming in at the edges."""
    from scipy.ndimage import shift

    return belief if cells == (0, 0) else shift(belief, cells, order=0, mode="constant")


def filter_flight(grid: Grid, seen: Sequence[np.ndarray], moves: Sequence[Motion]):
    """Beliefs after each photograph, each (rows, columns), summing to 1."""
    belief = np.full(grid.shape, 1.0)
    for i, likelihood in enumerate(seen):
        if i:
            belief = moved_belief(belief, moves[i - 1], grid.cell_m)
        belief = belief * likelihood
        belief = belief / belief.sum()
        yield belief


def smooth_flight(grid: Grid, beliefs: Sequence[np.ndarray], seen, moves):
    """Beliefs that know the whole flight, last photograph first (forward-backward)."""
    after = np.full(grid.shape, 1.0 / np.prod(grid.shape))
    for i in range(len(beliefs) - 1, -1, -1):
        both = beliefs[i] * after
        yield both / both.sum()
        if i:
            after = moved_belief(after * seen[i], moves[i - 1], grid.cell_m, back=True)


def summary(belief: np.ndarray, grid: Grid, rest: np.ndarray, near_m: float):
    """((east, north), radius at 50 %, radius at 90 %, share of the belief within `near_m`)."""
    from scipy.ndimage import gaussian_filter

    wide = gaussian_filter(belief, grid.stride_m / grid.cell_m, mode="constant")
    row, column = np.unravel_index(int(wide.argmax()), wide.shape)
    east, north = grid.centres(rest)
    gap = np.hypot(east[None, :] - east[column], north[:, None] - north[row])
    close = np.where(gap <= 3 * grid.stride_m, belief, 0)
    at = (close.sum(0) @ east / close.sum(), close.sum(1) @ north / close.sum())
    gap = np.hypot(east[None, :] - at[0], north[:, None] - at[1])
    order = np.argsort(gap, axis=None)
    mass = np.cumsum(belief.ravel()[order])
    radii = [
        max(float(np.interp(level, mass / mass[-1], gap.ravel()[order])), grid.cell_m / 2)
        for level in COVERED
    ]
    return at, radii[0], radii[1], float(belief[gap <= near_m].sum())


def ordered(scored: Sequence[Scored], options: TrackOptions):
    """(photographs in the order of time, seconds between them, notes).

    Raises ValueError, naming the photographs, where times are missing in part, where a gap says
    that there are two flights, and where odometry lacks a photograph.
    """
    notes = []
    times = [s.pose.taken for s in scored]
    if all(times):
        order = sorted(range(len(scored)), key=lambda i: (times[i], scored[i].path.name))
        if order != list(range(len(scored))):
            notes.append("names and times differ in order; times count")
        scored = [scored[i] for i in order]
        times = [times[i] for i in order]
        gaps = [after - before for before, after in itertools.pairwise(times)]
        for gap, first, second in zip(gaps, scored[:-1], scored[1:], strict=True):
            if gap > TWO_FLIGHTS:
                raise ValueError(
                    f"{first.path.name} and {second.path.name} lie {gap} apart: two flights? give "
                    "each its own folder"
                )
        seconds = [gap.total_seconds() for gap in gaps]
    elif any(times):
        missing = next(s.path.name for s, t in zip(scored, times, strict=True) if not t)
        raise ValueError(
            f"{missing}: no time in its EXIF, though others have one; are these of one flight?"
        )
    else:
        notes.append("no times in the EXIF: the order of names counts")
        seconds = [options.interval_s or 0.0] * (len(scored) - 1)
        if options.interval_s is None and options.odometry is None:
            raise ValueError(
                "no times in the EXIF and no odometry: give --interval-s, the seconds between "
                "photographs, or --odometry"
            )
    if options.interval_s is not None:
        seconds = [options.interval_s] * (len(scored) - 1)
    # EXIF's times are whole seconds: two photographs of one second are half a second apart
    seconds = [max(s, 0.5) for s in seconds]
    if options.odometry is not None:
        lost = [s.path.name for s in scored[1:] if s.path.name not in options.odometry]
        if lost:
            raise ValueError(
                f"the odometry has no step for {lost[0]} ({len(lost)} of {len(scored)} missing)"
            )
        if useless := sorted(options.odometry.keys() - {s.path.name for s in scored}):
            notes.append(
                f"the odometry has {len(useless)} steps for photographs that are not here, such as "
                f"{useless[0]}: a photograph that was taken away leaves a gap"
            )
    return list(scored), seconds, notes


def track(
    gallery: Gallery,
    encoder: torch.nn.Module,
    folder: Path | str,
    options: TrackOptions = PLAIN,
    locate_options: LocateOptions = AS_FILES_SAY,
    progress: bool = False,
) -> Track:
    """The track of one flight's photographs. A photograph's own GPS is only compared with.

    Raises ValueError for fewer than two photographs and what `ordered` refuses.
    """
    paths = photos_in([folder])
    scored = list(score_photos(gallery, encoder, paths, locate_options, progress))
    return track_scored(gallery, scored, options)


def track_scored(gallery: Gallery, scored: Sequence[Scored], options: TrackOptions) -> Track:
    """The track of photographs that are scored already."""
    if len(scored) < 2:
        raise ValueError(f"{len(scored)} photograph: a track needs two or more; use dphr locate")
    scored, seconds, notes = ordered(scored, options)
    known = all(s.pose.yaw_deg is not None for s in scored)
    calibration = calibration_of(gallery, known)
    kind = _kind(options)
    fitted = (calibration.track or {}).get(kind)
    temper = fitted["temper"] if fitted else TEMPERS[2]
    raw = _run(gallery, scored, seconds, options, calibration, temper)
    points = {}
    for name, rows in raw.items():
        scales = fitted[name] if fitted else {"0.5": 1.0, "0.9": 1.0}
        frame = LocalFrame(gallery)
        points[name] = tuple(
            _point(frame, s, row, scales) for s, row in zip(scored, rows, strict=True)
        )
    return Track(points["live"], points.get("smoothed"), tuple(notes), fitted is not None)


def _kind(options: TrackOptions) -> str:
    return "speed" if options.odometry is None else "odometry"


def _point(frame: LocalFrame, scored: Scored, row, scales) -> TrackPoint:
    at, half, most, near = row
    lat, lon = (float(v) for v in frame.position(*at))
    half, most = half * scales["0.5"], most * scales["0.9"]
    truth = None if scored.pose.lat is None else (scored.pose.lat, scored.pose.lon)
    return TrackPoint(scored.path, lat, lon, half, max(half, most), near < LOST_BELOW, truth)


def _run(gallery, scored, seconds, options, calibration: Calibration, temper: float) -> dict:
    """{"live": summaries, "smoothed": summaries} of one flight."""
    frame = LocalFrame(gallery)
    reach = max(float(np.hypot(*s.offsets.T).max()) for s in scored)
    grid = Grid(frame, reach + 2 * frame.stride_m)
    moves = motions([s.path for s in scored], seconds, options, grid.cell_m)
    rests = [np.zeros(2)] + [m.rest for m in moves]
    if options.smooth and 16 * len(scored) * np.prod(grid.shape) > MOST_BYTES:
        raise ValueError(
            f"smoothing {len(scored)} photographs over {grid.shape[0]} × {grid.shape[1]} cells "
            "takes more memory than 2 GiB: cut the flight, build a smaller map, or use --live"
        )
    temperature = calibration.temperature * temper
    near_m = 2 * gallery.settings.side_m
    seen, beliefs, live = [], [], []
    likelihoods = (
        grid.likelihood(s, rest, temperature, calibration.share)
        for s, rest in zip(scored, rests, strict=True)
    )
    if options.smooth:
        likelihoods = seen = list(likelihoods)
    for belief, rest in zip(filter_flight(grid, likelihoods, moves), rests, strict=False):
        live.append(summary(belief, grid, rest, near_m))
        if options.smooth:
            beliefs.append(belief)
    found = {"live": live}
    if options.smooth:
        after = list(smooth_flight(grid, beliefs, seen, moves))[::-1]
        found["smoothed"] = [
            summary(belief, grid, rest, near_m) for belief, rest in zip(after, rests, strict=True)
        ]
    return found


def calibrate_flights(
    gallery: Gallery,
    encoder: torch.nn.Module,
    flights: Sequence[Path | str],
    options: LocateOptions = AS_FILES_SAY,
    progress: bool = False,
) -> dict[str, Calibration]:
    """Fit what single photographs and tracks mean on held-out flights; store it with the map.

    `flights`: folders; the `odometry.csv` of each is used where there is one. What `calibrate` and
    `calibrate_tracks` do, each photograph being scored once a heading.
    """
    flights = list({Path(folder).resolve(): folder for folder in flights}.values())  # each once
    found = {}
    for name in HEADINGS:
        asked = replace(options, use_heading=name == "known", near=None, within_m=None)
        scored = []
        for folder in map(Path, flights):
            rows = list(score_photos(gallery, encoder, photos_in([folder]), asked, progress))
            steps = folder / "odometry.csv"
            scored.append((rows, read_odometry(steps) if steps.is_file() else None))
        every = [photo for rows, _ in scored for photo in rows]
        if calibrate_scored(gallery, every, name, asked) is not None:
            found[name] = calibrate_tracks(gallery, scored, name == "known")
    return found


def calibrate_tracks(
    gallery: Gallery,
    flights: Sequence[tuple[Sequence[Scored], dict[str, tuple[float, float]] | None]],
    heading_known: bool,
    speed_m_s: float = 15.0,
) -> Calibration:
    """Fit tempering and radii of tracks on held-out flights and store them with the map.

    `flights`: photographs of each, scored, with their odometry or None. The tempering is the one
    with the smallest median error; radii are scaled to their promise. Both kinds are fitted, with
    odometry where there is any, and with the speed bound where photographs say their time.
    Photographs without a position count for nothing here.
    """
    flights = [
        (rows, steps)
        for rows, steps in flights
        if len(rows) > 1 and any(s.pose.lat is not None for s in rows)
    ]
    calibration = calibration_of(gallery, heading_known)
    fitted = dict(calibration.track or {})
    for kind in ("odometry", "speed"):
        chosen = [
            (rows, steps)
            for rows, steps in flights
            if (steps is not None if kind == "odometry" else any(s.pose.taken for s in rows))
        ]
        if not chosen:
            continue
        best = None
        for temper in TEMPERS:
            ratios, errors = {"live": [], "smoothed": []}, []
            for scored, steps in chosen:
                options = TrackOptions(
                    odometry=steps if kind == "odometry" else None, speed_m_s=speed_m_s
                )
                rows, seconds, _ = ordered(scored, options)
                raw = _run(gallery, rows, seconds, options, calibration, temper)
                frame = LocalFrame(gallery)
                for name, summaries in raw.items():
                    for s, (at, half, most, _) in zip(rows, summaries, strict=True):
                        if s.pose.lat is None:
                            continue
                        truth = frame.metres(s.pose.lat, s.pose.lon)
                        error = float(np.hypot(at[0] - truth[0], at[1] - truth[1]))
                        ratios[name].append((error / half, error / most))
                        errors.append(error)
            if best is None or np.median(errors) < best[0]:
                scales = {
                    name: {
                        str(level): conformal(np.array(values)[:, i], level)
                        for i, level in enumerate(COVERED)
                    }
                    for name, values in ratios.items()
                }
                best = (float(np.median(errors)), {"temper": temper} | scales)
        fitted[kind] = best[1]
    calibration = replace(calibration, track=fitted)
    stored = dict(gallery.calibration or {})
    stored["known" if heading_known else "unknown"] = calibration.to_dict()
    write_json(gallery.folder / CALIBRATION_FILE, stored)
    return calibration
