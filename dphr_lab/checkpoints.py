"""What a checkpoint holds of a training's tensors, and how they get back into place."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import nn

from dphr_lab._files import write_json
from dphr_lab.models import Encoder
from dphr_lab.run_folder import checkpoints, replaced_folder

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
    with replaced_folder(folder) as aside:
        encoder.save(aside)
        safetensors.torch.save_file(
            {k: v.detach().cpu().contiguous() for k, v in tensors.items()},
            aside / "state.safetensors",
        )
        write_json(aside / "position.json", position)
    for old in checkpoints(folder.parents[1])[:-KEPT]:
        shutil.rmtree(old)


def read_position(folder: Path) -> dict[str, Any]:
    """The `position` that `save` was given."""
    return json.loads((folder / "position.json").read_text())


def load(
    folder: Path, encoder: Encoder, loss: nn.Module, optimizer: torch.optim.Optimizer
) -> dict[str, torch.Tensor]:
    """Put weights, loss and optimiser back; returns the `further` tensors."""
    tensors = safetensors.torch.load_file(folder / "state.safetensors")
    encoder.load_state_dict(Encoder.load(folder).state_dict())
    loss.load_state_dict(_under(tensors, "loss."))
    state = optimizer.state_dict()
    state["state"] = {}
    for key, value in _under(tensors, "optimizer.").items():
        index, name = key.split(".", 1)
        state["state"].setdefault(int(index), {})[name] = value
    optimizer.load_state_dict(state)
    return {k: v for k, v in tensors.items() if not k.startswith(("loss.", "optimizer."))}


def _under(tensors: Mapping[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
