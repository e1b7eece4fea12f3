"""`fit` and `refit`: settings and data in, a run folder out."""

import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from dphr_lab._files import write_json
from dphr_lab._locks import only_writer
from dphr_lab.datasets import CrossViewDataset
from dphr_lab.datasets.dataset import describe_data
from dphr_lab.localization import evaluate_dataset
from dphr_lab.models import Encoder
from dphr_lab.results import environment
from dphr_lab.results.run_folder import (
    CURVES,
    RESULT,
    RUN_FORMAT,
    curves,
    read_metrics,
    stored_result,
)
from dphr_lab.settings import Settings
from dphr_lab.training import checkpoints
from dphr_lab.training.interrupts import stop_after_step
from dphr_lab.training.log import Log, draw_curves, tensorboard_writer
from dphr_lab.training.run import NonFiniteLossError, Run
from dphr_lab.training.selection import save_chosen, validate, validation_is_due

SHOWN = ("loss", "lambda", "recall", "images_per_s")  # beside the progress bar


def fit(
    settings: Settings,
    data: CrossViewDataset,
    run_folder: Path | str,
    *,
    resume: bool = False,
    evaluate_test: bool = True,
    progress: bool = True,
    origin: Mapping[str, Any] | None = None,
    tensorboard: bool = False,
    changed_data: bool = False,
) -> dict[str, Any]:
    """Train an encoder on the pairs of `data` and return what `result.json` holds.

    The best encoder by R@1 on held-out training places (drone → satellite) is kept, or the last
    one (`settings.select`, or where nothing is held out). The test half is read once, at the end,
    if there is one and `evaluate_test`; but `select="test"` chooses by the test half itself, as
    many published numbers were, holds nothing out by itself, and stamps all that it makes.

    With `resume` the run in `run_folder` goes on from its newest checkpoint, and ends as the
    uninterrupted run would have: bit for bit on the same CPU, versions, thread and process count
    (a GPU's kernels may sum in another order each time). The data may lie elsewhere by now. Images
    that came, went or changed are named and refused; `changed_data` goes on with them as long as
    the places are the same, begins the epoch under way anew and keeps a note in the result.

    `origin` says where the settings come from, such as {"recipe": {"name": …, "overridden": …}},
    and is stored with the run; a resumed run has the one that it was started with. `tensorboard`
    writes the lines of metrics.jsonl as events, too; it needs the package of that name.

    Ctrl-C stops after the step under way, with a checkpoint. Raises `ValueError` for settings
    that do not suit the data or the run to resume, `FileExistsError` for a folder that holds
    another run or files that a run would write over, `BlockingIOError` where another process
    trains in it, `FileNotFoundError` for nothing to resume, `NonFiniteLossError` (with a
    checkpoint of the state before the step) for a loss that is NaN or infinite.
    """
    # A run starts where its settings say: one process's globals are set here and nowhere else.
    if settings.threads is not None:
        torch.set_num_threads(settings.threads)
    torch.manual_seed(settings.seed)
    board = tensorboard_writer() if tensorboard else None
    folder, run = Path(run_folder), Run(settings, data)
    progress = progress and run.processes.main
    with only_writer(folder):
        origin = checkpoints.begin_or_resume(run, folder, resume, origin or {}, changed_data)
        if progress:
            print(
                f"{run.plan.used} pairs an epoch in {len(run.plan)} batches of "
                f"{settings.batch} places; {run.plan.left_out} pairs left out"
            )
            for note in run.notes:
                print(f"note: {note}")
        with Log(folder if run.processes.main else None, board, run.step) as log:
            train(run, folder, log, progress)
        return finish(run, folder, origin, evaluate_test)


def train(run: Run, folder: Path, log: Log, progress: bool = False) -> None:
    """Steps until the last, with validations and checkpoints on the way."""
    from tqdm.auto import tqdm

    settings, began, wall_before = run.settings, time.perf_counter(), run.wall_s
    bar = tqdm(total=settings.steps, initial=run.step, disable=not progress)
    saved_at = run.step
    with stop_after_step() as stop, bar:
        coming = run.coming_batches()
        while True:
            try:
                batch = next(coming, None)
            except (OSError, ValueError, RuntimeError):  # an image, or a process that reads
                if run.step > saved_at and run.processes.count == 1:
                    saved = checkpoints.save(run, folder)
                    print(f"\nthe {run.step} steps so far are saved in {saved}", file=sys.stderr)
                raise
            if batch is None:
                return
            try:
                line = run.take_step(batch)
            except NonFiniteLossError as error:
                saved = checkpoints.save(run, folder, "non-finite")
                saved = f"the state before this step is in {saved}"
                raise NonFiniteLossError(error.found, error.step, error.places, saved) from None
            log.write(line)
            bar.update()
            bar.set_postfix({k: f"{line[k]:.3g}" for k in SHOWN if k in line})
            validating = validation_is_due(run)
            if run.batch_of_epoch == len(run.plan):
                run.begin_epoch(run.epoch + 1)
            if validating:
                validate(run, folder, log)
            run.wall_s = wall_before + time.perf_counter() - began
            last, stopped = run.step == settings.steps, run.processes.any(stop.is_set())
            if last or stopped or run.step % settings.checkpoint_every == 0:
                saved, saved_at = checkpoints.save(run, folder), run.step
            if stopped and not last:
                raise KeyboardInterrupt(f"stopped after step {run.step}; saved {saved}")


def finish(
    run: Run, folder: Path, origin: Mapping[str, Any], evaluate_test: bool
) -> dict[str, Any]:
    """Choose the encoder, read the test half once, and write the run's results.

    Returns them; {} in other processes than the main one.
    """
    result = {}
    if run.processes.main:
        choice, report = save_chosen(run, folder), {}
        if evaluate_test and run.data.has_test:
            # as stored, in float32: the encoder in training may be under autocast
            stored = Encoder.load(folder).to(run.processes.device)
            report = evaluate_dataset(stored, run.data)
        data = describe_data(run.data)
        if data["root"] is not None:  # results travel; the folders of a machine stay there
            data["root"] = Path(data["root"]).name
        images = 2 * run.settings.batch * run.step  # all told, with validation and checkpoints
        result = {
            "format": RUN_FORMAT,
            "settings": run.settings.to_dict(),
            **origin,
            "data": data,
            **environment.record(),
            "wall_s": round(run.wall_s, 2),
            "images_per_s": round(images / run.wall_s, 1) if run.wall_s else None,
            **choice,
            "trained_on": {"places": len(run.pairs), "held_out_places": len(run.held_out)},
            "curves": curves(read_metrics(folder)),
            "report": {direction: r.to_dict() for direction, r in report.items()},
        }
        draw_curves(result["curves"], folder / CURVES)
        write_json(folder / RESULT, result)  # last: where it stands, all else does
    run.processes.wait()
    return result


def refit(
    run_folder: Path | str, data: CrossViewDataset, out: Path | str, **options: Any
) -> dict[str, Any]:
    """Train anew on all training places, for as many steps as a finished run chose; as `fit` does.

    Published numbers train on all places; a run that holds some out learns how long. The schedule
    is that of a run of so many steps [O]. The test half plays no part in the choice, so a run that
    was selected on it is refused with `ValueError`; `FileNotFoundError` for one without a result.
    `options` are those of `fit`.
    """
    path = Path(run_folder) / RESULT
    if not path.is_file():
        raise FileNotFoundError(
            f"refit: found no {RESULT} in {run_folder}; give a run that went to its end"
        )
    before = stored_result(Path(run_folder))
    try:
        settings = Settings.from_dict(before["settings"])
    except ValueError as error:
        raise ValueError(f"{path}: not the result of a run ({error})") from None
    if settings.select == "test":
        raise ValueError(
            f"refit: the run in {run_folder} was selected on the test set, and so would be what "
            "is refitted from it; give a run that was selected on held-out training places"
        )
    chosen = before["selected_step"]
    settings = settings.changed(val_places=0, select="last", steps=chosen, epochs=None)
    held_out = before.get("trained_on", {}).get("held_out_places")
    origin = {name: before[name] for name in ("recipe",) if name in before} | {
        "refit": {
            "of": Path(run_folder).name,
            "steps_chosen": chosen,
            "steps_of_that_run": before["settings"]["steps"],
            "held_out_places": held_out,
        }
    }
    return fit(settings, data, out, origin=origin, **options)
