"""Public sets with positions, as maps and flights: DenseUAV, UAV-VisLoc, GTA-UAV, wildnav.

Only lists are read here, no picture. What they agree on is an image with a position; what a set
has beside it (a map's corners, a place's number, tiles that overlap) stands where it has it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path

from dphr_lab._files import parse_json, read_csv, read_text

DENSE_LISTS = {"all": "Dense_GPS_ALL.txt", "train": "Dense_GPS_train.txt",
               "test": "Dense_GPS_test.txt"}  # fmt: skip
VISLOC_CORNERS = "satellite_ coordinates_range.csv"  # with a space in its name
GTA_LISTS = "{area}-area-drone2sate-{part}.json"


@dataclass(frozen=True)
class PlacedImage:
    """An image whose position is known: degrees, or metres of a game's own plane."""

    path: Path
    view: str  # "drone" or "satellite"
    lat: float | None = None
    lon: float | None = None
    x_m: float | None = None  # GTA-UAV
    y_m: float | None = None
    height_m: float | None = None  # as the set says it: above the ground or the sea
    place: str | None = None
    flight: str | None = None
    taken: str | None = None
    angles_deg: dict[str, float] = field(default_factory=dict)  # by the set's own names


@dataclass(frozen=True)
class MapCorners:
    """A picture of a map and its corners, degrees."""

    path: Path
    north: float
    west: float
    south: float
    east: float


@dataclass(frozen=True)
class Overlap:
    """GTA-UAV: the tiles that a drone image overlaps."""

    drone: PlacedImage
    positives: tuple[tuple[PlacedImage, float], ...]  # tile, overlap in [0, 1]
    semi_positives: tuple[tuple[PlacedImage, float], ...]


@dataclass(frozen=True)
class PositionSet:
    """Maps and flights of one set."""

    name: str
    drone: tuple[PlacedImage, ...]
    satellite: tuple[PlacedImage, ...] = ()  # tiles with a centre
    maps: tuple[MapCorners, ...] = ()
    overlaps: tuple[Overlap, ...] = ()
    missing: tuple[Path, ...] = ()  # listed, but not on disk

    def __str__(self) -> str:
        flights = len({image.flight for image in self.drone if image.flight})
        parts = [
            f"{len(self.drone):,} drone images" + (f" of {flights} flights" if flights else "")
        ]
        if self.satellite:
            parts.append(f"{len(self.satellite):,} satellite tiles")
        if self.maps:
            parts.append(f"{len(self.maps)} map sheets")
        if self.missing:
            parts.append(f"{len(self.missing):,} listed files missing, such as {self.missing[0]}")
        return f"{self.name}: {', '.join(parts)}"


def read_dense_uav(root: Path | str, part: str = "all") -> PositionSet:
    """DenseUAV: a line an image, `<path> E<longitude> N<latitude> <height>`.

    `part` is "all", "train" or "test". The place is the path's last folder. Raises
    FileNotFoundError without the list, ValueError naming the line that is of another form.
    """
    root = Path(root)
    if part not in DENSE_LISTS:
        raise ValueError(f"part is {part!r}: expected one of {', '.join(DENSE_LISTS)}")
    path = _there(root / DENSE_LISTS[part], "DenseUAV's list of positions")
    images: dict[str, list[PlacedImage]] = {"drone": [], "satellite": []}
    for number, line in enumerate(read_text(path).splitlines(), 1):
        if not line.strip():
            continue
        try:
            name, lon, lat, height = line.split()
            position = _signed(lat, "N", "S"), _signed(lon, "E", "W")
            height_m = _finite(height)
        except ValueError:
            raise ValueError(
                f"{path}, line {number}: found {line!r}; expected <path> E<longitude> N<latitude> "
                "<height>"
            ) from None
        file = root / name.replace("\\", "/")
        view = "satellite" if "satellite" in file.as_posix().lower() else "drone"
        images[view].append(PlacedImage(
            file, view, *position, height_m=height_m, place=file.parent.name,
        ))  # fmt: skip
    return _checked("DenseUAV", images["drone"], images["satellite"])


def read_uav_visloc(root: Path | str) -> PositionSet:
    """UAV-VisLoc: a folder a flight (`01` … `11`) with `drone/*.JPG`, `NN.csv` and map sheets.

    Angles (Omega, Kappa, Phi1, Phi2) are kept under their own names. Raises FileNotFoundError
    without the table of corners or without flights, ValueError naming a line of another form.
    """
    root = Path(root)
    corners = _there(root / VISLOC_CORNERS, "UAV-VisLoc's table of map corners")
    maps = []
    for number, row in _rows(corners, "mapname"):
        name = row["mapname"]
        digits = "".join(c for c in name.removeprefix("satellite")[:2] if c.isdigit())
        folder = root / digits
        path = folder / name if (folder / name).suffix else folder / f"{name}.tif"
        values = _numbers(corners, number, row, "LT_lat_map", "LT_lon_map", "RB_lat_map",
                          "RB_lon_map")  # fmt: skip
        maps.append(MapCorners(path, *values))
    drone = []
    for table in sorted(root.glob("[0-9][0-9]/[0-9][0-9].csv")):
        for number, row in _rows(table, "filename"):
            lat, lon, height = _numbers(table, number, row, "lat", "lon", "height")
            named = [n for n in ("Omega", "Kappa", "Phi1", "Phi2") if row.get(n)]
            angles = dict(zip(named, _numbers(table, number, row, *named), strict=True))
            drone.append(PlacedImage(
                table.parent / "drone" / row["filename"], "drone", lat, lon,
                height_m=height, flight=table.parent.name, taken=row.get("date"),
                angles_deg=angles,
            ))  # fmt: skip
    if not drone:
        raise FileNotFoundError(f"{root}: no flight (01/01.csv …) of UAV-VisLoc in it")
    return _checked("UAV-VisLoc", drone, [], maps)


def read_gta_uav(root: Path | str, area: str = "cross", part: str = "test") -> PositionSet:
    """GTA-UAV (Game4Loc): positions in metres of the game, and how far tiles overlap.

    `area` is "cross" or "same", `part` "train" or "test". Raises FileNotFoundError without the
    list, ValueError for an entry of another form.
    """
    root = Path(root)
    if area not in ("cross", "same") or part not in ("train", "test"):
        raise ValueError(f"area is {area!r}, part {part!r}: expected cross or same, train or test")
    path = _there(root / GTA_LISTS.format(area=area, part=part), "GTA-UAV's list of pairs")
    try:
        entries = parse_json(read_text(path))
        if not isinstance(entries, list):
            raise ValueError(f"found {type(entries).__name__}, expected a list of entries")
    except ValueError as error:
        raise ValueError(f"{path}: no JSON of GTA-UAV's pairs ({error})") from None
    drone, overlaps, tiles = [], [], {}
    for number, entry in enumerate(entries):
        try:
            x, y = entry["drone_loc_x_y"]
            metadata = entry.get("drone_metadata") or {}
            image = PlacedImage(
                root / entry["drone_img_dir"] / entry["drone_img_name"], "drone",
                x_m=_finite(x), y_m=_finite(y), height_m=_maybe(metadata.get("height")),
                angles_deg={k: float(v) for k, v in metadata.items()
                            if k != "height" and isinstance(v, int | float)},
            )  # fmt: skip
            found = {}
            for kind in ("pos", "semipos"):
                lists = f"pair_pos_{'' if kind == 'pos' else 'semipos_'}sate"
                names = entry.get(f"{lists}_img_list") or []
                weights = entry.get(f"{lists}_weight_list") or [math.nan] * len(names)
                places = entry.get(f"{lists}_loc_x_y_list") or []
                found[kind] = tuple(
                    (_tile(tiles, root / entry["sate_img_dir"] / name, place), float(weight))
                    for name, weight, place in zip(names, weights, places, strict=True)
                )
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            raise ValueError(
                f"{path}, entry {number}: not as expected ({type(error).__name__}: {error})"
            ) from None
        drone.append(image)
        overlaps.append(Overlap(image, found["pos"], found["semipos"]))
    return _checked("GTA-UAV", drone, list(tiles.values()), overlaps=overlaps)


def _tile(tiles: dict, path: Path, place) -> PlacedImage:
    if path not in tiles:
        x, y = place
        tiles[path] = PlacedImage(path, "satellite", x_m=_finite(x), y_m=_finite(y))
    return tiles[path]


def _checked(name: str, drone, satellite, maps=(), overlaps=()) -> PositionSet:
    files = [image.path for image in (*drone, *satellite)] + [sheet.path for sheet in maps]
    missing = tuple(file for file in files if not file.is_file())
    return PositionSet(name, tuple(drone), tuple(satellite), tuple(maps), tuple(overlaps), missing)


def _there(path: Path, what: str) -> Path:
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file; expected {what}")
    return path


def _rows(path: Path, needed: str):
    """(line, row) of a CSV; raises ValueError for a line without a value for `needed`."""
    for number, row in read_csv(path)[1]:
        if not row.get(needed):
            raise ValueError(f"{path}, line {number}: no {needed}; found {row}")
        yield number, row


def _numbers(path: Path, number: int, row: dict, *names: str) -> list[float]:
    try:
        values = [_finite(row[name]) for name in names]
    except (KeyError, TypeError, ValueError):
        raise ValueError(
            f"{path}, line {number}: expected numbers in {', '.join(names)}; found {row}"
        ) from None
    return values


def _signed(text: str, positive: str, negative: str) -> float:
    if text[:1] not in (positive, negative):
        raise ValueError(text)
    return _finite(text[1:]) * (1 if text[0] == positive else -1)


def _finite(value) -> float:
    if not math.isfinite(number := float(value)):
        raise ValueError(f"found {value}, expected a finite number")
    return number


def _maybe(value) -> float | None:
    return float(value) if isinstance(value, int | float) else None
