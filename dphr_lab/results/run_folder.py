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
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dphr_lab._files import read_json, replace_when_done
from dphr_lab.settings.run import FIRST_EDITION

# of settings.json and result.json; 1, or none: of the first edition, whose losses had other names
RUN_FORMAT = 2
SETTINGS, METRICS, RESULT = "settings.json", "metrics.jsonl", "result.json"
BEST = "best"  # folder


def is_starter(folder: Path) -> bool:
    """Whether this names the encoder that comes with the package, no folder here being of its name.

    `models.starter` is where it lies.
    """
    return folder == Path("starter") and not folder.exists()


def in_this_edition(record: Mapping[str, Any]) -> Mapping[str, Any]:
    """A stored record whose settings name their loss as this edition does.

    What the first edition called "dphr" is "sharp" now (`settings.run.FIRST_EDITION`), so a stored
    number never changes its meaning.
    """
    made_by, settings = record.get("format", 1), record.get("settings")
    if not isinstance(settings, dict) or not isinstance(made_by, int) or made_by >= RUN_FORMAT:
        return record
    loss = settings.get("loss", "dphr")
    named = FIRST_EDITION.get(loss, loss) if isinstance(loss, str) else loss
    return {**record, "format": RUN_FORMAT, "settings": settings | {"loss": named}}


def stored_run(folder: Path) -> dict[str, Any]:
    """What settings.json of a run says: {"settings": …, "data": …, "origin": …}.

    Raises `FileNotFoundError` where there is no run, `ValueError` for a file that is none.
    """
    what = "the settings of a run"
    path = folder / SETTINGS
    if not path.is_file():
        raise FileNotFoundError(
            f"run folder: found no {SETTINGS} in {folder}; give a folder that dphr train made"
        )
    stored = {"origin": {}} | in_this_edition(read_json(path, what))
    for part in ("settings", "data", "origin"):
        if not isinstance(stored.get(part), dict):
            raise ValueError(f"{path}: not {what} (found {stored.get(part)!r} for {part})")
    for name, kind in {"name": str, "root": str, "height_m": int, "world": dict}.items():
        value = stored["data"].get(name)
        if not (isinstance(value, kind) or (value is None and name != "name")):
            raise ValueError(f"{path}: not {what} (found {value!r} for data: {name})")
    data = {"root": None, "height_m": None, "world": None} | stored["data"]
    return {"settings": stored["settings"], "data": data, "origin": stored["origin"]}


def stored_result(folder: Path) -> dict[str, Any]:
    """What result.json of a run says; raises `ValueError` for a file that is none."""
    path, what = folder / RESULT, "the result of a run"
    to_do = "remove the run's folder, or give another"
    result = in_this_edition(read_json(path, what, to_do))
    kinds = {"settings": dict, "data": dict, "report": dict, "selected_step": int}
    for part, kind in kinds.items():
        if not isinstance(result.get(part), kind):
            raise ValueError(f"{path}: not {what} (found {result.get(part)!r} for {part}); {to_do}")
    return result


def checkpoints(folder: Path) -> list[Path]:
    """The step checkpoints of a run, oldest first."""
    return sorted((folder / "checkpoints").glob("step-*"))


def newest_checkpoint(folder: Path | str) -> Path:
    """The newest step checkpoint of a run; raises `FileNotFoundError` when there is none."""
    found = checkpoints(Path(folder))
    if not found:
        raise FileNotFoundError(
            f"run_folder: found no checkpoint in {Path(folder) / 'checkpoints'}; "
            "begin it anew: without resume, in an empty folder"
        )
    return found[-1]


def holds_run(folder: Path) -> bool:
    """Whether there is something to keep: a checkpoint or a result.

    A start that failed or was killed before its first checkpoint has neither.
    """
    return bool(checkpoints(folder)) or (folder / RESULT).exists()


def clear_start(folder: Path) -> None:
    """Remove what a start without a checkpoint has left; files that are not a run's stay."""
    for name in ("checkpoints", BEST):
        shutil.rmtree(folder / name, ignore_errors=True)
    for path in (folder / METRICS, *folder.glob("events.out.tfevents.*")):
        path.unlink(missing_ok=True)


def read_metrics(folder: Path | str) -> list[dict[str, Any]]:
    """The lines of a run's metrics.jsonl; a last line cut by a crash is left out.

    Raises `ValueError` naming another line that is no JSON object.
    """
    path = Path(folder) / METRICS
    text = path.read_text("utf-8") if path.exists() else ""
    lines = []
    for number, line in enumerate(text.splitlines(keepends=True), 1):
        if not line.endswith("\n"):
            break
        try:
            lines.append(dict(json.loads(line)))
        except (ValueError, TypeError) as error:
            raise ValueError(
                f"{path}, line {number}: not a line of a run's metrics ({error}); remove it"
            ) from None
    return lines


def append_metrics(folder: Path, line: Mapping[str, Any]) -> None:
    """Add a line to a run's metrics.jsonl."""
    path = folder / METRICS
    try:
        with open(path, "a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
    except OSError as error:
        error.filename = str(path)  # which a full disk does not name
        raise


def keep_metrics(folder: Path, last_step: int) -> None:
    """Drop the lines after `last_step`, and one cut by a crash."""
    kept = [line for line in read_metrics(folder) if line.get("step", 0) <= last_step]
    with replace_when_done(folder / METRICS) as aside:
        aside.write_text("".join(json.dumps(line) + "\n" for line in kept), "utf-8")


def curves(metrics: list[Mapping[str, Any]]) -> dict[str, list[float]]:
    """Columns for `result.json` and `plotting.training_curves` from the lines of a run.

    "step", "loss", "host_loss" (of a host that has one), "recall" (in the batch, 0 to 1), "lambda"
    (DPHR only) have one value a step;
    "val_step", "val_r_at_1" (percent) and the distances "val_d_pos", "val_d_twin",
    "val_d_stranger" (`evaluation.place_distances`) one a validation.
    """
    steps = [line for line in metrics if "loss" in line]
    checks = [line for line in metrics if "val_r_at_1" in line]
    columns = {
        name: [round(line[name], 6) for line in steps]
        for name in ("step", "loss", "host_loss", "recall", "lambda")
        if steps and name in steps[0]
    }
    columns["val_step"] = [line["step"] for line in checks]
    columns["val_r_at_1"] = [round(line["val_r_at_1"], 4) for line in checks]
    for name in ("val_d_pos", "val_d_twin", "val_d_stranger"):
        if checks and name in checks[0]:
            columns[name] = [round(line[name], 4) for line in checks]
    return columns


def described(result: Mapping[str, Any]) -> str:
    """What a result's row must say: trained on what, stopped and selected how."""
    trained, refit = result["trained_on"], result.get("refit")
    if refit:
        how = (
            f"refit of {refit['of']} on all {trained['places']:,} training places, for the "
            f"{refit['steps_chosen']:,} of {refit['steps_of_that_run']:,} steps that it chose on "
            "held-out places"
        )
        return how if refit["held_out_places"] else f"{how} (it held out none: all its steps)"
    return (
        f"trained on {trained['places']:,} places, {trained['held_out_places']:,} more held out; "
        f"encoder of step {result['selected_step']:,}, selected on {result['selected_on']}"
    )


def selected_on_test(folder: Path) -> bool:
    """Whether the encoder of a run folder, or of its best/, was chosen by test results.

    Encoders say it themselves; this is for files of before they did.
    """
    run = folder.parent if folder.name == BEST else folder
    return (run / SETTINGS).is_file() and stored_run(run)["settings"].get("select") == "test"
