"""What a training step of the recipes takes: `python book/_tools/store_memory.py`.

Counts every row (`dphr_lab.training.step_cost`) and, where there is a CUDA GPU, measures those
that fit on it.
Stores `dphr_lab/results/memory/cards.json`; rows measured before, on any GPU, are kept.
"""

import json
from importlib.resources import files
from pathlib import Path

import torch

from dphr_lab._files import write_json
from dphr_lab.models import Encoder
from dphr_lab.results import environment
from dphr_lab.settings.recipes import RECIPES
from dphr_lab.training.dry_run import measure_steps
from dphr_lab.training.step_cost import GIB, cards_table, step_cost

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


def main() -> None:
    stored = json.loads(OUT.read_text()) if OUT.exists() else {"rows": []}
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
