"""Maps, flights and what belongs to them: what a damaged or foreign file, or a wrong number, does.

Nothing of it loses a file, never ends, reads from where it should not, or gives a wrong position.
"""

import json
import os
import sys
import time
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

pytest.importorskip("rasterio")
pytest.importorskip("faiss")
pytest.importorskip("pyarrow")
from dphr_lab.cli import _parsed, main
from dphr_lab.cli.flags import WrongUsage, check_apart
from dphr_lab.localization import pairs
from dphr_lab.localization.gallery import Gallery, collection_name
from dphr_lab.localization.geomap import Bounds, open_map, read_corners
from dphr_lab.localization.locate import Calibration, LocateOptions, calibration_of
from dphr_lab.localization.photo_metadata import _xmp_numbers, read_photo_pose
from dphr_lab.localization.tiles import TileGrid
from dphr_lab.localization.track import Motion, moved_belief, read_odometry
from dphr_lab.retrieval.faiss_index import FaissIndex, build_index
from tests.faults.test_readers import FEW, foreseen
from tests.helpers import case
from tests.localization import maps
from tests.localization.test_gallery import Colours, build


@pytest.fixture
def town(tmp_path):
    return maps.write_tif(tmp_path / "town.tif")


# -- somebody's files ---------------------------------------------------------------------------

RUN = "--run run"
OVER = [  # what is asked for, and what would be written over
    (f"locate a.jpg --map m {RUN} --picture a.jpg", "--picture a.jpg is what is given as photos"),
    (f"locate . --map m {RUN} --picture a.jpg", "--picture a.jpg is an image in what"),
    (f"locate a.jpg --map m {RUN} --csv x --geojson ./x", "is what is given as"),
    (f"track . --map m {RUN} --odometry o.csv --csv o.csv", "--csv o.csv is what is given as odo"),
    ("map check town.tif . --out a.jpg", "--out a.jpg is an image in what is given as photos"),
    ("map check a.jpg b.jpg --out a.jpg", "--out a.jpg is what is given as map"),
    ("demo --photo a.jpg --out a.jpg", "--out a.jpg is what is given as photo"),
    (f"search {RUN} --query a.jpg --gallery g --out a.jpg", "given as query"),
    (f"robustness {RUN} --data . --figure a.jpg", "--figure a.jpg is an image in what is given"),
]


@pytest.mark.parametrize(("line", "said"), OVER)
def test_what_is_read_is_not_written_over(line, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("a.jpg", "b.jpg", "o.csv"):
        (tmp_path / name).write_text("mine", "utf-8")
    args = _parsed(line.split())
    with pytest.raises(WrongUsage, match=said):
        check_apart(args)


def test_outputs_beside_what_is_read_are_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "found.csv").write_text("of an earlier run", "utf-8")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "curve.png").write_text("of an earlier run", "utf-8")
    for line in (f"locate . --map m {RUN} --csv found.csv --picture new.png",
                 f"robustness {RUN} --data w --figure run/curve.png --json r.json"):  # fmt: skip
        check_apart(_parsed(line.split()))


def test_pairs_do_not_replace_what_was_written_meanwhile(town, tmp_path, monkeypatch):
    root = tmp_path / "pairs"

    def founded(*_):
        root.mkdir()
        (root / "mine.txt").write_text("mine", "utf-8")
        return [maps.CENTRE], [], {"without_pose": 0, "off_map": 0}

    monkeypatch.setattr(pairs, "_founded", founded)
    with pytest.raises(FileExistsError, match="holds something; give a new or empty folder"):
        pairs.cut_pairs(open_map(town), [], root, 60, 32)
    assert (root / "mine.txt").read_text("utf-8") == "mine"


def test_milvus_makes_no_folder_of_others_its_own(tmp_path):
    pytest.importorskip("milvus_lite")
    from dphr_lab.retrieval.milvus_index import MilvusIndex, write_milvus

    (tmp_path / "mine.db").mkdir()
    (tmp_path / "mine.db" / "notes.txt").write_text("mine", "utf-8")
    with pytest.raises(FileExistsError, match="holds something else than Milvus's"):
        write_milvus(f"milvus://{tmp_path}/mine.db", "c", np.eye(3), [1, 2, 3], [1, 2, 3])
    assert [path.name for path in (tmp_path / "mine.db").iterdir()] == ["notes.txt"]
    with pytest.raises(FileNotFoundError, match="no such file of Milvus"):
        MilvusIndex(f"milvus://{tmp_path}/none.db", "c", 3)
    assert not (tmp_path / "none.db").exists()


def test_a_town_is_not_rendered_for_pairs_that_have_no_place(tmp_path, capsys):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("mine", "utf-8")
    for pairs_folder in ("full", "town"):
        line = f"scenes --town {tmp_path}/town --pairs {tmp_path}/{pairs_folder} --km 0.4"
        assert main(line.split()) == 1
        assert "holds something; give another, empty folder" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["full"]


# -- one thing for another ----------------------------------------------------------------------


def test_two_maps_of_one_name_are_two_in_milvus(tmp_path):
    found = []
    for centre in (maps.CENTRE, (50.0, 8.0)):
        grid = TileGrid(Bounds(centre[1], centre[0], centre[1] + 0.01, centre[0] + 0.01), 100, 50)
        tiles = grid.tiles()
        found.append(collection_name({"name": "e"}, np.zeros((len(tiles), 3)), tiles))
    assert found[0] != found[1]
    assert found[1] == collection_name({"name": "e"}, np.zeros((len(tiles), 3)), tiles)


def test_a_milvus_file_is_one_file_from_every_folder(tmp_path, monkeypatch):
    from dphr_lab.retrieval.milvus_index import absolute

    monkeypatch.chdir(tmp_path)
    assert absolute("milvus://a.db") == f"milvus://{tmp_path.resolve()}/a.db"
    assert absolute("milvus://host:19530") == "milvus://host:19530"


def test_a_build_does_not_go_on_with_a_map_that_has_changed(town, tmp_path):
    def stop(images):
        raise KeyboardInterrupt

    stopping = Colours()
    stopping.forward = stop
    with pytest.raises(KeyboardInterrupt):
        build(town, tmp_path / "m", stopping)
    before = town.stat()
    os.utime(town, ns=(before.st_atime_ns, before.st_mtime_ns + 1))
    with pytest.raises(ValueError, match="the map's files have changed since a build was begun"):
        build(town, tmp_path / "m")
    os.utime(town, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert len(build(town, tmp_path / "m")) > 200


def test_corners_name_each_image_of_their_folder_once(tmp_path):
    path, head = tmp_path / "c.csv", "Filename,north,west,south,east\n"
    for row, said in (
        ("../a.png,49,11,48,12", "expected an image of this folder"),
        (f"{tmp_path}/a.png,49,11,48,12", "expected an image of this folder"),
        ("a.png,49,11,48,12\na.png,50,11,49,12", "line 3: 'a.png' a second time"),
        ("a.png,49,511,48,512", "no latitude and longitude"),
        ("a.png,99,11,98,12", "no latitude and longitude"),
        ("a.png,49,-179,48,179", "a sheet of half the globe"),
    ):
        path.write_text(head + row, "utf-8")
        with case(row), pytest.raises(ValueError, match=said):
            read_corners(path)


def test_odometry_has_one_step_a_photograph(tmp_path):
    path = tmp_path / "o.csv"
    for row, said in (("a.jpg,1e300,0", r"a step of 1e\+300 m"), ("a.jpg,1,2\na.jpg,1,2", "second"),
                      ("a.jpg,1e9,0", "1,000,000 m at most")):  # fmt: skip
        path.write_text(f"photo,east_m,north_m\n{row}", "utf-8")
        with case(row), pytest.raises(ValueError, match=said):
            read_odometry(path)


def test_flights_of_one_name_are_two_and_one_given_twice_is_one(tmp_path):
    from dphr_lab.localization.answers import names_of
    from dphr_lab.localization.locate import photos_in, seen_of

    frame = SimpleNamespace(metres=lambda lat, lon: (lat, lon))
    flights, paths = [], []
    for year in ("2024", "2025"):
        (tmp_path / year / "f01").mkdir(parents=True)
        path = tmp_path / year / "f01" / "DJI_0001.jpg"
        path.write_bytes(b"")
        pose = SimpleNamespace(lat=48.0, lon=11.0)
        scored = SimpleNamespace(path=path, pose=pose, scores=0, offsets=0)
        flights.append(seen_of(scored, frame).flight)
        paths.append(path)
    assert flights[0] != flights[1]
    twice = [paths[0], paths[0].parent, tmp_path / "2024" / ".." / "2024" / "f01", paths[1]]
    assert photos_in(twice) == [paths[0], paths[1]]
    named = names_of([SimpleNamespace(path=path) for path in paths])
    assert named == [str(path) for path in paths]
    assert names_of([SimpleNamespace(path=paths[0])]) == ["DJI_0001.jpg"]


def test_a_crs_is_given_to_maps_that_lack_one(town, tmp_path):
    assert open_map(town, crs="EPSG:32632").sheets
    with pytest.raises(ValueError, match="says its own CRS, EPSG:32632, and EPSG:32633 is another"):
        open_map(town, crs="EPSG:32633")
    tiles = maps.write_tiles(tmp_path / "tiles")
    with pytest.raises(ValueError, match="has a CRS of its own; leave --crs out"):
        open_map(tiles, crs="EPSG:3857")
    with pytest.raises(ValueError, match="--tms is for folders of z/x/y tiles"):
        open_map(town, tms=True)


# -- never ends ---------------------------------------------------------------------------------


def test_numbers_that_would_never_end_are_refused(town, tmp_path):
    with pytest.raises(ValueError, match="headings is 1000000: expected 1 to 360"):
        LocateOptions(headings=1_000_000)
    for wrong in ({"turned": 10**6}, {"px": 10**6}):
        with pytest.raises(ValueError, match="expected 1 to"):
            pairs.cut_pairs(open_map(town), [], tmp_path / "p", **{"side_m": 60, "px": 32} | wrong)
    bounds = Bounds(11.0, 48.0, 11.1, 48.1)
    for stride_m in (1e-9, 0.01):
        with pytest.raises(ValueError, match="expected at most 100,000,000: give a larger --str"):
            TileGrid(bounds, 100.0, stride_m).tiles()
    assert len(TileGrid(bounds, 100.0, 100.0).tiles()) > 1000


@pytest.mark.parametrize("is_bound", [True, False])
def test_a_drone_that_may_be_anywhere_is_soon_anywhere(is_bound):
    belief = np.zeros((30, 20))
    belief[3, 4] = 1.0
    moved_belief(belief, Motion((0, 0), np.zeros(2), 30.0, is_bound), 10.0)  # imports what it needs
    began = time.process_time()
    far = moved_belief(belief, Motion((0, 0), np.zeros(2), 1e12, is_bound), 10.0)
    assert time.process_time() - began < 2.0
    assert far.sum() == pytest.approx(1.0) and far.max() < 1.5 * far.min()
    near = moved_belief(belief, Motion((0, 0), np.zeros(2), 400.0, True), 10.0)
    assert np.allclose(near, far, rtol=0.5) or not is_bound


@pytest.mark.parametrize("text", [b"a" * 10**6, b"a:b" + b" " * 10**6, b'a:b="' + b"1" * 10**6])
def test_text_in_place_of_xmp_is_read_in_a_moment(text):
    began = time.process_time()
    assert not _xmp_numbers(text)
    assert time.process_time() - began < 2.0


@pytest.mark.parametrize("address", ["127.0.0.1:1", "ray://127.0.0.1:1", "127.0.0.1:99999999"])
def test_a_ray_cluster_that_is_not_there_is_told_at_once(address):
    from dphr_lab.localization.cluster import check_reachable

    with pytest.raises(ConnectionError, match=f"reached at {address} .* is RAY_ADDRESS right"):
        check_reachable(address)
    for of_ray in ("", "auto", "local", "nonsense"):
        check_reachable(of_ray)


def test_wrappers_that_hold_themselves_are_told():
    from dphr_lab.models._torch_file import tensors_of

    endless = {}
    endless["model"] = endless
    with pytest.raises(ValueError, match="wrappers in one another, more than 16"):
        tensors_of(endless)


@pytest.mark.slow
def test_a_reader_is_alone_and_ends(tmp_path, monkeypatch):
    from dphr_lab._child import run_reader

    (tmp_path / "numpy.py").write_text("raise SystemExit(9)", "utf-8")  # of the user, nothing ours
    monkeypatch.chdir(tmp_path)
    program = tmp_path / "reader.py"
    program.write_text("import numpy, os\nassert os.listdir() == []", "utf-8")
    run_reader(program, "file.mat")
    program.write_text("import time\ntime.sleep(60)", "utf-8")
    with pytest.raises(ValueError, match=r"file\.mat: is damaged: .* had not ended after 0\.5 s"):
        run_reader(program, "file.mat", within_s=0.5)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["exact", "ivfpq"])
def test_a_damaged_index_is_told_or_read(kind, tmp_path):
    x = np.random.default_rng(0).standard_normal((1200, 16)).astype(np.float32)
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    record = build_index(x.astype(np.float16), path := tmp_path / "i.faiss", kind)
    whole, told = path.read_bytes(), 0
    rng = np.random.default_rng(1)
    for damage in range(12):
        data = bytearray(whole)
        at = int(rng.integers(0, 120 if damage % 3 else len(data)))
        data[at : at + 8] = rng.bytes(8) if damage % 2 else b"\xff" * 7 + b"\x7f"
        path.write_bytes(data)
        try:
            rows, _ = FaissIndex(path, record).search(x[:3], 5, x)
            assert rows.min() >= -1 and rows.max() < len(x)
        except ValueError as error:
            told += 1
            assert "i.faiss" in str(error) and str(error).endswith("build the map anew")
    assert told > 2


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="named pipes are of POSIX systems")
def test_a_pipe_in_the_place_of_an_index_is_not_opened(town, tmp_path):
    found = build(town, tmp_path / "m")
    (tmp_path / "m/index.faiss").unlink()
    os.mkfifo(tmp_path / "m/index.faiss")
    with pytest.raises(FileNotFoundError, match="no such index"):
        _ = Gallery(found.folder).index


# -- security -----------------------------------------------------------------------------------

VRT = (
    '<VRTDataset rasterXSize="400" rasterYSize="400"><SRS>EPSG:32632</SRS><GeoTransform>691000, 2, '
    '0, 5331000, 0, -2</GeoTransform><VRTRasterBand dataType="Byte" band="1"><SimpleSource>'
    '<SourceFilename relativeToVRT="{}">{}</SourceFilename><SourceBand>1</SourceBand>'
    "</SimpleSource></VRTRasterBand></VRTDataset>"
)


def test_a_vrt_names_maps_on_disk_alone(town, tmp_path):
    wms = "<GDAL_WMS><Service name='TMS'><ServerUrl>http://localhost:1/</ServerUrl></Service>"
    (tmp_path / "wms.tif").write_text(f"{wms}</GDAL_WMS>", "utf-8")
    sources = {
        "/vsicurl/http://127.0.0.1:1/a.tif": "nothing of that name on disk",
        "http://127.0.0.1:1/a.tif": "nothing of that name on disk",
        "/vsizip/a.zip/a.tif": "nothing of that name on disk",
        "wms.tif": r"wms\.tif: cannot be opened as a map",
        "map.vrt": "a VRT of itself",
        "none.tif": "nothing of that name on disk",
        "/etc/passwd": r"/etc/passwd: cannot be opened as a map",
    }
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe.tif")
        sources["pipe.tif"] = "found no regular file"
    path = tmp_path / "map.vrt"
    for source, said in sources.items():
        path.write_text(VRT.format(int(source[0] != "/" and ":" not in source), source), "utf-8")
        with case(source), pytest.raises(ValueError, match=said):
            open_map(path)
    path.write_text(f"<!DOCTYPE a>{VRT.format(1, 'town.tif')}", "utf-8")
    with pytest.raises(ValueError, match="found a document type"):
        open_map(path)
    path.write_text(VRT.format(1, "town.tif"), "utf-8")
    assert open_map(path).sheets[0].width == 400


# -- wrong numbers ------------------------------------------------------------------------------

WRONG = {
    "temperature": (0, -1, True, "x"), "photographs": ({}, [3]), "spread_m": (0, -5.0),
    "share": (2, -0.1),
    "scales": ({"0.5": -1, "0.9": 2},), "refined_m": ({"0.5": 1, "0.9": -1},),
    "track": (
        {"speed": {"temper": 0, "live": {"0.5": 1, "0.9": 1}, "smoothed": {"0.5": 1, "0.9": 1}}},
        {"speed": {"temper": 1.0}},
    ),
}  # fmt: skip


def test_a_calibration_that_cannot_be_one_is_told(tmp_path):
    gallery = SimpleNamespace(folder=tmp_path, settings=SimpleNamespace(stride_m=30.0))
    for name, values in WRONG.items():
        for value in values:
            gallery.calibration = {"known": Calibration().to_dict() | {name: value}}
            with case(name, value), pytest.raises(ValueError, match=r"calibration\.json: not a"):
                calibration_of(gallery, True)


def test_a_map_is_of_one_piece(town, tmp_path):
    """Record, table and embeddings say the same, or the map is not used."""
    import pyarrow.parquet as parquet

    folder = build(town, tmp_path / "m").folder
    whole = json.loads((folder / "map.json").read_text("utf-8"))
    settings, index = whole["settings"], whole["index"]
    for part, value in (
        ("bounds", [0, 0, 0, 0]), ("bounds", [11.4, 48.0, 11.6, 98.0]), ("map", 5),
        ("index", index | {"kind": "foo"}), ("index", index | {"rows": 3}),
        ("index", index | {"milvus": 5, "collection": "c"}), ("index", index | {"milvus": "m"}),
        ("settings", settings | {"side_m": 1e9}),
    ):  # fmt: skip
        (folder / "map.json").write_text(json.dumps(whole | {part: value}), "utf-8")
        with case(part, value), pytest.raises(ValueError, match=r"map\.json: not a map's record"):
            Gallery(folder)
    for part, value in (("bounds", [1, 2, 3, 4]), ("settings", settings | {"stride_m": 41.0})):
        (folder / "map.json").write_text(json.dumps(whole | {part: value}), "utf-8")
        if part == "bounds":
            (folder / "map.json").write_text(
                json.dumps(whole | {part: value, "settings": settings | {"side_m": 100.0}}), "utf-8"
            )
        with case(part, value), pytest.raises(ValueError, match=r"tiles\.parquet: not a table"):
            _ = Gallery(folder).tiles
    (folder / "map.json").write_text(json.dumps(whole), "utf-8")
    table = parquet.read_table(folder / "tiles.parquet")
    for value in (1e300, 200.0):
        lat = table.set_column(table.column_names.index("lat"), "lat", [[value] * len(table)])
        parquet.write_table(lat, folder / "tiles.parquet")
        with case(value), pytest.raises(ValueError, match="which is not within the map's"):
            _ = Gallery(folder).tiles
    np.save(folder / "embeddings.npy", np.full((len(table), 3), np.nan, np.float16))
    for rows in (None, np.arange(5)):
        with pytest.raises(ValueError, match=r"embeddings\.npy: holds numbers that are not finite"):
            Gallery(folder).scores(np.ones((1, 3)), rows)


@FEW
@given(st.lists(st.tuples(st.integers(0, 2**31), st.integers(0, 255)), min_size=1, max_size=5))
def test_a_damaged_table_of_tiles_is_told_or_read(tmp_path, flips):
    folder, table = tmp_path / "m", tmp_path / "m" / "tiles.parquet"
    if not folder.exists():
        build(maps.write_tif(tmp_path / "town.tif"), folder)
        (tmp_path / "whole").write_bytes(table.read_bytes())
    data = bytearray((tmp_path / "whole").read_bytes())
    for at, byte in flips:  # half of them where the file describes itself
        data[-1 - at % 2000 if at % 2 else at % len(data)] = byte
    table.write_bytes(data)
    gallery = Gallery(folder)
    if foreseen(lambda: gallery.tiles, "tiles.parquet"):
        assert gallery.bounds.holds(gallery.tiles.lat.min(), gallery.tiles.lon.min())


def test_what_no_camera_says_is_not_believed(tmp_path):
    from tests.localization.test_photo_metadata import changed, pose_of

    far = pose_of(tmp_path, changed(RelativeAltitude="+50000.0"))
    assert far.height_m is None and any("not believed" in note for note in far.notes)
    huge = "1" + "0" * 29
    for tag in ("RelativeAltitude", "GimbalYawDegree", "GimbalRollDegree", "GimbalPitchDegree"):
        pose = pose_of(tmp_path, changed(**{tag: huge}))
        numbers = (pose.height_m, pose.yaw_deg, pose.roll_deg, pose.pitch_deg)
        with case(tag):
            assert all(n is None or abs(n) < 1000 for n in numbers)
    assert read_photo_pose(tmp_path / "p.jpg").lat is not None


# -- a line, no traceback -----------------------------------------------------------------------


@pytest.mark.parametrize(("crs", "said"), [
    ("abc", "which PROJ does not know"), ("EPSG:999999", "which PROJ does not know"),
    ("EPSG:4978", "says nothing of where"), ("EPSG:5773", "says nothing of where"),
    ('LOCAL_CS["x",UNIT["m",1]]', "says nothing of where"),
])  # fmt: skip
def test_a_crs_that_no_map_has_is_told(crs, said, tmp_path):
    pixels, _ = maps.picture("EPSG:32632", 20)
    town = tmp_path / "map.png"
    Image.fromarray(pixels).save(town)
    (tmp_path / "map.pgw").write_text("2\n0\n0\n-2\n691000\n5331000", "utf-8")
    with pytest.raises(ValueError, match=said):
        open_map(town, crs=crs)


def test_pixels_without_a_size_are_told(tmp_path):
    import rasterio

    path = tmp_path / "flat.tif"
    flat = rasterio.Affine(0, 0, 691000, 0, 0, 5331000)
    kind = dict(driver="GTiff", width=9, height=9, count=3, dtype="uint8")
    with rasterio.open(path, "w", crs="EPSG:32632", transform=flat, **kind) as file:
        file.write(np.ones((3, 9, 9), np.uint8))
    with pytest.raises(ValueError, match=r"flat\.tif: its pixels have no size on the ground"):
        open_map(path)


def test_milvus_that_fails_is_one_line(monkeypatch):
    pytest.importorskip("pymilvus")
    from dphr_lab.retrieval import milvus_index

    class Failing:
        def has_collection(self, name):
            raise RuntimeError("of a class of its own\nand more lines")

    monkeypatch.setattr(milvus_index, "_client", lambda uri: Failing())
    with pytest.raises(ConnectionError, match="Milvus does not answer") as error:
        milvus_index.MilvusIndex("milvus://host:1", "c", 3)
    assert len(str(error.value).splitlines()) == 1


# -- in silence ---------------------------------------------------------------------------------


def test_pictures_that_are_not_read_are_named(town, tmp_path, capsys):
    flight = tmp_path / "flight"
    (flight / "more").mkdir(parents=True)
    for name in ("a.HEIC", "b.dng", ".c.heic", "odometry.csv"):
        (flight / name).write_bytes(b"")
    for name in ("p.jpg", "more/q.jpg"):
        Image.new("RGB", (20, 20)).save(flight / name)
    assert main(["map", "check", str(town), str(flight)]) == 0
    said = capsys.readouterr().out
    assert "flight: 2 pictures not read (.dng, .heic), such as a.HEIC: save them as JPEG" in said
    assert "flight: images in 1 folders in it not read, such as more" in said
    Image.new("RGB", (20, 20)).save(tmp_path / "sheet.png")
    main(["map", "check", str(tmp_path), str(flight / "p.jpg")])
    assert "are no sheets of the map, such as" in capsys.readouterr().out


@pytest.mark.skipif(sys.platform == "win32", reason="names of bytes are of POSIX systems")
def test_names_that_are_not_utf8_are_stamped(tmp_path):
    folder = tmp_path / "maps"
    folder.mkdir()
    path = maps.write_tif(tmp_path / "a.tif").rename(folder / "a.tif")
    assert open_map(path).stamp() == open_map(folder).stamp()
