"""Several processes (gloo, on the CPU): gradients, lambda and progress are those of one."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from dphr_lab.gather import gather_rows
from dphr_lab.losses import DPHRLoss

ROOT = Path(__file__).resolve().parents[1]
ROWS = 11  # 6 and 5 on two ranks, 4, 4 and 3 on three
TRAINING = {
    "steps": 1,
    "batch": 7,  # pairs: 4 and 3, or 3, 2 and 2
    "augmentation": None,
    "loss_options": {"signal": "similarity", "alpha": 2.0},  # lambda is above 0 at once
}

# Run by one process and by several; each rank writes what it found.
SCRIPT = """
    import sys
    import torch
    from accelerate import PartialState
    from test_gather import direct, in_training

    state = PartialState(cpu=True)
    torch.set_num_threads(1)
    found = {"direct": direct(state.process_index, state.num_processes)}
    for micro_batch in (None, 2):  # 2 and 2 passes on two ranks; 2, 1 and 1 on three
        found[f"micro_batch {micro_batch}"] = in_training(sys.argv[1], micro_batch)
    torch.save(found, f"{sys.argv[1]}/{state.process_index}.pt")
"""


def direct(rank: int, world: int) -> dict:
    """One step of DPHR over a linear encoder in float64, with rows cut unequally."""
    torch.manual_seed(0)
    encoder = torch.nn.Linear(6, 4, dtype=torch.float64)
    loss = DPHRLoss(signal="similarity", alpha=2.0)
    inputs = torch.randn(2, ROWS, 6, dtype=torch.float64)
    inputs[1] += inputs[0]
    places = torch.arange(ROWS) // 2  # two rows of a place may lie on two ranks
    mine = torch.arange(ROWS).tensor_split(world)[rank]
    z = F.normalize(encoder(inputs[:, mine]), dim=-1)
    value = loss(*(gather_rows(rows) for rows in (*z, places[mine])))
    value.backward()
    gradient = torch.cat([p.grad.flatten() for p in encoder.parameters()])
    if world > 1:
        torch.distributed.all_reduce(gradient)
    return describe(value, loss, gradient)


def in_training(folder: str, micro_batch: int | None) -> dict:
    """The gradient that the optimiser of a training run is given in its first step."""
    from test_training import ColouredPlaces, settings

    from dphr_lab import training

    torch.manual_seed(1)  # as `fit` does
    options = settings(micro_batch=micro_batch, **TRAINING)
    path = Path(folder) / f"run {micro_batch}"
    run = training._Run(options, ColouredPlaces(), path, resume=False, progress=False)
    given: list[torch.Tensor] = []

    def keep_gradient():
        given.extend(p.grad.flatten().clone() for p in run.encoder.parameters())

    run.optimizer.step = keep_gradient
    line = run._one_step(next(iter(run._loader())))
    return describe(torch.tensor(line["loss"]), run.loss, torch.cat(given))


def describe(value, loss, gradient) -> dict:
    return {
        "loss": value.detach(),
        "lambda": loss.progressive.value(),
        "progress": loss.progressive.progress(),
        "gradient": gradient,
    }


def found_by(processes: int, folder: Path) -> list[dict]:
    """What each of so many processes found."""
    script = folder / "script.py"
    script.write_text(textwrap.dedent(SCRIPT))
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests")]),
        "ACCELERATE_USE_CPU": "true",
    }
    launch = ["-m", "torch.distributed.run", "--standalone", f"--nproc_per_node={processes}"]
    command = [sys.executable, *(launch if processes > 1 else []), script, folder]
    subprocess.run(command, env=environment, check=True, timeout=600)
    return [torch.load(folder / f"{rank}.pt") for rank in range(processes)]


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    return found_by(1, tmp_path_factory.mktemp("alone"))[0]


@pytest.mark.parametrize("processes", [2, 3])
def test_gradients_of_several_processes_are_those_of_one(alone, tmp_path, processes):
    ranks = found_by(processes, tmp_path)
    for case, expected in alone.items():
        tolerance = 1e-10 if case == "direct" else 1e-5
        assert expected["lambda"] > 0.01
        assert expected["gradient"].norm() > 1e-3
        for rank in ranks:
            found = rank[case]
            gap = (found["gradient"] - expected["gradient"]).norm() / expected["gradient"].norm()
            assert gap < tolerance, case
            for name in ("loss", "lambda", "progress"):
                torch.testing.assert_close(found[name], expected[name], rtol=tolerance, atol=0)
                assert torch.equal(found[name], ranks[0][case][name]), (case, name)
    plain, cut = (alone[f"micro_batch {n}"]["gradient"] for n in (None, 2))
    assert (plain - cut).norm() < 1e-5 * plain.norm()


def test_one_process_gathers_its_own_rows():
    own = torch.rand(3, 2, requires_grad=True)
    assert gather_rows(own) is own
