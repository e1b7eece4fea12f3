"""Positions on towns: the table by hand, a prior that keeps the truth, and what maps cost."""

import json
import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from dphr_lab import results
from dphr_lab.localization.locate import HEADINGS, Scored
from dphr_lab.studies import scale
from dphr_lab.studies.towns import BASELINES, PRIOR_M, WAYS, report, restricted, table
from tests.helpers import ROOT


def record(seed, errors, radius_50, radius_90):
    found = {
        "flight": ["a", "a", "b", "b"], "error_m": errors, "radius_50_m": [radius_50] * 4,
        "radius_90_m": [radius_90] * 4,
    }  # fmt: skip
    return {
        "seed": seed,
        "answers": {heading: dict.fromkeys(WAYS, found) for heading in HEADINGS},
        "baselines": {
            name: {"flight": found["flight"], "error_m": [3 * e for e in errors]}
            for name in BASELINES
        },
    }


def test_the_table_by_hand():
    records = [record(0, [1.0, 2, 30, 40], 2, 35), record(1, [3.0, 4, 5, 60], 4, 10)]
    lines = {(line["heading"], line["way"]): line for line in table(records)}
    assert len(lines) == len(BASELINES) + 2 * len(WAYS)
    line = lines["known", WAYS["smoothed"]]
    assert line["median_m"] == 4.5 and line["within_25"] == 62.5
    assert (line["inside_50"], line["inside_90"]) == (50.0, 75.0)
    assert line["from"] <= 4.5 <= line["to"]
    reckoned = lines["", BASELINES["dead_reckoning"]]
    assert reckoned["median_m"] == 13.5 and reckoned["inside_90"] is None
    assert report(records, "unknown", "live").groups == 4  # flights of two towns


def test_a_prior_keeps_the_tiles_around_the_truth():
    """The prior is wrong by 300 m at most; tiles further than 600 m from the truth are gone."""
    from dphr_lab.localization.ground import metres_from, moved

    side = np.arange(-1000.0, 1001, 50)
    east, north = (axis.ravel() for axis in np.meshgrid(side, side))
    frame = SimpleNamespace(east=east, north=north, lat=48.0, lon=11.0)
    frame.metres = lambda lat, lon: metres_from(frame.lat, frame.lon, lat, lon)
    lat, lon = (float(v) for v in moved(48.0, 11.0, 120.0, -80.0))
    views = (SimpleNamespace(east_m=10.0, north_m=0.0),)
    rows = np.arange(len(east))
    photo = Scored(None, SimpleNamespace(lat=lat, lon=lon), views, rows[None] / 1e4, rows)
    for seed in range(20):
        found = restricted(photo, frame, np.random.default_rng(seed))
        gap = np.hypot(east[found.rows] - 120, north[found.rows] + 80)
        assert gap.min() < 71 and gap.max() <= 2 * PRIOR_M + 11  # a tile 50 m wide or its neighbour
        assert (found.scores[0] == found.rows / 1e4).all()
        assert 0.06 < len(found.rows) / len(rows) < 0.09  # pi 310² of 2,050²


def test_what_a_map_costs_by_hand():
    assert scale.tiles_per_km2(50) == 400
    cost = scale.map_cost(10, 50, dim=256, tiles_a_s=4)
    assert (cost.tiles, cost.embedding_bytes) == (4000, 4000 * 512)
    assert cost.index_bytes == cost.embedding_bytes and cost.hours == pytest.approx(1000 / 3600)
    assert scale.map_cost(10, 50, 256, 4, pq_bytes=32).index_bytes == 4000 * 40
    assert scale.map_cost(10, 25, 256, 4).tiles == 4 * cost.tiles
    with pytest.raises(ValueError, match="stride_m is 0: expected above 0"):
        scale.tiles_per_km2(0)


def test_the_stored_constants_say_what_they_are_of():
    stored = scale.constants()
    assert {"command", "embedding", "index", "hardware", "versions"} <= set(stored)
    for index in stored["index"]:
        least = 2 * index["dim"] if index["kind"] == "exact" else index["code_bytes"] + 8
        assert index["bytes_a_row"] >= least  # what the page computes with
        assert index["search_ms"] > 0 and 0 < index["recall_at_10"] <= 1


def test_the_readme_says_what_is_stored():
    folder = Path(results.__file__).parent / "towns"
    records = [json.loads(p.read_text("utf-8")) for p in sorted(folder.glob("*.json"))]
    assert [record["seed"] for record in records] == [0, 1, 2, 3, 4]
    assert all(r["encoder"]["trained_on"]["seed"] not in range(5) for r in records)
    ways = ("single", "dead_reckoning", "smoothed")
    medians = [f"{report(records, 'known', way).median_m:.0f}" for way in ways]
    said = " ".join((ROOT / "README.md").read_text("utf-8").split())
    sentence = (
        r"was (\d+) m for single photographs, (\d+) m for dead reckoning and (\d+) m for the "
        r"smoothed track; 90 % radii held (\d+) to (\d+) %"
    )
    found = re.search(sentence, said)
    assert list(found.groups()[:3]) == medians
    held = [report(records, "known", way).coverage[0.9] for way in WAYS]
    assert [f"{min(held):.0f}", f"{max(held):.0f}"] == list(found.groups()[3:])
    lost, tracked = (100 * over_100(records, "known", way) for way in ("single", "smoothed"))
    asked = ("unknown", "single"), ("known", "middle"), ("unknown", "smoothed"), ("known", "live")
    alone, middle, turned, live = (report(records, *at).median_m for at in asked)
    assert (
        f"{lost:.0f} % of the single photographs were over 100 m off ({tracked:.0f} % of the "
        f"smoothed track), and with unknown heading they fail: {alone:.0f} m (the smoothed track "
        f"has {turned:.0f} m). That track needs odometry and is known after the flight; live it is "
        f"{live:.0f} m. Always naming the map's middle gives {middle:.0f} m."
    ) in said
    assert 24 < lost < 26  # "one in four"
    first = f"photograph is placed {medians[0]} m off in the median, but one in four over 100 m. A "
    first += f"flight's track, with odometry, is {live:.0f} m off live and {medians[2]} m "
    assert f"{first}afterwards**" in said
    landing = " ".join((ROOT / "book" / "index.md").read_text("utf-8").split())
    astray = 100 * over_100(records, "known", "live")
    assert (
        f"a photograph is placed {medians[0]} m off in the median, and one in four over 100 m; a "
        f"flight's track, with odometry, is {live:.0f} m off live, and {astray:.0f} % of its "
        "photographs over 100 m"
    ) in landing


def over_100(records, heading, way):
    """The share of photographs that a way places over 100 m off."""
    errors = [record["answers"][heading][way]["error_m"] for record in records]
    return np.mean(np.concatenate(errors) > 100)
