"""Stored results of the first edition: read with their meaning, and renamed once by a script."""

import json
import sys

import pytest

from dphr_lab import cli, results
from dphr_lab.results.run_folder import RUN_FORMAT, stored_run
from tests.helpers import ROOT

sys.path.append(str(ROOT / "book" / "_tools"))
import rename_first_edition as script

GRID = """
about = "dphr or rda?"
seeds = [0]
[worlds.mini]
[arms.dphr]  # the whole
loss = "dphr"
[arms.rda_batch]
loss = "rda"
loss_options = { normalise = "batch" }
[arms.triplet]
loss = "triplet"
"""


def record(loss: str, **further) -> dict:
    return {"settings": {"loss": loss, "steps": 3}, "report": {}, "wall_s": 1.25} | further


@pytest.fixture
def folder(tmp_path):
    runs = {"dphr": "dphr", "rda_batch": "rda", "triplet": "triplet"}
    for arm, loss in runs.items():
        text = json.dumps(record(loss, format=1), indent=1) + "\n"
        (tmp_path / f"mini-{arm}-s0.json").write_text(text, "utf-8")
    (tmp_path / "study.toml").write_text(
        GRID.replace("[arms.dphr]  # the whole", "[arms.dphr]"), "utf-8"
    )
    trial = {"arm": "rda_batch", "changes": {}, "seed": 7}
    (tmp_path / "trials.json").write_text(json.dumps({"trials": [trial]}), "utf-8")
    return tmp_path


def contents(folder) -> dict[str, str]:
    return {path.name: path.read_text("utf-8") for path in folder.iterdir()}


def test_names_change_and_no_number_does(folder):
    assert script.rename(folder) == 3
    runs = results.load(folder)
    assert {arm: run["settings"]["loss"] for (_, arm, _), run in runs.items()} == {
        "sharp": "sharp",
        "sharp_rda_batch": "sharp_rda",
        "triplet": "triplet",
    }
    for run in runs.values():
        assert run == record(run["settings"]["loss"], format=RUN_FORMAT)
    grid = (folder / "study.toml").read_text("utf-8")
    assert '[arms.sharp]\nloss = "sharp"' in grid
    assert '[arms.sharp_rda_batch]\nloss = "sharp_rda"' in grid and 'loss = "triplet"' in grid
    assert (
        json.loads((folder / "trials.json").read_text("utf-8"))["trials"][0]["arm"]
        == "sharp_rda_batch"
    )


def test_nothing_is_renamed_twice(folder):
    script.rename(folder)
    (folder / "mini-dphr-s0.json").write_text(
        json.dumps(record("dphr", format=RUN_FORMAT)), "utf-8"
    )
    before = contents(folder)
    assert script.rename(folder) == 0
    assert contents(folder) == before  # a run of this edition keeps its name


def test_an_arm_called_sharp_for_its_beta_is_not_taken_for_ours():
    names = {"sharp": "beta_100", "sharp_alone": "beta_100_alone", "triplet_noise": "triplet_noise"}
    assert {arm: script.arm_name(arm, "hard_negatives") for arm in names} == names


@pytest.mark.parametrize(
    ("then", "now"),
    [
        ("dphr", "sharp"),
        ("dphr_families", "sharp_families"),
        ("dphr_infonce", "sharp_infonce"),
        ("palw", "sharp_palw"),
        ("broken_ratio", "broken_ratio"),
        ("rdax", "rdax"),
    ],
)
def test_arms(then, now):
    assert script.arm_name(then) == now


def test_a_run_folder_of_the_first_edition_keeps_its_meaning(tmp_path):
    path = tmp_path / "settings.json"
    path.write_text(
        json.dumps({"settings": {"loss": "rda"}, "data": {"name": "Twin Towns"}}), "utf-8"
    )
    assert stored_run(tmp_path)["settings"]["loss"] == "sharp_rda"
    path.write_text(json.dumps({"settings": {}, "data": {"name": "Twin Towns"}}), "utf-8")
    assert stored_run(tmp_path)["settings"]["loss"] == "sharp"  # its default
    now = {"format": RUN_FORMAT, "settings": {"loss": "rda"}, "data": {"name": "Twin Towns"}}
    path.write_text(json.dumps(now), "utf-8")
    assert stored_run(tmp_path)["settings"]["loss"] == "rda"


def test_no_stored_result_has_a_name_of_the_first_edition():
    for path in (ROOT / "dphr_lab" / "results").rglob("*.json"):
        stored = json.loads(path.read_text("utf-8"))
        if "settings" in stored:
            assert stored["format"] == RUN_FORMAT, path


def test_an_old_name_in_a_command_is_told_of(capsys, tmp_path):
    asked = ["train", "--data", str(tmp_path / "none"), "--out", str(tmp_path / "run"), "--loss"]
    assert cli.main([*asked, "rda"]) != 0
    said = capsys.readouterr().err
    assert "dphr: --loss rda is our closest reading of the paper;" in said
    assert "what the first edition called rda is sharp_rda now" in said
    assert cli.main([*asked, "triplet"]) != 0
    assert "first edition" not in capsys.readouterr().err


def test_an_old_arm_of_a_stored_study_is_told_of(capsys):
    assert cli.main(["study", "run", "main", "--arms", "dphr", "--minutes", "0"]) != 0
    said = capsys.readouterr().err
    assert "main has no dphr; it has" in said
    assert "(dphr of the first edition is sharp now)" in said
