"""Augmentation and batches of pairs from distinct places."""

from dataclasses import fields, replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.data import DataLoader
from torchvision.transforms.v2 import functional

from dphr_lab.datasets import (
    NO_AUGMENTATION,
    ArrayImages,
    Augmentation,
    BatchReader,
    PairBatches,
    PairSet,
    SampledView,
    adjust_colour,
    apply,
    plan_batches,
    sample_augmentation,
)
from dphr_lab.datasets.batches import family_order, neighbour_order

EVERYTHING = Augmentation(flip=0.5, jitter=1, jpeg=1, blur=1, erase=1)


def make_pairs(counts, px: int = 8) -> PairSet:
    """`counts[place] = (drone images, satellite images)`, every image different."""
    rng = np.random.default_rng(0)

    def images(view, column):
        places = [place for place, count in enumerate(counts) for _ in range(count[column])]
        pixels = rng.integers(0, 256, (len(places), px, px, 3), dtype=np.uint8)
        return ArrayImages(view, pixels, places)

    return PairSet(images("drone", 0), images("satellite", 1))


def random_images(n: int, px: int = 16, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (n, 3, px, px), dtype=torch.uint8, generator=generator)


def nothing_drawn(n: int, **changes) -> SampledView:
    return replace(sample_augmentation(NO_AUGMENTATION, 0, 0, range(n)).drone, **changes)


def test_places_that_overlap_never_meet():
    """A chain 0-1-2-…: by hand, a batch of three is every other place at most."""
    pairs = make_pairs([(2, 1)] * 7)
    chain = PairSet(pairs.drone, pairs.satellite, [(i, i + 1) for i in range(6)])
    plan = PairBatches(chain, 3, seed=0, epoch=0).plan
    gaps = np.diff(np.sort(chain.pair_places[plan], axis=1), axis=1)
    assert len(plan) >= 2 and gaps.min() >= 2
    free = PairBatches(pairs, 3, seed=0, epoch=0).plan
    assert np.diff(np.sort(pairs.pair_places[free], axis=1), axis=1).min() == 1
    rest, held = chain.hold_out(2, seed=0)
    assert rest.overlaps == held.overlaps == chain.overlaps
    with pytest.raises(ValueError, match="batch is 5: so many of the 7 training places overlap"):
        PairBatches(chain, 5, seed=0, epoch=0)


# -- batches ---------------------------------------------------------------------------------------


def epoch_of(pairs, batch, image_px, seed, epoch, augmentation, **options) -> list:
    """All batches of an epoch, read."""
    reader = BatchReader(pairs, image_px, augmentation, seed)
    return [reader[epoch, rows] for rows in PairBatches(pairs, batch, seed, epoch, **options)]


COUNTS = st.lists(st.tuples(st.integers(1, 4), st.integers(1, 4)), min_size=1, max_size=12)


@settings(max_examples=60, deadline=None)
@given(COUNTS, st.data(), st.integers(0, 1000))
def test_an_epoch_uses_each_pair_once_and_distinct_places(counts, data, seed):
    pairs = make_pairs(counts, px=2)
    size = data.draw(st.integers(1, len(counts)))
    batches, read = PairBatches(pairs, size, seed, 0), BatchReader(pairs, 2, NO_AUGMENTATION, seed)
    used = batches.plan.reshape(-1).tolist()
    assert len(batches) >= 1 and len(used) == len(set(used))
    assert len(used) + batches.left_out == len(pairs.pairs)
    for step in range(len(batches)):
        batch = read[0, batches[step]]
        assert batch.drone.shape == batch.satellite.shape == (size, 3, 2, 2)
        assert len(set(batch.places.tolist())) == size
        rows = pairs.pairs[batch.pair_index.numpy()]
        assert (pairs.drone.places[rows[:, 0]] == batch.places.numpy()).all()
        assert (pairs.satellite.places[rows[:, 1]] == batch.places.numpy()).all()
        assert torch.equal(batch.drone, pairs.drone.read(rows[:, 0], 2))
        assert torch.equal(batch.satellite, pairs.satellite.read(rows[:, 1], 2))
    # Nothing that could still make a batch is left out.
    left = set(range(len(pairs.pairs))) - set(used)
    assert len({pairs.pair_places[pair] for pair in left}) < size


@settings(max_examples=60, deadline=None)
@given(COUNTS, st.integers(1, 4), st.integers(0, 1000))
def test_families_stand_together_and_each_pair_once(counts, family_size, seed):
    pairs = make_pairs(counts, px=2)
    families = pairs.pair_places // family_size
    order = family_order(pairs.pair_places, families, np.random.default_rng(seed))
    assert sorted(order) == list(range(len(pairs.pairs)))
    # a family's places come one after the other in every turn in which all of them have a pair
    shared = min(np.bincount(pairs.pair_places))
    ordered = pairs.pair_places[order[: shared * len(counts)]].reshape(shared, len(counts))
    for turn in ordered:
        assert sorted(turn) == list(range(len(counts)))
        assert (np.diff(turn // family_size) != 0).sum() == len(set(families)) - 1


def test_the_family_sampler_fills_batches_with_twins():
    pairs = make_pairs([(4, 1)] * 300, px=2)
    for images in (pairs.drone, pairs.satellite):
        images.families = images.places // 3
    options = {"batch": 32, "seed": 0, "epoch": 0}

    def with_a_twin(sampler):
        plan = PairBatches(pairs, **options, sampler=sampler).plan
        families = pairs.pair_places[plan] // 3
        return np.mean([(row == row[:, None]).sum(1) > 1 for row in families])

    assert with_a_twin("random") < 0.35 and with_a_twin("families") > 0.95
    first, other = (
        PairBatches(pairs, **options | {"epoch": e}, sampler="families") for e in (0, 1)
    )
    assert len(first) == 37 and (first.plan[0] != other.plan[0]).any()


def on_a_circle(count):
    """(count, 2): unit vectors, each next to its two neighbours by number."""
    angle = 2 * np.pi * np.arange(count) / count
    return np.stack([np.cos(angle), np.sin(angle)], axis=1)


@settings(max_examples=60, deadline=None)
@given(COUNTS, st.integers(1, 12), st.integers(0, 1000))
def test_neighbours_use_each_pair_once_and_each_place_once_a_turn(counts, batch, seed):
    places = make_pairs(counts, px=2).pair_places
    order = neighbour_order(places, on_a_circle(len(counts)), batch, np.random.default_rng(seed))
    assert sorted(order) == list(range(len(places)))
    for step in range(len(order) // batch):
        together = places[order[step * batch : (step + 1) * batch]]
        if len(counts) % batch == 0 and step < len(counts) // batch:
            assert len(set(together)) == batch


def test_the_nearest_sampler_fills_batches_with_neighbours():
    """Sixty places on a circle, by twelve: the first of a turn are an arc, all are used once."""
    pairs = make_pairs([(3, 1)] * 60, px=2)
    assert pairs.families is None  # which it does not ask for
    options = {"batch": 12, "seed": 0}
    z = on_a_circle(60)

    def plan(sampler, epoch=0, z_places=z):
        batches = PairBatches(pairs, **options, epoch=epoch, sampler=sampler, z_places=z_places)
        return pairs.pair_places[batches.plan]

    def spread(rows):
        """Mean distance between the places of a batch."""
        return np.mean([np.linalg.norm(z[row][:, None] - z[row], axis=2).mean() for row in rows])

    near, random = plan("nearest"), plan("random", z_places=None)
    assert near.shape == (15, 12) and all(len(set(row)) == 12 for row in near)
    for turn in np.split(near, 3):
        assert sorted(turn.ravel()) == list(range(60))
        first = np.sort(turn[0])
        assert max(np.diff(np.append(first, first[0] + 60))) == 60 - 11  # twelve side by side
    assert spread(near) < 0.6 * spread(random)
    assert np.array_equal(near, plan("nearest")) and (near != plan("nearest", epoch=1)).any()


def test_the_nearest_sampler_knows_places_by_their_embedding_not_their_number():
    """Labels that are no row numbers, embeddings that join 7 to 900 and 8 to 901."""
    places = np.array([7, 8, 900, 901])
    pairs = PairSet(
        *(ArrayImages(v, np.zeros((4, 2, 2, 3), np.uint8), places) for v in ("drone", "satellite"))
    )
    z = np.array([[1.0, 0], [0, 1], [0.9, 0.1], [0.1, 0.9]])
    batches = PairBatches(pairs, 2, 0, 0, sampler="nearest", z_places=z)
    found = {tuple(sorted(pairs.pair_places[row])) for row in batches.plan}
    assert found == {(7, 900), (8, 901)}


def test_the_nearest_sampler_needs_an_embedding_of_each_place():
    pairs = make_pairs([(2, 1)] * 4)
    for z, rows in ((None, "None"), (on_a_circle(3), "3")):
        with pytest.raises(
            ValueError, match=f"z_places has {rows} rows; give one for each of .* 4"
        ):
            PairBatches(pairs, 2, 0, 0, sampler="nearest", z_places=z)


def test_the_family_sampler_needs_families_and_samplers_have_names():
    pairs = make_pairs([(2, 1)] * 4)
    with pytest.raises(ValueError, match="does not say which places are twins; use 'random'"):
        PairBatches(pairs, 2, 0, 0, sampler="families")
    with pytest.raises(ValueError, match="sampler is 'hard'; expected 'random'"):
        PairBatches(pairs, 2, 0, 0, sampler="hard")


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 9), st.integers(1, 9), st.integers(0, 100))
def test_slices_of_all_ranks_are_the_global_batch(size, processes, seed):
    pairs = make_pairs([(2, 1)] * 9, px=4)
    if processes > size:
        with pytest.raises(ValueError, match="processes"):
            PairBatches(pairs, size, seed, 1, processes=processes)
        return
    asked = (pairs, size, 4, seed, 1, EVERYTHING)
    whole = epoch_of(*asked)[0]
    slices = [epoch_of(*asked, rank=rank, processes=processes)[0] for rank in range(processes)]
    for expected, parts in zip(whole, zip(*slices, strict=True), strict=True):
        assert torch.equal(expected, torch.cat(parts))
    sizes = {len(part.places) for part in slices}
    assert max(sizes) - min(sizes) <= 1


def test_batches_are_a_function_of_seed_and_epoch():
    pairs = make_pairs([(3, 1)] * 10)

    def first(seed, epoch):
        return epoch_of(pairs, 5, 8, seed, epoch, EVERYTHING)[0]

    for a, b in zip(first(1, 2), first(1, 2), strict=True):
        assert torch.equal(a, b)
    for seed, epoch in ((1, 3), (2, 2), (2, 1)):
        assert first(1, 2).pair_index.tolist() != first(seed, epoch).pair_index.tolist()


def test_the_number_of_loader_workers_does_not_matter():
    pairs = make_pairs([(4, 1)] * 8)
    batches, reader = PairBatches(pairs, 4, 3, 1), BatchReader(pairs, 8, EVERYTHING, 3)
    coming = [(1, batches[step]) for step in range(2, len(batches))]
    loaded = [
        list(DataLoader(reader, batch_size=None, sampler=coming, num_workers=workers))
        for workers in (0, 2)
    ]
    assert len(loaded[0]) == len(loaded[1]) == len(batches) - 2
    for alone, together in zip(*loaded, strict=True):
        for a, b in zip(alone, together, strict=True):
            assert torch.equal(a, b)


def test_a_batch_larger_than_the_places_names_both():
    pairs = make_pairs([(4, 1)] * 7)
    with pytest.raises(ValueError, match="batch is 8, and there are 7 training places"):
        PairBatches(pairs, 8, 0, 0)
    with pytest.raises(ValueError, match="1 or more"):
        PairBatches(pairs, 0, 0, 0)
    with pytest.raises(ValueError, match="image_px is 0; expected 1 or more"):
        BatchReader(pairs, 0, NO_AUGMENTATION, 0)
    with pytest.raises(ValueError, match="0 or more"):
        PairBatches(pairs, 2, -1, 0)
    with pytest.raises(IndexError, match="step"):
        PairBatches(pairs, 7, 0, 0)[4]


def test_university_sized_epoch_leaves_little_out():
    places = np.repeat(np.arange(701), 54)
    plan = plan_batches(places, 128, np.random.default_rng(0).permutation(len(places)))
    assert len(plan) == len(places) // 128  # 295 batches, as one epoch in the published recipe
    assert all(len(set(row)) == 128 for row in places[plan])


# -- what is drawn ---------------------------------------------------------------------------------


def rows_equal(a: SampledView, b: SampledView) -> bool:
    return all(np.array_equal(getattr(a, f.name), getattr(b, f.name)) for f in fields(a))


def test_draws_belong_to_the_pair_not_to_its_batch():
    together = sample_augmentation(EVERYTHING, 5, 2, [7, 3, 900])
    alone = sample_augmentation(EVERYTHING, 5, 2, [900])
    for many, one in zip(together, alone, strict=True):
        assert rows_equal(many[[2]], one)
    assert not rows_equal(together.drone, sample_augmentation(EVERYTHING, 5, 3, [7, 3, 900]).drone)
    assert not rows_equal(together.drone, sample_augmentation(EVERYTHING, 6, 2, [7, 3, 900]).drone)


def test_the_flip_is_shared_and_the_rest_independent():
    drone, satellite = sample_augmentation(EVERYTHING, 0, 0, range(4000))
    assert np.array_equal(drone.flip, satellite.flip)
    assert abs(drone.flip.mean() - 0.5) < 0.05
    assert (drone.quarter_turns == 0).all()
    shares = np.bincount(satellite.quarter_turns, minlength=4) / 4000
    assert np.abs(shares - 0.25).max() < 0.04
    for name in ("brightness", "contrast", "saturation", "blur_sigma", "jpeg_quality"):
        a, b = getattr(drone, name), getattr(satellite, name)
        assert abs(np.corrcoef(a, b)[0, 1]) < 0.08, name
    assert abs(np.corrcoef(drone.brightness, drone.contrast)[0, 1]) < 0.08
    assert abs(np.corrcoef(drone.flip, satellite.quarter_turns)[0, 1]) < 0.08


def test_draws_keep_to_their_ranges_and_probabilities():
    few = replace(EVERYTHING, jitter=0.3, jpeg=0.2, blur=0.1, erase=0.4, jpeg_quality=(90, 92))
    for view in sample_augmentation(few, 1, 0, range(4000)):
        for name in ("brightness", "contrast", "saturation"):
            factors = getattr(view, name)
            assert abs((factors != 1).mean() - 0.3) < 0.04
            assert factors.min() >= 0.85 and factors.max() <= 1.15 and np.ptp(factors) > 0.25
        assert set(view.jpeg_quality) == {0, 90, 91, 92}
        assert abs((view.jpeg_quality > 0).mean() - 0.2) < 0.04
        blurred = view.blur_sigma[view.blur_sigma > 0]
        assert abs(len(blurred) / 4000 - 0.1) < 0.03
        assert blurred.min() >= 0.3 and blurred.max() <= 1.0
        top, left, height, width = view.erase[view.erase[:, 2] > 0].T
        assert abs(len(top) / 4000 - 0.4) < 0.04
        assert (height * width).min() >= 0.02 - 1e-9 and (height * width).max() <= 0.15 + 1e-9
        assert min(top.min(), left.min()) >= 0
        assert max((top + height).max(), (left + width).max()) <= 1


def test_one_setting_leaves_the_other_draws():
    full, without = (
        sample_augmentation(augmentation, 0, 0, range(50))
        for augmentation in (EVERYTHING, replace(EVERYTHING, jitter=0, blur=0))
    )
    assert np.array_equal(full.drone.jpeg_quality, without.drone.jpeg_quality)
    assert np.array_equal(full.satellite.erase, without.satellite.erase)


def test_settings_out_of_range_are_named():
    for name, value in (("flip", 1.5), ("brightness", -0.1), ("jpeg_quality", (95, 90))):
        with pytest.raises(ValueError, match=f"{name} is .*; expected"):
            Augmentation(**{name: value})
    assert Augmentation(jpeg_quality=[80, 90]) == Augmentation(jpeg_quality=(80, 90))


# -- what is done ----------------------------------------------------------------------------------


def test_no_augmentation_changes_nothing():
    images = random_images(5)
    for view in sample_augmentation(NO_AUGMENTATION, 0, 0, range(5)):
        assert torch.equal(apply(images, view), images)


def test_apply_leaves_its_input():
    images = random_images(6)
    before = images.clone()
    changed = apply(images, sample_augmentation(EVERYTHING, 0, 0, range(6)).satellite)
    assert torch.equal(images, before) and not torch.equal(changed, images)
    assert changed.dtype == torch.uint8 and changed.shape == images.shape
    with pytest.raises(ValueError, match="draws are for 6 images, found 5"):
        apply(images[:5], sample_augmentation(EVERYTHING, 0, 0, range(6)).satellite)


def test_flip_and_quarter_turns_are_torchvisions():
    images = random_images(8)
    flip = np.array([0, 1] * 4, bool)
    turns = np.repeat(np.arange(4), 2)
    moved = apply(images, nothing_drawn(8, flip=flip, quarter_turns=turns))
    for image, result, mirrored, turn in zip(images, moved, flip, turns, strict=True):
        expected = functional.horizontal_flip(image) if mirrored else image
        assert torch.equal(functional.rotate(expected, 90 * float(turn)), result)


def test_a_mirrored_pair_stays_a_pair():
    """The same image as both views, flipped only, stays the same image in both."""
    images = random_images(20)
    drone, satellite = sample_augmentation(replace(NO_AUGMENTATION, flip=0.5), 0, 0, range(20))
    assert 0 < drone.flip.sum() < 20
    assert torch.equal(apply(images, drone), apply(images, satellite))


def test_batched_colour_equals_torchvision():
    images = random_images(12).float()
    images[0] = 255.0  # clipped in every step
    images[1] = 0.0
    factors = torch.rand(3, 12, generator=torch.Generator().manual_seed(1)) * 1.2 + 0.4
    ours = adjust_colour(images.clone(), *factors)
    for image, result, brightness, contrast, saturation in zip(images, ours, *factors, strict=True):
        expected = functional.adjust_brightness(image / 255, brightness.item())
        expected = functional.adjust_contrast(expected, contrast.item())
        expected = functional.adjust_saturation(expected, saturation.item())
        torch.testing.assert_close(result / 255, expected, atol=2e-6, rtol=0)


def test_blur_is_torchvisions():
    images = random_images(3, px=32)
    blurred = apply(images, nothing_drawn(3, blur_sigma=np.array([0, 0.5, 1.0])))
    assert torch.equal(blurred[0], images[0])
    assert torch.equal(blurred[1], functional.gaussian_blur(images[1], [5, 5], [0.5, 0.5]))
    assert torch.equal(blurred[2], functional.gaussian_blur(images[2], [7, 7], [1.0, 1.0]))


def test_jpeg_is_what_another_codec_gives():
    cv2 = pytest.importorskip("cv2")
    images = functional.gaussian_blur(random_images(3, px=64), [9, 9], [2.0, 2.0])
    coded = apply(images, nothing_drawn(3, jpeg_quality=np.array([60, 0, 95])))
    assert torch.equal(coded[1], images[1])
    for row, quality in ((0, 60), (2, 95)):
        bgr = images[row].permute(1, 2, 0).numpy()[:, :, ::-1]
        _, code = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])
        theirs = cv2.imdecode(code, cv2.IMREAD_COLOR)[:, :, ::-1].astype(int)
        ours = coded[row].permute(1, 2, 0).numpy().astype(int)
        assert np.abs(ours - theirs).mean() < 0.5
    error = (coded.int() - images.int()).abs().float().mean(dim=(1, 2, 3))
    assert error[0] > error[2] > 0


def test_erasing_fills_one_rectangle_of_the_drawn_size():
    images = torch.zeros(2, 3, 64, 64, dtype=torch.uint8)
    erase = np.array([[0.25, 0.5, 0.125, 0.25], [0, 0, 0, 0.5]])
    erased = apply(images, nothing_drawn(2, erase=erase))
    rows, columns = torch.where(erased[0, 0] > 0)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (16, 23, 32, 47)
    assert (erased[0] > 0).float().mean() == 8 * 16 / 64**2
    assert torch.equal(erased[1], images[1])


def test_thread_count_does_not_matter():
    images = random_images(4, px=64)
    view = sample_augmentation(EVERYTHING, 0, 0, range(4)).satellite
    threads = torch.get_num_threads()
    results = []
    try:
        for count in (1, 2):
            torch.set_num_threads(count)
            results.append(apply(images, view))
    finally:
        torch.set_num_threads(threads)
    assert torch.equal(*results)
