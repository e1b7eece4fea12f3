"""What a scene is made of, in metres: buildings, patches, roads, water, trees, and changes."""

import math
from dataclasses import asdict, dataclass

import numpy as np

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
    # where the scene's origin lies in a continuous town, metres; None: a place by itself. What is
    # drawn at random on the ground then belongs to the town, and is the same in every view of it
    origin: tuple[float, float] | None = None


@dataclass(frozen=True)
class Change:
    """One recorded difference from the family's layout."""

    kind: str  # one of CHANGE_KINDS
    object: str  # name of the building or patch
    area_m2: float  # ground area whose appearance changes, seen from above
    before: Building | Patch
    after: Building | Patch | None  # None: removed

    def to_dict(self) -> dict:
        """The record as JSON-ready values."""
        return {
            "kind": self.kind,
            "object": self.object,
            "area_m2": self.area_m2,
            "before": asdict(self.before),
            "after": None if self.after is None else asdict(self.after),
        }


def rotate(points: np.ndarray, heading_deg: float) -> np.ndarray:
    """Turn points (..., 2) counter-clockwise about the origin."""
    angle = math.radians(heading_deg)
    c, s = math.cos(angle), math.sin(angle)
    return np.asarray(points) @ np.array([[c, s], [-s, c]])


def corners(thing: Building | Patch, margin_m: float = 0.0) -> np.ndarray:
    """The corners of a building's or patch's bounding rectangle, (4, 2)."""
    a, b = thing.length_m / 2 + margin_m, thing.width_m / 2 + margin_m
    local = np.array([[-a, -b], [a, -b], [a, b], [-a, b]])
    return rotate(local, thing.heading_deg) + (thing.x, thing.y)


def overlap(first: Building | Patch, second: Building | Patch, gap_m: float = 0.0) -> bool:
    """Whether two rectangles come nearer than about `gap_m` (separating axes)."""
    reach = math.hypot(first.length_m, first.width_m) + math.hypot(second.length_m, second.width_m)
    if math.hypot(first.x - second.x, first.y - second.y) > reach / 2 + 1.5 * gap_m:
        return False
    a, b = corners(first, gap_m), corners(second)
    for heading in (first.heading_deg, second.heading_deg):
        p, q = rotate(a, -heading), rotate(b, -heading)
        if ((p.max(0) <= q.min(0)) | (q.max(0) <= p.min(0))).any():
            return False
    return True


def inside(points: np.ndarray, thing: Building | Patch, margin_m: float) -> np.ndarray:
    local = rotate(points - (thing.x, thing.y), -thing.heading_deg)
    half = (thing.length_m / 2 + margin_m, thing.width_m / 2 + margin_m)
    return (np.abs(local) < half).all(-1)


def is_central(thing: Building | Patch) -> bool:
    """Whether a thing lies in the central area that every view shows."""
    return math.hypot(thing.x, thing.y) <= CHANGE_RADIUS_M
