"""The first look at the weights: what the page of open choices says of it is what is stored."""

import json
import re

from tests.helpers import ROOT

RECORDS = [
    json.loads(path.read_text("utf-8"))
    for path in sorted((ROOT / "dphr_lab" / "results" / "weights").glob("s*.json"))
]
PAGE = " ".join((ROOT / "book" / "open_choices.md").read_text("utf-8").split())


def test_interval_weights_hardly_turn_the_gradient_and_sharp_ones_do():
    for record in RECORDS:
        closest, sharp = (
            [look["maps"][name]["cosine"] for look in record["looks"].values()]
            for name in ("interval [0.5, 1.5]", "sharp")
        )
        assert min(closest) > 0.97 and max(sharp) < 0.97
    lowest = [r["looks"]["100 steps"]["maps"]["sharp"]["cosine"] for r in RECORDS]
    assert f"their cosine falls to {sum(lowest) / len(lowest):.2f} on average" in PAGE


def test_bounds_act_through_their_ratio():
    """[0, 1] and [0, 2] weigh alike up to a factor."""
    for look in RECORDS[0]["looks"].values():
        one, two = (look["maps"][f"interval [0, {top}]"] for top in (1, 2))
        assert one == two


def test_when_the_signals_reach_one_half():
    courses = [record["course"] for record in RECORDS]
    said = re.findall(r"at step (\d+) to (\d+)", PAGE)
    for name, bounds in zip(("loss_signal", "lambda", "recall_signal"), said, strict=True):
        at = [
            next(s for s, value in zip(c["step"], c[name], strict=True) if value >= 0.5)
            for c in courses
        ]
        assert (min(at), max(at)) == tuple(map(int, bounds)), name
    for c in courses:
        silent = zip(c["step"], c["loss_signal"], strict=True)
        assert all(value == 0 for s, value in silent if s <= 100)
