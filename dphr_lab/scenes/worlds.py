"""Worlds: settings, presets, places, and rendering them all in memory."""

import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from functools import cached_property

import cv2
import numpy as np
from tqdm import tqdm

from dphr_lab.scenes.cameras import Pose, university_orbit
from dphr_lab.scenes.conditions import Conditions, draw_conditions, vary
from dphr_lab.scenes.render import Flight, decode, photograph
from dphr_lab.scenes.seeds import generator
from dphr_lab.scenes.towns import Change, Scene, make_twin
from dphr_lab.settings import check_types

SPLITS = ("train", "test", "distractors")


@dataclass(frozen=True)
class WorldSettings:
    """What a world is a function of, besides the versions of the packages."""

    name: str = "world"  # used in titles and result files
    train_places: int = 1500  # places to train on
    test_places: int = 300  # places that are queried
    distractor_places: int = 60  # places in the test gallery only
    family_size: int = 3  # places that share a layout; 1 = no twins
    twin_share: float = 1.0  # share of the places that are in such families; the rest is alone
    twin_share_test: float | None = None  # the same for test and distractors; None: twin_share
    twin_strength: float = 1.0  # how much twins differ; scales the changed area
    image_px: int = 64  # side of every image, pixels
    drone_views: int = 4  # drone images a place (and an altitude)
    weather: float = 1.0  # how far the days of the two views may differ, 0 (fair) to 1 (any)
    texture: float = (
        0.0  # of ground, roofs and crowns: 0 = plain colours, 1 = most like photographs
    )
    seed: int = 0  # everything drawn depends on it

    def __post_init__(self):
        check_settings(self)
        for field in ("twin_share", "twin_share_test"):
            share = getattr(self, field)
            if share is not None and not 0 <= share <= 1:
                raise ValueError(f"{field} is {share}; expected a share between 0 and 1.")
        if not 0 <= self.texture <= 1:
            raise ValueError(f"texture is {self.texture}; expected 0 (plain) to 1.")

    def to_dict(self) -> dict:
        """Return the settings as stored beside images and results."""
        return asdict(self)


def check_settings(settings) -> None:
    """Raise ValueError for a value of another type, or out of the range that all worlds share."""
    check_types(settings)
    for field in ("train_places", "test_places", "distractor_places"):
        if getattr(settings, field) < 0:
            raise ValueError(f"{field} is {getattr(settings, field)}; it cannot be negative.")
    if settings.train_places + settings.test_places == 0:
        raise ValueError("train_places and test_places are both 0; a world needs places.")
    if settings.family_size < 1:
        raise ValueError(
            f"family_size is {settings.family_size}; expected 1 (no twins) or more, 3 by default."
        )
    if settings.twin_strength < 0:
        raise ValueError(f"twin_strength is {settings.twin_strength}; expected 0 or more.")
    if not 0 <= settings.weather <= 1:
        raise ValueError(f"weather is {settings.weather}; expected 0 (fair) to 1 (any day).")
    if settings.image_px < 16:
        raise ValueError(f"image_px is {settings.image_px}; an image needs at least 16 pixels.")
    if settings.drone_views < 1:
        raise ValueError(f"drone_views is {settings.drone_views}; a place needs one or more.")
    if settings.seed < 0:
        raise ValueError(f"seed is {settings.seed}; it cannot be negative.")


PRESETS = {
    # For tests: seconds.
    "tiny": WorldSettings("tiny", 12, 6, 3, drone_views=3),
    # For the chapters: fits in memory; fair days, so that a minute of training is enough.
    "mini": WorldSettings("mini", weather=0.0),
    # SUES-200's own counts: 200 places at four altitudes.
    "sues200": WorldSettings("sues200", 120, 80, 0, family_size=4, image_px=384, drone_views=50),
    # University-1652's own counts, for GPU work.
    "full": WorldSettings("full", 701, 701, 250, image_px=384, drone_views=54),
}


def preset(name: str) -> WorldSettings:
    """Return a preset's settings; ValueError naming the presets for an unknown name."""
    if name not in PRESETS:
        raise ValueError(f"preset {name!r} is unknown; expected one of {', '.join(PRESETS)}.")
    return PRESETS[name]


@dataclass(frozen=True)
class Place:
    """One place of a world; its scene is made when first asked for."""

    id: int  # unique over the world, from 1
    family: int  # shared by twins; families never straddle splits
    twin: int  # which member of its family
    split: str  # "train", "test" or "distractors"
    family_size: int  # 1: it has no twin
    settings: WorldSettings

    @cached_property
    def _twin(self) -> tuple[Scene, tuple[Change, ...]]:
        s = self.settings
        return make_twin(s.seed, self.family, self.twin, self.family_size, s.twin_strength)

    @property
    def scene(self) -> Scene:
        """The description of the place."""
        return self._twin[0]

    @property
    def changes(self) -> tuple[Change, ...]:
        """The recorded differences from the family's layout."""
        return self._twin[1]

    def __getstate__(self):
        return {k: v for k, v in self.__dict__.items() if k != "_twin"}

    def describe(self) -> dict:
        """What is recorded of the place, as JSON-ready values."""
        return {
            "family": self.family,
            "twin": self.twin,
            "split": self.split,
            "changes": [change.to_dict() for change in self.changes],
        }

    def satellite_view(self, day: Conditions) -> np.ndarray:
        """The satellite's view before the camera's own faults, (px, px, 3)."""
        px, texture = self.settings.image_px, self.settings.texture
        return Flight.for_satellite(self.scene, day, px, texture).satellite()

    def drone_views(self, day: Conditions) -> Callable[[Pose], np.ndarray]:
        """A function from a pose to the drone's view, for one day's flight."""
        return Flight(self.scene, day, self.settings.image_px, texture=self.settings.texture).drone

    def conditions(self, view: str) -> Conditions:
        """The day of the place's flight ("drone") or of its satellite pass ("satellite")."""
        stream = ("drone", "satellite").index(view)
        rng = generator(self.settings.seed, "conditions", self.id, stream)
        return draw_conditions(rng, view, self.settings.weather)

    def pose(self, nominal: Pose, index: int) -> Pose:
        """The pose that a flight really took where the orbit says `nominal`."""
        rng = generator(self.settings.seed, "pose", self.id, index)
        return replace(
            nominal,
            altitude_m=round(nominal.altitude_m * float(rng.uniform(0.97, 1.03)), 2),
            azimuth_deg=round((nominal.azimuth_deg + float(rng.uniform(-8, 8))) % 360, 2),
            pitch_deg=round(min(nominal.pitch_deg + float(rng.uniform(-1.5, 1.5)), 90.0), 2),
        )


@dataclass(frozen=True)
class World:
    """The places of a world by split."""

    settings: WorldSettings
    train: tuple[Place, ...]
    test: tuple[Place, ...]
    distractors: tuple[Place, ...]

    @property
    def places(self) -> tuple[Place, ...]:
        """All places, in the order of their ids."""
        return self.train + self.test + self.distractors


def make_world(settings: WorldSettings) -> World:
    """Return the world of some settings; scenes are described when they are asked for.

    Places are numbered from 1 and fill families in turn, those without twins last; each split
    starts a new family. Taught in: book/01.
    """
    splits, first, family, size = [], 1, 0, settings.family_size
    test_share = settings.twin_share_test
    shares = [settings.twin_share] + 2 * [settings.twin_share if test_share is None else test_share]
    counts = settings.train_places, settings.test_places, settings.distractor_places
    for split, count, share in zip(SPLITS, counts, shares, strict=True):
        # whole families, but where all places are to have twins
        twins = count if share == 1 else round(count * share / size) * size
        places = []
        for i in range(count):
            own_family, twin = divmod(i, size) if i < twins else (i - twins + -(-twins // size), 0)
            own_size = size if i < twins else 1
            places.append(Place(first + i, family + own_family, twin, split, own_size, settings))
        splits.append(tuple(places))
        first += count
        family = places[-1].family + 1 if places else family
    return World(settings, *splits)


@dataclass(frozen=True)
class Shot:
    """One image of a place as its camera wrote it."""

    view: str  # "drone" or "satellite"
    jpeg: bytes
    pose: Pose | None  # None: the satellite
    conditions: Conditions


def photograph_place(place: Place, orbits: tuple[tuple[Pose, ...], ...]) -> list[Shot]:
    """Return the satellite shot of a place, then the drone shots of each orbit's flight.

    `place` is any kind of place that has this one's public methods.
    """
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


def _start_worker():
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all; this one's parent decides
    cv2.setNumThreads(1)


@contextmanager
def _one_opencv_thread() -> Iterator[None]:
    """In this process what a worker has, and afterwards what there was."""
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(threads)


def available_workers() -> int:
    """Return the number of processor cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@contextmanager
def mapped(function, jobs: list, workers: int | None, progress: bool, label: str) -> Iterator:
    """Yield an iterator over `function(job)` in order, over processes when it pays.

    Processes are spawned, so a script that renders must be importable: guard its entry with
    `if __name__ == "__main__":`. `workers` 1 renders in this process.
    """
    if workers is not None and workers < 1:
        raise ValueError(f"workers is {workers}; expected 1 or more, or None for all cores.")
    count = min(workers or available_workers(), max(1, len(jobs) // 8))
    bar = {"total": len(jobs), "desc": label, "unit": "place", "disable": not progress}
    if count == 1:
        with _one_opencv_thread():
            yield iter(tqdm(map(function, jobs), **bar))
        return
    context = multiprocessing.get_context("spawn")
    chunk = max(1, min(4, len(jobs) // (4 * count)))  # few: Ctrl-C waits for those begun
    pool = ProcessPoolExecutor(count, context, _start_worker)
    try:
        yield iter(tqdm(pool.map(function, jobs, chunksize=chunk), **bar))
    except BrokenProcessPool as error:
        raise ChildProcessError(
            "a rendering process ended early: killed, as for want of memory (try fewer workers), "
            "or never begun. Processes are spawned: a script must guard its entry with "
            '`if __name__ == "__main__":`; where that cannot be, use workers=1.'
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


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


def estimate(settings: WorldSettings, workers: int | None = None, flights: int = 1) -> Estimate:
    """Return the time and size of rendering a world, from a timed sample of two places.

    `flights` is the number of orbits a place: 1 for University-1652, 4 for SUES-200.
    """
    return estimate_world(make_world(settings), workers, flights)


def estimate_world(world: World, workers: int | None = None, flights: int = 1) -> Estimate:
    """Return the time and size of rendering a world that is made already, of any kind."""
    workers = workers or available_workers()
    few = min(world.settings.drone_views, 4)
    sample = world.places[:2]
    spans, sizes = [], []
    for views in (1, 1 + few):
        orbits = (tuple(university_orbit(views)),)
        with _one_opencv_thread():
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
