"""Batches of pairs from distinct places."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from dphr_lab.datasets.augment import Augmentation, apply, sample_augmentation
from dphr_lab.datasets.pairs import PairSet
from dphr_lab.datasets.seeds import generator

if TYPE_CHECKING:
    import torch


class Batch(NamedTuple):
    """One batch: row i of both views shows the same place, and no two rows share a place.

    The sampler "unpaired" is the exception: it shuffles each view by itself, so rows are no pairs.
    """

    drone: torch.Tensor  # (b, 3, px, px) uint8 RGB
    satellite: torch.Tensor  # (b, 3, px, px) uint8 RGB
    places: torch.Tensor  # (b,) int64, of the drone images
    pair_index: torch.Tensor  # (b,) int64, row of `PairSet.pairs`
    satellite_places: torch.Tensor  # (b,) int64, equal to `places` unless unpaired


def plan_batches(
    pair_places: np.ndarray,
    batch: int,
    order: np.ndarray,
    overlaps: Iterable[tuple[int, int]] = (),
) -> np.ndarray:
    """Batches (steps, batch) of pair indices with distinct places, filled greedily along `order`.

    A pair whose place is already in the batch, or overlaps one that is (`overlaps`: pairs of
    places), waits and is tried first for the next one. Every pair is used at most once. Pairs that
    cannot fill a last batch are left out.
    """
    places = pair_places.tolist()
    barred = {place: {place} for place in places}  # by each place of a batch
    for a, b in overlaps:
        barred.get(a, set()).add(b)
        barred.get(b, set()).add(a)
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
                taken |= barred[places[pair]]
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

    The satellite side takes one pair of each place. The drone side takes as many of all pairs. Each
    has an order of its own, as in LPN's loaders. [..., 0] is the pair that gives the drone image,
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
    """Which pairs meet in each batch of one epoch: `len()` batches, `[step]` gives their rows.

    `[step]` is (b,) int64, rows of `pairs.pairs`; of the sampler "unpaired" it is (b, 2), the
    drone image's pair and the satellite image's. `BatchReader` reads them:

        reader = BatchReader(pairs, image_px, augmentation, seed)
        for rows in PairBatches(pairs, batch, seed, epoch):
            drone, satellite, places, *_ = reader[epoch, rows]

    Each batch has `batch` distinct places over all processes; process `rank` of `processes` gets
    its slice of every one (slices differ by one row at most). Everything is a function of
    (`seed`, `epoch`, step).

    plan      (steps, batch) int64, or (steps, batch, 2): the rows of all processes
    used      number of pairs used in this epoch
    left_out  number of pairs not used

    `sampler` "random" draws places one by one. "families" puts whole families of twins into a
    batch, except the one that its end cuts. "nearest" puts a drawn place and those most similar to
    it by `z_places` (places, D) into a batch, as Sample4Geo's dynamic similarity sampling does with
    groups of places; it asks for no families. "one_per_place" takes one drawn pair of each place an
    epoch, as MCCG does. "unpaired" shuffles each view by itself, as LPN does: a satellite image of
    each place an epoch and as many drone images of any; its rows are no pairs.

    Raises ValueError when there are fewer places than `batch`, for another sampler, for "families"
    where families are not known, or for "nearest" without an embedding of each place.
    """

    def __init__(
        self,
        pairs: PairSet,
        batch: int,
        seed: int,
        epoch: int,
        *,
        sampler: str = "random",
        z_places: np.ndarray | None = None,
        rank: int = 0,
        processes: int = 1,
    ):
        if batch < 1:
            raise ValueError(f"batch is {batch}; expected 1 or more")
        if batch > len(pairs):
            most = f"choose a batch of at most {len(pairs)}"
            if len(pairs) < 2:
                most = "training needs 2 places or more; add some"
            raise ValueError(
                f"batch is {batch}, and there are {len(pairs)} training places: a batch takes "
                f"each of its pairs from another place; {most}, or hold out fewer places"
            )
        if not 0 <= rank < processes <= batch:
            raise ValueError(
                f"rank is {rank}, processes {processes}, batch {batch}; expected "
                "0 <= rank < processes <= batch"
            )
        rng = generator("shuffle", seed, epoch)
        if sampler == "unpaired":
            self.plan = plan_unpaired(pairs.pair_places, batch, rng)
        else:
            order = _order(pairs, sampler, batch, z_places, rng)
            self.plan = plan_batches(pairs.pair_places, batch, order, pairs.overlaps)
            if not len(self.plan) and pairs.overlaps:
                raise ValueError(
                    f"batch is {batch}: so many of the {len(pairs)} training places overlap that "
                    "none can be filled with places that do not; choose a smaller batch"
                )
        self.used = len(self.plan) * batch
        self.left_out = len(pairs.pairs) - self.used
        # Where rank r's slice begins: rounding down keeps the sizes within one of each other.
        self._slice = slice(rank * batch // processes, (rank + 1) * batch // processes)

    def __len__(self) -> int:
        return len(self.plan)

    def __getitem__(self, step: int) -> np.ndarray:
        if not 0 <= step < len(self):
            raise IndexError(f"step is {step}; expected 0 to {len(self) - 1}")
        return self.plan[step, self._slice]


def _order(pairs: PairSet, sampler: str, batch: int, z_places, rng) -> np.ndarray:
    """(P,) or fewer: the order in which batches take the pairs."""
    if sampler == "random":
        return rng.permutation(len(pairs.pairs))
    if sampler == "one_per_place":
        return one_per_place_order(pairs.pair_places, rng)
    if sampler == "nearest":
        rows = None if z_places is None else len(z_places)
        if rows != len(pairs):
            raise ValueError(
                f"sampler is 'nearest', and z_places has {rows} rows; give one for each of "
                f"the {len(pairs)} `pairs.place_ids`"
            )
        rows = np.searchsorted(pairs.place_ids, pairs.pair_places)
        return neighbour_order(rows, z_places, batch, rng)
    if sampler != "families":
        raise ValueError(
            f"sampler is {sampler!r}; expected 'random', 'one_per_place', 'unpaired', 'nearest' "
            "or 'families'"
        )
    families = pairs.drone.families
    if families is None:
        raise ValueError(
            "sampler is 'families', and this data set does not say which places are twins; "
            "use 'random'"
        )
    return family_order(pairs.pair_places, families[pairs.pairs[:, 0]], rng)


class BatchReader:
    """Reads and augments batches: `reader[epoch, rows]` is a `Batch`.

    `rows` (b,) are rows of `pairs.pairs`, as `PairBatches` gives them; (b, 2) takes the drone
    image of one pair and the satellite image of another. How each pair is augmented is a function
    of (`seed`, epoch, its row), so the number of loader workers does not matter:

        coming = [(epoch, rows) for rows in PairBatches(pairs, batch, seed, epoch)]
        DataLoader(reader, batch_size=None, sampler=coming, num_workers=2)
    """

    def __init__(self, pairs: PairSet, image_px: int, augmentation: Augmentation, seed: int):
        if image_px < 1:
            raise ValueError(f"image_px is {image_px}; expected 1 or more pixels")
        self.pairs, self.image_px = pairs, image_px
        self.augmentation, self.seed = augmentation, seed

    def __getitem__(self, position: tuple[int, np.ndarray]) -> Batch:
        import torch

        epoch, rows = position
        of_drone, of_satellite = rows.T if rows.ndim == 2 else (rows, rows)
        pairs, px = self.pairs, self.image_px
        drone = pairs.drone.read(pairs.pairs[of_drone, 0], px)
        satellite = pairs.satellite.read(pairs.pairs[of_satellite, 1], px)
        drone_draws = sample_augmentation(self.augmentation, self.seed, epoch, of_drone)
        satellite_draws = drone_draws
        if rows.ndim == 2:
            satellite_draws = sample_augmentation(self.augmentation, self.seed, epoch, of_satellite)
        return Batch(
            apply(drone, drone_draws.drone),
            apply(satellite, satellite_draws.satellite),
            torch.from_numpy(pairs.pair_places[of_drone]),
            torch.from_numpy(of_drone.copy()),
            torch.from_numpy(pairs.pair_places[of_satellite]),
        )
