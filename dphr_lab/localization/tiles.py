"""An overlapping grid of tiles over a map, in metres on the ground, with ids that stay.

Rows count strides from the equator and columns strides from Greenwich, so that a tile keeps its
id when the map grows. Neighbouring tiles overlap where the stride is below the side; what is
measured about tiles is therefore a distance in metres, never "the right tile".
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dphr_lab.localization.geomap import Bounds, GeoMap
from dphr_lab.localization.ground import (
    latitude_of_arc,
    meridian_arc,
    metres_from,
    metres_per_degree,
    moved,
)

MOST_TILES = 100_000_000  # of a grid: 90,000 km² at a stride of 30 m


@dataclass(frozen=True)
class TileGrid:
    """Tiles of `side_m` metres, `stride_m` apart, whose centres lie `margin_m` inside `bounds`."""

    bounds: Bounds
    side_m: float
    stride_m: float

    def __post_init__(self):
        if not (self.side_m > 0 and self.stride_m > 0):
            raise ValueError(
                f"side_m is {self.side_m} and stride_m {self.stride_m}: expected both above 0"
            )
        width, height = self.bounds.size_m
        if min(width, height) < self.side_m:
            raise ValueError(
                f"the map is {width:,.0f} × {height:,.0f} m, smaller than one tile of "
                f"{self.side_m:g} m: give a smaller --side-m, or a larger map"
            )

    @property
    def rows(self) -> tuple[int, int]:
        """First row, and the one after the last."""
        half = self.side_m / 2
        low = meridian_arc(self.bounds.south) + half
        high = meridian_arc(self.bounds.north) - half
        return int(np.ceil(low / self.stride_m)), int(np.floor(high / self.stride_m)) + 1

    def columns(self, row: int) -> tuple[int, int]:
        """First column of a row, and the one after the last."""
        step = self._degrees(row)
        half = self.side_m / 2 / self.stride_m * step
        low, high = self.bounds.west + half, self.bounds.east - half
        return int(np.ceil(low / step)), int(np.floor(high / step)) + 1

    def _degrees(self, row: int) -> float:
        """Degrees of longitude of a stride, in a row."""
        _, east = metres_per_degree(latitude_of_arc(row * self.stride_m))
        return float(self.stride_m / east)

    def tiles(self) -> Tiles:
        """All tiles, row by row from the south, west to east.

        Raises ValueError for none, and for more than `MOST_TILES`.
        """
        first, end = self.rows
        widest = max(_length(self.columns(row)) for row in (first, (first + end) // 2, end))
        if (count := (end - first) * widest) > MOST_TILES:
            width, height = self.bounds.size_m
            raise ValueError(
                f"a grid of {self.stride_m:g} m on this map of {width:,.0f} × {height:,.0f} m is "
                f"about {count:,} tiles, expected at most {MOST_TILES:,}: give a larger "
                "--stride-m, or cut the map into parts"
            )
        rows, columns, lats, lons = [], [], [], []
        for row in range(*self.rows):
            first, end = self.columns(row)
            if end <= first:
                continue
            column = np.arange(first, end)
            lat = float(latitude_of_arc(row * self.stride_m))
            rows.append(np.full(len(column), row))
            columns.append(column)
            lats.append(np.full(len(column), lat))
            lons.append(column * self._degrees(row))
        if not rows:
            width, height = self.bounds.size_m
            raise ValueError(
                f"no tile centre of a grid of {self.stride_m:g} m falls on this map of "
                f"{width:,.0f} × {height:,.0f} m: give a smaller --stride-m"
            )
        parts = (np.concatenate(part) for part in (rows, columns, lats, lons))
        return Tiles(*parts, side_m=self.side_m, stride_m=self.stride_m)


def _length(ends: tuple[int, int]) -> int:
    return max(0, ends[1] - ends[0])


@dataclass(frozen=True)
class Tiles:
    """Tiles as columns: `row`, `column` (N,) int64 name them, `lat`, `lon` (N,) are centres."""

    row: np.ndarray
    column: np.ndarray
    lat: np.ndarray
    lon: np.ndarray
    side_m: float
    stride_m: float

    def __len__(self) -> int:
        return len(self.row)

    def __getitem__(self, which) -> Tiles:
        return Tiles(
            self.row[which], self.column[which], self.lat[which], self.lon[which],
            self.side_m, self.stride_m,
        )  # fmt: skip

    def id(self, index: int) -> str:
        """The name of a tile: the same for a map that has grown."""
        return f"{self.stride_m:g}m_r{int(self.row[index])}_c{int(self.column[index])}"

    def footprint(self, index: int) -> np.ndarray:
        """(5, 2): longitude and latitude of the corners, the first one again at the end."""
        half = self.side_m / 2
        east = np.array([-half, half, half, -half, -half])
        north = np.array([-half, -half, half, half, -half])
        lat, lon = moved(self.lat[index], self.lon[index], east, north)
        return np.stack([lon, lat], 1)

    def distances_m(self, lat: float, lon: float) -> np.ndarray:
        """(N,) metres from a position to each centre."""
        return np.hypot(*metres_from(lat, lon, self.lat, self.lon))

    def near(self, lat: float, lon: float, within_m: float) -> np.ndarray:
        """Indices of the tiles whose centres lie within some metres of a position."""
        return np.flatnonzero(self.distances_m(lat, lon) <= within_m)


def read_tiles(
    geomap: GeoMap, tiles: Tiles, px: int, min_known: float = 0.5
) -> tuple[np.ndarray, np.ndarray]:
    """Pixels (n, 3, px, px) uint8 of the tiles that the map knows, and which those are, (N,) bool.

    A tile is left out where less than `min_known` of it is known; unknown parts of the others
    take the tile's mean colour. Raises ValueError for `min_known` outside of (0, 1].
    """
    if not 0 < min_known <= 1:
        raise ValueError(f"min_known is {min_known}: expected above 0, at most 1")
    images, kept = [], np.zeros(len(tiles), bool)
    for i in range(len(tiles)):
        pixels, known = geomap.read((tiles.lat[i], tiles.lon[i]), tiles.side_m, px)
        if known.mean() < min_known:
            continue
        kept[i] = True
        images.append(filled(pixels, known).transpose(2, 0, 1))
    return (np.stack(images) if images else np.zeros((0, 3, px, px), np.uint8)), kept


def filled(pixels: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Pixels (px, px, 3) with the mean of the known ones where nothing is known."""
    if known.all() or not known.any():
        return pixels
    pixels = pixels.copy()
    pixels[~known] = np.rint(pixels[known].mean(0)).astype(np.uint8)
    return pixels
