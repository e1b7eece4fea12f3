"""Every recipe runs by `dphr train` from its data's layout to the report, cut or not."""

import json

import pytest

from dphr_lab.results.run_folder import RESULT
from dphr_lab.retrieval import RetrievalReport
from dphr_lab.settings.recipes import RECIPES
from dphr_lab.training import log as training
from tests.helpers import run
from tests.helpers.training import SMALL

pytestmark = pytest.mark.slow

ON_A_LAPTOP = {"threads": 1, "checkpoint_every": 1}
PLACES, VIEWS, HEIGHT_M, CUT_AFTER = 10, 2, 250, 2
STEPS = (PLACES - SMALL["val_places"]) * VIEWS // SMALL["batch"]  # a pass


@pytest.fixture(scope="module")
def towns(tmp_path_factory):
    """{needs a height: Twin Towns in the layout that such recipes are for}."""
    folder = tmp_path_factory.mktemp("towns")
    few = f"--train-places {PLACES} --test-places 4 --family-size 1 --drone-views {VIEWS}".split()
    small = ["--image-px", "32", "--workers", "1", "--distractor-places"]
    for layout, distractors in (("university1652", 2), ("sues200", 0)):
        made = run(
            "scenes", *few, *small, distractors, "--layout", layout, "--out", folder / layout
        )
        assert made == 0
    return {False: folder / "university1652", True: folder / "sues200"}


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES)
def test_every_recipe_runs_to_the_report_cut_or_not(recipe, towns, tmp_path, monkeypatch, capsys):
    own, small, options = recipe.settings(), dict(SMALL), []
    if own.epochs is None:
        small["steps"] = STEPS
    if own.sampler == "one_per_place":
        small["epochs"] = VIEWS  # each a pair of every place
    if own.host == "lpn":  # its last stride is a ResNet's, its rings need cells
        small |= {"backbone": "test_resnet", "image_px": 64}
        options = ["--host-options", "rings=2"]
    flags = ["--recipe", recipe.name, "--data", towns[recipe.needs_height]]
    for name, value in (small | ON_A_LAPTOP).items():
        flags += [f"--{name.replace('_', '-')}", "none" if value is None else value]
    flags += ["--height", HEIGHT_M] if recipe.needs_height else []
    flags += options
    assert run("train", "--out", tmp_path / "whole", *flags) == 0
    said = capsys.readouterr().out
    result = json.loads((tmp_path / "whole" / RESULT).read_text("utf-8"))

    settings = result["settings"]
    assert (settings["loss"], settings["steps"]) == (own.loss, STEPS)
    assert (settings["host"], settings["optimizer"]) == (own.host, own.optimizer)
    stored = json.loads((tmp_path / "whole" / "encoder.json").read_text("utf-8"))
    assert stored["kind"] == own.host
    assert result["data"]["height_m"] == (HEIGHT_M if recipe.needs_height else None)
    changed = set(result["recipe"]["overridden"])
    assert result["recipe"]["name"] == recipe.name and changed <= {*small, "host_options.rings"}
    drone, satellite, gallery = 4 * VIEWS, 4, (PLACES if recipe.needs_height else 2) + 4
    sizes = {"D2S": (drone, gallery), "S2D": (satellite, gallery * VIEWS)}
    for direction, (queries, images) in sizes.items():
        report = RetrievalReport.from_dict(result["report"][direction])
        assert (report.queries, report.gallery) == (queries, images)
        assert 0 < report.ap <= 100 and f"{report.r_at_1:.2f}" in said

    append = training.append_metrics

    def append_and_fail(folder, line):
        append(folder, line)
        if "loss" in line and line["step"] > CUT_AFTER:
            raise KeyboardInterrupt("in a step that no checkpoint holds yet")

    monkeypatch.setattr(training, "append_metrics", append_and_fail)
    cut = tmp_path / "cut"
    assert run("train", "--out", cut, *flags) == 130
    assert not (cut / RESULT).exists()
    monkeypatch.undo()
    assert run("train", "--resume", cut) == 0
    again = json.loads((cut / RESULT).read_text("utf-8"))
    for part in ("report", "curves", "selected_step", "recipe", "settings"):
        assert again[part] == result[part]
