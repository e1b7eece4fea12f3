"""How fast an exported encoder embeds on a CPU: ONNX Runtime beside eager PyTorch.

`pytest tests/benchmarks/test_onnx.py -s --benchmark-size full` measures; without the option one
small case runs. Medians of interleaved runs in processor time, on one thread, so that other work
on the machine counts for little. The table is written to onnx-speed.json, or on a processor with
AVX2 and no more to onnx-speed-avx2.json, under `DPHR_BENCHMARK_OUT` (else the test's own folder).
Weights are drawn at random: they do not change the work.
"""

import os
import statistics
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from dphr_lab._files import write_json
from dphr_lab.datasets import ArrayImages
from dphr_lab.models import Encoder, export
from dphr_lab.results.environment import describe

pytest.importorskip("onnxscript")

INSTRUCTIONS = torch.backends.cpu.get_cpu_capability()
# of eager PyTorch's processor time, in floats; measured: 0.28 to 0.38, with AVX2 alone 0.32 to 0.53
MOST = 0.75 if INSTRUCTIONS == "AVX2" else 0.5
REPEATS = 9


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def cpu_s(encoder, batch) -> float:
    start = time.process_time()
    with torch.no_grad():
        encoder(batch)
    return time.process_time() - start


def test_an_exported_encoder_embeds_faster(request, tmp_path):
    full = request.config.getoption("--benchmark-size") == "full"
    rows = []
    for px, batch in [(128, 1), (128, 4), (128, 16), (224, 1), (224, 16)] if full else [(128, 4)]:
        encoder = Encoder("tf_efficientnet_lite0", image_px=px).eval()
        pixels = np.random.default_rng(0).integers(0, 256, (batch, px, px, 3), dtype=np.uint8)
        images = ArrayImages("drone", pixels, range(batch))
        whole = export(encoder, tmp_path / "float.onnx")
        eight = export(encoder, tmp_path / "int8.onnx", int8_images=images)
        encoders = {"pytorch": encoder, "onnx": whole, "onnx_int8": eight}
        read = images.read(range(batch), px)
        times = {name: [] for name in encoders}
        for each in encoders.values():
            cpu_s(each, read)  # the first call prepares
        for _ in range(REPEATS):
            for name, each in encoders.items():
                times[name].append(cpu_s(each, read))
        found = {name: statistics.median(values) for name, values in times.items()}
        row = {"image_px": px, "batch": batch}
        row |= {f"{n}_ms_an_image": round(1000 * t / batch, 2) for n, t in found.items()}
        row |= {f"{n}_of_pytorch": round(found[n] / found["pytorch"], 3)
                for n in ("onnx", "onnx_int8")}  # fmt: skip
        rows.append(row)
        print(row)
    name = "onnx-speed" + "-avx2" * (INSTRUCTIONS == "AVX2")
    out = Path(os.environ.get("DPHR_BENCHMARK_OUT", tmp_path)) / f"{name}.json"
    write_json(out, {"name": name, "rows": rows, "threads": 1} | describe())
    assert all(row["onnx_of_pytorch"] < MOST for row in rows), rows
