"""From a scene description to faces and parts in space: walls, roofs, roof furniture."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from dphr_lab.scenes.towns.description import Building, rotate

WALL, ROOF, DETAIL = 0, 1, 2


@dataclass(frozen=True)
class Solid:
    """A building in space: faces with outward counter-clockwise corners, and convex parts."""

    faces: tuple[np.ndarray, ...]  # each (k, 3), metres
    colours: np.ndarray  # (faces, 3)
    normals: np.ndarray  # (faces, 3), unit
    layers: np.ndarray  # (faces,): WALL, ROOF or DETAIL, drawn in this order
    parts: tuple[np.ndarray, ...]  # corners of convex parts, for the cast shadow


def _prism_walls(outline: np.ndarray, bottom: float, top: float) -> list[np.ndarray]:
    following = np.roll(outline, -1, axis=0)
    return [
        np.array([[*p, bottom], [*q, bottom], [*q, top], [*p, top]])
        for p, q in zip(outline, following, strict=True)
    ]


def _lift(points: list, heights) -> np.ndarray:
    return np.column_stack([np.array(points, float), np.broadcast_to(heights, len(points))])


def _block_roof(b: Building, a: float, c: float, rise: float):
    """(roof faces, gable triangles) over the rectangle of half sides a >= c."""
    e, top = b.height_m, b.height_m + rise
    inset = c if b.roof == "hipped" else 0.0
    r = max(a - inset, 0.0)
    south = _lift([(-a, -c), (a, -c), (r, 0), (-r, 0)], [e, e, top, top])
    north = _lift([(a, c), (-a, c), (-r, 0), (r, 0)], [e, e, top, top])
    east = _lift([(a, -c), (a, c), (r, 0)], [e, e, top])
    west = _lift([(-a, c), (-a, -c), (-r, 0)], [e, e, top])
    return ([south, north, east, west], []) if inset else ([south, north], [east, west])


def _ell_roof(b: Building, a: float, c: float, w: float, rise: float):
    """(roof faces, gable triangles) of an L whose corner is the south-west one."""
    e, top = b.height_m, b.height_m + rise
    x0, y0, x1, y1 = -a, -c, a, c
    h = w / 2
    inset = h if b.roof == "hipped" else 0.0
    corner, east, north = (x0 + h, y0 + h), (x1 - inset, y0 + h), (x0 + h, y1 - inset)
    low_high = [e, e, top, top]
    faces = [
        _lift([(x0, y0), (x1, y0), east, corner], low_high),
        _lift([(x0, y1), (x0, y0), corner, north], low_high),
        _lift([(x1, y0 + w), (x0 + w, y0 + w), corner, east], low_high),
        _lift([(x0 + w, y0 + w), (x0 + w, y1), north, corner], low_high),
    ]
    ends = [
        _lift([(x1, y0), (x1, y0 + w), east], [e, e, top]),
        _lift([(x0 + w, y1), (x0, y1), north], [e, e, top]),
    ]
    return (faces + ends, []) if inset else (faces, ends)


def _inset(outline: np.ndarray, by: float) -> np.ndarray:
    """Move each corner of a right-angled outline inwards by `by` along both edges."""
    before = outline - np.roll(outline, 1, axis=0)
    after = np.roll(outline, -1, axis=0) - outline
    before /= np.linalg.norm(before, axis=1, keepdims=True)
    after /= np.linalg.norm(after, axis=1, keepdims=True)
    turn = np.sign(before[:, :1] * after[:, 1:] - before[:, 1:] * after[:, :1])
    return outline + by * turn * (after - before)


def _furniture(b: Building, a: float, c: float) -> list[tuple[float, float, float, float, float]]:
    """Boxes (x, y, half length, half width, height) that stand on the roof."""
    rng = np.random.default_rng(b.detail)
    boxes = []
    if b.roof == "flat":
        count = int(np.clip(b.area_m2 / 130, 1, 6)) + int(rng.integers(2))
        for _ in range(count):
            size = rng.uniform(0.7, 2.1, 2)
            if b.shape == "ell":
                w = b.wing_m
                along = rng.uniform(0.1, 0.9)
                on_x = rng.random() < 0.5
                x = -a + (along * 2 * a if on_x else w / 2)
                y = -c + (w / 2 if on_x else along * 2 * c)
                size = np.minimum(size, w / 4)
            else:
                x, y = rng.uniform(-0.72, 0.72, 2) * (a, c)
                size = np.minimum(size, (a / 4, c / 4))
            boxes.append((x, y, *size, rng.uniform(0.8, 2.2)))
    return boxes


def _windows(wall: np.ndarray, height_m: float) -> list[np.ndarray]:
    """Dark quads just outside a wall: ribbons on high buildings, panes on houses."""
    p, q = wall[0, :2], wall[1, :2]
    length = np.linalg.norm(q - p)
    out = 0.06 * np.array([q[1] - p[1], p[0] - q[0]]) / length
    if length < 4:
        return []
    storeys = max(1, int(height_m / 3.2))
    if height_m >= 8:
        spans = [(0.06, 0.94)]
    else:
        count = int(np.clip(length / 4, 1, 4))
        half = 0.7 / length
        spans = [((i + 0.5) / count - half, (i + 0.5) / count + half) for i in range(count)]
    panes = []
    for storey in range(storeys):
        low = (storey + 0.35) * height_m / storeys
        for start, end in spans:
            left, right = p + start * (q - p) + out, p + end * (q - p) + out
            high = low + 1.3
            panes.append(np.array([[*left, low], [*right, low], [*right, high], [*left, high]]))
    return panes


@lru_cache(maxsize=4096)
def build(b: Building, windows: bool = False) -> Solid:
    """The faces of a building in world coordinates."""
    a, c, w = b.length_m / 2, b.width_m / 2, b.wing_m
    # A pitched roof's ridge follows the longer side.
    turn = 90.0 if b.shape == "block" and c > a else 0.0
    if turn:
        a, c = c, a
    if b.shape == "block":
        outline = np.array([[-a, -c], [a, -c], [a, c], [-a, c]])
        boxes = [outline]
    else:
        outline = np.array([[-a, -c], [a, -c], [a, -c + w], [-a + w, -c + w], [-a + w, c], [-a, c]])
        boxes = [
            np.array([[-a, -c], [a, -c], [a, -c + w], [-a, -c + w]]),
            np.array([[-a, -c], [-a + w, -c], [-a + w, c], [-a, c]]),
        ]
    wall, roof = np.array(b.wall_colour, float), np.array(b.roof_colour, float)
    faces, colours, layers = [], [], []

    def add(face, colour, layer):
        faces.append(face)
        colours.append(colour)
        layers.append(layer)

    for face in _prism_walls(outline, 0.0, b.height_m):
        add(face, wall, WALL)
        for pane in _windows(face, b.height_m) if windows else ():
            add(pane, 0.3 * wall + (18, 26, 38), WALL)
    ridge = np.zeros((0, 3))
    if b.roof == "flat":
        add(_lift(list(outline), b.height_m), 0.45 * roof + 0.5 * 215, ROOF)
        rim = 0.45 if c < 6 else 0.8
        add(_lift(list(_inset(outline, rim)), b.height_m), roof, ROOF)
    else:
        span = w / 2 if b.shape == "ell" else c
        rise = (0.62 if b.height_m < 8 else 0.5) * span if span < 9 else 0.3 * span
        if b.shape == "ell":
            slopes, gables = _ell_roof(b, a, c, w, rise)
        else:
            slopes, gables = _block_roof(b, a, c, rise)
        for face in gables:
            add(face, wall, WALL)
        for face in slopes:
            add(face, roof, ROOF)
        ridge = np.concatenate(slopes)
        ridge = ridge[ridge[:, 2] > b.height_m]
    for x, y, half_x, half_y, height in _furniture(b, a, c):
        box = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * (half_x, half_y) + (x, y)
        shade = 0.62 * roof + 0.12 * 255
        for face in _prism_walls(box, b.height_m, b.height_m + height):
            add(face, 0.8 * shade, DETAIL)
        add(_lift(list(box), b.height_m + height), 0.5 * shade + 0.5 * 225, DETAIL)
    if b.roof != "flat" and b.detail % 3:  # a chimney or a stack on the south slope
        rng = np.random.default_rng(b.detail)
        x = -a + w / 2 if b.shape == "ell" else rng.uniform(-0.5, 0.5) * a
        y = -c + w / 2 if b.shape == "ell" else -0.2 * c
        box = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * 0.55 + (x, y)
        top = float(ridge[:, 2].max()) + 0.9
        for face in _prism_walls(box, top - 2.0, top):
            add(face, 0.7 * wall, DETAIL)
        add(_lift(list(box), top), np.array([70.0, 64, 60]), DETAIL)

    parts = []
    for box in boxes:
        tops = [_lift(list(box), 0.0), _lift(list(box), b.height_m)]
        inside = (ridge[:, :2] >= box.min(0) - 0.01) & (ridge[:, :2] <= box.max(0) + 0.01)
        parts.append(np.concatenate([*tops, ridge[inside.all(1)]]))

    # One turn for all points: a building has about fifty faces, and small arrays are slow.
    sizes = [len(points) for points in (*faces, *parts)]
    points = np.concatenate([*faces, *parts])
    points[:, :2] = rotate(points[:, :2], b.heading_deg + turn) + (b.x, b.y)
    pieces = np.split(points, np.cumsum(sizes)[:-1])
    faces, parts = pieces[: len(faces)], pieces[len(faces) :]
    return Solid(tuple(faces), np.array(colours), _normals(faces), np.array(layers), tuple(parts))


def _normals(faces: list[np.ndarray]) -> np.ndarray:
    """The unit normals (faces, 3) by Newell's sum, right for concave outlines too."""
    points = np.concatenate(faces)
    ends = np.cumsum([len(face) for face in faces])
    starts = np.concatenate([[0], ends[:-1]])
    following = np.arange(1, len(points) + 1)
    following[ends - 1] = starts
    x, y, z = points.T
    u, v, w = points[following].T
    crossed = np.stack([y * w - z * v, z * u - x * w, x * v - y * u], axis=1)
    n = np.add.reduceat(crossed, starts)
    return n / np.linalg.norm(n, axis=1, keepdims=True)
