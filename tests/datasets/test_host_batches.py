"""What the hosts' recipes need of batches: one image a place, unpaired views, augmentation."""

import numpy as np
import pytest
import torch

from dphr_lab.datasets import (
    NO_AUGMENTATION,
    ArrayImages,
    Augmentation,
    BatchReader,
    PairBatches,
    PairSet,
)
from dphr_lab.datasets.augment import apply, sample_augmentation, turned

PLACES, VIEWS = 11, 5


@pytest.fixture
def pairs():
    """Images whose grey says which they are: the place's number, for drones plus 100."""
    satellite = np.arange(PLACES)
    drone = np.repeat(satellite, VIEWS)
    return PairSet(
        *(
            ArrayImages(
                view, np.tile((of + plus)[:, None, None, None], (1, 4, 4, 3)).astype("u1"), of
            )
            for view, of, plus in (("drone", drone, 100), ("satellite", satellite, 0))
        )
    )


def batches(pairs, sampler, epoch=0, **options):
    return PairBatches(pairs, 4, 0, epoch, sampler=sampler, **options)


def read(pairs, rows, epoch=0):
    return BatchReader(pairs, 4, NO_AUGMENTATION, 0)[epoch, rows]


def test_one_per_place_takes_a_drawn_pair_of_each_place(pairs):
    plans = [batches(pairs, "one_per_place", epoch) for epoch in range(8)]
    for epoch, plan in enumerate(plans):
        assert plan.plan.shape == (2, 4)  # 11 // 4
        assert (plan.used, plan.left_out) == (8, PLACES * VIEWS - 8)
        assert len(set(pairs.pair_places[plan.plan].ravel())) == 8
        batch = read(pairs, plan[0], epoch)
        assert torch.equal(batch.places, batch.satellite_places)
        assert torch.equal(batch.drone[:, 0, 0, 0] - 100, batch.places.byte())
        assert torch.equal(batch.satellite[:, 0, 0, 0], batch.places.byte())
    drawn = np.concatenate([plan.plan.ravel() for plan in plans])
    assert len(set(drawn)) > 8  # other images of a place in other epochs
    assert np.array_equal(plans[1].plan, batches(pairs, "one_per_place", 1).plan)


def test_unpaired_views_are_shuffled_by_themselves(pairs):
    found = batches(pairs, "unpaired")
    assert found.plan.shape == (2, 4, 2) and len(found) == 2 and found.used == 8
    apart = 0
    for step in range(2):
        batch = read(pairs, found[step])
        assert torch.equal(batch.drone[:, 0, 0, 0] - 100, batch.places.byte())
        assert torch.equal(batch.satellite[:, 0, 0, 0], batch.satellite_places.byte())
        apart += (batch.places != batch.satellite_places).sum().item()
    assert apart > 4  # rows are no pairs
    satellites = pairs.pair_places[found.plan[..., 1]].ravel()
    assert len(set(satellites)) == 8  # each place once on this side
    halves = [read(pairs, batches(pairs, "unpaired", rank=rank, processes=2)[0]) for rank in (0, 1)]
    for whole, parts in zip(read(pairs, found[0]), zip(*halves, strict=True), strict=True):
        assert torch.equal(whole, torch.cat(parts))


AS_PUBLISHED = Augmentation(
    quarter_turns=0, jitter=0, jpeg=0, blur=0, erase=1, erase_drone_only=True,
    shift=0.25, rotation=90, policy=1,
)  # fmt: skip


def test_new_draws_change_no_old_ones():
    old = sample_augmentation(Augmentation(), 3, 1, range(20))
    more = Augmentation(shift=0.1, rotation=45, policy=0.5, turn=90)
    new = sample_augmentation(more, 3, 1, range(20))
    for view in ("drone", "satellite"):
        for name in ("flip", "quarter_turns", "brightness", "blur_sigma", "jpeg_quality", "erase"):
            assert np.array_equal(*(getattr(getattr(d, view), name) for d in (old, new)))
    assert not old.drone.shift.any() and not old.satellite.rotation.any()
    assert (old.drone.policy == -1).all()


def test_rotation_is_the_satellites_policy_and_erasing_the_drones():
    draws = sample_augmentation(AS_PUBLISHED, 0, 0, range(400))
    assert not draws.drone.rotation.any() and (draws.satellite.policy == -1).all()
    assert (draws.drone.policy >= 0).all() and draws.drone.erase[:, 2].all()
    assert not draws.satellite.erase[:, 2].any()
    for values, most in ((draws.satellite.rotation, 90), (draws.drone.shift, 0.25)):
        assert -most <= values.min() < -0.9 * most and 0.9 * most < values.max() <= most


def test_a_shift_is_padding_by_repeated_edges_and_a_crop():
    images = torch.arange(3 * 8 * 8, dtype=torch.uint8).view(1, 3, 8, 8)
    draws = sample_augmentation(NO_AUGMENTATION, 0, 0, [0]).drone
    draws.shift[:] = 2 / 8, -1 / 8  # two down, one left
    padded = torch.nn.functional.pad(images.float(), (2, 2, 2, 2), mode="replicate").byte()
    assert torch.equal(apply(images, draws), padded[:, :, 0:8, 3:11])


def test_a_rotation_by_90_degrees_is_a_quarter_turn():
    images = torch.randint(0, 256, (1, 3, 8, 8), dtype=torch.uint8)
    draws = sample_augmentation(NO_AUGMENTATION, 0, 0, [0]).satellite
    draws.rotation[:] = 90
    assert torch.equal(apply(images, draws), images.rot90(1, (-2, -1)))


def test_a_turn_is_the_drones_and_mirrors_its_edges():
    draws = sample_augmentation(Augmentation(turn=180), 0, 0, range(400))
    assert not draws.satellite.turn.any()
    assert -180 <= draws.drone.turn.min() < -160 and 160 < draws.drone.turn.max() <= 180
    images = torch.randint(1, 256, (1, 3, 9, 9), dtype=torch.uint8)
    assert torch.equal(turned(images[0], 90), images[0].rot90(1, (-2, -1)))
    one = sample_augmentation(NO_AUGMENTATION, 0, 0, [0]).drone
    one.turn[:] = 45
    found = apply(images, one)
    assert torch.equal(found[0], turned(images[0], 45))
    assert found.min() > 0  # no corner is empty


def test_the_policy_is_a_function_of_its_draws_and_leaves_torchs_state():
    images = torch.randint(0, 256, (24, 3, 16, 16), dtype=torch.uint8)
    draws = sample_augmentation(AS_PUBLISHED, 0, 0, range(24)).drone
    draws.erase[:], draws.shift[:], draws.flip[:] = 0, 0, False
    before = torch.get_rng_state()
    once, again = apply(images, draws), apply(images, draws)
    assert torch.equal(once, again) and torch.equal(before, torch.get_rng_state())
    assert torch.equal(once[3:5], apply(images[3:5], draws[3:5]))
    changed = (once != images).flatten(1).any(1).float().mean()
    assert 0.3 < changed < 1  # its own probabilities leave some as they are


@pytest.mark.parametrize("wrong", [{"shift": 1.0}, {"rotation": 200}, {"policy": 2}, {"turn": 181}])
def test_augmentation_out_of_range_is_named(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Augmentation(**wrong)
