"""Maps of every kind answer the same question alike; what they lack is said in a line."""

import csv
import os

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("rasterio")
pytest.importorskip("pyproj")
from dphr_lab.localization.geomap import Bounds, open_map, read_corners
from dphr_lab.localization.ground import metres_from, moved
from tests.localization import maps


def close(found, wanted, levels=2):
    """Colours within some grey levels nearly everywhere: resampling rounds."""
    off = np.abs(found.astype(int) - wanted.astype(int))
    return np.quantile(off, 0.99) <= levels


def as_tif(folder, crs):
    return open_map(maps.write_tif(folder / "map.tif", crs))


def as_quarters(folder):
    """Four GeoTIFFs side by side, one of them in another CRS."""
    spots = moved(*maps.CENTRE, np.array([-200, 200, -200, 200]), np.array([-200, -200, 200, 200]))
    for i, (lat, lon) in enumerate(zip(*spots, strict=True)):
        crs = "EPSG:32632" if i else "EPSG:3857"
        path = maps.write_tif(folder / f"{i}.tif", crs, 220, centre=(lat, lon), half_m=220)
        import rasterio

        with rasterio.open(path, "r+") as file:  # colours of the whole, not of the quarter
            column, row = np.meshgrid(np.arange(220) + 0.5, np.arange(220) + 0.5)
            import pyproj

            way = pyproj.Transformer.from_crs(crs, "EPSG:4326", always_xy=True)
            lons, lats = way.transform(*(file.transform * (column, row)))
            file.write(maps.colours(lats, lons).transpose(2, 0, 1))
    return open_map(folder)


def as_world_file(folder):
    pixels, transform = maps.picture("EPSG:32632", 400)
    Image.fromarray(pixels).save(folder / "map.png")
    t = transform
    lines = [t.a, t.d, t.b, t.e, t.c + t.a / 2, t.f + t.e / 2]
    (folder / "map.pgw").write_text("\n".join(map(str, lines)), "utf-8")
    return open_map(folder / "map.png", crs="EPSG:32632")


def as_corners(folder, header):
    pixels, transform = maps.picture("EPSG:4326", 400)
    Image.fromarray(pixels).save(folder / "sat.png")
    west, north = transform * (0, 0)
    east, south = transform * (400, 400)
    with open(folder / "map.csv", "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, ["sat.png", north, west, south, east, "town"]])
    return open_map(folder / "map.csv")


WILDNAV = ["Filename", "Top_left_lat", "Top_left_lon", "Bottom_right_lat", "Bottom_right_long", "r"]
VISLOC = ["mapname", "LT_lat_map", "LT_lon_map", "RB_lat_map", "RB_lon_map", "region"]
KINDS = {
    "utm": lambda folder: as_tif(folder, "EPSG:32632"),
    "the neighbour's utm zone": lambda folder: as_tif(folder, "EPSG:32633"),
    "web mercator": lambda folder: as_tif(folder, "EPSG:3857"),
    "degrees": lambda folder: as_tif(folder, "EPSG:4326"),
    "folder of two CRSs": as_quarters,
    "world file": as_world_file,
    "corners, wildnav": lambda folder: as_corners(folder, WILDNAV),
    "corners, UAV-VisLoc": lambda folder: as_corners(folder, VISLOC),
    "xyz": lambda folder: open_map(maps.write_tiles(folder)),
    "tms": lambda folder: open_map(maps.write_tiles(folder, tms=True)),
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_shows_the_same_ground(kind, tmp_path):
    geomap = KINDS[kind](tmp_path)
    assert geomap.bounds.holds(*maps.CENTRE)
    spot = moved(*maps.CENTRE, 60.0, -40.0)
    for yaw, side, px in ((0, 120, 64), (0, 200, 300), (35, 120, 64), (-120, 250, 48)):
        pixels, known = geomap.read(spot, side, px, yaw)
        assert known.all(), (kind, yaw)
        assert close(pixels, maps.expected(spot, side, px, yaw)), (kind, yaw, side)


def test_a_vrt_is_a_map(tmp_path):
    import rasterio
    import rasterio.shutil
    from rasterio.vrt import WarpedVRT

    path = maps.write_tif(tmp_path / "map.tif")
    with rasterio.open(path) as file, WarpedVRT(file, crs="EPSG:3857") as vrt:
        rasterio.shutil.copy(vrt, tmp_path / "map.vrt", driver="VRT")
    pixels, known = open_map(tmp_path / "map.vrt").read(maps.CENTRE, 120, 64)
    assert known.all() and close(pixels, maps.expected(maps.CENTRE, 120, 64))


@pytest.mark.parametrize("lat", (0.0, 60.0, -70.0, 82.0))
def test_metres_are_metres_at_any_latitude(lat, tmp_path):
    centre = (lat, 20.0)
    for crs in ("EPSG:4326", "EPSG:3857"):
        geomap = open_map(maps.write_tif(tmp_path / f"{crs[5:]}.tif", crs, centre=centre))
        pixels, known = geomap.read(centre, 150, 50)
        assert known.all() and close(pixels, maps.expected(centre, 150, 50, of=centre))
        assert geomap.bounds.size_m == pytest.approx((800, 800), rel=0.02)


def test_a_map_over_the_antimeridian(tmp_path):
    centre = (-17.0, 179.9995)
    geomap = open_map(maps.write_tif(tmp_path / "fiji.tif", "EPSG:32760", centre=centre))
    east = moved(*centre, 200.0, 0.0)
    assert east[1] < -179
    assert geomap.bounds.holds(*east) and geomap.bounds.size_m[0] == pytest.approx(800, rel=0.05)
    pixels, known = geomap.read(east, 120, 64)
    assert known.all() and close(pixels, maps.expected(east, 120, 64, of=centre))


def test_what_is_unknown_is_known(tmp_path):
    path = maps.write_tif(tmp_path / "map.tif", nodata=0, hole=np.s_[:, 200:])
    geomap = open_map(path)
    pixels, known = geomap.read(maps.CENTRE, 200, 100)
    assert known[:, :46].all() and not known[:, 54:].any()  # UTM's north is 1.9 degrees off
    assert (pixels[~known] == 0).all()
    _, outside = geomap.read(moved(*maps.CENTRE, -400.0, 0.0), 200, 100)
    assert not outside[:, :38].any() and outside[:, 62:].all()
    _, far = geomap.read(moved(*maps.CENTRE, 5000.0, 0.0), 200, 100)
    assert not far.any()


def test_windows_are_read_not_the_whole(tmp_path, monkeypatch):
    geomap = open_map(maps.write_tif(tmp_path / "map.tif", width=800))
    asked = []
    plain = type(geomap.sheets[0]).window
    monkeypatch.setattr(
        type(geomap.sheets[0]),
        "window",
        lambda self, box, shape: asked.append((box, shape)) or plain(self, box, shape),
    )
    geomap.read(maps.CENTRE, 100, 50)
    ((left, top, right, bottom), (h, w)) = asked[0]
    assert right - left <= 112 and bottom - top <= 112
    assert h <= 58 and w <= 58  # finer than asked for: averaged while read


def test_grey_palette_and_alpha(tmp_path):
    import rasterio

    pixels, transform = maps.picture("EPSG:32632", 100)
    kind = dict(driver="GTiff", width=100, height=100, dtype="uint8", crs="EPSG:32632",
                transform=transform)  # fmt: skip
    with rasterio.open(tmp_path / "grey.tif", "w", count=1, **kind) as file:
        file.write(pixels[..., 0], 1)
    found, _ = open_map(tmp_path / "grey.tif").read(maps.CENTRE, 100, 10)
    assert (found[..., 0] == found[..., 2]).all()
    with rasterio.open(tmp_path / "palette.tif", "w", count=1, **kind) as file:
        file.write(np.full((100, 100), 7, np.uint8), 1)
        file.write_colormap(1, {7: (10, 20, 30, 255)})
    found, _ = open_map(tmp_path / "palette.tif").read(maps.CENTRE, 100, 10)
    assert (found == (10, 20, 30)).all()
    alpha = np.full((100, 100), 255, np.uint8)
    alpha[:50] = 0
    with rasterio.open(
        tmp_path / "alpha.tif", "w", count=4, photometric="RGB", ALPHA="YES", **kind
    ) as file:
        file.write(np.concatenate([pixels.transpose(2, 0, 1), alpha[None]]))
    _, known = open_map(tmp_path / "alpha.tif").read(maps.CENTRE, 400, 20)
    assert known[11:].all() and not known[:9].any()


def test_threads_may_read_one_map(tmp_path):
    from concurrent.futures import ThreadPoolExecutor

    geomap = open_map(maps.write_tif(tmp_path / "map.tif"))
    spots = [moved(*maps.CENTRE, 10.0 * i, 0.0) for i in range(12)]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda spot: geomap.read(spot, 100, 32)[0], spots))
    for spot, pixels in zip(spots, found, strict=True):
        assert close(pixels, maps.expected(spot, 100, 32))


def test_bounds():
    box = Bounds(179.0, -1.0, 181.0, 1.0)
    assert box.holds(0, -179.5) and box.holds(0, 179.5) and not box.holds(0, 170)
    lat, lon = moved(48.0, 11.0, 1234.5, -987.6)
    assert np.hypot(*np.subtract(metres_from(48.0, 11.0, lat, lon), (1234.5, -987.6))) < 0.01


def test_what_is_wrong_is_said(tmp_path):
    import rasterio

    pixels, transform = maps.picture("EPSG:32632", 100)
    kind = dict(driver="GTiff", width=100, height=100, count=3)

    def write(name, dtype="uint8", **more):
        with rasterio.open(tmp_path / name, "w", dtype=dtype, **kind, **more) as file:
            file.write(pixels.transpose(2, 0, 1).astype(dtype))
        return tmp_path / name

    with pytest.raises(ValueError, match=r"no\.tif: it has no coordinate .* --crs EPSG"):
        open_map(write("no.tif", transform=transform))
    with pytest.raises(ValueError, match=r"plain\.tif: it says nothing of where it lies"):
        open_map(write("plain.tif"))
    deep = write("deep.tif", "uint16", transform=transform, crs="EPSG:32632")
    with pytest.raises(ValueError, match=r"deep\.tif: its pixels are uint16.*gdal_translate"):
        open_map(deep)
    with pytest.raises(FileNotFoundError, match="no such map"):
        open_map(tmp_path / "nothing.tif")
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match="no map in this folder"):
        open_map(tmp_path / "empty")
    (tmp_path / "broken.tif").write_bytes(b"II*\0 no more")
    with pytest.raises(ValueError, match=r"broken\.tif: cannot be opened as a map"):
        open_map(tmp_path / "broken.tif")
    polar = maps.write_tif(tmp_path / "pole.tif", "EPSG:4326", 50, centre=(89.8, 0.0), half_m=50)
    with pytest.raises(ValueError, match=r"reaches 89\.80 degrees of latitude"):
        open_map(polar)


def test_a_csv_of_corners_that_is_wrong(tmp_path):
    path = tmp_path / "map.csv"
    path.write_text("Filename,lat\na.png,3\n", "utf-8")
    with pytest.raises(ValueError, match="no column for north, west, south, east"):
        read_corners(path)
    path.write_text("Filename,north,west,south,east\na.png,48,11,49,12\n", "utf-8")
    with pytest.raises(ValueError, match="line 2: the first corner must lie north-west"):
        read_corners(path)
    path.write_text("Filename,north,west,south,east\na.png,49,11,48,x\n", "utf-8")
    with pytest.raises(ValueError, match="line 2: a corner that is no number"):
        read_corners(path)
    path.write_text("Filename,north,west,south,east\na.png,49,11,48,12\n", "utf-8")
    with pytest.raises(FileNotFoundError, match=r"a\.png: named in a list of corners"):
        open_map(path)


def test_a_map_is_what_its_ending_says(tmp_path):
    """GDAL reads from the network, runs other readers and more: only some of its drivers are on."""
    wms = "<GDAL_WMS><Service name='TMS'><ServerUrl>http://localhost:1/</ServerUrl></Service>"
    vrt = "<VRTDataset rasterXSize='4' rasterYSize='4'><VRTRasterBand dataType='Byte' band='1'/>"
    wms, vrt = f"{wms}</GDAL_WMS>", f"{vrt}</VRTDataset>"
    for text in (wms, vrt, "%PDF-1.4", "text", ""):
        for name in ("map.tif", "map.png", "map.jpg"):
            (tmp_path / name).write_text(text, "utf-8")
            with pytest.raises(ValueError, match=rf"{name}: cannot be opened as a map"):
                open_map(tmp_path / name, crs="EPSG:4326")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="named pipes are of POSIX systems")
def test_a_folder_of_maps_follows_links_and_opens_no_pipe(tmp_path):
    maps.write_tif(tmp_path / "map.tif")
    (tmp_path / "maps").mkdir()
    (tmp_path / "store").mkdir()
    (tmp_path / "map.tif").rename(tmp_path / "store" / "map.tif")
    (tmp_path / "maps" / "linked").symlink_to(tmp_path / "store")
    assert len(open_map(tmp_path / "maps").sheets) == 1
    os.mkfifo(tmp_path / "maps" / "pipe.tif")
    with pytest.raises(
        ValueError, match=r"pipe\.tif: cannot be opened as a map \(found a named pipe"
    ):
        open_map(tmp_path / "maps")


@pytest.mark.parametrize(("tile", "said"), [
    ("99/0/0.png", "a folder 99, which is no zoom"), ("9" * 200 + "/0/0.png", "which is no zoom"),
    ("1/7/0.png", "column or row 7 at zoom 1"), ("1/0/99.png", "column or row 99 at zoom 1"),
    ("²/0/0.png", "no map in this folder"),
])  # fmt: skip
def test_tiles_off_the_world_are_refused(tile, said, tmp_path):
    (tmp_path / tile).parent.mkdir(parents=True)
    Image.new("RGB", (256, 256)).save(tmp_path / tile)
    with pytest.raises((ValueError, FileNotFoundError), match=said):
        open_map(tmp_path)
