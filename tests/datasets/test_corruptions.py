"""What spoils an image is drawn from (seed, name, strength, image), and grows with the strength."""

import numpy as np
import pytest
import torch

from dphr_lab.cli import robustness as command
from dphr_lab.datasets import ArrayImages
from dphr_lab.datasets.corruptions import CORRUPTIONS, TEN_WEATHERS, corrupted, weathered

PX = 48
TWO_WAYS = ("scale", "rotation")  # no level of these is more than another


@pytest.fixture(scope="module")
def images():
    rng = np.random.default_rng(0)
    blocks = rng.integers(30, 226, (4, 10, 10, 3), dtype=np.uint8)
    pixels = blocks.repeat(5, 1).repeat(5, 2)[:, :PX, :PX]  # on no grid of few pixels
    return ArrayImages("drone", pixels, [5, 5, 9, 9], [1, 1, 2, 2])


def off(images, name, level) -> float:
    clean = images.read(range(4), PX).float()
    return float((corrupted(images, name, level).read(range(4), PX).float() - clean).abs().mean())


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_same_draws_whatever_the_batch(images, name):
    level = CORRUPTIONS[name].levels[2]
    whole = corrupted(images, name, level).read(range(4), PX)
    assert whole.dtype == torch.uint8 and whole.shape == (4, 3, PX, PX)
    assert torch.equal(whole[[2]], corrupted(images, name, level).read([2], PX))
    assert not torch.equal(whole, images.read(range(4), PX))
    drawn = not torch.equal(whole, corrupted(images, name, level, seed=1).read(range(4), PX))
    fixed = ("over_exposure", "jpeg", "low_resolution", "rotation", "scale")
    assert drawn == (name not in fixed)


@pytest.mark.parametrize("name", [name for name in CORRUPTIONS if name not in TWO_WAYS])
def test_five_strengths_each_worse_than_the_last(images, name):
    levels = CORRUPTIONS[name].levels
    found = [off(images, name, level) for level in levels]
    assert len(levels) == 5 and found == sorted(found) and found[0] < 0.8 * found[-1]


def test_labels_are_those_of_the_set(images):
    found = corrupted(images, "fog", 0.25)
    assert found.places is images.places and found.families is images.families
    assert found.view == "drone" and len(found) == 4


def test_turns_and_scales_have_closed_forms(images):
    clean = images.read(range(4), PX)
    turned = corrupted(images, "rotation", 90).read(range(4), PX)
    assert torch.equal(turned, clean.rot90(1, (-2, -1)))
    assert torch.equal(corrupted(images, "rotation", 180).read([0], PX), clean[:1].flip((-1, -2)))
    near = corrupted(images, "scale", 0.5).read([0], PX).float()  # the central half, enlarged
    middle = clean[:1, :, 12:36, 12:36].float()
    assert (near[..., 1::2, 1::2] - middle).abs().mean() < 12


def test_occlusion_covers_the_share_it_says(images):
    clean = images.read(range(4), PX)
    for area in CORRUPTIONS["occlusion"].levels:
        hidden = corrupted(images, "occlusion", area).read(range(4), PX)
        share = (hidden != clean).any(1).float().mean()
        assert abs(share - area) < 0.03


def test_the_ten_weathers_are_what_they_are_made_of(images):
    assert len(TEN_WEATHERS) == 10
    clean = images.read(range(4), PX)
    for name, parts in TEN_WEATHERS.items():
        found = weathered(images, name).read(range(4), PX)
        assert torch.equal(found, clean) == (not parts)
        if len(parts) == 1:
            level = CORRUPTIONS[parts[0]].levels[2]
            assert torch.equal(found, corrupted(images, parts[0], level).read(range(4), PX))


def test_the_command_knows_the_same_names():
    assert tuple(CORRUPTIONS) == command.CORRUPTIONS


def test_an_unknown_name_is_answered_with_those_there_are(images):
    with pytest.raises(
        ValueError, match=r"corruption 'hail' is unknown; expected one of fog, rain"
    ):
        corrupted(images, "hail", 1)
