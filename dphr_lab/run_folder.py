"""The files of a training run: their names, and reading and replacing them.

    settings.json        {settings, data, origin, environment} of the run
    metrics.jsonl        one line a step, and one a validation
    events.out.tfevents… the same for TensorBoard, where it was asked for
    checkpoints/         step-000050/ …: everything needed to go on
    best/                the encoder of the best validation so far
    encoder.*            the selected encoder, for `models.Encoder.load(run)`
    curves.png           loss, lambda and recall over the steps
    result.json          {settings, data, versions, hardware, wall_s, curves, report, …}

Standard library only.
"""

import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dphr_lab._files import replace_when_done

SETTINGS, METRICS, RESULT = "settings.json", "metrics.jsonl", "result.json"


def stored_run(folder: Path) -> dict[str, Any]:
    """What settings.json of a run says: {"settings": …, "data": …, "origin": …}.

    Raises `FileNotFoundError` where there is no run, `ValueError` for a file that is none.
    """
    path = folder / SETTINGS
    if not path.is_file():
        raise FileNotFoundError(
            f"run folder: found no {SETTINGS} in {folder}; give a folder that dphr train made"
        )
    try:
        stored = json.loads(path.read_text())
        return {name: stored[name] for name in ("settings", "data")} | {
            "origin": stored.get("origin", {})
        }
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"{path}: not the settings of a run ({type(error).__name__}: {error})"
        ) from None


def checkpoints(folder: Path) -> list[Path]:
    """The step checkpoints of a run, oldest first."""
    return sorted((folder / "checkpoints").glob("step-*"))


def newest_checkpoint(folder: Path | str) -> Path:
    """The newest step checkpoint of a run; raises `FileNotFoundError` when there is none."""
    found = checkpoints(Path(folder))
    if not found:
        raise FileNotFoundError(
            f"run_folder: found no checkpoint in {Path(folder) / 'checkpoints'}; "
            "start the run without resume"
        )
    return found[-1]


def holds_run(folder: Path) -> bool:
    """Whether there is something to keep: a checkpoint or a result.

    A start that failed or was killed before its first checkpoint has neither.
    """
    return bool(checkpoints(folder)) or (folder / RESULT).exists()


def clear_start(folder: Path) -> None:
    """Remove what a start without a checkpoint has left; files that are not a run's stay."""
    for name in ("checkpoints", "best"):
        shutil.rmtree(folder / name, ignore_errors=True)
    for path in (folder / METRICS, *folder.glob("events.out.tfevents.*")):
        path.unlink(missing_ok=True)


def read_metrics(folder: Path | str) -> list[dict[str, Any]]:
    """The lines of a run's metrics.jsonl; a last line cut by a crash is left out."""
    path = Path(folder) / METRICS
    text = path.read_text() if path.exists() else ""
    return [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]


def keep_metrics(folder: Path, last_step: int) -> None:
    """Drop the lines after `last_step`, and one cut by a crash."""
    kept = [line for line in read_metrics(folder) if line["step"] <= last_step]
    with replace_when_done(folder / METRICS) as aside:
        aside.write_text("".join(json.dumps(line) + "\n" for line in kept))


def curves(metrics: list[Mapping[str, Any]]) -> dict[str, list[float]]:
    """Columns for `result.json` and `plotting.training_curves` from the lines of a run.

    "step", "loss", "recall" (in the batch, 0 to 1), "lambda" (DPHR only) have one value a step;
    "val_step", "val_r_at_1" (percent) and the distances "val_d_pos", "val_d_twin",
    "val_d_stranger" (`evaluation.place_distances`) one a validation.
    """
    steps = [line for line in metrics if "loss" in line]
    checks = [line for line in metrics if "val_r_at_1" in line]
    columns = {
        name: [round(line[name], 6) for line in steps]
        for name in ("step", "loss", "recall", "lambda")
        if steps and name in steps[0]
    }
    columns["val_step"] = [line["step"] for line in checks]
    columns["val_r_at_1"] = [round(line["val_r_at_1"], 4) for line in checks]
    for name in ("val_d_pos", "val_d_twin", "val_d_stranger"):
        if checks and name in checks[0]:
            columns[name] = [round(line[name], 4) for line in checks]
    return columns


@contextmanager
def replaced_folder(folder: Path) -> Iterator[Path]:
    """Yield a new folder beside `folder`; put it in its place on success, remove it on error."""
    aside = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(parents=True)
    try:
        yield aside
        old = folder.with_name(f".{folder.name}.old")
        shutil.rmtree(old, ignore_errors=True)
        if folder.exists():
            folder.rename(old)
        aside.rename(folder)
        shutil.rmtree(old, ignore_errors=True)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
