"""Places of a rendered world, and the world of some settings."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from dphr_lab.scenes.cameras import Pose
from dphr_lab.scenes.conditions import Conditions, sample_conditions
from dphr_lab.scenes.seeds import generator
from dphr_lab.scenes.towns.changes import make_twin
from dphr_lab.scenes.towns.description import Change, Scene
from dphr_lab.scenes.towns.flights import Flight
from dphr_lab.scenes.worlds import Estimate, World, estimate_world
from dphr_lab.settings.worlds import SPLITS, WorldSettings


@dataclass(frozen=True)
class Place:
    """One place of a world; its scene is made when first asked for."""

    id: int  # unique over the world, from 1
    family: int  # shared by twins; families never straddle splits
    twin: int  # which member of its family
    split: str  # "train", "test" or "distractors"
    family_size: int  # 1: it has no twin
    settings: WorldSettings

    @cached_property
    def _twin(self) -> tuple[Scene, tuple[Change, ...]]:
        s = self.settings
        return make_twin(s.seed, self.family, self.twin, self.family_size, s.twin_strength)

    @property
    def scene(self) -> Scene:
        """The description of the place."""
        return self._twin[0]

    @property
    def changes(self) -> tuple[Change, ...]:
        """The recorded differences from the family's layout."""
        return self._twin[1]

    def __getstate__(self):
        return {k: v for k, v in self.__dict__.items() if k != "_twin"}

    def describe(self) -> dict:
        """What is recorded of the place, as JSON-ready values."""
        return {
            "family": self.family,
            "twin": self.twin,
            "split": self.split,
            "changes": [change.to_dict() for change in self.changes],
        }

    def satellite_view(self, day: Conditions) -> np.ndarray:
        """The satellite's view before the camera adds noise and blur, uint8 (px, px, 3)."""
        px, texture = self.settings.image_px, self.settings.texture
        return Flight.for_satellite(self.scene, day, px, texture).satellite()

    def drone_views(self, day: Conditions) -> Callable[[Pose], np.ndarray]:
        """A function from a pose to the drone's view, for one day's flight."""
        return Flight(self.scene, day, self.settings.image_px, texture=self.settings.texture).drone

    def conditions(self, view: str) -> Conditions:
        """The day of the place's flight ("drone") or of its satellite pass ("satellite")."""
        stream = ("drone", "satellite").index(view)
        rng = generator(self.settings.seed, "conditions", self.id, stream)
        return sample_conditions(rng, view, self.settings.weather)

    def pose(self, nominal: Pose, index: int) -> Pose:
        """The pose that a flight really took where the orbit says `nominal`."""
        rng = generator(self.settings.seed, "pose", self.id, index)
        return replace(
            nominal,
            altitude_m=round(nominal.altitude_m * float(rng.uniform(0.97, 1.03)), 2),
            azimuth_deg=round((nominal.azimuth_deg + float(rng.uniform(-8, 8))) % 360, 2),
            pitch_deg=round(min(nominal.pitch_deg + float(rng.uniform(-1.5, 1.5)), 90.0), 2),
        )


def make_world(settings: WorldSettings) -> World:
    """The world of some settings; scenes are described when they are asked for.

    Places are numbered from 1 and fill families in turn, those without twins last; each split
    starts a new family. Taught in: book/01.
    """
    splits, first, family, size = [], 1, 0, settings.family_size
    test_share = settings.twin_share_test
    shares = [settings.twin_share] + 2 * [settings.twin_share if test_share is None else test_share]
    counts = settings.train_places, settings.test_places, settings.distractor_places
    for split, count, share in zip(SPLITS, counts, shares, strict=True):
        # whole families, but where all places are to have twins
        twins = count if share == 1 else round(count * share / size) * size
        places = []
        for i in range(count):
            own_family, twin = divmod(i, size) if i < twins else (i - twins + -(-twins // size), 0)
            own_size = size if i < twins else 1
            places.append(Place(first + i, family + own_family, twin, split, own_size, settings))
        splits.append(tuple(places))
        first += count
        family = places[-1].family + 1 if places else family
    return World(settings, *splits)


def estimate(settings: WorldSettings, workers: int | None = None, flights: int = 1) -> Estimate:
    """The time and size of rendering a world, from a timed sample of two places.

    `flights` is the number of orbits a place: 1 for University-1652, 4 for SUES-200.
    """
    return estimate_world(make_world(settings), workers, flights)
