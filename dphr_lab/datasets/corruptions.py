"""What weather, a camera and a flight do to a photograph, each at five strengths.

Lengths are shares of the image's side, so that a strength means the same at every size. What is
drawn depends on (seed, corruption, strength, image) alone.

The pixels are OpenCV's and Pillow's, which the extra `train` brings. What else there is (November
2026; milliseconds of one slow core for 256 px): *kornia* 0.9 is kept up, Apache-2.0 and quick (rain
1.4, snow 4.9, motion blur 0.5, JPEG 12), but it has no fog and no strengths, and draws from torch's
own state; it would be two packages for five of the twelve here. *albumentations* 2.0.8 (MIT) has
had no upkeep since June 2025, and its successor is AGPL-3.0. *imagecorruptions* 1.1.2 (Apache-2.0),
the nearest to our strengths, wants a second build of OpenCV and scikit-image, and its strengths are
pixels of 224 px images.

Strengths are our own choice [O]: the first is seen at a glance, the fifth leaves a person little.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from dphr_lab._images import warped
from dphr_lab.datasets.augment import through_jpeg
from dphr_lab.datasets.images import ChangedImages, Images
from dphr_lab.datasets.seeds import generator

GREY = 127  # of what stands before the camera
FOG, SNOW = (226.0, 229.0, 233.0), (250.0, 250.0, 252.0)  # RGB


@dataclass(frozen=True)
class Corruption:
    """One way to spoil a photograph: `apply(pixels (h, w, 3) uint8, level, rng)` gives another."""

    what: str  # in words
    level: str  # what its levels are, with the unit
    levels: tuple[float, ...]  # rising strength; for what goes two ways, in order
    apply: Callable[[np.ndarray, float, np.random.Generator], np.ndarray]


def corrupted(images: Images, name: str, level: float, seed: int = 0) -> ChangedImages:
    """`images` as they look under the corruption `name` at `level`. Taught in: book/13."""
    if name not in CORRUPTIONS:
        raise ValueError(
            f"corruption {name!r} is unknown; expected one of {', '.join(CORRUPTIONS)}"
        )
    use, number = CORRUPTIONS[name], list(CORRUPTIONS).index(name)

    def change(pixels: np.ndarray, index: int) -> np.ndarray:
        rng = generator("corrupt", seed, number, round(1000 * abs(level)), index)
        return use.apply(pixels, level, rng)

    return ChangedImages(images, change)


def weathered(images: Images, name: str, seed: int = 0) -> ChangedImages:
    """`images` under one of `TEN_WEATHERS`, each of its parts at the middle strength."""
    for part in TEN_WEATHERS[name]:
        images = corrupted(images, part, CORRUPTIONS[part].levels[2], seed)
    return images


def _fog(pixels, opacity, rng):
    clouds = sum(_smooth(pixels.shape, cells, rng) / cells**0.7 for cells in (2, 4, 8, 16))
    clouds = (clouds - clouds.min()) / max(float(np.ptp(clouds)), 1e-6)
    share = np.clip(opacity + 0.3 * (clouds - 0.5), 0, 1)[..., None]
    return _bytes(pixels * (1 - share) + np.asarray(FOG) * share)


def _rain(pixels, density, rng):
    streaks = _flecks(pixels.shape, density, rng)
    angle = rng.uniform(-25, 25) + 90
    streaks = _streaked(streaks, 0.09 * len(pixels), angle) * 0.09 * len(pixels)
    dim = pixels * (1 - 2 * density)  # the light of a wet day
    return _bytes(dim + 130 * np.clip(streaks, 0, 1)[..., None])


def _snow(pixels, density, rng):
    import cv2

    side = len(pixels)
    flakes = _flecks(pixels.shape, density, rng)
    size = max(1.0, 0.012 * side)
    flakes = cv2.GaussianBlur(flakes, (0, 0), size / 2) * 2 * np.pi * (size / 2) ** 2
    share = np.clip(flakes, 0, 1)[..., None]
    pale = pixels + (np.asarray(SNOW) - pixels) * 2.5 * density
    return _bytes(pale * (1 - share) + np.asarray(SNOW) * share)


def _dark(pixels, light, rng):
    electrons = np.maximum(pixels * light, 0) * 4  # few, so that their number shows
    return _bytes(rng.poisson(electrons) / 4 + rng.normal(0, 1.5, pixels.shape))


def _over_exposure(pixels, gain, rng):
    return _bytes(pixels * gain)


def _motion_blur(pixels, length, rng):
    return _streaked(pixels, length * len(pixels), rng.uniform(0, 180))


def _noise(pixels, sigma, rng):
    return _bytes(pixels + rng.normal(0, sigma, pixels.shape))


def _jpeg(pixels, quality, rng):
    return through_jpeg(pixels, int(quality))


def _low_resolution(pixels, share, rng):
    import cv2

    height, width = pixels.shape[:2]
    size = max(1, round(share * width)), max(1, round(share * height))
    small = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
    return cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR)


def _rotation(pixels, degrees, rng):
    return warped(pixels, degrees)


def _scale(pixels, altitude, rng):
    return warped(pixels, 0.0, 1 / altitude)


def _occlusion(pixels, area, rng):
    height, width = pixels.shape[:2]
    aspect = 2 ** rng.uniform(-0.5, 0.5)
    h, w = (min(1.0, float(np.sqrt(area * by))) for by in (aspect, 1 / aspect))
    top, left = rng.uniform(0, 1 - h), rng.uniform(0, 1 - w)
    out = pixels.copy()
    out[round(top * height) : round((top + h) * height),
        round(left * width) : round((left + w) * width)] = GREY  # fmt: skip
    return out


def _streaked(values: np.ndarray, length: float, degrees: float) -> np.ndarray:
    """The mean along a line of `length` pixels."""
    import cv2

    size = max(3, 2 * int(np.ceil(length / 2)) + 1)
    kernel, middle = np.zeros((size, size), np.float32), size // 2
    reach = length / 2 * np.array([np.cos(np.radians(degrees)), np.sin(np.radians(degrees))])
    start, end = (tuple(int(v) for v in np.rint(middle + s * reach)) for s in (-1, 1))
    cv2.line(kernel, start, end, 1.0, 1, cv2.LINE_AA)
    return cv2.filter2D(values, -1, kernel / kernel.sum(), borderType=cv2.BORDER_REFLECT_101)


def _flecks(shape, density: float, rng) -> np.ndarray:
    """(h, w) float32: single pixels of brightness 0.5 to 1, a share `density` / 8 of them all."""
    height, width = shape[:2]
    drawn = rng.random((height, width), np.float32)
    bright = rng.uniform(0.5, 1, (height, width)).astype(np.float32)
    return np.where(drawn < density / 8, bright, np.float32(0))


def _smooth(shape, cells: int, rng) -> np.ndarray:
    """(h, w): random values of cells x cells points, smoothly between them."""
    import cv2

    grid = rng.normal(0, 1, (cells + 1, cells + 1)).astype(np.float32)
    return cv2.resize(grid, (shape[1], shape[0]), interpolation=cv2.INTER_CUBIC)


def _bytes(values: np.ndarray) -> np.ndarray:
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


#: name -> `Corruption`, with its five levels (scale has four). Taught in: book/13.
CORRUPTIONS = {
    "fog": Corruption("fog", "mean opacity", (0.25, 0.4, 0.55, 0.7, 0.85), _fog),
    "rain": Corruption("rain", "density", (0.02, 0.05, 0.09, 0.14, 0.2), _rain),
    "snow": Corruption("falling snow", "density", (0.04, 0.08, 0.12, 0.18, 0.25), _snow),
    "dark": Corruption("dusk, with a sensor's noise", "share of the light",
                       (0.5, 0.3, 0.18, 0.1, 0.05), _dark),
    "over_exposure": Corruption("over-exposure", "gain", (1.3, 1.6, 2.0, 2.6, 3.4), _over_exposure),
    "motion_blur": Corruption("wind, or a moving camera", "length, share of the side",
                              (0.03, 0.06, 0.09, 0.13, 0.18), _motion_blur),
    "noise": Corruption("a sensor's noise", "standard deviation, of 255",
                        (8.0, 16.0, 26.0, 40.0, 60.0), _noise),
    "jpeg": Corruption("JPEG compression", "quality", (40, 25, 15, 10, 5), _jpeg),
    "low_resolution": Corruption("few pixels", "share of the side's pixels",
                                 (0.5, 0.35, 0.25, 0.18, 0.125), _low_resolution),
    "rotation": Corruption("the photograph turned, edges mirrored", "degrees",
                           (15.0, 45.0, 90.0, 135.0, 180.0), _rotation),
    "scale": Corruption("another altitude, edges mirrored", "times the altitude",
                        (0.5, 0.75, 1.25, 1.5), _scale),
    "occlusion": Corruption("a grey rectangle before the camera", "share of the area",
                            (0.05, 0.1, 0.2, 0.35, 0.5), _occlusion),
}  # fmt: skip

# The ten conditions that the field's multi-weather studies of University-1652 average over (Wang et
# al., "Multiple-environment self-adaptive network for aerial-view geo-localization", Pattern
# Recognition 2024; names and mixtures as in its code, github.com/wtyhub/MuseNet) [S]. Its pixels
# are imgaug's, which needs numpy 1; ours are those above at strength 3 [O], so numbers of one are
# not numbers of the other.
TEN_WEATHERS = {
    "normal": (),
    "fog": ("fog",),
    "rain": ("rain",),
    "snow": ("snow",),
    "fog_rain": ("fog", "rain"),
    "fog_snow": ("fog", "snow"),
    "rain_snow": ("rain", "snow"),
    "dark": ("dark",),
    "light": ("over_exposure",),
    "wind": ("motion_blur",),
}
