"""What stands on the ground, drawn as a camera sees it."""

from functools import partial

import cv2
import numpy as np

from dphr_lab.scenes.cameras import project
from dphr_lab.scenes.conditions import Conditions, sun_direction
from dphr_lab.scenes.towns.description import Scene, corners, rotate
from dphr_lab.scenes.towns.paint import SHIFT, fixed_point, mix
from dphr_lab.scenes.towns.solids import DETAIL, build
from dphr_lab.scenes.towns.texture import build_covered, vary_crowns

LEAVES = {
    "spring": ((92, 130, 56), (132, 158, 80)),
    "summer": ((52, 90, 42), (88, 118, 58)),
    "autumn": ((82, 98, 44), (170, 112, 50)),
    "winter": ((92, 82, 70), (118, 106, 92)),
}
EVERGREEN = ((36, 66, 44), (56, 84, 54))


def tree_table(scene: Scene, texture: float) -> np.ndarray:
    """The trees as rows (x, y, radius, height, tone, evergreen)."""
    rows = [(t.x, t.y, t.radius_m, t.height_m, t.tone, t.evergreen) for t in scene.trees]
    table = np.array(rows, float).reshape(-1, 6)
    return vary_crowns(table, texture) if texture else table


class Objects:
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
        self.trees = tree_table(scene, texture)
        self.leaves = self._leaf_colours(conditions)
        spots = [(b.x, b.y) for b in scene.buildings]
        self.spots = np.concatenate([np.array(spots).reshape(-1, 2), self.trees[:, :2]])
        reach = [np.hypot(b.length_m, b.width_m) / 2 for b in scene.buildings]
        self.reach = np.concatenate([reach, self.trees[:, 2]])
        tops = [s.parts[0][:, 2].max() for s in solids]
        self.tops = np.concatenate([tops, self.trees[:, 3]])
        self._find_neighbours(scene)

    def _leaf_colours(self, conditions: Conditions) -> list:
        """(shade, body, light) colours for each tree."""
        tone = self.trees[:, 4:5]
        leaf, pine = LEAVES[conditions.season], EVERGREEN
        body = np.where(self.trees[:, 5:6] > 0, mix(pine, tone), mix(leaf, tone))
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
        """The visible objects so that each comes after all that it may hide.

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
        fixed = fixed_point(np.clip(pixels, -1e5, 1e5))  # what is behind the camera is not drawn
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
        """{tree: (u, v, radius) of its dark, middle and sunlit circle}, fixed point."""
        shown = np.flatnonzero(visible)
        x, y, radius, height = self.trees[shown, :4].T
        core = np.column_stack([x, y, np.maximum(height - radius, 0.8 * radius)])
        lift, size = np.array([(-0.15, 1.0), (0.16, 0.84), (0.42, 0.5)]).T
        middles = core[:, None] + (lift[:, None] * self.sun) * radius[:, None, None]
        middles, _ = project(matrix, middles)
        radii = (size * (radius * scale[shown])[:, None])[..., None]
        circles = np.concatenate(
            [fixed_point(middles), np.rint(radii * (1 << SHIFT)).astype(int)], -1
        )
        return dict(zip(shown.tolist(), circles.tolist(), strict=True))
