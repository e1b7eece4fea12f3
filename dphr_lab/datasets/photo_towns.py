"""PhotoTowns in memory: a world of aerial photographs with the interface of a data set on disk."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from dphr_lab.datasets.layouts import CrossViewDataset
from dphr_lab.datasets.rendered import Rendered

if TYPE_CHECKING:
    from dphr_lab.photos import PhotoWorld, PhotoWorldSettings
    from dphr_lab.photos.tiles import Encode


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
        self.hold(rendered)

    @cached_property
    def world(self) -> PhotoWorld:
        """The places, their tiles and edits."""
        from dphr_lab import photos

        encode = self._encode or photos.imagenet
        return photos.make_photo_world(self.settings, encode, self._progress)
