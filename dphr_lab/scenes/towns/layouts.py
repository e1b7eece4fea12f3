"""Scene descriptions: procedural districts, families of twins, recorded changes.

A description is plain data (frozen dataclasses of numbers and strings); nothing is drawn here.
World axes as in `cameras`: x east, y north, metres, origin at the place's centre.
"""

import math
from functools import lru_cache

import numpy as np

from dphr_lab.scenes.seeds import generator
from dphr_lab.scenes.towns.description import (
    CHANGE_RADIUS_M,
    HALF_EXTENT_M,
    Building,
    Patch,
    Road,
    Scene,
    Tree,
    Water,
    inside,
    is_central,
    overlap,
    rotate,
)
from dphr_lab.scenes.towns.districts import DISTRICTS, FIELDS, GROUND_UNDER, SWAPPABLE


def _choose(rng: np.random.Generator, weights: dict[str, float]) -> str:
    names = list(weights)
    p = np.array([weights[n] for n in names], float)
    return names[int(np.searchsorted(np.cumsum(p / p.sum()), rng.random()))]


def _cuts(rng: np.random.Generator, step_m: tuple[float, float]) -> list[float]:
    """Positions of parallel streets over the neighbourhood."""
    reach = HALF_EXTENT_M * 1.35
    positions = [-reach - rng.uniform(0, step_m[1])]
    while positions[-1] < reach:
        positions.append(positions[-1] + rng.uniform(*step_m))
    return positions


def split_into_lots(rng, rect, lot_m: float, open_share: float) -> list[tuple[tuple, bool]]:
    """Cut a rectangle (x0, y0, x1, y1) into lots; a lot may stay large and open."""
    x0, y0, x1, y1 = rect
    w, h = x1 - x0, y1 - y0
    if max(w, h) < 1.55 * lot_m:
        return [(rect, False)]
    if max(w, h) < 2.6 * max(lot_m, 34) and min(w, h) > 30 and rng.random() < open_share:
        return [(rect, True)]
    cut = rng.uniform(0.4, 0.6)
    if w > h:
        middle = x0 + cut * w
        parts = (x0, y0, middle, y1), (middle, y0, x1, y1)
    else:
        middle = y0 + cut * h
        parts = (x0, y0, x1, middle), (x0, middle, x1, y1)
    return [lot for part in parts for lot in split_into_lots(rng, part, lot_m, open_share)]


def _is_inner(rect) -> bool:
    x0, y0, x1, y1 = rect
    return float(np.hypot(x0 + x1, y0 + y1)) / 2 < 0.85 * CHANGE_RADIUS_M


class Draft:
    """A layout being drawn, in the grid's own frame turned by `heading_deg`."""

    def __init__(self, rng: np.random.Generator, style: str):
        self.rng, self.style, self.district = rng, style, DISTRICTS[style]
        self.heading_deg = float(rng.uniform(0, 180))
        angle = math.radians(self.heading_deg)
        self.turn = math.cos(angle), math.sin(angle)
        self.buildings: list[Building] = []
        self.patches: list[Patch] = []
        self.trees: list[np.ndarray] = []
        self.roads: list[Road] = []
        self.water: list[Water] = []
        pick = rng.permutation(len(self.district.roof_palette))[: rng.integers(2, 5)]
        self.roofs = [self.district.roof_palette[i] for i in pick]

    def world(self, x: float, y: float) -> tuple[float, float]:
        c, s = self.turn
        return round(float(c * x - s * y), 2), round(float(s * x + c * y), 2)

    def patch(self, kind: str, x, y, length, width, turn=0.0):
        wx, wy = self.world(x, y)
        self.patches.append(
            Patch(
                f"patch-{len(self.patches)}", kind, wx, wy, round(length, 2), round(width, 2),
                round(self.heading_deg + turn, 2), int(self.rng.integers(1 << 30)),
            )
        )  # fmt: skip

    def scatter(self, rect, mean: float, clear: list):
        """Add about `mean` trees in a rectangle, off the things in `clear`."""
        count = int(self.rng.poisson(mean))
        if not count:
            return
        x0, y0, x1, y1 = rect
        points = self.rng.uniform((x0, y0), (x1, y1), (count, 2))
        points = rotate(points, self.heading_deg)
        keep = np.ones(count, bool)
        for thing in clear:
            keep &= ~inside(points, thing, 2.2)
        self.trees.append(points[keep])

    def lot(self, rect, is_open: bool, built: bool):
        rng, district = self.rng, self.district
        x0, y0, x1, y1 = rect
        w, h = x1 - x0, y1 - y0
        x, y = (x0 + x1) / 2, (y0 + y1) / 2
        if max(map(abs, self.world(x, y))) > HALF_EXTENT_M + 15:
            return
        if built:
            use = "building"
        else:
            use = _choose(rng, district.open_uses if is_open else district.uses)
        turn = 0.0 if w >= h else 90.0
        long, short = max(w, h), min(w, h)
        if use == "building":
            self.patch(district.lot_kind, x, y, long - 0.6, short - 0.6, turn)
            self.house(x, y, long, short, turn)
            self.scatter(rect, district.trees_per_lot * w * h / district.lot_m**2,
                         [self.buildings[-1]])  # fmt: skip
        elif use == "wood":
            self.patch("wood", x, y, long - 1, short - 1, turn)
            self.scatter(rect, w * h / 55, [])
        elif use in ("lawn", "plaza", "yard", "bare"):
            self.patch(use, x, y, long - 1, short - 1, turn)
            density = {"lawn": 1 / 160, "plaza": 1 / 350}.get(use, 0.0)
            self.scatter(rect, w * h * density, [])
        else:
            self.patch("yard" if use == "car_park" else "lawn", x, y, long - 1, short - 1, turn)
            self.patch(use, x, y, long * 0.82, short * 0.8, turn)
            self.scatter(rect, 0.8 * (w + h) / 12, [self.patches[-1]])

    def house(self, x, y, long, short, turn):
        rng, district = self.rng, self.district
        length = long * rng.uniform(*district.fill)
        width = max(short * rng.uniform(*district.fill), 0.38 * length)
        if self.style in ("campus", "centre") and rng.random() < 0.5:
            width = min(width, max(0.5 * width, 13.0))
        roof = _choose(rng, district.roofs)
        ell = rng.random() < district.ell_share and min(length, width) > 9
        if roof != "flat" and not ell:
            width = min(width, 18.0)  # a pitched roof spans no more
        wx, wy = self.world(
            x + rng.uniform(-0.5, 0.5) * 0.6 * (long - length) * (turn == 0)
            + rng.uniform(-0.5, 0.5) * 0.6 * (short - width) * (turn != 0),
            y + rng.uniform(-0.5, 0.5) * 0.6 * (long - length) * (turn != 0)
            + rng.uniform(-0.5, 0.5) * 0.6 * (short - width) * (turn == 0),
        )  # fmt: skip
        jitter = rng.integers(-8, 9)
        colour = np.clip(np.array(self.roofs[rng.integers(len(self.roofs))]) + jitter, 0, 255)
        wall = district.wall_palette[rng.integers(len(district.wall_palette))]
        self.buildings.append(
            Building(
                f"building-{len(self.buildings)}", wx, wy, round(length, 2), round(width, 2),
                round(float(rng.uniform(*district.height_m)), 2),
                round(self.heading_deg + turn + 180.0 * int(rng.integers(2)), 2),
                "ell" if ell else "block", roof, tuple(int(c) for c in colour), wall,
                int(rng.integers(1 << 30)),
            )
        )  # fmt: skip

    def lake(self):
        """Add a lake off the centre and clear what stood there."""
        rng = self.rng
        bearing, distance = rng.uniform(0, 2 * np.pi), rng.uniform(62, 95)
        middle = distance * np.array([np.cos(bearing), np.sin(bearing)])
        angle = np.linspace(0, 2 * np.pi, 36, endpoint=False)
        radius = rng.uniform(22, 38) * (
            1 + 0.22 * np.sin(2 * angle + rng.uniform(0, 6)) + 0.1 * np.sin(5 * angle)
        )
        outline = middle + radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], 1)
        self.water.append(Water(tuple(map(tuple, np.round(outline, 2).tolist()))))
        reach = radius.max() + 4

        def dry(thing):
            half_m = 0.5 * np.hypot(thing.length_m, thing.width_m)
            return np.hypot(thing.x - middle[0], thing.y - middle[1]) > reach + half_m

        self.buildings = [b for b in self.buildings if dry(b)]
        self.patches = [p for p in self.patches if p.kind in ("lawn", "lot", "wood") or dry(p)]
        self.trees = [t[np.hypot(*(t - middle).T) > reach - 2] for t in self.trees if len(t)]

    def diagonal(self):
        """Add a bent road or path across the grid and clear its way."""
        rng = self.rng
        bearing = rng.uniform(0, np.pi)
        along = np.array([np.cos(bearing), np.sin(bearing)])
        across = np.array([-along[1], along[0]])
        t = np.linspace(-1, 1, 33)
        offset = rng.uniform(-70, 70) + rng.uniform(15, 45) * np.sin(
            rng.uniform(1.5, 4) * t + rng.uniform(0, 6)
        )
        points = t[:, None] * HALF_EXTENT_M * 1.3 * along + offset[:, None] * across
        kind = "path" if self.style in ("park", "campus") else "street"
        width = 3.0 if kind == "path" else 8.0
        self.roads.append(Road(tuple(map(tuple, np.round(points, 2).tolist())), width, kind))

        steps = np.linspace(0, 1, 5)[:, None, None]
        dense = (points[:-1] + steps * np.diff(points, axis=0)).reshape(-1, 2)

        def clear(thing):
            return not inside(dense, thing, width / 2 + 1).any()

        self.buildings = [b for b in self.buildings if clear(b)]
        self.patches = [p for p in self.patches if p.kind not in ("car_park", *FIELDS) or clear(p)]
        reach = t * HALF_EXTENT_M * 1.3
        self.trees = [
            spots[np.abs(spots @ across - np.interp(spots @ along, reach, offset)) > width / 2 + 4]
            for spots in self.trees
        ]

    def scene(self) -> Scene:
        rng, district = self.rng, self.district
        dryness = round(float(rng.random()), 3)
        xs, ys = _cuts(rng, district.block_m), _cuts(rng, district.block_m)
        widths_x = rng.uniform(*district.street_m, len(xs)).round(2).tolist()
        widths_y = rng.uniform(*district.street_m, len(ys)).round(2).tolist()
        reach, kind = HALF_EXTENT_M * 1.4, "path" if self.style == "park" else "street"
        for x, width in zip(xs, widths_x, strict=True):
            self.roads.append(Road((self.world(x, -reach), self.world(x, reach)), width, kind))
        for y, width in zip(ys, widths_y, strict=True):
            self.roads.append(Road((self.world(-reach, y), self.world(reach, y)), width, kind))
        lots: list[tuple[tuple, bool]] = []
        for i in range(len(xs) - 1):
            for j in range(len(ys) - 1):
                block = (
                    xs[i] + widths_x[i] / 2 + 2.5, ys[j] + widths_y[j] / 2 + 2.5,
                    xs[i + 1] - widths_x[i + 1] / 2 - 2.5, ys[j + 1] - widths_y[j + 1] / 2 - 2.5,
                )  # fmt: skip
                far_m = np.hypot(block[0] + block[2], block[1] + block[3]) / 2
                if far_m > 1.42 * HALF_EXTENT_M + district.block_m[1] / 2:
                    continue
                # Small lots at the centre: a twin's changes are then small and near the centre.
                gap = [max(block[k], -block[k + 2], 0.0) for k in (0, 1)]
                lot_m = min(district.lot_m, 27) if np.hypot(*gap) < 45 else district.lot_m
                lots += split_into_lots(rng, block, lot_m, district.open_share)
        central = [i for i, (rect, is_open) in enumerate(lots) if not is_open and _is_inner(rect)]
        built = set(rng.permutation(central)[:4].tolist())
        for i, (rect, is_open) in enumerate(lots):
            self.lot(rect, is_open, i in built)
        if rng.random() < {"park": 0.7, "campus": 0.3}.get(self.style, 0.1):
            self.lake()
        if rng.random() < 0.5:
            self.diagonal()
        points = np.concatenate([t for t in self.trees if len(t)] or [np.zeros((0, 2))])
        points = points[np.abs(points).max(-1) < HALF_EXTENT_M]
        radius = rng.uniform(1.8, 4.2, len(points))
        height = radius * rng.uniform(1.7, 2.6, len(points))
        evergreen = rng.random(len(points)) < rng.uniform(0.05, 0.45)
        tone = rng.random(len(points))
        columns = np.column_stack([points, radius, height, tone]).round(2).tolist()
        trees = tuple(
            Tree(x, y, r, h, bool(e), t)
            for (x, y, r, h, t), e in zip(columns, evergreen, strict=True)
        )

        def near(thing):
            return max(abs(thing.x), abs(thing.y)) < HALF_EXTENT_M

        return Scene(
            self.style, int(rng.integers(1 << 30)), dryness, tuple(self.roads), tuple(self.water),
            tuple(filter(near, self.patches)), tuple(filter(near, self.buildings)), trees,
        )  # fmt: skip


@lru_cache(maxsize=64)
def make_layout(seed: int, family: int) -> Scene:
    """The layout that a family's members share: a function of (seed, family) alone."""
    style = list(DISTRICTS)[int(generator(seed, "style", family).integers(len(DISTRICTS)))]
    for attempt in range(200):
        scene = Draft(generator(seed, "layout", family, attempt), style).scene()
        buildings = sum(map(is_central, scene.buildings))
        if buildings >= 3 and sum(map(len, changeable(scene))) >= 6:
            return scene
    raise RuntimeError(f"no {style} layout with enough central objects: seed {seed}, {family=}")


def changeable(scene: Scene) -> tuple[list[str], list[str]]:
    """Name the central buildings, and the small central patches that no building stands on."""
    buildings = [b.name for b in scene.buildings if is_central(b)]
    patches = (p for p in scene.patches if is_central(p) and p.area_m2 < 900)
    return buildings, [p.name for p in patches if p.kind in SWAPPABLE and is_bare(scene, p)]


def is_bare(scene: Scene, patch: Patch) -> bool:
    """Whether nothing is built on a patch, and no other patch is laid on it."""
    spots = [
        (p.x, p.y) for p in scene.patches if p.name != patch.name and p.kind not in GROUND_UNDER
    ]
    return (patch.x, patch.y) not in spots and not any(
        overlap(building, patch) for building in scene.buildings
    )
