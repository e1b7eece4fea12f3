"""A run's folder: what may begin there, what is cleared, and files of other kinds than a run's."""

import json

import pytest

from dphr_lab.results.run_folder import (
    IMAGES,
    check_free,
    checkpoints,
    clear_start,
    curves,
    read_metrics,
    remove_run,
    stored_result,
)


def put(folder, *names, run=None):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"run": run}) if run else "mine", "utf-8")


def left(folder):
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


FOREIGN = [
    "settings.json",
    "metrics.jsonl",
    "images.json",
    "encoder.json",
    "encoder.safetensors",
    "curves.png",
    "best/model.pt",
    "checkpoints",
    "checkpoints/epoch-10.pt",
    "checkpoints/epoch-10/position.json",
    "events.out.tfevents.1",
]


@pytest.mark.parametrize("name", FOREIGN)
@pytest.mark.parametrize("begun", [False, True])
def test_files_of_others_are_neither_written_over_nor_removed(tmp_path, name, begun):
    put(tmp_path, name)
    if begun and name not in ("settings.json", "metrics.jsonl", "images.json", FOREIGN[-1]):
        put(tmp_path, "settings.json", run="a1")  # those are the start's own
    before = left(tmp_path)
    with pytest.raises(FileExistsError, match=name.split("/")[0]):
        check_free(tmp_path)
    clear_start(tmp_path)
    assert left(tmp_path) == before


def test_a_run_may_begin_beside_other_files(tmp_path):
    put(tmp_path, "notes.txt", "log.txt")
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "best").mkdir()
    check_free(tmp_path)
    check_free(tmp_path / "new")


def test_what_a_start_of_ours_has_left_is_cleared(tmp_path):
    put(tmp_path, "settings.json", "metrics.jsonl", IMAGES, "events.out.tfevents.1", run="a1")
    put(tmp_path, "best/run.json", "best/encoder.json", run="a1")
    put(tmp_path, "checkpoints/non-finite/position.json", run="a1")
    put(tmp_path, "checkpoints/.step-000001.part/encoder.json", "notes.txt")
    check_free(tmp_path)
    clear_start(tmp_path)
    assert left(tmp_path) == {"settings.json", "notes.txt"}


@pytest.mark.parametrize("name", ["best/run.json", "checkpoints/non-finite/position.json"])
def test_what_another_run_has_left_is_not(tmp_path, name):
    put(tmp_path, "settings.json", run="a1")
    put(tmp_path, name, run="b2")
    with pytest.raises(FileExistsError, match="would write over them"):
        check_free(tmp_path)


def test_a_run_is_removed_without_what_others_put_there(tmp_path):
    run = tmp_path / "run"
    put(run, "settings.json", "result.json", "encoder.json", run="a1")
    put(run, "checkpoints/step-000003/position.json", run="a1")
    put(run, "best/notes.txt", "checkpoints/step-000004/notes.txt")
    remove_run(run)
    assert left(run) == {"best/notes.txt", "checkpoints/step-000004/notes.txt"}
    put(tmp_path / "other", "settings.json", "chapter.tex")
    remove_run(tmp_path / "other")
    assert left(tmp_path / "other") == {"settings.json", "chapter.tex"}


def test_checkpoints_come_in_the_order_of_their_steps(tmp_path):
    for name in ("step-1000000", "step-999999", "step-000050", "step-100", "step-old", "best"):
        (tmp_path / "checkpoints" / name).mkdir(parents=True)
    names = [path.name for path in checkpoints(tmp_path)]
    assert names == ["step-000050", "step-999999", "step-1000000"]


LINE = {"step": 1, "loss": 0.5, "recall": 0.25}


@pytest.mark.parametrize(
    "line",
    [
        "[1]",
        "3",
        '{"loss": 1}',
        *(json.dumps(LINE | {"step": step}) for step in ("1", -1, 1.5, True, None)),
        *(json.dumps(LINE | {"loss": loss}) for loss in ("x", None, [], float("nan"), False)),
        '{"a":' * 100_000,
    ],
)
def test_metrics_of_other_kinds_are_named_with_their_line(tmp_path, line):
    (tmp_path / "metrics.jsonl").write_text(f"{json.dumps(LINE)}\n{line}\n", "utf-8")
    with pytest.raises(ValueError, match=r"metrics\.jsonl, line 2: not a line of a run's metrics"):
        read_metrics(tmp_path)


def test_a_step_without_a_column_is_named():
    with pytest.raises(ValueError, match="step 2 lacks recall"):
        curves([LINE, {"step": 2, "loss": 0.5}])


GOOD = {"settings": {"steps": 3}, "data": {}, "report": {}, "selected_step": 3}


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"trained_on": None}, "None for trained_on"),
        ({"settings": {}}, "None for settings: steps"),
        ({"settings": {"steps": "3"}}, "'3' for settings: steps"),
        ({"curves": [1]}, r"\[1\] for curves"),
        ({"selected_step": None}, "None for selected_step"),
    ],
)
def test_a_result_of_other_kinds_is_named(tmp_path, changes, named):
    (tmp_path / "result.json").write_text(json.dumps(GOOD), "utf-8")
    assert stored_result(tmp_path)["selected_step"] == 3
    (tmp_path / "result.json").write_text(json.dumps(GOOD | changes), "utf-8")
    with pytest.raises(ValueError, match=f"not the result of a run .found {named}"):
        stored_result(tmp_path)
