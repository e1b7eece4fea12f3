"""The texture knob: 0 changes nothing, 1 adds grain that belongs to the scene, at little cost."""

import time
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("cv2")

import cv2

from dphr_lab.scenes import Conditions, Flight, Pose, make_world, render_world
from dphr_lab.scenes.towns.solids import DETAIL, ROOF, build
from dphr_lab.scenes.towns.texture import build_covered, street_furniture, vary_crowns
from dphr_lab.settings.worlds import PRESETS

DAY = Conditions(haze=0.0, noise=0.0, jpeg_quality=100)
SMALL = replace(PRESETS["tiny"], image_px=48, drone_views=2)
POSE = Pose(150.0, 200.0)
DOWN = Pose(120.0, 180.0, 90.0)


@pytest.fixture(scope="module")
def scenes():
    return [place.scene for place in make_world(replace(SMALL, family_size=1)).train[:6]]


def fine(image):
    """Mean contrast at a pixel's distance."""
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(float)
    return np.abs(np.diff(grey, axis=0)).mean() + np.abs(np.diff(grey, axis=1)).mean()


@pytest.mark.slow
def test_texture_0_is_the_plain_world_bit_for_bit(scenes):
    # What a Flight without the knob draws, which knows nothing of it, and what a world renders.
    for scene in scenes[:3]:
        plain, zero = (Flight(scene, DAY, 64, **knob) for knob in ({}, {"texture": 0.0}))
        np.testing.assert_array_equal(plain.drone(POSE), zero.drone(POSE))
    worlds = [
        render_world(make_world(settings), workers=1, progress=False)
        for settings in (SMALL, replace(SMALL, texture=0.0), replace(SMALL, texture=1.0))
    ]
    same, rough = ([w["test"]["drone"][0] for w in pair] for pair in (worlds[:2], worlds[::2]))
    np.testing.assert_array_equal(*same)
    assert (rough[0] != rough[1]).mean() > 0.5


def test_texture_adds_fine_structure_and_keeps_the_layout(scenes):
    for scene in scenes:
        views = [Flight.for_satellite(scene, DAY, 128, t).satellite() for t in (0.0, 0.5, 1.0)]
        assert fine(views[0]) < fine(views[1]) < fine(views[2])
        broad = [cv2.resize(view, (8, 8), interpolation=cv2.INTER_AREA) for view in views]
        assert np.corrcoef(broad[0].ravel(), broad[2].ravel())[0, 1] > 0.8


def test_the_grain_belongs_to_the_ground(scenes):
    # Two flights over bare ground by different cameras see the same grain at the same spot.
    for scene in scenes[:3]:
        bare = replace(scene, buildings=(), trees=(), roads=())
        below = [
            Flight(bare, DAY, 256, width_m=w, texture=1.0).drone(DOWN)
            for w in (110.0, 140.0)
        ]  # fmt: skip
        grey = [cv2.GaussianBlur(view[..., 1].astype(np.float32), (0, 0), 2) for view in below]
        other = Flight(scenes[-1], DAY, 256, texture=1.0).drone(DOWN)[..., 1]
        other = cv2.GaussianBlur(other.astype(np.float32), (0, 0), 2)
        match = np.corrcoef(grey[0].ravel(), grey[1].ravel())[0, 1]
        assert match > 0.8 > 0.5 > np.corrcoef(grey[0].ravel(), other.ravel())[0, 1]


def test_cars_stand_on_streets_and_change_by_the_day(scenes):
    for scene in scenes:
        streets = [road for road in scene.roads if road.kind == "street"]
        dashes, cars = street_furniture(scene, 100.0, day=1500)
        if not streets:
            assert len(dashes) == len(cars) == 0
            continue
        assert len(cars) and np.abs(cars).max() < 100
        sides = np.linalg.norm(np.diff(cars, axis=1), axis=-1)
        np.testing.assert_allclose(sides, np.tile([4.4, 1.8, 4.4], (len(cars), 1)))
        np.testing.assert_allclose(
            np.linalg.norm(dashes[:, 1] - dashes[:, 0], axis=1), 3.5, atol=0.3
        )
        for middle in cars.mean(1):
            gaps = []
            for road in streets:
                points = np.array(road.points)
                a, d = points[:-1], np.diff(points, axis=0)
                t = np.clip(((middle - a) * d).sum(1) / (d**2).sum(1), 0, 1)
                gaps.append(np.hypot(*(a + t[:, None] * d - middle).T).min() - road.width_m / 2)
            assert min(gaps) < 0
        again, other = (street_furniture(scene, 100.0, day)[1] for day in (1500, 1501))
        np.testing.assert_array_equal(cars, again)
        assert cars.shape != other.shape or (cars != other).any()


def test_bands_cover_the_roof_in_its_plane(scenes):
    for building in scenes[0].buildings[:20]:
        plain, covered = build(building), build_covered(building, False, 1.0)
        new = covered.faces[len(plain.faces) :]
        roofs = [f for f, layer in zip(plain.faces, plain.layers, strict=True) if layer == ROOF]
        assert len(new) == 3 * sum(len(face) == 4 for face in roofs)
        layers = covered.layers[len(plain.faces) :]
        assert ((layers > ROOF) & (layers < DETAIL)).all()
        for face, normal in zip(new, covered.normals[len(plain.faces) :], strict=True):
            np.testing.assert_allclose((face - face[0]) @ normal, 0, atol=1e-6)


def test_crowns_vary_about_their_size():
    trees = np.random.default_rng(0).uniform(-100, 100, (400, 6))
    trees[:, 2:4] = 3.0, 6.0
    varied = vary_crowns(trees, 1.0)
    assert 0.9 < np.median(varied[:, 2]) / 3 < 1.1 and varied[:, 2].std() > 0.8
    assert (trees[:, 2] == 3).all()  # the scene's own table is left alone
    np.testing.assert_array_equal(varied[:, [0, 1, 4, 5]], trees[:, [0, 1, 4, 5]])


@pytest.mark.slow
def test_texture_is_cheap(scenes):
    def seconds(texture):
        start = time.process_time()
        for scene in scenes:
            flight = Flight(scene, DAY, 64, texture=texture)
            for azimuth_deg in (0.0, 90.0, 180.0, 270.0):
                flight.drone(Pose(150.0, azimuth_deg))
        return time.process_time() - start

    seconds(1.0), seconds(0.0)  # warm up
    plain, rough = (min(seconds(texture) for _ in range(2)) for texture in (0.0, 1.0))
    assert rough < 2 * plain  # measured 1.3; a busy machine scatters


def test_wrong_texture_is_named():
    with pytest.raises(ValueError, match=r"texture is 1\.5"):
        replace(SMALL, texture=1.5)
