"""PhotoTowns: the question of Twin Towns asked of photographs.

Places are aerial tiles from any folder; their twins are recorded edits; the drone's view is a
perspective warp of the tile. Limits: flat ground, so no parallax and no façades, and one day's
shadows in both views. Needs the tiles' ground sampling distance.
"""

from dphr_lab.scenes.photos.edits import (
    EDIT_KINDS,
    EDITED_M2,
    Edit,
    apply_edit,
    make_edit,
    make_twins,
)
from dphr_lab.scenes.photos.places import PhotoPlace, PhotoWorld, make_photo_world
from dphr_lab.scenes.photos.tiles import (
    Screening,
    clusters,
    describe,
    imagenet,
    nearest,
    read_tile,
    screen,
    shared_ground,
)
from dphr_lab.scenes.photos.views import aim, drone_view, fitted_pose, footprint, satellite_view
from dphr_lab.settings.worlds import PhotoWorldSettings

__all__ = [
    "EDITED_M2", "EDIT_KINDS", "Edit", "PhotoPlace", "PhotoWorld", "PhotoWorldSettings",
    "Screening", "aim", "apply_edit", "clusters", "describe", "drone_view", "fitted_pose",
    "footprint", "imagenet", "make_edit", "make_photo_world", "make_twins", "nearest", "read_tile",
    "satellite_view", "screen", "shared_ground",
]  # fmt: skip
