"""What the fault tests share: small worlds, and a run trained on one, each made once."""

import shutil

import pytest

from tests.faults import words
from tests.helpers import run

SMALL = words(
    "--image-px 32 --train-places 6 --test-places 3 --distractor-places 1 --drone-views 2"
)
SHORT = words("--image-px 32 --batch 3 --val-places 0 --steps 1 --threads 1 --no-augmentation")


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("faults")


@pytest.fixture(scope="session")
def world(folder):
    """A world on disk in University-1652's layout: places 1 to 6 train, 7 to 9 are queried."""
    root = folder / "world"
    assert run("scenes", "--preset", "tiny", "--out", root, *SMALL, "--workers", 1) == 0
    return root


@pytest.fixture(scope="session")
def two_heights(folder):
    """A world on disk in SUES-200's layout, at 150 and 200 m: 6 places train, 3 are queried."""
    root = folder / "heights"
    few = words("--image-px 32 --train-places 6 --test-places 3 --distractor-places 0")
    options = [*few, "--drone-views", 1, "--workers", 1]
    assert run("scenes", "--preset", "tiny", "--layout", "sues200", "--out", root, *options) == 0
    for height_m in (250, 300):
        for place in (root / "drone_view_512").glob(f"*/{height_m}"):
            shutil.rmtree(place)
    return root


@pytest.fixture(scope="session")
def trained(folder, world):
    """A run on it that went to its end."""
    assert run("train", "--data", world, "--out", folder / "run", *SHORT) == 0
    return folder / "run"
