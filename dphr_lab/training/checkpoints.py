"""What a checkpoint holds of a training's tensors, and how they get back into place."""

import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from dphr_lab._files import read_json, replace_folder_when_done, write_json
from dphr_lab.models import Encoder, save_tensors
from dphr_lab.results.run_folder import checkpoints

POSITION, STATE = "position.json", "state.safetensors"  # beside the encoder's own files
KEPT = 2  # step checkpoints of a run


def save(
    folder: Path,
    encoder: Encoder,
    loss: nn.Module,
    optimizer: torch.optim.Optimizer,
    further: Mapping[str, torch.Tensor],
    position: Mapping[str, Any],
) -> None:
    """Write a checkpoint aside, rename it, and remove all step checkpoints but the last `KEPT`.

    `further` tensors are given back by `load`, `position` by `read_position`.
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
    """The `position` that `save` was given; raises `ValueError` for a damaged checkpoint."""
    with _damage_told(folder):
        position = read_json(folder / POSITION, "the position of a checkpoint")
        if missing := sorted(set(wanted) - set(position)):
            raise ValueError(f"{folder / POSITION}: lacks {', '.join(missing)}")
        return position


def load(
    folder: Path, encoder: Encoder, loss: nn.Module, optimizer: torch.optim.Optimizer
) -> dict[str, torch.Tensor]:
    """Put weights, loss and optimiser back; returns the `further` tensors.

    Raises `ValueError` for a damaged checkpoint, and for one whose classifiers know other places.
    """
    with _damage_told(folder):
        stored = Encoder.load(folder).state_dict()
    _check_classes(encoder, stored)
    with _damage_told(folder):
        tensors = load_file(folder / STATE)
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
