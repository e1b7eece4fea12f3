"""From a drawn picture to what a camera stores: warp, haze, blur and noise, JPEG."""

from functools import lru_cache

import cv2
import numpy as np

from dphr_lab.scenes.conditions import Conditions


@lru_cache(maxsize=1)
def _grain(count: int) -> np.ndarray:
    """A pool of sensor noise of unit variance; an image takes a stretch of it."""
    return np.random.default_rng(1).standard_normal(count, dtype=np.float32)


def warp(image: np.ndarray, matrix: np.ndarray, size: int) -> np.ndarray:
    """`image` as a view of `size` pixels shows it.

    `matrix` (3, 3) maps the image's pixels to the view's, centres of first pixels at 0.5.
    """
    half = np.array([[1, 0, 0.5], [0, 1, 0.5], [0, 0, 1.0]])
    back = np.array([[1, 0, -0.5], [0, 1, -0.5], [0, 0, 1.0]])
    return cv2.warpPerspective(
        image, back @ matrix @ half, (size, size),
        flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101,
    )  # fmt: skip


def add_haze(image: np.ndarray, haze: float, distance_m: np.ndarray) -> np.ndarray:
    """An image with `haze` (share of the light lost over 500 m) at each row's distance."""
    clear = (1 - haze) ** (np.minimum(distance_m, 1e5) / 500.0)
    clear = clear.astype(np.float32)[:, None, None]
    air = np.array([196, 206, 218], np.float32)
    return np.clip(image * clear + air * (1 - clear), 0, 255).astype(np.uint8)


def photograph(image: np.ndarray, conditions: Conditions, rng: np.random.Generator) -> bytes:
    """A view as the JPEG file that the camera writes: light, colour, blur, noise."""
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
    """The RGB image (height, width, 3) of a JPEG file's bytes."""
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
