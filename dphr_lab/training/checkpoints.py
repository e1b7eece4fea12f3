"""A run's files on the way: begun, saved, resumed, or refused.

A checkpoint is a folder with the encoder, the tensors of loss and optimiser, every process's random
state, and the run's position. A run goes on from its newest one, bit for bit on the same CPU.
"""

from __future__ import annotations

import json
import shutil
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError
from torch import nn

from dphr_lab._files import read_json, replace_folder_when_done, write_json
from dphr_lab.datasets.dataset import describe_data
from dphr_lab.models import Encoder, save_tensors
from dphr_lab.models.weights import load_tensors
from dphr_lab.results import environment
from dphr_lab.results.run_folder import (
    RUN_FORMAT,
    SETTINGS,
    checkpoints,
    clear_start,
    holds_run,
    keep_metrics,
    newest_checkpoint,
    stored_run,
)
from dphr_lab.settings import Settings

if TYPE_CHECKING:
    from dphr_lab.training.run import Run

POSITION, STATE = "position.json", "state.safetensors"  # beside the encoder's own files
OF_RUN = ("step", "epoch", "batch_of_epoch", "best", "wall_s")  # attributes, in the position
KEPT = 2  # step checkpoints of a run


def begin_or_resume(
    run: Run, folder: Path, resume: bool, origin: Mapping[str, Any]
) -> Mapping[str, Any]:
    """Start a run folder, or put the run where the newest checkpoint left it.

    Returns the origin of its settings: the stored one of a run that goes on, else `origin`. A start
    that was cut before its first checkpoint is no run: it is begun anew. Raises what
    `training.fit` says of folders and of runs to resume.
    """
    record = {"settings": run.settings.to_dict(), "data": describe_data(run.data)}
    record = json.loads(json.dumps(record))  # as it will be read back
    if resume:
        if not (folder / SETTINGS).exists():
            newest_checkpoint(folder)  # says that there is none
        before = stored_run(folder)
        origin = before["origin"]
        _check_same(folder, before, record, getattr(run.data, "settings", None))
    elif holds_run(folder):
        raise FileExistsError(
            f"run_folder: found another run in {folder}; "
            "resume it (resume=True, --resume) or choose an empty folder"
        )
    run.processes.wait()
    if resume and holds_run(folder):
        _load(run, folder)
        return origin
    run.begin_epoch(0)  # a batch that the data cannot fill is said before any writing
    if run.processes.main:
        clear_start(folder)
        about = {"origin": dict(origin), "environment": environment.record()}
        write_json(folder / SETTINGS, {"format": RUN_FORMAT} | record | about)
    return origin


def save(run: Run, folder: Path, name: str | None = None) -> Path:
    """Write a checkpoint of the run, called after its step or `name`; returns where it lies."""
    checkpoint = folder / "checkpoints" / (name or f"step-{run.step:06d}")
    further = _random_states(run)
    if run.processes.main:
        if run.z_places is not None:
            further["z_places"] = torch.from_numpy(run.z_places)
        scaler = run.processes.accelerator.scaler  # there in fp16 only
        position = {name: getattr(run, name) for name in OF_RUN} | {
            "scaler": None if scaler is None else scaler.state_dict(),
            "processes": run.processes.count,
            "environment": environment.record(),
        }
        write(checkpoint, run.encoder, run.loss, run.optimizer, further, position)
    run.processes.wait()
    return checkpoint


def _load(run: Run, folder: Path) -> None:
    """Put the run where its newest checkpoint left it; drop the metrics of later steps."""
    checkpoint = newest_checkpoint(folder)
    position = read_position(checkpoint, (*OF_RUN, "processes", "environment"))
    if position["processes"] != run.processes.count:
        raise ValueError(
            f"resume: {checkpoint} was saved by {position['processes']} processes, found "
            f"{run.processes.count}; start as many as the run was started with"
        )
    _warn_of_other_machine(run, position["environment"])
    further = read(checkpoint, run.encoder, run.loss, run.optimizer)
    rank = run.processes.rank
    torch.set_rng_state(further[f"random.{rank}.cpu"])
    if torch.cuda.is_available() and f"random.{rank}.cuda" in further:
        torch.cuda.set_rng_state(further[f"random.{rank}.cuda"])
    if run.processes.accelerator.scaler is not None:
        run.processes.accelerator.scaler.load_state_dict(position["scaler"])
    for name in OF_RUN:
        setattr(run, name, position[name])
    run.z_places = further["z_places"].numpy() if "z_places" in further else None
    run.plan = run.plan_epoch(run.epoch)
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
    with replace_folder_when_done(folder) as aside:
        encoder.save(aside)
        save_tensors(tensors, aside / STATE)
        write_json(aside / POSITION, position)
    for old in checkpoints(folder.parents[1])[:-KEPT]:
        shutil.rmtree(old)


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
        encoder.load_state_dict(stored)
        loss.load_state_dict(_under(tensors, "loss."))
        state = optimizer.state_dict()
        state["state"] = {}
        for key, value in _under(tensors, "optimizer.").items():
            index, name = key.split(".", 1)
            state["state"].setdefault(int(index), {})[name] = value
        optimizer.load_state_dict(state)
    return {k: v for k, v in tensors.items() if not k.startswith(("loss.", "optimizer."))}


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
