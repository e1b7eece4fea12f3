"""Twin Towns in memory: a rendered world with the interface of a data set on disk."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from dphr_lab.datasets.layouts import CrossViewDataset
from dphr_lab.datasets.rendered import Rendered

if TYPE_CHECKING:
    from dphr_lab.scenes import WorldSettings


class TwinTowns(Rendered, CrossViewDataset):
    """A Twin Towns world, rendered when made and held in memory.

    Test places are queried; distractor places are in the test gallery only. `settings` is the
    world's `scenes.WorldSettings`, `world` what `scenes.make_world` gives for it. `rendered` takes
    what `scenes.render_world` returned for that world before. Families of twins are known.
    Taught in: book/01, book/06.
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
        self.hold(rendered)
