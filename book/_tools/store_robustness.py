"""Store what weather, turns and 8 bits cost the starter encoder and its ImageNet start:

    python book/_tools/store_robustness.py OUT TILES [starter | imagenet]

On the photographs that `train_starter.py` tests on: warps of aerial tiles of unseen classes, one
drone image a place. Encoders run as ONNX files, which `dphr export` shows to have the same
embeddings. Numbers only, into dphr_lab/results/robustness, a file an encoder.
"""

import sys
import time
from pathlib import Path

import numpy as np
import torch
from train_starter import IMAGE_PX, SEEDS, few, imagenet, photos

from dphr_lab import results
from dphr_lab._files import write_json
from dphr_lab.localization import evaluate_images
from dphr_lab.localization.robustness import measure_robustness
from dphr_lab.models import Encoder, export
from dphr_lab.results import environment

FOLDER = Path(results.__file__).parent / "robustness"
QUERIES = 120
TURNS = (1, 4)
TIMED = 64  # images
ENCODERS = {"starter": lambda: Encoder.load("starter"), "imagenet": imagenet}


class OneView:
    """The test half with one drone image a place."""

    def __init__(self, world):
        query, gallery = world.test("D2S")
        self.sets = few(query, 1), gallery

    def test(self, direction: str):
        return self.sets


def ms_an_image(encoder, images) -> float:
    """Milliseconds of processor time for an image at a time, the median of `TIMED`."""
    spans = []
    for row in range(TIMED):
        one = images.read([row], IMAGE_PX)
        start = time.process_time()
        with torch.no_grad():
            encoder(one)
        spans.append(1000 * (time.process_time() - start))
    return round(float(np.median(spans)), 2)


def measure(name: str, out: Path, tiles: Path) -> dict:
    encoder = ENCODERS[name]()
    fitted = few(photos("validation", tiles, out).test("D2S")[0], 2)
    forms = {
        "pytorch": encoder,
        "onnx": export(encoder, out / f"{name}.onnx"),
        "onnx_int8": export(encoder, out / f"{name}_int8.onnx", int8_images=fitted),
    }
    data, rows = OneView(photos("test", tiles, out)), {}
    for form, each in forms.items():
        report = evaluate_images(each, *data.test("D2S"))
        rows[form] = {
            "r_at_1": report.r_at_1, "ap": report.ap, "intervals": report.intervals,
            "ms_an_image": ms_an_image(each, data.test("D2S")[0]),
        }  # fmt: skip
    turned = {
        str(turns): measure_robustness(
            forms["onnx"], data, ["rotation"], rotations=turns, most_queries=QUERIES
        ).to_dict()
        for turns in TURNS
    }
    spoiled = measure_robustness(forms["onnx"], data, most_queries=QUERIES).to_dict()
    return {"forms": rows, "turned_at_query_time": turned, "corruptions": spoiled}


if __name__ == "__main__":
    out, tiles, *names = sys.argv[1:]
    torch.set_num_threads(1)
    for name in names or ENCODERS:
        found = measure(name, Path(out), Path(tiles))
        record = {"encoder": name, "set": "photos", "image_px": IMAGE_PX, "seed": SEEDS["test"]}
        write_json(FOLDER / f"{name}.json", record | found | environment.record())
        print(name, found["forms"], found["corruptions"]["mean_drops"])
