"""Rendered worlds in memory with the interface of a data set on disk: `TwinTowns`, `PhotoTowns`."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from dphr_lab.datasets.dataset import CrossViewDataset
from dphr_lab.datasets.images import ArrayImages, ImageSet
from dphr_lab.datasets.pairs import PairSet
from dphr_lab.settings.protocol import VIEWS, check_direction

if TYPE_CHECKING:
    from dphr_lab.scenes.photos import PhotoWorld
    from dphr_lab.scenes.photos.tiles import Encode
    from dphr_lab.settings.worlds import PhotoWorldSettings, WorldSettings


class Rendered:
    """The part of `CrossViewDataset` that is answered from the arrays of `scenes.render_world`.

    Test places are queried; distractor places are in the test gallery only. Families of twins are
    known.
    """

    def _keep_images(self, rendered: Mapping[str, Mapping[str, tuple]]) -> None:
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

    @property
    def directions(self) -> tuple[str, ...]:
        """Both directions where there are places to query."""
        return ("D2S", "S2D") if self.has_test else ()

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


class PhotoTowns(Rendered, CrossViewDataset):
    """A world of aerial tiles with edited twins, rendered when made and held in memory.

    Test places are queried; distractor places are in the test gallery only. `settings` is the
    world's `photos.PhotoWorldSettings`, `world` what `photos.make_photo_world` gives for it, and
    `root` the folder of tiles. `encode` judges which tiles look alike; None is EfficientNet-Lite0
    trained on ImageNet. `rendered` takes what `scenes.render_world` returned for that world
    before. Families of twins are known. The drone's views are warps of flat ground: no parallax,
    no façades.
    """

    name = "PhotoTowns"

    def __init__(
        self,
        settings: PhotoWorldSettings,
        encode: Encode | None = None,
        workers: int | None = None,
        progress: bool = True,
        rendered: Mapping | None = None,
    ):
        from dphr_lab import scenes

        self.root, self.settings = Path(settings.folder), settings
        self._encode, self._progress = encode, progress
        if rendered is None:
            rendered = scenes.render_world(self.world, workers=workers, progress=progress)
        self._keep_images(rendered)

    @cached_property
    def world(self) -> PhotoWorld:
        """The places, their tiles and edits."""
        from dphr_lab.scenes import photos

        encode = self._encode or photos.imagenet
        return photos.make_photo_world(self.settings, encode, self._progress)


class TwinTowns(Rendered, CrossViewDataset):
    """A Twin Towns world, rendered when made and held in memory.

    Test places are queried; distractor places are in the test gallery only. `settings` is the
    world's `scenes.WorldSettings`, `world` what `scenes.make_world` gives for it. `rendered` takes
    what `scenes.render_world` returned for that world before. Families of twins are known.
    Taught in: book/01, book/09.
    """

    name = "Twin Towns"

    def __init__(
        self,
        settings: WorldSettings,
        workers: int | None = None,
        progress: bool = True,
        rendered: Mapping | None = None,
    ):
        from dphr_lab import scenes

        self.root, self.settings, self.world = None, settings, scenes.make_world(settings)
        if rendered is None:
            rendered = scenes.render_world(self.world, workers=workers, progress=progress)
        self._keep_images(rendered)
