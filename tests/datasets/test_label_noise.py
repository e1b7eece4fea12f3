"""Label noise in training pairs: as much as asked for, of the kind asked for, nothing else."""

import numpy as np
import pytest

from dphr_lab.datasets import ArrayImages, PairSet
from dphr_lab.datasets.label_noise import with_split_places, with_wrong_pairs

PLACES, DRONES = 20, 4


@pytest.fixture
def pairs():
    """Every image is the number of its place, in all pixels."""
    return of_places(np.arange(PLACES))


def of_places(ids, drones=DRONES):
    def images(view, labels):
        pixels = np.broadcast_to(labels[:, None, None, None], (len(labels), 2, 2, 3))
        return ArrayImages(view, pixels.astype(np.uint8), labels, families=labels // 3)

    return PairSet(images("drone", np.repeat(ids, drones)), images("satellite", ids))


def shown(pairs):
    """(P, 2): the places that the drone and the satellite image of each pair really show."""
    return np.stack(
        [
            images.images[images.rows[pairs.pairs[:, column]], 0, 0, 0]
            for column, images in enumerate((pairs.drone, pairs.satellite))
        ],
        axis=1,
    )


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 1.0])
def test_the_asked_share_of_pairs_shows_another_place(pairs, share):
    mislabelled = with_wrong_pairs(pairs, share, seed=3)
    drone, satellite = shown(mislabelled).T
    assert (drone != satellite).sum() == round(share * PLACES * DRONES)
    assert (drone == mislabelled.pair_places).all()  # the label stays the drone image's
    assert sorted(satellite) == sorted(shown(pairs)[:, 1])  # exchanged, not invented
    assert (shown(pairs)[:, 0] == shown(pairs)[:, 1]).all()  # what was given is unchanged


def test_wrong_pairs_depend_on_the_seed_alone(pairs):
    first, again, other = (with_wrong_pairs(pairs, 0.3, seed).pairs for seed in (0, 0, 1))
    assert (first == again).all() and (first != other).any()


def test_pairs_that_cannot_be_exchanged_are_an_error():
    with pytest.raises(ValueError, match=r"wrong_pairs is 1\.0: its 4 pairs have too few places"):
        with_wrong_pairs(of_places(np.arange(1)), 1.0, seed=0)


@pytest.mark.parametrize("share", [0.0, 0.1, 1.0])
def test_the_asked_share_of_places_has_two_labels(pairs, share):
    mislabelled = with_split_places(pairs, share, seed=3)
    split = round(share * PLACES)
    assert len(mislabelled) == PLACES + split
    drone, satellite = shown(mislabelled).T
    assert (drone == satellite).all()  # every pair is still right; only labels are too many
    labels = {}
    for place, label in zip(drone, mislabelled.pair_places, strict=True):
        labels.setdefault(place, []).append(label)
    doubled = [names for names in labels.values() if len(set(names)) == 2]
    assert len(doubled) == split
    assert all(np.unique(names, return_counts=True)[1].tolist() == [2, 2] for names in doubled)
    assert len(mislabelled.pairs) == PLACES * DRONES
    assert sorted(mislabelled.families) == sorted(
        [*pairs.families, *(f for f in second(mislabelled))]
    )


def second(mislabelled):
    return mislabelled.families[mislabelled.place_ids >= PLACES]


def test_places_with_one_drone_image_stay_whole():
    whole = of_places(np.arange(5), drones=1)
    assert len(with_split_places(whole, 1.0, seed=0)) == 5
