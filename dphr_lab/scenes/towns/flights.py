"""Pictures of a scene: one ground raster a flight, then walls, roofs and trees, far to near.

The ground with its roads, fields, water, texture and cast shadows is painted once, seen from above,
and warped into every view by the view's homography. What stands on it is then drawn on top as
polygons, each after everything that it may hide.
"""

from dataclasses import replace

import cv2
import numpy as np

from dphr_lab.scenes.camera_image import add_haze, decode, photograph, warp
from dphr_lab.scenes.cameras import (
    SATELLITE_WIDTH_M,
    Pose,
    camera_axes,
    camera_position,
    drone_matrix,
    satellite_matrix,
)
from dphr_lab.scenes.conditions import Conditions
from dphr_lab.scenes.towns.description import HALF_EXTENT_M, Scene
from dphr_lab.scenes.towns.ground import Ground
from dphr_lab.scenes.towns.objects import Objects
from dphr_lab.scenes.towns.texture import roughen_objects


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
        self.ground = Ground(scene, conditions, gsd_m, reach_m, texture)
        windows = px >= 128 and width_m < SATELLITE_WIDTH_M
        self.objects = Objects(scene, conditions, windows, texture)

    @classmethod
    def for_satellite(
        cls, scene: Scene, conditions: Conditions, px: int, texture: float = 0.0
    ) -> "Flight":
        """The scene as a satellite's pass sees it, just the central square."""
        return cls(scene, conditions, px, SATELLITE_WIDTH_M, SATELLITE_WIDTH_M / 2 + 10, texture)

    def drone(self, pose: Pose) -> np.ndarray:
        """The view from a pose before the camera adds noise and blur, (px, px, 3)."""
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
        """The north-up orthographic view before the camera adds noise and blur."""
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


def render_satellite(
    scene: Scene, px: int, conditions: Conditions, rng: np.random.Generator
) -> np.ndarray:
    """The north-up orthographic view of the central 200 m square, uint8 (px, px, 3) RGB.

    Raises ValueError when px is below 16. Taught in: book/01.
    """
    flight = Flight.for_satellite(scene, conditions, px)
    return decode(photograph(flight.satellite(), conditions, rng))


def render_drone(
    scene: Scene, pose: Pose, px: int, conditions: Conditions, rng: np.random.Generator
) -> np.ndarray:
    """The perspective view from a pose, uint8 (px, px, 3) RGB.

    For many views of one scene keep a `Flight`. Raises ValueError when px is below 16.
    Taught in: book/01.
    """
    return decode(photograph(Flight(scene, conditions, px).drone(pose), conditions, rng))


def _check_px(px: int):
    if px < 16:
        raise ValueError(f"px is {px}; expected 16 or more pixels a side")
