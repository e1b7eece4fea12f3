"""Rendering speed: images a second on one core at 64, 128 and 384 px.

`pytest tests/benchmarks/test_render.py --benchmark-size=full -s` prints the table and writes
render.json under `DPHR_BENCHMARK_OUT` (else the test's own folder). The best of three rounds
counts, since other work on the machine only slows it; the smallest size checks values alone.
"""

import json
import os
import platform
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("cv2")

import cv2

from dphr_lab._files import write_json
from dphr_lab.scenes import make_world, render_world
from dphr_lab.settings.worlds import PRESETS

# A place's description and ground are shared by its views, so speed depends on how many there are.
CASES = {64: (4,), 128: (4, 54), 384: (4, 54)}


def measure(px: int, views: int, places: int, rounds: int) -> dict:
    """Render `places` places in this process and return the figures of the fastest round."""
    settings = replace(PRESETS["mini"], image_px=px, drone_views=views, train_places=places,
                       test_places=0, distractor_places=0)  # fmt: skip
    spans = []
    for seed in range(rounds):  # another seed each: nothing is found in a cache
        world = make_world(replace(settings, seed=seed))
        start = time.perf_counter()
        images = render_world(world, workers=1, progress=False)["train"]
        spans.append(time.perf_counter() - start)
    for view, each in (("satellite", 1), ("drone", views)):
        assert images[view][0].shape == (places * each, px, px, 3)
        assert images[view][0].std(axis=(1, 2)).min() > 2, "a constant image"
        assert np.isin(images[view][1], np.arange(1, places + 1)).all()
    count = places * (1 + views)
    return {"px": px, "views": views, "images": count, "images_per_s": count / min(spans)}


def test_rendering_speed(tmp_path, benchmark_size):
    full = benchmark_size == "full"
    places = 24 if full else 3
    rows = [
        measure(px, views, places if views == 4 else max(1, places // 6), 3 if full else 1)
        for px, many in CASES.items()
        for views in (many if full else many[:1])
    ]
    print("\n  px  drone views  images  images/s on one core")
    for row in rows:
        print(
            f"{row['px']:4d}  {row['views']:11d}  {row['images']:6d}  {row['images_per_s']:20.1f}"
        )
    out = Path(os.environ.get("DPHR_BENCHMARK_OUT", tmp_path)) / "render.json"
    write_json(
        out, {"machine": platform.machine(), "cpu_cores": os.cpu_count(),
              "opencv": cv2.__version__, "rows": rows},
    )  # fmt: skip
    assert [row["px"] for row in json.loads(out.read_text("utf-8"))["rows"]] == [
        r["px"] for r in rows
    ]
    assert all(row["images_per_s"] > 0 for row in rows)
