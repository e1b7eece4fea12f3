"""Stimuli of the probe: a drone view, its true satellite image, and one with a single change.

A place of the probe is a Twin Towns layout that no world has (families from `FIRST_FAMILY` on).
Small sheds and paved squares are added where it has nothing of an asked size. The drone sees it
once. The satellite sees it unchanged, and again with each recorded change, from the same spot, on
the same day, through the same camera. Only the change differs between the two alternatives of a
trial.
"""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from dphr_lab.scenes import (
    CHANGE_KINDS,
    CHANGE_RADIUS_M,
    Building,
    Change,
    Conditions,
    Flight,
    Patch,
    Pose,
    Scene,
    apply_change,
    decode,
    make_change,
    make_layout,
    photograph,
    sample_conditions,
    university_orbit,
    vary,
)
from dphr_lab.scenes.photos import EDIT_KINDS, Edit
from dphr_lab.scenes.processes import mapped
from dphr_lab.scenes.towns.description import is_central, rotate
from dphr_lab.scenes.towns.districts import DISTRICTS, LAID_FIRST
from dphr_lab.settings.checks import check_value

DOSES_M2 = (5.0, 10.0, 20.0, 40.0, 80.0, 160.0, 320.0)
LARGEST_M2 = np.pi * CHANGE_RADIUS_M**2  # no change reaches beyond
FIRST_FAMILY = 1_000_000  # worlds number their families from 0: none of theirs is met here
NEAR_DOSE = 1.25  # a change counts as of a dose when its area is within this factor of it
WHOLE_OBJECTS = ("building removed", "building recoloured", "field swapped")  # dose = its size


@dataclass(frozen=True)
class StimulusSettings:
    """The settings that decide the stimuli, together with the versions of the packages."""

    places: int = 200  # places, each with one drone view
    doses_m2: tuple[float, ...] = DOSES_M2  # changed ground areas to ask for; 0 is always added
    kinds: tuple[str, ...] = CHANGE_KINDS  # kinds of change, or of photos.EDIT_KINDS
    image_px: int = 64  # side of every image, pixels
    weather: float = 0.0  # how far the days of the two views may differ, 0 (fair) to 1 (any)
    own_noise: bool = False  # sensor noise drawn anew for each alternative, not shared by a place's
    seed: int = 0  # everything drawn depends on it

    def __post_init__(self):
        object.__setattr__(self, "doses_m2", tuple(float(dose) for dose in self.doses_m2))
        object.__setattr__(self, "kinds", tuple(self.kinds))
        check_value("places", self.places, 1 <= self.places <= 10**6, "1 or more, 1e6 at most")
        check_value("seed", self.seed, self.seed >= 0, "0 or more")
        px = self.image_px
        check_value("image_px", px, 16 <= px <= 4096, "16 or more pixels, 4096 at most")
        check_value("weather", self.weather, 0 <= self.weather <= 1, "0 (fair) to 1 (any day)")
        rising = all(a < b for a, b in zip((0.0, *self.doses_m2), self.doses_m2, strict=False))
        right = self.doses_m2 and rising and self.doses_m2[-1] <= LARGEST_M2
        expected = f"square metres above 0, rising, {LARGEST_M2:,.0f} at most"
        check_value("doses_m2", self.doses_m2, right, expected)
        known = any(set(self.kinds) <= set(kinds) for kinds in (CHANGE_KINDS, EDIT_KINDS))
        known = known and len(set(self.kinds)) == len(self.kinds)
        expected = f"some of {', '.join(CHANGE_KINDS)}, or, of photographs, {', '.join(EDIT_KINDS)}"
        check_value("kinds", self.kinds, self.kinds and known, expected)

    @classmethod
    def from_dict(cls, values: dict) -> "StimulusSettings":
        """The settings that `dataclasses.asdict` wrote, tuples given as lists."""
        return cls(**values)


@dataclass(frozen=True, eq=False)
class Stimuli:
    """N drone views, M satellite images in a random order, and T two-alternative trials on them.

    Trial t asks which of `satellite[pairs[t]]` shows the place of `drone[places[t]]`; the right
    one is `pairs[t, answers[t]]`, the other shows the place after `changes[t]`.
    """

    settings: StimulusSettings
    drone: np.ndarray  # (N, 3, px, px) uint8 RGB
    satellite: np.ndarray  # (M, 3, px, px) uint8 RGB
    places: np.ndarray  # (T,) int64, index into `drone`
    kinds: np.ndarray  # (T,) int64, index into `settings.kinds`
    doses_m2: np.ndarray  # (T,) asked; 0: nothing is changed
    areas_m2: np.ndarray  # (T,) met, within `NEAR_DOSE` of the dose
    pairs: np.ndarray  # (T, 2) int64, indices into `satellite`
    answers: np.ndarray  # (T,) int64, 0 or 1
    changes: tuple[Change | Edit, ...]  # T records

    @cached_property
    def counts(self) -> np.ndarray:
        """Trials by kind and dose, (kinds, 1 + doses), dose 0 first."""
        doses = np.searchsorted((0.0, *self.settings.doses_m2), self.doses_m2)
        table = np.zeros((len(self.settings.kinds), 1 + len(self.settings.doses_m2)), int)
        np.add.at(table, (self.kinds, doses), 1)
        return table

    @property
    def missing(self) -> np.ndarray:
        """Places that could not take a dose of a kind, (kinds, 1 + doses): they have no trial."""
        return len(self.drone) - self.counts

    def check(self) -> None:
        """Raise ValueError unless the two pictures of dose 0 are one, as shared noise makes them.

        With `own_noise` there is nothing to check here: then the share at dose 0 tells.
        """
        pairs = self.pairs[self.doses_m2 == 0]
        differ = (self.satellite[pairs[:, 0]] != self.satellite[pairs[:, 1]]).any((1, 2, 3))
        if differ.any() and not self.settings.own_noise:
            raise ValueError(
                f"stimuli: {differ.sum()} of the {len(pairs)} pairs of dose 0 differ: the changed "
                "pictures were not made as the unchanged ones, and give answers away"
            )

    def __str__(self) -> str:
        doses = (0.0, *self.settings.doses_m2)
        lines = [
            f"{len(self.drone)} places, {len(self.answers):,} trials, "
            f"{len(self.satellite):,} satellite images of {self.settings.image_px} px",
            f"{'trials at m²':20}" + "".join(f"{dose:6g}" for dose in doses),
        ]
        for kind, row in zip(self.settings.kinds, self.counts, strict=True):
            lines.append(f"{kind:20}" + "".join(f"{n:6d}" for n in row))
        return "\n".join(lines)


def make_stimuli(
    settings: StimulusSettings | None = None, workers: int | None = None, progress: bool = True
) -> Stimuli:
    """Render the stimuli of some settings (None: the defaults, 200 places at 64 px).

    `workers` None uses all cores; the result does not depend on it. A dose that a place cannot
    take at a kind has no trial there and is counted in `Stimuli.missing`. Taught in: book/22.
    """
    settings = settings or StimulusSettings()
    jobs = [(settings, place) for place in range(settings.places)]
    if not set(settings.kinds) <= set(CHANGE_KINDS):
        raise ValueError(
            f"kinds are {settings.kinds}; expected some of {', '.join(CHANGE_KINDS)}; edits of "
            "photographs are for photo_stimuli"
        )
    with mapped(_photograph_place, jobs, workers, progress, "stimuli") as done:
        return assemble(settings, list(done))


def assemble(settings: StimulusSettings, shot: list) -> Stimuli:
    """Trials of each place's (drone view, satellite images, [(kind, dose, change)]), shuffled.

    The first of a place's satellite images is the true one, the others show its changes in turn.
    """
    drone = np.stack([view for view, _, _ in shot])
    satellite = np.concatenate([views for _, views, _ in shot])
    rng = generator(settings, 3)
    order = rng.permutation(len(satellite))  # neither place nor role shows in an image's number
    number = np.empty_like(order)
    number[order] = np.arange(len(order))
    rows, changes, first = [], [], 0
    for place, (_, views, trials) in enumerate(shot):
        for i, (kind, dose_m2, change) in enumerate(trials):
            rows.append((place, kind, dose_m2, change.area_m2, first, first + 1 + i))
            changes.append(change)
        first += len(views)
    places, kinds, doses_m2, areas_m2, true, changed = (
        np.array(column) for column in zip(*rows, strict=True)
    )
    answers = rng.integers(2, size=len(rows))
    pairs = np.column_stack([number[true], number[changed]])
    pairs = np.where(answers[:, None] == 0, pairs, pairs[:, ::-1])
    return Stimuli(
        settings, _channels_first(drone), _channels_first(satellite[order]), places, kinds,
        doses_m2, areas_m2, pairs, answers, tuple(changes),
    )  # fmt: skip


def probe_scene(settings: StimulusSettings, place: int) -> Scene:
    """A place as the drone and the unchanged satellite image show it.

    It is the layout with a shed or a paved square for each dose that no object of it has.
    """
    scene = make_layout(settings.seed, FIRST_FAMILY + place)
    rng = generator(settings, 0, place)
    for kind in sorted({_pool(kind) for kind in settings.kinds if kind in WHOLE_OBJECTS}):
        for dose_m2 in settings.doses_m2:
            if sample_change(scene, kind, dose_m2, rng) is None:
                scene = _add_object(scene, kind, dose_m2, rng)
    return scene


def probe_days(settings: StimulusSettings, place: int) -> tuple[Pose, Conditions, Conditions]:
    """Where the drone stood, its day, and the day of every satellite image of a place."""
    rng = generator(settings, 2, place)
    pose = university_orbit(24)[int(rng.integers(24))]
    return pose, *(
        sample_conditions(rng, view, settings.weather) for view in ("drone", "satellite")
    )


def sample_change(
    scene: Scene, kind: str, dose_m2: float, rng: np.random.Generator
) -> Change | None:
    """Draw a change of a kind whose area is within `NEAR_DOSE` of the dose, None if there is none.

    The object is any of the central ones that can take it; sheds and squares made for the probe
    are neither moved nor resized. Dose 0 gives a change that changes nothing.
    """
    things = scene.patches if kind == "field swapped" else scene.buildings
    things = [t for t in things if is_central(t)]
    if kind not in WHOLE_OBJECTS:
        things = [t for t in things if not t.name.startswith("probe")]
    elif dose_m2 > 0:
        things = [t for t in things if is_near(t.area_m2, dose_m2)]
    for index in rng.permutation(len(things)):
        change = make_change(scene, kind, dose_m2, rng, (things[index].name,))
        if change and (dose_m2 == 0 or is_near(change.area_m2, dose_m2)):
            return change
    return None


def is_near(area_m2: float, dose_m2: float) -> bool:
    """Whether an area counts as of a dose."""
    return dose_m2 / NEAR_DOSE <= area_m2 <= dose_m2 * NEAR_DOSE


def _pool(kind: str) -> str:
    """One kind for all that take their objects from the same things."""
    return "field swapped" if kind == "field swapped" else "building removed"


def _add_object(scene: Scene, kind: str, area_m2: float, rng: np.random.Generator) -> Scene:
    """The scene with a flat shed or a paved square of an area, if there is room for it."""
    side_m = round(float(np.sqrt(area_m2)), 2)
    radius = 0.9 * CHANGE_RADIUS_M * np.sqrt(rng.random(400))
    angle = rng.uniform(0, 2 * np.pi, 400)
    spots = np.column_stack([radius * np.cos(angle), radius * np.sin(angle)]).round(2)
    free = np.flatnonzero(_is_room(scene, spots, side_m))
    if not len(free):
        return scene
    (x, y), heading = spots[free[0]].tolist(), scene.buildings[0].heading_deg
    name, detail = f"probe-{area_m2:g}", int(rng.integers(1 << 30))
    if kind == "field swapped":
        paved = ("plaza", "car_park", "bare")[int(rng.integers(3))]
        made = Patch(name, paved, x, y, side_m, side_m, heading, detail)
        return replace(scene, patches=(*scene.patches, made))
    district = DISTRICTS[scene.style]
    roof, wall = (
        palette[int(rng.integers(len(palette)))]
        for palette in (district.roof_palette, district.wall_palette)
    )
    size = {"length_m": side_m, "width_m": side_m, "height_m": 3.0, "heading_deg": heading}
    look = {"shape": "block", "roof": "flat", "roof_colour": roof, "wall_colour": wall}
    made = Building(name, x, y, **size, **look, detail=detail)
    return replace(scene, buildings=(*scene.buildings, made))


def _is_room(scene: Scene, spots: np.ndarray, side_m: float) -> np.ndarray:
    """For each spot (n, 2), whether a square in line with the buildings touches nothing."""
    laid = [p for p in scene.patches if p.kind not in LAID_FIRST]
    room = np.ones(len(spots), bool)
    for thing in (*scene.buildings, *laid):  # all stand along the same two directions
        local = np.abs(rotate(spots - (thing.x, thing.y), -thing.heading_deg))
        gap = (local - (thing.length_m / 2, thing.width_m / 2)).max(1)
        room &= gap > side_m / 2 + 1.0
    lines = [(((t.x, t.y), (t.x, t.y + 0.1)), 1.0) for t in scene.trees if is_central(t)]
    lines += [(road.points, road.width_m / 2 + 1.0) for road in scene.roads]
    lines += [((*lake.outline, lake.outline[0]), 1.0) for lake in scene.water]
    for points, margin_m in lines:
        start, step = np.array(points)[:-1], np.diff(points, axis=0)
        along = ((spots[:, None] - start) * step).sum(-1) / (step**2).sum(-1)
        nearest = start + np.clip(along, 0, 1)[..., None] * step
        gap = np.hypot(*(spots[:, None] - nearest).transpose(2, 0, 1)).min(1)
        room &= gap > side_m * np.sqrt(0.5) + margin_m
    return room


def _trials(settings: StimulusSettings, scene: Scene, place: int) -> list:
    """The (kind, asked dose, change) that a place can take."""
    found = []
    for kind, name in enumerate(settings.kinds):
        for dose_m2 in (0.0, *settings.doses_m2):
            # a generator for each: a trial does not depend on what else was asked for
            rng = generator(settings, 1, place, CHANGE_KINDS.index(name), round(100 * dose_m2))
            change = sample_change(scene, name, dose_m2, rng)
            if change is not None:
                found.append((kind, dose_m2, change))
    return found


def _photograph_place(job) -> tuple[np.ndarray, np.ndarray, list]:
    """(drone view, satellite images, trials) of a place; the first satellite image is unchanged."""
    settings, place = job
    scene, px = probe_scene(settings, place), settings.image_px
    pose, day, pass_day = probe_days(settings, place)
    rng = generator(settings, 4, place)
    drone = decode(photograph(Flight(scene, day, px).drone(pose), vary(day, rng), rng))
    noise, trials = int(rng.integers(1 << 30)), _trials(settings, scene, place)
    scenes = [scene, *(apply_change(scene, change) for _, _, change in trials)]
    views = [
        _from_above(each, pass_day, px, noise + i if settings.own_noise else noise)
        for i, each in enumerate(scenes)
    ]
    return drone, np.stack(views), trials


def _from_above(scene: Scene, day: Conditions, px: int, noise: int) -> np.ndarray:
    """Every satellite image of the probe, changed or not, is made here."""
    view = Flight.for_satellite(scene, day, px).satellite()
    return decode(photograph(view, day, np.random.default_rng(noise)))


def generator(settings: StimulusSettings, *keys: int) -> np.random.Generator:
    """The generator of one use, which the first key names; uses share no sequence."""
    return np.random.default_rng([settings.seed, 10, *keys])


def _channels_first(images: np.ndarray) -> np.ndarray:
    """(n, px, px, 3) -> (n, 3, px, px)"""
    return np.ascontiguousarray(images.transpose(0, 3, 1, 2))
