"""Flights over a continuous town: where the camera stood at each photograph, and the odometry."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from dphr_lab.scenes.cameras import Pose
from dphr_lab.settings.towns import TownSettings

MARGIN_M = 170.0  # flights stay this far inside the map
SPEED_M_S = 8.0
PITCHES_DEG = (90.0, 90.0, 65.0)  # of flights in turn: two look straight down, one ahead
FOV_DEG = 60.0


@dataclass(frozen=True)
class Station:
    """Where one photograph was taken, in the town's metres."""

    x: float  # of the camera
    y: float
    altitude_m: float  # above the ground
    heading_deg: float  # clockwise from the grid's north
    pitch_deg: float  # below the horizon
    time_s: float  # since the flight's start

    @property
    def pose(self) -> Pose:
        """The camera, which looks at `target`."""
        return Pose(
            self.altitude_m, (self.heading_deg + 180) % 360, self.pitch_deg, fov_deg=FOV_DEG
        )

    @property
    def target(self) -> tuple[float, float]:
        """Where the optical axis meets the ground."""
        ahead = self.altitude_m / math.tan(math.radians(self.pitch_deg))
        heading = math.radians(self.heading_deg)
        return self.x + ahead * math.sin(heading), self.y + ahead * math.cos(heading)


@dataclass(frozen=True)
class Route:
    """One flight: its name, its purpose, its stations and what its odometry said."""

    name: str  # such as f03
    purpose: str  # "calibration" or "test"
    stations: tuple[Station, ...]
    odometry: np.ndarray  # (photographs, 2): metres east and north since the one before; first 0


def make_routes(settings: TownSettings) -> tuple[Route, ...]:
    """All flights of a town: a function of its settings alone.

    A flight wanders between points inside the map and turns by 25 degrees a photograph at most.
    Its odometry has a wrong scale, a heading that drifts, a wind it does not feel, and noise.
    """
    purposes = ["calibration"] * settings.calibration_flights + ["test"] * settings.test_flights
    return tuple(
        Route(f"f{number:02d}", purpose, *_fly(settings, number))
        for number, purpose in enumerate(purposes, 1)
    )


def _fly(settings: TownSettings, number: int) -> tuple[tuple[Station, ...], np.ndarray]:
    rng = np.random.default_rng([settings.seed, 73, number])
    reach = settings.side_m / 2 - MARGIN_M
    pitch = PITCHES_DEG[number % len(PITCHES_DEG)]
    altitude = rng.uniform(95, 135)
    spot = rng.uniform(-reach, reach, 2)
    goal = rng.uniform(-reach, reach, 2)
    heading = rng.uniform(0, 360)
    stations = []
    for i in range(settings.photos):
        stations.append(Station(
            round(float(spot[0]), 2), round(float(spot[1]), 2),
            round(float(altitude + rng.uniform(-3, 3)), 2), round(float(heading % 360), 2),
            round(float(np.clip(pitch + rng.uniform(-1.5, 0 if pitch == 90 else 1.5), 10, 90)), 2),
            round(i * settings.step_m / SPEED_M_S, 2),
        ))  # fmt: skip
        for _ in range(20):
            if np.hypot(*(goal - spot)) > 3 * settings.step_m:
                break
            goal = rng.uniform(-reach, reach, 2)
        wanted = math.degrees(math.atan2(*(goal - spot)))
        turn = (wanted - heading + 180) % 360 - 180
        heading += float(np.clip(turn, -25, 25)) + rng.uniform(-3, 3)
        step = settings.step_m * rng.uniform(0.85, 1.15)
        spot = spot + step * np.array(
            [math.sin(math.radians(heading)), math.cos(math.radians(heading))]
        )
        spot = np.clip(spot, -reach, reach)
    true = np.diff([(s.x, s.y) for s in stations], axis=0, prepend=[(stations[0].x, stations[0].y)])
    scale = 1 + settings.drift * rng.standard_normal()
    bias = np.cumsum(settings.drift * 30 * rng.standard_normal(len(true)))  # degrees
    bias += 60 * settings.drift * rng.standard_normal()
    c, s = np.cos(np.radians(bias)), np.sin(np.radians(bias))
    turned = np.stack([c * true[:, 0] + s * true[:, 1], -s * true[:, 0] + c * true[:, 1]], 1)
    noise = 10 * settings.drift * rng.standard_normal(true.shape)
    noise += settings.drift * settings.step_m * rng.standard_normal(2)  # a wind that is not felt
    noise[0] = 0
    return tuple(stations), np.round(scale * turned + noise, 2)
