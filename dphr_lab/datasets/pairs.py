"""Training places: both views of each, held-out places, and the pairs they give."""

from collections.abc import Iterable
from functools import cached_property

import numpy as np

from dphr_lab.datasets.images import ImageSet
from dphr_lab.datasets.seeds import generator
from dphr_lab.settings.protocol import check_direction


class PairSet:
    """Places that have images of both views.

    drone, satellite   the two `ImageSet`s, without places that lack the other view
    place_ids          (places,) int64, sorted
    incomplete         (places,) int64: the places left out because a view is missing
    overlaps           pairs of places that show some of the same ground, and so never meet in a
                       batch: neither is the other's negative
    """

    def __init__(
        self, drone: ImageSet, satellite: ImageSet, overlaps: Iterable[tuple[int, int]] = ()
    ):
        for images, view in ((drone, "drone"), (satellite, "satellite")):
            if images.view != view:
                raise ValueError(f"{view} is {images!r}; expected a set of {view} images")
        self.place_ids = np.intersect1d(drone.places, satellite.places)
        self.incomplete = np.setxor1d(drone.places, satellite.places)
        if len(self.incomplete):
            drone = drone.subset(np.isin(drone.places, self.place_ids))
            satellite = satellite.subset(np.isin(satellite.places, self.place_ids))
        self.drone = drone
        self.satellite = satellite
        self.overlaps = tuple(overlaps)

    def __len__(self) -> int:
        return len(self.place_ids)

    def __repr__(self) -> str:
        return (
            f"PairSet({len(self)} places: {len(self.drone)} drone "
            f"and {len(self.satellite)} satellite images)"
        )

    @cached_property
    def families(self) -> np.ndarray | None:
        """(places,) int64, the family of each of `place_ids`, or None where unknown."""
        if self.satellite.families is None:
            return None
        _, first = np.unique(self.satellite.places, return_index=True)
        return self.satellite.families[first]

    @cached_property
    def pairs(self) -> np.ndarray:
        """(P, 2) int64: drone index and satellite index of every pair.

        A place gives one pair for each image of the view it has more of; the other view's images
        are repeated in turn.
        """
        by_place = []
        for drone, satellite in zip(
            self._rows(self.drone), self._rows(self.satellite), strict=True
        ):
            turn = np.arange(max(len(drone), len(satellite)))
            by_place.append(
                np.stack([drone[turn % len(drone)], satellite[turn % len(satellite)]], axis=1)
            )
        return np.concatenate([np.empty((0, 2), dtype=np.int64), *by_place])

    @cached_property
    def pair_places(self) -> np.ndarray:
        """(P,) int64, the place of each of `pairs`."""
        return self.drone.places[self.pairs[:, 0]]

    def direction(self, direction: str) -> tuple[ImageSet, ImageSet]:
        """Query and gallery images of "D2S" or "S2D" among these places."""
        query_first = (self.drone, self.satellite)
        return query_first if check_direction(direction) == "D2S" else query_first[::-1]

    def hold_out(self, n_places: int, seed: int) -> tuple["PairSet", "PairSet"]:
        """The rest and `n_places` places held out for validation, drawn by `seed`.

        Where families of twins are known, whole families are held out, so that no twin of a
        validation place is trained on. Families are taken in drawn order where they still fit;
        `n_places` is never exceeded. 0 holds out nothing. Raises ValueError when no place would be
        left to train on, or when `n_places` is smaller than every family.
        """
        if not 0 <= n_places < max(len(self), 1):
            raise ValueError(
                f"n_places is {n_places}; expected 0 to {max(len(self) - 1, 0)}, so that one of "
                f"the {len(self)} places is left to train on"
            )
        families = self.place_ids if self.families is None else self.families
        names, sizes = np.unique(families, return_counts=True)
        if n_places and n_places < sizes.min():
            raise ValueError(
                f"n_places is {n_places}, and the smallest family of twins has {sizes.min()} "
                f"places, which are held out together: ask for at least {sizes.min()}, or 0"
            )
        chosen, left = [], n_places
        for position in generator("hold out", seed).permutation(len(names)):
            if sizes[position] <= left:
                chosen.append(names[position])
                left -= sizes[position]
        held = self.place_ids[np.isin(families, chosen)]
        return self._of_places(held, invert=True), self._of_places(held)

    def _of_places(self, places: np.ndarray, invert: bool = False) -> "PairSet":
        return PairSet(
            *(
                images.subset(np.isin(images.places, places, invert=invert))
                for images in (self.drone, self.satellite)
            ),
            self.overlaps,
        )

    @staticmethod
    def _rows(images: ImageSet) -> list[np.ndarray]:
        """Indices of each place's images, places sorted."""
        order = np.argsort(images.places, kind="stable")
        _, first = np.unique(images.places[order], return_index=True)
        return np.split(order, first[1:]) if len(order) else []
