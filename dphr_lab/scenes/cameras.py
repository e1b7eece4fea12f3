"""Cameras: poses, orbits, and the projection from the world to pixels.

World axes: x east, y north, z up, in metres, with the origin on the ground at the place's centre.
Image axes: u to the right, v down, in pixels; the image covers [0, px] x [0, px], so that the
centre of the first pixel is (0.5, 0.5).
"""

from dataclasses import dataclass

import numpy as np

SATELLITE_WIDTH_M = 200.0


@dataclass(frozen=True)
class Pose:
    """Where a drone camera stands; it always looks at the place's centre."""

    altitude_m: float  # above the ground
    azimuth_deg: float  # clockwise from north: the side on which the camera stands
    pitch_deg: float = 50.0  # angle of the optical axis below the horizon; 90 looks straight down
    fov_deg: float = 45.0  # angle between the left and the right edge of the image

    def __post_init__(self):
        if self.altitude_m <= 0:
            raise ValueError(f"altitude_m is {self.altitude_m}; expected above 0 (metres)")
        if not 10 <= self.pitch_deg <= 90:
            raise ValueError(f"pitch_deg is {self.pitch_deg}; expected 10 to 90 (90 = down)")
        if not 0 < self.fov_deg < 150:
            raise ValueError(f"fov_deg is {self.fov_deg}; expected above 0 and below 150")


def university_orbit(views: int = 54) -> list[Pose]:
    """`views` poses on a descending spiral, as University-1652's flights are described.

    Three rounds from 256 m down to 121.5 m; with fewer than 24 views one round, so that the
    few views still come from all sides. Taught in: book/01.
    """
    rounds = 3 if views >= 24 else 1
    t = np.arange(views) / max(views - 1, 1)
    return [
        Pose(
            altitude_m=round(256.0 - 134.5 * float(t[i]), 2),
            azimuth_deg=round((180.0 + 360.0 * rounds * i / views) % 360.0, 2),
            pitch_deg=round(60.0 - 8.0 * float(t[i]), 2),
            fov_deg=45.0,
        )
        for i in range(views)
    ]


def sues_orbit(altitude_m: float, views: int = 50) -> list[Pose]:
    """`views` poses on a circle at one altitude, as SUES-200 was flown."""
    return [
        Pose(altitude_m, round((180.0 + 360.0 * i / views) % 360.0, 2), 58.0, 45.0)
        for i in range(views)
    ]


def camera_position(pose: Pose) -> np.ndarray:
    """The camera's place in the world, (3,), metres."""
    azimuth, pitch = np.radians([pose.azimuth_deg, pose.pitch_deg])
    ground = pose.altitude_m * np.cos(pitch) / np.sin(pitch)
    return np.array([ground * np.sin(azimuth), ground * np.cos(azimuth), pose.altitude_m])


def camera_axes(pose: Pose) -> np.ndarray:
    """The camera's unit axes in the world as rows, (3, 3): right, down, forward."""
    azimuth, pitch = np.radians([pose.azimuth_deg, pose.pitch_deg])
    heading = -np.array([np.sin(azimuth), np.cos(azimuth)])
    right = np.array([heading[1], -heading[0], 0.0])
    forward = np.array([*(np.cos(pitch) * heading), -np.sin(pitch)])
    return np.stack([right, np.cross(forward, right), forward])


def drone_matrix(pose: Pose, px: int) -> np.ndarray:
    """The 3 x 4 pinhole matrix that maps (x, y, z, 1) to (u w, v w, w); w is the depth."""
    focal_px = 0.5 * px / np.tan(np.radians(pose.fov_deg) / 2)
    intrinsic = np.array([[focal_px, 0, px / 2], [0, focal_px, px / 2], [0, 0, 1.0]])
    axes = camera_axes(pose)
    return intrinsic @ np.column_stack([axes, -axes @ camera_position(pose)])


def satellite_matrix(px: int, width_m: float = SATELLITE_WIDTH_M) -> np.ndarray:
    """The 3 x 4 matrix of the north-up orthographic view of the central square."""
    scale = px / width_m
    return np.array([[scale, 0, 0, px / 2], [0, -scale, 0, px / 2], [0, 0, 0, 1.0]])


def project(matrix: np.ndarray, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Map world points (..., 3) in metres to pixels (..., 2) and depths (...).

    `matrix` comes from `drone_matrix` or `satellite_matrix`. A point with depth <= 0 is behind
    the camera and its pixel means nothing. The depth of the satellite view is 1 everywhere.
    Taught in: book/01.
    """
    points = np.asarray(points, float)
    homogeneous = points @ matrix[:, :3].T + matrix[:, 3]
    depth = homogeneous[..., 2]
    safe = np.where(np.abs(depth) < 1e-9, 1e-9, depth)
    return homogeneous[..., :2] / safe[..., None], depth
