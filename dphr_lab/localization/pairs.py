"""Training pairs cut from a map and flights over it, and a check of one's own map and photographs.

**Negatives are masked by `places`**, not soft-labelled. Tiles of one place overlap by three
quarters of a side or more; two places lie so far apart that none of their tiles overlap, so every
other place in a batch is a true negative. Photographs between two places are left out, and counted.
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
from dphr_lab.localization.geomap import GeoMap
from dphr_lab.localization.ground import metres_from, moved
from dphr_lab.localization.photo_metadata import PhotoPose, read_photo_pose
from dphr_lab.localization.tiles import filled
from dphr_lab.localization.to_ground import looked_at, to_ground

JOINS = 0.25  # of a side: photographs this near to a place's centre belong to it


@dataclass(frozen=True)
class PairsReport:
    """What `cut_pairs` wrote, and what it left out."""

    places: int
    photographs: int
    between: int  # they overlap a place without belonging to it
    without_pose: int
    off_map: int

    def __str__(self) -> str:
        return (
            f"{self.places} places, {self.photographs} photographs; left out: {self.between} "
            f"between places, {self.without_pose} without position, height or heading, "
            f"{self.off_map} off the map. Negatives are masked by places: no tile of one place "
            "overlaps one of another."
        )


def cut_pairs(
    geomap: GeoMap,
    photos: Sequence[Path],
    root: Path | str,
    side_m: float,
    px: int,
    test_share: float = 0.2,
    ground_m: float | None = None,
    turned: int = 1,
    seed: int = 0,
) -> PairsReport:
    """Write pairs in University-1652's folders: satellite tiles and photographs brought to them.

    `photos` need position, height and heading. A photograph founds a place, joins one whose centre
    lies within a quarter of a side, or is left out when its tile would overlap another place's.
    `turned` > 1 writes each photograph as often, its heading wrong by even steps of a turn, for an
    encoder that must work without headings. Places are split at random into train and test.
    Raises FileExistsError for a `root` that holds something, ValueError when no photograph fits.
    """
    from PIL import Image

    if not is_empty(Path(root)):
        raise FileExistsError(f"{root}: holds something; give a new or empty folder")
    spots, kept, counts = [], [], {"between": 0, "without_pose": 0, "off_map": 0}
    centres: list[tuple[float, float]] = []
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
        place = _place(centres, lat, lon, side_m)
        if place is None:
            counts["between"] += 1
            continue
        if place == len(centres):
            centres.append((lat, lon))
        kept.append((path, pose, place))
        spots.append((lat, lon))
    if not centres:
        raise ValueError(f"none of {len(photos)} photographs can be paired with this map: {counts}")
    order = np.random.default_rng(seed).permutation(len(centres))
    tested = set(order[: round(test_share * len(centres))].tolist())
    report = PairsReport(len(centres), len(kept), **counts)
    with only_writer(root), replace_folder_when_done(root) as folder:
        numbers: dict[int, int] = {}
        for path, pose, place in kept:
            name = f"{place + 1:04d}"
            views = _folders(folder, place in tested)
            if place not in numbers:
                pixels, known = geomap.read(centres[place], side_m, px)
                for view in views["satellite"]:
                    (view / name).mkdir(parents=True)
                    Image.fromarray(filled(pixels, known)).save(view / name / f"{name}.png")
            photo = read_image(path)
            for k in range(turned):
                numbers[place] = numbers.get(place, 0) + 1
                wrong = (pose.yaw_deg + 360 * k / turned) % 360
                view = _turned_view(photo, pose, wrong, side_m, px)
                for drone in views["drone"]:
                    (drone / name).mkdir(parents=True, exist_ok=True)
                    Image.fromarray(view).save(drone / name / f"image-{numbers[place]:02d}.png")
        write_json(folder / "pairs.json", report.__dict__ | {
            "side_m": side_m, "image_px": px, "negatives": "masked by places",
            "centres": [list(c) for c in centres], "test": sorted(p + 1 for p in tested),
        })  # fmt: skip
    return report


def _turned_view(photo, pose: PhotoPose, yaw_deg: float, side_m: float, px: int) -> np.ndarray:
    return to_ground(photo, pose, yaw_deg, side_m, px).pixels


def _place(centres: list, lat: float, lon: float, side_m: float) -> int | None:
    """The place of a tile: an old one, the next new one, or None where it overlaps another."""
    if not centres:
        return 0
    east, north = metres_from(lat, lon, *np.array(centres).T)
    nearest = int(np.argmin(np.hypot(east, north)))
    if np.hypot(east[nearest], north[nearest]) <= JOINS * side_m:
        place = nearest
    elif (np.maximum(np.abs(east), np.abs(north)) >= (1 + 2 * JOINS) * side_m).all():
        return len(centres)
    else:
        return None
    return place


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
            positions.append((path.name, pose.lat, pose.lon))
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
