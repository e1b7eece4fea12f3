"""The files of a training run: their names, and reading and replacing them.

    settings.json        {run, settings, data, origin, environment} of the run; "run" is its id
    images.json          which images it was started on (`datasets.identity`)
    metrics.jsonl        one line a step, and one a validation
    events.out.tfevents… the same for TensorBoard, where it was asked for
    checkpoints/         step-000050/ …: everything needed to go on
    best/                the encoder of the best validation so far
    encoder.*            the selected encoder, for `models.Encoder.load(run)`
    curves.png           loss, lambda and recall over the steps
    result.json          {settings, data, versions, hardware, wall_s, curves, report, …}

A run folder is cleared of nothing that does not bear the run's id: best/ in `MARK`, a checkpoint in
its position.

Standard library only.
"""

import json
import math
import re
import shutil
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from dphr_lab._files import PART, parse_json, read_json, read_text, replace_when_done
from dphr_lab.settings.run import FIRST_EDITION

# of settings.json and result.json; 1, or none: of the first edition, whose losses had other names
RUN_FORMAT = 2
SETTINGS, METRICS, RESULT = "settings.json", "metrics.jsonl", "result.json"
BEST, CHECKPOINTS = "best", "checkpoints"  # folders
IMAGES, CURVES = "images.json", "curves.png"
MARK, POSITION = "run.json", "position.json"  # what a folder within bears the run's id in
ENCODER = ("encoder.json", "encoder.safetensors")
_OF_FOLDERS = {MARK, POSITION, "state.safetensors", *ENCODER}  # files of best/ and of checkpoints
_NUMBER = (int, float)


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
    return {
        "run": run_id(folder),
        "settings": stored["settings"],
        "data": data,
        "origin": stored["origin"],
    }


def run_id(folder: Path, name: str = SETTINGS) -> str | None:
    """The id of the run that wrote the file `name` of a folder; None where it says none."""
    with suppress(OSError, ValueError):
        found = json.loads((folder / name).read_bytes())
        if isinstance(found, dict) and isinstance(found.get("run"), str):
            return found["run"]
    return None


def stored_result(folder: Path) -> dict[str, Any]:
    """What result.json of a run says; raises `ValueError` for a file that is none."""
    path, what = folder / RESULT, "the result of a run"
    to_do = "remove the run's folder, or give another"
    result = in_this_edition(read_json(path, what, to_do))
    kinds = {"settings": dict, "data": dict, "report": dict, "selected_step": int}
    kinds |= {part: dict for part in ("trained_on", "curves", "recipe", "refit") if part in result}
    wrong = [part for part, kind in kinds.items() if not isinstance(result.get(part), kind)]
    if wrong:
        found = result.get(wrong[0])
        raise ValueError(f"{path}: not {what} (found {found!r} for {wrong[0]}); {to_do}")
    if not is_count(steps := result["settings"].get("steps")):
        raise ValueError(f"{path}: not {what} (found {steps!r} for settings: steps); {to_do}")
    return result


def is_count(value: object) -> bool:
    """Whether a value that a file gives is a whole number, 0 or more."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def checkpoints(folder: Path) -> list[Path]:
    """The step checkpoints of a run, oldest first."""
    named = {
        int(match[1]): path
        for path in (folder / CHECKPOINTS).glob("step-*")
        if (match := re.fullmatch(r"step-([0-9]{6,})", path.name)) and path.is_dir()
    }
    return [named[step] for step in sorted(named)]


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


def check_free(folder: Path) -> None:
    """Raise `FileExistsError` unless a run can begin in `folder` without a loss.

    A start of ours that was cut before its first checkpoint is no loss, and neither are files of
    other names. What stands under a name of a run's files and does not bear its id is one.
    """
    if holds_run(folder):
        raise FileExistsError(
            f"run_folder: found another run in {folder}; "
            "resume it (resume=True, --resume) or choose an empty folder"
        )
    begun = run_id(folder)
    names = (
        (BEST, *ENCODER, CURVES) if begun else (BEST, *ENCODER, CURVES, SETTINGS, METRICS, IMAGES)
    )
    found = [name for name in names if _stands(folder / name, begun)]
    found += [f"{CHECKPOINTS}/{path.name}" for path in _within(folder) if not _is_own(path, begun)]
    if not begun:
        found += [path.name for path in _events(folder)]
    if found:
        more = f" and {len(found) - 4} more" if len(found) > 4 else ""
        raise FileExistsError(
            f"run_folder: {folder} holds {', '.join(found[:4])}{more}, which no run of dphr train "
            "left there; a run would write over them: choose a new or empty folder"
        )


def clear_start(folder: Path) -> None:
    """Remove what a start of ours without a checkpoint has left; call `check_free` before."""
    begun = run_id(folder)
    for path in (*_within(folder), folder / BEST):
        remove_own(path, begun)
    with suppress(OSError):  # a link, or not there
        (folder / CHECKPOINTS).rmdir()
    for path in (folder / METRICS, folder / IMAGES, *_events(folder)):
        if begun:
            path.unlink(missing_ok=True)


def remove_own(path: Path, run: str | None) -> None:
    """Remove a checkpoint or best/ of the run with this id; what others put there stays."""
    if _is_own(path, run):
        shutil.rmtree(path, ignore_errors=True)


def remove_run(folder: Path) -> None:
    """Remove all that a run wrote into its folder, and the folder if it is empty then."""
    run = run_id(folder)
    if run is None:
        return
    for path in (*_within(folder), folder / BEST):
        remove_own(path, run)
    for name in (METRICS, IMAGES, RESULT, CURVES, *ENCODER, SETTINGS):
        (folder / name).unlink(missing_ok=True)
    for empty in (folder / CHECKPOINTS, folder):
        with suppress(OSError):
            empty.rmdir()


def _within(folder: Path) -> list[Path]:
    """What lies in checkpoints/; [] where that is no folder."""
    inside = folder / CHECKPOINTS
    return sorted(inside.iterdir()) if inside.is_dir() else [inside] if inside.exists() else []


def _events(folder: Path) -> list[Path]:
    return sorted(folder.glob("events.out.tfevents.*"))


def _stands(path: Path, run: str | None) -> bool:
    """Whether something is there that is neither empty nor the run's own."""
    if path.is_dir() and not any(path.iterdir()):
        return False
    return (path.exists() or path.is_symlink()) and not _is_own(path, run)


def _is_own(path: Path, run: str | None) -> bool:
    """Whether a folder is the run's: of its files alone, with its id, or half-written by it."""
    if run is None or path.is_symlink() or not path.is_dir():
        return False
    if not {entry.name for entry in path.iterdir() if PART not in entry.name} <= _OF_FOLDERS:
        return False
    half_written = path.name.startswith(".") and path.name.endswith((PART, ".old"))
    return half_written or run in (run_id(path, MARK), run_id(path, POSITION))


def read_metrics(folder: Path | str) -> list[dict[str, Any]]:
    """The lines of a run's metrics.jsonl; a last line cut by a crash is left out.

    Raises `ValueError` naming another line that is no JSON object.
    """
    path = Path(folder) / METRICS
    text = read_text(path) if path.exists() else ""
    lines = []
    for number, line in enumerate(text.splitlines(keepends=True), 1):
        if not line.endswith("\n"):
            break
        try:
            lines.append(_metrics_of(parse_json(line)))
        except (ValueError, TypeError) as error:
            raise ValueError(
                f"{path}, line {number}: not a line of a run's metrics ({error}); remove it"
            ) from None
    return lines


def _metrics_of(line: Any) -> dict[str, Any]:
    """A line of metrics; raises `ValueError` for values of other kinds."""
    if not isinstance(line, dict) or not is_count(line.get("step")):
        raise ValueError("expected an object with a step, 0 or more")
    for name, value in line.items():
        if isinstance(value, bool) or not isinstance(value, _NUMBER) or not math.isfinite(value):
            raise ValueError(f"found {value!r} for {name}, expected a finite number")
    return line


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


_OF_STEPS = ("step", "loss", "host_loss", "recall", "lambda")
_DISTANCES = ("val_d_pos", "val_d_twin", "val_d_stranger")
_COLUMNS = {*_OF_STEPS, *_DISTANCES}


def curves(metrics: list[Mapping[str, Any]]) -> dict[str, list[float]]:
    """Columns for `result.json` and `plotting.training_curves` from the lines of a run.

    "step", "loss", "host_loss" (of a host that has one), "recall" (in the batch, 0 to 1), "lambda"
    (DPHR only) have one value a step;
    "val_step", "val_r_at_1" (percent) and the distances "val_d_pos", "val_d_twin",
    "val_d_stranger" (`evaluation.place_distances`) one a validation.
    """
    steps = [line for line in metrics if "loss" in line]
    checks = [line for line in metrics if "val_r_at_1" in line]
    for kind in (steps, checks):
        for line in kind:
            if lacking := sorted(set(kind[0]) & _COLUMNS - set(line)):
                raise ValueError(f"{METRICS}: step {line['step']} lacks {', '.join(lacking)}")
    columns = {
        name: [round(line[name], 6) for line in steps]
        for name in _OF_STEPS
        if steps and name in steps[0]
    }
    columns["val_step"] = [line["step"] for line in checks]
    columns["val_r_at_1"] = [round(line["val_r_at_1"], 4) for line in checks]
    for name in _DISTANCES:
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
