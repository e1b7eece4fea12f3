"""A continuous town on disk: maps of two years, flights with EXIF, truth, odometry, twins."""

from __future__ import annotations

import csv
import math
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import lru_cache
from pathlib import Path

import numpy as np

from dphr_lab._files import is_empty, replace_folder_when_done, write_json
from dphr_lab._locks import only_writer
from dphr_lab.scenes.camera_image import decode, photograph
from dphr_lab.scenes.conditions import Conditions, sample_conditions, vary
from dphr_lab.scenes.continuous.exif import PhotoTags, with_tags
from dphr_lab.scenes.continuous.routes import FOV_DEG, Route, Station, make_routes
from dphr_lab.scenes.continuous.town import Town, make_town
from dphr_lab.scenes.processes import mapped
from dphr_lab.scenes.towns.flights import Flight
from dphr_lab.settings.towns import TownSettings

CELL_M = 200.0  # of the map, rendered one at a time
GROUND_M = 520.0  # height of the ground above sea level
TRUTH = (
    "photo", "time_s", "lat", "lon", "altitude_m", "yaw_deg", "pitch_deg", "ground_lat",
    "ground_lon", "fov_deg",
)  # fmt: skip
NEEDS = "writing a town needs rasterio and pyproj: install them with pip install 'dphr-lab[map]'"


@dataclass(frozen=True)
class Frame:
    """Where the town lies: its metres on the UTM grid and on the globe."""

    epsg: int
    east_m: float  # of the town's origin
    north_m: float

    def position(self, x, y) -> tuple[np.ndarray, np.ndarray]:
        """(latitude, longitude) of town metres."""
        lon, lat = _to_globe(self.epsg).transform(
            np.asarray(x) + self.east_m, np.asarray(y) + self.north_m
        )
        return lat, lon

    def convergence_deg(self, x: float, y: float) -> float:
        """Degrees by which the grid's north lies clockwise of true north."""
        (lat, lat2), (lon, lon2) = self.position([x, x], [y, y + 100.0])
        return math.degrees(math.atan2((lon2 - lon) * math.cos(math.radians(lat)), lat2 - lat))


@lru_cache(maxsize=4)
def _to_globe(epsg: int):
    try:
        import pyproj
    except ModuleNotFoundError:
        raise ModuleNotFoundError(NEEDS) from None
    return pyproj.Transformer.from_crs(f"EPSG:{epsg}", "EPSG:4326", always_xy=True)


def frame_of(settings: TownSettings) -> Frame:
    """The place on the globe that the settings ask for, on whole metres of the grid."""
    east, north = _to_globe(settings.epsg).transform(
        settings.lon, settings.lat, direction="INVERSE"
    )
    return Frame(settings.epsg, float(round(east)), float(round(north)))


def day_of(settings: TownSettings, number: int) -> Conditions:
    """The day of flight `number` (from 1), or the satellite's: 0 the map's year, -1 later."""
    rng = np.random.default_rng([settings.seed, 74, number + 1])
    return sample_conditions(rng, "drone" if number > 0 else "satellite", settings.weather)


def render_cell(settings: TownSettings, year: int, column: int, row: int) -> np.ndarray:
    """One 200 m cell of the map, uint8 (px, px, 3); column 0, row 0 is the north-western one."""
    town = make_town(settings)
    half = settings.side_m / 2
    x, y = (column + 0.5) * CELL_M - half, half - (row + 0.5) * CELL_M
    day = day_of(settings, 0 if year == settings.map_year else -1)
    px = round(CELL_M / settings.gsd_m)
    scene = town.scene_at(x, y, year, CELL_M / 2 + 60)
    view = Flight.for_satellite(scene, day, px, settings.texture).satellite()
    rng = np.random.default_rng([settings.seed, 75, year, column, row])
    return decode(photograph(view, replace(day, blur_px=0.0), rng))


def render_photo(settings: TownSettings, number: int, index: int, station: Station) -> bytes:
    """The JPEG of one photograph of flight `number`."""
    town = make_town(settings)
    scene = town.scene_at(*station.target, settings.flight_year)
    day = day_of(settings, number)
    flight = Flight(scene, day, settings.photo_px, texture=settings.texture)
    rng = np.random.default_rng([settings.seed, 76, number, index])
    return photograph(flight.drone(station.pose), vary(day, rng), rng)


def _cell(job) -> np.ndarray:
    return render_cell(*job)


def _photo(job) -> bytes:
    return render_photo(*job)


def write_town(
    settings: TownSettings, root: Path | str, workers: int | None = 1, progress: bool = True
) -> None:
    """Write a town into a new or empty folder.

    `map_<year>.tif` for both years (GeoTIFF, UTM), `flights/<calibration|test>/<name>/` with
    photographs, `truth.csv` and `odometry.csv`, `twins.csv` (repeated blocks), `town.json`.
    One cell or photograph is in memory at a time (a process). Raises FileExistsError for a folder
    that holds something, ModuleNotFoundError without the extra `map`.
    """
    root = Path(root)
    _check_empty(root)
    frame, town, routes = frame_of(settings), make_town(settings), make_routes(settings)
    with only_writer(root), replace_folder_when_done(root) as folder:
        _check_empty(root)  # again: it may have been written until the lock was free
        for year in (settings.map_year, settings.flight_year):
            _write_map(settings, frame, year, folder / f"map_{year}.tif", workers, progress)
        jobs = [
            (settings, number, index, station)
            for number, route in enumerate(routes, 1)
            for index, station in enumerate(route.stations)
        ]
        with mapped(_photo, jobs, workers, progress, "photographs") as images:
            for number, route in enumerate(routes, 1):
                _write_flight(settings, frame, number, route, folder / "flights", images)
        _write_twins(town, frame, folder / "twins.csv")
        write_json(folder / "town.json", _record(settings, town, frame, routes))


def _check_empty(root: Path) -> None:
    if not is_empty(root):
        raise FileExistsError(f"{root}: holds something; give a new or empty folder")


def _write_map(settings, frame, year, path, workers, progress) -> None:
    try:
        import rasterio
    except ModuleNotFoundError:
        raise ModuleNotFoundError(NEEDS) from None
    cells = round(settings.side_m / CELL_M)
    px = round(CELL_M / settings.gsd_m)
    half = settings.side_m / 2
    transform = rasterio.transform.from_origin(
        frame.east_m - half, frame.north_m + half, settings.gsd_m, settings.gsd_m
    )
    jobs = [(settings, year, column, row) for row in range(cells) for column in range(cells)]
    with (
        rasterio.open(
            path, "w", driver="GTiff", width=cells * px, height=cells * px, count=3,
            dtype="uint8", crs=f"EPSG:{frame.epsg}", transform=transform, tiled=True,
            compress="deflate", predictor=2, photometric="RGB",
        ) as file,
        mapped(_cell, jobs, workers, progress, f"map {year}") as images,
    ):  # fmt: skip
        for (_, _, column, row), image in zip(jobs, images, strict=True):
            window = rasterio.windows.Window(column * px, row * px, px, px)
            file.write(image.transpose(2, 0, 1), window=window)
        file.update_tags(TIFFTAG_DATETIME=f"{year}:07:01 12:00:00")


def _write_flight(settings, frame: Frame, number: int, route: Route, flights: Path, images) -> None:
    folder = flights / route.purpose / route.name
    folder.mkdir(parents=True)
    start = datetime(settings.flight_year, 6, 1 + number % 28, 9 + number % 8)
    truth = []
    for index, station in enumerate(route.stations):
        lat, lon = (float(v) for v in frame.position(station.x, station.y))
        ground_lat, ground_lon = (float(v) for v in frame.position(*station.target))
        yaw = (station.heading_deg + frame.convergence_deg(station.x, station.y)) % 360
        taken = start + timedelta(seconds=station.time_s)
        tags = PhotoTags(
            lat, lon, GROUND_M + station.altitude_m, station.altitude_m, yaw, -station.pitch_deg,
            0.0, yaw, 0.5 * settings.photo_px / math.tan(math.radians(FOV_DEG / 2)),
            settings.photo_px, settings.photo_px, taken.strftime("%Y:%m:%d %H:%M:%S"),
        )  # fmt: skip
        name = f"{route.name}_{index:04d}.jpg"
        (folder / name).write_bytes(with_tags(next(images), tags))
        truth.append((
            name, station.time_s, f"{lat:.8f}", f"{lon:.8f}", station.altitude_m, f"{yaw:.2f}",
            station.pitch_deg, f"{ground_lat:.8f}", f"{ground_lon:.8f}", FOV_DEG,
        ))  # fmt: skip
    _write_csv(folder / "truth.csv", TRUTH, truth)
    # the odometry knows the grid's north as little as the photographs do: turned to true north
    turn = math.radians(frame.convergence_deg(0, 0))
    c, s = math.cos(turn), math.sin(turn)
    east, north = route.odometry[:, 0], route.odometry[:, 1]
    steps = np.round(np.stack([c * east + s * north, -s * east + c * north], 1), 2)
    rows = [(t[0], t[1], e, n) for t, (e, n) in zip(truth, steps.tolist(), strict=True)]
    _write_csv(folder / "odometry.csv", ("photo", "time_s", "east_m", "north_m"), rows)


def _write_twins(town: Town, frame: Frame, path: Path) -> None:
    rows = []
    for number, quarter in enumerate(town.quarters):
        for x, y in quarter.blocks or ((quarter.x, quarter.y),):
            group = f"q{number}" if quarter.estate and quarter.copy_of is None else ""
            if quarter.copy_of is not None:
                group = f"q{quarter.copy_of}"
            if not group and number not in {q.copy_of for q in town.quarters}:
                continue
            lat, lon = (float(v) for v in frame.position(x, y))
            kind = "block" if quarter.estate else "quarter"
            rows.append((group or f"q{number}", kind, quarter.style, f"{lat:.8f}", f"{lon:.8f}"))
    _write_csv(path, ("group", "kind", "style", "lat", "lon"), sorted(rows))


def _write_csv(path: Path, header, rows) -> None:
    with open(path, "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *rows])


def _record(settings, town: Town, frame: Frame, routes: tuple[Route, ...]) -> dict:
    kinds = [change for change in town.changes if change]
    return {
        "settings": settings.to_dict(),
        "epsg": frame.epsg,
        "origin": [frame.east_m, frame.north_m],
        "ground_m": GROUND_M,
        "buildings": len(town.buildings),
        "changes": {kind: kinds.count(kind) for kind in sorted(set(kinds))},
        "flights": {route.name: route.purpose for route in routes},
    }
