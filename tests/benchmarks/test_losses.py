"""What the losses cost: DPHR in both readings beside InfoNCE, a bare CLIP loss, all triplets.

`pytest tests/benchmarks/test_losses.py -s --benchmark-size full` measures, on a quiet machine;
without the option each case runs once, at its smallest, for its values. Times are medians of
interleaved runs of forward and backward in one process; memory is what the peak of a fresh
process (on a GPU: of the device) grew by. Tables are printed and written to losses-*.json under
`DPHR_BENCHMARK_OUT` (else the test's own folder); `measured_tables.py` shows what is stored in
results/.
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
from dphr_lab.losses import DPHRLoss, MetricLearningLoss, SymmetricInfoNCE
from dphr_lab.results.environment import describe
from tests.helpers import ROOT, case

THREADS = 2


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


class BareCLIP(torch.nn.Module):
    """Two cross entropies of scaled similarities: no smoothing, no places, no checks."""

    def forward(self, z_query, z_gallery):
        logits, own = z_query @ z_gallery.T / 0.07, torch.arange(len(z_query))
        return (F.cross_entropy(logits, own) + F.cross_entropy(logits.T, own)) / 2


LOSSES = {
    "closest": DPHRLoss,
    "sharp": DPHRLoss.sharp,
    "closest_chunked": lambda: DPHRLoss(chunk_size=256),
    "clip": BareCLIP,
    "infonce": SymmetricInfoNCE,
    "all_triplets": all_triplets,
}


def step(loss, z):
    """Forward and backward once: seconds, and the gradients."""
    leaves = [each.detach().requires_grad_() for each in z]
    start = now(z[0].device)
    loss(*leaves).backward()
    return now(z[0].device) - start, [leaf.grad for leaf in leaves]


def now(device):
    """Seconds, read when the device has done what it was asked."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


def interleaved(names, z, repeats):
    """Seconds of each run of each loss, one after the other so that other work hits all alike."""
    losses = {name: LOSSES[name]().to(z[0].device) for name in names}
    spans = {name: [] for name in names}
    for _ in range(repeats + 1):
        for name, loss in losses.items():
            span, gradients = step(loss, z)
            spans[name].append(span)
            assert all(g.isfinite().all() and g.abs().max() > 0 for g in gradients)
    return {name: times[1:] for name, times in spans.items()}


def medians(names, z, repeats):
    """Milliseconds of each loss."""
    return in_ms(interleaved(names, z, repeats))


def in_ms(spans):
    return {name: 1000 * statistics.median(times) for name, times in spans.items()}


def times(spans, name, other):
    """How many times as long `name` takes: the median over runs that stood side by side."""
    return statistics.median(a / b for a, b in zip(spans[name], spans[other], strict=True))


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
    record = {"name": f"losses-{name}", **describe()}
    write_json(out, record | {"rows": rows})


@pytest.fixture
def two_threads():
    yield from with_threads(THREADS)


@pytest.fixture
def one_thread():
    yield from with_threads(1)


def with_threads(count):
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    yield
    torch.set_num_threads(before)


def compared(size, dim, repeats):
    """A row: both readings beside InfoNCE and the bare CLIP loss."""
    spans = interleaved(["infonce", "clip", "closest", "sharp"], batch(size, dim), repeats)
    row = {"B": size, "D": dim, "runs": repeats}
    row |= {f"{name}_ms": ms for name, ms in in_ms(spans).items()}
    row["ratio"] = times(spans, "sharp", "infonce")
    row["closest_ratio"] = times(spans, "closest", "infonce")
    row["clip_ratio"] = times(spans, "closest", "clip")
    row["sharp_clip_ratio"] = times(spans, "sharp", "clip")
    return row


def assert_costs(row, of_clip):
    with case("B", row["B"], "D", row["D"]):
        assert max(row["ratio"], row["closest_ratio"]) <= 1.15
        assert row["clip_ratio"] <= of_clip
        assert row["sharp_clip_ratio"] <= of_clip + 0.1


def test_dphr_costs_about_what_infonce_does(benchmark_size, tmp_path, two_threads):
    full = benchmark_size == "full"
    rows = []
    for size in (128, 512, 2048) if full else (128,):
        for dim in (512, 1024) if full else (64,):
            rows.append(compared(size, dim, max(15, 40_000 // size) if full else 1))
    report("speed", rows, tmp_path)
    if full:
        for row in rows:
            # where products are quick, what is left is the number of small operations
            assert_costs(row, 1.3 if row["B"] >= 512 else 1.6)


def test_small_batches_on_one_thread(benchmark_size, one_thread):
    full = benchmark_size == "full"
    for dim in (512, 1024) if full else (64,):
        row = compared(128, dim, 400 if full else 1)
        print(row)
        if full:
            assert_costs(row, 1.6)


def test_dphr_beside_all_triplets(benchmark_size, tmp_path, two_threads):
    pytest.importorskip("pytorch_metric_learning")
    full = benchmark_size == "full"
    size, dim = (512, 512) if full else (64, 32)
    ms = medians(["all_triplets", "sharp"], batch(size, dim), 5 if full else 1)
    row = {"B": size, "D": dim, **{f"{name}_ms": value for name, value in ms.items()}}
    row["times_faster"] = ms["all_triplets"] / ms["sharp"]
    if full:
        mb = {name: peak_growth_mb(name, size, dim)[0] for name in ms}
        row |= {f"{name}_mb": value for name, value in mb.items()}
        row["times_less_memory"] = mb["all_triplets"] / mb["sharp"]
    report("all-triplets", [row], tmp_path)
    if full:
        assert row["times_faster"] >= 3 and row["times_less_memory"] >= 5


@pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc")
def test_chunks_bound_the_memory(benchmark_size, tmp_path, two_threads):
    full = benchmark_size == "full"
    size, dim = (32_768, 256) if full else (600, 32)
    z = batch(600, 32)
    for one, other in zip(
        step(LOSSES["closest_chunked"](), z)[1], step(DPHRLoss(), z)[1], strict=True
    ):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-5 * other.abs().max().item())
    start = time.perf_counter()
    growth, peak = peak_growth_mb("closest_chunked", size, dim)
    wall_s = time.perf_counter() - start
    row = {"B": size, "D": dim, "chunk": 256, "growth_mb": growth, "peak_mb": peak}
    report("chunked", [row | {"wall_s": wall_s}], tmp_path)
    assert peak < 3000


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_on_a_gpu(benchmark_size, tmp_path):
    full = benchmark_size == "full"
    rows = []
    for size in (128, 512, 2048, 8192, 16_384) if full else (128,):
        for dtype in (torch.float32, torch.bfloat16):
            z = [each.to("cuda", dtype) for each in batch(size, 1024)]
            row = {"B": size, "D": 1024, "dtype": str(dtype).removeprefix("torch.")}
            ms = medians(["infonce", "closest"], z, 20 if full else 1)
            mb = {name: peak_growth_on_gpu_mb(name, z) for name in ms}
            row |= {f"{name}_ms": value for name, value in ms.items()}
            row |= {"closest_ratio": ms["closest"] / ms["infonce"]}
            rows.append(row | {f"{name}_mb": value for name, value in mb.items()})
    report("gpu", rows, tmp_path)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_share_of_a_training_step_on_a_gpu(benchmark_size, tmp_path):
    """ConvNeXt-Base at 384 px in bf16, both views through one encoder, AdamW."""
    timm = pytest.importorskip("timm")
    full = benchmark_size == "full"
    name, size, image_px = ("convnext_base", 64, 384) if full else ("test_convnext", 4, 64)
    encoder = timm.create_model(name, num_classes=0).cuda()
    optimizer = torch.optim.AdamW(encoder.parameters())
    images = torch.rand(2 * size, 3, image_px, image_px, device="cuda")
    loss, spans = DPHRLoss().cuda(), []
    for _ in range(11 if full else 2):
        start = now(images.device)
        with torch.autocast("cuda", torch.bfloat16):
            z = F.normalize(encoder(images), dim=1)
        loss(z[:size], z[size:]).backward()
        optimizer.step()
        optimizer.zero_grad()
        spans.append(now(images.device) - start)
    z = [each.to("cuda", z.dtype) for each in batch(size, z.shape[1])]
    row = {"encoder": name, "image_px": image_px, "B": size, "D": z[0].shape[1]}
    row |= {"step_ms": 1000 * statistics.median(spans[1:])}
    row |= {"closest_ms": medians(["closest"], z, 20 if full else 1)["closest"]}
    row["share_percent"] = 100 * row["closest_ms"] / row["step_ms"]
    report("gpu-step", [row], tmp_path)
    if full:
        assert row["share_percent"] < 2


def peak_growth_on_gpu_mb(name, z):
    """What one step's peak of device memory adds to what was held before it."""
    loss = LOSSES[name]().to(z[0].device)
    step(loss, z)
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    step(loss, z)
    return (torch.cuda.max_memory_allocated() - before) / 2**20


def one_step_in_a_fresh_process(name, rows, dim):
    torch.set_num_threads(THREADS)
    loss, z = LOSSES[name](), batch(rows, dim)
    step(loss, batch(16, dim))  # what libraries allocate at their first use is not counted
    Path("/proc/self/clear_refs").write_text("5", "utf-8")  # the peak so far is forgotten
    before = held_mb("VmRSS")
    step(loss, z)
    print(held_mb("VmHWM") - before, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def held_mb(field):
    lines = Path("/proc/self/status").read_text("utf-8").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(field)) / 1024


if __name__ == "__main__":
    one_step_in_a_fresh_process(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
