"""The probe on photographs: its stimuli give nothing away, and a registered observer passes it."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from dphr_lab.probe import ALL_KINDS, StimulusSettings, make_stimuli, photo_stimuli, probe
from dphr_lab.scenes.photos import EDIT_KINDS, make_photo_world
from dphr_lab.settings.worlds import PhotoWorldSettings
from tests.helpers.photos import thumbnails

GSD_M = 0.3
SETTINGS = StimulusSettings(6, doses_m2=(10, 40, 80), kinds=EDIT_KINDS, image_px=64)


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """Drawn tiles: a ground of its own tone and forty rectangles each."""
    folder = tmp_path_factory.mktemp("tiles")
    for i in range(14):
        rng = np.random.default_rng(i)
        image = np.clip(rng.normal(rng.uniform(60, 190, 3), 6, (256, 256, 3)), 0, 255)
        for _ in range(40):
            x, y, w, h = *rng.integers(0, 230, 2).tolist(), *rng.integers(8, 30, 2).tolist()
            cv2.rectangle(image, (x, y), (x + w, y + h), rng.uniform(20, 235, 3).tolist(), -1)
        assert cv2.imwrite(str(folder / f"{i:02d}.png"), image.astype(np.uint8))
    settings = PhotoWorldSettings(
        str(folder), GSD_M, train_places=12, test_places=18, distractor_places=3, image_px=64
    )
    return make_photo_world(settings, thumbnails, progress=False)


@pytest.fixture(scope="module")
def stimuli(world):
    return photo_stimuli(world, SETTINGS, workers=1, progress=False)


def test_dose_0_is_one_picture_and_every_other_dose_is_met(stimuli):
    first, second = stimuli.satellite[stimuli.pairs[stimuli.doses_m2 == 0]].swapaxes(0, 1)
    assert len(first) == 18 and np.array_equal(first, second)
    asked = stimuli.doses_m2 > 0
    ratio = stimuli.areas_m2[asked] / stimuli.doses_m2[asked]
    assert asked.sum() > 40 and ((ratio > 1 / 1.26) & (ratio < 1.26)).all()
    differ = (stimuli.satellite[stimuli.pairs[asked, 0]] != stimuli.satellite[
        stimuli.pairs[asked, 1]]).any((1, 2, 3))  # fmt: skip
    assert differ.all()


def test_the_tiles_are_shown_by_no_training_place_and_unedited(world, stimuli):
    trained = {place.tile for place in world.train}
    shown = {place.tile for place in (*world.test, *world.distractors)}
    assert not trained & shown and len(stimuli.drone) == 6 <= len(shown)
    with pytest.raises(ValueError, match=f"places is 99, and {len(shown)} tiles"):
        photo_stimuli(world, replace(SETTINGS, places=99))


def test_who_sees_both_from_above_is_right_and_who_is_constant_is_not(stimuli):
    """The true satellite image for the drone's view: an observer who undid the warp."""
    right = stimuli.pairs[np.arange(len(stimuli.answers)), stimuli.answers]
    first = [np.flatnonzero(stimuli.places == place)[0] for place in range(6)]
    registered = replace(stimuli, drone=stimuli.satellite[right[first]])

    def pixels(images):
        return images.float().flatten(1) - 128

    curve = probe(pixels, registered, resamples=20).curves[ALL_KINDS]
    assert curve.correct[-1] >= 99
    turned = replace(registered, answers=1 - registered.answers)
    assert probe(pixels, turned, resamples=20).curves[ALL_KINDS].correct[-1] <= 1
    constant = probe(lambda images: pixels(images)[:, :3] * 0 + 1, stimuli, resamples=20)
    assert set(constant.curves[ALL_KINDS].correct) == {50.0}


def test_stimuli_are_a_function_of_their_settings(world, stimuli):
    again = photo_stimuli(world, SETTINGS, workers=1, progress=False)
    assert np.array_equal(again.drone, stimuli.drone)
    assert np.array_equal(again.satellite, stimuli.satellite)
    other = photo_stimuli(world, replace(SETTINGS, seed=1), workers=1, progress=False)
    assert not np.array_equal(other.drone, stimuli.drone)


def test_kinds_of_towns_and_of_photographs_are_not_mixed(world):
    with pytest.raises(ValueError, match="expected some of patch copied"):
        photo_stimuli(world, StimulusSettings(2))
    with pytest.raises(ValueError, match="are for photo_stimuli"):
        make_stimuli(replace(SETTINGS, places=1))
    with pytest.raises(ValueError, match="kinds is"):
        StimulusSettings(kinds=("building removed", "patch moved"))
