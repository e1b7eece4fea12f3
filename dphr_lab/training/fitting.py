"""`fit` and `refit`: settings and data in, a run folder out."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from dphr_lab.datasets import CrossViewDataset
from dphr_lab.results.run_folder import RESULT, stored_result
from dphr_lab.settings import Settings
from dphr_lab.training.log import tensorboard_writer
from dphr_lab.training.run import Run


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
) -> dict[str, Any]:
    """Train an encoder on the pairs of `data` and return what `result.json` holds.

    The best encoder by R@1 on held-out training places (drone → satellite) is kept, or the last
    one (`settings.select`, or where nothing is held out). The test half is read once, at the end,
    if there is one and `evaluate_test`; but `select="test"` chooses by the test half itself, as
    many published numbers were, holds nothing out by itself, and stamps all that it makes.

    With `resume` the run in `run_folder` goes on from its newest checkpoint, and ends as the
    uninterrupted run would have: bit for bit on the same CPU, versions, thread and process count
    (a GPU's kernels may sum in another order each time).

    `origin` says where the settings come from, such as {"recipe": {"name": …, "overridden": …}},
    and is stored with the run; a resumed run has the one that it was started with. `tensorboard`
    writes the lines of metrics.jsonl as events, too; it needs the package of that name.

    Ctrl-C stops after the step under way, with a checkpoint. Raises `ValueError` for settings
    that do not suit the data or the run to resume, `FileExistsError` for a folder that holds
    another run, `FileNotFoundError` for nothing to resume, `NonFiniteLossError` (with a
    checkpoint of the state before the step) for a loss that is NaN or infinite.
    """
    # A run starts where its settings say: one process's globals are set here and nowhere else.
    if settings.threads is not None:
        torch.set_num_threads(settings.threads)
    torch.manual_seed(settings.seed)
    board = tensorboard_writer() if tensorboard else None
    run = Run(
        settings, data, Path(run_folder), resume=resume, progress=progress, origin=origin or {}
    )
    with run.logging_to(board):
        run.train()
    return run.finish(evaluate_test)


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
    settings = Settings.from_dict(before["settings"])
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
