"""The second level of realism: grain on ground, roofs and crowns, cars and markings on streets.

Everything here is added to what `render` draws by itself, in the measure `texture` in (0, 1].
Grain is drawn once a process at several scales and laid on by warping, so that it belongs to the
ground, or to a plane at roof height: on high buildings it shifts a little from view to view.
"""

from functools import lru_cache

import cv2
import numpy as np

from dphr_lab.scenes.towns.description import Building, Scene
from dphr_lab.scenes.towns.solids import ROOF, Solid, build

_GRAIN_PX = 512
_GRAIN_M = 0.45  # metres a pixel of grain
_MIDDLE = 128  # the grain value that changes nothing
COVER = 1.5  # drawn after ROOF and before DETAIL
ROOF_M = 6.0  # height of the plane on which the grain of roofs and crowns is laid
_CAR_GAP_M = 26.0  # mean distance of cars on a side of a street
_CAR_M = (4.4, 1.8)
_BANDS = 3  # of a roof face


def _octaves(rng: np.random.Generator, knots: tuple[int, ...], fall: float) -> np.ndarray:
    """Noise of unit deviation that repeats without a seam, from coarse to fine knots."""
    field = np.zeros((_GRAIN_PX, _GRAIN_PX), np.float32)
    for i, count in enumerate(knots):
        wave = rng.standard_normal((count, count), dtype=np.float32)
        wave = np.pad(wave, 2, mode="wrap")
        step = _GRAIN_PX // count
        wave = cv2.resize(wave, None, fx=step, fy=step, interpolation=cv2.INTER_CUBIC)
        field += fall**i * wave[2 * step : -2 * step, 2 * step : -2 * step]
    return field / field.std()


def _gain(*channels: np.ndarray) -> np.ndarray:
    return np.clip(_MIDDLE * (1 + np.stack(channels, -1)), 0, 255).astype(np.uint8)


@lru_cache(maxsize=1)
def _grains() -> dict[str, np.ndarray]:
    """Gains (512, 512, 3), or (512, 512) where all colours share them; 128 is a gain of one."""
    rng = np.random.default_rng(20)
    meadow = _octaves(rng, (8, 16, 32, 64, 128), 0.85)
    dry = _octaves(rng, (8, 32, 128), 0.7)
    clumps = _octaves(rng, (64, 128, 256), 0.9)
    bushes = np.clip(clumps - 1.3, 0, 1)
    leaves = _octaves(rng, (32, 64, 128, 256), 1.1)
    stains = _octaves(rng, (16, 32, 64, 128), 0.8)
    patches = np.clip(np.abs(_octaves(rng, (16, 32), 0.8)) - 1.6, 0, 0.5)
    fine = _octaves(rng, (128, 256), 1.0)
    sheets = np.sin(np.arange(_GRAIN_PX) * (2 * np.pi / 8), dtype=np.float32)  # every 3.6 m
    roofs = _octaves(rng, (32, 64, 128), 0.9)
    return {
        "grown": _gain(
            0.13 * meadow + 0.07 * dry - 0.55 * bushes,
            0.13 * meadow - 0.4 * bushes,
            0.11 * meadow - 0.04 * dry - 0.5 * bushes,
        ),
        "laid": _gain(0.075 * stains - 0.3 * patches + 0.045 * fine),
        "leaves": _gain(0.24 * leaves)[..., 0],
        "roofs": _gain(0.08 * roofs + 0.05 * fine + 0.035 * sheets)[..., 0],
    }


def _faded(grain: np.ndarray, texture: float) -> np.ndarray:
    if texture == 1:
        return grain
    return cv2.addWeighted(grain, texture, np.full_like(grain, _MIDDLE), 1 - texture, 0)


@lru_cache(maxsize=16)
def _at_resolution(name: str, gsd_m: float, size: int, texture: float) -> np.ndarray:
    """A grain at `gsd_m` metres a pixel, repeated so that any `size` px square can be cut."""
    period = round(_GRAIN_PX * _GRAIN_M / gsd_m)
    method = cv2.INTER_AREA if period < _GRAIN_PX else cv2.INTER_LINEAR
    grain = cv2.resize(_grains()[name], (period, period), interpolation=method)
    times = -(-(size + period) // period)
    grain = _faded(grain, texture).reshape(period, period, -1)
    return np.tile(grain, (times, times, 1))


def _cut(name: str, gsd_m: float, size: int, texture: float, scene: Scene) -> np.ndarray:
    """The grain of a scene's ground, `size` px of it."""
    grain = _at_resolution(name, gsd_m, size, texture)
    shift = np.random.default_rng([scene.texture, 1]).uniform(0, _GRAIN_PX * _GRAIN_M, 2)
    if scene.origin is not None:
        shift = shift + np.array(scene.origin) * (1, -1)
    # whatever a raster shows of the ground, its middle is the same spot
    x, y = np.rint(shift / gsd_m - size / 2).astype(int) % round(_GRAIN_PX * _GRAIN_M / gsd_m)
    return grain[y : y + size, x : x + size]


def _seen(name: str, matrix: np.ndarray, size: int, texture: float, scene: Scene) -> np.ndarray:
    """The grain of a plane as a view of `size` px shows it; `matrix` maps (x, y, 1) to it."""
    x, y = np.random.default_rng([scene.texture, 1]).uniform(0, _GRAIN_PX * _GRAIN_M, 2)
    if scene.origin is not None:
        period = _GRAIN_PX * _GRAIN_M
        x, y = (x + scene.origin[0]) % period, (y + scene.origin[1]) % period
    to_metres = np.array([[_GRAIN_M, 0, -x], [0, _GRAIN_M, -y], [0, 0, 1]])
    grain = cv2.warpPerspective(
        _grains()[name], matrix @ to_metres, (size, size),
        flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP,
    )  # fmt: skip
    return _faded(grain, texture)


def _green(image: np.ndarray, least: float) -> np.ndarray:
    """A mask (h, w) of what grows: greener by `least` grey levels than it is red and blue."""
    green = cv2.transform(image, np.array([[-0.3, 1.0, -0.7]], np.float32))
    return cv2.threshold(green, least, 255, cv2.THRESH_BINARY)[1]


def roughen_ground(image: np.ndarray, gsd_m: float, texture: float, scene: Scene) -> np.ndarray:
    """The ground raster (size, size, 3) with grain on it."""
    size = image.shape[0]
    gain = cv2.cvtColor(_cut("laid", gsd_m, size, texture, scene)[..., 0], cv2.COLOR_GRAY2RGB)
    cv2.copyTo(_cut("grown", gsd_m, size, texture, scene), _green(image, 14), gain)
    return cv2.multiply(image, gain, scale=1 / _MIDDLE)


def roughen_objects(
    image: np.ndarray, before: np.ndarray, matrix: np.ndarray, texture: float, scene: Scene
) -> np.ndarray:
    """A view with grain on what was drawn since `before`.

    `matrix` (3, 4) maps the world to the view's pixels.
    """
    size = image.shape[0]
    plane = matrix[:, [0, 1, 3]] + np.outer(ROOF_M * matrix[:, 2], [0, 0, 1])
    gain = _seen("roofs", plane, size, texture, scene)
    cv2.copyTo(_seen("leaves", plane, size, texture, scene), _green(image, 30), gain)
    drawn = cv2.transform(cv2.absdiff(image, before), np.array([[85.0, 85, 85]], np.float32))
    rough = cv2.multiply(image, cv2.cvtColor(gain, cv2.COLOR_GRAY2RGB), scale=1 / _MIDDLE)
    return cv2.copyTo(rough, drawn, image)


def street_furniture(scene: Scene, reach_m: float, day: int) -> tuple[np.ndarray, np.ndarray]:
    """Dashes (n, 2, 2) of the centre lines and parked cars (m, 4, 2) on a day, metres."""
    rng = np.random.default_rng([scene.texture, 2, day])
    dashes, cars = [np.zeros((0, 2, 2))], [np.zeros((0, 4, 2))]
    for road in scene.roads:
        if road.kind != "street":
            continue
        points = np.array(road.points)
        steps = np.diff(points, axis=0)
        lengths = np.hypot(*steps.T)
        ends = np.r_[0, np.cumsum(lengths)]

        def at(along, off_m=0.0, points=points, steps=steps, lengths=lengths, ends=ends):
            piece = np.clip(np.searchsorted(ends, along, "right") - 1, 0, len(steps) - 1)
            ahead = steps[piece] / lengths[piece, None]
            left = np.stack([-ahead[:, 1], ahead[:, 0]], 1)
            off_m = np.broadcast_to(off_m, len(along))[:, None]
            return points[piece] + (along - ends[piece])[:, None] * ahead + off_m * left, ahead

        starts = np.arange(2.0, ends[-1] - 4, 9.0)
        dashes.append(np.stack([at(starts)[0], at(starts + 3.5)[0]], 1))
        count = int(2 * ends[-1] / _CAR_GAP_M)
        off_m = rng.choice([-1, 1], count) * max(road.width_m / 2 - 1.3, 1.2)
        spots, ahead = at(rng.uniform(0, ends[-1], count), off_m)
        half = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * np.array(_CAR_M) / 2
        left = np.stack([-ahead[:, 1], ahead[:, 0]], 1)
        corners = half[:, :1] * ahead[:, None] + half[:, 1:] * left[:, None]
        cars.append(spots[:, None] + corners)
    dashes, cars = np.concatenate(dashes), np.concatenate(cars)
    return (
        dashes[(np.abs(dashes) < reach_m).all((1, 2))],
        cars[(np.abs(cars) < reach_m).all((1, 2))],
    )


@lru_cache(maxsize=4096)
def build_covered(building: Building, windows: bool, texture: float) -> Solid:
    """`solids.build`'s solid with bands of slightly different tone on its roof."""
    solid = build(building, windows)
    roofs = [i for i in np.flatnonzero(solid.layers == ROOF) if len(solid.faces[i]) == 4]
    tones = np.random.default_rng([building.detail, 3]).normal(0, 1, (len(roofs), _BANDS, 1))
    if not roofs:
        return solid
    a, b, c, d = np.array([solid.faces[i] for i in roofs]).transpose(1, 0, 2)  # each (roofs, 3)
    cuts = np.linspace(0, 1, _BANDS + 1)[:, None, None]
    left, right = a + cuts * (d - a), b + cuts * (c - b)  # (bands + 1, roofs, 3)
    bands = np.stack([left[:-1], right[:-1], right[1:], left[1:]], 2)  # (bands, roofs, 4, 3)
    colours = solid.colours[roofs][:, None] * (1 + 0.09 * texture * tones)
    return Solid(
        (*solid.faces, *bands.transpose(1, 0, 2, 3).reshape(-1, 4, 3)),
        np.concatenate([solid.colours, np.clip(colours, 0, 255).reshape(-1, 3)]),
        np.concatenate([solid.normals, np.repeat(solid.normals[roofs], _BANDS, 0)]),
        np.concatenate([solid.layers, np.full(len(roofs) * _BANDS, COVER)]),
        solid.parts,
    )


def vary_crowns(trees: np.ndarray, texture: float) -> np.ndarray:
    """Rows (x, y, radius, height, …) of trees of more varied size, bushes to old trees."""
    unit = np.sin(12.9898 * trees[:, 0] + 78.233 * trees[:, 1])  # in [-1, 1], as if drawn
    factor = np.exp(0.55 * texture * unit)
    varied = trees.copy()
    varied[:, 2] *= factor
    varied[:, 3] *= factor**0.7
    return varied
