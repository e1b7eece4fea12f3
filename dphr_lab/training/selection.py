"""Which encoder a run keeps: places held out, validations on the way, and the choice at its end."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dphr_lab._files import replace_folder_when_done
from dphr_lab.datasets import PairSet
from dphr_lab.localization import place_distances, score
from dphr_lab.models import Encoder
from dphr_lab.results.run_folder import BEST
from dphr_lab.settings import Settings

if TYPE_CHECKING:
    from dphr_lab.training.log import Log
    from dphr_lab.training.run import Run

SELECTED_ON = {
    "best": "held-out training places",
    "last": "nothing: the last step",
    "test": "the test set",
}


def hold_out(pairs: PairSet, settings: Settings) -> tuple[PairSet, PairSet]:
    """The places to train on and those to validate on."""
    count = settings.val_places
    if count is None and settings.select == "test":
        count = 0
    if count is None:
        count = len(pairs) // 10
        if count and pairs.families is not None:  # at least one family, whatever its size
            count = max(count, int(np.bincount(pairs.families).max()))
    try:
        return pairs.hold_out(count, settings.seed)
    except ValueError as error:
        raise ValueError(f"val_places: {error}") from None


def validation_is_due(run: Run, end_of_epoch: bool) -> bool:
    """Whether to validate after the step that was taken last."""
    every, settings = run.settings.validate_every, run.settings
    return run.step == settings.steps or (end_of_epoch if every is None else run.step % every == 0)


def validate(run: Run, folder: Path, log: Log) -> None:
    """Score the held-out places drone → satellite; keep the encoder when it is the best so far.

    `select` "test" scores the test half instead, and what it keeps says so.
    """
    on_test = run.settings.select == "test"
    if run.processes.main and (on_test or len(run.held_out.drone)):
        query, gallery = run.data.test("D2S") if on_test else run.held_out.direction("D2S")
        z_query, z_gallery = (run.processes.embed(run.encoder, i) for i in (query, gallery))
        r_at_1 = score(z_query, query, z_gallery, gallery).r_at_1
        now = {"step": run.step, "val_r_at_1": r_at_1}
        distances = place_distances(z_query, query, z_gallery, gallery)
        log.write(now | {f"val_{name}": d for name, d in distances.items()})
        if now["val_r_at_1"] > run.best["val_r_at_1"]:
            run.best = now
            with replace_folder_when_done(folder / BEST) as aside:
                run.encoder.save(aside, selected_on_test=on_test)
    run.processes.wait()


def save_chosen(run: Run, folder: Path) -> dict[str, Any]:
    """Save the encoder that the run chose; returns what its result says of the choice."""
    use_best = run.settings.select != "last" and run.best["step"] is not None
    chosen = Encoder.load(folder / BEST) if use_best else run.encoder
    chosen.save(folder)
    return {
        "selected_step": run.best["step"] if use_best else run.step,
        "selected_on": SELECTED_ON[run.settings.select if use_best else "last"],
    }
