"""The probe on photographs: the same two alternatives, edited in an aerial tile.

A drone view here is a warp of flat ground, as in `dphr_lab.scenes.photos`: no parallax and no
façades.
"""

from dataclasses import replace

import numpy as np

from dphr_lab.probe.stimuli import Stimuli, StimulusSettings, assemble, generator, is_near
from dphr_lab.scenes import decode, photograph, university_orbit, vary
from dphr_lab.scenes.photos import (
    EDIT_KINDS,
    PhotoPlace,
    PhotoWorld,
    apply_edit,
    make_edit,
    satellite_view,
)
from dphr_lab.scenes.processes import mapped

_TRIES = 4  # draws of an edit, until one meets its dose


def photo_stimuli(
    world: PhotoWorld,
    settings: StimulusSettings | None = None,
    workers: int | None = None,
    progress: bool = True,
) -> Stimuli:
    """Stimuli on the tiles of `world` that no training place shows, as they were before any edit.

    `settings` None: as many places as there are such tiles, all kinds of `photos.EDIT_KINDS`, fair
    days. The dose is the edited ground area; one that finds no room has no trial. Raises
    ValueError for kinds of rendered towns or for more places than tiles. Taught in: book/22.
    """
    tiles = {place.tile: place for place in (*world.test, *world.distractors)}
    settings = settings or StimulusSettings(len(tiles), kinds=EDIT_KINDS)
    if not set(settings.kinds) <= set(EDIT_KINDS):
        raise ValueError(f"kinds are {settings.kinds}; expected some of {', '.join(EDIT_KINDS)}")
    if settings.places > len(tiles):
        raise ValueError(
            f"places is {settings.places}, and {len(tiles)} tiles are shown by no training place; "
            "ask for fewer, or for a world with more test places"
        )
    jobs = [
        (settings, _unedited(place, settings), number)
        for number, place in enumerate(list(tiles.values())[: settings.places])
    ]
    with mapped(_photograph_tile, jobs, workers, progress, "stimuli") as done:
        return assemble(settings, list(done))


def _unedited(place: PhotoPlace, settings: StimulusSettings) -> PhotoPlace:
    """The tile itself as a place without twins, seen at the probe's size on the probe's days."""
    days = replace(place.settings, image_px=settings.image_px, weather=settings.weather)
    return replace(place, twin=0, family_size=1, settings=days)


def _photograph_tile(job) -> tuple[np.ndarray, np.ndarray, list]:
    """(drone view, satellite images, trials) of a tile; the first satellite image is unedited."""
    settings, place, number = job
    rng = generator(settings, 5, number)
    orbit = university_orbit(24)
    pose = place.pose(orbit[int(rng.integers(len(orbit)))], 0)
    day, pass_day = place.conditions("drone"), place.conditions("satellite")
    drone = decode(photograph(place.drone_views(day)(pose), vary(day, rng), rng))
    noise, trials = int(rng.integers(1 << 30)), _trials(settings, place, number)
    images = [place.image, *(apply_edit(place.image, edit) for _, _, edit in trials)]
    views = []
    for i, image in enumerate(images):  # edited or not, every one is made here
        view = satellite_view(image, settings.image_px, pass_day.haze)
        drawn = np.random.default_rng(noise + i if settings.own_noise else noise)
        views.append(decode(photograph(view, pass_day, drawn)))
    return drone, np.stack(views), trials


def _trials(settings: StimulusSettings, place: PhotoPlace, number: int) -> list:
    """The (kind, asked dose, edit) that a tile can take."""
    found = []
    for kind, name in enumerate(settings.kinds):
        for dose_m2 in (0.0, *settings.doses_m2):
            rng = generator(settings, 6, number, EDIT_KINDS.index(name), round(100 * dose_m2))
            for _ in range(_TRIES):
                edit = make_edit(place.image, name, dose_m2, place.settings.gsd_m, rng)
                if edit and (dose_m2 == 0 or is_near(edit.area_m2, dose_m2)):
                    found.append((kind, dose_m2, edit))
                    break
    return found
