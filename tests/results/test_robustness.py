"""What is stored of corruptions is whole, and its summaries follow from its rows."""

import json
from importlib.resources import files

import numpy as np
import pytest

from dphr_lab.datasets.corruptions import CORRUPTIONS

FOLDER = files("dphr_lab.results") / "robustness"
STORED = {p.name.removesuffix(".json"): p for p in FOLDER.iterdir() if p.name.endswith(".json")}


@pytest.mark.parametrize("name", STORED)
def test_every_corruption_is_there_and_its_mean_is_of_its_rows(name):
    record = json.loads(STORED[name].read_text("utf-8"))
    assert record["versions"]["torch"] and record["hardware"]["processor"]
    found, clean = record["corruptions"], record["corruptions"]["unchanged"]["r_at_1"]
    assert {n: [c["level"] for c in rows] for n, rows in found["conditions"].items()} == {
        n: list(c.levels) for n, c in CORRUPTIONS.items()
    }
    for corruption, rows in found["conditions"].items():
        drops = [1 - row["r_at_1"] / clean for row in rows]
        assert found["mean_drops"][corruption] == pytest.approx(np.mean(drops))
        for row in rows:
            low, high = row["r_at_1_interval"]
            assert low <= row["r_at_1"] <= high
    assert found["mean_drop"] == pytest.approx(np.mean(list(found["mean_drops"].values())))


@pytest.mark.parametrize("name", STORED)
def test_the_exported_file_is_the_encoder_itself(name):
    forms = json.loads(STORED[name].read_text("utf-8"))["forms"]
    assert forms["onnx"]["r_at_1"] == forms["pytorch"]["r_at_1"]
    assert forms["onnx"]["ms_an_image"] < forms["pytorch"]["ms_an_image"]


def test_both_encoders_are_stored():
    assert set(STORED) == {"starter", "imagenet"}
