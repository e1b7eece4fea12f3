"""Twin Towns in memory: a rendered world with the interface of a data set on disk."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from dphr_lab.datasets.images import VIEWS, ArrayImages, ImageSet
from dphr_lab.datasets.layouts import CrossViewDataset
from dphr_lab.datasets.pairs import PairSet, check_direction

if TYPE_CHECKING:
    from dphr_lab.scenes import WorldSettings


class TwinTowns(CrossViewDataset):
    """A Twin Towns world, rendered when made and held in memory.

    Test places are queried; distractor places are in the test gallery only. `settings` is the
    world's `scenes.WorldSettings`, `world` what `scenes.make_world` gives for it, `rendered` what
    `scenes.render_world` gave for that, where it is at hand. Families of twins are known.
    Taught in: book/01, book/06.
    """

    name = "Twin Towns"

    def __init__(
        self,
        settings: WorldSettings,
        workers: int | None = None,
        progress: bool = True,
        rendered: dict | None = None,
    ):
        from dphr_lab import scenes

        self.root = None
        self.parts = {}
        self.settings = settings
        self.world = scenes.make_world(settings)
        if rendered is None:
            rendered = scenes.render_world(self.world, workers=workers, progress=progress)
        drone, satellite = (ArrayImages(view, *rendered["train"][view]) for view in VIEWS)
        self.train = PairSet(drone, satellite)
        self._gallery, self._query = {}, {}
        for view in VIEWS:
            halves = [rendered[split][view] for split in ("test", "distractors")]
            columns = [np.concatenate(column) for column in zip(*halves, strict=True)]
            self._gallery[view] = ArrayImages(view, *columns)
            self._query[view] = self._gallery[view].subset(np.arange(len(halves[0][0])))

    @property
    def has_train(self) -> bool:
        """Whether there are places to train on."""
        return len(self.train) > 0

    @property
    def has_test(self) -> bool:
        """Whether there are places to query."""
        return len(self._query["drone"]) > 0

    def test(self, direction: str) -> tuple[ImageSet, ImageSet]:
        """Query and gallery set of "D2S" or "S2D"; raises ValueError without test places."""
        views = VIEWS if check_direction(direction) == "D2S" else VIEWS[::-1]
        if not self.has_test:
            raise ValueError("test_places is 0: this world has no places to query; make some")
        return self._query[views[0]], self._gallery[views[1]]

    @cached_property
    def place_names(self) -> dict[int, str]:
        """Name of every place by its label: the label itself."""
        sets = (self.train.satellite, self._gallery["satellite"])
        places = sorted({int(place) for images in sets for place in images.places})
        return {place: str(place) for place in places}
