"""Scene descriptions: procedural districts, families of twins, recorded changes.

A description is plain data (frozen dataclasses of numbers and strings); nothing is drawn here.
World axes as in `cameras`: x east, y north, metres, origin at the place's centre.
"""

import math
from dataclasses import asdict, dataclass, replace
from functools import lru_cache

import numpy as np

from dphr_lab.scenes.seeds import generator

HALF_EXTENT_M = 215.0  # the described neighbourhood is twice this wide
CHANGE_RADIUS_M = 50.0  # changed objects lie this near the centre, where every view looks
CHANGE_KINDS = (
    "building removed",
    "building moved",
    "building recoloured",
    "building resized",
    "field swapped",
)

Colour = tuple[int, int, int]


@dataclass(frozen=True)
class Building:
    """An upright building on a rectangular or L-shaped footprint, centred on (x, y)."""

    name: str
    x: float  # m east
    y: float  # m north
    length_m: float  # along its own x axis
    width_m: float  # along its own y axis
    height_m: float  # to the eaves
    heading_deg: float  # counter-clockwise from east to its own x axis
    shape: str  # "block" or "ell"
    roof: str  # "flat", "gabled" or "hipped"
    roof_colour: Colour
    wall_colour: Colour
    detail: int  # seed of the roof furniture

    @property
    def wing_m(self) -> float:
        """Width of each wing of an L-shaped building."""
        return 0.45 * min(self.length_m, self.width_m)

    @property
    def area_m2(self) -> float:
        """Footprint area."""
        full = self.length_m * self.width_m
        if self.shape == "block":
            return full
        return full - (self.length_m - self.wing_m) * (self.width_m - self.wing_m)


@dataclass(frozen=True)
class Patch:
    """A rectangle on the ground: lawn, lot, plaza, car park, pool or sports field."""

    name: str
    kind: str
    x: float
    y: float
    length_m: float
    width_m: float
    heading_deg: float
    detail: int  # seed of cars and markings, and of the tone

    @property
    def area_m2(self) -> float:
        """Area of the rectangle."""
        return self.length_m * self.width_m


@dataclass(frozen=True)
class Road:
    """A strip along a polyline of (x, y) points."""

    points: tuple[tuple[float, float], ...]
    width_m: float
    kind: str  # "street" or "path"


@dataclass(frozen=True)
class Water:
    """A lake or canal inside an outline of (x, y) points."""

    outline: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Tree:
    """A tree with a round crown that starts near the ground."""

    x: float
    y: float
    radius_m: float
    height_m: float
    evergreen: bool
    tone: float  # in [0, 1]: where it stands in the season's range of colours


@dataclass(frozen=True)
class Scene:
    """Everything that stands in one place and its neighbourhood."""

    style: str
    texture: int  # seed of the ground texture
    dryness: float  # in [0, 1]: how yellow the grass is
    roads: tuple[Road, ...]
    water: tuple[Water, ...]
    patches: tuple[Patch, ...]
    buildings: tuple[Building, ...]
    trees: tuple[Tree, ...]


@dataclass(frozen=True)
class Change:
    """One recorded difference from the family's layout."""

    kind: str  # one of CHANGE_KINDS
    object: str  # name of the building or patch
    area_m2: float  # ground area whose appearance changes, seen from above
    before: Building | Patch
    after: Building | Patch | None  # None: removed

    def to_dict(self) -> dict:
        """Return the record as JSON-ready values."""
        return {
            "kind": self.kind,
            "object": self.object,
            "area_m2": self.area_m2,
            "before": asdict(self.before),
            "after": None if self.after is None else asdict(self.after),
        }


@dataclass(frozen=True)
class District:
    """What the districts of one style are made of."""

    block_m: tuple[float, float]  # distance between streets
    lot_m: float  # lots are split until they are about this wide
    street_m: tuple[float, float]  # street width
    uses: dict[str, float]  # what a lot is used for, with weights
    open_uses: dict[str, float]  # what a large, unsplit lot is used for
    open_share: float  # share of large lots that stay unsplit
    fill: tuple[float, float]  # share of the lot's side that a building takes
    height_m: tuple[float, float]
    roofs: dict[str, float]
    ell_share: float
    trees_per_lot: float
    roof_palette: tuple[Colour, ...]
    wall_palette: tuple[Colour, ...]
    lot_kind: str  # ground of a built lot


TILE = ((176, 84, 60), (150, 70, 55), (193, 108, 76), (120, 58, 50))
SLATE = ((92, 96, 104), (70, 74, 84), (116, 112, 110))
FLAT = ((188, 186, 180), (150, 148, 144), (214, 212, 206), (112, 114, 118), (168, 152, 132))
METAL = ((206, 212, 216), (96, 130, 166), (158, 72, 66), (126, 150, 130), (232, 232, 228))
PLASTER = ((226, 214, 190), (236, 230, 220), (206, 180, 150), (190, 190, 186))
BRICK = ((166, 104, 82), (188, 140, 110), (200, 196, 188), (150, 144, 138))

DISTRICTS = {
    "suburb": District(
        (62, 100), 23, (6, 8), {"building": 8.0, "lawn": 0.7}, 
        {"football": 2, "wood": 2, "lawn": 1},
        0.07, (0.45, 0.68), (3.0, 6.0), {"gabled": 5, "hipped": 4, "flat": 1}, 0.25, 1.6,
        TILE + SLATE + ((138, 110, 86),), PLASTER + BRICK[:2], "lot",
    ),
    "campus": District(
        (100, 145), 36, (7, 9), {"building": 5.0, "car_park": 1.2, "lawn": 1.4, "plaza": 0.8,
        "tennis": 0.7}, {"football": 3, "track": 1, "wood": 1, "car_park": 1}, 0.22, (0.5, 0.8),
        (8.0, 18.0), {"flat": 6, "hipped": 2, "gabled": 1}, 0.5, 4.0, FLAT + TILE[:2] + SLATE[:1],
        BRICK + PLASTER[:2], "lawn",
    ),
    "industrial": District(
        (95, 145), 35, (8, 11), {"building": 6.0, "car_park": 2.0, "yard": 1.6}, {"car_park": 2,
        "yard": 2, "bare": 1}, 0.12, (0.55, 0.85), (6.0, 12.0), {"flat": 5, "gabled": 4}, 0.12,
        0.5, METAL + FLAT[:3], ((200, 202, 204), (170, 176, 182), (188, 176, 160)), "yard",
    ),
    "park": District(
        (120, 190), 33, (4, 6), {"building": 2.8, "wood": 2.2, "lawn": 2.2, "tennis": 0.7,
        "basketball": 0.5}, {"wood": 3, "football": 2, "lawn": 2}, 0.3, (0.32, 0.6), (3.5, 7.0),
        {"hipped": 4, "gabled": 3, "flat": 3}, 0.2, 5.0, TILE + SLATE + FLAT[:2],
        PLASTER + BRICK, "lawn",
    ),
    "centre": District(
        (60, 95), 27, (8, 13), {"building": 9.0, "plaza": 1.0, "car_park": 0.7, "lawn": 0.4},
        {"plaza": 2, "lawn": 1, "car_park": 1}, 0.06, (0.68, 0.94), (10.0, 24.0),
        {"flat": 5, "hipped": 3, "gabled": 2}, 0.35, 0.6,
        FLAT + TILE[:3] + SLATE + ((92, 140, 122),), PLASTER + BRICK, "pavement",
    ),
}  # fmt: skip
FIELDS = ("football", "tennis", "basketball", "bare", "track")
_UNDER = ("lawn", "lot", "wood", "yard")  # laid under fields and car parks
SWAPPABLE = (*FIELDS, "car_park", "plaza", "lawn", "yard", "wood")


def rotate(points: np.ndarray, heading_deg: float) -> np.ndarray:
    """Turn points (..., 2) counter-clockwise about the origin."""
    angle = math.radians(heading_deg)
    c, s = math.cos(angle), math.sin(angle)
    return np.asarray(points) @ np.array([[c, s], [-s, c]])


def corners(thing: Building | Patch, margin_m: float = 0.0) -> np.ndarray:
    """Return the corners of a building's or patch's bounding rectangle, (4, 2)."""
    a, b = thing.length_m / 2 + margin_m, thing.width_m / 2 + margin_m
    local = np.array([[-a, -b], [a, -b], [a, b], [-a, b]])
    return rotate(local, thing.heading_deg) + (thing.x, thing.y)


def overlap(first: Building | Patch, second: Building | Patch, gap_m: float = 0.0) -> bool:
    """Tell whether two rectangles come nearer than about `gap_m` (separating axes)."""
    reach = math.hypot(first.length_m, first.width_m) + math.hypot(second.length_m, second.width_m)
    if math.hypot(first.x - second.x, first.y - second.y) > reach / 2 + 1.5 * gap_m:
        return False
    a, b = corners(first, gap_m), corners(second)
    for heading in (first.heading_deg, second.heading_deg):
        p, q = rotate(a, -heading), rotate(b, -heading)
        if ((p.max(0) <= q.min(0)) | (q.max(0) <= p.min(0))).any():
            return False
    return True


def _inside(points: np.ndarray, thing: Building | Patch, margin_m: float) -> np.ndarray:
    local = rotate(points - (thing.x, thing.y), -thing.heading_deg)
    half = (thing.length_m / 2 + margin_m, thing.width_m / 2 + margin_m)
    return (np.abs(local) < half).all(-1)


# ---------------------------------------------------------------- layouts


def _choose(rng: np.random.Generator, weights: dict[str, float]) -> str:
    names = list(weights)
    p = np.array([weights[n] for n in names], float)
    return names[int(np.searchsorted(np.cumsum(p / p.sum()), rng.random()))]


def _cuts(rng: np.random.Generator, step_m: tuple[float, float]) -> list[float]:
    """Return positions of parallel streets over the neighbourhood."""
    reach = HALF_EXTENT_M * 1.35
    positions = [-reach - rng.uniform(0, step_m[1])]
    while positions[-1] < reach:
        positions.append(positions[-1] + rng.uniform(*step_m))
    return positions


def _split(rng, rect, lot_m: float, open_share: float) -> list[tuple[tuple, bool]]:
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
    return [lot for part in parts for lot in _split(rng, part, lot_m, open_share)]


def _is_inner(rect) -> bool:
    x0, y0, x1, y1 = rect
    return float(np.hypot(x0 + x1, y0 + y1)) / 2 < 0.85 * CHANGE_RADIUS_M


class _Draft:
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
            keep &= ~_inside(points, thing, 2.2)
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
            return not _inside(dense, thing, width / 2 + 1).any()

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
                lots += _split(rng, block, lot_m, district.open_share)
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


def is_central(thing: Building | Patch) -> bool:
    """Tell whether a thing lies in the central area that every view shows."""
    return math.hypot(thing.x, thing.y) <= CHANGE_RADIUS_M


@lru_cache(maxsize=64)
def make_layout(seed: int, family: int) -> Scene:
    """Return the layout that a family's members share: a function of (seed, family) alone."""
    style = list(DISTRICTS)[int(generator(seed, "style", family).integers(len(DISTRICTS)))]
    for attempt in range(200):
        scene = _Draft(generator(seed, "layout", family, attempt), style).scene()
        buildings = sum(map(is_central, scene.buildings))
        if buildings >= 3 and sum(map(len, _changeable(scene))) >= 6:
            return scene
    raise RuntimeError(f"no {style} layout with enough central objects: seed {seed}, {family=}")


def _changeable(scene: Scene) -> tuple[list[str], list[str]]:
    """Name the central buildings, and the small central patches that no building stands on."""
    buildings = [b.name for b in scene.buildings if is_central(b)]
    patches = (p for p in scene.patches if is_central(p) and p.area_m2 < 900)
    return buildings, [p.name for p in patches if p.kind in SWAPPABLE and _is_bare(scene, p)]


# ---------------------------------------------------------------- changes


def apply_change(scene: Scene, change: Change) -> Scene:
    """Return the scene with a recorded change replayed.

    Raises ValueError when the scene does not hold `change.before`.
    """
    field = "buildings" if isinstance(change.before, Building) else "patches"
    things = getattr(scene, field)
    if change.before not in things:
        raise ValueError(f"the scene has no {change.object!r} as recorded: {change.before}")
    swapped = [change.after if thing == change.before else thing for thing in things]
    return replace(scene, **{field: tuple(t for t in swapped if t is not None)})


def make_change(
    scene: Scene,
    kind: str,
    area_m2: float,
    rng: np.random.Generator,
    objects: tuple[str, ...] | None = None,
) -> Change | None:
    """Draw one change of a kind whose changed ground area is about `area_m2`.

    `area_m2` 0 gives a change that changes nothing. `objects` restricts the choice to these
    names. "building moved" and "building resized" meet the area by how far they go; the other
    kinds choose, among the central objects, one of about that size. `Change.area_m2` records
    what was met. Returns None when the scene has nothing to change in this way.

    Raises ValueError for an unknown kind or a negative area.
    """
    if kind not in CHANGE_KINDS:
        raise ValueError(f"kind is {kind!r}; expected one of {', '.join(CHANGE_KINDS)}.")
    if area_m2 < 0:
        raise ValueError(f"area_m2 is {area_m2}; it must be zero or positive (square metres).")
    pool = scene.patches if kind == "field swapped" else scene.buildings
    pool = [t for t in pool if is_central(t) and (objects is None or t.name in objects)]
    if kind == "field swapped":
        pool = [p for p in pool if p.kind in SWAPPABLE and _is_bare(scene, p)]
    if kind in ("building moved", "building resized"):
        order = rng.permutation(len(pool))
    else:  # nearest in size first; the tiny random part breaks ties
        order = np.argsort([abs(t.area_m2 - area_m2) + rng.random() for t in pool])
    for index in order:
        before = pool[index]
        if area_m2 == 0:
            return Change(kind, before.name, 0.0, before, before)
        found = _CHANGERS[kind](scene, before, area_m2, rng)
        if found is not None:
            after, area = found
            return Change(kind, before.name, round(float(area), 1), before, after)
    return None


def _is_bare(scene: Scene, patch: Patch) -> bool:
    """Tell whether nothing is built on a patch, and no other patch is laid on it."""
    spots = [(p.x, p.y) for p in scene.patches if p.name != patch.name and p.kind not in _UNDER]
    return (patch.x, patch.y) not in spots and not any(
        overlap(building, patch) for building in scene.buildings
    )


def _is_free(scene: Scene, building: Building, old: Building) -> bool:
    """Tell whether a building may stand here: off streets, water, trees and other buildings."""
    if not is_central(building):
        return False
    box = corners(building, 1.0)
    for other in scene.buildings:
        if other != old and overlap(other, building, 1.5):
            return False
    near = [(t.x, t.y) for t in scene.trees if abs(t.x - building.x) + abs(t.y - building.y) < 60]
    trees = np.array(near).reshape(-1, 2)
    if _inside(trees, building, 2.0).any():
        return False
    for road in scene.roads:
        points = np.array(road.points)
        steps = np.linspace(0, 1, max(2, 200 // len(points)))[:, None, None]
        dense = (points[:-1] + steps * np.diff(points, axis=0)).reshape(-1, 2)
        if _inside(dense, building, road.width_m / 2 + 1).any():
            return False
    for lake in scene.water:
        outline = np.array(lake.outline)
        middle = outline.mean(0)
        reach = np.hypot(*(outline - middle).T).max()
        if (np.hypot(*(box - middle).T) < reach).any():
            return False
    return True


def _removed(scene, building, area_m2, rng):
    return None, building.area_m2


def _recoloured(scene, building, area_m2, rng):
    palette = DISTRICTS[scene.style].roof_palette + METAL + TILE[:2]
    apart = np.abs(np.array(palette) - building.roof_colour).sum(1)
    clear = np.flatnonzero(apart > 130)
    if not len(clear):
        clear = np.array([int(apart.argmax())])
    colour = palette[int(clear[rng.integers(len(clear))])]
    return replace(building, roof_colour=tuple(colour)), building.area_m2


def _moved(scene, building, area_m2, rng):
    # A shift by (a, b) along its axes uncovers and covers 2 (LW - (L-a)(W-b)) of a rectangle.
    length, width = building.length_m, building.width_m
    wanted = min(area_m2, 2 * building.area_m2)
    for _ in range(24):
        angle = rng.uniform(0, 2 * np.pi)
        step = np.array([np.cos(angle), np.sin(angle)])
        low, high = 0.0, length + width
        for _ in range(24):  # bisection on the distance
            middle = (low + high) / 2
            a, b = np.minimum(np.abs(middle * step), (length, width))
            if 2 * (length * width - (length - a) * (width - b)) < 0.995 * wanted:
                low = middle
            else:
                high = middle
        shift = rotate(high * step, building.heading_deg)
        moved = replace(
            building,
            x=round(building.x + float(shift[0]), 2),
            y=round(building.y + float(shift[1]), 2),
        )
        if _is_free(scene, moved, building):
            a, b = np.minimum(np.abs(high * step), (length, width))
            share = building.area_m2 / (length * width)
            return moved, 2 * share * (length * width - (length - a) * (width - b))
    return None


def _resized(scene, building, area_m2, rng):
    for grow in rng.permutation([True, False]):
        wanted = building.area_m2 + area_m2 * (1 if grow else -1)
        if not 0.35 < wanted / building.area_m2 < 2.6:
            continue
        # Along one axis only: a changed aspect is easier to see than a changed scale.
        for side in rng.permutation(["length_m", "width_m"]):
            low, high = 0.2 * getattr(building, side), 4 * getattr(building, side)
            for _ in range(24):  # bisection on the side
                middle = (low + high) / 2
                if replace(building, **{side: middle}).area_m2 < wanted:
                    low = middle
                else:
                    high = middle
            resized = replace(building, **{side: round(high, 2)})
            if not grow or _is_free(scene, resized, building):
                return resized, abs(resized.area_m2 - building.area_m2)
    return None


def _swapped(scene, patch, area_m2, rng):
    side_m = min(patch.length_m, patch.width_m)
    kinds = [k for k in ("football", "car_park", "plaza", "bare") if k != patch.kind]
    if 12 < side_m < 40 and patch.kind != "tennis":
        kinds.append("tennis")
    return replace(patch, kind=kinds[int(rng.integers(len(kinds)))]), patch.area_m2


_CHANGERS = dict(
    zip(CHANGE_KINDS, (_removed, _moved, _recoloured, _resized, _swapped), strict=True)
)


def make_twin(
    seed: int, family: int, twin: int, family_size: int, strength: float
) -> tuple[Scene, tuple[Change, ...]]:
    """Return a family member's scene and its changes from the family's layout.

    A member has one or two changes, and in families of up to six no two members change the same
    object, so two members differ in two to four changes, whatever the order in which they are
    made. A family of one has no changes. `strength` scales the changed area; 1 is about 420 m2 a
    member.
    """
    scene = make_layout(seed, family)
    if family_size == 1 or strength == 0:
        return scene, ()
    deal = generator(seed, "share", family)
    things = [name for names in _changeable(scene) for name in deal.permutation(names).tolist()]
    own = tuple(things[twin::family_size]) or tuple(things)
    rng = generator(seed, "changes", family, twin)
    wanted = 1 + int(rng.integers(2))
    total = 420.0 * strength * rng.uniform(0.8, 1.2)
    changes: list[Change] = []
    while len(changes) < wanted and own:
        dose_m2 = total / wanted
        drawn: list[tuple[float, Change]] = []
        for kind in rng.permutation(CHANGE_KINDS):
            change = make_change(scene, str(kind), dose_m2, rng, own)
            if change is not None and change.area_m2 > 0:
                drawn.append((abs(math.log(change.area_m2 / dose_m2)), change))
                if drawn[-1][0] < 0.5:
                    break
        if not drawn:
            break
        # The first kind whose dose is about right; else the one that comes nearest.
        best = min(drawn, key=lambda pair: pair[0])[1]
        changes.append(best)
        scene = apply_change(scene, best)
        own = tuple(name for name in own if name != best.object)
    return scene, tuple(changes)
