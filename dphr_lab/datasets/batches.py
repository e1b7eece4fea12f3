"""Batches of pairs from distinct places."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from dphr_lab.datasets.augment import Augmentation, apply, draw
from dphr_lab.datasets.pairs import PairSet
from dphr_lab.datasets.seeds import generator

if TYPE_CHECKING:
    import torch


class Batch(NamedTuple):
    """One batch: row i of both views shows the same place, and no two rows share a place.

    But those of the sampler "unpaired" hold no pairs: each view was shuffled by itself.
    """

    drone: torch.Tensor  # (b, 3, px, px) uint8 RGB
    satellite: torch.Tensor  # (b, 3, px, px) uint8 RGB
    places: torch.Tensor  # (b,) int64, of the drone images
    pair_index: torch.Tensor  # (b,) int64, row of `PairSet.pairs`
    satellite_places: torch.Tensor  # (b,) int64, equal to `places` unless unpaired


def plan_batches(pair_places: np.ndarray, batch: int, order: np.ndarray) -> np.ndarray:
    """Batches (steps, batch) of pair indices with distinct places, filled greedily along `order`.

    A pair whose place is already in the batch waits and is tried first for the next one, so every
    pair is used at most once; what cannot fill a last batch is left out.
    """
    places = pair_places.tolist()
    coming = deque(order.tolist())
    batches: list[list[int]] = []
    while True:
        filled: list[int] = []
        taken: set[int] = set()
        passed: list[int] = []
        while coming and len(filled) < batch:
            pair = coming.popleft()
            if places[pair] in taken:
                passed.append(pair)
            else:
                taken.add(places[pair])
                filled.append(pair)
        if len(filled) < batch:
            return np.array(batches, dtype=np.int64).reshape(-1, batch)
        batches.append(filled)
        coming.extendleft(reversed(passed))


def family_order(
    pair_places: np.ndarray, pair_families: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """An order of all pairs in which one pair of each member of a family stands together.

    `pair_places`, `pair_families` (P,) -> (P,) indices. Families come in drawn order, each place
    with one of its pairs, drawn too; then all of them again until no pair is left.
    """
    drawn = rng.permutation(len(pair_places))
    turn = _turns(pair_places[drawn])
    _, family = np.unique(pair_families[drawn], return_inverse=True)
    key = rng.random((turn.max(initial=-1) + 1, family.max(initial=-1) + 1))
    return drawn[np.lexsort((key[turn, family], turn))]


def neighbour_order(
    pair_places: np.ndarray, z_places: np.ndarray, batch: int, rng: np.random.Generator
) -> np.ndarray:
    """An order of all pairs that, cut into batches, gives batches of places that look alike.

    `pair_places` (P,) rows of `z_places` (n, D), normalised -> (P,) indices. A place is drawn and
    the `batch` - 1 most similar of those that wait come with it, until too few wait; then all
    places again with their next pair. Those that were left over stand at the end.
    """
    drawn = rng.permutation(len(pair_places))
    turn = _turns(pair_places[drawn])
    together, left_over = [], []
    for now in range(turn.max(initial=-1) + 1):
        waiting = drawn[turn == now]  # one pair of each place that has one left
        while len(waiting) >= batch:
            z = z_places[pair_places[waiting]]
            nearest = np.argsort(-(z @ z[0]), kind="stable")[:batch]
            together.append(waiting[nearest])
            waiting = np.delete(waiting, nearest)
        left_over.append(waiting)
    return np.concatenate([*together, *left_over])


def one_per_place_order(pair_places: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """One drawn pair of each place, places in drawn order: (P,) -> (places,) indices."""
    drawn = rng.permutation(len(pair_places))
    return drawn[_turns(pair_places[drawn]) == 0]


def plan_unpaired(pair_places: np.ndarray, batch: int, rng: np.random.Generator) -> np.ndarray:
    """Batches (steps, batch, 2) of a drone and a satellite row, drawn apart.

    The satellite side takes one pair of each place, the drone side as many of all pairs, each in
    an order of its own, as LPN's loaders do. [..., 0] is the pair that gives the drone image,
    [..., 1] the one that gives the satellite image.
    """
    satellite = one_per_place_order(pair_places, rng)
    drone = rng.permutation(len(pair_places))[: len(satellite)]
    steps = len(satellite) // batch
    rows = np.stack([drone, satellite], axis=1)[: steps * batch]
    return rows.reshape(steps, batch, 2)


def _turns(places: np.ndarray) -> np.ndarray:
    """(P,) how many pairs of the same place come before each pair."""
    by_place = np.argsort(places, kind="stable")
    _, counts = np.unique(places, return_counts=True)
    turn = np.empty(len(places), dtype=np.int64)
    turn[by_place] = np.arange(len(places)) - np.repeat(np.cumsum(counts) - counts, counts)
    return turn


class PairBatches:
    """The batches of one epoch: `len()` of them, `[step]` gives a `Batch`.

    Each has `batch` distinct places over all processes; process `rank` of `world_size` reads its
    slice of every one (slices differ by one row at most). Everything is a function of
    (`seed`, `epoch`, step), so the number of loader workers does not matter:

        DataLoader(batches, batch_size=None, sampler=range(len(batches)), num_workers=2)

    plan      (steps, batch) int64, the rows of `pairs.pairs` in every batch; of the sampler
              "unpaired" (steps, batch, 2), the drone image's pair and the satellite image's
    used      number of pairs used in this epoch
    left_out  number of pairs not used

    `sampler` "random" draws places one by one; "families" puts whole families of twins into a
    batch, but for the one that its end cuts; "nearest" puts a drawn place and those most similar to
    it by `z_places` (places, D) into a batch, as Sample4Geo's dynamic similarity sampling does with
    groups of places. It asks for no families; where there are some, twins meet as far as the
    embeddings tell them from strangers. "one_per_place" takes one drawn pair of each place an
    epoch, as MCCG does. "unpaired" shuffles each view by itself, as LPN does: a satellite image of
    each place an epoch and as many drone images of any; its rows are no pairs.

    Raises ValueError when there are fewer places than `batch`, for another sampler, for "families"
    where families are not known, or for "nearest" without an embedding of each place.
    """

    def __init__(
        self,
        pairs: PairSet,
        batch: int,
        image_px: int,
        seed: int,
        epoch: int,
        augmentation: Augmentation,
        rank: int = 0,
        world_size: int = 1,
        sampler: str = "random",
        z_places: np.ndarray | None = None,
    ):
        if batch < 1 or image_px < 1:
            raise ValueError(f"batch and image_px must be 1 or more, found {batch} and {image_px}")
        if batch > len(pairs):
            most = f"choose a batch of at most {len(pairs)}"
            if len(pairs) < 2:
                most = "training needs 2 places or more; add some"
            raise ValueError(
                f"batch is {batch}, and there are {len(pairs)} training places: a batch takes "
                f"each of its pairs from another place; {most}, or hold out fewer places"
            )
        if not 0 <= rank < world_size <= batch:
            raise ValueError(
                f"0 <= rank < world_size <= batch must hold, found rank {rank}, "
                f"world_size {world_size}, batch {batch}"
            )
        self.pairs = pairs
        self.image_px = image_px
        self.seed = seed
        self.epoch = epoch
        self.augmentation = augmentation
        rng = generator("shuffle", seed, epoch)
        if sampler == "unpaired":
            self.plan = plan_unpaired(pairs.pair_places, batch, rng)
        else:
            order = self._order(sampler, batch, z_places, rng)
            self.plan = plan_batches(pairs.pair_places, batch, order)
        self.used = len(self.plan) * batch
        self.left_out = len(pairs.pairs) - self.used
        # Where rank r's slice begins: rounding down keeps the sizes within one of each other.
        self._slice = slice(rank * batch // world_size, (rank + 1) * batch // world_size)

    def _order(self, sampler: str, batch: int, z_places, rng: np.random.Generator) -> np.ndarray:
        if sampler == "random":
            return rng.permutation(len(self.pairs.pairs))
        if sampler == "one_per_place":
            return one_per_place_order(self.pairs.pair_places, rng)
        if sampler == "nearest":
            found = None if z_places is None else len(z_places)
            if found != len(self.pairs):
                raise ValueError(
                    f"sampler is 'nearest', and z_places has {found} rows; give one for each of "
                    f"the {len(self.pairs)} `pairs.place_ids`"
                )
            rows = np.searchsorted(self.pairs.place_ids, self.pairs.pair_places)
            return neighbour_order(rows, z_places, batch, rng)
        if sampler != "families":
            raise ValueError(
                "sampler must be 'random', 'one_per_place', 'unpaired', 'nearest' or 'families', "
                f"found {sampler!r}"
            )
        families = self.pairs.drone.families
        if families is None:
            raise ValueError(
                "sampler is 'families', and this data set does not say which places are twins; "
                "use 'random'"
            )
        return family_order(self.pairs.pair_places, families[self.pairs.pairs[:, 0]], rng)

    def __len__(self) -> int:
        return len(self.plan)

    def index(self, step: int) -> np.ndarray:
        """(b,) int64: the rows of `pairs.pairs` in this process's slice of a batch.

        (b, 2) where the views are unpaired.
        """
        if not 0 <= step < len(self):
            raise IndexError(f"step must be from 0 to {len(self) - 1}, found {step}")
        return self.plan[step, self._slice]

    def __getitem__(self, step: int) -> Batch:
        return read_batch(
            self.pairs, self.index(step), self.image_px, self.augmentation, self.seed, self.epoch
        )


def read_batch(
    pairs: PairSet,
    index: np.ndarray,
    image_px: int,
    augmentation: Augmentation,
    seed: int,
    epoch: int,
) -> Batch:
    """The pairs `index` (b,) of `pairs.pairs`, augmented as `seed` and `epoch` draw it for each.

    `index` (b, 2) takes the drone image of one pair and the satellite image of another.
    """
    import torch

    of_drone, of_satellite = index.T if index.ndim == 2 else (index, index)
    drone = pairs.drone.read(pairs.pairs[of_drone, 0], image_px)
    satellite = pairs.satellite.read(pairs.pairs[of_satellite, 1], image_px)
    drone_draws = draw(augmentation, seed, epoch, of_drone)
    satellite_draws = drone_draws
    if index.ndim == 2:
        satellite_draws = draw(augmentation, seed, epoch, of_satellite)
    return Batch(
        apply(drone, drone_draws.drone),
        apply(satellite, satellite_draws.satellite),
        torch.from_numpy(pairs.pair_places[of_drone]),
        torch.from_numpy(of_drone.copy()),
        torch.from_numpy(pairs.pair_places[of_satellite]),
    )
