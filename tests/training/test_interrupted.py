"""A run that is killed (kill -9, at a step drawn by a seed) and resumed ends in the same table."""

import json
import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from dphr_lab.results.run_folder import RESULT, newest_checkpoint, read_metrics
from tests.helpers import ROOT, run

pytestmark = pytest.mark.slow

STEPS, CHECKPOINT_EVERY = 24, 5
RECIPE = (
    "--recipe twin-towns --image-px 32 --batch 6 --val-places 3 --select best --validate-every 4 "
    f"--steps {STEPS} --checkpoint-every {CHECKPOINT_EVERY} --threads 1"
).split()


def table(shown: str) -> str:
    """The reports in what `dphr train` printed."""
    return shown[shown.index("drone → satellite") : shown.index("run folder")]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The data, and the run that nobody interrupts."""
    folder = tmp_path_factory.mktemp("interrupted")
    world = ["--preset", "tiny", "--image-px", "32", "--drone-views", "2", "--workers", "1"]
    assert run("scenes", *world, "--out", folder / "towns") == 0
    assert run("train", "--data", folder / "towns", "--out", folder / "whole", *RECIPE) == 0
    return folder


KILLED_AT = """
import os, signal, sys
from dphr_lab import cli
from dphr_lab.results import run_folder
from dphr_lab.training import log as training
kill_at = int(sys.argv[1])

def append_and_die(folder, line):
    run_folder.append_metrics(folder, line)
    if "loss" in line and line["step"] == kill_at:
        os.kill(os.getpid(), signal.SIGKILL)

training.append_metrics = append_and_die
sys.exit(cli.main(sys.argv[2:]))
"""


@pytest.mark.parametrize("seed", [0, 2], ids=["late", "early"])  # steps 13 and 2
def test_killed_and_resumed_is_as_if_it_had_not_been(whole, tmp_path, capfd, seed):
    killed, kill_at = tmp_path / "run", random.Random(seed).randint(1, STEPS - 4)
    command = ["train", "--data", str(whole / "towns"), "--out", str(killed), *RECIPE]
    process = subprocess.run(
        [sys.executable, "-c", KILLED_AT, str(kill_at), *command],
        cwd=ROOT,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    assert process.returncode == -signal.SIGKILL
    assert steps_of(killed) == list(range(1, kill_at + 1)) and not (killed / RESULT).exists()

    torch.manual_seed(99)  # what happens between the runs must not matter
    capfd.readouterr()
    assert run("train", "--resume", killed) == 0
    resumed = table(capfd.readouterr().out)
    assert run("train", "--resume", whole / "whole") == 0  # is at its end: prints its table again
    assert resumed == table(capfd.readouterr().out)
    results = [
        json.loads((folder / RESULT).read_text("utf-8")) for folder in (whole / "whole", killed)
    ]
    for part in ("report", "curves", "selected_step", "recipe"):
        assert results[0][part] == results[1][part]
    assert steps_of(killed) == list(range(1, STEPS + 1))
    for name in ("encoder.safetensors", "state.safetensors"):
        a, b = (load_file(newest_checkpoint(folder) / name) for folder in (whole / "whole", killed))
        assert a.keys() == b.keys() and all(torch.equal(a[key], b[key]) for key in a)


def steps_of(run: Path) -> list[int]:
    return [line["step"] for line in read_metrics(run) if "loss" in line]
