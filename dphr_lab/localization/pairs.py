"""Training pairs cut from a map and flights over it, and a check of one's own map and photographs.

Places overlap: a photograph founds one wherever the nearest lies more than a tenth of a side
away. **Negatives are masked by `places`**, not soft-labelled: `metadata.json` lists which places
overlap, and places that do never meet in a batch, so that every other row is a true negative. Test
places are a strip in the east, whose tiles overlap none of the training places.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dphr_lab._files import is_empty, replace_folder_when_done, write_json
from dphr_lab._images import read_image
from dphr_lab._locks import only_writer
from dphr_lab._terminal import printable
from dphr_lab.localization.geomap import GeoMap
from dphr_lab.localization.ground import metres_from, moved
from dphr_lab.localization.photo_metadata import PhotoPose, read_photo_pose
from dphr_lab.localization.tiles import filled
from dphr_lab.localization.to_ground import looked_at, to_ground

MOST_TURNED = 360  # times that a photograph is written, turned
WIDEST_PX = 16_384  # of an image that is written
JOINS = 0.1  # of a side: photographs this near to a place's centre belong to it


@dataclass(frozen=True)
class PairsReport:
    """What `cut_pairs` wrote, and what it left out."""

    places: int
    test_places: int
    photographs: int
    overlapping: int  # pairs of training places whose tiles overlap
    between: int  # training photographs that overlap a test place
    without_pose: int
    off_map: int

    def __str__(self) -> str:
        return (
            f"{self.places} places ({self.test_places} of them for the test), {self.photographs} "
            f"photographs; left out: {self.between} between training and test, "
            f"{self.without_pose} without position, height or heading, {self.off_map} off the map. "
            f"Negatives are masked by places: {self.overlapping} pairs of training places overlap, "
            "and never meet in a batch."
        )


@dataclass(frozen=True)
class _Seen:
    """A photograph that fits: its place is an index of centres."""

    path: Path
    pose: PhotoPose
    place: int


def cut_pairs(
    geomap: GeoMap,
    photos: Sequence[Path],
    root: Path | str,
    side_m: float,
    px: int,
    test_share: float = 0.2,
    ground_m: float | None = None,
    turned: int = 1,
) -> PairsReport:
    """Write pairs in University-1652's folders: satellite tiles and photographs brought to them.

    `photos` need position, height and heading. A photograph joins a place whose centre lies within
    a tenth of a side, or founds one; `test_share` of the places, the easternmost, are the test
    half, and training photographs that overlap it are left out. `metadata.json` says which training
    places overlap, for `PairSet.overlaps`. `turned` > 1 writes each photograph as often, its
    heading wrong by even steps of a turn, for an encoder that must work without headings.
    Raises FileExistsError for a `root` that holds something, ValueError when no photograph fits.
    """
    if not 1 <= turned <= MOST_TURNED:
        raise ValueError(f"turned is {turned}: expected 1 to {MOST_TURNED}")
    if not 1 <= px <= WIDEST_PX:
        raise ValueError(f"px is {px}: expected 1 to {WIDEST_PX:,} pixels")
    _check_empty(root)
    centres, seen, counts = _founded(geomap, photos, side_m, ground_m)
    if not centres:
        raise ValueError(f"none of {len(photos)} photographs can be paired with this map: {counts}")
    east, north = metres_from(*centres[0], *np.array(centres).T)
    apart = np.maximum(np.abs(east[:, None] - east), np.abs(north[:, None] - north))
    overlaps = apart < (1 + JOINS) * side_m  # a photograph lies up to JOINS beside its tile
    tested = np.zeros(len(centres), bool)
    tested[np.argsort(-east, kind="stable")[: round(test_share * len(centres))]] = True
    used = tested | ~overlaps[:, tested].any(1)
    kept = [s for s in seen if used[s.place]]
    pairs = np.argwhere(np.triu(overlaps & ~tested & ~tested[:, None] & used & used[:, None], 1))
    report = PairsReport(
        int(used.sum()), int(tested.sum()), len(kept), len(pairs), len(seen) - len(kept), **counts
    )
    with only_writer(root), replace_folder_when_done(root) as folder:
        _check_empty(root)  # again: another may have written there until the lock was free
        for place in np.flatnonzero(used).tolist():
            own = [s for s in kept if s.place == place]
            _write_place(folder, place, tested[place], geomap, centres[place], own, side_m, px,
                         turned)  # fmt: skip
        write_json(
            folder / "metadata.json",
            {
                "overlaps": [[f"{a + 1:04d}", f"{b + 1:04d}"] for a, b in pairs.tolist()],
            },
        )
        write_json(folder / "pairs.json", report.__dict__ | {
            "side_m": side_m, "image_px": px, "negatives": "masked by places",
            "centres": {str(i + 1): centres[i] for i in np.flatnonzero(used).tolist()},
            "test": (np.flatnonzero(tested) + 1).tolist(),
        })  # fmt: skip
    return report


def _check_empty(root: Path | str) -> None:
    if not is_empty(Path(root)):
        raise FileExistsError(f"{root}: holds something; give a new or empty folder")


def _founded(geomap: GeoMap, photos, side_m: float, ground_m: float | None):
    """(centres of places, photographs that fit, counts of those that do not)."""
    centres: list[tuple[float, float]] = []
    seen, counts = [], {"without_pose": 0, "off_map": 0}
    for path in photos:
        pose = read_photo_pose(path, ground_m)
        if None in (pose.lat, pose.height_m, pose.yaw_deg):
            counts["without_pose"] += 1
            continue
        lat, lon = (float(v) for v in moved(pose.lat, pose.lon, *looked_at(pose, pose.yaw_deg)))
        _, known = geomap.read((lat, lon), side_m, 16)
        if known.mean() < 0.9:
            counts["off_map"] += 1
            continue
        place = _joined(centres, lat, lon, JOINS * side_m)
        if place == len(centres):
            centres.append((lat, lon))
        seen.append(_Seen(path, pose, place))
    return centres, seen, counts


def _joined(centres: list, lat: float, lon: float, within_m: float) -> int:
    """The place whose centre lies nearest, if it lies near enough; else the next new one."""
    if not centres:
        return 0
    gap = np.hypot(*metres_from(lat, lon, *np.array(centres).T))
    nearest = int(np.argmin(gap))
    return nearest if gap[nearest] <= within_m else len(centres)


def _write_place(folder, place, is_test, geomap, centre, seen, side_m, px, turned) -> None:
    """The tile of a place and the photographs of it, below train or in both roles of test."""
    from PIL import Image

    name, views = f"{place + 1:04d}", _folders(folder, is_test)
    pixels, known = geomap.read(centre, side_m, px)
    for view in views["satellite"]:
        (view / name).mkdir(parents=True)
        Image.fromarray(filled(pixels, known)).save(view / name / f"{name}.png")
    for view in views["drone"]:
        (view / name).mkdir(parents=True)
    for number, s in enumerate(seen):
        photo = read_image(s.path)
        for k in range(turned):
            wrong = (s.pose.yaw_deg + 360 * k / turned) % 360
            picture = Image.fromarray(to_ground(photo, s.pose, wrong, side_m, px).pixels)
            for view in views["drone"]:
                picture.save(view / name / f"image-{number * turned + k + 1:02d}.png")


def _folders(root: Path, is_test: bool) -> dict[str, list[Path]]:
    if not is_test:
        return {view: [root / "train" / view] for view in ("satellite", "drone")}
    return {
        view: [root / "test" / f"{role}_{view}" for role in ("query", "gallery")]
        for view in ("satellite", "drone")
    }


@dataclass(frozen=True)
class MapCheck:
    """What a map and a folder of photographs are, and what they lack."""

    map_line: str
    photographs: int
    lines: tuple[str, ...]
    faults: int  # photographs that cannot be used at all
    positions: tuple[tuple[str, float, float], ...]  # file, latitude, longitude

    def __str__(self) -> str:
        return "\n".join([self.map_line, f"{self.photographs} photographs", *self.lines])


def check_map(geomap: GeoMap, photos: Sequence[Path], ground_m: float | None = None) -> MapCheck:
    """What is there of a map and its photographs, and what is missing: counts and first files."""
    missing: dict[str, list[str]] = {}
    positions, heights, sides, faults, times = [], [], [], 0, []
    for path in photos:
        try:
            pose = read_photo_pose(path, ground_m)
        except ValueError as error:
            missing.setdefault(str(error).partition(": ")[2], []).append(path.name)
            faults += 1
            continue
        for what, value in (("position", pose.lat), ("height above the ground", pose.height_m),
                            ("heading", pose.yaw_deg), ("pitch", pose.pitch_deg),
                            ("field of view", pose.fov_deg), ("time", pose.taken)):  # fmt: skip
            if value is None:
                missing.setdefault(f"no {what}", []).append(path.name)
        for note in pose.notes:
            if "not used" in note or "not above the ground" in note or "not believed" in note:
                missing.setdefault(note, []).append(path.name)
        if pose.taken:
            times.append(pose.taken)
        if pose.height_m:
            heights.append(pose.height_m)
            if pose.fov_deg:
                sides.append(2 * pose.height_m * np.tan(np.radians(pose.fov_deg) / 2))
        if pose.lat is not None:
            positions.append((printable(path.name), pose.lat, pose.lon))
            if not geomap.bounds.holds(pose.lat, pose.lon):
                missing.setdefault("off the map", []).append(path.name)
    lines = [
        f"{len(names)} of {len(photos)}: {what}, such as {names[0]}"
        for what, names in missing.items()
    ]
    if heights:
        lines.append(f"heights {min(heights):.0f} to {max(heights):.0f} m above the ground")
    if sides:
        lines.append(f"they show {np.median(sides):.0f} m of ground across: a good --side-m is "
                     f"{10 * round(0.85 * float(np.median(sides)) / 10):d}")  # fmt: skip
    if len(times) > 1 and times != sorted(times):
        lines.append("times and names differ in order")
    return MapCheck(str(geomap), len(photos), tuple(lines), faults, tuple(positions))


def draw_check(geomap: GeoMap, check: MapCheck, path: Path | str) -> None:
    """The map with the photographs' positions on it."""
    from matplotlib.figure import Figure

    from dphr_lab._files import replace_when_done
    from dphr_lab.plotting import PALETTE

    bounds = geomap.bounds
    width, height = bounds.size_m
    figure = Figure(figsize=(8, 8 * height / width + 0.5), layout="constrained")
    axis = figure.subplots()
    axis.imshow(
        geomap.read_box(bounds, 1000), extent=(-width / 2, width / 2, -height / 2, height / 2)
    )
    if check.positions:
        lat, lon = np.array([p[1:] for p in check.positions]).T
        axis.plot(*metres_from(*bounds.centre, lat, lon), "o", color=PALETTE["orange"],
                  markeredgecolor="black", label="photographs")  # fmt: skip
        axis.legend()
    axis.set_xlabel("metres east")
    axis.set_ylabel("metres north")
    with replace_when_done(path) as aside:
        figure.savefig(aside, dpi=110)


def write_positions(check: MapCheck, path: Path | str) -> None:
    """The positions that photographs have, as CSV."""
    with open(path, "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("photo", "lat", "lon"), *check.positions])
