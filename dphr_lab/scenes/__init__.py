"""Twin Towns: a procedural world in which the hard negatives are known.

Places of about 200 m square come in families of twins, which share a layout and differ in a few
recorded changes. Each place is seen by a satellite and by a drone, on different days.
"""

from dphr_lab.scenes.camera_image import decode, photograph
from dphr_lab.scenes.cameras import (
    SATELLITE_WIDTH_M,
    Pose,
    camera_axes,
    camera_position,
    drone_matrix,
    project,
    satellite_matrix,
    sues_orbit,
    university_orbit,
)
from dphr_lab.scenes.conditions import SEASONS, Conditions, sample_conditions, sun_direction, vary
from dphr_lab.scenes.towns.changes import apply_change, make_change, make_twin
from dphr_lab.scenes.towns.description import (
    CHANGE_KINDS,
    CHANGE_RADIUS_M,
    HALF_EXTENT_M,
    Building,
    Change,
    Patch,
    Road,
    Scene,
    Tree,
    Water,
)
from dphr_lab.scenes.towns.flights import Flight, render_drone, render_satellite
from dphr_lab.scenes.towns.layouts import make_layout
from dphr_lab.scenes.towns.places import Place, estimate, make_world
from dphr_lab.scenes.worlds import Estimate, World, estimate_world, render_world
from dphr_lab.scenes.writing import (
    write_sues200,
    write_university1652,
)
from dphr_lab.settings.worlds import PRESETS, SPLITS, WorldSettings, preset

__all__ = [
    "CHANGE_KINDS", "CHANGE_RADIUS_M", "HALF_EXTENT_M", "PRESETS", "SATELLITE_WIDTH_M", "SEASONS",
    "SPLITS", "Building", "Change", "Conditions", "Estimate", "Flight",
    "Patch", "Place", "Pose", "Road", "Scene", "Tree", "Water", "World", "WorldSettings",
    "apply_change", "camera_axes", "camera_position", "decode", "drone_matrix",
    "estimate", "estimate_world", "make_change", "make_layout", "make_twin", "make_world",
    "photograph", "preset", "project", "render_drone", "render_satellite", "render_world",
    "sample_conditions", "satellite_matrix",
    "sues_orbit", "sun_direction", "university_orbit", "vary", "write_sues200",
    "write_university1652",
]  # fmt: skip
