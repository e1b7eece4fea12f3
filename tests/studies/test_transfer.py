"""The transfer rule: it says what its words say, on made-up runs whose answer is known."""

import json
from functools import partial

import numpy as np
import pytest

pytest.importorskip("scipy")

from dphr_lab.studies.transfer import (
    RULE,
    VERDICTS,
    collapsed_arms,
    differences,
    operating_characteristics,
)
from dphr_lab.studies.transfer import transfers as transfers_slowly

transfers = partial(transfers_slowly, samples=200)
LEVELS = ("plain", "textured", "photo")


def runs_of(effects, noise=0.5, seeds=5, seed=0):
    """{level: {arm: values}} around {arm: effect on each level}."""
    rng = np.random.default_rng(seed)
    return {
        level: {arm: effect[i] + rng.normal(0, noise, seeds) for arm, effect in effects.items()}
        for i, level in enumerate(LEVELS)
    }


def test_clear_effects_of_one_sign_transfer_and_so_does_their_order():
    found = transfers(runs_of({"a": (9, 6, 5), "b": (4, 3, 2), "c": (-5, -4, -3)}))
    assert found.arms == dict.fromkeys("abc", "transfers")
    assert found.tau == 1 and found.tau_low > 0 and found.order == "transfers"
    assert found.differences["a"]["photo"].mean == pytest.approx(5, abs=1)
    assert found.differences["c"]["plain"].sign == -1 and found.differences["c"]["plain"].clear


def test_a_sign_that_turns_clearly_does_not_transfer():
    found = transfers(runs_of({"a": (9, 6, -5), "b": (4, 3, 2)}))
    assert found.arms == {"a": "does not transfer", "b": "transfers"}
    assert found.tau < 0 and found.order == "does not transfer"


def test_a_difference_that_chance_gives_is_undecided():
    found = transfers({level: {"a": [5.0, -4.5, 1.0, 0.5, 0.0]} for level in LEVELS})
    assert found.arms == {"a": "undecided"} and not found.differences["a"]["plain"].clear


def test_an_order_within_noise_is_undecided():
    effects = {arm: (1 + 0.1 * i,) * 3 for i, arm in enumerate("abcd")}
    found = transfers(runs_of(effects, noise=3.0, seed=1))
    assert found.tau_low <= 0 and found.order != "transfers"


def test_too_few_seeds_decide_nothing():
    found = transfers(runs_of({"a": (9, 9, 9), "b": (4, 4, 4)}, noise=0.01, seeds=4))
    assert set(found.arms.values()) == {"undecided"} and found.order == "undecided"


def test_intervals_are_student_s():
    values = [1.0, 2.0, 3.0, 4.0, 5.0]
    found = transfers({level: {"a": values} for level in LEVELS}).differences["a"]["plain"]
    reach = 2.776445 * np.std(values, ddof=1) / np.sqrt(5)
    assert (found.low, found.high) == pytest.approx((3 - reach, 3 + reach), abs=1e-5)


def test_chance_rarely_transfers():
    # With no effect at all a level's interval leaves out 0 in 5 of 100 cases; three at once: never.
    verdicts = [
        transfers(runs_of({"a": (0, 0, 0)}, seed=i), samples=5).arms["a"] for i in range(60)
    ]
    assert verdicts.count("transfers") <= 1
    assert verdicts.count("does not transfer") <= 3  # three signs by chance differ in 3 of 4


def test_a_sign_that_turns_within_noise_is_undecided():
    found = transfers({"plain": {"a": [5, 8, 6, 7, 9]}, "photo": {"a": [-1, -6, 3, -4, 1]}})
    assert found.differences["a"]["plain"].clear and found.differences["a"]["photo"].sign == -1
    assert found.arms == {"a": "undecided"}


def test_an_effect_that_vanishes_does_not_transfer():
    gone = [0.1, -0.2, 0.3, 0.0, -0.1]
    found = transfers({"plain": {"a": [5, 8, 6, 7, 9]}, "photo": {"a": gone}})
    assert found.differences["a"]["photo"].negligible
    assert found.arms == {"a": "does not transfer"}
    small = transfers({"plain": {"a": [0.2, 0.1, 0.2]}, "photo": {"a": [0.0, 0.1, 0.0]}})
    assert small.arms == {"a": "undecided"}  # three seeds


@pytest.mark.slow
def test_the_rule_s_errors_on_simulated_studies():
    effects = {
        "nothing": (0, 0, 0),
        "two points": (2, 2, 2),
        "five": (5, 5, 5),
        "ten": (10, 10, 10),
        "turns": (10, 10, -10),
        "vanishes": (10, 10, 0),
    }
    found = operating_characteristics(effects, sd=2.5, studies=400)
    assert found["nothing"]["does not transfer"] < 0.05 and found["nothing"]["transfers"] < 0.01
    for name in ("two points", "five", "ten"):
        assert found[name]["does not transfer"] < 0.05
    assert found["two points"]["transfers"] < found["five"]["transfers"] < 1
    assert found["ten"]["transfers"] > 0.99 and found["turns"]["does not transfer"] > 0.99
    assert found["vanishes"]["transfers"] < 0.05
    assert all(sum(shares.values()) == pytest.approx(1) for shares in found.values())


def test_groups_far_apart_force_an_order():
    """Two groups of two, and the reference alone: 8 of 10 pairs keep their order whatever else."""
    draw = np.random.default_rng(0)
    table = {"a": 20.0, "b": 20.0, "c": -20.0, "d": -20.0}
    runs = {
        level: {arm: mean + draw.normal(0, 1, 6) for arm, mean in table.items()} for level in LEVELS
    }
    found = transfers(runs)
    assert found.tau_forced == pytest.approx((8 - 2) / 10)
    assert found.order == "undecided"  # what is left to be ordered is noise


def test_a_collapsed_arm_takes_no_part_in_the_order():
    runs = runs_of({"a": (9, 6, 5), "b": (4, 3, 2), "gone": (-30, -30, -30)})
    one, other = transfers(runs), transfers(runs, collapsed=["gone"])
    assert other.arms == one.arms
    assert set(other.differences) == {"a", "b", "gone"} and other.order == "transfers"
    noise = runs_of({"a": (9, 9, 9), "b": (9, 9, 9), "gone": (-30, -30, -30)})
    assert transfers(noise).tau_forced > transfers(noise, collapsed=["gone"]).tau_forced
    scores = {("plain", "triplet"): 30.0, ("plain", "a"): 40.0, ("plain", "gone"): 1.0}
    made = {(w, arm, 0): {"report": {"D2S": {"r_at_1": v}}} for (w, arm), v in scores.items()}
    assert collapsed_arms(made) == ["gone"]


def test_the_bootstrap_is_repeatable():
    runs = runs_of({"a": (2, 1, 1), "b": (1, 2, 1)}, noise=1.0)
    assert transfers(runs, samples=50).to_dict() == transfers(runs, samples=50).to_dict()
    assert transfers(runs, samples=50, seed=1).tau == transfers(runs, samples=50).tau


def test_a_verdict_is_a_table_and_json():
    found = transfers(runs_of({"a": (9, 6, 5)}))
    lines = str(found).splitlines()
    assert lines[0] == "| arm | plain | textured | photo | verdict |"
    assert lines[2].startswith("| a | +") and lines[2].endswith("| transfers |")
    assert json.loads(json.dumps(found.to_dict()))["arms"] == {"a": "transfers"}
    assert "five seeds" in RULE and set(VERDICTS) >= {found.order}


@pytest.mark.parametrize(
    "runs, words",
    [
        ({"plain": {"a": [1, 2]}}, "two levels or more"),
        ({"plain": {"a": [1, 2]}, "photo": {"b": [1, 2]}}, r"arms \['b'\]"),
        ({"plain": {"a": [1]}, "photo": {"a": [1]}}, r"\[1\] seeds"),
        ({"plain": {"a": [1, np.nan]}, "photo": {"a": [1, 2]}}, "not finite"),
    ],
)
def test_wrong_input_is_named(runs, words):
    with pytest.raises(ValueError, match=words):
        transfers(runs)


def test_differences_are_paired_by_seed():
    def run(value):
        return {"report": {"D2S": {"r_at_1": value}}}

    runs = {
        ("plain", "triplet", 0): run(10.0), ("plain", "rda", 0): run(13.0),
        ("plain", "triplet", 1): run(20.0), ("plain", "rda", 1): run(19.0),
        ("plain", "triplet", 2): run(20.0), ("photo", "triplet", 0): run(1.0),
        ("photo", "rda", 0): run(4.5),
    }  # fmt: skip
    assert differences(runs) == {"plain": {"rda": [3.0, -1.0]}, "photo": {"rda": [3.5]}}
    with pytest.raises(ValueError, match="reference is 'infonce'"):
        differences(runs, "infonce")
