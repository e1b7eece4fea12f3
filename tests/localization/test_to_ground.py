"""A photograph brought to the ground is what a map's tile shows there."""

import math

import numpy as np
import pytest

from dphr_lab.localization.photo_metadata import PhotoPose
from dphr_lab.localization.to_ground import ground_matrix, looked_at, to_ground


def colours(east, north):
    """Smooth colours of the ground, of some 40 m."""
    red = 127 + 90 * np.sin(east / 9) * np.cos(north / 13)
    green = 127 + 90 * np.cos(east / 14 + north / 11)
    return np.clip(np.stack([red, green, 0.5 * (red + green)], -1), 0, 255).astype(np.uint8)


def photograph(pose: PhotoPose, width=400, height=300, yaw=None):
    """What a camera sees of that ground: each pixel's ray by hand."""
    yaw = math.radians(pose.yaw_deg if yaw is None else yaw)
    pitch, roll = math.radians(pose.pitch_deg), math.radians(pose.roll_deg)
    ahead = np.array([math.sin(yaw), math.cos(yaw), 0.0])
    right = np.array([math.cos(yaw), -math.sin(yaw), 0.0])
    axis = math.cos(pitch) * ahead - math.sin(pitch) * np.array([0, 0, 1.0])
    down = -math.sin(pitch) * ahead - math.cos(pitch) * np.array([0, 0, 1.0])
    focal = width / 2 / math.tan(math.radians(pose.fov_deg) / 2)
    u, v = np.meshgrid(np.arange(width) + 0.5 - width / 2, np.arange(height) + 0.5 - height / 2)
    # rolling to the right turns the picture to the left
    a, b = u * math.cos(roll) - v * math.sin(roll), u * math.sin(roll) + v * math.cos(roll)
    ray = a[..., None] * right + b[..., None] * down + focal * axis
    reach = pose.height_m / np.maximum(-ray[..., 2], 1e-9)
    return colours(ray[..., 0] * reach, ray[..., 1] * reach)


POSES = [
    PhotoPose(height_m=100, yaw_deg=0, pitch_deg=90, fov_deg=70),
    PhotoPose(height_m=100, yaw_deg=130, pitch_deg=90, fov_deg=70),
    PhotoPose(height_m=120, yaw_deg=250, pitch_deg=60, fov_deg=60),
    PhotoPose(height_m=90, yaw_deg=20, pitch_deg=75, fov_deg=75, roll_deg=8),
]


@pytest.mark.parametrize("pose", POSES)
def test_ground_views_show_the_ground_north_up(pose):
    side, px = 60, 64
    view = to_ground(photograph(pose), pose, pose.yaw_deg, side, px)
    t = ((np.arange(px) + 0.5) / px - 0.5) * side
    east, north = np.meshgrid(view.east_m + t, view.north_m - t)
    off = np.abs(view.pixels.astype(int) - colours(east, north).astype(int))
    assert view.known.mean() > 0.95
    assert np.quantile(off[view.known], 0.95) < 8
    ahead = pose.height_m / math.tan(math.radians(pose.pitch_deg))
    assert np.hypot(view.east_m, view.north_m) == pytest.approx(ahead)


def test_fine_photographs_are_averaged():
    pose = POSES[0]
    noise = np.random.default_rng(0).integers(0, 2, (1200, 1600, 1), dtype=np.uint8) * 255
    view = to_ground(np.repeat(noise, 3, 2), pose, 0.0, 100, 64)
    assert view.pixels.std() < 30


def test_the_axis_meets_the_middle():
    for pose in POSES:
        spot = looked_at(pose, pose.yaw_deg)
        u, v, w = ground_matrix(pose, pose.yaw_deg, 400, 300) @ (*spot, 1)
        assert (u / w, v / w) == pytest.approx((200, 150)) and w > 0


def test_what_is_not_seen_is_known():
    pose = PhotoPose(height_m=50, yaw_deg=90, pitch_deg=45, fov_deg=40)
    view = to_ground(photograph(pose), pose, 90.0, 200, 50)
    assert 0.05 < view.known.mean() < 0.6
    assert len(np.unique(view.pixels[~view.known], axis=0)) == 1
    flat = PhotoPose(height_m=50, yaw_deg=0, pitch_deg=20, fov_deg=60)
    view = to_ground(photograph(flat), flat, 0.0, 1500, 50)
    assert not view.known[:3].all()  # beyond the horizon nothing is known


def test_without_a_height_the_middle_square_is_turned():
    photo = np.zeros((60, 80, 3), np.uint8)
    photo[:30, 10:70] = 255  # the upper half of the middle square
    view = to_ground(photo, PhotoPose(), 90.0, 100, 40)
    # the camera's up was east: the bright half lies to the right
    assert view.pixels[:, 22:].min() == 255 and view.pixels[:, :18].max() == 0
    assert (view.east_m, view.north_m) == (0, 0)
    with pytest.raises(ValueError, match="no height_m"):
        ground_matrix(PhotoPose(), 0.0, 10, 10)
