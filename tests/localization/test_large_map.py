"""Memory of building does not grow with the map: 50,000 × 50,000 pixels, nearly all nodata."""

import subprocess
import sys

import pytest

pytest.importorskip("rasterio")
pytest.importorskip("faiss")
pytest.importorskip("pyarrow")
import rasterio
from rasterio.transform import from_origin
from rasterio.windows import Window

from tests.localization import maps

PX = 50_000
BUILD = """
import resource, sys, torch
torch.set_num_threads(1)
from dphr_lab.localization.gallery import build_gallery
from dphr_lab.localization.geomap import open_map
from tests.localization.test_gallery import Colours
import faiss, pyarrow.parquet, rasterio, pyproj

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

before = peak()
geomap = open_map(sys.argv[1])
found = build_gallery(geomap, Colours(), sys.argv[2], side_m=600, stride_m=900, threads=2)
print(len(found), found.record["candidates"], peak() - before)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the peak is in kilobytes on Linux")
def test_memory_of_building(tmp_path):
    pixels, _ = maps.picture("EPSG:32632", 2000)
    # 2,500 blocks of 1,000 px of which 3 are there: a few MB on disk
    with rasterio.open(
        tmp_path / "country.tif", "w", driver="GTiff", width=PX, height=PX, count=3, dtype="uint8",
        crs="EPSG:32632", transform=from_origin(660_000, 5_350_000, 0.5, 0.5), nodata=0,
        tiled=True, SPARSE_OK=True, compress="deflate", BIGTIFF="YES",
    ) as file:  # fmt: skip
        for column, row in ((10_000, 8_000), (30_000, 30_000)):
            file.write(pixels.transpose(2, 0, 1), window=Window(column, row, 2000, 2000))
    assert (tmp_path / "country.tif").stat().st_size < 50e6 < PX * PX * 3
    done = subprocess.run(
        [sys.executable, "-c", BUILD, str(tmp_path / "country.tif"), str(tmp_path / "m")],
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    tiles, candidates, more_mb = done.stdout.split()
    assert int(candidates) > 600 and 1 <= int(tiles) <= 12
    assert float(more_mb) < 1024
