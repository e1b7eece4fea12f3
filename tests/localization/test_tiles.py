"""The grid of tiles: metres at any latitude, ids that stay, nothing where the map knows nothing."""

import numpy as np
import pytest

pytest.importorskip("rasterio")
from dphr_lab.localization.geomap import Bounds, open_map
from dphr_lab.localization.ground import latitude_of_arc, meridian_arc, metres_from, moved
from dphr_lab.localization.tiles import TileGrid, read_tiles
from tests.localization import maps


def box(lat, lon, width_m, height_m):
    north, south = moved(lat, lon, 0, height_m / 2)[0], moved(lat, lon, 0, -height_m / 2)[0]
    east, west = moved(lat, lon, width_m / 2, 0)[1], moved(lat, lon, -width_m / 2, 0)[1]
    return Bounds(float(west), float(south), float(east), float(north))


@pytest.mark.parametrize("lat", (0.3, 48.1, -60.0, 80.0))
def test_strides_are_metres_at_any_latitude(lat):
    tiles = TileGrid(box(lat, 11.5, 900, 600), side_m=120, stride_m=30).tiles()
    first = tiles.row == tiles.row[0]
    east, north = metres_from(tiles.lat[0], tiles.lon[0], tiles.lat[first], tiles.lon[first])
    assert np.diff(east) == pytest.approx(np.full(first.sum() - 1, 30), abs=0.01)
    rows = np.unique(tiles.lat)
    assert np.diff(meridian_arc(rows)) == pytest.approx(np.full(len(rows) - 1, 30), abs=1e-3)
    assert 26 <= first.sum() <= 27 and 16 <= len(rows) <= 17
    corners = tiles.footprint(0)
    east, north = metres_from(tiles.lat[0], tiles.lon[0], corners[:, 1], corners[:, 0])
    assert np.abs(np.abs(east) - 60).max() < 0.05 and np.abs(np.abs(north) - 60).max() < 0.05


def test_arcs_against_known_lengths():
    # quarter of a meridian of WGS 84: 10,001,965.729 m
    assert meridian_arc(90.0) == pytest.approx(10_001_965.729, abs=0.01)
    for lat in (-75.0, 0.0, 12.3, 89.0):
        assert latitude_of_arc(meridian_arc(lat)) == pytest.approx(lat, abs=1e-9)


def test_tiles_lie_inside_the_map():
    bounds = box(48.1, 11.5, 900, 600)
    tiles = TileGrid(bounds, 120, 30).tiles()
    corners = np.concatenate([tiles.footprint(i) for i in range(len(tiles))])
    assert corners[:, 0].min() > bounds.west - 1e-6 and corners[:, 0].max() < bounds.east + 1e-6
    assert corners[:, 1].min() > bounds.south - 1e-6 and corners[:, 1].max() < bounds.north + 1e-6


def test_ids_stay_when_the_map_grows():
    small = TileGrid(box(48.1, 11.5, 600, 600), 120, 30).tiles()
    large = TileGrid(box(48.101, 11.503, 1500, 1500), 120, 30).tiles()
    where = {large.id(i): (large.lat[i], large.lon[i]) for i in range(len(large))}
    assert len(where) == len(large)
    for i in range(len(small)):
        assert where[small.id(i)] == (small.lat[i], small.lon[i])


def test_near_counts_metres():
    tiles = TileGrid(box(48.1, 11.5, 900, 600), 120, 30).tiles()
    near = tiles.near(48.1, 11.5, 100)
    distance = np.hypot(*metres_from(48.1, 11.5, tiles.lat, tiles.lon))
    assert (distance[near] <= 100).all() and len(near) == (distance <= 100).sum() > 20


def test_nodata_is_skipped(tmp_path):
    geomap = open_map(maps.write_tif(tmp_path / "m.tif", nodata=0, hole=np.s_[:, 200:]))
    tiles = TileGrid(geomap.bounds, 120, 60).tiles()
    images, kept = read_tiles(geomap, tiles, 16, min_known=0.75)
    east, _ = metres_from(*maps.CENTRE, tiles.lat, tiles.lon)
    assert (kept == (east < -30)).mean() > 0.97
    assert images.shape == (kept.sum(), 3, 16, 16)
    # the unknown part of a tile takes its mean colour: nothing black in it
    assert images.min() > 20


def test_what_is_wrong_is_said(tmp_path):
    with pytest.raises(ValueError, match="smaller than one tile of 120 m"):
        TileGrid(box(48.1, 11.5, 900, 100), 120, 30)
    with pytest.raises(ValueError, match="expected both above 0"):
        TileGrid(box(48.1, 11.5, 900, 900), 120, 0)
    with pytest.raises(ValueError, match="no tile centre of a grid of 300000 m"):
        TileGrid(box(48.1, 11.5, 130, 130), 120, 3e5).tiles()
    geomap = open_map(maps.write_tif(tmp_path / "m.tif"))
    with pytest.raises(ValueError, match="min_known is 0"):
        read_tiles(geomap, TileGrid(geomap.bounds, 120, 60).tiles(), 16, min_known=0)
