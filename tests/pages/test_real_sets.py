"""Chapters 01, 10 and 11 on real sets: which recipe they run, and that each of their cells does.

Real sets are not here. Rendered ones in their layouts stand in, found by `DPHR_DATA` as real ones
are, and the recipes in full are made small. Assertions of the chapters, which are about what they
find, are left out; what is looked at is what the cells leave behind.
"""

from dataclasses import replace
from pathlib import Path

import jupytext
import pytest
import torch
from matplotlib import rc_context

from dphr_lab import scenes
from dphr_lab.settings.recipes import RECIPES
from dphr_lab.studies import altitudes
from tests.helpers import ROOT
from tests.helpers.training import SMALL

pytestmark = pytest.mark.slow

BOOK = ROOT / "book"
SWITCH = "FULL = real is not None and torch.cuda.is_available()"


def run_in_full(chapter: str, root: Path, monkeypatch) -> dict:
    """What the cells of a chapter leave behind, run on `root` with its full recipe made small."""
    name = f"dphr-{chapter.partition('_')[2]}"
    recipe = RECIPES[name]
    choices = [replace(c, value=SMALL.get(c.name, c.value)) for c in recipe.choices]
    monkeypatch.setitem(RECIPES, name, replace(recipe, choices=tuple(choices)))
    monkeypatch.setenv("DPHR_DATA", str(root))
    text = (BOOK / f"{chapter}.py").read_text("utf-8")
    assert text.count(SWITCH) == 1
    text = text.replace(SWITCH, "FULL = True").replace('"workers": 2', '"workers": 0')
    threads, left = torch.get_num_threads(), {}
    try:
        with rc_context():
            exec(compile(text, f"{chapter}.py", "exec", optimize=1), left)  # 1: without assertions
    finally:
        torch.set_num_threads(threads)
    assert left["root"] == root and left["recipe"].name == name
    assert left["recipe"].overridden(left["settings"]) == {} and left["settings"].micro_batch
    return left


def towns(**own) -> scenes.World:
    return scenes.make_world(scenes.WorldSettings("few", 10, 4, family_size=1, **own))


def test_the_first_chapter_shows_a_place_of_the_reader_s_own(tmp_path, monkeypatch):
    root = tmp_path / "University-1652"
    scenes.write_university1652(towns(drone_views=2), root, workers=1, progress=False)
    monkeypatch.setenv("DPHR_DATA", str(root))
    sources = [cell.source for cell in jupytext.read(BOOK / "01_the_problem.py").cells]
    imports = next(source for source in sources if "from dphr_lab.teaching import" in source)
    (shows,) = (source for source in sources if "if real := public_data(" in source)
    left = {}
    with rc_context():
        exec(f"{imports}\n{shows}", left)
        titles = [axis.get_title() for axis in left["plt"].gcf().axes]
        left["plt"].close("all")
    assert left["real"] == root
    assert titles == ["satellite", "drone"]


def test_university_1652(tmp_path, monkeypatch, capsys):
    root, world = tmp_path / "University-1652", towns(distractor_places=2, drone_views=5)
    scenes.write_university1652(world, root, workers=1, progress=False)
    left = run_in_full("10_university1652", root, monkeypatch)
    steps = (10 - SMALL["val_places"]) * 5 // SMALL["batch"]  # one pass
    assert len(left["curves"]["loss"]) == steps
    assert {report.queries for report in left["found"].values()} == {4, 20}
    said = capsys.readouterr().out
    assert "data: University-1652" in said and "Twin Towns" not in said


def test_sues_200(tmp_path, monkeypatch, capsys):
    root, world = tmp_path / "SUES-200", towns(distractor_places=0, drone_views=2)
    scenes.write_sues200(world, root, workers=1, progress=False)
    left = run_in_full("11_sues200", root, monkeypatch)
    matrix = left["matrix"]
    assert matrix["settings"] == left["settings"].to_dict() != altitudes.stored()[0]["settings"]
    assert altitudes.values(matrix, "D2S", "ap").shape == (4, 4)
    for name in ("same_ground", "same_ground_coarse"):
        assert {a: len(row) for a, row in matrix[name].items()} == {
            "150": 3, "200": 2, "250": 1, "300": 0
        }  # fmt: skip
    assert matrix["same_ground"]["150"]["300"]["queries"] == 8  # asked of the model of 150 m
    said = capsys.readouterr().out
    assert "data: SUES-200" in said and "matrix: of this set" in said and "Twin Towns" not in said
