"""What works without the extras: losses and retrieval with torch and numpy and nothing else."""

import subprocess
import sys

import pytest

from tests.helpers import ROOT
from tests.pages.test_repository import PROJECT

pytestmark = pytest.mark.slow

ALONE = r"""
import sys
from importlib.metadata import packages_distributions, requires
import re

def needs(name, seen):
    # a distribution and what it requires itself, without extras
    name = re.sub(r"[-_.]+", "-", name).lower()
    if name in seen:
        return seen
    try:
        required = requires(name) or []
    except Exception:  # of another system
        return seen
    seen.add(name)
    for line in required:
        if "extra ==" not in line:
            needs(re.match(r"[\w.-]+", line)[0], seen)
    return seen

allowed = needs("torch", needs("numpy", set())) | {"setuptools"}
modules = {
    module for module, names in packages_distributions().items()
    if not {re.sub(r"[-_.]+", "-", n).lower() for n in names} & allowed
} - {"dphr_lab"} - set(sys.stdlib_module_names)
for module in modules:
    sys.modules[module] = None  # whoever imports it finds that it is not there
print(len(modules), "timm" in modules, "PIL" in modules, "scipy" in modules)

import numpy, torch
from dphr_lab import losses, retrieval
from dphr_lab.retrieval import evaluate

torch.manual_seed(0)
z = torch.nn.functional.normalize(torch.rand(8, 4), dim=1).requires_grad_()
for make in (losses.TripletLoss, losses.DPHRLoss, losses.DPHRLoss.sharp, losses.SymmetricInfoNCE,
             losses.MinedTripletLoss, losses.WeightedInfoNCE):
    make()(z[:4], z[4:]).backward()
print("losses", z.grad.abs().sum() > 0)
rows = z.detach().numpy()
print(evaluate(rows[:4], numpy.arange(4), rows[4:], numpy.arange(4)))
"""


def test_losses_and_retrieval_need_torch_and_numpy_alone():
    assert {name.partition(">")[0] for name in PROJECT["dependencies"]} == {"numpy", "torch"}
    done = subprocess.run(
        [sys.executable, "-c", ALONE], cwd=ROOT, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    first, second, *report = done.stdout.splitlines()
    assert first.endswith("True True True") and int(first.split()[0]) > 50
    assert second == "losses tensor(True)"
    assert any("R@1" in line for line in report)
