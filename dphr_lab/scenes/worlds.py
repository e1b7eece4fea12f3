"""Worlds: their places, and rendering them all in memory."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from dphr_lab.scenes.camera_image import decode, photograph
from dphr_lab.scenes.cameras import Pose, university_orbit
from dphr_lab.scenes.conditions import Conditions, vary
from dphr_lab.scenes.processes import available_workers, mapped, one_opencv_thread
from dphr_lab.scenes.seeds import generator
from dphr_lab.settings.worlds import SPLITS, PhotoWorldSettings, WorldSettings


class AnyPlace(Protocol):
    """What a place of any world answers: `scenes.Place` and `photos.PhotoPlace` do."""

    id: int  # unique over the world, from 1
    family: int  # shared by twins; families never straddle splits
    twin: int  # which member of its family
    split: str  # "train", "test" or "distractors"
    family_size: int  # 1: it has no twin
    settings: Any  # of its world: `WorldSettings` or `PhotoWorldSettings`

    def describe(self) -> dict:
        """What is recorded of the place, as JSON-ready values."""

    def conditions(self, view: str) -> Conditions:
        """The day of the place's flight ("drone") or of its satellite pass ("satellite")."""

    def pose(self, nominal: Pose, index: int) -> Pose:
        """The pose that a flight really took where the orbit says `nominal`."""

    def satellite_view(self, day: Conditions) -> np.ndarray:
        """The satellite's view before the camera adds noise and blur, uint8 (px, px, 3)."""

    def drone_views(self, day: Conditions) -> Callable[[Pose], np.ndarray]:
        """A function from a pose to the drone's view, for one day's flight."""


@dataclass(frozen=True)
class World:
    """The places of a world by split."""

    settings: WorldSettings | PhotoWorldSettings
    train: tuple[AnyPlace, ...]
    test: tuple[AnyPlace, ...]
    distractors: tuple[AnyPlace, ...]

    @property
    def places(self) -> tuple[AnyPlace, ...]:
        """All places, in the order of their ids."""
        return self.train + self.test + self.distractors


@dataclass(frozen=True)
class Shot:
    """One image of a place as its camera wrote it."""

    view: str  # "drone" or "satellite"
    jpeg: bytes
    pose: Pose | None  # None: the satellite
    conditions: Conditions


def photograph_place(place: AnyPlace, orbits: tuple[tuple[Pose, ...], ...]) -> list[Shot]:
    """The satellite shot of a place, then the drone shots of each orbit's flight."""
    seed = place.settings.seed
    day = place.conditions("satellite")
    rng = generator(seed, "image", place.id, 0)
    shots = [Shot("satellite", photograph(place.satellite_view(day), day, rng), None, day)]
    day = place.conditions("drone")
    drone_view = place.drone_views(day)
    index = 0
    for orbit in orbits:
        for nominal in orbit:
            index += 1
            rng = generator(seed, "image", place.id, index)
            pose, conditions = place.pose(nominal, index), vary(day, rng)
            jpeg = photograph(drone_view(pose), conditions, rng)
            shots.append(Shot("drone", jpeg, pose, conditions))
    return shots


def _decoded(job) -> tuple[np.ndarray, np.ndarray]:
    shots = [decode(shot.jpeg) for shot in photograph_place(*job)]
    return shots[0], np.stack(shots[1:])


def render_world(world: World, workers: int | None = None, progress: bool = True) -> dict:
    """Render a world in memory with the University-1652 orbit.

    Returns {split: {view: (images, place ids, families)}} with splits "train", "test",
    "distractors", views "satellite", "drone", images uint8 (N, px, px, 3) RGB, ids and
    families int64 (N,). `workers` None uses all cores; the result does not depend on it.
    Taught in: book/01.
    """
    settings = world.settings
    orbits = (tuple(university_orbit(settings.drone_views)),)
    px, views = settings.image_px, settings.drone_views
    result = {}
    jobs = [(place, orbits) for place in world.places]
    with mapped(_decoded, jobs, workers, progress, "rendering") as rendered:
        for split in SPLITS:
            places = getattr(world, split)
            satellite = np.empty((len(places), px, px, 3), np.uint8)
            drone = np.empty((len(places), views, px, px, 3), np.uint8)
            for i in range(len(places)):
                satellite[i], drone[i] = next(rendered)
            ids = np.array([p.id for p in places], np.int64)
            families = np.array([p.family for p in places], np.int64)
            result[split] = {
                "satellite": (satellite, ids, families),
                "drone": (
                    drone.reshape(-1, px, px, 3), np.repeat(ids, views), np.repeat(families, views)
                ),
            }  # fmt: skip
        for _ in rendered:  # lets the bar finish
            pass
    return result


@dataclass(frozen=True)
class Estimate:
    """What rendering a world will take."""

    images: int  # rendered images
    seconds: float
    bytes: int  # JPEG files on disk, copies in two folders counted once
    workers: int

    def __str__(self):
        size = self.bytes / 1e6
        wait = f"{self.seconds:.0f} s" if self.seconds < 120 else f"{self.seconds / 60:.0f} min"
        size = f"{size:.0f} MB" if size < 2000 else f"{size / 1000:.1f} GB"
        return f"{self.images:,} images: about {wait} on {self.workers} processes, {size}"


def estimate_world(world: World, workers: int | None = None, flights: int = 1) -> Estimate:
    """The time and size of rendering a world that is made already, of any kind."""
    workers = workers or available_workers()
    few = min(world.settings.drone_views, 4)
    sample = world.places[:2]
    spans, sizes = [], []
    for views in (1, 1 + few):
        orbits = (tuple(university_orbit(views)),)
        with one_opencv_thread():
            photograph_place(world.places[-1], orbits)  # warm up
            start = time.perf_counter()
            shots = [shot for place in sample for shot in photograph_place(place, orbits)]
            spans.append((time.perf_counter() - start) / len(sample))
        sizes.append(sum(len(shot.jpeg) for shot in shots) / len(shots))
    a_view = max((spans[1] - spans[0]) / few, 1e-4)
    views = world.settings.drone_views * flights
    seconds = len(world.places) * (spans[0] + a_view * (views - 1)) / workers
    images = len(world.places) * (1 + views)
    return Estimate(images, seconds, round(images * sizes[1]), workers)
