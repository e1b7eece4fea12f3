"""A continuous town: quarters of all districts side by side, with estates whose blocks repeat.

World axes: x east, y north, metres, the origin in the town's middle. Main streets cut the ground
into quarters of 250 m in a grid that is turned against north; each quarter is one district, some
are estates (one block drawn once and set many times: twins at a known distance) or copies of
another quarter. A river runs through it.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import lru_cache

import numpy as np

from dphr_lab.scenes.towns.description import (
    HALF_EXTENT_M,
    Building,
    Patch,
    Road,
    Scene,
    Tree,
    Water,
    rotate,
)
from dphr_lab.scenes.towns.districts import DISTRICTS, FLAT, METAL, SLATE, TILE
from dphr_lab.scenes.towns.layouts import Draft, split_into_lots
from dphr_lab.settings.towns import TownSettings

QUARTER_M = 250.0
MAIN_STREET_M = 14.0
MARGIN_M = 320.0  # the town goes on this far beyond the map
ESTATE_SHARE, COPY_SHARE = 0.25, 0.08
STYLES = {"suburb": 5, "campus": 2, "industrial": 2, "park": 2.5, "centre": 2.5}
ESTATES = {"suburb": 3, "industrial": 1, "campus": 1, "centre": 1}  # styles of estates
RIVER_M = (22.0, 38.0)  # width
UNDER = {"centre": "pavement", "industrial": "yard"}  # ground of whole quarters
LAID = ("lawn", "lot", "wood", "yard", "pavement")  # ground, which may lie under the river
KINDS_OF_CHANGE = ("gone", "built", "recoloured")


@dataclass(frozen=True)
class Quarter:
    """What one quarter is: where it lies, and what it repeats."""

    x: float  # of its middle, metres east
    y: float
    style: str
    estate: bool  # its blocks are all one
    copy_of: int | None  # index of the quarter that it repeats
    blocks: tuple[tuple[float, float], ...]  # middles of the repeated blocks, world metres


@dataclass(frozen=True)
class Town:
    """Everything that stands in a town, as tuples and arrays over the whole of it."""

    settings: TownSettings
    heading_deg: float
    quarters: tuple[Quarter, ...]
    buildings: tuple[Building, ...]
    changes: tuple[str | None, ...]  # of each building: one of KINDS_OF_CHANGE
    roofs_before: tuple[tuple[int, int, int], ...]  # colours at the map's date
    patches: tuple[Patch, ...]
    roads: tuple[Road, ...]
    water: tuple[Water, ...]
    trees: np.ndarray  # (N, 6): x, y, radius, height, evergreen, tone
    dryness: float
    spots: dict  # of buildings, patches, roads: arrays that crops look at

    def scene_at(self, x: float, y: float, year: int, reach_m: float = HALF_EXTENT_M) -> Scene:
        """The neighbourhood of (x, y) in a year, moved to the origin."""
        near = {
            name: np.flatnonzero((np.abs(self.spots[name] - (x, y)).max(1)) < reach_m + more)
            for name, more in (("buildings", 30), ("patches", 180), ("trees", 12))
        }
        buildings = []
        before = year == self.settings.map_year
        for i in near["buildings"].tolist():
            change, building = self.changes[i], self.buildings[i]
            if (change == "gone" and not before) or (change == "built" and before):
                continue
            if change == "recoloured" and before:
                building = replace(building, roof_colour=self.roofs_before[i])
            buildings.append(replace(building, x=building.x - x, y=building.y - y))
        patches = (self.patches[i] for i in near["patches"].tolist())
        low, high = self.spots["roads"]
        beside = (low < np.array([x, y]) + reach_m + 20) & (high > np.array([x, y]) - reach_m - 20)
        roads = (self.roads[i] for i in np.flatnonzero(beside.all(1)).tolist())
        trees = self.trees[near["trees"]] - (x, y, 0, 0, 0, 0)
        return Scene(
            "suburb",
            self.settings.seed,
            self.dryness,
            tuple(
                replace(road, points=tuple((px - x, py - y) for px, py in road.points))
                for road in roads
            ),
            tuple(Water(tuple((px - x, py - y) for px, py in w.outline)) for w in self.water),
            tuple(replace(p, x=p.x - x, y=p.y - y) for p in patches),
            tuple(buildings),
            tuple(Tree(a, b, r, h, bool(e), t) for a, b, r, h, e, t in trees.tolist()),
            origin=(x, y),
        )


class _Block(Draft):
    """A quarter, or one block of an estate, in its own axes."""

    def __init__(self, rng: np.random.Generator, style: str):
        super().__init__(rng, style)
        self.heading_deg, self.turn = 0.0, (1.0, 0.0)

    def fill(self, rect: tuple[float, float, float, float]) -> None:
        """Cut a block into lots and use each."""
        lots = split_into_lots(self.rng, rect, self.district.lot_m, self.district.open_share)
        for lot, is_open in lots:
            self.lot(lot, is_open, False)

    def streets(self, half: float, cuts: np.ndarray, width: float) -> None:
        """Inner streets at the cuts, both ways, to the main streets around."""
        kind, end = "path" if self.style == "park" else "street", half + 0.3 * MAIN_STREET_M
        for cut in cuts.tolist():
            self.roads.append(Road(((cut, -end), (cut, end)), width, kind))
            self.roads.append(Road(((-end, cut), (end, cut)), width, kind))

    def table(self) -> np.ndarray:
        """The trees (N, 6), their sizes drawn now."""
        points = np.concatenate([t for t in self.trees if len(t)] or [np.zeros((0, 2))])
        rng, count = self.rng, len(points)
        radius = rng.uniform(1.8, 4.2, count)
        height = radius * rng.uniform(1.7, 2.6, count)
        evergreen = rng.random(count) < rng.uniform(0.05, 0.45)
        return np.column_stack([points, radius, height, evergreen, rng.random(count)]).round(2)


def _edges(rng: np.random.Generator, style: str, half: float, even: bool) -> np.ndarray:
    """Where the blocks of a quarter begin and end, streets between them."""
    low, high = DISTRICTS[style].block_m
    count = max(1, round(2 * half / ((low + high) / 2)))
    count = max(2, count) if even else count
    edges = np.linspace(-half, half, count + 1)
    if not even:
        edges[1:-1] += rng.uniform(-0.12, 0.12, count - 1) * 2 * half / count
    return edges


def _quarter(rng: np.random.Generator, style: str, estate: bool):
    """(block drafts with their offsets, inner roads, offsets of repeated blocks)."""
    half = (QUARTER_M - MAIN_STREET_M) / 2 - 2.5
    whole = _Block(rng, style)
    xs, ys = _edges(rng, style, half, estate), _edges(rng, style, half, estate)
    width = round(float(rng.uniform(*whole.district.street_m)), 2)
    gap = width / 2 + 2.5
    if estate:
        ys = xs
        side = xs[1] - xs[0]
        block = _Block(rng, style)
        block.fill((-side / 2 + gap, -side / 2 + gap, side / 2 - gap, side / 2 - gap))
        middles = (xs[:-1] + xs[1:]) / 2
        offsets = [(float(x), float(y)) for x in middles for y in middles]
        whole.streets(half, xs[1:-1], width)
        return block, offsets, whole.roads, []
    end = half + 0.3 * MAIN_STREET_M
    kind = "path" if style == "park" else "street"
    for x in xs[1:-1].tolist():
        whole.roads.append(Road(((x, -end), (x, end)), width, kind))
    for y in ys[1:-1].tolist():
        whole.roads.append(Road(((-end, y), (end, y)), width, kind))
    for x0, x1 in itertools.pairwise(xs):
        for y0, y1 in itertools.pairwise(ys):
            inner = [
                a + g if side else a
                for a, g, side in (
                    (x0, gap, x0 > -half),
                    (y0, gap, y0 > -half),
                    (x1, -gap, x1 < half),
                    (y1, -gap, y1 < half),
                )
            ]
            whole.fill(tuple(map(float, inner)))
    if style == "park" and rng.random() < 0.7:
        whole.lake()
    return whole, [(0.0, 0.0)], whole.roads, whole.water


@lru_cache(maxsize=4)
def make_town(settings: TownSettings) -> Town:
    """The town of some settings: a function of `seed`, `km` and `changed` alone."""
    rng = np.random.default_rng([settings.seed, 71])
    heading = float(rng.uniform(8, 82))
    reach = settings.side_m / 2 + MARGIN_M
    count = math.ceil(reach * math.sqrt(2) / QUARTER_M)
    dryness = round(float(rng.random()), 3)
    site = _Site(heading)
    river, across, along, bend = _river(rng, reach)
    site.water.append(river)
    for i, j in itertools.product(range(-count, count + 1), repeat=2):
        cx, cy = (i + 0.5) * QUARTER_M, (j + 0.5) * QUARTER_M
        draws = rng.random(3)
        style_seed = int(rng.integers(1 << 30))
        if np.abs(site.world((0, 0), cx, cy)).max() <= reach + QUARTER_M:
            site.add_quarter(cx, cy, draws, style_seed)
    site.add_main_streets(count)

    def dry(points, more):
        offset = np.interp(points @ along, *bend)
        return np.abs(points @ across - offset) > RIVER_M[1] / 2 + 2 + np.asarray(more)

    return _finished(settings, site, dryness, dry)


@dataclass
class _Site:
    """What stands in a town while it is made: quarters in a grid that is turned by `heading`."""

    heading: float
    plans: list[tuple[int, str, bool]] = field(default_factory=list)  # seed, style, estate
    quarters: list[Quarter] = field(default_factory=list)
    buildings: list[Building] = field(default_factory=list)
    patches: list[Patch] = field(default_factory=list)
    roads: list[Road] = field(default_factory=list)
    water: list[Water] = field(default_factory=list)
    trees: list[np.ndarray] = field(default_factory=list)

    def world(self, points, x: float, y: float) -> np.ndarray:
        """Points beside (x, y) of the grid, in the world's metres."""
        return rotate(np.asarray(points, float) + (x, y), self.heading)

    def add_quarter(self, cx: float, cy: float, draws: np.ndarray, style_seed: int) -> None:
        """The quarter whose middle is (cx, cy) of the grid."""
        copy_of = self._plan(draws, style_seed)
        seed, style, estate = self.plans[-1]
        draft, offsets, inner, lakes = _quarter(np.random.default_rng(seed), style, estate)
        name = f"q{len(self.quarters)}"
        if style in UNDER:
            size = QUARTER_M - MAIN_STREET_M / 2
            ground = Patch(f"{name}-ground", UNDER[style], 0.0, 0.0, size, size, 0.0, 504)
            self.patches.append(_placed_patch(ground, name, self.heading, cx, cy))
        table = draft.table()
        for n, (ox, oy) in enumerate(offsets):
            self._add_block(f"{name}.{n}", draft, table, cx + ox, cy + oy)
        for road in inner:
            self.roads.append(_placed_road(road, self.world(road.points, cx, cy)))
        for lake in lakes:
            self.water.append(Water(_points(self.world(lake.outline, cx, cy))))
        x, y = self.world((0, 0), cx, cy).tolist()
        repeated = tuple(_points(self.world(offsets, cx, cy))) if estate else ()
        self.quarters.append(Quarter(x, y, style, estate, copy_of, repeated))

    def _plan(self, draws: np.ndarray, style_seed: int) -> int | None:
        """Decide on the next quarter: add its plan; returns which one it repeats, if any."""
        if len(self.plans) > 3 and draws[0] < COPY_SHARE:
            copy_of = int(draws[1] * len(self.plans))
            self.plans.append(self.plans[copy_of])
            return copy_of
        estate = draws[0] > 1 - ESTATE_SHARE
        kinds = ESTATES if estate else STYLES
        shares = np.cumsum(list(kinds.values())) / sum(kinds.values())
        style = list(kinds)[int(np.searchsorted(shares, draws[2]))]
        self.plans.append((style_seed, style, estate))
        return None

    def _add_block(self, label: str, draft: _Block, trees: np.ndarray, x: float, y: float) -> None:
        """One drawn block, set at (x, y) of the grid."""
        for patch in draft.patches:
            self.patches.append(_placed_patch(patch, label, self.heading, x, y))
        for b in draft.buildings:
            bx, by = self.world((b.x, b.y), x, y).round(2).tolist()
            self.buildings.append(replace(
                b, name=f"{label}-{b.name}", x=bx, y=by,
                heading_deg=round(b.heading_deg + self.heading, 2),
            ))  # fmt: skip
        rows = trees.copy()
        rows[:, :2] = self.world(rows[:, :2], x, y).round(2)
        self.trees.append(rows)

    def add_main_streets(self, count: int) -> None:
        """Streets between the quarters, `count` of them each way from the middle."""
        end = (count + 1) * QUARTER_M
        steps = np.linspace(-end, end, max(2, round(2 * end / 200)))
        for i, swap in itertools.product(range(-count, count + 2), (False, True)):
            line = np.stack([np.full(len(steps), i * QUARTER_M), steps], 1)
            points = rotate(line[:, ::-1] if swap else line, self.heading)
            for piece in range(len(points) - 1):  # short pieces, so that crops take few
                self.roads.append(Road(_points(points[piece : piece + 2]), MAIN_STREET_M, "street"))


def _finished(settings: TownSettings, site: _Site, dryness: float, dry: Callable) -> Town:
    """The town of a site, without what would stand in the river; `dry(points, more metres)`."""
    spots = np.array([(b.x, b.y) for b in site.buildings])
    half = np.array([math.hypot(b.length_m, b.width_m) / 2 for b in site.buildings])
    buildings = [b for b, kept in zip(site.buildings, dry(spots, half), strict=True) if kept]
    trees = np.concatenate(site.trees)
    trees = trees[dry(trees[:, :2], trees[:, 2])]
    flat = [p for p in site.patches if p.kind not in LAID]
    stand = dry(np.array([(p.x, p.y) for p in flat]), 15)
    kept = {p.name for p, right in zip(flat, stand, strict=True) if right}
    kept |= {p.name for p in site.patches} - {p.name for p in flat}
    patches = [p for p in site.patches if p.name in kept]
    changes, before = _changes(settings, buildings)
    lines = [np.array(road.points) for road in site.roads]
    return Town(
        settings, site.heading, tuple(site.quarters), tuple(buildings), changes, before,
        tuple(patches), tuple(site.roads), tuple(site.water), trees, dryness,
        {
            "buildings": np.array([(b.x, b.y) for b in buildings]),
            "patches": np.array([(p.x, p.y) for p in patches]),
            "trees": trees[:, :2],
            "roads": (np.array([p.min(0) for p in lines]), np.array([p.max(0) for p in lines])),
        },
    )  # fmt: skip


def _river(rng: np.random.Generator, reach: float):
    """(water, unit vector across, unit vector along, (along, offset) of its middle)."""
    bearing = rng.uniform(0, np.pi)
    along = np.array([np.cos(bearing), np.sin(bearing)])
    across = np.array([-along[1], along[0]])
    t = np.linspace(-1.6 * reach, 1.6 * reach, 121)
    offset = rng.uniform(-0.4, 0.4) * reach + rng.uniform(40, 90) * np.sin(
        t / rng.uniform(160, 300) + rng.uniform(0, 6)
    )
    width = np.interp(np.sin(t / 130 + rng.uniform(0, 6)), (-1, 1), RIVER_M)
    sides = [t[:, None] * along + (offset + s * width / 2)[:, None] * across for s in (-1, 1)]
    return Water(_points(np.concatenate([sides[0], sides[1][::-1]]))), across, along, (t, offset)


def _changes(settings: TownSettings, buildings: list[Building]):
    """(change of each building, its roof's colour at the map's date)."""
    rng = np.random.default_rng([settings.seed, 72])
    draws, picks = rng.random(len(buildings)), rng.integers(0, 1 << 30, len(buildings))
    palette = TILE + SLATE + FLAT + METAL
    changes, before = [], []
    for building, draw, pick in zip(buildings, draws, picks.tolist(), strict=True):
        kind = int(3 * draw / settings.changed) if draw < settings.changed else None
        changes.append(None if kind is None else KINDS_OF_CHANGE[min(kind, 2)])
        others = [c for c in palette if sum(abs(a - b) for a, b in
                  zip(c, building.roof_colour, strict=True)) > 90]  # fmt: skip
        before.append(others[pick % len(others)])
    return tuple(changes), tuple(before)


def _points(array) -> tuple[tuple[float, float], ...]:
    return tuple(map(tuple, np.round(array, 2).tolist()))


def _placed_road(road: Road, points: np.ndarray) -> Road:
    return replace(road, points=_points(points))


def _placed_patch(patch: Patch, label: str, heading: float, cx: float, cy: float) -> Patch:
    x, y = rotate(np.array([patch.x + cx, patch.y + cy]), heading).round(2).tolist()
    return replace(
        patch, name=f"{label}-{patch.name}", x=x, y=y,
        heading_deg=round(patch.heading_deg + heading, 2),
    )  # fmt: skip
