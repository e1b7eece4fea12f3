"""Whether a data set holds the images that it held: by content, wherever it lies."""

import os
import shutil

import pytest

from dphr_lab.datasets import open_dataset
from dphr_lab.datasets.identity import changed_images, list_images, places_of
from tests.datasets.test_verification import write_image


@pytest.fixture
def root(tmp_path):
    for place in "abc":
        for view, count in (("drone", 3), ("satellite", 1)):
            for k in range(count):
                write_image(tmp_path / "mine/train" / view / place / f"{k}.png", ord(place) + k)
    return tmp_path / "mine"


def changed(root, change):
    before = list_images(open_dataset(root))
    change()
    return changed_images(before, list_images(open_dataset(root)))


def test_moved_and_touched_it_is_the_same(root, tmp_path):
    before = list_images(open_dataset(root))
    moved = shutil.move(root, tmp_path / "moved")
    os.utime(moved / "train/drone/a/0.png", (1, 1))
    assert changed_images(before, list_images(open_dataset(moved))) == ""


def test_what_went_came_and_changed_is_named(root):
    drone = root / "train/drone"
    gone = changed(root, (drone / "a/2.png").unlink)
    assert gone == "1 gone (train/drone/a/2.png)"
    assert changed(root, lambda: write_image(drone / "b/9.png", 9)) == "1 new (train/drone/b/9.png)"
    other = bytearray((drone / "c/0.png").read_bytes())
    other[-20] ^= 1  # of the same length
    said = changed(root, lambda: (drone / "c/0.png").write_bytes(other))
    assert said == "1 other than they were (train/drone/c/0.png)"


def test_a_place_that_went_is_seen(root):
    before = list_images(open_dataset(root))
    for view in ("drone", "satellite"):
        shutil.rmtree(root / "train" / view / "b")
    now = list_images(open_dataset(root))
    assert places_of(before) - places_of(now) == {"train/drone/b", "train/satellite/b"}


def test_data_in_memory_have_no_files():
    assert list_images(object()) is None
