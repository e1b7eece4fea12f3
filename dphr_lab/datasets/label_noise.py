"""Label noise: a known share of wrong training pairs or split places, to measure what it does."""

from __future__ import annotations

import numpy as np

from dphr_lab.datasets.pairs import PairSet
from dphr_lab.datasets.seeds import generator


def with_wrong_pairs(pairs: PairSet, share: float, seed: int) -> PairSet:
    """The pairs, with a `share` of them showing the satellite image of another place.

    The chosen pairs exchange their satellite images; labels stay those of the drone images. `seed`
    decides which pairs are chosen. Raises ValueError when they come from too few places.
    """
    chosen = _sample("wrong pairs", seed, len(pairs.pairs), share)
    if len(chosen) == 0:
        return pairs
    # sorted by place, a shift by the most that one place has gives every pair another place's
    chosen = chosen[np.argsort(pairs.pair_places[chosen], kind="stable")]
    most = np.unique(pairs.pair_places[chosen], return_counts=True)[1].max()
    if 2 * most > len(chosen):
        raise ValueError(
            f"wrong_pairs is {share}: its {len(chosen)} pairs have too few places to exchange "
            "satellite images; take a larger share, or 0"
        )
    mislabelled = PairSet(pairs.drone, pairs.satellite, pairs.overlaps)
    rows = pairs.pairs.copy()
    rows[chosen, 1] = np.roll(rows[chosen, 1], most)
    mislabelled.pairs = rows
    return mislabelled


def with_split_places(pairs: PairSet, share: float, seed: int) -> PairSet:
    """The pairs, with a `share` of their places labelled as two different places.

    Half of such a place's drone images get a new label, with the same satellite images. Places
    with one drone image are left whole. `seed` decides which places are chosen.
    """
    rng = generator("split places", seed, 1)
    several = np.flatnonzero(np.unique(pairs.drone.places, return_counts=True)[1] > 1)
    chosen = pairs.place_ids[several[_sample("split places", seed, len(several), share)]]
    if len(chosen) == 0:
        return pairs
    first = int(pairs.place_ids.max()) + 1
    new = {place: first + i for i, place in enumerate(chosen.tolist())}
    drone = pairs.drone.subset(np.arange(len(pairs.drone)))
    for place, label in new.items():
        own = np.flatnonzero(pairs.drone.places == place)
        drone.places[rng.permutation(own)[: len(own) // 2]] = label
    again = np.flatnonzero(np.isin(pairs.satellite.places, chosen))
    satellite = pairs.satellite.subset(np.r_[np.arange(len(pairs.satellite)), again])
    satellite.places[len(pairs.satellite) :] = [new[p] for p in pairs.satellite.places[again]]
    halves = [(new.get(a, a), new.get(b, b)) for a, b in pairs.overlaps]
    halves += [(a, new.get(b, b)) for a, b in pairs.overlaps]
    halves += [(new.get(a, a), b) for a, b in pairs.overlaps]
    return PairSet(drone, satellite, (*pairs.overlaps, *halves))


def _sample(name: str, seed: int, count: int, share: float) -> np.ndarray:
    """A `share` of the numbers below `count`, in random order."""
    return generator(name, seed).permutation(count)[: round(share * count)]
