"""The stored calibration: complete records, numbers only, and what they say."""

import json
from importlib.resources import files

import numpy as np
import pytest

from tests.helpers import ROOT

FOLDER = files("dphr_lab.results") / "calibration"
RECORDS = {f.name.removesuffix(".json"): json.loads(f.read_text("utf-8")) for f in FOLDER.iterdir()}


@pytest.mark.parametrize("name", RECORDS)
def test_a_record_is_complete_and_agrees_with_itself(name):
    record = RECORDS[name]
    assert record["source"] == name
    assert (
        len(record["h"]) == record["places"]
        and len(record["nearest_over_median"]) == (record["gallery"])
    )
    for key in ("h", "nearest_over_median"):
        for q, stored in record[f"{key}_quantiles"].items():
            assert np.percentile(record[key], float(q)) == pytest.approx(stored, abs=2e-4)
    assert 0 < min(record["h"]) <= max(record["h"]) < 1
    assert record["versions"]["dphr_lab"] and record["hardware"]["cores"]
    assert "/" not in json.dumps({k: v for k, v in record.items() if k != "hardware"})


def test_galleries_are_of_one_size():
    assert len({record["gallery"] for record in RECORDS.values()}) == 1
    assert {"genuine", "plain_1", "textured_1", "photo_1"} <= set(RECORDS)


def test_the_datasheet_shows_the_stored_numbers():
    shown = {
        "plain towns": "plain_1",
        "textured towns": "textured_1",
        "plain towns without twins": "plain_no_twins",
        "photographs, warped": "photo_1",
        "genuine places (University-1652)": "genuine",
    }
    text = (ROOT / "book/datasheet.md").read_text("utf-8")
    medians = {}
    for world, name in shown.items():
        record = RECORDS[name]
        medians[world] = np.median(record["h"])
        near = record["nearest_over_median_quantiles"]["50"]
        assert f"| {world} | {len(record['h'])} | {medians[world]:.3f} | {near:.2f} |" in text
        assert record["gallery"] == 171
    *made_up, _ = medians.values()
    genuine = RECORDS["genuine"]["h"]
    assert (len(genuine), sum(h > max(made_up) for h in genuine)) == (6, 5)
