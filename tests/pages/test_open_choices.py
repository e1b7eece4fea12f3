"""The page of open choices tells the truth: its slots, its lines, and its code."""

import ast
import inspect
import re
from operator import attrgetter

import pytest
import torch
import torch.nn.functional as F

from dphr_lab.losses import DPHRLoss, SymmetricInfoNCE, closed_form, rda
from dphr_lab.losses.dphr import SHARP
from dphr_lab.losses.margins import FORMS
from dphr_lab.losses.palw import PROGRESS_MAPS, SIGNALS, SMOOTHS
from dphr_lab.losses.rda import NORMALISATIONS, SCALES, WEIGHT_MAPS
from tests.helpers import ROOT, case

PAGE = (ROOT / "book" / "open_choices.md").read_text("utf-8")
CONTROLS = {"ratio", "rescale"}  # the page names them as such
# a run's length; a recorded run; memory; machines
NO_CHOICES = {"total_steps", "course", "chunk_size", "across_processes"}


def table(after):
    """Rows of the first table below a heading, as lists of cells."""
    rows = re.search(r"(?:^\|.*\n)+", PAGE.partition(after)[2], re.MULTILINE)[0].splitlines()
    return [[cell.strip() for cell in row[1:-1].split("|")] for row in rows[2:]]


def code(cell):
    return re.findall(r"`([^`]+)`", cell)


def value_of(text):
    return SymmetricInfoNCE() if text == "SymmetricInfoNCE()" else ast.literal_eval(text)


def slots():
    """(keyword, values as written, keywords they need, what is said of them) of each row."""
    for keyword, cell, _, _ in table("## The slots"):
        values, _, rest = cell.partition(";")
        needs = dict(text.split("=", 1) for text in code(rest) if "=" in text)
        yield code(keyword)[0], code(values), needs, rest


SLOTS = {keyword: (values, needs, rest) for keyword, values, needs, rest in slots()}
PARAMETERS = inspect.signature(DPHRLoss).parameters


def batches(count=3, rows=8, dim=6):
    """Batches of which positives are nearer than most negatives, each more so than the last."""
    generator = torch.Generator().manual_seed(0)
    for step in range(count):
        z = torch.randn(2, rows, dim, generator=generator, dtype=torch.float64)
        z[1] = (1 + step) * z[0] / 2 + z[1]
        yield F.normalize(z, dim=-1)


def trained(keyword, text):
    """(loss, gradient) of the last of some batches with one slot filled."""
    needs = {name: value_of(value) for name, value in SLOTS[keyword][1].items()}
    soon = {"window": 1}  # so that lambda moves within three batches
    loss = DPHRLoss(**soon | needs | {keyword: value_of(text)})
    for z in batches():
        z.requires_grad_()
        value = loss(*z)
        gradient = torch.autograd.grad(value, z)[0]
    return value.detach(), gradient


def test_every_keyword_is_a_slot_or_named_as_none():
    assert set(SLOTS) | CONTROLS | NO_CHOICES == set(PARAMETERS)
    assert not set(SLOTS) & (CONTROLS | NO_CHOICES)
    rest = PAGE.partition("Not slots but **controls**")[2].partition("\n\n")[0]
    assert all(f"`{name}=" in rest for name in CONTROLS)


@pytest.mark.parametrize("keyword", SLOTS)
def test_the_first_value_is_the_default(keyword):
    assert ast.literal_eval(SLOTS[keyword][0][0]) == PARAMETERS[keyword].default


def test_the_column_of_sharp_is_sharp():
    shown = {code(k)[0]: code(sharp) for k, _, sharp, _ in table("## The slots") if code(sharp)}
    assert {keyword: ast.literal_eval(value[0]) for keyword, value in shown.items()} == SHARP


@pytest.mark.parametrize(
    ("keyword", "offered"),
    [
        ("form", FORMS),
        ("weight_map", (*WEIGHT_MAPS, None)),
        ("normalise", NORMALISATIONS),
        ("scale", SCALES),
        ("progress_map", PROGRESS_MAPS),
        ("smooth", SMOOTHS),
        ("bias_correction", (False, True)),
        ("signal", SIGNALS),
        ("detach", (True, False)),
    ],
)
def test_every_named_value_is_listed(keyword, offered):
    assert {ast.literal_eval(value) for value in SLOTS[keyword][0]} == set(offered)


@pytest.mark.parametrize("keyword", SLOTS)
def test_each_value_gives_a_finite_loss_and_gradient(keyword):
    for value in SLOTS[keyword][0]:
        with case(keyword, value):
            loss, gradient = trained(keyword, value)
            assert loss.isfinite() and gradient.isfinite().all()
            assert loss > 0 and gradient.abs().max() > 0


@pytest.mark.parametrize("keyword", SLOTS)
def test_each_value_makes_a_difference(keyword):
    values, _, rest = SLOTS[keyword]
    results = [trained(keyword, value) for value in values]
    for i, (one, gradient) in enumerate(results):
        for other, other_gradient in results[:i]:
            assert not torch.allclose(gradient, other_gradient, rtol=1e-4, atol=1e-8)
            stays = "the value stays" in rest
            assert torch.isclose(one, other, rtol=1e-4) == stays


@pytest.mark.parametrize(("choice", "file", "line"), table("## Where each choice is made"))
def test_the_line_to_change_is_there_once(choice, file, line):
    source = (ROOT / "dphr_lab" / "losses" / code(file)[0]).read_text("utf-8")
    assert sum(text.strip().startswith(code(line)[0]) for text in source.splitlines()) == 1


def test_the_names_that_a_new_map_needs_are_there():
    for name, module in (("map_hardness", rda), ("_Sweep._map", closed_form), ("WEIGHT_MAPS", rda)):
        assert f"`{name}`" in PAGE
        assert attrgetter(name)(module) is not None


def page_code():
    names = {}
    for block in re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL):
        exec(block, names)
    return names


def test_the_function_of_the_page_is_the_package_at_its_defaults():
    names, loss = page_code(), DPHRLoss(window=1, momentum=0.5)
    assert names["loss"].isfinite()
    for z in batches():
        z.requires_grad_()
        value = loss(*z)
    assert loss.progressive.value() > 0.1
    by_page = names["reading"](*z, lam=loss.progressive.value().item())
    torch.testing.assert_close(by_page, value, rtol=1e-6, atol=0)
    gradients = [torch.autograd.grad(each, z)[0] for each in (by_page, value)]
    torch.testing.assert_close(*gradients, rtol=1e-6, atol=1e-9)
    one_way = [names["reading"](*z, 0.5, directions=(way,)) for way in ("D2S", "S2D")]
    torch.testing.assert_close(sum(one_way) / 2, names["reading"](*z, 0.5))
    assert not torch.isclose(*one_way)


def test_odds_as_weights_lose_the_positive():
    d_pos, d_neg = torch.rand(5, 1) + 0.1, torch.rand(5, 7) + 0.1
    h = d_pos / (d_pos + d_neg)
    odds, inverse = h / (1 - h), 1 / d_neg
    means = [each / each.mean(1, keepdim=True) for each in (odds, inverse)]
    torch.testing.assert_close(*means)
