"""Small maps whose colours say where they are: red grows to the east, green to the north."""

from pathlib import Path

import numpy as np
from PIL import Image

from dphr_lab.localization.ground import metres_from, moved

CENTRE = (48.1, 11.5)
HALF_M = 400.0  # the maps reach this far; colours run over twice as much


def colours(lat, lon, centre=CENTRE, half_m=HALF_M) -> np.ndarray:
    """(…, 3) uint8 at positions; blue is 60."""
    east, north = metres_from(*centre, lat, lon)
    red, green = (127.5 + 100 * np.asarray(v) / half_m for v in (east, north))
    both = np.stack([red, green, np.full_like(red, 60.0)], -1)
    return np.clip(np.rint(both), 0, 255).astype(np.uint8)


def expected(centre, side_m, px, yaw_deg=0.0, of=CENTRE, half_m=HALF_M):
    """What a map of such colours must answer to `read`."""
    t = ((np.arange(px) + 0.5) / px - 0.5) * side_m
    x, y = np.meshgrid(t, -t)
    yaw = np.radians(yaw_deg)
    lat, lon = moved(*centre, x * np.cos(yaw) + y * np.sin(yaw), -x * np.sin(yaw) + y * np.cos(yaw))
    return colours(lat, lon, of, half_m)


def picture(crs: str, width: int, centre=CENTRE, half_m=HALF_M):
    """(pixels, transform) of a square raster in a CRS, about `centre`."""
    import pyproj
    import rasterio

    way = pyproj.Transformer.from_crs("EPSG:4326", crs, always_xy=True)
    ends = moved(*centre, np.array([-half_m, half_m]), np.array([-half_m, half_m]))
    (left, right), (bottom, top) = way.transform(ends[1], ends[0])
    transform = rasterio.transform.from_bounds(left, bottom, right, top, width, width)
    column, row = np.meshgrid(np.arange(width) + 0.5, np.arange(width) + 0.5)
    x, y = transform * (column, row)
    lon, lat = way.transform(x, y, direction="INVERSE")
    return colours(lat, lon, centre, half_m), transform


def write_tif(path: Path, crs="EPSG:32632", width=400, nodata=None, hole=None, **more) -> Path:
    """A GeoTIFF; `hole` is a slice of pixels set to `nodata`."""
    import rasterio

    pixels, transform = picture(crs, width, **more)
    if hole is not None:
        pixels[hole] = nodata
    kind = dict(driver="GTiff", width=width, height=width, count=3, dtype="uint8")
    with rasterio.open(path, "w", crs=crs, transform=transform, nodata=nodata, **kind) as file:
        file.write(pixels.transpose(2, 0, 1))
    return path


def write_tiles(folder: Path, zoom=17, tms=False, centre=CENTRE, half_m=HALF_M) -> Path:
    """A z/x/y folder that covers the square, at one zoom and the one above."""
    size = 2 * 20_037_508.342789244
    import pyproj

    way = pyproj.Transformer.from_crs("EPSG:4326", "EPSG:3857", always_xy=True)
    ends = moved(*centre, np.array([-half_m, half_m]), np.array([-half_m, half_m]))
    xs, ys = way.transform(ends[1], ends[0])
    for z in (zoom - 1, zoom):
        step = size / 2**z
        for x in range(int((xs[0] + size / 2) // step), int((xs[1] + size / 2) // step) + 1):
            for y in range(int((size / 2 - ys[1]) // step), int((size / 2 - ys[0]) // step) + 1):
                t = (np.arange(256) + 0.5) / 256
                east, north = np.meshgrid(-size / 2 + (x + t) * step, size / 2 - (y + t) * step)
                lon, lat = way.transform(east, north, direction="INVERSE")
                row = 2**z - 1 - y if tms else y
                path = folder / str(z) / str(x) / f"{row}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(colours(lat, lon, centre, half_m)).save(path)
    if tms:
        (folder / "tilemapresource.xml").write_text("<TileMap/>", "utf-8")
    return folder
