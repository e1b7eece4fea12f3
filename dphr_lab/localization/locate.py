"""Where was this photograph taken? A gallery, an encoder and a file give a position and radii.

Taught in: book/12.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from numbers import Real
from pathlib import Path

import numpy as np
import torch

from dphr_lab._files import write_json
from dphr_lab._images import is_image_name, read_image
from dphr_lab.localization.belief import (
    COVERED,
    Calibration,
    Seen,
    answer,
    conformal,
    far_spots,
    fit_calibration,
    spots_of,
)
from dphr_lab.localization.gallery import CALIBRATION_FILE, BlockImages, Gallery
from dphr_lab.localization.ground import metres_from, moved
from dphr_lab.localization.photo_metadata import PhotoPose, read_photo_pose
from dphr_lab.localization.refine import FEATURE_PX, Features, MapFeatures, refine
from dphr_lab.localization.to_ground import GroundView, looked_at, to_ground
from dphr_lab.models import embed

FULL_SCORES = 16_000_000  # headings × tiles that are scored all; beyond, the index's best
BEST_OF_INDEX = 5000
CANDIDATES = 10
REFINED = 40  # photographs that are refined to fit the radii of refined positions
FEW = 10  # of them must be there
MOST_TURNS = 360  # hypotheses of a photograph's heading
HEADINGS = ("known", "unknown")  # calibrations are fitted for each
AT_ONCE = 32  # pictures embedded together


@dataclass(frozen=True)
class LocateOptions:
    """What a user says about photographs, over what their files say."""

    headings: int = 8  # hypotheses where the heading is unknown
    use_heading: bool = True  # False: treat it as unknown
    near: tuple[float, float] | None = None  # (latitude, longitude): search only around it
    within_m: float | None = None
    refine: bool = False
    height_m: float | None = None
    pitch_deg: float | None = None
    yaw_deg: float | None = None
    fov_deg: float | None = None
    ground_m: float | None = None  # of the ground above sea level

    def __post_init__(self):
        if not 1 <= self.headings <= MOST_TURNS:
            raise ValueError(f"headings is {self.headings}: expected 1 to {MOST_TURNS}")
        if (self.near is None) != (self.within_m is None):
            raise ValueError("near and within_m go together: a position, and metres around it")


AS_FILES_SAY = LocateOptions()


@dataclass(frozen=True)
class Scored:
    """One photograph against the map: all that positions and tracks are made from."""

    path: Path
    pose: PhotoPose
    views: tuple[GroundView, ...]  # one a heading
    scores: np.ndarray  # (H, n) cosine similarities to the tiles of `rows`
    rows: np.ndarray  # (n,) tiles of the gallery

    @property
    def offsets(self) -> np.ndarray:
        """(H, 2) metres east and north from the camera's foot to what each view shows."""
        return np.array([(view.east_m, view.north_m) for view in self.views])


@dataclass(frozen=True)
class Located:
    """Where a photograph was taken, how sure that is, and what else it may be."""

    path: Path
    lat: float
    lon: float
    radius_50_m: float
    radius_90_m: float
    on_map: bool | None  # None: the map is not calibrated, nobody can say
    score: float  # the best cosine similarity
    heading_deg: float
    heading_known: bool
    candidates: tuple[tuple[float, float, float], ...]  # latitude, longitude, probability
    calibrated: bool
    inliers: int | None = None  # of local features; None: not asked for
    refined: bool = False
    notes: tuple[str, ...] = ()
    truth: tuple[float, float] | None = None  # of the EXIF, never used to locate
    pose: PhotoPose | None = None

    @property
    def error_m(self) -> float | None:
        """Metres between answer and truth, where there is a truth."""
        if self.truth is None:
            return None
        return float(np.hypot(*metres_from(self.lat, self.lon, *self.truth)))

    def __str__(self) -> str:
        where = f"{self.lat:.6f} {self.lon:.6f}"
        if self.on_map is False:
            where = f"not on this map (best guess {where})"
        radii = f"± {metres(self.radius_50_m)} (50 %)  ± {metres(self.radius_90_m)} (90 %)"
        parts = [f"{self.path.name}  {where}", radii]
        if not self.calibrated:
            parts[-1] += " not calibrated"
        if not self.heading_known:
            parts.append(f"heading about {self.heading_deg:.0f}°")
        if self.inliers is not None:
            parts.append(f"{'refined' if self.refined else 'not refined'}, {self.inliers} matches")
        if self.error_m is not None:
            parts.append(f"{metres(self.error_m)} from its GPS")
        return "  ".join(parts)


def metres(value: float) -> str:
    """Metres as people read them: decimals below ten."""
    return f"{value:.1f} m" if value < 9.95 else f"{value:.0f} m"


class LocalFrame:
    """Metres east and north of a map's middle, for its tiles and for answers."""

    def __init__(self, gallery: Gallery):
        self.lat, self.lon = gallery.bounds.centre
        self.stride_m = gallery.settings.stride_m
        tiles = gallery.tiles
        self.east, self.north = metres_from(self.lat, self.lon, tiles.lat, tiles.lon)
        width, height = gallery.bounds.size_m
        self.area_m2 = width * height
        self._features: MapFeatures | None = None

    def features(self, gallery: Gallery) -> MapFeatures:
        """Local features of the map, kept from photograph to photograph."""
        if self._features is None:
            self._features = MapFeatures(gallery.geomap, gallery.settings.side_m)
        return self._features

    def metres(self, lat, lon):
        """(east, north) of positions."""
        return metres_from(self.lat, self.lon, lat, lon)

    def position(self, east, north):
        """(latitude, longitude) of metres."""
        return moved(self.lat, self.lon, east, north)


def photos_in(paths: Sequence[Path | str]) -> list[Path]:
    """Photographs as given, folders as the images in them, in the order of names.

    Each counts once, however often it is given. Raises FileNotFoundError for what is not there, and
    for folders without images.
    """
    found = []
    for path in map(Path, paths):
        if path.is_dir():
            inside = sorted(p for p in path.iterdir() if is_image_name(p.name) and not p.is_dir())
            if not inside:
                raise FileNotFoundError(f"{path}: no photographs in this folder")
            found += inside
        elif path.is_file():
            found.append(path)
        else:
            raise FileNotFoundError(f"{path}: no such photograph or folder")
    return list({path.resolve(): path for path in reversed(found)}.values())[::-1]


def pose_of(path: Path, options: LocateOptions) -> PhotoPose:
    """What the file says, what the user says over it, and no heading where it is not to be used."""
    pose = read_photo_pose(path, options.ground_m)
    if not options.use_heading:
        pose = replace(pose, yaw_deg=None)
    return pose.changed(
        height_m=options.height_m, yaw_deg=options.yaw_deg, pitch_deg=options.pitch_deg,
        fov_deg=options.fov_deg,
    )  # fmt: skip


def score_photos(
    gallery: Gallery,
    encoder: torch.nn.Module,
    paths: Sequence[Path],
    options: LocateOptions = AS_FILES_SAY,
    progress: bool = False,
) -> Iterator[Scored]:
    """Each photograph's views and their scores. Raises ValueError for another encoder."""
    gallery.check_encoder(encoder)
    rows = None
    if options.near is not None:
        rows = gallery.tiles.near(*options.near, options.within_m)
        if not len(rows):
            raise ValueError(
                f"no tile of {gallery.folder} lies within {options.within_m:g} m of "
                f"{options.near[0]:.5f}, {options.near[1]:.5f}; the map shows {gallery.bounds}"
            )
    bar = None
    if progress:
        from tqdm.auto import tqdm

        bar = tqdm(total=len(paths), desc="photographs", unit="photo", leave=False)
    waiting: list[tuple[Path, PhotoPose, tuple[GroundView, ...]]] = []
    for i, path in enumerate(paths):
        pose = pose_of(path, options)
        waiting.append((path, pose, hypotheses(path, pose, gallery, options.headings)))
        if sum(len(w[2]) for w in waiting) >= AT_ONCE or i + 1 == len(paths):
            yield from _scored(gallery, encoder, waiting, rows)
            if bar:
                bar.update(len(waiting))
            waiting = []
    if bar:
        bar.close()


def hypotheses(
    path: Path, pose: PhotoPose, gallery: Gallery, headings: int
) -> tuple[GroundView, ...]:
    """The photograph as a tile, once where its heading is known, else turned in even steps."""
    photo = read_image(path)
    if pose.yaw_deg is not None:
        yaws = [pose.yaw_deg]
    else:
        yaws = [360.0 * k / headings for k in range(headings)]
    side, px = gallery.settings.side_m, gallery.settings.image_px
    return tuple(to_ground(photo, pose, yaw, side, px) for yaw in yaws)


def _scored(gallery, encoder, waiting, rows) -> Iterator[Scored]:
    images = np.stack([v.pixels.transpose(2, 0, 1) for _, _, views in waiting for v in views])
    z = embed(encoder, BlockImages(images), gallery.settings.image_px).numpy()
    start = 0
    for path, pose, views in waiting:
        part = z[start : start + len(views)]
        start += len(views)
        chosen = rows
        if rows is None and len(views) * len(gallery) > FULL_SCORES:
            found, _ = gallery.search(part, BEST_OF_INDEX)
            chosen = np.unique(found)
        scores = gallery.scores(part, chosen)
        chosen = np.arange(len(gallery)) if chosen is None else chosen
        yield Scored(path, pose, views, scores, chosen)


def locate(
    gallery: Gallery,
    encoder: torch.nn.Module,
    paths: Sequence[Path | str],
    options: LocateOptions = AS_FILES_SAY,
    progress: bool = False,
) -> list[Located]:
    """Positions of photographs (files or folders) on a map.

    A photograph's own GPS is only compared with. Raises FileNotFoundError and ValueError with one
    line on what is missing or does not fit.
    """
    frame = LocalFrame(gallery)
    found = []
    for scored in score_photos(gallery, encoder, photos_in(paths), options, progress):
        known = scored.pose.yaw_deg is not None
        calibration = calibration_of(gallery, known)
        found.append(located(gallery, frame, scored, calibration, options))
    return found


def calibration_of(gallery: Gallery, heading_known: bool) -> Calibration:
    """What is stored with the map for photographs of known or unknown heading, else a guess."""
    stored = (gallery.calibration or {}).get("known" if heading_known else "unknown")
    if stored is None:
        return Calibration(spread_m=gallery.settings.stride_m)
    try:
        calibration = Calibration(**stored)
        _check_calibration(calibration)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise ValueError(
            f"{gallery.folder / CALIBRATION_FILE}: not a map's calibration "
            f"({type(error).__name__}: {error}); calibrate the map anew, or remove the file"
        ) from None
    return calibration


def _check_calibration(calibration: Calibration) -> None:
    """Raise what a wrong type leads to, or ValueError for a number that cannot be one."""
    tracks = (calibration.track or {}).values()
    of_levels = ("scales", "near_scales", "refined_m", "unrefined_scales")
    radii = [getattr(calibration, name) for name in of_levels]
    radii += [track[name] for track in tracks for name in ("live", "smoothed")]
    radii = [found[level] for found in radii if found is not None for level in ("0.5", "0.9")]
    found = radii + [track["temper"] for track in tracks]
    tables = (*of_levels, "track")
    plain = {n: v for n, v in asdict(calibration).items() if n not in tables and v is not None}
    if wrong := [n for n, v in plain.items() if isinstance(v, bool) or not isinstance(v, Real)]:
        raise ValueError(f"{wrong[0]} is {plain[wrong[0]]!r:.60}, expected a number")
    found += plain.values()
    if not all(math.isfinite(number) for number in found):
        raise ValueError("found a number that is not finite")
    needed = ("temperature", "share", "spread_m", "photographs", "flights", "headings")
    if missing := [name for name in needed if getattr(calibration, name) is None]:
        raise ValueError(f"found null for {missing[0]}, expected a number")
    above_0 = {"temperature": calibration.temperature, "spread_m": calibration.spread_m}
    above_0 |= {f"temper of {name}": t["temper"] for name, t in (calibration.track or {}).items()}
    if wrong := [name for name, value in above_0.items() if not value > 0]:
        raise ValueError(f"{wrong[0]} is {above_0[wrong[0]]}, expected a number above 0")
    if not 0 <= calibration.share <= 1:
        raise ValueError(f"share is {calibration.share}, expected 0 to 1")
    if (lowest := min(radii)) < 0:
        raise ValueError(f"a radius or its scale is {lowest}, expected 0 or more")


def located(
    gallery: Gallery,
    frame: LocalFrame,
    scored: Scored,
    calibration: Calibration,
    options: LocateOptions = AS_FILES_SAY,
) -> Located:
    """The position of one photograph that is scored already."""
    if options.near is not None:
        calibration = calibration.under_prior()
    east, north = frame.east[scored.rows], frame.north[scored.rows]
    far = far_spots(east, north)
    at, within = answer(
        scored.scores, scored.offsets, east, north, frame.stride_m, calibration, far
    )
    spots = spots_of(scored.scores, east, north, scored.offsets, calibration.temperature)
    near = np.hypot(spots.east - at[0], spots.north - at[1])
    view = int(spots.heading[int(np.argmax(spots.weight * np.exp(-near / frame.stride_m)))])
    best = _distinct(spots, frame.stride_m)
    positions = [frame.position(spots.east[i], spots.north[i]) for i in best]
    score = float(scored.scores.max())
    on_map = None
    if calibration.off_map_below is not None:
        on_map = score >= calibration.off_map_below
    notes = list(scored.pose.notes)
    seen = scored.views[view].known.mean()
    if seen < 0.5:
        notes.append(f"the photograph shows {100 * seen:.0f} % of a tile only")
    lat, lon = (float(v) for v in frame.position(*at))
    result = Located(
        path=scored.path, lat=lat, lon=lon, radius_50_m=within[0], radius_90_m=within[1],
        on_map=on_map, score=score, heading_deg=scored.views[view].yaw_deg,
        heading_known=scored.pose.yaw_deg is not None,
        candidates=tuple(
            (float(p[0]), float(p[1]), float(spots.weight[i]))
            for p, i in zip(positions, best, strict=True)
        ),
        calibrated=calibration.photographs > 0, notes=tuple(notes),
        truth=None if scored.pose.lat is None else (scored.pose.lat, scored.pose.lon),
        pose=scored.pose,
    )  # fmt: skip
    if options.refine:
        return _refined(gallery, frame, scored, spots, best, result, calibration)
    return result


def _distinct(spots, stride_m: float) -> list[int]:
    """The likeliest spots that lie more than a stride apart."""
    chosen: list[int] = []
    for i in range(len(spots.weight)):
        gaps = [np.hypot(spots.east[i] - spots.east[j], spots.north[i] - spots.north[j])
                for j in chosen]  # fmt: skip
        if not gaps or min(gaps) > stride_m:
            chosen.append(i)
        if len(chosen) == CANDIDATES:
            break
    return chosen


def _refined(gallery, frame, scored, spots, best, result: Located, calibration) -> Located:
    photo = read_image(scored.path)
    side = gallery.settings.side_m
    features: dict[int, int] = {}
    views = []
    candidates = []
    for i in best:
        heading = int(spots.heading[i])
        if heading not in features:
            yaw = scored.views[heading].yaw_deg
            fine = to_ground(photo, scored.pose, yaw, side, FEATURE_PX)
            features[heading] = len(views)
            views.append(Features(fine.pixels, fine.known))
        lat, lon = frame.position(frame.east[scored.rows[spots.tile[i]]],
                                  frame.north[scored.rows[spots.tile[i]]])  # fmt: skip
        candidates.append((float(lat), float(lon), features[heading]))
    found = refine(frame.features(gallery), views, candidates)
    if found.candidate is None:
        more = calibration.unrefined_scales or {"0.5": 1.0, "0.9": 1.0}
        half, most = result.radius_50_m * more["0.5"], result.radius_90_m * more["0.9"]
        return replace(
            result, inliers=found.inliers, notes=(*result.notes, found.why),
            radius_50_m=half, radius_90_m=max(half, most),
        )  # fmt: skip
    i = best[found.candidate]
    tile, heading = scored.rows[spots.tile[i]], int(spots.heading[i])
    yaw = scored.views[heading].yaw_deg
    if scored.pose.yaw_deg is None:  # the view was turned in coarse steps: now it is known better
        yaw = (yaw + found.turn_deg) % 360
    east, north = looked_at(scored.pose, yaw)
    lat, lon = frame.position(
        frame.east[tile] + found.east_m - east, frame.north[tile] + found.north_m - north
    )
    within = calibration.refined_m or {"0.5": side / 8, "0.9": side / 2}
    return replace(
        result, lat=float(lat), lon=float(lon), inliers=found.inliers, refined=True, on_map=True,
        radius_50_m=within["0.5"], radius_90_m=within["0.9"],
        heading_deg=yaw,
        calibrated=calibration.refined_m is not None,
    )  # fmt: skip


def seen_of(scored: Scored, frame: LocalFrame) -> Seen:
    """A photograph with a known position as calibration sees it."""
    truth = frame.metres(scored.pose.lat, scored.pose.lon)
    flight = str(scored.path.resolve().parent)  # of two years, both may be called f01
    return Seen(scored.scores, scored.offsets, (float(truth[0]), float(truth[1])), flight)


def calibrate(
    gallery: Gallery,
    encoder: torch.nn.Module,
    flights: Sequence[Path | str],
    options: LocateOptions = AS_FILES_SAY,
    progress: bool = False,
) -> dict[str, Calibration]:
    """Fit what scores mean on held-out flights (folders) and store it with the map.

    Photographs need a position in their EXIF; those off the map are left out. Fits for a known
    and an unknown heading are stored side by side, the latter with `options.headings` hypotheses;
    with `options.refine` the radii of refined positions, too.
    """
    paths = [p for folder in flights for p in photos_in([folder])]
    results = {}
    for name in HEADINGS:
        asked = replace(options, use_heading=name == "known", near=None, within_m=None)
        scored = list(score_photos(gallery, encoder, paths, asked, progress))
        found = calibrate_scored(gallery, scored, name, asked)
        if found is not None:
            results[name] = found
    return results


def calibrate_scored(
    gallery: Gallery, scored: Sequence[Scored], name: str, options: LocateOptions
) -> Calibration | None:
    """As `calibrate`, of photographs that are scored already; `name`: one of `HEADINGS`.

    None where headings are to be known and no photograph says its own.
    """
    frame = LocalFrame(gallery)
    scored = [
        s
        for s in scored
        if s.pose.lat is not None and gallery.bounds.holds(s.pose.lat, s.pose.lon)
        and (name == "unknown" or s.pose.yaw_deg is not None)
    ]  # fmt: skip
    if name == "known" and not scored:
        return None
    seen = [seen_of(s, frame) for s in scored]
    found = fit_calibration(seen, frame.east, frame.north, frame.stride_m, frame.area_m2)
    if options.refine:
        found = _with_refined(gallery, frame, scored, found, options)
    stored = dict(gallery.calibration or {}) | {name: found.to_dict()}
    write_json(gallery.folder / CALIBRATION_FILE, stored)
    return found


def _with_refined(gallery, frame, scored, calibration, options) -> Calibration:
    """With radii of refined positions, and scales of those that could not be refined.

    Each is None below ten such photographs.
    """
    scored = scored[:: max(1, len(scored) // REFINED)]
    answers = [located(gallery, frame, s, calibration, options) for s in scored]
    errors = np.array([a.error_m for a in answers if a.refined])
    rest = [a for a in answers if not a.refined]
    refined_m = unrefined = None
    if len(errors) >= FEW:
        refined_m = {str(level): max(0.05, conformal(errors, level)) for level in COVERED}
    if len(rest) >= FEW:
        ratios = np.array([(a.error_m / a.radius_50_m, a.error_m / a.radius_90_m) for a in rest])
        unrefined = {str(level): conformal(ratios[:, i], level) for i, level in enumerate(COVERED)}
    return replace(calibration, refined_m=refined_m, unrefined_scales=unrefined)
