"""Twin Towns: a procedural world in which the hard negatives are known.

Places of about 200 m square come in families of twins, which share a layout and differ in a few
recorded changes; each is seen by a satellite and by a drone, on different days.
"""

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
from dphr_lab.scenes.conditions import SEASONS, Conditions, draw_conditions, sun_direction, vary
from dphr_lab.scenes.layouts import (
    SUES_ALTITUDES_M,
    sues_split,
    write_sues200,
    write_university1652,
)
from dphr_lab.scenes.render import Flight, decode, photograph, render_drone, render_satellite
from dphr_lab.scenes.towns import (
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
    apply_change,
    make_change,
    make_layout,
    make_twin,
)
from dphr_lab.scenes.worlds import (
    PRESETS,
    SPLITS,
    Estimate,
    Place,
    World,
    WorldSettings,
    estimate,
    estimate_world,
    make_world,
    preset,
    render_world,
)

__all__ = [
    "CHANGE_KINDS", "CHANGE_RADIUS_M", "HALF_EXTENT_M", "PRESETS", "SATELLITE_WIDTH_M", "SEASONS",
    "SPLITS", "SUES_ALTITUDES_M", "Building", "Change", "Conditions", "Estimate", "Flight",
    "Patch", "Place", "Pose", "Road", "Scene", "Tree", "Water", "World", "WorldSettings",
    "apply_change", "camera_axes", "camera_position", "decode", "draw_conditions", "drone_matrix",
    "estimate", "estimate_world", "make_change", "make_layout", "make_twin", "make_world",
    "photograph", "preset", "project", "render_drone", "render_satellite", "render_world",
    "satellite_matrix",
    "sues_orbit", "sues_split", "sun_direction", "university_orbit", "vary", "write_sues200",
    "write_university1652",
]  # fmt: skip
