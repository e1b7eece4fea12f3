"""What a training step of the recipes takes: `python book/_tools/store_memory.py`.

Counts every row (`dphr_lab.training.step_cost`) and, where there is a CUDA GPU, measures those
that fit on it.
Stores `dphr_lab/results/memory/cards.json`; rows measured before, on any GPU, are kept.
"""

import json
import sys
import time
from importlib.resources import files
from pathlib import Path

import numpy as np
import torch

from dphr_lab._files import write_json
from dphr_lab.datasets import ArrayImages, PairSet
from dphr_lab.models import Encoder
from dphr_lab.results import environment
from dphr_lab.settings import Settings
from dphr_lab.settings.recipes import RECIPES
from dphr_lab.training.peak_memory import Peak, peak_memory
from dphr_lab.training.run import Run
from dphr_lab.training.step_cost import GIB, step_cost

sys.path.append(str(Path(__file__).resolve().parents[1] / "_ext"))
from cards import cards_table

OUT = Path(str(files("dphr_lab.results"))) / "memory" / "cards.json"
ROWS = [  # recipe, batch, micro-batch
    ("dphr-university1652", 128, None),
    ("dphr-university1652", 128, 32),
    ("dphr-university1652", 128, 16),
    ("dphr-university1652", 128, 8),
    ("dphr-university1652", 128, 4),
    ("dphr-sues200", 64, None),
    ("dphr-sues200", 64, 8),
    ("dphr-sues200", 16, None),
    ("dphr-sues200", 8, None),
    ("twin-towns", 64, None),
]


class NoiseImages:
    """Places of random pixels, to measure a step where no data is; nothing can be learnt."""

    name, root, height_m, has_test = "noise", None, None, False

    def __init__(self, places: int, image_px: int):
        rng, labels = np.random.default_rng(0), np.arange(places)
        shape = (places, image_px, image_px, 3)
        self.train = PairSet(
            *(
                ArrayImages(view, rng.integers(0, 256, shape, dtype=np.uint8), labels)
                for view in ("drone", "satellite")
            )
        )


def measure_steps(settings: Settings, steps: int = 3) -> tuple[Peak, float]:
    """(peak memory, seconds of the quickest step) of real steps on images of noise.

    The first step, which also makes the optimiser's moments, is not timed. The pretrained weights
    are not fetched: their values change neither. Writes nothing.
    """
    settings = settings.changed(
        pretrained=None, val_places=0, augmentation=None, steps=steps + 1, epochs=None
    )
    run = Run(settings, NoiseImages(settings.batch, settings.image_px))
    run.begin_epoch(0)
    batch, seconds = run.reader[0, run.plan[0]], []
    with peak_memory(run.processes.device) as peak:
        for _ in range(steps + 1):
            began = time.perf_counter()
            run.take_step(batch)  # reads the loss, so that it waits for the GPU
            seconds.append(time.perf_counter() - began)
    return peak, min(seconds[1:])


def main() -> None:
    stored = json.loads(OUT.read_text("utf-8")) if OUT.exists() else {"rows": []}
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else None
    kept = [row for row in stored["rows"] if row["how"] == "measured" and row["gpu"] != gpu]
    rows, encoders = [], {}
    for name, batch, micro_batch in ROWS:
        settings = RECIPES[name].settings(batch=batch, micro_batch=micro_batch)
        key = settings.backbone, settings.image_px
        if key not in encoders:
            encoders[key] = Encoder(settings.backbone, image_px=settings.image_px)
        cost = step_cost(settings, encoders[key], device="cuda")
        row = {
            "recipe": name,
            "batch": batch,
            "micro_batch": micro_batch,
            "mixed_precision": settings.mixed_precision,
            "tflop": cost.flops / 1e12,
        }
        rows.append(row | {"peak_gib": cost.peak / GIB, "how": "estimated"})
        print(rows[-1], flush=True)
        if gpu and cost.fits(torch.cuda.get_device_properties(0).total_memory / GIB):
            peak, step_s = measure_steps(settings)
            measured = {"peak_gib": peak.total / GIB, "step_s": step_s}
            rows.append(row | measured | {"how": "measured", "gpu": gpu})
            print(rows[-1], flush=True)
    stored = {
        "about": "memory and arithmetic of one training step, by row; see training.step_cost",
        **environment.describe(),
        "rows": rows + kept,
    }
    write_json(OUT, stored)
    print(cards_table(stored))


if __name__ == "__main__":
    main()
