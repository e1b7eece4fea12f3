"""Stored runs: their names, what they hold, and how they are read."""

import json
from importlib.resources import files

import pytest

from dphr_lab import results
from dphr_lab.settings import LOSSES, Settings
from tests.helpers import case


@pytest.fixture
def shelf(tmp_path, monkeypatch):
    """Two studies in a folder of their own."""
    for name in ("mini-dphr-s1", "mini-dphr-s0", "two-words-triplet-s0"):
        (tmp_path / "first").mkdir(exist_ok=True)
        (tmp_path / "first" / f"{name}.json").write_text(
            json.dumps({"run": name, "report": {}}), "utf-8"
        )
    (tmp_path / "first" / "README.md").write_text("not a run", "utf-8")
    (tmp_path / "empty").mkdir()
    monkeypatch.setattr(results, "files", lambda package: tmp_path)


def test_studies_are_the_folders_with_runs(shelf):
    assert results.studies() == ["first"]


def test_runs_are_found_by_world_loss_and_seed(shelf):
    runs = results.load("first")
    assert list(runs) == [("mini", "dphr", 0), ("mini", "dphr", 1), ("two-words", "triplet", 0)]
    assert runs["mini", "dphr", 1] == {"run": "mini-dphr-s1", "report": {}}


@pytest.mark.parametrize("study", ["empty", "unknown"])
def test_a_missing_study_names_those_that_there_are(shelf, study):
    with pytest.raises(FileNotFoundError, match=f"'{study}'; there are: first"):
        results.load(study)


@pytest.mark.parametrize("name", [("mini", "dphr", 0), ("my-own-world", "infonce", 12)])
def test_a_name_is_read_as_it_was_made(name):
    assert results.parse_name(results.run_name(*name)) == name


@pytest.mark.parametrize("study", results.studies())
def test_stored_runs_are_complete_and_under_their_names(study):
    parts = {"settings", "data", "versions", "hardware", "wall_s", "curves", "report"}
    for (world, loss, seed), run in results.load(study).items():
        with case(study, world, loss, seed):
            assert parts <= set(run)
            settings = Settings.from_dict(run["settings"])
            assert settings.seed == seed
            assert run["report"]
            if loss in LOSSES:  # a study may give other names, to variants of one loss
                assert settings.loss == loss


@pytest.mark.parametrize("study", results.studies())
def test_stored_runs_are_small_and_name_no_folder_of_ours(study):
    for name in results.load(study):
        with case(study, *name):
            text = (files("dphr_lab.results") / study / results.run_name(*name)).read_text("utf-8")
            assert len(text) < 200_000
            assert "/root/" not in text and "/home/" not in text


def test_the_table_gives_mean_and_spread_over_seeds(tmp_path, monkeypatch):
    (tmp_path / "study").mkdir()
    zeros = {measure: 0.0 for _, measure in results.TABLE.values()}
    for loss, seed, value in (("b", 0, 40.0), ("b", 1, 50.0), ("a", 0, 60.0)):
        report = {"D2S": zeros | {"r_at_1": value}, "S2D": zeros}
        path = tmp_path / "study" / results.run_name("mini", loss, seed)
        path.write_text(json.dumps({"report": report}), "utf-8")
    monkeypatch.setattr(results, "files", lambda package: tmp_path)
    heading, _, *rows = results.table("study", "mini").splitlines()
    assert heading.startswith("| loss | R@1 | R@5 |")
    assert [row.split(" | ")[:2] for row in rows] == [["| b", "45.0 ± 7.1"], ["| a", "60.0 ± 0.0"]]


def test_the_table_has_a_dash_where_there_is_nothing_to_count(tmp_path):
    values = {measure: 50.0 for _, measure in results.TABLE.values()}
    for seed, choice in ((0, None), (1, 60.0)):
        for loss, twin_choice in (("none", None), ("some", choice)):
            report = {"D2S": values | {"twin_choice": twin_choice}, "S2D": values}
            path = tmp_path / results.run_name("mini", loss, seed)
            path.write_text(json.dumps({"report": report}), "utf-8")
    heading, _, *rows = [line.split(" | ") for line in results.table(tmp_path, "mini").splitlines()]
    column = heading.index("twin choice")
    assert {row[0].strip("| "): row[column] for row in rows} == {"none": "–", "some": "60.0 ± 0.0"}
