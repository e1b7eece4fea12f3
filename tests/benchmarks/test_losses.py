"""What the losses cost: DPHR beside symmetric InfoNCE and beside an all-triplet loss.

`pytest tests/benchmarks/test_losses.py -s --benchmark-size full` measures, on a quiet machine;
without the option each case runs once, at its smallest, for its values. Times are medians of
interleaved runs of forward and backward in one process; memory is what the peak of a fresh
process grew by. Tables are printed and written to losses-*.json under `DPHR_BENCHMARK_OUT` (else
the test's own folder).
"""

import os
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from dphr_lab._files import write_json
from dphr_lab.environment import hardware, versions
from dphr_lab.losses import DPHRLoss, MetricLearningLoss, SymmetricInfoNCE

THREADS = 2
ROOT = Path(__file__).parents[2]


def batch(rows, dim):
    draw = torch.Generator().manual_seed(0)
    z_query = F.normalize(torch.randn(rows, dim, generator=draw), dim=1)
    noise = torch.randn(rows, dim, generator=draw) / dim**0.5
    return z_query, F.normalize(z_query + noise, dim=1)


def all_triplets():
    """pytorch-metric-learning's triplet loss over every triplet, both directions."""
    from pytorch_metric_learning import distances, losses, reducers

    return MetricLearningLoss(
        losses.TripletMarginLoss(
            margin=0.0,
            smooth_loss=True,
            distance=distances.LpDistance(),
            reducer=reducers.MeanReducer(),
        )
    )


LOSSES = {
    "dphr": DPHRLoss,
    "dphr_chunked": lambda: DPHRLoss(chunk_size=256),
    "infonce": SymmetricInfoNCE,
    "all_triplets": all_triplets,
}


def step(loss, z):
    """Forward and backward once: seconds, and the gradients."""
    leaves = [each.detach().requires_grad_() for each in z]
    start = time.perf_counter()
    loss(*leaves).backward()
    return time.perf_counter() - start, [leaf.grad for leaf in leaves]


def medians(names, rows, dim, repeats):
    """Milliseconds of each loss, the runs interleaved so that other work hits all alike."""
    losses, z = {name: LOSSES[name]() for name in names}, batch(rows, dim)
    spans = {name: [] for name in names}
    for _ in range(repeats + 1):
        for name, loss in losses.items():
            span, gradients = step(loss, z)
            spans[name].append(span)
            assert all(g.isfinite().all() and g.abs().max() > 0 for g in gradients)
    return {name: 1000 * statistics.median(times[1:]) for name, times in spans.items()}


def peak_growth_mb(name, rows, dim):
    """Peak memory of one step in a fresh process: beyond what it held before, and in all."""
    command = [sys.executable, __file__, name, str(rows), str(dim)]
    path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    done = subprocess.run(
        command, capture_output=True, text=True, check=True, env=os.environ | {"PYTHONPATH": path}
    )
    return tuple(map(float, done.stdout.split()))


def report(name, rows, tmp_path):
    print()
    for row in rows:
        print(
            "  ".join(
                f"{k} {v:.2f}" if isinstance(v, float) else f"{k} {v}" for k, v in row.items()
            )
        )
    out = Path(os.environ.get("DPHR_BENCHMARK_OUT", tmp_path)) / f"losses-{name}.json"
    write_json(out, {"hardware": hardware(), "versions": versions(), "rows": rows})


@pytest.fixture
def two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(THREADS)
    yield
    torch.set_num_threads(before)


def test_dphr_costs_about_what_infonce_does(benchmark_size, tmp_path, two_threads):
    full = benchmark_size == "full"
    rows = []
    for size in (128, 512, 2048) if full else (128,):
        for dim in (512, 1024) if full else (64,):
            repeats = max(5, 20_000 // size) if full else 1
            ms = medians(["infonce", "dphr"], size, dim, repeats)
            rows.append(
                {"B": size, "D": dim, **{f"{k}_ms": v for k, v in ms.items()}}
                | {"ratio": ms["dphr"] / ms["infonce"]}
            )
    report("speed", rows, tmp_path)
    if full:
        assert all(row["ratio"] <= 1.3 for row in rows)


def test_dphr_beside_all_triplets(benchmark_size, tmp_path, two_threads):
    pytest.importorskip("pytorch_metric_learning")
    full = benchmark_size == "full"
    size, dim = (512, 512) if full else (64, 32)
    ms = medians(["all_triplets", "dphr"], size, dim, 5 if full else 1)
    row = {"B": size, "D": dim, "times_faster": ms["all_triplets"] / ms["dphr"]}
    if full:
        mb = {name: peak_growth_mb(name, size, dim)[0] for name in ms}
        row |= {f"{name}_mb": value for name, value in mb.items()}
        row["times_less_memory"] = mb["all_triplets"] / mb["dphr"]
        assert row["times_faster"] >= 3 and row["times_less_memory"] >= 5
    report("all-triplets", [row], tmp_path)


@pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc")
def test_chunks_bound_the_memory(benchmark_size, tmp_path):
    full = benchmark_size == "full"
    size, dim = (32_768, 256) if full else (600, 32)
    z = batch(600, 32)
    for one, other in zip(
        step(LOSSES["dphr_chunked"](), z)[1], step(DPHRLoss(), z)[1], strict=True
    ):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-5 * other.abs().max().item())
    start = time.perf_counter()
    growth, peak = peak_growth_mb("dphr_chunked", size, dim)
    wall_s = time.perf_counter() - start
    row = {"B": size, "D": dim, "chunk": 256, "growth_mb": growth, "peak_mb": peak}
    report("chunked", [row | {"wall_s": wall_s}], tmp_path)
    assert peak < 3000


def one_step_in_a_fresh_process(name, rows, dim):
    torch.set_num_threads(THREADS)
    loss, z = LOSSES[name](), batch(rows, dim)
    step(loss, batch(16, dim))  # what libraries allocate at their first use is not counted
    Path("/proc/self/clear_refs").write_text("5")  # the peak so far is forgotten
    before = held_mb("VmRSS")
    step(loss, z)
    print(held_mb("VmHWM") - before, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def held_mb(field):
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(field)) / 1024


if __name__ == "__main__":
    one_step_in_a_fresh_process(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
