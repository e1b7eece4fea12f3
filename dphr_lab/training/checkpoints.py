"""A run's files on the way: begun, saved, resumed, or refused.

A checkpoint is a folder with the encoder, the tensors of loss and optimiser, every process's random
state, and the run's position. A run goes on from its newest one, bit for bit on the same CPU.
"""

from __future__ import annotations

import json
import math
import uuid
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError
from torch import nn

from dphr_lab._files import put_back, read_json, replace_folder_when_done, write_json
from dphr_lab.datasets.dataset import describe_data
from dphr_lab.datasets.identity import changed_images, list_images, places_of
from dphr_lab.models import Encoder, save_tensors
from dphr_lab.models.weights import load_tensors
from dphr_lab.results import environment
from dphr_lab.results.run_folder import (
    BEST,
    CHECKPOINTS,
    IMAGES,
    POSITION,
    RUN_FORMAT,
    SETTINGS,
    check_free,
    checkpoints,
    clear_start,
    holds_run,
    is_count,
    keep_metrics,
    newest_checkpoint,
    remove_own,
    stored_run,
)
from dphr_lab.settings import Settings

if TYPE_CHECKING:
    from dphr_lab.training.run import Run

STATE = "state.safetensors"  # beside the encoder's own files
OF_RUN = ("step", "epoch", "batch_of_epoch", "best", "wall_s")  # attributes, in the position
KEPT = 2  # step checkpoints of a run


def begin_or_resume(
    run: Run, folder: Path, resume: bool, origin: Mapping[str, Any], changed_data: bool = False
) -> Mapping[str, Any]:
    """Start a run folder, or put the run where the newest checkpoint left it.

    Returns the origin of its settings: the stored one of a run that goes on, else `origin`. A start
    that was cut before its first checkpoint is no run: it is begun anew. Raises what
    `training.fit` says of folders and of runs to resume.
    """
    record = {"settings": run.settings.to_dict(), "data": describe_data(run.data)}
    record = json.loads(json.dumps(record))  # as it will be read back
    changed = ""
    if resume:
        if not (folder / SETTINGS).exists():
            newest_checkpoint(folder)  # says that there is none
        before = stored_run(folder)
        origin = before["origin"]
        _check_same(folder, before, record, getattr(run.data, "settings", None))
        changed = _check_images(folder, run, changed_data)
        if changed:
            note = f"from step {newest_checkpoint(folder).name.removeprefix('step-')} on: {changed}"
            origin = {**origin, "changed_data": [*origin.get("changed_data", ()), note]}
    if not (resume and holds_run(folder)):
        check_free(folder)
    run.processes.wait()
    if resume and holds_run(folder):
        run.id = before["run"]
        _load(run, folder, bool(changed))
        moved = before["data"].get("root") != record["data"]["root"]
        if run.processes.main and (moved or changed):
            stored = read_json(folder / SETTINGS, "the settings of a run")
            stored["data"] = stored["data"] | {"root": record["data"]["root"]}
            write_json(folder / SETTINGS, stored | {"origin": dict(origin)})
            _write_images(run, folder)
        return origin
    run.begin_epoch(0)  # a batch that the data cannot fill is said before any writing
    if run.processes.main:
        clear_start(folder)
        run.id = uuid.uuid4().hex[:16]
        about = {"origin": dict(origin), "environment": environment.record()}
        write_json(folder / SETTINGS, {"format": RUN_FORMAT, "run": run.id} | record | about)
        _write_images(run, folder)
    return origin


def _write_images(run: Run, folder: Path) -> None:
    images = list_images(run.data)
    if images is not None:
        write_json(folder / IMAGES, images)


def _check_images(folder: Path, run: Run, changed_data: bool) -> str:
    """What is other in the data than when the run was started, which `changed_data` allows.

    Raises `ValueError` where it does not, or where places came or went: others would be held out.
    """
    now = list_images(run.data)
    if now is None or not (folder / IMAGES).is_file():  # begun by an earlier version
        return ""
    before = read_json(folder / IMAGES, "the images of a run", "remove it to go on without it")
    try:
        changed, places = changed_images(before, now), places_of(before) ^ places_of(now)
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(
            f"{folder / IMAGES}: not the images of a run ({type(error).__name__}: {error}); "
            "remove it to go on without it"
        ) from None
    if changed and (places or not changed_data):
        way = "start another run (--out)"
        if not places:
            way = f"go on with them as they are (changed_data=True, --changed-data), or {way}"
        raise ValueError(
            f"resume: the images in {run.data.root} are not those that the run in {folder} was "
            f"started on: {changed}; put back what was, {way}"
        )
    return changed


def save(run: Run, folder: Path, name: str | None = None) -> Path:
    """Write a checkpoint of the run, called after its step or `name`; returns where it lies."""
    checkpoint = folder / CHECKPOINTS / (name or f"step-{run.step:06d}")
    further = _random_states(run)
    if run.processes.main:
        if run.z_places is not None:
            further["z_places"] = torch.from_numpy(run.z_places)
        scaler = run.processes.accelerator.scaler  # there in fp16 only
        position = {name: getattr(run, name) for name in OF_RUN} | {
            "run": run.id,
            "scaler": None if scaler is None else scaler.state_dict(),
            "processes": run.processes.count,
            "environment": environment.record(),
        }
        write(checkpoint, run.encoder, run.loss, run.optimizer, further, position)
    run.processes.wait()
    return checkpoint


def _load(run: Run, folder: Path, anew: bool = False) -> None:
    """Put the run where its newest checkpoint left it; drop the metrics of later steps.

    `anew` plans the epoch under way again, since its pairs are other ones.
    """
    checkpoint = newest_checkpoint(folder)
    position = read_position(checkpoint, (*OF_RUN, "processes", "environment"))
    _check_position(checkpoint, position)
    if position["processes"] != run.processes.count:
        raise ValueError(
            f"resume: {checkpoint} was saved by {position['processes']} processes, found "
            f"{run.processes.count}; start as many as the run was started with"
        )
    _warn_of_other_machine(run, position["environment"])
    further = read(checkpoint, run.encoder, run.loss, run.optimizer)
    with _damage_told(checkpoint):
        rank = run.processes.rank
        torch.set_rng_state(further[f"random.{rank}.cpu"])
        if torch.cuda.is_available() and f"random.{rank}.cuda" in further:
            torch.cuda.set_rng_state(further[f"random.{rank}.cuda"])
        if run.processes.accelerator.scaler is not None:
            run.processes.accelerator.scaler.load_state_dict(position["scaler"])
    for name in OF_RUN:
        setattr(run, name, position[name])
    put_back(folder / BEST)
    if anew:
        run.begin_epoch(run.epoch)
    else:
        run.z_places = further["z_places"].numpy() if "z_places" in further else None
        run.plan = run.plan_epoch(run.epoch)
    if run.batch_of_epoch > len(run.plan):
        raise ValueError(
            f"resume: {checkpoint} stands after batch {run.batch_of_epoch} of an epoch, and this "
            f"data gives {len(run.plan)} batches; put back the images that the run was started on, "
            "or start another run"
        )
    if run.processes.main:
        keep_metrics(folder, run.step)


def _random_states(run: Run) -> dict[str, torch.Tensor]:
    """{"random.<rank>.<cpu or cuda>": state} of every process."""
    own = {"cpu": torch.get_rng_state()}
    if torch.cuda.is_available():
        own["cuda"] = torch.cuda.get_rng_state()
    return {
        f"random.{rank}.{name}": row.clone()
        for name, state in own.items()
        for rank, row in enumerate(run.processes.from_all(state))
    }


def _check_same(folder: Path, before: dict[str, Any], now: dict[str, Any], world: Any) -> None:
    """Raise `ValueError` unless the stored run has these settings and this data.

    A setting that is newer than the stored run counts as its default, and so does one of the
    rendered `world`, which is None for data on disk.
    """
    before["settings"] = Settings.from_dict(before["settings"]).to_dict()
    if before["data"]["world"] and now["data"]["world"]:
        defaults = {f.name: f.default for f in fields(world)}
        before["data"]["world"] = {
            name: before["data"]["world"].get(name, defaults.get(name))
            for name in {**now["data"]["world"], **before["data"]["world"]}
        }
    different = [
        f"{name}: stored {before[part].get(name)!r}, given {value!r}"
        for part in ("settings", "data")
        for name, value in now[part].items()
        if name != "root" and before[part].get(name) != value  # folders may be moved
    ]
    if different:
        raise ValueError(
            f"resume: the run in {folder} was started with other settings or data; "
            f"{'; '.join(different)}; resume with the stored ones or start another run"
        )


def _warn_of_other_machine(run: Run, before: Mapping[str, Any]) -> None:
    now = json.loads(json.dumps(environment.record()))
    if before != now and run.processes.main:
        warnings.warn(
            "resume: versions or hardware differ from those of the checkpoint, so the run "
            f"will not end bit for bit as it would have: {before} then, {now} now",
            stacklevel=2,
        )


def _check_position(checkpoint: Path, position: Mapping[str, Any]) -> None:
    """Raise `ValueError` for a position whose values are of other kinds."""
    best, wall_s = position["best"], position["wall_s"]
    right = {name: is_count(position[name]) for name in ("step", "epoch", "batch_of_epoch")}
    right["processes"] = is_count(position["processes"]) and position["processes"] > 0
    right["wall_s"] = _is_number(wall_s) and wall_s >= 0
    right["best"] = (
        isinstance(best, dict)
        and (best.get("step", "") is None or is_count(best.get("step")))
        and _is_number(best.get("val_r_at_1"))
    )
    right["environment"] = isinstance(position["environment"], dict)
    right["scaler"] = isinstance(position.get("scaler"), dict | None)
    with _damage_told(checkpoint):
        if wrong := [name for name, fits in right.items() if not fits]:
            found = position.get(wrong[0])
            raise ValueError(f"{checkpoint / POSITION}: found {found!r} for {wrong[0]}")


def _is_number(value: object) -> bool:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and math.isfinite(value)


def write(
    folder: Path,
    encoder: Encoder,
    loss: nn.Module,
    optimizer: torch.optim.Optimizer,
    further: Mapping[str, torch.Tensor],
    position: Mapping[str, Any],
) -> None:
    """Write a checkpoint's folder; remove all step checkpoints except the last `KEPT`.

    `further` tensors are given back by `read`, `position` by `read_position`.
    """
    tensors = {f"loss.{k}": v for k, v in loss.state_dict().items()} | dict(further)
    for index, values in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{index}.{k}": v for k, v in values.items()}
    shapes = {name: list(value.shape) for name, value in tensors.items()}
    with replace_folder_when_done(folder) as aside:
        encoder.save(aside)
        save_tensors(tensors, aside / STATE)
        write_json(aside / POSITION, {**position, "tensors": shapes})
    for old in checkpoints(folder.parents[1])[:-KEPT]:
        remove_own(old, position.get("run"))


def read_position(folder: Path, wanted: Iterable[str] = ()) -> dict[str, Any]:
    """The `position` that `write` was given; raises `ValueError` for a damaged checkpoint."""
    with _damage_told(folder):
        position = read_json(folder / POSITION, "the position of a checkpoint")
        if missing := sorted(set(wanted) - set(position)):
            raise ValueError(f"{folder / POSITION}: lacks {', '.join(missing)}")
        return position


def read(
    folder: Path, encoder: Encoder, loss: nn.Module, optimizer: torch.optim.Optimizer
) -> dict[str, torch.Tensor]:
    """Put weights, loss and optimiser back; returns the `further` tensors.

    Raises `ValueError` for a damaged checkpoint, and for one whose classifiers know other places.
    """
    with _damage_told(folder):
        stored = Encoder.load(folder).state_dict()
    _check_classes(encoder, stored)
    with _damage_told(folder):
        tensors = load_tensors(folder / STATE)
        _check_whole(folder, tensors)
        encoder.load_state_dict(stored)
        loss.load_state_dict(_under(tensors, "loss."))
        state = optimizer.state_dict()
        state["state"] = {}
        for key, value in _under(tensors, "optimizer.").items():
            index, name = key.split(".", 1)
            state["state"].setdefault(int(index), {})[name] = value
        optimizer.load_state_dict(state)
    return {k: v for k, v in tensors.items() if not k.startswith(("loss.", "optimizer."))}


def _check_whole(folder: Path, tensors: Mapping[str, torch.Tensor]) -> None:
    """Raise `ValueError` unless the state holds what its position lists, where that has a list."""
    listed = read_json(folder / POSITION, "the position of a checkpoint").get("tensors")
    if listed is None:  # of an earlier version
        return
    if not isinstance(listed, dict):
        raise ValueError(f"{folder / POSITION}: found {listed!r} for tensors")
    found = {name: list(value.shape) for name, value in tensors.items()}
    for name in sorted(listed.keys() | found.keys()):
        if listed.get(name) != found.get(name):
            raise ValueError(
                f"{folder / STATE}: {name} is of shape {found.get(name)}, "
                f"{listed.get(name)} was saved"
            )


def _check_classes(encoder: Encoder, stored: Mapping[str, torch.Tensor]) -> None:
    """Raise `ValueError` unless a stored host's classifiers know the run's training places."""
    now, before = (state.get("class_places") for state in (encoder.state_dict(), stored))
    if now is None or before is None or torch.equal(now.cpu(), before):
        return
    other = "" if len(now) != len(before) else ", other ones"
    raise ValueError(
        f"resume: the classifiers of the checkpoint know {len(before)} training places, and the "
        f"run has {len(now)}{other}; resume on the data that it was started with, or start another"
    )


@contextmanager
def _damage_told(folder: Path) -> Iterator[None]:
    """Say of whatever a file that is missing, cut or of another run raises what to do about it."""
    try:
        yield
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        raise ValueError(
            f"resume: {folder} is no whole checkpoint of this run ({error}); remove that folder, "
            "and the run goes on from the one before it, or starts anew"
        ) from error


def _under(tensors: Mapping[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
