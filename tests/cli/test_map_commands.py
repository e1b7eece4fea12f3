"""`dphr map`, `locate` and `track` by their flags, with an untrained encoder."""

import json

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("rasterio")
pytest.importorskip("faiss")
pytest.importorskip("pyarrow")
from dphr_lab.cli import main
from tests.localization import maps

ENCODER = ["--backbone", "test_resnet", "--image-px", "32"]


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return tmp_path_factory.mktemp("cli")


@pytest.fixture(scope="module")
def run_folder(root):
    """An untrained encoder as a run stores it: one that is drawn anew would be another."""
    from dphr_lab.models import Encoder

    Encoder("test_resnet", image_px=32).save(root / "run")
    return root / "run"


@pytest.fixture(scope="module")
def town(root):
    return maps.write_tif(root / "town.tif")


@pytest.fixture(scope="module")
def built(root, town, run_folder):
    folder = root / "maps/town"
    code = main(["map", "build", str(town), "--out", str(folder), "--run", str(run_folder),
                 "--side-m", "120", "--stride-m", "60"])  # fmt: skip
    assert code == 0
    return folder


@pytest.fixture(scope="module")
def flight(root):
    import io

    from dphr_lab.localization.ground import moved
    from dphr_lab.scenes.continuous.exif import PhotoTags, with_tags

    folder = root / "flight"
    folder.mkdir()
    for i in range(3):
        lat, lon = moved(*maps.CENTRE, 40.0 * i, 10.0 * i)
        file = io.BytesIO()
        Image.fromarray(maps.expected((lat, lon), 140, 64)).save(file, "jpeg", quality=95)
        tags = PhotoTags(
            float(lat), float(lon), 620.0, 100.0, 0.0, -90.0, 0.0, 0.0, 45.7, 64, 64,
            f"2025:06:01 12:00:{10 + 4 * i}",
        )  # fmt: skip
        (folder / f"p{i}.jpg").write_bytes(with_tags(file.getvalue(), tags))
    lines = ["photo,east_m,north_m"] + [f"p{i}.jpg,{40 * (i > 0)},{10 * (i > 0)}" for i in range(3)]
    (folder / "odometry.csv").write_text("\n".join(lines), "utf-8")
    return folder


def test_build_says_what_it_wrote(built, capsys, town, run_folder):
    record = json.loads((built / "map.json").read_text("utf-8"))
    assert record["tiles"] == len(np.load(built / "embeddings.npy")) > 100
    code = main(["map", "build", str(town), "--out", str(built), "--run", str(run_folder)])
    assert code == 1 and "holds a finished map" in capsys.readouterr().err


def test_locate(built, flight, run_folder, tmp_path, capsys):
    names = {"csv": "a.csv", "geojson": "a.json", "picture": "a.png", "html": "a.html"}
    outputs = [f"--{kind}={tmp_path / name}" for kind, name in names.items()]
    code = main(["locate", str(flight), "--map", str(built), "--run", str(run_folder), *outputs])
    out = capsys.readouterr().out
    assert code == 0 and out.count("not calibrated") == 3 and "median error" in out
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.csv", "a.html", "a.json", "a.png"]


def test_locate_within(built, flight, run_folder, capsys):
    near = f"{maps.CENTRE[0]},{maps.CENTRE[1]}"
    base = ["locate", str(flight / "p0.jpg"), "--map", str(built), "--run", str(run_folder)]
    assert main([*base, "--near", near, "--within", "100"]) == 0
    line = capsys.readouterr().out.splitlines()[0]
    error = float(line.split("  ")[-1].split()[0])
    assert error <= 160


def test_track(built, flight, run_folder, tmp_path, capsys):
    base = ["track", str(flight), "--map", str(built), "--run", str(run_folder)]
    steps = ["--odometry", str(flight / "odometry.csv")]
    assert main([*base, *steps, "--html", str(tmp_path / "t.html")]) == 0
    out = capsys.readouterr().out
    assert out.count("from its GPS") == 3 and "radii are not calibrated" in out
    assert "3 photographs of 1 flight" in out and "median error" in out
    assert main([*base, "--speed-m-s", "20", "--live"]) == 0


def test_check_and_pairs(town, flight, tmp_path, capsys):
    code = main(["map", "check", str(town), str(flight), "--out", str(tmp_path / "c.png")])
    out = capsys.readouterr().out
    assert code == 0 and "EPSG:32632" in out and "3 photographs" in out
    code = main(["map", "pairs", str(town), str(flight), "--out", str(tmp_path / "pairs"),
                 "--side-m", "30", "--image-px", "16"])  # fmt: skip
    assert code == 0 and "negatives" in capsys.readouterr().out.lower()
    assert len(list((tmp_path / "pairs").rglob("satellite/*/*.png"))) >= 1


@pytest.mark.slow
def test_a_town_its_pairs_and_a_map_that_is_calibrated(tmp_path, run_folder, capsys, monkeypatch):
    """The commands of the README but for training, on a town that takes seconds."""
    from dphr_lab.datasets import open_dataset
    from dphr_lab.settings.towns import TownSettings

    small = TownSettings(km=0.6, seed=1000, photo_px=64, photos=20, calibration_flights=0,
                         test_flights=1)  # fmt: skip
    assert TownSettings(seed=7).for_training().seed == small.seed + 7
    monkeypatch.setattr(TownSettings, "for_training", lambda self: small)
    town, pairs = tmp_path / "town", tmp_path / "pairs"
    base = ["scenes", "--town", str(town), "--km", "0.4", "--photos-a-flight", "6",
            "--image-px", "64", "--workers", "1"]  # fmt: skip
    assert main([*base, "--pairs", str(pairs)]) == 0
    assert "masked by places" in capsys.readouterr().out
    assert len(open_dataset(pairs).train) >= 5
    flights = [str(p) for p in sorted((town / "flights/calibration").iterdir())]
    out = ["--out", str(tmp_path / "map"), "--run", str(run_folder), "--stride-m", "60"]
    code = main(["map", "build", str(town / "map_2022.tif"), *out, "--flights", *flights])
    printed = capsys.readouterr().out
    assert code == 0 and "heading known" in printed and "heading unknown" in printed
    flight = next((town / "flights/test").iterdir())
    assert main(["track", str(flight), "--map", out[1], "--run", str(run_folder)]) == 0
    assert "not calibrated" not in capsys.readouterr().out


WRONG = {
    "near without within": (["locate", "x.jpg", "--map", "m", *ENCODER, "--near", "1,2"], 2,
                            "--near LAT,LON and --within M go together"),
    "near that is no position": (
        ["locate", "x.jpg", "--map", "m", *ENCODER, "--near", "48", "--within", "9"], 2,
        "--near 48: expected LAT,LON such as"),
    "no such map folder": (["locate", "x.jpg", "--map", "no/map", *ENCODER], 1,
                           "holds no map.json; expected a folder that dphr map build wrote"),
    "no such map": (["map", "build", "no.tif", "--out", "o", *ENCODER], 1, "no such map"),
    "stride of 0": (["map", "build", "no.tif", "--out", "o", "--stride-m", "0", *ENCODER], 2,
                    "--side-m and --stride-m must be above 0"),
    "a picture of no kind": (["locate", "x.jpg", "--map", "m", *ENCODER, "--picture", "a.doc"], 2,
                             "--picture a.doc: expected a name in"),
    "no odometry file": (["track", "f", "--map", "m", *ENCODER, "--odometry", "no.csv"], 1,
                         "--odometry: no such file no.csv"),
    "test share of 1": (["map", "pairs", "a.tif", "p", "--out", "o", "--test-share", "1"], 2,
                        "--test-share 0 or more and below 1"),
    "headings of a quarter": (["locate", "x", "--map", "m", *ENCODER, "--headings", "0.25"], 2,
                              "expected a whole number, 1 or more"),
    "town and preset": (["scenes", "--town", "t", "--preset", "tiny"], 2,
                        "--preset does not go with --town"),
    "km without town": (["scenes", "--km", "1", "--out", "o"], 2, "--km goes with --town"),
    "pairs without town": (["scenes", "--pairs", "p", "--out", "o"], 2, "--pairs goes with --town"),
    "town of no size": (["scenes", "--town", "t", "--km", "0.1"], 2, "km is 0.1; expected 0.4"),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_wrong_usage_is_one_line(case, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    arguments, code, message = WRONG[case]
    try:
        found = main(arguments)
    except SystemExit as stopped:  # argparse's own
        found = stopped.code
    err = capsys.readouterr().err
    assert found == code and message in err, err
    assert "Traceback" not in err and not list(tmp_path.iterdir())


def test_maps_that_cannot_be_built(root, run_folder, capsys, tmp_path):
    small = maps.write_tif(tmp_path / "small.tif", half_m=40, width=80)
    base = ["--run", str(run_folder)]
    assert main(["map", "build", str(small), "--out", str(tmp_path / "a"), *base]) == 1
    assert "smaller than one tile of 120 m" in capsys.readouterr().err
    import rasterio

    pixels, transform = maps.picture("EPSG:32632", 100)
    with rasterio.open(tmp_path / "no.tif", "w", driver="GTiff", width=100, height=100, count=3,
                       dtype="uint8", transform=transform) as file:  # fmt: skip
        file.write(pixels.transpose(2, 0, 1))
    build = ["map", "build", str(tmp_path / "no.tif"), "--out", str(tmp_path / "b"), *base]
    assert main(build) == 1
    assert "no coordinate reference system" in capsys.readouterr().err
    assert main([*build, "--crs", "EPSG:32632"]) == 0


def test_a_missing_package_is_named(built, flight, run_folder, capsys, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "faiss", None)
    base = ["map", "build", str(built.parent.parent / "town.tif"), "--out", str(built) + "2"]
    assert main([*base, "--run", str(run_folder), "--stride-m", "100"]) == 1
    assert "pip install 'dphr-lab[map]'" in capsys.readouterr().err
