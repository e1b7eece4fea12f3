"""A photograph brought to the ground: the square that a map's tile would show, turned north.

By a known height, pitch, heading and field of view the flat ground's picture is a homography.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from dphr_lab.localization.photo_metadata import ASSUMED_FOV_DEG, LOWEST_PITCH_DEG, PhotoPose
from dphr_lab.scenes.cameras import Pose, camera_axes


@dataclass(frozen=True)
class GroundView:
    """A photograph as a map's tile: pixels (px, px, 3) uint8, known (px, px) bool.

    `east_m`, `north_m` lead from the camera's foot to the tile's centre.
    """

    pixels: np.ndarray
    known: np.ndarray
    east_m: float
    north_m: float
    yaw_deg: float  # the heading that was taken for true


def ground_matrix(pose: PhotoPose, yaw_deg: float, width: int, height: int) -> np.ndarray:
    """(3, 3): metres (east, north, 1) from the camera's foot to the photograph's pixels (u, v, 1).

    Raises ValueError where the pose has no height.
    """
    if pose.height_m is None:
        raise ValueError("pose has no height_m: a photograph cannot be brought to the ground")
    pitch = 90.0 if pose.pitch_deg is None else pose.pitch_deg
    fov = pose.fov_deg or ASSUMED_FOV_DEG
    axes = camera_axes(Pose(pose.height_m, (yaw_deg + 180) % 360, max(pitch, 10.0), fov))
    roll = math.radians(pose.roll_deg)  # clockwise as the camera sees it
    c, s = math.cos(roll), math.sin(roll)
    right, down, forward = c * axes[0] + s * axes[1], -s * axes[0] + c * axes[1], axes[2]
    focal = width / 2 / math.tan(math.radians(fov) / 2)
    intrinsic = np.array([[focal, 0, width / 2], [0, focal, height / 2], [0, 0, 1.0]])
    to_camera = np.stack([right, down, forward])
    ground = np.array([[1, 0, 0], [0, 1, 0], [0, 0, -pose.height_m]])
    return intrinsic @ to_camera @ ground


def looked_at(pose: PhotoPose, yaw_deg: float) -> tuple[float, float]:
    """Metres (east, north) from the camera's foot to where its axis meets the ground."""
    pitch = 90.0 if pose.pitch_deg is None else max(pose.pitch_deg, LOWEST_PITCH_DEG)
    ahead = (pose.height_m or 0.0) / math.tan(math.radians(pitch))
    yaw = math.radians(yaw_deg)
    return ahead * math.sin(yaw), ahead * math.cos(yaw)


def to_ground(
    photo: np.ndarray, pose: PhotoPose, yaw_deg: float, side_m: float, px: int
) -> GroundView:
    """The north-up square of `side_m` metres that the camera looks at, as `px` pixels.

    `photo` (h, w, 3) uint8. What the photograph does not show takes the mean colour of what it
    does. Without a height the photograph's middle square is taken as it is and turned: its scale
    is then a guess.
    """
    import cv2

    height, width = photo.shape[:2]
    if pose.height_m is None:
        matrix = _of_middle_square(yaw_deg, side_m, width, height)
        east = north = 0.0
    else:
        matrix = ground_matrix(pose, yaw_deg, width, height)
        east, north = looked_at(pose, yaw_deg)
    step = side_m / px  # tile pixels to metres
    to_metres = np.array(
        [[step, 0, east - side_m / 2], [0, -step, north + side_m / 2], [0, 0, 1.0]]
    )
    full = matrix @ to_metres  # tile pixels to the photograph's, corners of first pixels at 0
    full /= full[2] @ (px / 2, px / 2, 1)  # in front of the camera: positive
    shrink = _pixels_a_pixel(full, px)
    if shrink > 1.5:  # averaged before it is warped
        size = max(1, round(width / shrink)), max(1, round(height / shrink))
        photo = cv2.resize(photo, size, interpolation=cv2.INTER_AREA)
        full = np.diag([size[0] / width, size[1] / height, 1.0]) @ full
    centre = np.array([[1, 0, -0.5], [0, 1, -0.5], [0, 0, 1.0]])
    way = centre @ full @ np.linalg.inv(centre)
    how = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    pixels = cv2.warpPerspective(photo, way, (px, px), flags=how, borderMode=cv2.BORDER_REPLICATE)
    ones = np.ones(photo.shape[:2], np.uint8)
    known = cv2.warpPerspective(
        ones, way, (px, px), flags=cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP
    )  # fmt: skip
    v, u = np.mgrid[:px, :px] + 0.5
    ahead = full[2, 0] * u + full[2, 1] * v + full[2, 2] > 1e-6  # not beyond the horizon
    known = (known > 0) & ahead
    if known.any() and not known.all():
        pixels[~known] = np.rint(pixels[known].mean(0)).astype(np.uint8)
    return GroundView(pixels, known, east, north, yaw_deg)


def _of_middle_square(yaw_deg: float, side_m: float, width: int, height: int) -> np.ndarray:
    scale = min(width, height) / side_m
    yaw = math.radians(yaw_deg)
    c, s = scale * math.cos(yaw), scale * math.sin(yaw)
    return np.array([[c, -s, width / 2], [-s, -c, height / 2], [0, 0, 1.0]])


def _pixels_a_pixel(full: np.ndarray, px: int) -> float:
    """Pixels of the photograph for a pixel of the tile, at its middle."""
    spots = px / 2 + np.array([[0.0, 0, 1], [1, 0, 1], [0, 1, 1]])
    spots[:, 2] = 1
    u, v, w = full @ spots.T
    points = np.stack([u / w, v / w], 1)
    steps = np.hypot(*(points[1:] - points[0]).T)
    return float(min(steps))
