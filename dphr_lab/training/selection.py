"""Which encoder a run keeps: places held out, validations on the way, and the choice at its end."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dphr_lab._files import replace_folder_when_done, write_json
from dphr_lab.datasets import PairSet
from dphr_lab.localization import place_distances, score
from dphr_lab.models import Encoder
from dphr_lab.results.run_folder import BEST, MARK
from dphr_lab.settings import Settings

if TYPE_CHECKING:
    from dphr_lab.training.log import Log
    from dphr_lab.training.run import Run

SELECTED_ON = {
    "best": "held-out training places",
    "last": "nothing: the last step",
    "test": "the test set",
}


FEWEST_TO_CHOOSE_BY = 5  # held-out places: with fewer R@1 moves in steps of over 20 points
MOST_VALIDATIONS = 100  # a run, where the settings do not say how often


def hold_out(pairs: PairSet, settings: Settings) -> tuple[PairSet, PairSet]:
    """The places to train on and those to validate on.

    By itself a tenth of the places; none where that is too few to choose an encoder by.
    """
    count = settings.val_places
    if count is None and settings.select == "test":
        count = 0
    if count is None:
        count = len(pairs) // 10
        if count and pairs.families is not None:  # at least one family, whatever its size
            count = max(count, int(np.bincount(pairs.families).max()))
        if count < FEWEST_TO_CHOOSE_BY:
            count = 0
    try:
        return pairs.hold_out(count, settings.seed)
    except ValueError as error:
        raise ValueError(f"val_places: {error}") from None


def selection_note(settings: Settings, places: int, held_out: int) -> str:
    """What to say of a choice that held-out places cannot make; empty where they can."""
    if settings.select != "best" or settings.val_places == 0:
        return ""
    if held_out == 0:
        return (
            f"{places} training places are too few to hold some out and choose by them: all are "
            "trained on, the last encoder is kept (val_places, --val-places N holds N out)"
        )
    if held_out == 1:
        return (
            "one held-out place cannot choose an encoder, since its R@1 is always 100: the last "
            "one is kept; hold out more (val_places, --val-places)"
        )
    if held_out < FEWEST_TO_CHOOSE_BY:
        return (
            f"{held_out} are few held-out places to choose by: R@1 moves in steps of about "
            f"{100 / held_out:.0f} points; hold out more, or keep the last (select, --select last)"
        )
    return ""


def validation_is_due(run: Run) -> bool:
    """Whether to validate after the step that was taken last; call it before the next epoch.

    Without `validate_every` at the end of an epoch, but no more than `MOST_VALIDATIONS` times.
    """
    every, steps = run.settings.validate_every, run.settings.steps
    if run.step == steps:
        return True
    if every is not None:
        return run.step % every == 0
    before = max(0, run.step - len(run.plan))
    part, part_before = (MOST_VALIDATIONS * step // steps for step in (run.step, before))
    return run.batch_of_epoch == len(run.plan) and part > part_before


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
                write_json(aside / MARK, {"run": run.id})
    run.processes.wait()


def save_chosen(run: Run, folder: Path) -> dict[str, Any]:
    """Save the encoder that the run chose; returns what its result says of the choice."""
    use_best = run.settings.select != "last" and run.best["step"] is not None
    if run.settings.select == "best" and len(run.held_out) == 1:
        use_best = False  # its R@1 is always 100
    chosen = Encoder.load(folder / BEST) if use_best else run.encoder
    chosen.save(folder)
    return {
        "selected_step": run.best["step"] if use_best else run.step,
        "selected_on": SELECTED_ON[run.settings.select if use_best else "last"],
    }
