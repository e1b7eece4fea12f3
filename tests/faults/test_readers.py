"""Every reader of files takes what hypothesis makes of them, or says on one line what is wrong.

A reader may go on, or raise a foreseen error that names its file: nothing else, whatever a file
holds. One test for each kind of file; the tables say which readers, on which whole file.
"""

import copy
import json
import struct
import warnings
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from dphr_lab import results
from dphr_lab.cli import FORESEEN
from dphr_lab.datasets.dataset import read_families
from dphr_lab.datasets.positions import read_dense_uav, read_gta_uav, read_uav_visloc
from dphr_lab.models import Encoder
from dphr_lab.models.weights import load_exactly, read_state, save_tensors
from dphr_lab.results import real
from dphr_lab.results.run_folder import read_metrics, stored_result, stored_run
from dphr_lab.retrieval import read_features
from dphr_lab.settings import TWIN_TOWNS_MINI, Settings
from dphr_lab.studies.study import read_study
from dphr_lab.studies.tuning import read_trials
from tests.helpers import case

FEW = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
ODD = st.sampled_from([
    None, True, False, -1, 0, 3, 2**31, 2**63, -(2**63) - 1, 10**30, 0.5, 1e308, float("inf"),
    float("nan"), "", "x", "3", "\x1b[31m", "../..", "ä\n", "\ud800", [], [1], ["x"], [[]], {},
    {"x": 1}, [{}], [None], {"": None}, [1e400, -1],
])  # fmt: skip


def foreseen(read, name):
    """Whether `read()` goes through; else what it raises is a line that names the file."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # such as numpy's of a cast that is none
        try:
            read()
            return True
        except FORESEEN as error:
            assert name in str(error), error
            assert len(str(error).splitlines()) <= 1, error
            return False


@st.composite
def changed(draw, whole):
    """A copy of a JSON value with some of its parts replaced, removed or added."""
    value = {"": copy.deepcopy(whole)}
    for _ in range(draw(st.integers(1, 2))):
        at = value
        while True:
            keys = list(at) if isinstance(at, dict) else range(len(at))
            key = draw(st.sampled_from(keys))
            below = at[key]
            if isinstance(below, dict | list) and below and draw(st.integers(0, 3)):
                at = below
                continue
            if draw(st.booleans()) or at is value:
                at[key] = copy.deepcopy(draw(ODD))
            else:
                del at[key]
            break
        if not isinstance(value[""], dict | list) or not value[""]:
            break
    return value[""]


# -- JSON ---------------------------------------------------------------------------------------

REPORT = {"r_at_1": 50.0, "r_at_5": 60.0, "r_at_10": 70.0, "ap": 55.0, "queries": 3}
RUN = {
    "format": 2,
    "settings": TWIN_TOWNS_MINI.to_dict(),
    "data": {"name": "TwinTowns", "root": None, "height_m": None, "world": {"name": "w"}},
    "origin": {},
}
RESULT = RUN | {"report": {"D2S": REPORT, "S2D": REPORT}, "selected_step": 3}
TRIAL = {"arm": "a", "changes": {"steps": 3}, "seed": 7, "val_r_at_1": 50.0}
PAIR = {
    "drone_img_dir": "d", "drone_img_name": "a.png", "drone_loc_x_y": [1, 2.5], "sate_img_dir": "s",
    "drone_metadata": {"height": 100, "roll": 1.5}, "pair_pos_sate_img_list": ["b.png"],
    "pair_pos_sate_weight_list": [0.5], "pair_pos_sate_loc_x_y_list": [[1, 2]],
}  # fmt: skip
RECORD = {
    "format": 1, "protocol": "university1652", "recipe": {"name": "sample4geo"},
    "settings": TWIN_TOWNS_MINI.to_dict(), "versions": {}, "hardware": {}, "wall_s": 3.5,
    "data": {"as_published": True, "rendered": None, "sha256": "0" * 64, "layout": "SUES-200"},
    "runs": [], "rows": [{"direction": "D2S", "report": REPORT}],
}  # fmt: skip
ENCODER = {
    "kind": "plain", "backbone": "test_resnet", "embed_dim": None, "pool": "avg", "image_px": 32,
    "selected_on_test": False, "dphr_lab": "0.1.0",
}  # fmt: skip
MAP = {
    "format": 1, "encoder": {"name": "e", "sha256": "0" * 64}, "candidates": 9, "block": 16,
    "settings": {"source": "town.tif", "crs": None, "tms": None, "side_m": 120.0, "stride_m": 30.0,
                 "image_px": 32, "min_known": 0.5},
    "map_files": "0" * 32, "tiles": 9, "dim": 3, "bounds": [11.0, 48.0, 11.1, 48.1], "map": "town",
    "index": {"kind": "exact", "rows": 9, "dim": 3, "lists": 0, "probes": 0, "bytes_a_row": 6,
              "recall_at_10": 1.0, "milvus": "milvus://host:1", "collection": "c"}, "gsd_m": 0.5,
}  # fmt: skip


def read_map(folder):
    from dphr_lab.localization.gallery import Gallery

    for name in ("tiles.parquet", "embeddings.npy"):
        (folder / name).touch()
    return len(Gallery(folder)), Gallery(folder).bounds.size_m


JSON_READERS = {  # file -> (what a whole one holds, its reader, which is given the folder)
    "settings.json": (RUN, lambda folder: Settings.from_dict(stored_run(folder)["settings"])),
    "result.json": (RESULT, stored_result),
    "w-a-s0.json": (RESULT, lambda folder: results.load(folder)),
    "trials.json": ({"trials": [TRIAL, TRIAL]}, read_trials),
    "metadata.json": ({"places": {"1": {"family": 2}, "x": {"family": 0}}}, read_families),
    "cross-area-drone2sate-test.json": ([PAIR, PAIR], read_gta_uav),
    "record.json": (RECORD, real.entries),
    "encoder.json": (ENCODER, Encoder.load),
    "map.json": (MAP, read_map),
}


@pytest.fixture(scope="module")
def weights():
    return Encoder("test_resnet", image_px=32).state_dict()


@pytest.mark.parametrize("name", JSON_READERS)
def test_json(name, weights, tmp_path):
    whole, read = JSON_READERS[name]
    if name == "encoder.json":
        save_tensors(weights, tmp_path / "encoder.safetensors")

    @settings(FEW, max_examples=12 if name == "encoder.json" else 60)  # which builds an encoder
    @given(changed(whole))
    def read_or_told(value):
        (tmp_path / name).write_text(json.dumps(value), "utf-8")
        # the settings of a run are checked when they are used, and told by the one who asks
        told = "" if name == "settings.json" else name
        foreseen(lambda: read(tmp_path), told)

    read_or_told()


@FEW
@given(st.lists(changed({"step": 1, "loss": 0.5, "recall": 1.0}), min_size=1, max_size=3))
def test_metrics(tmp_path, lines):
    (tmp_path / "metrics.jsonl").write_text("".join(f"{json.dumps(x)}\n" for x in lines), "utf-8")
    foreseen(lambda: read_metrics(tmp_path), "metrics.jsonl, line ")


RADII = {"0.5": 1.0, "0.9": 2.0}
CALIBRATION = {
    "temperature": 0.03, "share": 0.2, "spread_m": 25.0, "scales": {"0.5": 1.0, "0.9": 2.0},
    "off_map_below": None, "refined_m": {"0.5": 1.0, "0.9": 2.0}, "photographs": 3, "headings": 1,
    "track": {"plain": {"temper": 1.0} | dict.fromkeys(("live", "smoothed"), RADII)},
}  # fmt: skip


@FEW
@given(changed({"known": CALIBRATION}))
def test_calibration(tmp_path, stored):
    from dphr_lab.localization.locate import Calibration, calibration_of

    gallery = SimpleNamespace(calibration=stored, folder=tmp_path)
    gallery.settings = SimpleNamespace(stride_m=30.0)
    if isinstance(stored, dict):  # which `read_json` has seen to
        foreseen(lambda: calibration_of(gallery, True).photographs > 0, "calibration.json")
    gallery.calibration = {"known": CALIBRATION}
    assert calibration_of(gallery, True) == Calibration(**CALIBRATION)


# -- TOML ---------------------------------------------------------------------------------------

STUDY = {
    "": {"about": '"why"', "seeds": "[0, 1]"},
    "worlds.w": {"preset": '"tiny"', "image_px": "32"},
    "settings": {"steps": "3", "learning_rate": "0.001"},
    "arms.a": {"loss": '"palw"', "loss_options": "{ beta = 2 }"},
    "arms.b": {"loss": '"triplet"'},
    "arms.c": {"loss": '"palw"', "replay": '{ arm = "a", mean = 0.5 }'},
    "search": {"world": '"w"', "seeds": "[7]", "trials": "2", "settings": "{ steps = [1, 2] }"},
}
TOML_VALUES = (
    '"x"', '""', "1", "-1", "0", "0.5", "1e400", "inf", "nan", "true", "[]", "[[]]", "{}", "[1]",
    '["x"]', "{ x = 1 }", "1979-05-27", "07:32:00", "1979-05-27T07:32:00Z", "9" * 30, "9" * 5000,
    '"\\u001b"', "[" * 70 + "]" * 70, "[" * 5000 + "]" * 5000, "{ arm = [] }", "{ steps = 3 }", "=",
)  # fmt: skip


def test_study_toml(tmp_path):
    path = tmp_path / "study.toml"
    for table, keys in STUDY.items():
        for key in (*keys, "magic"):
            for value in (None, *TOML_VALUES):
                study = copy.deepcopy(STUDY)
                study[table][key] = value
                lines = [
                    line
                    for name, values in study.items()
                    for line in (f"[{name}]" if name else "", *(
                        f"{k} = {v}" for k, v in values.items() if v is not None))
                ]  # fmt: skip
                path.write_text("\n".join(lines), "utf-8")
                with case(table, key, str(value)[:40]):
                    foreseen(lambda: read_study(tmp_path), "study.toml")


# -- CSV and lists ------------------------------------------------------------------------------

CORNERS = "mapname,LT_lat_map,LT_lon_map,RB_lat_map,RB_lon_map\na.tif,30,115,29,116\n"
FLIGHT = "num,filename,lat,lon,height,Omega,Kappa,Phi1,Phi2\n1,a.JPG,29.7,115.9,466,1,2,3,4\n"
STEPS = "photo,east_m,north_m\na.jpg,1,2\nb.jpg,3,4\n"


def corners(folder):
    from dphr_lab.localization.geomap import read_corners

    return read_corners(folder / "corners.csv")


def odometry(folder):
    from dphr_lab.localization.track import read_odometry

    return read_odometry(folder / "steps.csv")


CSV_READERS = {  # file -> (what a whole one holds, its reader)
    "corners.csv": (CORNERS, corners),
    "steps.csv": (STEPS, odometry),
    "satellite_ coordinates_range.csv": (CORNERS, read_uav_visloc),
    "01/01.csv": (FLIGHT, read_uav_visloc),
    "Dense_GPS_ALL.txt": ("a/b.JPG E120.3 N30.3 80\nc/d.JPG W120 S30 90\n", read_dense_uav),
}
CELLS = st.sampled_from(
    ["", ",", ",,,", "\n", '"', "x", "nan", "inf", "1e999", "-0", "\0", "\r", "\xff", "  ", "é" * 9,
     "\x1b", "E", "N", "/", "9" * 400, "1_0"]
)  # fmt: skip


@pytest.mark.parametrize("name", CSV_READERS)
def test_csv(name, tmp_path):
    whole, read = CSV_READERS[name]
    for other in ("satellite_ coordinates_range.csv", "01/01.csv"):
        (tmp_path / other).parent.mkdir(exist_ok=True)
        (tmp_path / other).write_text(CSV_READERS[other][0], "utf-8")

    @FEW
    @given(st.lists(st.tuples(st.integers(0, len(whole)), st.integers(0, 8), CELLS), max_size=3))
    def read_or_told(changes):
        text = whole
        for at, length, new in changes:
            text = text[:at] + new + text[at + length :]
        (tmp_path / name).write_bytes(text.encode("latin-1"))
        foreseen(lambda: read(tmp_path), name.rpartition("/")[2].partition(".")[0])

    read_or_told()


# -- arrays -------------------------------------------------------------------------------------

SHAPES = ((), (0,), (3,), (3, 1), (1, 3), (3, 3), (4, 3), (0, 3), (2, 2, 2))
DTYPES = ("f2", "f4", "f8", ">f8", "i1", "i8", "u8", "c8", "?", "U3", "S3", "M8[s]", "i4,f4")


@st.composite
def arrays(draw):
    """An array of any kind; at times of few values, as labels are."""
    shape = draw(st.sampled_from(SHAPES))
    dtype = np.dtype(draw(st.sampled_from(DTYPES)))
    data = draw(st.binary(min_size=1, max_size=8)) * (dtype.itemsize * int(np.prod(shape)) + 1)
    return np.frombuffer(data, np.uint8)[: dtype.itemsize * int(np.prod(shape))].copy().view(
        dtype).reshape(shape)  # fmt: skip


@FEW
@given(st.dictionaries(st.sampled_from(["features", "places", "families"]), arrays()))
def test_features(tmp_path, parts):
    good = {"features": np.eye(3), "places": np.arange(3)}
    np.savez(tmp_path / "good.npz", **good)
    try:
        np.savez(tmp_path / "bad.npz", **good | parts)
    except UnicodeError:  # no text, which numpy does not write either
        return
    files = [tmp_path / "bad.npz", tmp_path / "good.npz"]
    with np.errstate(all="ignore"):
        foreseen(lambda: read_features(files, notice=len), "bad.npz")
        foreseen(lambda: read_features(files[::-1], notice=len), "bad.npz")


# -- weights ------------------------------------------------------------------------------------

HEADER = {"a": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}}


@FEW
@given(changed(HEADER), st.integers(0, 24))
def test_the_header_of_weights(tmp_path, header, length):
    text = json.dumps(header).encode()
    path = tmp_path / "w.safetensors"
    path.write_bytes(struct.pack("<Q", len(text)) + text + bytes(length))
    foreseen(lambda: read_state(path), "w.safetensors")


def test_weights_of_every_kind_of_number(tmp_path):
    import torch

    own = torch.nn.Linear(2, 2, bias=False)
    kinds = {kind for kind in vars(torch).values() if isinstance(kind, torch.dtype)}
    assert {torch.float8_e4m3fn, torch.float8_e5m2, torch.bfloat16} <= kinds
    path = tmp_path / "w.safetensors"
    read = set()
    for kind in kinds:
        try:
            save_tensors({"weight": torch.zeros(2, 2).to(kind)}, path)
        except (RuntimeError, TypeError, KeyError, ValueError, OSError):
            continue  # torch makes no such tensor, or safetensors writes none
        if foreseen(lambda: load_exactly(own, read_state(path), str(path), "b"), "w.safetensors"):
            read.add(kind)
    assert {torch.float32, torch.float16, torch.bfloat16, torch.float8_e4m3fn} <= read
    assert not read & {torch.int64, torch.bool, torch.uint8, torch.complex64}


# -- photographs --------------------------------------------------------------------------------

XMP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description drone-dji:RelativeAltitude="+80.5" '
    b'drone-dji:GimbalYawDegree="-90.0" drone-dji:AbsoluteAltitude="+600" '
    b'drone-dji:GimbalPitchDegree="-60" drone-dji:CalibratedFocalLength="100"/></x:xmpmeta>'
)
LIKELY = st.sampled_from(
    [b"1", b"-", b"9" * 400, b"nan", b"\0", b"\xff", b'"', b"/0", b"=", b">", b"S\0", b"\0\0\0\0"]
)


@pytest.mark.filterwarnings("ignore")
@FEW
@given(
    st.lists(st.tuples(st.integers(0, 2000), LIKELY), max_size=8),
    st.sampled_from([0x0112, 0x010F, 0x0132, 0x8769, 0x8825]),
    st.sampled_from([0, 7, "x", "2025:06:01 12:34:56", (1, 2, 3), 2**31, b"\0\xff", 1.5]),
)
def test_what_photographs_say(tmp_path, changes, tag, value):
    from dphr_lab.localization.photo_metadata import PhotoPose, read_photo_pose

    exif = Image.Exif()
    exif[0x0132] = "2025:06:01 12:34:56"
    gps, camera = exif.get_ifd(0x8825), exif.get_ifd(0x8769)
    gps[1], gps[2], gps[3], gps[4] = "S", (48.0, 10.0, 1.5), "E", (11.0, 5.0, 3.25)
    gps[5], gps[6], gps[0x11] = 0, 600.5, 33.0
    camera[0xA405], camera[0x9003], camera[0x9291] = 24, "2025:06:01 12:34:56", "999999999"
    try:
        exif[tag] = value
        Image.new("RGB", (40, 30)).save(tmp_path / "p.jpg", exif=exif, xmp=XMP)
    except Exception:  # what Pillow does not write
        return
    data = bytearray((tmp_path / "p.jpg").read_bytes())
    for at, new in changes:
        at %= len(data)
        data[at : at + len(new)] = new
    (tmp_path / "p.jpg").write_bytes(data)
    warnings.simplefilter("ignore")
    try:
        pose = read_photo_pose(tmp_path / "p.jpg", ground_m=500.0)
    except FORESEEN as error:
        assert "p.jpg" in str(error)
        return
    numbers = (pose.lat, pose.lon, pose.height_m, pose.yaw_deg, pose.pitch_deg, pose.fov_deg)
    assert isinstance(pose, PhotoPose)
    assert all(number is None or np.isfinite(number) for number in numbers)
