"""What data sets rendered in memory share."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property

import numpy as np

from dphr_lab.datasets.images import VIEWS, ArrayImages, ImageSet
from dphr_lab.datasets.pairs import PairSet, check_direction


class Rendered:
    """The part of `CrossViewDataset` that is answered from the arrays of `scenes.render_world`.

    Test places are queried; distractor places are in the test gallery only. Families of twins are
    known.
    """

    def hold(self, rendered: Mapping[str, Mapping[str, tuple]]) -> None:
        """Keep what `scenes.render_world` returned."""
        self.parts = {}
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
