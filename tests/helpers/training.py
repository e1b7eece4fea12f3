"""What tests that train share: data that can be learned in seconds, and runs stopped midway."""

import json
import os
import signal
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch

from dphr_lab import training
from dphr_lab.datasets import ArrayImages, PairSet
from dphr_lab.results.run_folder import newest_checkpoint
from dphr_lab.settings import Settings
from dphr_lab.training.fitting import train
from dphr_lab.training.log import Log
from dphr_lab.training.run import Run

PX = 32
# over a recipe: any of them runs in seconds on small worlds
SMALL = {
    "backbone": "test_convnext",
    "pretrained": None,
    "image_px": 32,
    "batch": 4,
    "mixed_precision": "no",
    "val_places": 2,
}


class ColouredPlaces:
    """Places told apart by a 2 x 2 pattern of colours, each image with its own noise.

    `places` of them to train on and as many to test on, `drones` drone images each.
    """

    name, root, height_m, has_test = "coloured places", None, None, True

    def __init__(self, places: int = 24, drones: int = 2):
        rng = np.random.default_rng(0)
        patterns = rng.integers(0, 256, (2 * places, 2, 2, 3))

        def images(view, ids, repeats):
            labels = np.repeat(ids, repeats)
            blocks = patterns[labels].repeat(PX // 2, 1).repeat(PX // 2, 2)
            noisy = blocks + rng.normal(0, 12, blocks.shape)
            return ArrayImages(view, noisy.clip(0, 255).astype(np.uint8), labels)

        self.train, self._test = (
            PairSet(images("drone", ids, drones), images("satellite", ids, 1))
            for ids in np.split(np.arange(2 * places), 2)
        )

    def test(self, direction):
        return self._test.direction(direction)


def settings(**values) -> Settings:
    # 24 places less 4 held out, 2 pairs each: epochs of 4, 5, … batches of 8
    small = {
        "image_px": PX,
        "batch": 8,
        "val_places": 4,
        "steps": 12,
        "checkpoint_every": 3,
        "threads": 1,
    }
    return Settings(**small | values)


def tensors_of(run: Path) -> dict[str, torch.Tensor]:
    """Everything a run's newest checkpoint holds."""
    folder = newest_checkpoint(run)
    found = {}
    for file in sorted(folder.glob("*.safetensors")):
        for name, value in safetensors.torch.load_file(file).items():
            found[f"{file.name}:{name}"] = value
    return found


def assert_same_run(one: Path, other: Path) -> None:
    a, b = tensors_of(one), tensors_of(other)
    assert a.keys() == b.keys()
    assert not [name for name in a if not torch.equal(a[name], b[name])]
    results = [json.loads((run / "result.json").read_text("utf-8")) for run in (one, other)]
    assert results[0]["curves"] == results[1]["curves"]
    assert results[0]["report"] == results[1]["report"]


def begun(options: Settings, data) -> Run:
    """A run whose first epoch is planned."""
    run = Run(options, data)
    run.begin_epoch(0)
    return run


def trained(run: Run, folder: Path) -> Run:
    """The run after its last step."""
    with Log(folder) as log:
        folder.mkdir()
        train(run, folder, log)
    return run


@contextmanager
def after_step(step: int, act):
    """Within it, `act()` is called once the metrics of `step` are written."""
    write = Log.write

    def write_and_act(self, line):
        write(self, line)
        if line["step"] == step and "loss" in line:
            act()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Log, "write", write_and_act)
        yield


def press_ctrl_c():
    os.kill(os.getpid(), signal.SIGINT)


def stopped_and_resumed(options, data, run: Path, stop_after: int) -> Path:
    stopped = pytest.raises(KeyboardInterrupt, match=f"step {stop_after}")
    with after_step(stop_after, press_ctrl_c), stopped:
        training.fit(options, data, run, progress=False)
    assert newest_checkpoint(run).name == f"step-{stop_after:06d}"
    torch.manual_seed(99)  # what happens between the runs must not matter
    training.fit(options, data, run, resume=True, progress=False)
    return run
