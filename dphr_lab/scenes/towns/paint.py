"""Fixed-point coordinates and colours for OpenCV's drawing functions."""

import numpy as np

SHIFT = 4  # fractional bits of OpenCV's polygon corners


def fixed_point(points: np.ndarray) -> np.ndarray:
    """Turn image coordinates (first pixel's centre at 0.5) into OpenCV's fixed point."""
    return np.rint((points - 0.5) * (1 << SHIFT)).astype(np.int32)


def mix(pair, share: float) -> np.ndarray:
    low, high = np.array(pair, float)
    return low + share * (high - low)


def as_tuple(colour) -> tuple[int, int, int]:
    return tuple(int(c) for c in np.clip(np.rint(colour), 0, 255))
