"""Pictures of a scene: one ground raster a flight, then walls, roofs and trees, far to near.

The ground with its roads, fields, water, texture and cast shadows is painted once, seen from
above, and warped into every view by the view's homography; what stands on it is drawn on top as
polygons in an order in which nothing hides what is in front of it.
"""

from dataclasses import replace
from functools import lru_cache, partial

import cv2
import numpy as np

from dphr_lab.scenes.cameras import (
    SATELLITE_WIDTH_M,
    Pose,
    camera_axes,
    camera_position,
    drone_matrix,
    project,
    satellite_matrix,
)
from dphr_lab.scenes.conditions import Conditions, sun_direction
from dphr_lab.scenes.geometry import DETAIL, build
from dphr_lab.scenes.texture import (
    build_covered,
    roughen_ground,
    roughen_objects,
    street_furniture,
    vary_crowns,
)
from dphr_lab.scenes.towns import HALF_EXTENT_M, Patch, Scene, corners, rotate

SHIFT = 4  # fractional bits of OpenCV's polygon corners
LAID_FIRST = ("lawn", "lot", "wood", "pavement", "yard")  # under the roads
SHADOW_DEPTH = 0.5  # share of the light that a cast shadow takes

GRASS = {
    "spring": ((104, 136, 66), (128, 138, 80)),
    "summer": ((98, 122, 62), (158, 146, 92)),
    "autumn": ((118, 120, 68), (146, 128, 84)),
    "winter": ((112, 112, 80), (134, 124, 98)),
}
LEAVES = {
    "spring": ((92, 130, 56), (132, 158, 80)),
    "summer": ((52, 90, 42), (88, 118, 58)),
    "autumn": ((82, 98, 44), (170, 112, 50)),
    "winter": ((92, 82, 70), (118, 106, 92)),
}
EVERGREEN = ((36, 66, 44), (56, 84, 54))
GROUND = {
    "street": (112, 112, 114), "path": (186, 174, 150), "kerb": (158, 156, 150),
    "pavement": (164, 160, 152), "yard": (146, 142, 134), "plaza": (192, 180, 162),
    "car_park": (98, 100, 104), "bare": (172, 146, 110), "tennis": (60, 108, 146),
    "basketball": (168, 92, 70), "track": (172, 84, 66), "water": (58, 88, 104),
    "line": (232, 230, 222),
}  # fmt: skip
CARS = (
    (214, 214, 212),
    (40, 42, 48),
    (150, 154, 160),
    (150, 40, 38),
    (44, 66, 110),
    (226, 224, 210),
)


def _fixed(points: np.ndarray) -> np.ndarray:
    """Turn image coordinates (first pixel's centre at 0.5) into OpenCV's fixed point."""
    return np.rint((points - 0.5) * (1 << SHIFT)).astype(np.int32)


def _mix(pair, share: float) -> np.ndarray:
    low, high = np.array(pair, float)
    return low + share * (high - low)


# ---------------------------------------------------------------- the ground


class _Ground:
    """The ground seen from above, `gsd_m` metres a pixel, shadows included."""

    def __init__(
        self,
        scene: Scene,
        conditions: Conditions,
        gsd_m: float,
        reach_m: float,
        texture: float = 0.0,
    ):
        self.texture = texture
        self.gsd_m, self.reach_m = gsd_m, reach_m
        self.size = round(2 * reach_m / gsd_m)
        self.grass = _mix(GRASS[conditions.season], scene.dryness)
        paved = {"centre": 0.9, "industrial": 0.8}.get(scene.style, 0.12)
        base = _mix((self.grass, GROUND["pavement"]), paved)
        self.image = np.empty((self.size, self.size, 3), np.uint8)
        self.image[:] = _tuple(base)
        self._paint(scene)
        self._texture(scene)
        if texture:
            self.image = roughen_ground(self.image, gsd_m, texture, scene)
            self._furnish(scene, conditions)
        self._shade(scene, conditions)

    def pixels(self, points) -> np.ndarray:
        """Map (x, y) in metres to this raster's pixels."""
        return (np.asarray(points, float) * (1, -1) + self.reach_m) / self.gsd_m

    def matrix(self) -> np.ndarray:
        """Return the 3 x 3 map from this raster's pixels to (x, y, 1) in metres."""
        g, e = self.gsd_m, self.reach_m
        return np.array([[g, 0, -e], [0, -g, e], [0, 0, 1.0]])

    def fill(self, points, colour):
        cv2.fillPoly(self.image, [_fixed(self.pixels(points))], _tuple(colour), cv2.LINE_AA, SHIFT)

    def line(self, points, colour, width_m: float, closed: bool = False):
        width = max(1, round(width_m / self.gsd_m))
        if width_m / self.gsd_m < 0.35:
            return  # thinner than the eye of this raster
        path = [_fixed(self.pixels(points))]
        cv2.polylines(self.image, path, closed, _tuple(colour), width, cv2.LINE_AA, SHIFT)

    def _paint(self, scene: Scene):
        first = [patch for patch in scene.patches if patch.kind in LAID_FIRST]
        if first:
            outlines = _fixed(self.pixels(np.array([corners(patch) for patch in first])))
            colours = np.array([self._tone(patch) for patch in first])
            for outline, colour in zip(outlines, np.rint(colours).tolist(), strict=True):
                cv2.fillConvexPoly(self.image, outline, colour, cv2.LINE_AA, SHIFT)
        for lake in scene.water:
            self.line(lake.outline, _mix((self.grass, (196, 184, 150)), 0.6), 3.0, closed=True)
            self.fill(lake.outline, GROUND["water"])
        for road in scene.roads:
            if road.kind == "street":
                self.line(road.points, GROUND["kerb"], road.width_m + 3.0)
        for road in scene.roads:
            self.line(road.points, GROUND[road.kind], road.width_m)
        for road in scene.roads:
            if road.kind == "street" and road.width_m > 7:
                self.line(road.points, (176, 174, 168), 0.3)
        for patch in scene.patches:
            if patch.kind not in LAID_FIRST:
                self.fill(corners(patch), self._tone(patch))
                if patch.kind in _MARKINGS:
                    _MARKINGS[patch.kind](self, patch, np.random.default_rng(patch.detail))

    def _furnish(self, scene: Scene, conditions: Conditions):
        """Mark the streets and park this day's cars on them."""
        day = round(10 * conditions.sun_azimuth_deg)
        dashes, cars = street_furniture(scene, self.reach_m, day)
        white = _mix((GROUND["street"], GROUND["line"]), 0.8 * self.texture)
        lines = list(_fixed(self.pixels(dashes)))
        cv2.polylines(self.image, lines, False, _tuple(white), 1, cv2.LINE_AA, SHIFT)
        shown = list(_fixed(self.pixels(cars)))
        shown = shown[: round(self.texture * len(shown))]
        for i, colour in enumerate(CARS):
            cv2.fillPoly(self.image, shown[i :: len(CARS)], colour, cv2.LINE_AA, SHIFT)

    def _tone(self, patch: Patch) -> np.ndarray:
        """Return the colour of a patch's ground, a little its own."""
        tone = (patch.detail % 1009) / 504 - 1
        if patch.kind in ("lawn", "lot"):
            return self.grass * (1 + 0.1 * tone) + (6 * tone, 0, 0)
        if patch.kind == "wood":
            return self.grass * 0.72
        if patch.kind == "football":
            return self.grass * (0.95, 1.12, 0.9)
        return np.array(GROUND[patch.kind]) * (1 + 0.06 * tone)

    def _texture(self, scene: Scene):
        rng = np.random.default_rng(scene.texture)
        cells = round(2 * HALF_EXTENT_M / 5)
        coarse = np.zeros((cells, cells), np.float32)
        for wave_m, strength in ((60, 0.05), (16, 0.045), (5, 0.035)):
            knots = round(2 * HALF_EXTENT_M / wave_m)
            wave = strength * rng.standard_normal((knots, knots), dtype=np.float32)
            coarse += cv2.resize(wave, coarse.shape, interpolation=cv2.INTER_CUBIC)
        # Raster pixel -> cell: the texture belongs to the ground, whatever this raster shows.
        step = self.gsd_m * cells / (2 * HALF_EXTENT_M)
        start = (HALF_EXTENT_M - self.reach_m) * cells / (2 * HALF_EXTENT_M) + 0.5 * step - 0.5
        field = cv2.warpAffine(
            coarse, np.array([[step, 0, start], [0, step, start]]), (self.size, self.size),
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, borderMode=cv2.BORDER_REFLECT,
        )  # fmt: skip
        x, y = rng.integers(0, 64, 2)
        times = -(-(self.size + 64) // _NOISE_PX)
        field += np.tile(_noise(), (times, times))[y : y + self.size, x : x + self.size]
        gain = cv2.convertScaleAbs(field, alpha=150, beta=150)  # bytes are much faster than floats
        self.image = cv2.multiply(self.image, cv2.cvtColor(gain, cv2.COLOR_GRAY2RGB), scale=1 / 150)

    def _shade(self, scene: Scene, conditions: Conditions):
        sun = sun_direction(conditions)
        slide = -sun[:2] / sun[2]  # metres on the ground for a metre of height
        mask = np.zeros((self.size, self.size), np.uint8)
        for building in scene.buildings:
            for part in build(building).parts:
                cast = self.pixels(part[:, :2] + part[:, 2:] * slide)
                hull = cv2.convexHull(cast.astype(np.float32))[:, 0]
                cv2.fillConvexPoly(mask, _fixed(hull), 255, cv2.LINE_AA, SHIFT)
        strength = 150 if conditions.season == "winter" else 235
        if scene.trees:
            trees = _tree_table(scene, self.texture)
            parts = ((0.35, 0.9), (0.62, 1.0), (0.85, 0.7))
            for share, size in parts if self.gsd_m < 0.5 else ((0.55, 1.05),):
                middle = _fixed(self.pixels(trees[:, :2] + share * trees[:, 3:4] * slide))
                radius = np.rint(size * trees[:, 2] / self.gsd_m * (1 << SHIFT)).astype(int)
                for point, r in zip(middle.tolist(), radius.tolist(), strict=True):
                    cv2.circle(mask, point, r, strength, -1, cv2.LINE_AA, SHIFT)
        mask = cv2.GaussianBlur(mask, (3, 3), 0)
        taken = np.array([1.06, 1.0, 0.84]) * SHADOW_DEPTH  # the sky's blue light remains
        table = np.rint(255 - np.arange(256)[:, None] * taken).astype(np.uint8)[:, None]
        gain = cv2.LUT(cv2.cvtColor(mask, cv2.COLOR_GRAY2RGB), table)
        self.image = cv2.multiply(self.image, gain, scale=1 / 255)


def _tuple(colour) -> tuple[int, int, int]:
    return tuple(int(c) for c in np.clip(np.rint(colour), 0, 255))


_NOISE_PX = 509


@lru_cache(maxsize=1)
def _grain(count: int) -> np.ndarray:
    """Return a pool of sensor noise of unit variance; an image takes a stretch of it."""
    return np.random.default_rng(1).standard_normal(count, dtype=np.float32)


@lru_cache(maxsize=1)
def _noise() -> np.ndarray:
    fine = np.random.default_rng(0).standard_normal((_NOISE_PX, _NOISE_PX), dtype=np.float32)
    return 0.03 * fine


def _tree_table(scene: Scene, texture: float) -> np.ndarray:
    """Return the trees as rows (x, y, radius, height, tone, evergreen)."""
    rows = [(t.x, t.y, t.radius_m, t.height_m, t.tone, t.evergreen) for t in scene.trees]
    table = np.array(rows, float).reshape(-1, 6)
    return vary_crowns(table, texture) if texture else table


def _on(patch: Patch, points) -> np.ndarray:
    """Map a patch's own coordinates, in [-1, 1] along both axes, to the ground."""
    local = np.asarray(points, float) * (patch.length_m / 2, patch.width_m / 2)
    return rotate(local, patch.heading_deg) + (patch.x, patch.y)


_BOX = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]], float)


def _football(ground: _Ground, patch: Patch, rng):
    stripes = int(rng.integers(6, 11))
    edges = np.linspace(-1, 1, stripes + 1)
    for i in range(0, stripes, 2):
        strip = [(edges[i], -1), (edges[i + 1], -1), (edges[i + 1], 1), (edges[i], 1)]
        ground.fill(_on(patch, strip), ground.grass * (1.02, 1.22, 0.98))
    line, width = GROUND["line"], 0.5
    ground.line(_on(patch, 0.92 * _BOX), line, width, closed=True)
    ground.line(_on(patch, [(0, -0.92), (0, 0.92)]), line, width)
    angle = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    radius = 0.2 * patch.width_m
    circle = np.stack([np.cos(angle) / patch.length_m, np.sin(angle) / patch.width_m], 1)
    ground.line(_on(patch, 2 * radius * circle), line, width, closed=True)
    for side in (-1, 1):
        area = [(0.92 * side, -0.45), (0.7 * side, -0.45), (0.7 * side, 0.45), (0.92 * side, 0.45)]
        ground.line(_on(patch, area), line, width)


def _track(ground: _Ground, patch: Patch, rng):
    ground.fill(_on(patch, 0.72 * _BOX), ground.grass * (0.95, 1.15, 0.9))
    for share in (0.78, 0.86, 0.94):
        ground.line(_on(patch, share * _BOX), GROUND["line"], 0.3, closed=True)


def _court(ground: _Ground, patch: Patch, rng):
    line = GROUND["line"]
    if patch.kind == "tennis":
        around = np.array([(74, 122, 84), (150, 84, 66), (60, 108, 146)][int(rng.integers(3))])
        ground.fill(_on(patch, _BOX), around)
    courts = max(1, round(patch.length_m / 17))
    for i in range(courts):
        x0, x1 = -1 + 2 * i / courts, -1 + 2 * (i + 1) / courts
        pad = 0.16 * (x1 - x0)
        court = [(x0 + pad, -0.8), (x1 - pad, -0.8), (x1 - pad, 0.8), (x0 + pad, 0.8)]
        if patch.kind == "tennis":
            ground.fill(_on(patch, court), GROUND["tennis"])
        ground.line(_on(patch, court), line, 0.4, closed=True)
        ground.line(_on(patch, [(x0 + pad, 0), (x1 - pad, 0)]), line, 0.4)


def _car_park(ground: _Ground, patch: Patch, rng):
    rows = max(1, int(patch.width_m // 8.5))
    bays = max(2, int(patch.length_m // 2.7))
    full = rng.uniform(0.35, 0.85)
    size = (0.95 / (patch.length_m / 2), 2.2 / (patch.width_m / 2))
    places = []
    for row in range(rows):
        y = -1 + (2 * row + 1) / rows
        half = 2.5 / (patch.width_m / 2)
        ground.line(_on(patch, [(-0.96, y + half), (0.96, y + half)]), (176, 176, 172), 0.3)
        taken = np.flatnonzero(rng.random(bays) < full)
        places += [(-0.95 + 1.9 * (bay + 0.5) / bays, y) for bay in taken]
    if not places:
        return
    cars = _on(patch, _BOX * size + np.array(places)[:, None])  # (cars, 4, 2)
    colours = rng.integers(0, len(CARS), len(cars))
    for i, colour in enumerate(CARS):
        boxes = list(_fixed(ground.pixels(cars[colours == i])))
        cv2.fillPoly(ground.image, boxes, colour, cv2.LINE_AA, SHIFT)


def _plaza(ground: _Ground, patch: Patch, rng):
    tone = np.array(GROUND["plaza"]) * rng.uniform(0.8, 0.9)
    for t in np.linspace(-0.8, 0.8, 5):
        ground.line(_on(patch, [(t, -1), (t, 1)]), tone, 0.7)
        ground.line(_on(patch, [(-1, t), (1, t)]), tone, 0.7)
    angle = np.linspace(0, 2 * np.pi, 16, endpoint=False)
    middle = np.stack([np.cos(angle) / patch.length_m, np.sin(angle) / patch.width_m], 1)
    ground.fill(_on(patch, 2 * 3.2 * middle), (120, 150, 160))


_MARKINGS = {
    "football": _football,
    "track": _track,
    "tennis": _court,
    "basketball": _court,
    "car_park": _car_park,
    "plaza": _plaza,
}


# ---------------------------------------------------------------- what stands on it


class _Objects:
    """Buildings and trees of a scene as arrays that every view of a flight shares."""

    def __init__(self, scene: Scene, conditions: Conditions, windows: bool, texture: float = 0.0):
        make = partial(build_covered, texture=texture) if texture else build
        solids = [make(b, windows) for b in scene.buildings]
        sun = sun_direction(conditions)
        self.sun = sun
        self.buildings = len(solids)
        faces = [face for solid in solids for face in solid.faces]
        self.points = np.concatenate(faces) if faces else np.zeros((0, 3))
        ends = np.cumsum([len(face) for face in faces], dtype=int)
        self.faces = (
            list(zip(np.r_[0, ends[:-1]].tolist(), ends.tolist(), strict=True)) if faces else []
        )
        self.owners = np.repeat(np.arange(len(solids)), [len(s.faces) for s in solids])
        self.layers = np.concatenate([s.layers for s in solids]) if solids else np.zeros(0)
        self.normals = np.concatenate([s.normals for s in solids]) if solids else np.zeros((0, 3))
        starts = [start for start, _ in self.faces]
        lengths = np.diff([*starts, len(self.points)])[:, None]
        self.middles = np.add.reduceat(self.points, starts) / lengths if faces else self.points
        light = 0.52 + 0.56 * np.maximum(self.normals @ sun, 0)
        base = np.concatenate([s.colours for s in solids]) if solids else np.zeros((0, 3))
        tint = np.where((self.normals @ sun > 0)[:, None], (1, 1, 1), (0.95, 1.0, 1.08))
        self.colours = np.clip(base * light[:, None] * tint, 0, 255).tolist()
        self.trees = _tree_table(scene, texture)
        self.leaves = self._leaf_colours(conditions)
        spots = [(b.x, b.y) for b in scene.buildings]
        self.spots = np.concatenate([np.array(spots).reshape(-1, 2), self.trees[:, :2]])
        reach = [np.hypot(b.length_m, b.width_m) / 2 for b in scene.buildings]
        self.reach = np.concatenate([reach, self.trees[:, 2]])
        tops = [s.parts[0][:, 2].max() for s in solids]
        self.tops = np.concatenate([tops, self.trees[:, 3]])
        self._find_neighbours(scene)

    def _leaf_colours(self, conditions: Conditions) -> list:
        """Return (shade, body, light) colours for each tree."""
        tone = self.trees[:, 4:5]
        leaf, pine = LEAVES[conditions.season], EVERGREEN
        body = np.where(self.trees[:, 5:6] > 0, _mix(pine, tone), _mix(leaf, tone))
        shades = np.stack([0.66 * body, 0.95 * body, 1.22 * body], 1)
        return np.clip(shades, 0, 255).astype(int).tolist()

    def _find_neighbours(self, scene: Scene):
        """List near pairs (building, other) with the building's sides beyond which other lies.

        The sides are those of the building's rectangle in its own frame. They do not depend on
        the camera, so they are found once.
        """
        count = self.buildings
        gap = np.hypot(
            self.spots[:count, None, 0] - self.spots[None, :, 0],
            self.spots[:count, None, 1] - self.spots[None, :, 1],
        )
        gap -= self.reach[:count, None] + self.reach
        near = gap < 1.2 * np.maximum(self.tops[:count, None], self.tops)
        near[np.arange(count), np.arange(count)] = False
        self.pairs = np.argwhere(near)
        first, second = self.pairs.T
        boxes = np.concatenate([np.array([corners(b) for b in scene.buildings]).reshape(-1, 4, 2),
                                np.repeat(self.trees[:, None, :2], 4, axis=1)])  # fmt: skip
        self.axes = np.array([rotate(np.eye(2), b.heading_deg) for b in scene.buildings]).reshape(
            -1, 2, 2
        )
        self.halves = np.array([(b.length_m / 2, b.width_m / 2) for b in scene.buildings])
        local = boxes[second] - self.spots[first][:, None]
        local = np.einsum("pkc,pac->pka", local, self.axes[first])
        slack = 0.3
        above = local.min(1) > self.halves.reshape(-1, 2)[first] - slack
        below = local.max(1) < -self.halves.reshape(-1, 2)[first] + slack
        self.sides = np.concatenate([above, below], 1)

    def order(self, eye: np.ndarray | None, visible: np.ndarray) -> list[int]:
        """Return the visible objects so that each comes after all that it may hide.

        Two upright things apart in plan: if the camera stands on the far side of a line between
        them from one, the other hides nothing of the near one. Without such a line near by, the
        distance on the ground decides. `eye` None is the orthographic view: low before high.
        """
        if eye is None:
            ranks = np.argsort(self.tops, kind="stable")
            return ranks[visible[ranks]].tolist()
        far = np.hypot(*(self.spots - eye[:2]).T)
        ranks = np.argsort(-far, kind="stable")
        ranks = ranks[visible[ranks]].tolist()
        before: dict[int, list[int]] = {}
        if len(self.pairs):
            to_eye = eye[:2] - self.spots[: self.buildings]
            local = np.einsum("bc,bac->ba", to_eye, self.axes)
            outside = np.concatenate([local > self.halves, local < -self.halves], 1)
            seen = outside[self.pairs[:, 0]]
            in_front = (self.sides & seen).any(1)
            behind = (self.sides & ~seen).any(1)
            shown = visible[self.pairs].all(1)
            for i, j in self.pairs[in_front & ~behind & shown].tolist():
                before.setdefault(j, []).append(i)
            for i, j in self.pairs[behind & ~in_front & shown].tolist():
                before.setdefault(i, []).append(j)
        result: list[int] = []
        state = bytearray(len(self.spots))

        def visit(node):
            state[node] = 1
            for other in before.get(node, ()):
                if not state[other]:
                    visit(other)
            result.append(node)

        for node in ranks:
            if not state[node]:
                visit(node)
        return result

    def draw(self, image: np.ndarray, matrix: np.ndarray, eye: np.ndarray | None):
        """Draw everything that stands on the ground into an image whose ground is there."""
        px = image.shape[0]
        middle = np.column_stack([self.spots, 0.5 * self.tops])
        spot, depth = project(matrix, middle)
        if eye is None:
            scale = np.full(len(middle), matrix[0, 0])
        else:
            focal_px = float(np.linalg.norm(matrix[0, :3] - matrix[2, :3] * px / 2))
            scale = focal_px / np.maximum(depth, 1.0)
        extent = scale * (self.reach + self.tops)
        visible = (depth > self.reach + self.tops) if eye is not None else np.ones(len(depth), bool)
        visible &= ((spot + extent[:, None] > 0) & (spot - extent[:, None] < px)).all(1)
        order = self.order(eye, visible)

        pixels, _ = project(matrix, self.points)
        fixed = _fixed(np.clip(pixels, -1e5, 1e5))  # what is behind the camera is not drawn
        view = np.array([0, 0, -1.0]) if eye is None else self.middles - eye
        facing = (self.normals * view).sum(-1) < 0
        facing &= visible[: self.buildings][self.owners] if self.buildings else facing
        if scale.max(initial=0) < 0.5:  # furniture under half a pixel a metre is not seen
            facing &= self.layers != DETAIL
        away = 0 if eye is None else np.hypot(*(self.middles[:, :2] - eye[:2]).T)
        ranked = np.lexsort((-away * np.ones(len(facing)), self.layers, self.owners))
        mine: dict[int, list[int]] = {}
        owners = self.owners.tolist()
        for face in ranked[facing[ranked]].tolist():
            mine.setdefault(owners[face], []).append(face)

        crowns = self._crowns(matrix, scale[self.buildings :], visible[self.buildings :])
        for node in order:
            if node < self.buildings:
                for face in mine.get(node, ()):
                    start, end = self.faces[face]
                    cv2.fillPoly(image, [fixed[start:end]], self.colours[face], cv2.LINE_AA, SHIFT)
            else:
                tree = node - self.buildings
                for (u, v, radius), leaf in zip(crowns[tree], self.leaves[tree], strict=True):
                    cv2.circle(image, (u, v), radius, leaf, -1, cv2.LINE_AA, SHIFT)

    def _crowns(self, matrix: np.ndarray, scale: np.ndarray, visible: np.ndarray) -> dict:
        """Return {tree: (u, v, radius) of its dark, middle and sunlit circle}, fixed point."""
        shown = np.flatnonzero(visible)
        x, y, radius, height = self.trees[shown, :4].T
        core = np.column_stack([x, y, np.maximum(height - radius, 0.8 * radius)])
        lift, size = np.array([(-0.15, 1.0), (0.16, 0.84), (0.42, 0.5)]).T
        middles = core[:, None] + (lift[:, None] * self.sun) * radius[:, None, None]
        middles, _ = project(matrix, middles)
        radii = (size * (radius * scale[shown])[:, None])[..., None]
        circles = np.concatenate([_fixed(middles), np.rint(radii * (1 << SHIFT)).astype(int)], -1)
        return dict(zip(shown.tolist(), circles.tolist(), strict=True))


# ---------------------------------------------------------------- the photograph


def _crop(scene: Scene, reach_m: float) -> Scene:
    """Drop what can neither be seen nor cast a shadow within `reach_m` of the centre."""
    if reach_m >= HALF_EXTENT_M:
        return scene

    def near(thing, more_m):
        return max(abs(thing.x), abs(thing.y)) < reach_m + more_m

    return replace(
        scene,
        patches=tuple(p for p in scene.patches if near(p, 0.7 * max(p.length_m, p.width_m))),
        buildings=tuple(b for b in scene.buildings if near(b, 45)),
        trees=tuple(t for t in scene.trees if near(t, 12)),
    )


class Flight:
    """A scene on one day, ready to be seen from many cameras.

    `width_m` is the width of ground that an image of `px` pixels shows at its sharpest, and
    `reach_m` how far from the centre anything is drawn; `for_satellite` knows both. `texture` in
    [0, 1] adds grain, street markings, cars, and roofs and crowns of varied tone and size.
    """

    def __init__(
        self,
        scene: Scene,
        conditions: Conditions,
        px: int,
        width_m: float = 110.0,
        reach_m: float = HALF_EXTENT_M,
        texture: float = 0.0,
    ):
        _check_px(px)
        scene = _crop(scene, reach_m)
        self.conditions, self.px = conditions, px
        self.scale = 2 if px <= 192 else 1  # drawn this many times larger, then averaged
        gsd_m = float(np.clip(width_m / (px * self.scale), 0.18, 1.2))
        self.scene, self.texture = scene, texture
        self.ground = _Ground(scene, conditions, gsd_m, reach_m, texture)
        windows = px >= 128 and width_m < SATELLITE_WIDTH_M
        self.objects = _Objects(scene, conditions, windows, texture)

    @classmethod
    def for_satellite(
        cls, scene: Scene, conditions: Conditions, px: int, texture: float = 0.0
    ) -> "Flight":
        """Return the scene as a satellite's pass sees it, just the central square."""
        return cls(scene, conditions, px, SATELLITE_WIDTH_M, SATELLITE_WIDTH_M / 2 + 10, texture)

    def drone(self, pose: Pose) -> np.ndarray:
        """Return the view from a pose before the camera's own faults, (px, px, 3)."""
        size = self.px * self.scale
        eye = camera_position(pose)
        matrix = drone_matrix(pose, size)
        image = self._draw(matrix, size, eye)
        down, forward = camera_axes(pose)[1:]
        focal_px = 0.5 * size / np.tan(np.radians(pose.fov_deg) / 2)
        rows = (np.arange(size) + 0.5 - size / 2) / focal_px
        fall = -(forward[2] + rows * down[2])  # how fast the row's ray sinks
        distance = np.where(fall > 1e-3, pose.altitude_m / np.maximum(fall, 1e-3), np.inf)
        return self._finish(image, distance)

    def satellite(self) -> np.ndarray:
        """Return the north-up orthographic view before the camera's own faults."""
        size = self.px * self.scale
        matrix = satellite_matrix(size)
        image = self._draw(matrix, size, None)
        return self._finish(image, np.full(size, 500.0))

    def _draw(self, matrix: np.ndarray, size: int, eye: np.ndarray | None) -> np.ndarray:
        image = warp(self.ground.image, matrix[:, [0, 1, 3]] @ self.ground.matrix(), size)
        bare = image.copy() if self.texture else image
        self.objects.draw(image, matrix, eye)
        if self.texture:
            image = roughen_objects(image, bare, matrix, self.texture, self.scene)
        return image

    def _finish(self, image: np.ndarray, distance_m: np.ndarray) -> np.ndarray:
        """Average down to the picture's size and add haze by the distance of each row."""
        if self.scale > 1:
            image = cv2.resize(image, (self.px, self.px), interpolation=cv2.INTER_AREA)
            distance_m = distance_m[:: self.scale]
        return add_haze(image, self.conditions.haze, distance_m)


def warp(image: np.ndarray, matrix: np.ndarray, size: int) -> np.ndarray:
    """Return `image` as a view of `size` pixels shows it.

    `matrix` (3, 3) maps the image's pixels to the view's, centres of first pixels at 0.5.
    """
    half = np.array([[1, 0, 0.5], [0, 1, 0.5], [0, 0, 1.0]])
    back = np.array([[1, 0, -0.5], [0, 1, -0.5], [0, 0, 1.0]])
    return cv2.warpPerspective(
        image, back @ matrix @ half, (size, size),
        flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101,
    )  # fmt: skip


def add_haze(image: np.ndarray, haze: float, distance_m: np.ndarray) -> np.ndarray:
    """Return an image with `haze` (share of the light lost over 500 m) at each row's distance."""
    clear = (1 - haze) ** (np.minimum(distance_m, 1e5) / 500.0)
    clear = clear.astype(np.float32)[:, None, None]
    air = np.array([196, 206, 218], np.float32)
    return np.clip(image * clear + air * (1 - clear), 0, 255).astype(np.uint8)


def photograph(image: np.ndarray, conditions: Conditions, rng: np.random.Generator) -> bytes:
    """Return a view as the JPEG file that the camera writes: light, colour, blur, noise."""
    if conditions.blur_px * image.shape[0] / 256 > 0.15:
        image = cv2.GaussianBlur(image, (0, 0), conditions.blur_px * image.shape[0] / 256)
    grey = np.arange(256, dtype=np.float32)[:, None]
    gain = conditions.light * np.array(conditions.white_balance, np.float32)
    table = np.clip((grey - 118) * conditions.contrast + 118, 0, 255) * gain
    table = np.clip(table, 0, 255).astype(np.uint8)[:, None]
    image = cv2.LUT(image, table)
    grain = _grain(1 << 20)
    start = int(rng.integers(len(grain)))
    noise = np.take(grain, np.arange(start, start + image.size), mode="wrap").reshape(image.shape)
    image = cv2.add(image, np.float32(conditions.noise) * noise, dtype=cv2.CV_8U)
    quality = [cv2.IMWRITE_JPEG_QUALITY, conditions.jpeg_quality]
    ok, data = cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), quality)
    if not ok:
        raise RuntimeError("OpenCV could not encode a JPEG image")
    return data.tobytes()


def decode(data: bytes) -> np.ndarray:
    """Return the RGB image (height, width, 3) of a JPEG file's bytes."""
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


def render_satellite(
    scene: Scene, px: int, conditions: Conditions, rng: np.random.Generator
) -> np.ndarray:
    """Return the north-up orthographic view of the central 200 m square, uint8 (px, px, 3) RGB.

    Raises ValueError when px is below 16. Taught in: book/01.
    """
    flight = Flight.for_satellite(scene, conditions, px)
    return decode(photograph(flight.satellite(), conditions, rng))


def render_drone(
    scene: Scene, pose: Pose, px: int, conditions: Conditions, rng: np.random.Generator
) -> np.ndarray:
    """Return the perspective view from a pose, uint8 (px, px, 3) RGB.

    For many views of one scene keep a `Flight`. Raises ValueError when px is below 16.
    Taught in: book/01.
    """
    return decode(photograph(Flight(scene, conditions, px).drone(pose), conditions, rng))


def _check_px(px: int):
    if px < 16:
        raise ValueError(f"px is {px}; an image needs at least 16 pixels a side.")
