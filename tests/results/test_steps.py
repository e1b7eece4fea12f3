"""How much a growing loss lengthens Adam's steps: what is stored, and the Adam it was made with."""

import importlib.util
import json

import pytest
import torch

from dphr_lab import results
from tests.helpers import ROOT

RECORDS = {
    path.stem: json.loads(path.read_text("utf-8"))
    for path in sorted((ROOT / "dphr_lab" / "results" / "steps").glob("*.json"))
}


@pytest.mark.parametrize("name", RECORDS)
def test_the_lambda_is_that_of_the_study(name):
    record = RECORDS[name]
    run = results.load(record["study"])["mini", record["arm"], record["seed"]]
    course = run["settings"]["loss_options"]["course"]
    assert record["lambda"] == pytest.approx(course[9::10], abs=1e-5)
    assert record["step"] == list(range(10, run["settings"]["steps"] + 1, 10))


@pytest.mark.parametrize("name", RECORDS)
def test_a_step_is_never_lengthened_beyond_sgds_and_not_at_all_without_growth(name):
    record = RECORDS[name]
    pairs = list(zip(record["factor"], record["lambda"], strict=True))
    assert all(1 - 1e-4 <= factor <= 1 + lam + 1e-3 for factor, lam in pairs)
    assert record["largest"] >= max(record["factor"]) > 1.05


def test_both_records_are_there():
    assert set(RECORDS) == {"replay-s0", "sharp_replay-s0"}


def test_the_step_compared_is_that_of_pytorchs_adam():
    spec = importlib.util.spec_from_file_location(
        "store_steps", ROOT / "book" / "_tools" / "store_steps.py"
    )
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    draw = torch.Generator().manual_seed(0)
    x = torch.zeros(50, dtype=torch.float64, requires_grad=True)
    adam = torch.optim.Adam([x], lr=1.0, betas=(0.9, 0.999), eps=1e-8)
    step = tool.AdamStep(0.9, 0.999, 1e-8)
    for _ in range(20):
        x.grad = torch.randn(50, generator=draw, dtype=torch.float64)
        before = x.detach().clone()
        adam.step()
        torch.testing.assert_close(before - x.detach(), step(x.grad))
