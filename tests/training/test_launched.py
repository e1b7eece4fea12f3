"""`dphr train` as the pages say how to start it on several GPUs; on a CPU it is the same line."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

from dphr_lab.cli.train import ON_SEVERAL_GPUS
from tests.faults import words
from tests.faults.conftest import SMALL
from tests.helpers import ROOT, run

pytestmark = pytest.mark.slow


def test_the_line_trains_one_run_over_its_processes(tmp_path):
    world = tmp_path / "world"
    assert run("scenes", "--preset", "tiny", "--out", world, *SMALL, "--workers", 1) == 0
    short = words("--image-px 32 --batch 4 --val-places 0 --steps 3 --threads 1 --no-augmentation")
    own = {name: value for name, value in os.environ.items() if name != "ACCELERATE_USE_CPU"}
    own |= {"PYTHONPATH": str(ROOT)}
    program, *given = ON_SEVERAL_GPUS.removesuffix(" ...").split()
    assert program == "torchrun"
    launched = [sys.executable, "-m", "torch.distributed.run", *given]
    launched[launched.index("N")] = "2"
    curves = []
    for start in ([sys.executable, "-m", "dphr_lab.cli", "train"], launched):
        out = tmp_path / f"run{len(curves)}"
        command = [*start, "--data", world, "--out", out, *short]
        done = subprocess.run(
            command, env=own, cwd=tmp_path, timeout=300, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout.count("\n  train ") == 1  # what is there, said by one process
        curves.append(json.loads((out / "result.json").read_text("utf-8"))["curves"]["loss"])
    assert len(curves[1]) == 3
    assert np.allclose(*curves, rtol=1e-4)
