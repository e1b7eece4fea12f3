"""A georeferenced map, whatever its files are: windows in metres on the ground, north up or turned.

Read by rasterio: GeoTIFF and COG in any CRS, VRT, folders of GeoTIFFs, images with a world file,
images whose corners a CSV names. Read here: folders of z/x/y tiles, which rasterio has no name for.
"""

from __future__ import annotations

import hashlib
import math
import threading
import warnings
import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import numpy as np

from dphr_lab._files import check_regular, read_csv, read_text
from dphr_lab._images import (
    IMAGE_SUFFIXES,
    file_stat,
    image_files,
    is_image_name,
    opened,
    read_image,
)
from dphr_lab.localization.ground import MAX_LATITUDE, metres_from, metres_per_degree, moved

MAP_EXTRA = "install it with pip install 'dphr-lab[map]'"
WGS84 = "EPSG:4326"
WEB_MERCATOR = "EPSG:3857"
TILE_PX = 256  # of z/x/y folders
FINEST_ZOOM = 30  # a pixel of less than a millimetre
MERCATOR_HALF_M = 20_037_508.342789244
RASTER_SUFFIXES = (".tif", ".tiff", ".vrt")
DRIVERS = {  # of GDAL; its other ones stay off, whatever a file holds: some read from the network
    ".vrt": "VRT",
    ".png": "PNG",
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".webp": "WEBP",
    ".bmp": "BMP",
    ".jp2": "JP2OpenJPEG",
}
DEEPEST_VRT = 16  # VRTs that name one another
CACHE_MB = 64  # of GDAL, for all maps of a process
# how CSVs of corners call their columns: wildnav's and UAV-VisLoc's, spaces as underscores
CORNER_COLUMNS = {
    "name": ("filename", "mapname", "file", "name"),
    "north": ("top_left_lat", "lt_lat_map", "north"),
    "west": ("top_left_lon", "lt_lon_map", "top_left_long", "west"),
    "south": ("bottom_right_lat", "rb_lat_map", "south"),
    "east": ("bottom_right_lon", "bottom_right_long", "rb_lon_map", "east"),
}


def needs(name: str):
    """The module `name` of the extra `map`, or ModuleNotFoundError that says what to install."""
    import importlib

    try:
        return importlib.import_module(name)
    except ModuleNotFoundError:
        raise ModuleNotFoundError(f"maps need {name}: {MAP_EXTRA}") from None


@dataclass(frozen=True)
class Bounds:
    """The smallest box of latitudes and longitudes around something, degrees (WGS 84).

    `east` is above 180 where the box crosses the antimeridian.
    """

    west: float
    south: float
    east: float
    north: float

    @property
    def centre(self) -> tuple[float, float]:
        """(latitude, longitude) of the middle."""
        return (self.south + self.north) / 2, (self.west + self.east) / 2

    @property
    def size_m(self) -> tuple[float, float]:
        """(width, height) in metres on the ground, at the middle."""
        north, east = metres_per_degree(self.centre[0])
        return float((self.east - self.west) * east), float((self.north - self.south) * north)

    def holds(self, lat: float, lon: float) -> bool:
        """Whether a position lies inside."""
        inside = self.west <= lon <= self.east or self.west <= lon + 360 <= self.east
        return self.south <= lat <= self.north and inside

    def meets(self, other: Bounds) -> bool:
        """Whether two boxes share more than nothing."""
        return (
            self.west < other.east
            and other.west < self.east
            and self.south < other.north
            and other.south < self.north
        )

    def __str__(self) -> str:
        width, height = self.size_m
        return (
            f"{self.south:.6f} to {self.north:.6f} N, {self.west:.6f} to {self.east:.6f} E "
            f"({width:,.0f} × {height:,.0f} m)"
        )


class Sheet:
    """One georeferenced picture of a map: a CRS, the way from it to pixels, and windows.

    `to_pixel` (2, 3) maps (x, y, 1) of the CRS to (column, row), the picture covering
    [0, width] × [0, height].
    """

    def __init__(self, name: str, crs, to_pixel: np.ndarray, width: int, height: int):
        self.name, self.crs = name, crs
        self.to_pixel = np.asarray(to_pixel, float)
        self.width, self.height = width, height
        self.extent = (0, 0, width, height)  # columns and rows that may hold something
        self._local = threading.local()

    def transform(self):
        """From longitude and latitude to the CRS; one for each thread."""
        if not hasattr(self._local, "transform"):
            pyproj = needs("pyproj")
            self._local.transform = pyproj.Transformer.from_crs(WGS84, self.crs, always_xy=True)
        return self._local.transform

    def pixels(self, lat, lon) -> np.ndarray:
        """(column, row) of positions, (n, 2); infinite where the CRS knows no such position."""
        x, y = self.transform().transform(np.asarray(lon, float), np.asarray(lat, float))
        return np.stack([x, y, np.ones_like(x)], -1) @ self.to_pixel.T

    @property
    def bounds(self) -> Bounds:
        """The box around the outline."""
        left, top, right, bottom = self.extent
        t = np.linspace(0, 1, 21)
        columns = np.concatenate(
            [left + t * (right - left)] * 2 + [np.full(21, left), np.full(21, right)]
        )
        rows = np.concatenate(
            [np.full(21, top), np.full(21, bottom)] + [top + t * (bottom - top)] * 2
        )
        full = np.vstack([self.to_pixel, [0, 0, 1]])
        x, y, _ = np.linalg.inv(full) @ np.stack([columns, rows, np.ones_like(rows)])
        pyproj = needs("pyproj")
        back = pyproj.Transformer.from_crs(self.crs, WGS84, always_xy=True)
        lon, lat = back.transform(x, y)
        if not (np.isfinite(lon).all() and np.isfinite(lat).all()):
            raise ValueError(
                f"{self.name}: its corners have no position in {_crs_name(self.crs)}; "
                "is this the map's CRS? give the right one with --crs"
            )
        if lon.max() - lon.min() > 180:  # it crosses the antimeridian
            lon = np.where(lon < 0, lon + 360, lon)
        return Bounds(*(float(v) for v in (lon.min(), lat.min(), lon.max(), lat.max())))

    def files(self) -> list[Path]:
        """The files that it is read from."""
        return []

    def window(self, box: tuple[int, int, int, int], shape: tuple[int, int]):
        """Pixels (h, w, 3) uint8 and known (h, w) bool of (left, top, right, bottom), averaged.

        The box lies inside the picture; `shape` (h, w) is at most its size.
        """
        raise NotImplementedError


class RasterSheet(Sheet):
    """A file that rasterio opens."""

    def __init__(self, path: Path, crs=None, corners: Bounds | None = None):
        rasterio = needs("rasterio")
        self.path = Path(path)
        with _quiet(), _opened(rasterio, self.path) as source:
            kind = source.dtypes[0]
            if any(k not in ("uint8",) for k in source.dtypes[:3]):
                raise ValueError(
                    f"{path}: its pixels are {kind}; expected 8 bits a channel: "
                    "gdal_translate -ot Byte -scale makes such a copy"
                )
            transform = source.transform
            if corners is not None:
                crs = WGS84
                transform = rasterio.transform.from_bounds(
                    corners.west, corners.south, corners.east, corners.north,
                    source.width, source.height,
                )  # fmt: skip
            elif transform.is_identity:
                raise ValueError(
                    f"{path}: it says nothing of where it lies; expected a GeoTIFF, a world file "
                    "beside it, or a CSV of corners"
                )
            elif crs is None:
                if source.crs is None:
                    raise ValueError(
                        f"{path}: it has no coordinate reference system (CRS); give the one it "
                        "was made in, such as --crs EPSG:32632"
                    )
                crs = source.crs.to_wkt()
            elif source.crs is not None and not _same_crs(crs, source.crs.to_wkt(), str(path)):
                raise ValueError(
                    f"{path}: it says its own CRS, {_crs_name(read_crs(source.crs.to_wkt(), ''))}, "
                    f"and {crs} is another: leave --crs out, or set the file right by "
                    f"gdal_edit.py -a_srs {crs}"
                )
            try:
                inverse = ~transform
            except Exception as error:  # affine's own kind
                raise ValueError(
                    f"{path}: its pixels have no size on the ground ({error}); georeference it anew"
                ) from None
            self.bands = _rgb_bands(source)
            self.colours = _palette(source)
            super().__init__(
                str(path),
                read_crs(crs, str(path)),
                np.array([[inverse.a, inverse.b, inverse.c], [inverse.d, inverse.e, inverse.f]]),
                source.width,
                source.height,
            )
            self._files = [Path(file) for file in source.files]  # with those beside it

    def files(self) -> list[Path]:
        return self._files

    def _source(self):
        """The open file of this thread: GDAL's handles must not be shared."""
        if not hasattr(self._local, "source"):
            rasterio = needs("rasterio")
            with _quiet():
                self._local.source = _opened(rasterio, self.path)
        return self._local.source

    def window(self, box, shape):
        rasterio = needs("rasterio")
        left, top, right, bottom = box
        source = self._source()
        window = rasterio.windows.Window(left, top, right - left, bottom - top)
        smooth = rasterio.enums.Resampling.average
        if self.colours is not None:
            smooth = rasterio.enums.Resampling.nearest
        try:
            pixels = source.read(
                self.bands, window=window, out_shape=(len(self.bands), *shape), resampling=smooth
            )
            known = source.dataset_mask(window=window, out_shape=shape) > 0
        except rasterio.errors.RasterioIOError as error:
            raise ValueError(
                f"{self.path}: a part of it cannot be read ({error}); copy it anew"
            ) from None
        if self.colours is not None:
            return self.colours[pixels[0]], known
        if len(pixels) == 1:
            pixels = np.repeat(pixels, 3, axis=0)
        return np.ascontiguousarray(pixels.transpose(1, 2, 0)), known


def read_crs(given: str, name: str):
    """The CRS that a user or a map names; raises ValueError for one that no map can have."""
    pyproj = needs("pyproj")
    try:
        found = pyproj.CRS.from_user_input(given)
    except pyproj.exceptions.CRSError as error:
        raise ValueError(
            f"{name}: found {given[:60]!r} for its coordinate reference system, which PROJ does "
            f"not know ({str(error).splitlines()[0][:120]}); give one such as --crs EPSG:32632"
        ) from None
    if not (found.is_geographic or found.is_projected):
        raise ValueError(
            f"{name}: {_crs_name(found)} says nothing of where on Earth a map lies; give the CRS "
            "that it was made in, such as --crs EPSG:32632"
        )
    return found


def _same_crs(given: str, own: str, name: str) -> bool:
    return read_crs(given, name).equals(read_crs(own, name), ignore_axis_order=True)


def check_vrt(path: Path, above: tuple[Path, ...] = ()) -> None:
    """Raise ValueError for a VRT of other sources than files that would be opened as maps, too.

    GDAL opens whatever a VRT names: addresses, named pipes, files that say where to read.
    """
    if path.resolve() in above or len(above) > DEEPEST_VRT:
        raise ValueError(f"{path}: a VRT of itself, or of more than {DEEPEST_VRT} in one another")
    text = read_text(path)
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise ValueError(f"{path}: found a document type in it, which a VRT does not have")
    try:
        parts = ElementTree.fromstring(text).iter()
    except ElementTree.ParseError as error:
        raise ValueError(f"{path}: not a VRT ({error})") from None
    for part in parts:
        if part.tag not in ("SourceFilename", "SourceDataset") or not part.text:
            continue
        named = part.text.strip()
        file = path.parent / named if part.get("relativeToVRT") == "1" else Path(named)
        if not file.is_file():  # GDAL has further names: of addresses, of parts of archives
            found = "no regular file" if file.exists() else "nothing of that name on disk"
            raise ValueError(f"{path}: names {named[:200]!r} as a source: found {found}")
        if file.suffix.lower() == ".vrt":
            check_vrt(file, (*above, path.resolve()))
        else:
            _opened(needs("rasterio"), file).close()


class TileFolderSheet(Sheet):
    """A folder of z/x/y tiles in Web Mercator, at its finest zoom and those above it."""

    def __init__(self, folder: Path, tms: bool | None = None):
        pyproj = needs("pyproj")
        self.folder = Path(folder)
        self.tms = (self.folder / "tilemapresource.xml").is_file() if tms is None else tms
        self.zooms = sorted(int(p.name) for p in self.folder.iterdir() if _is_number(p))
        if not self.zooms:
            raise FileNotFoundError(f"{folder}: no zoom folders (z/x/y) in it")
        self.zoom = self.zooms[-1]
        if self.zoom > FINEST_ZOOM:
            raise ValueError(
                f"{folder}: a folder {self.zoom}, which is no zoom; expected 0 to {FINEST_ZOOM}"
            )
        across = TILE_PX * 2**self.zoom
        scale = across / (2 * MERCATOR_HALF_M)
        super().__init__(
            str(folder),
            pyproj.CRS.from_user_input(WEB_MERCATOR),
            np.array([[scale, 0, across / 2], [0, -scale, across / 2]]),
            across,
            across,
        )
        columns = sorted(int(p.name) for p in (self.folder / str(self.zoom)).iterdir()
                         if _is_number(p))  # fmt: skip
        tiles = range(2**self.zoom)
        rows = [
            self._row(int(file.stem), self.zoom)
            for column in columns
            for file in (self.folder / str(self.zoom) / str(column)).iterdir()
            if file.stem.isdecimal() and is_image_name(file.name)
        ]
        if not rows:
            raise FileNotFoundError(f"{folder}: no tiles at its zoom {self.zoom}")
        if wrong := [n for n in (columns[-1], min(rows), max(rows)) if n not in tiles]:
            raise ValueError(
                f"{folder}: a tile of column or row {wrong[0]} at zoom {self.zoom}, expected "
                f"{tiles[0]} to {tiles[-1]}"
            )
        self.extent = tuple(
            TILE_PX * n for n in (columns[0], min(rows), columns[-1] + 1, max(rows) + 1)
        )
        self._tile = lru_cache(maxsize=64)(self._read_tile)

    def files(self) -> list[Path]:
        return image_files(self.folder)

    def _row(self, y: int, zoom: int) -> int:
        return 2**zoom - 1 - y if self.tms else y

    def _read_tile(self, zoom: int, x: int, y: int) -> tuple[np.ndarray, np.ndarray] | None:
        folder = self.folder / str(zoom) / str(x)
        for suffix in IMAGE_SUFFIXES:
            path = folder / f"{self._row(y, zoom)}{suffix}"
            if path.is_file():
                pixels = read_image(path)
                if pixels.shape[:2] != (TILE_PX, TILE_PX):
                    raise ValueError(
                        f"{path}: a tile of {pixels.shape[1]} × {pixels.shape[0]} px; "
                        f"expected {TILE_PX} × {TILE_PX}"
                    )
                known = np.ones((TILE_PX, TILE_PX), bool)
                with opened(path) as image:
                    if image.mode in ("RGBA", "LA") or "transparency" in image.info:
                        known = np.asarray(image.convert("RGBA"))[..., 3] > 0
                return pixels, known
        return None

    def window(self, box, shape):
        import cv2

        shrink = min((box[3] - box[1]) / shape[0], (box[2] - box[0]) / shape[1])
        wanted = self.zoom - max(0, math.floor(math.log2(max(shrink, 1))))
        zoom = next((z for z in self.zooms if z >= wanted), self.zoom)
        down = 2 ** (self.zoom - zoom)
        left, top = box[0] // down, box[1] // down
        right, bottom = -(-box[2] // down), -(-box[3] // down)
        pixels = np.zeros((bottom - top, right - left, 3), np.uint8)
        known = np.zeros(pixels.shape[:2], bool)
        for x in range(left // TILE_PX, -(-right // TILE_PX)):
            for y in range(top // TILE_PX, -(-bottom // TILE_PX)):
                tile = self._tile(zoom, x, y)
                if tile is None:
                    continue
                x0, y0 = max(left, x * TILE_PX), max(top, y * TILE_PX)
                x1, y1 = min(right, (x + 1) * TILE_PX), min(bottom, (y + 1) * TILE_PX)
                there = np.s_[y0 - top : y1 - top, x0 - left : x1 - left]
                here = np.s_[
                    y0 - y * TILE_PX : y1 - y * TILE_PX, x0 - x * TILE_PX : x1 - x * TILE_PX
                ]
                pixels[there], known[there] = tile[0][here], tile[1][here]
        if pixels.shape[:2] != tuple(shape):
            size = (shape[1], shape[0])
            pixels = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
            known = cv2.resize(known.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST) > 0
        return pixels, known


@dataclass(frozen=True)
class GeoMap:
    """A map of one sheet or many. Open one with `open_map`.

    Sheets may have different CRSs; where two overlap, the first one counts.
    """

    name: str
    sheets: tuple[Sheet, ...]
    boxes: tuple[Bounds, ...] = field(default=())  # of each sheet

    def __post_init__(self):
        if not self.sheets:
            raise ValueError(f"{self.name}: a map without sheets")
        if not self.boxes:
            object.__setattr__(self, "boxes", tuple(sheet.bounds for sheet in self.sheets))
        for sheet, box in zip(self.sheets, self.boxes, strict=True):
            if max(abs(box.south), abs(box.north)) > MAX_LATITUDE:
                raise ValueError(
                    f"{sheet.name}: it reaches {box.north:.2f} degrees of latitude; maps are read "
                    f"up to {MAX_LATITUDE}: cut it, or use a polar projection's own tools"
                )

    @property
    def bounds(self) -> Bounds:
        """The box around all sheets."""
        boxes = self.boxes
        return Bounds(
            min(b.west for b in boxes),
            min(b.south for b in boxes),
            max(b.east for b in boxes),
            max(b.north for b in boxes),
        )

    @property
    def gsd_m(self) -> float:
        """Metres of ground of a pixel of the first sheet, at its middle."""
        lat, lon = self.boxes[0].centre
        ends = moved(lat, lon, np.array([-5.0, 5.0, 0, 0]), np.array([0, 0, -5.0, 5.0]))
        spots = self.sheets[0].pixels(*ends)
        lengths = np.hypot(*(spots[1] - spots[0])), np.hypot(*(spots[3] - spots[2]))
        return float(10 / min(lengths))

    def stamp(self) -> str:
        """A hash of its files' names, sizes and times: another one where a file has changed."""
        digest = hashlib.blake2b(digest_size=16)
        for file in (file for sheet in self.sheets for file in sheet.files()):
            told = file_stat(file)
            digest.update(f"{file.name}\0{told.st_size}\0{told.st_mtime_ns}\n".encode(
                "utf-8", "surrogateescape"))  # fmt: skip
        return digest.hexdigest()

    def read(
        self, centre: tuple[float, float], side_m: float, px: int, yaw_deg: float = 0.0
    ) -> tuple[np.ndarray, np.ndarray]:
        """A square of ground: pixels (px, px, 3) uint8 RGB and known (px, px) bool.

        `centre` is (latitude, longitude) in degrees, `side_m` metres on the ground, `yaw_deg` the
        direction that points up, clockwise from north. Windows are read, never a whole sheet;
        unknown pixels (nodata, transparent, off the map) are black. Raises ValueError for a side
        or px that is not positive.
        """
        import cv2

        if not side_m > 0 or px < 1:
            raise ValueError(f"side_m is {side_m} and px {px}: expected both above 0")
        lat, lon = centre
        half = side_m / 2
        square = np.array([[-half, half], [half, half], [half, -half], [-half, -half]])
        yaw = math.radians(yaw_deg)
        east = square[:, 0] * math.cos(yaw) + square[:, 1] * math.sin(yaw)
        north = -square[:, 0] * math.sin(yaw) + square[:, 1] * math.cos(yaw)
        corners = moved(lat, lon, east, north)
        box = _box_around(*corners)
        pixels = np.zeros((px, px, 3), np.uint8)
        known = np.zeros((px, px), bool)
        for sheet, bounds in zip(self.sheets, self.boxes, strict=True):
            if not _meets_around(bounds, box):
                continue
            found = _view(sheet, sheet.pixels(*corners), px, cv2)
            if found is None:
                continue
            new = found[1] & ~known
            if new.all():
                pixels, known = found[0], found[1]
            else:
                pixels[new] = found[0][new]
                known |= new
            if known.all():
                break
        return pixels, known

    def read_box(self, bounds: Bounds, px: int) -> np.ndarray:
        """A north-up overview (h, w, 3) of a box, its longer side `px` pixels."""
        width, height = bounds.size_m
        side = max(width, height)
        square, _ = self.read(bounds.centre, side, px)
        w, h = max(1, round(px * width / side)), max(1, round(px * height / side))
        return square[(px - h) // 2 : (px - h) // 2 + h, (px - w) // 2 : (px - w) // 2 + w]

    def __str__(self) -> str:
        crs = _crs_name(self.sheets[0].crs)
        sheets = f"{len(self.sheets)} sheets, " if len(self.sheets) > 1 else ""
        return f"{self.name}: {sheets}{crs}, {self.gsd_m:.2f} m a pixel, {self.bounds}"


def open_map(
    path: Path | str, crs: str | None = None, tms: bool | None = None, images: Path | None = None
) -> GeoMap:
    """Open what people have as a `GeoMap`.

    `path`: a GeoTIFF, COG or VRT; an image with a world file (`crs` says of which CRS); a folder of
    GeoTIFFs; a folder of z/x/y tiles (`tms` None: TMS where a tilemapresource.xml stands beside the
    zooms, else XYZ); a CSV of images and their corners, the images beside it or in `images`.
    Raises FileNotFoundError when nothing is there, ValueError naming the file and what it lacks.
    """
    path = Path(path)
    if crs is not None and (path.suffix.lower() == ".csv" or _holds_tiles(path)):
        raise ValueError(f"{path}: a map of this kind has a CRS of its own; leave --crs out")
    if tms is not None and not _holds_tiles(path):
        raise ValueError(f"{path}: --tms is for folders of z/x/y tiles; leave it out")
    if path.is_dir():
        if _holds_tiles(path):
            return GeoMap(path.name, (TileFolderSheet(path, tms),))
        files = image_files(path, lambda name: name.lower().endswith(RASTER_SUFFIXES))
        if not files:
            raise FileNotFoundError(
                f"{path}: no map in this folder; expected GeoTIFFs, or z/x/y tiles"
            )
        return GeoMap(path.name, tuple(RasterSheet(file, crs) for file in files))
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such map; expected a file or a folder")
    if path.suffix.lower() == ".csv":
        sheets = read_corners(path)
        return map_of_corners(path.stem, sheets, images or path.parent)
    return GeoMap(path.stem, (RasterSheet(path, crs),))


def sheets_passed_over(folder: Path | str) -> list[Path]:
    """Images in a folder of GeoTIFFs that `open_map` does not take for sheets of the map."""
    folder = Path(folder)
    if not folder.is_dir() or _holds_tiles(folder):
        return []
    kinds = DRIVERS.keys() - set(RASTER_SUFFIXES)
    return image_files(folder, lambda name: name.lower().endswith(tuple(kinds)))


def map_of_corners(name: str, sheets: dict[str, Bounds], folder: Path) -> GeoMap:
    """A map of images in `folder` whose corners are known: {file name: box}."""
    missing = [file for file in sheets if not (folder / file).is_file()]
    if missing:
        raise FileNotFoundError(
            f"{folder / missing[0]}: named in a list of corners but not there "
            f"({len(missing)} of {len(sheets)} missing)"
        )
    return GeoMap(
        name, tuple(RasterSheet(folder / file, corners=box) for file, box in sheets.items())
    )


def read_corners(path: Path | str) -> dict[str, Bounds]:
    """{image: box} of a CSV of corners, in wildnav's or UAV-VisLoc's words for the columns.

    Raises ValueError naming the file, the line and what was expected.
    """
    header, rows = read_csv(path)
    names = {h.lower().replace(" ", "_"): h for h in header}
    column = {
        what: next((names[n] for n in known if n in names), None)
        for what, known in CORNER_COLUMNS.items()
    }
    if lost := [what for what, found in column.items() if found is None]:
        raise ValueError(
            f"{path}: no column for {', '.join(lost)}; found {header}, expected such as "
            "Filename, Top_left_lat, Top_left_lon, Bottom_right_lat, Bottom_right_long"
        )
    boxes = {}
    for number, row in rows:
        try:
            corners = [float(row[column[k]]) for k in ("west", "south", "east", "north")]
        except (KeyError, ValueError):
            corners = [math.nan]
        if not (all(map(math.isfinite, corners)) and row.get(column["name"])):
            raise ValueError(
                f"{path}, line {number}: a corner that is no number, or no image: {row}"
            )
        name, box = row[column["name"]], Bounds(*corners)
        if not (max(-box.south, box.north) <= 90 and -180 <= box.west <= 180
                and box.east - box.west < 180):  # fmt: skip
            raise ValueError(
                f"{path}, line {number}: a corner that is no latitude and longitude, or a sheet "
                f"of half the globe: {row}"
            )
        if Path(name).is_absolute() or ".." in Path(name).parts:
            raise ValueError(
                f"{path}, line {number}: found {name!r}; expected an image of this folder"
            )
        if name in boxes:
            raise ValueError(f"{path}, line {number}: {name!r} a second time; expected it once")
        if not (box.south < box.north and box.west < box.east):
            raise ValueError(
                f"{path}, line {number}: the first corner must lie north-west of the second; "
                f"found {box.north}, {box.west} and {box.south}, {box.east}"
            )
        boxes[name] = box
    if not boxes:
        raise ValueError(f"{path}: no line below its header")
    return boxes


def distance_m(here: Sequence[float], there: Sequence[float]) -> float:
    """Metres on the ground between two near (latitude, longitude)."""
    return float(np.hypot(*metres_from(here[0], here[1], there[0], there[1])))


def _view(sheet: Sheet, corners: np.ndarray, px: int, cv2):
    """(pixels, known) of the square with corners at these sheet pixels; None: off the sheet."""
    if not np.isfinite(corners).all():
        return None
    left, top, right, bottom = sheet.extent
    low, high = np.floor(corners.min(0)) - 1, np.ceil(corners.max(0)) + 1
    box = (
        int(max(low[0], left)), int(max(low[1], top)),
        int(min(high[0], right)), int(min(high[1], bottom)),
    )  # fmt: skip
    if box[0] >= box[2] or box[1] >= box[3]:
        return None
    sides = np.hypot(*(np.roll(corners, -1, 0) - corners).T)
    # where sizes agree, each pixel is read as it is; finer maps are averaged while they are read
    down = max(1.0, float(min(sides)) / px)
    w, h = max(1, round((box[2] - box[0]) / down)), max(1, round((box[3] - box[1]) / down))
    pixels, known = sheet.window(box, (h, w))
    scale = np.array([w / (box[2] - box[0]), h / (box[3] - box[1])])
    source = ((corners - box[:2]) * scale - 0.5).astype(np.float32)
    target = np.array([[0, 0], [px, 0], [px, px], [0, px]], np.float32) - 0.5
    matrix = cv2.getPerspectiveTransform(source, target.astype(np.float32))
    seen = cv2.warpPerspective(
        pixels, matrix, (px, px), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    # the known part is padded by its own edge, so that half a pixel at the border stays known
    inside = cv2.warpPerspective(
        cv2.copyMakeBorder(known.astype(np.uint8), 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0),
        matrix @ np.array([[1, 0, -1], [0, 1, -1], [0, 0, 1.0]]),
        (px, px),
        flags=cv2.INTER_NEAREST,
    )
    there = inside > 0
    if not there.any():
        return None
    seen[~there] = 0
    return seen, there


def _box_around(lat, lon) -> Bounds:
    if lon.max() - lon.min() > 180:
        lon = np.where(lon < 0, lon + 360, lon)
    return Bounds(float(lon.min()), float(lat.min()), float(lon.max()), float(lat.max()))


def _meets_around(sheet: Bounds, box: Bounds) -> bool:
    """Whether the boxes meet, a box of -179 meeting a sheet that ends at 181."""
    return any(
        sheet.meets(Bounds(box.west + turn, box.south, box.east + turn, box.north))
        for turn in (0, 360, -360)
    )


def _holds_tiles(path: Path) -> bool:
    """Whether this is a folder of z/x/y tiles."""
    return path.is_dir() and any(_is_number(p) for p in path.iterdir())


def _is_number(path: Path) -> bool:
    return path.is_dir() and path.name.isdecimal()


def _crs_name(crs) -> str:
    authority = crs.to_authority()
    return ":".join(authority) if authority else crs.name


class _quiet(warnings.catch_warnings):
    """Without rasterio's warning for images that are not georeferenced: that is said here."""

    def __enter__(self):
        super().__enter__()
        warnings.simplefilter("ignore")


def _opened(rasterio, path: Path):
    if not path.exists():
        raise FileNotFoundError(f"{path}: no such file")
    driver = DRIVERS.get(path.suffix.lower(), "GTiff")
    if driver == "VRT":
        check_vrt(path)
    try:
        check_regular(path)
        with rasterio.Env(GDAL_CACHEMAX=CACHE_MB):
            return rasterio.open(path, driver=driver)
    except (rasterio.errors.RasterioError, rasterio.errors.RasterioIOError, ValueError) as error:
        raise ValueError(f"{path}: cannot be opened as a map ({error})") from None


def _rgb_bands(source) -> list[int]:
    """The bands that hold red, green and blue, or the one that holds grey."""
    names = [colour.name for colour in source.colorinterp]
    if {"red", "green", "blue"} <= set(names):
        return [names.index(n) + 1 for n in ("red", "green", "blue")]
    return [1, 2, 3] if source.count >= 3 else [1]


def _palette(source) -> np.ndarray | None:
    """(256, 3) where the pixels are indices into a table of colours."""
    if source.count != 1 or source.colorinterp[0].name != "palette":
        return None
    table = np.zeros((256, 3), np.uint8)
    for index, colour in source.colormap(1).items():
        table[index] = colour[:3]
    return table
