"""Two views of a photograph from above: the tile itself, and the tile as a drone would see it.

The drone's view is a perspective warp of flat ground. It has no parallax and no façades: what
stands up leans as it did in the photograph, whatever the drone's side. Shadows, season and cars are
those of one day in both views. What is left of a change of viewpoint is turning, foreshortening and
scale.
"""

import cv2
import numpy as np

from dphr_lab.scenes.camera_image import add_haze, warp
from dphr_lab.scenes.cameras import Pose, drone_matrix

FOV_DEG = 30.0  # of the drone's camera: long, so that much of a small tile fits at all pitches
PITCH_DEG = (45.0, 90.0)  # of the drone's camera below the horizon
_HAZE_M = {"satellite": 500.0, "drone": 250.0}  # of air, as over a Twin Towns place


def footprint(pose: Pose) -> np.ndarray:
    """The corners of the ground that a pose sees, (4, 2) metres from where it looks."""
    back = np.linalg.inv(drone_matrix(pose, 2)[:, [0, 1, 3]])
    corners = np.array([[0, 0, 1], [2, 0, 1], [2, 2, 1], [0, 2, 1.0]]) @ back.T
    return corners[:, :2] / corners[:, 2:]


def fitted_pose(azimuth_deg: float, pitch_deg: float, width_m: float, share: float = 1.0) -> Pose:
    """The pose at the altitude from which `share` of a tile's width is seen.

    1 is the highest flight whose footprint still fits into the tile of `width_m`.
    """
    low = Pose(1.0, azimuth_deg, pitch_deg, FOV_DEG)
    altitude_m = share * width_m / np.ptp(footprint(low), axis=0).max()
    # rounded down, so that what is recorded fits too
    return Pose(float(np.floor(altitude_m * 100) / 100), azimuth_deg, pitch_deg, FOV_DEG)


def aim(pose: Pose) -> np.ndarray:
    """Where on a tile a pose looks, (2,) metres from its centre: its footprint is central.

    A tilted camera sees more behind the point it looks at than before it.
    """
    corners = footprint(pose)
    return -(corners.min(0) + corners.max(0)) / 2


def tile_matrix(side: int, gsd_m: float) -> np.ndarray:
    """The 3 x 3 map from a tile's pixels to (x east, y north, 1) in metres."""
    half_m = side * gsd_m / 2
    return np.array([[gsd_m, 0, -half_m], [0, -gsd_m, half_m], [0, 0, 1.0]])


def view_matrix(pose: Pose, side: int, gsd_m: float, px: int) -> np.ndarray:
    """The 3 x 3 map from a tile's pixels to those of the drone's view of `px` pixels."""
    x, y = aim(pose)
    shift = np.array([[1, 0, -x], [0, 1, -y], [0, 0, 1.0]])
    return drone_matrix(pose, px)[:, [0, 1, 3]] @ shift @ tile_matrix(side, gsd_m)


def satellite_view(image: np.ndarray, px: int, haze: float) -> np.ndarray:
    """A tile (side, side, 3) at px x px, before the camera adds noise and blur."""
    smaller = px <= image.shape[0]
    method = cv2.INTER_AREA if smaller else cv2.INTER_CUBIC
    view = image if px == image.shape[0] else cv2.resize(image, (px, px), interpolation=method)
    return add_haze(view, haze, np.full(px, _HAZE_M["satellite"]))


def drone_view(image: np.ndarray, pose: Pose, gsd_m: float, px: int, haze: float) -> np.ndarray:
    """A tile (side, side, 3) as a pose sees it, px x px, before the camera adds noise and blur.

    Raises ValueError when the footprint leaves the tile; `fitted_pose` gives one that does not.
    """
    side = image.shape[0]
    if np.ptp(footprint(pose), axis=0).max() > side * gsd_m * 1.001:
        raise ValueError(
            f"pose: from {pose.altitude_m} m at {pose.pitch_deg} degrees more is seen than a tile "
            f"of {side * gsd_m:.1f} m shows; fly lower"
        )
    scale = int(np.clip(-(-side // px), 1, 4))  # seen this many times larger, then averaged
    view = warp(image, view_matrix(pose, side, gsd_m, px * scale), px * scale)
    if scale > 1:
        view = cv2.resize(view, (px, px), interpolation=cv2.INTER_AREA)
    rise = (np.arange(px) + 0.5 - px / 2) / (0.5 * px / np.tan(np.radians(FOV_DEG) / 2))
    pitch = np.radians(pose.pitch_deg)
    fall = np.sin(pitch) + rise * np.cos(pitch)  # how fast each row's ray sinks
    return add_haze(view, haze, _HAZE_M["drone"] * np.sin(pitch) / fall)
