"""The ground of a scene as a picture from above."""

from functools import lru_cache

import cv2
import numpy as np

from dphr_lab.scenes.conditions import Conditions, sun_direction
from dphr_lab.scenes.towns.description import HALF_EXTENT_M, Patch, Scene, corners, rotate
from dphr_lab.scenes.towns.districts import LAID_FIRST
from dphr_lab.scenes.towns.objects import tree_table
from dphr_lab.scenes.towns.paint import SHIFT, as_tuple, fixed_point, mix
from dphr_lab.scenes.towns.solids import build
from dphr_lab.scenes.towns.texture import roughen_ground, street_furniture

SHADOW_DEPTH = 0.5  # share of the light that a cast shadow takes

GRASS = {
    "spring": ((104, 136, 66), (128, 138, 80)),
    "summer": ((98, 122, 62), (158, 146, 92)),
    "autumn": ((118, 120, 68), (146, 128, 84)),
    "winter": ((112, 112, 80), (134, 124, 98)),
}
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


class Ground:
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
        self.grass = mix(GRASS[conditions.season], scene.dryness)
        paved = {"centre": 0.9, "industrial": 0.8}.get(scene.style, 0.12)
        base = mix((self.grass, GROUND["pavement"]), paved)
        self.image = np.empty((self.size, self.size, 3), np.uint8)
        self.image[:] = as_tuple(base)
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
        """The 3 x 3 map from this raster's pixels to (x, y, 1) in metres."""
        g, e = self.gsd_m, self.reach_m
        return np.array([[g, 0, -e], [0, -g, e], [0, 0, 1.0]])

    def fill(self, points, colour):
        cv2.fillPoly(
            self.image, [fixed_point(self.pixels(points))], as_tuple(colour), cv2.LINE_AA, SHIFT
        )

    def line(self, points, colour, width_m: float, closed: bool = False):
        width = max(1, round(width_m / self.gsd_m))
        if width_m / self.gsd_m < 0.35:
            return  # thinner than the eye of this raster
        path = [fixed_point(self.pixels(points))]
        cv2.polylines(self.image, path, closed, as_tuple(colour), width, cv2.LINE_AA, SHIFT)

    def _paint(self, scene: Scene):
        first = [patch for patch in scene.patches if patch.kind in LAID_FIRST]
        if first:
            outlines = fixed_point(self.pixels(np.array([corners(patch) for patch in first])))
            colours = np.array([self._tone(patch) for patch in first])
            for outline, colour in zip(outlines, np.rint(colours).tolist(), strict=True):
                cv2.fillConvexPoly(self.image, outline, colour, cv2.LINE_AA, SHIFT)
        for lake in scene.water:
            self.line(lake.outline, mix((self.grass, (196, 184, 150)), 0.6), 3.0, closed=True)
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
        white = mix((GROUND["street"], GROUND["line"]), 0.8 * self.texture)
        lines = list(fixed_point(self.pixels(dashes)))
        cv2.polylines(self.image, lines, False, as_tuple(white), 1, cv2.LINE_AA, SHIFT)
        shown = list(fixed_point(self.pixels(cars)))
        shown = shown[: round(self.texture * len(shown))]
        for i, colour in enumerate(CARS):
            cv2.fillPoly(self.image, shown[i :: len(CARS)], colour, cv2.LINE_AA, SHIFT)

    def _tone(self, patch: Patch) -> np.ndarray:
        """The colour of a patch's ground, a little its own."""
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
        field = self._of_the_town(scene) if scene.origin is not None else self._of_the_place(rng)
        x, y = rng.integers(0, 64, 2)
        times = -(-(self.size + 64) // _NOISE_PX)
        field += np.tile(_noise(), (times, times))[y : y + self.size, x : x + self.size]
        gain = cv2.convertScaleAbs(field, alpha=150, beta=150)  # bytes are much faster than floats
        self.image = cv2.multiply(self.image, cv2.cvtColor(gain, cv2.COLOR_GRAY2RGB), scale=1 / 150)

    def _of_the_town(self, scene: Scene) -> np.ndarray:
        """Unevenness of a town's ground around the scene's origin; it repeats every 1,290 m."""
        waves = _town_waves(scene.texture)
        step = self.gsd_m / _WAVE_M
        east, north = scene.origin
        start = np.array([east - self.reach_m, -north - self.reach_m]) / _WAVE_M + 0.5 * step - 0.5
        matrix = np.array([[step, 0, start[0] % len(waves)], [0, step, start[1] % len(waves)]])
        return cv2.warpAffine(
            waves, matrix, (self.size, self.size),
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, borderMode=cv2.BORDER_WRAP,
        )  # fmt: skip

    def _of_the_place(self, rng) -> np.ndarray:
        cells = round(2 * HALF_EXTENT_M / 5)
        coarse = np.zeros((cells, cells), np.float32)
        for wave_m, strength in ((60, 0.05), (16, 0.045), (5, 0.035)):
            knots = round(2 * HALF_EXTENT_M / wave_m)
            wave = strength * rng.standard_normal((knots, knots), dtype=np.float32)
            coarse += cv2.resize(wave, coarse.shape, interpolation=cv2.INTER_CUBIC)
        # Raster pixel -> cell: the texture belongs to the ground, whatever this raster shows.
        step = self.gsd_m * cells / (2 * HALF_EXTENT_M)
        start = (HALF_EXTENT_M - self.reach_m) * cells / (2 * HALF_EXTENT_M) + 0.5 * step - 0.5
        return cv2.warpAffine(
            coarse, np.array([[step, 0, start], [0, step, start]]), (self.size, self.size),
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, borderMode=cv2.BORDER_REFLECT,
        )  # fmt: skip

    def _shade(self, scene: Scene, conditions: Conditions):
        sun = sun_direction(conditions)
        slide = -sun[:2] / sun[2]  # metres on the ground for a metre of height
        mask = np.zeros((self.size, self.size), np.uint8)
        for building in scene.buildings:
            for part in build(building).parts:
                cast = self.pixels(part[:, :2] + part[:, 2:] * slide)
                hull = cv2.convexHull(cast.astype(np.float32))[:, 0]
                cv2.fillConvexPoly(mask, fixed_point(hull), 255, cv2.LINE_AA, SHIFT)
        strength = 150 if conditions.season == "winter" else 235
        if scene.trees:
            trees = tree_table(scene, self.texture)
            parts = ((0.35, 0.9), (0.62, 1.0), (0.85, 0.7))
            for share, size in parts if self.gsd_m < 0.5 else ((0.55, 1.05),):
                middle = fixed_point(self.pixels(trees[:, :2] + share * trees[:, 3:4] * slide))
                radius = np.rint(size * trees[:, 2] / self.gsd_m * (1 << SHIFT)).astype(int)
                for point, r in zip(middle.tolist(), radius.tolist(), strict=True):
                    cv2.circle(mask, point, r, strength, -1, cv2.LINE_AA, SHIFT)
        mask = cv2.GaussianBlur(mask, (3, 3), 0)
        taken = np.array([1.06, 1.0, 0.84]) * SHADOW_DEPTH  # the sky's blue light remains
        table = np.rint(255 - np.arange(256)[:, None] * taken).astype(np.uint8)[:, None]
        gain = cv2.LUT(cv2.cvtColor(mask, cv2.COLOR_GRAY2RGB), table)
        self.image = cv2.multiply(self.image, gain, scale=1 / 255)


_NOISE_PX = 509
_WAVE_M = 5.0  # a cell of a town's waves


@lru_cache(maxsize=4)
def _town_waves(seed: int) -> np.ndarray:
    """Waves of about 60, 16 and 5 m that repeat without a seam, (258, 258)."""
    rng, cells = np.random.default_rng([seed, 1]), 258
    field = np.zeros((cells, cells), np.float32)
    for step, strength in ((12, 0.05), (3, 0.045), (1, 0.035)):
        knots = -(-cells // step)
        wave = np.pad(rng.standard_normal((knots, knots), dtype=np.float32), 2, mode="wrap")
        size = round(len(wave) * cells / knots)
        wave = cv2.resize(strength * wave, (size, size), interpolation=cv2.INTER_CUBIC)
        edge = (size - cells) // 2
        field += wave[edge : edge + cells, edge : edge + cells]
    return field


@lru_cache(maxsize=1)
def _noise() -> np.ndarray:
    fine = np.random.default_rng(0).standard_normal((_NOISE_PX, _NOISE_PX), dtype=np.float32)
    return 0.03 * fine


def _to_ground(patch: Patch, points) -> np.ndarray:
    """Map a patch's own coordinates, in [-1, 1] along both axes, to the ground."""
    local = np.asarray(points, float) * (patch.length_m / 2, patch.width_m / 2)
    return rotate(local, patch.heading_deg) + (patch.x, patch.y)


_BOX = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]], float)


def _football(ground: Ground, patch: Patch, rng):
    stripes = int(rng.integers(6, 11))
    edges = np.linspace(-1, 1, stripes + 1)
    for i in range(0, stripes, 2):
        strip = [(edges[i], -1), (edges[i + 1], -1), (edges[i + 1], 1), (edges[i], 1)]
        ground.fill(_to_ground(patch, strip), ground.grass * (1.02, 1.22, 0.98))
    line, width = GROUND["line"], 0.5
    ground.line(_to_ground(patch, 0.92 * _BOX), line, width, closed=True)
    ground.line(_to_ground(patch, [(0, -0.92), (0, 0.92)]), line, width)
    angle = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    radius = 0.2 * patch.width_m
    circle = np.stack([np.cos(angle) / patch.length_m, np.sin(angle) / patch.width_m], 1)
    ground.line(_to_ground(patch, 2 * radius * circle), line, width, closed=True)
    for side in (-1, 1):
        area = [(0.92 * side, -0.45), (0.7 * side, -0.45), (0.7 * side, 0.45), (0.92 * side, 0.45)]
        ground.line(_to_ground(patch, area), line, width)


def _track(ground: Ground, patch: Patch, rng):
    ground.fill(_to_ground(patch, 0.72 * _BOX), ground.grass * (0.95, 1.15, 0.9))
    for share in (0.78, 0.86, 0.94):
        ground.line(_to_ground(patch, share * _BOX), GROUND["line"], 0.3, closed=True)


def _court(ground: Ground, patch: Patch, rng):
    line = GROUND["line"]
    if patch.kind == "tennis":
        around = np.array([(74, 122, 84), (150, 84, 66), (60, 108, 146)][int(rng.integers(3))])
        ground.fill(_to_ground(patch, _BOX), around)
    courts = max(1, round(patch.length_m / 17))
    for i in range(courts):
        x0, x1 = -1 + 2 * i / courts, -1 + 2 * (i + 1) / courts
        pad = 0.16 * (x1 - x0)
        court = [(x0 + pad, -0.8), (x1 - pad, -0.8), (x1 - pad, 0.8), (x0 + pad, 0.8)]
        if patch.kind == "tennis":
            ground.fill(_to_ground(patch, court), GROUND["tennis"])
        ground.line(_to_ground(patch, court), line, 0.4, closed=True)
        ground.line(_to_ground(patch, [(x0 + pad, 0), (x1 - pad, 0)]), line, 0.4)


def _car_park(ground: Ground, patch: Patch, rng):
    rows = max(1, int(patch.width_m // 8.5))
    bays = max(2, int(patch.length_m // 2.7))
    full = rng.uniform(0.35, 0.85)
    size = (0.95 / (patch.length_m / 2), 2.2 / (patch.width_m / 2))
    places = []
    for row in range(rows):
        y = -1 + (2 * row + 1) / rows
        half = 2.5 / (patch.width_m / 2)
        ground.line(_to_ground(patch, [(-0.96, y + half), (0.96, y + half)]), (176, 176, 172), 0.3)
        taken = np.flatnonzero(rng.random(bays) < full)
        places += [(-0.95 + 1.9 * (bay + 0.5) / bays, y) for bay in taken]
    if not places:
        return
    cars = _to_ground(patch, _BOX * size + np.array(places)[:, None])  # (cars, 4, 2)
    colours = rng.integers(0, len(CARS), len(cars))
    for i, colour in enumerate(CARS):
        boxes = list(fixed_point(ground.pixels(cars[colours == i])))
        cv2.fillPoly(ground.image, boxes, colour, cv2.LINE_AA, SHIFT)


def _plaza(ground: Ground, patch: Patch, rng):
    tone = np.array(GROUND["plaza"]) * rng.uniform(0.8, 0.9)
    for t in np.linspace(-0.8, 0.8, 5):
        ground.line(_to_ground(patch, [(t, -1), (t, 1)]), tone, 0.7)
        ground.line(_to_ground(patch, [(-1, t), (1, t)]), tone, 0.7)
    angle = np.linspace(0, 2 * np.pi, 16, endpoint=False)
    middle = np.stack([np.cos(angle) / patch.length_m, np.sin(angle) / patch.width_m], 1)
    ground.fill(_to_ground(patch, 2 * 3.2 * middle), (120, 150, 160))


_MARKINGS = {
    "football": _football,
    "track": _track,
    "tennis": _court,
    "basketball": _court,
    "car_park": _car_park,
    "plaza": _plaza,
}
