"""Several processes (gloo, on the CPU): gradients, lambda and progress are those of one."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch.utils.flop_counter import FlopCounterMode

from dphr_lab.losses import DPHRLoss, SymmetricInfoNCE, TripletLoss
from dphr_lab.losses.processes import gather_rows
from tests.helpers import ROOT

ROWS = 11  # 6 and 5 on two ranks, 4, 4 and 3 on three
TRAINING = {
    "loss": "sharp",
    "steps": 1,
    "batch": 7,  # pairs: 4 and 3, or 3, 2 and 2
    "augmentation": None,
    "loss_options": {"signal": "similarity", "alpha": 2.0},  # lambda is above 0 at once
}

SOON = dict(signal="similarity", alpha=2.0)  # lambda is above 0 at once
DIRECT = {  # name -> how a loss is called once, and its settings
    "gathered": dict(own_rows_alone=False, **SOON),
    "own rows": SOON,
    "own rows in float32": dict(dtype=torch.float32, **SOON),
    "own rows in chunks": dict(chunk_size=2, **SOON),
    "own rows of as many places": dict(labelled=False, signal="recall", momentum=0.0),
    "own rows by triplets": dict(signal="triplet", normalise="batch", ratio="batch_mean"),
    "own rows, one or none on the others": dict(lopsided=True, **SOON),
    "own rows beside a base": dict(base=SymmetricInfoNCE(learn_temperature=False), **SOON),
    "own rows of the triplet term": dict(kind=TripletLoss, labelled=False),
    "own rows of the closest reading": dict(kind=DPHRLoss, momentum=0.0, progress_map="exp"),
    "own rows, the range of h": dict(
        kind=DPHRLoss, scale="minmax", momentum=0.0, progress_map="exp"
    ),
    "own rows, the range of h in chunks": dict(
        kind=DPHRLoss,
        scale="minmax",
        w_max=4.0,
        chunk_size=2,
        labelled=False,
        momentum=0.0,
        progress_map="reciprocal",
    ),
}

# Run by one process and by several; each rank writes what it found.
SCRIPT = """
    import sys
    import torch
    from accelerate import PartialState
    from tests.losses.test_processes import DIRECT, direct, diverged, in_training, products

    state = PartialState(cpu=True)
    torch.set_num_threads(1)
    rank = state.process_index, state.num_processes
    found = {case: direct(case, *rank) for case in DIRECT}
    for micro_batch in (None, 2):  # 2 and 2 passes on two ranks; 2, 1 and 1 on three
        found[f"micro_batch {micro_batch}"] = in_training(micro_batch)
    torch.save((found, diverged(*rank), products(*rank)), f"{sys.argv[1]}/{state.process_index}.pt")
"""


def direct(case: str, rank: int, world: int) -> dict:
    """One step of a loss over a linear encoder in float64 or float32, with rows cut unequally."""
    options = DIRECT[case].copy()
    dtype, labelled = options.pop("dtype", torch.float64), options.pop("labelled", True)
    own_rows_alone = options.pop("own_rows_alone", True)
    lopsided = options.pop("lopsided", False)
    loss = options.pop("kind", DPHRLoss.sharp)(**options, across_processes=own_rows_alone)
    torch.manual_seed(0)
    encoder = torch.nn.Linear(6, 4, dtype=dtype)
    inputs = torch.randn(2, ROWS, 6, dtype=dtype)
    inputs[1] += inputs[0]
    # two rows of a place may lie on two ranks
    places = torch.arange(ROWS) // 2 if labelled else torch.arange(ROWS)
    cut = [ROWS - 1, ROWS][: world - 1] if lopsided else world
    mine = torch.arange(ROWS).tensor_split(cut)[rank]
    batch = (*F.normalize(encoder(inputs[:, mine]), dim=-1), places[mine])
    value = loss(*(batch if own_rows_alone else map(gather_rows, batch)))
    value.backward()
    gradient = torch.cat([p.grad.flatten() for p in encoder.parameters()])
    if world > 1:
        torch.distributed.all_reduce(gradient)
    return describe(value, loss, gradient)


def own_part(rank: int, world: int) -> list[torch.Tensor]:
    """This rank's rows of two views, as leaves."""
    draw = torch.Generator().manual_seed(0)
    both = torch.randn(2, ROWS, 4, dtype=torch.float64, generator=draw)
    both[1] += both[0]
    own = F.normalize(both, dim=-1).tensor_split(world, dim=1)[rank]
    return [each.clone().requires_grad_() for each in own]


def diverged(rank: int, world: int) -> tuple[bool, torch.Tensor]:
    """Whether the loss says that a row of the first rank is NaN, and the progress read off it."""
    loss, z = DPHRLoss.sharp(momentum=0.0, across_processes=True), own_part(rank, world)
    if rank == 0:
        with torch.no_grad():
            z[0][1] = torch.nan
    return loss(*z).isnan().item(), loss.progressive.progress()


def products(rank: int, world: int) -> int:
    """Operations of the matrix products of one step."""
    with FlopCounterMode(display=False) as counter:
        DPHRLoss.sharp(across_processes=True)(*own_part(rank, world)).backward()
    return counter.get_total_flops()


def in_training(micro_batch: int | None) -> dict:
    """The gradient that the optimiser of a training run is given in its first step."""
    from tests.helpers.training import ColouredPlaces, begun, settings

    torch.manual_seed(1)  # as `fit` does
    options = settings(micro_batch=micro_batch, **TRAINING)
    run = begun(options, ColouredPlaces())
    given: list[torch.Tensor] = []

    def keep_gradient():
        given.extend(p.grad.flatten().clone() for p in run.encoder.parameters())

    run.optimizer.step = keep_gradient
    line = run.take_step(next(iter(run.coming_batches())))
    return describe(torch.tensor(line["loss"]), run.loss, torch.cat(given))


def describe(value, loss, gradient) -> dict:
    found = {"loss": value.detach(), "gradient": gradient}
    if isinstance(loss, DPHRLoss):
        found["lambda"] = loss.progressive.value()
        found["progress"] = loss.progressive.progress()
    return found


def found_by(processes: int, folder: Path) -> list[tuple]:
    """What each of so many processes found."""
    script = folder / "script.py"
    script.write_text(textwrap.dedent(SCRIPT), "utf-8")
    environment = os.environ | {
        "PYTHONPATH": str(ROOT),
        "ACCELERATE_USE_CPU": "true",
    }
    launch = ["-m", "torch.distributed.run", "--standalone", f"--nproc_per_node={processes}"]
    command = [sys.executable, *(launch if processes > 1 else []), script, folder]
    subprocess.run(command, env=environment, check=True, timeout=600)
    return [torch.load(folder / f"{rank}.pt") for rank in range(processes)]


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    return found_by(1, tmp_path_factory.mktemp("alone"))[0]


@pytest.fixture(scope="module", params=[2, 3])
def ranks(request, tmp_path_factory):
    return found_by(request.param, tmp_path_factory.mktemp("ranks"))


@pytest.mark.slow
def test_gradients_of_several_processes_are_those_of_one(alone, ranks):
    alone, ranks = alone[0], [rank[0] for rank in ranks]
    for case, expected in alone.items():
        tolerance = 1e-10 if expected["gradient"].dtype == torch.float64 else 1e-5
        assert expected.get("lambda", 1) > 0.01
        assert expected["gradient"].norm() > 1e-3
        for rank in ranks:
            found = rank[case]
            gap = (found["gradient"] - expected["gradient"]).norm() / expected["gradient"].norm()
            assert gap < tolerance, case
            for name in expected.keys() - {"gradient"}:
                torch.testing.assert_close(found[name], expected[name], rtol=tolerance, atol=0)
                assert torch.equal(found[name], ranks[0][case][name]), (case, name)
    plain, cut = (alone[f"micro_batch {n}"]["gradient"] for n in (None, 2))
    assert (plain - cut).norm() < 1e-5 * plain.norm()


@pytest.mark.slow
def test_a_diverged_row_on_one_process_spares_the_state_of_all(alone, ranks):
    assert alone[1][0]
    for is_nan, progress in (rank[1] for rank in ranks):
        assert is_nan
        torch.testing.assert_close(progress, alone[1][1])


@pytest.mark.slow
def test_each_process_multiplies_its_own_rows_only(alone, ranks):
    rows = [len(part) for part in torch.arange(ROWS).tensor_split(len(ranks))]
    assert [rank[2] for rank in ranks] == [alone[2] * b // ROWS for b in rows]


def test_one_process_gathers_its_own_rows():
    own = torch.rand(3, 2, requires_grad=True)
    assert gather_rows(own) is own
