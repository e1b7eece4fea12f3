"""Trained at one altitude, tested at all: the numbers, what is kept, and what is refused."""

import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from matplotlib import rc_context

from dphr_lab import results, scenes
from dphr_lab._images import resize
from dphr_lab.cli import main
from dphr_lab.datasets import SUES200, ArrayImages
from dphr_lab.datasets.same_ground import RimCovered, SameGround
from dphr_lab.localization import evaluate_dataset, evaluate_images
from dphr_lab.models import Encoder
from dphr_lab.retrieval import SELECTED_ON_TEST
from dphr_lab.settings import Settings
from dphr_lab.studies import altitudes
from dphr_lab.studies.altitudes import altitude_matrix, same_ground, tables, values

HEIGHTS_M = (150, 300)
RIM = Path(results.__file__).parent / "rim"
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


@pytest.mark.slow
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


@pytest.mark.slow
def test_what_is_written(made):
    out, matrix = made
    assert json.loads((out / "matrix.json").read_text("utf-8")) == json.loads(json.dumps(matrix))
    assert (out / "matrix.png").stat().st_size > 5000
    text = (out / "matrix.md").read_text("utf-8")
    assert text == tables(matrix) + "\n"
    cell = f"{values(matrix, 'D2S', 'r_at_1')[0, 1]:.1f} / {values(matrix, 'D2S', 'ap')[0, 1]:.1f}"
    row = next(line for line in text.splitlines() if line.startswith("| 150 m"))
    assert row.split(" | ")[2].rstrip(" |") == cell
    assert "selected on test" not in text.lower()


@pytest.mark.slow
def test_a_matrix_of_models_selected_on_the_test_set_is_stamped(made, tmp_path):
    _, matrix = made
    chosen = matrix | {"settings": matrix["settings"] | {"select": "test"}}
    for name, each in (("fair.svg", matrix), ("chosen.svg", chosen)):
        with rc_context({"svg.fonttype": "none"}):  # text stays text
            altitudes.draw_matrix(each, tmp_path / name)
    assert SELECTED_ON_TEST in (tmp_path / "chosen.svg").read_text("utf-8")
    assert SELECTED_ON_TEST not in (tmp_path / "fair.svg").read_text("utf-8")


@pytest.mark.slow
def test_it_goes_on_where_it_was_cut(towns, made, tmp_path, monkeypatch):
    out, matrix = made
    again = tmp_path / "again"
    shutil.copytree(out, again)
    shutil.rmtree(again / "300")
    tested = json.loads((again / "150/tested.json").read_text("utf-8"))
    del tested["300"]
    (again / "150/tested.json").write_text(json.dumps(tested), "utf-8")
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


@pytest.mark.slow
def test_each_model_is_asked_with_images_cut_to_its_own_ground(towns, made):
    out, matrix = made
    query, gallery = SUES200(towns, 300).test("D2S")
    for sharp in (True, False):
        found = same_ground(towns, out, HEIGHTS_M, sharp)
        assert {a: set(row) for a, row in found.items()} == {"150": {"300"}, "300": set()}
        cut = SameGround(query, 300, 150, sharp)
        expected = evaluate_images(Encoder.load(out / "150"), cut, gallery).to_dict()
        assert found["150"]["300"] == expected
        assert expected["ap"] != matrix["reports"]["150"]["300"]["D2S"]["ap"]


@pytest.mark.parametrize(("there", "device"), [(True, "cuda"), (False, "cpu")])
def test_models_are_tested_on_the_gpu_where_there_is_one(monkeypatch, there, device):
    moved_to = SimpleNamespace(to=lambda device: device)
    monkeypatch.setattr(Encoder, "load", lambda folder: moved_to)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: there)
    assert altitudes._encoder("150") == device


@pytest.mark.slow
def test_from_the_command_line(towns, tmp_path, capsys):
    out = tmp_path / "out"
    asked = ["matrix", "--data", str(towns), "--out", str(out), "--heights", "300"]
    recipe = ["--recipe", "twin-towns-sues200", "--steps", "1", "--image-px", "32"]
    small = ["--batch", "4", "--val-places", "0", "--threads", "1"]
    assert main([*asked, *recipe, *small]) == 0
    said = capsys.readouterr().out
    assert "recipe twin-towns-sues200" in said and "| 300 m | " in said
    stored = json.loads((out / "matrix.json").read_text("utf-8"))
    assert stored["origin"]["recipe"]["name"] == "twin-towns-sues200"
    assert stored["settings"]["steps"] == 1 and list(stored["reports"]) == ["300"]


def test_an_image_is_cut_to_the_ground_of_a_lower_height():
    pixels = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), dtype=np.uint8)
    images = ArrayImages("drone", pixels, [4, 5, 6], [1, 1, 2])
    cut = SameGround(images, height_m=300, lower_m=150)
    middle = torch.from_numpy(pixels[[2, 0], 8:24, 8:24]).permute(0, 3, 1, 2)
    assert torch.equal(cut.read([2, 0], 16), middle)
    coarse = SameGround(images, 300, 150, sharp=False).read([2], 16)
    few = images.read([2], 16)[..., 4:12, 4:12]
    assert coarse.shape == (1, 3, 16, 16) and torch.equal(coarse, resize(few, 16))
    assert torch.equal(SameGround(images, 300, 300).read([1], 24), images.read([1], 24))
    part = cut.subset(np.array([False, True, True]))
    assert part.places.tolist() == [5, 6] and part.families.tolist() == [1, 2]
    assert torch.equal(part.read([1], 16), middle[:1])
    for lower_m in (0, 301):
        with pytest.raises(ValueError, match=f"lower_m is {lower_m}"):
            SameGround(images, 300, lower_m)


def test_the_cut_is_what_a_narrower_lens_sees():
    """By the camera's own matrix, for points near the centre; walls and the far edge differ."""
    share, px = 150 / 300, 64
    wide = scenes.Pose(300, 30.0, 58.0, 45.0)
    narrow_deg = 2 * np.degrees(np.arctan(share * np.tan(np.radians(22.5))))
    narrow = scenes.Pose(300, 30.0, 58.0, narrow_deg)
    points = np.random.default_rng(0).uniform(-60, 60, (50, 3)) * (1, 1, 0)
    seen, _ = scenes.project(scenes.drone_matrix(wide, round(px / share)), points)
    expected, _ = scenes.project(scenes.drone_matrix(narrow, px), points)
    np.testing.assert_allclose(seen - (px / share - px) / 2, expected, atol=1e-9)


def test_stored_matrices_are_whole():
    for seed, matrix in altitudes.stored().items():
        assert matrix["data"]["world"]["seed"] == matrix["settings"]["seed"] == seed
        assert matrix["versions"]["torch"] and matrix["hardware"]["processor"]
        for direction in ("D2S", "S2D"):
            found = values(matrix, direction, "r_at_1")
            assert found.shape == (4, 4) and found.min() > 5  # 0.5 % at random
        for name in ("same_ground", "same_ground_coarse"):
            cells = {(int(a), int(b)) for a, row in matrix[name].items() for b in row}
            assert cells == {(a, b) for a in (150, 200, 250, 300) for b in (200, 250, 300) if a < b}
    assert seed == len(altitudes.stored()) - 1


def test_other_layouts_are_refused(tmp_path, capsys):
    for part in ("train/drone/a", "train/satellite/a"):
        (tmp_path / part).mkdir(parents=True)
    assert main(["matrix", "--data", str(tmp_path), "--out", str(tmp_path / "out")]) == 1
    assert "is folder pairs; the matrix needs SUES-200" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_covered_rim_is_grey_and_leaves_the_middle_as_it_is():
    pixels = np.random.default_rng(0).integers(0, 100, (3, 32, 32, 3), dtype=np.uint8)
    images = ArrayImages("drone", pixels, [4, 5, 6], [1, 1, 2])
    covered = RimCovered(images, 0.5)
    found, whole = covered.read([2, 0], 32), images.read([2, 0], 32)
    assert torch.equal(found[..., 8:24, 8:24], whole[..., 8:24, 8:24])
    assert (found == 128).sum() == 2 * 3 * (32 * 32 - 16 * 16)
    assert torch.equal(RimCovered(images, 1).read([1], 16), images.read([1], 16))
    part = covered.subset(np.array([False, True, True]))
    assert part.places.tolist() == [5, 6] and torch.equal(part.read([1], 32), found[:1])
    for share in (0, 1.1):
        with pytest.raises(ValueError, match=f"share is {share}"):
            RimCovered(images, share)


def test_the_stored_control_is_of_the_stored_models():
    """Trained again, they find what they found, within a few queries."""
    matrices = altitudes.stored()
    records = [json.loads(path.read_text("utf-8")) for path in RIM.glob("s*.json")]
    assert sorted(record["seed"] for record in records) == [0, 1]
    for record in records:
        matrix = matrices[record["seed"]]
        for own_m, row in record["trained_at"].items():
            for asked, ways in row.items():
                before = matrix["reports"][own_m][own_m if asked == "own" else asked]["D2S"]
                assert ways["whole"]["r_at_1"] == pytest.approx(before["r_at_1"], abs=2.5)
                low, high = ways["whole"]["interval"]
                assert low < ways["whole"]["r_at_1"] < high
                if asked != "own":
                    before = matrix["same_ground_coarse"][own_m][asked]["r_at_1"]
                    assert ways["cut"]["r_at_1"] == pytest.approx(before, abs=2.5)
