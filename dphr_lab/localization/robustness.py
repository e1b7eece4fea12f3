"""How much of an encoder's recall weather, cameras and flights leave: `dphr robustness`.

The drone images are spoiled, the satellite gallery stays as it is: a map is made on a good day.

Taught in: book/13.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch

from dphr_lab.datasets.corruptions import CORRUPTIONS, TEN_WEATHERS, corrupted, weathered
from dphr_lab.localization.evaluation import embed_turned, score
from dphr_lab.models import embed
from dphr_lab.retrieval import SELECTED_ON_TEST, STAMP


@dataclass(frozen=True)
class Condition:
    """What is left under one condition; rates in percent, each with its 95 % interval."""

    level: float  # in the unit of the corruption; 0 for a weather of the ten
    r_at_1: float
    r_at_1_interval: tuple[float, float] | None  # None from one place alone
    ap: float
    ap_interval: tuple[float, float] | None
    drop: float | None  # share of the R@1 of unchanged queries that is lost; None where that is 0
    shift: float  # mean of 1 - cosine (0 to 2) between a changed query and its own self


@dataclass(frozen=True)
class Robustness:
    """Unchanged queries beside spoiled ones, drone → satellite, full gallery."""

    unchanged: Condition
    conditions: dict[str, tuple[Condition, ...]]  # corruption -> its levels
    queries: int
    places: int  # of the queries
    gallery: int
    rotations: int  # turns of each query, the best kept; 1: as it is
    seed: int
    selected_on_test: bool = False

    def mean_drop(self, name: str | None = None) -> float | None:
        """Mean relative loss of R@1 over the levels of a corruption, or over all corruptions."""
        if self.unchanged.r_at_1 == 0:
            return None
        if name is None:
            return float(np.mean([self.mean_drop(each) for each in self.conditions]))
        return float(np.mean([condition.drop for condition in self.conditions[name]]))

    def to_dict(self) -> dict:
        """JSON's own types, the mean drops among them."""
        drops = {name: self.mean_drop(name) for name in self.conditions}
        return asdict(self) | {"mean_drops": drops, "mean_drop": self.mean_drop()}

    def __str__(self) -> str:
        lines = [SELECTED_ON_TEST] if self.selected_on_test else []
        turns = f", best of {self.rotations} rotations" if self.rotations > 1 else ""
        lines.append(
            f"drone → satellite, {self.queries:,} queries of {self.places:,} places, gallery "
            f"{self.gallery:,}{turns}; 95 % intervals over places or families"
        )
        lines.append(f"{'unchanged':15s} {_cells(self.unchanged)}")
        for name, levels in self.conditions.items():
            for condition in levels:
                level = f" {condition.level:g}" if name in CORRUPTIONS else ""
                lines.append(f"{name + level:21s} {_cells(condition)}")
        if (mean := self.mean_drop()) is not None:
            drops = {name: self.mean_drop(name) for name in self.conditions}
            worst = sorted(drops, key=drops.get, reverse=True)
            each = ", ".join(f"{name} {100 * drops[name]:.0f}" for name in worst)
            lines.append(f"mean relative drop of R@1: {100 * mean:.1f} % ({each})")
        return "\n".join(lines)

    def draw(self, path: Path | str) -> None:
        """Write a figure: R@1 over the levels, a panel a corruption, unchanged dotted."""
        from matplotlib.figure import Figure

        from dphr_lab.plotting import levels_curve, save

        columns = min(4, len(self.conditions))
        rows = -(-len(self.conditions) // columns)
        figure = Figure(figsize=(3 * columns, 2.4 * rows + 0.3), layout="constrained")
        panels = figure.subplots(rows, columns, sharey=True, squeeze=False)
        for axes in panels.flat[len(self.conditions) :]:
            axes.set_axis_off()
        for axes, (name, levels) in zip(panels.flat, self.conditions.items(), strict=False):
            ends = [c.r_at_1_interval or (c.r_at_1, c.r_at_1) for c in levels]
            rates = [c.r_at_1 for c in levels]
            levels_curve(axes, [c.level for c in levels], rates, ends, self.unchanged.r_at_1)
            axes.set_title(name.replace("_", " "), fontsize=10)
            axes.set_xlabel(CORRUPTIONS[name].level if name in CORRUPTIONS else "", fontsize=8)
        for axes in panels[:, 0]:
            axes.set_ylabel("R@1, %")
        if self.selected_on_test:
            figure.suptitle(STAMP, fontsize=8)
        save(figure, path)


def _cells(condition: Condition) -> str:
    cells = []
    for name in ("r_at_1", "ap"):
        ends = getattr(condition, f"{name}_interval")
        told = "" if ends is None else f" ({ends[0]:.1f} to {ends[1]:.1f})"
        label = "R@1" if name == "r_at_1" else "AP"
        cells.append(f"{label} {getattr(condition, name):5.1f}{told}")
    return "  ".join(cells) + f"  shift {condition.shift:.2f}"


def measure_robustness(
    encoder: torch.nn.Module,
    data,
    corruptions: Sequence[str] = tuple(CORRUPTIONS),
    *,
    ten_weathers: bool = False,
    most_queries: int | None = None,
    rotations: int = 1,
    image_px: int | None = None,
    seed: int = 0,
    progress: bool = False,
) -> Robustness:
    """Score the drone → satellite test of a data set as it is and under each corruption.

    `corruptions` are names of `datasets.corruptions.CORRUPTIONS`, at all their levels;
    `ten_weathers` takes the field's ten conditions instead. `most_queries` takes so many drone
    images, evenly from all. `rotations`: turns of each query at test time, the best kept. Raises
    ValueError for an unknown name or no query.
    """
    unknown = [name for name in corruptions if name not in CORRUPTIONS]
    if unknown or not corruptions:
        raise ValueError(
            f"corruptions: found {', '.join(unknown) or 'none'}; expected some of "
            f"{', '.join(CORRUPTIONS)}"
        )
    query, gallery = data.test("D2S")
    if most_queries is not None and len(query) > most_queries:
        query = query.subset(np.linspace(0, len(query) - 1, most_queries).round().astype(int))
    z_gallery = embed(encoder, gallery, image_px, progress=progress)
    own = embed(encoder, query, image_px, progress=progress)

    def condition(images, level: float, before: float | None) -> Condition:
        z = own if images is query else embed(encoder, images, image_px)
        shift = float((1 - (z * own).sum(1)).clamp(min=0).mean())
        if rotations > 1:
            z = embed_turned(encoder, images, z_gallery, rotations, image_px=image_px)
        report = score(z, query, z_gallery, gallery)
        ends = report.intervals or {}
        return Condition(
            level,
            report.r_at_1,
            tuple(ends["r_at_1"]) if ends else None,
            report.ap,
            tuple(ends["ap"]) if ends else None,
            None if not before else (before - report.r_at_1) / before,
            shift,
        )

    unchanged = condition(query, 0.0, None)
    jobs = [
        (name, level, corrupted(query, name, level, seed))
        for name in corruptions
        for level in CORRUPTIONS[name].levels
    ]
    if ten_weathers:
        jobs = [(name, 0.0, weathered(query, name, seed)) for name in TEN_WEATHERS]
    if progress:
        from tqdm.auto import tqdm

        jobs = tqdm(jobs, desc="conditions", leave=False)
    found: dict[str, list[Condition]] = {}
    for name, level, images in jobs:
        found.setdefault(name, []).append(condition(images, level, unchanged.r_at_1))
    return Robustness(
        unchanged=unchanged,
        conditions={name: tuple(levels) for name, levels in found.items()},
        queries=len(query),
        places=len(np.unique(query.places)),
        gallery=len(gallery),
        rotations=rotations,
        seed=seed,
        selected_on_test=getattr(encoder, "selected_on_test", False),
    )
