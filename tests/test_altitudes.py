"""Trained at one altitude, tested at all: the numbers, what is kept, and what is refused."""

import json
import shutil

import numpy as np
import pytest

from dphr_lab import altitudes, scenes
from dphr_lab.altitudes import altitude_matrix, tables, values
from dphr_lab.cli import main
from dphr_lab.datasets import SUES200
from dphr_lab.evaluation import evaluate_dataset
from dphr_lab.models import Encoder
from dphr_lab.settings import Settings

HEIGHTS_M = (150, 300)
SETTINGS = Settings(image_px=32, batch=4, steps=2, val_places=0, augmentation=None, threads=1)


@pytest.fixture(scope="module")
def towns(tmp_path_factory):
    """Twin Towns in SUES-200's layout."""
    world = scenes.make_world(
        scenes.WorldSettings("few", 8, 4, 0, family_size=4, image_px=32, drone_views=2)
    )
    root = tmp_path_factory.mktemp("towns") / "towns"
    return scenes.write_sues200(world, root, workers=1, progress=False)


@pytest.fixture(scope="module")
def made(towns, tmp_path_factory):
    out = tmp_path_factory.mktemp("matrix")
    return out, altitude_matrix(towns, SETTINGS, out, heights_m=HEIGHTS_M, say=lambda line: None)


def test_each_cell_is_that_model_on_that_height(towns, made):
    out, matrix = made
    assert matrix["heights_m"] == list(HEIGHTS_M) and matrix["data"]["root"] == "towns"
    for row, trained_at in enumerate(HEIGHTS_M):
        encoder = Encoder.load(out / str(trained_at))
        for column, tested_at in enumerate(HEIGHTS_M):
            found = evaluate_dataset(encoder, SUES200(towns, tested_at))
            for direction, report in found.items():
                cell = values(matrix, direction, "r_at_1")[row, column]
                assert cell == pytest.approx(report.r_at_1)
                assert values(matrix, direction, "ap")[row, column] == pytest.approx(report.ap)
    # were a model or a height mistaken for the other, rows or columns would be equal
    average = values(matrix, "D2S", "ap")
    assert len(np.unique(average.round(6))) > 1


def test_what_is_written(made):
    out, matrix = made
    assert json.loads((out / "matrix.json").read_text()) == json.loads(json.dumps(matrix))
    assert (out / "matrix.png").stat().st_size > 5000
    text = (out / "matrix.md").read_text("utf-8")
    assert text == tables(matrix) + "\n"
    cell = f"{values(matrix, 'D2S', 'r_at_1')[0, 1]:.1f} / {values(matrix, 'D2S', 'ap')[0, 1]:.1f}"
    row = next(line for line in text.splitlines() if line.startswith("| 150 m"))
    assert row.split(" | ")[2].rstrip(" |") == cell
    assert "selected on test" not in text.lower()


def test_it_goes_on_where_it_was_cut(towns, made, tmp_path, monkeypatch):
    out, matrix = made
    again = tmp_path / "again"
    shutil.copytree(out, again)
    shutil.rmtree(again / "300")
    tested = json.loads((again / "150/tested.json").read_text())
    del tested["300"]
    (again / "150/tested.json").write_text(json.dumps(tested))
    calls = []
    fit, measure = altitudes.fit, altitudes.evaluate_dataset
    monkeypatch.setattr(altitudes, "fit", lambda *a, **k: calls.append("fit") or fit(*a, **k))
    monkeypatch.setattr(
        altitudes, "evaluate_dataset", lambda *a: calls.append("evaluate") or measure(*a)
    )
    second = altitude_matrix(towns, SETTINGS, again, heights_m=HEIGHTS_M, say=lambda line: None)
    assert calls == ["evaluate", "fit", "evaluate"]
    assert second["reports"] == matrix["reports"]  # bit for bit
    with pytest.raises(ValueError, match=r"holds a run with steps 2, asked for is 3"):
        altitude_matrix(towns, SETTINGS.changed(steps=3), again, say=lambda line: None)


def test_from_the_command_line(towns, tmp_path, capsys):
    out = tmp_path / "out"
    asked = ["matrix", "--data", str(towns), "--out", str(out), "--heights", "300"]
    recipe = ["--recipe", "twin-towns-sues200", "--steps", "1", "--image-px", "32"]
    small = ["--batch", "4", "--val-places", "0", "--threads", "1"]
    assert main([*asked, *recipe, *small]) == 0
    said = capsys.readouterr().out
    assert "recipe twin-towns-sues200" in said and "| 300 m | " in said
    stored = json.loads((out / "matrix.json").read_text())
    assert stored["origin"]["recipe"]["name"] == "twin-towns-sues200"
    assert stored["settings"]["steps"] == 1 and list(stored["reports"]) == ["300"]


def test_other_layouts_are_refused(tmp_path, capsys):
    for part in ("train/drone/a", "train/satellite/a"):
        (tmp_path / part).mkdir(parents=True)
    assert main(["matrix", "--data", str(tmp_path), "--out", str(tmp_path / "out")]) == 1
    assert "is folder pairs; the matrix needs SUES-200" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
