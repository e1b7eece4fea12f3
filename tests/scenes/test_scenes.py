"""Twin Towns: cameras by closed form, twins by their records, files by the published layouts."""

import hashlib
import json
import os
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("cv2")

import dphr_lab
from dphr_lab.scenes import (
    CHANGE_KINDS,
    CHANGE_RADIUS_M,
    SATELLITE_WIDTH_M,
    SEASONS,
    Building,
    Conditions,
    Flight,
    Pose,
    Scene,
    Tree,
    apply_change,
    camera_axes,
    camera_position,
    decode,
    drone_matrix,
    estimate,
    make_change,
    make_layout,
    make_twin,
    make_world,
    photograph,
    project,
    render_drone,
    render_satellite,
    render_world,
    sample_conditions,
    satellite_matrix,
    sues_orbit,
    sun_direction,
    university_orbit,
    write_sues200,
    write_university1652,
)
from dphr_lab.settings.protocol import sues200_split
from dphr_lab.settings.worlds import PRESETS, WorldSettings, preset
from tests.helpers import case

SMALL = replace(PRESETS["tiny"], image_px=32, drone_views=2)
CLEAR = Conditions(haze=0.0, noise=0.0, jpeg_quality=100)


def bare(buildings=(), trees=(), style="park"):
    return Scene(style, 1, 0.5, (), (), (), tuple(buildings), tuple(trees))


def house(x=0.0, y=0.0, colour=(230, 20, 20), **changes):
    plain = Building(
        "house", x, y, 24.0, 16.0, 8.0, 0.0, "block", "flat", colour, (200, 200, 200), 1
    )
    return replace(plain, **changes)


def red(image):
    """Where an image is clearly red: (rows, columns)."""
    image = image.astype(int)
    return np.nonzero(image[..., 0] > 60 + np.maximum(image[..., 1], image[..., 2]))


def digest(folder: Path) -> dict[str, str]:
    return {
        str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest()
        for p in sorted(folder.rglob("*"))
        if p.is_file()
    }


def with_package() -> dict[str, str]:
    """The environment of a process that finds the package, installed or not."""
    return {**os.environ, "PYTHONPATH": str(Path(dphr_lab.__file__).parents[1])}


# ---------------------------------------------------------------- cameras


@pytest.mark.parametrize("altitude_m, fov_deg", [(100.0, 60.0), (256.0, 45.0)])
def test_a_nadir_view_shows_2_h_tan_half_fov(altitude_m, fov_deg):
    matrix = drone_matrix(Pose(altitude_m, 180.0, 90.0, fov_deg), 200)
    half_m = altitude_m * np.tan(np.radians(fov_deg) / 2)
    # Standing to the south at 90 degrees: up is north, right is east.
    pixels, depth = project(matrix, [[half_m, 0, 0], [-half_m, 0, 0], [0, half_m, 0], [0, 0, 0]])
    np.testing.assert_allclose(pixels, [[200, 100], [0, 100], [100, 0], [100, 100]], atol=1e-9)
    np.testing.assert_allclose(depth, altitude_m)


def test_the_camera_looks_at_the_centre():
    for pose in university_orbit(54)[::7] + sues_orbit(150, 8):
        with case(pose):
            pixels, depth = project(drone_matrix(pose, 64), [0, 0, 0])
            np.testing.assert_allclose(pixels, [32, 32], atol=1e-9)
            assert depth == pytest.approx(pose.altitude_m / np.sin(np.radians(pose.pitch_deg)))
            axes = camera_axes(pose)
            np.testing.assert_allclose(axes @ axes.T, np.eye(3), atol=1e-12)
            assert np.linalg.det(axes) == pytest.approx(1)
            x, y, z = camera_position(pose)
            assert z == pose.altitude_m
            assert np.degrees(np.arctan2(x, y)) % 360 == pytest.approx(pose.azimuth_deg % 360)
            # Up in the world is up in the image.
            assert project(drone_matrix(pose, 64), [0, 0, 10])[0][1] < 32


def test_a_point_between_camera_and_ground_projects_where_similar_triangles_say():
    # A mast of height z under a nadir camera leans outwards by x h / (h - z).
    matrix = drone_matrix(Pose(100.0, 180.0, 90.0, 90.0), 200)
    pixels, _ = project(matrix, [[30.0, 0, 0], [30.0, 0, 40.0]])
    np.testing.assert_allclose(pixels[:, 0], [130.0, 100 + 30 * 100 / 60])


def test_the_satellite_is_north_up_and_orthographic():
    half_m = SATELLITE_WIDTH_M / 2
    points = [[-half_m, half_m, 0], [half_m, -half_m, 0], [0, 0, 0], [0, 0, 90]]
    pixels, _ = project(satellite_matrix(128), points)
    np.testing.assert_allclose(pixels, [[0, 0], [128, 128], [64, 64], [64, 64]], atol=1e-9)


def test_pictures_have_north_where_the_cameras_say():
    scene, rng = bare([house(y=40.0)]), np.random.default_rng(0)
    rows, columns = red(render_satellite(scene, 64, CLEAR, rng))
    assert len(rows) > 15 and rows.max() < 32 and abs(columns.mean() - 31.5) < 1.5
    south = render_drone(scene, Pose(200.0, 180.0), 64, CLEAR, rng)
    north = render_drone(scene, Pose(200.0, 0.0), 64, CLEAR, rng)
    west = render_drone(scene, Pose(200.0, 270.0), 64, CLEAR, rng)  # looks east: north is left
    assert red(south)[0].max() < 32 < red(north)[0].min()
    assert red(west)[1].max() < 32


def test_drawing_agrees_with_the_projection():
    roof, pose = house(x=20.0, y=-15.0), Pose(180.0, 75.0, 55.0)
    flight = Flight(bare([roof]), CLEAR, 256)
    wanted, _ = project(drone_matrix(pose, 256), [roof.x, roof.y, roof.height_m])
    rows, columns = red(flight.drone(pose))
    np.testing.assert_allclose([columns.mean() + 0.5, rows.mean() + 0.5], wanted, atol=1.5)


def test_orbits():
    orbit = university_orbit(54)
    altitudes = [pose.altitude_m for pose in orbit]
    assert len(orbit) == 54 and altitudes == sorted(altitudes, reverse=True)
    assert (altitudes[0], altitudes[-1]) == (256.0, 121.5)
    turns = np.diff(np.unwrap(np.radians([pose.azimuth_deg for pose in orbit]))).sum()
    assert turns == pytest.approx(3 * 2 * np.pi * 53 / 54, rel=1e-3)
    for views in (1, 2, 3, 4, 6):
        azimuths = {pose.azimuth_deg for pose in university_orbit(views)}
        assert len(azimuths) == views
    assert {pose.altitude_m for pose in sues_orbit(250, 50)} == {250}


# ---------------------------------------------------------------- light


@pytest.mark.parametrize("azimuth_deg", [100.0, 180.0, 230.0])
def test_shadows_fall_away_from_the_sun(azimuth_deg):
    sun = replace(CLEAR, sun_azimuth_deg=azimuth_deg, sun_elevation_deg=35.0)
    tower = house(length_m=10.0, width_m=10.0, height_m=30.0)
    with_tower = Flight(bare([tower]), sun, 128).satellite().astype(int)
    without = Flight(bare(), sun, 128).satellite().astype(int)
    rows, columns = np.nonzero(without.sum(-1) - with_tower.sum(-1) > 60)
    east, north = columns.mean() + 0.5 - 64, 64 - rows.mean() - 0.5
    away = -sun_direction(sun)[:2]
    shadow = np.array([east, north]) / np.hypot(east, north)
    assert shadow @ away / np.linalg.norm(away) > 0.97


def test_shadow_length_is_height_over_tan_elevation():
    sun = replace(CLEAR, sun_azimuth_deg=180.0, sun_elevation_deg=30.0)
    tower = house(length_m=10.0, width_m=10.0, height_m=30.0)
    lit, dark = (Flight(bare(b), sun, 160).satellite().astype(int) for b in ((), (tower,)))
    rows, _ = np.nonzero(lit.sum(-1) - dark.sum(-1) > 60)
    reach_m = (80 - rows.min()) * SATELLITE_WIDTH_M / 160
    assert reach_m == pytest.approx(5 + 30 / np.tan(np.radians(30)), abs=3)


def test_nearer_things_hide_farther_ones():
    near = house(y=-20.0, length_m=60.0, height_m=25.0, wall_colour=(20, 20, 230))
    hidden = house(y=-4.0, length_m=20.0, width_m=8.0, height_m=3.0)
    beside = replace(hidden, name="tree side", y=-36.0)
    pose = Pose(80.0, 180.0, 35.0)
    count = [
        len(red(Flight(bare(b), CLEAR, 128).drone(pose))[0])
        for b in ([replace(hidden)], [replace(near, roof_colour=(20, 20, 230)), hidden],
                  [replace(near, roof_colour=(20, 20, 230)), beside])
    ]  # fmt: skip
    assert count[0] > 100 and count[1] == 0 and count[2] > 100


def test_a_tree_before_the_far_end_of_a_long_wall_is_drawn_on_top():
    wall = house(length_m=90.0, width_m=8.0, height_m=14.0, heading_deg=45.0, colour=(90, 90, 90))
    # Off the wall's south-east side near its far end, farther from the camera than its middle.
    tree = Tree(34.0, 22.0, 3.0, 7.0, True, 0.5)
    pose = Pose(110.0, 180.0, 40.0)
    assert np.hypot(*(camera_position(pose)[:2] - (tree.x, tree.y))) > np.hypot(
        *camera_position(pose)[:2]
    )
    both = Flight(bare([wall], [tree]), CLEAR, 256).drone(pose).astype(int)
    alone = Flight(bare((), [tree]), CLEAR, 256).drone(pose).astype(int)
    u, v = project(drone_matrix(pose, 256), [tree.x, tree.y, 4.5])[0].astype(int)
    patch = np.s_[v - 2 : v + 3, u - 2 : u + 3]
    assert np.abs(both[patch] - alone[patch]).mean() < 8


def test_seasons_haze_and_light_change_the_picture():
    scene, pose = make_layout(0, 3), Pose(200.0, 90.0)
    plain = Flight(scene, CLEAR, 64).drone(pose).astype(float)
    winter = Flight(scene, replace(CLEAR, season="winter"), 64).drone(pose).astype(float)
    hazy = Flight(scene, replace(CLEAR, haze=0.6), 64).drone(pose).astype(float)
    assert np.abs(winter - plain).mean() > 4
    assert hazy.std() < 0.8 * plain.std()
    assert hazy[:8].std() / plain[:8].std() < hazy[-8:].std() / plain[-8:].std()  # far: more haze
    rng = np.random.default_rng(0)
    dark = decode(photograph(plain.astype(np.uint8), replace(CLEAR, light=0.6), rng))
    assert dark.mean() == pytest.approx(0.6 * plain.mean(), rel=0.03)


def test_the_horizon_is_sky_not_ground():
    image = Flight(make_layout(0, 3), replace(CLEAR, haze=0.2), 64).drone(Pose(60.0, 0.0, 12.0))
    assert image[:4].std(axis=(0, 1)).max() < 1 and image[:4].mean() > 190


def test_views_draw_their_days_independently():
    places = make_world(replace(SMALL, train_places=400)).train
    for name in ("sun_azimuth_deg", "sun_elevation_deg", "haze", "light", "noise", "blur_px"):
        drone, satellite = (
            [getattr(place.conditions(view), name) for place in places]
            for view in ("drone", "satellite")
        )
        assert len(set(drone)) > 10
        assert abs(np.corrcoef(drone, satellite)[0, 1]) < 0.2, name  # four standard errors
    days = [[place.conditions(view).season for place in places] for view in ("drone", "satellite")]
    shares = [[seasons.count(season) / 400 for season in SEASONS] for seasons in days]
    same = np.mean([a == b for a, b in zip(*days, strict=True)])
    assert same == pytest.approx(np.dot(*shares), abs=0.1)
    with pytest.raises(ValueError, match="street"):
        sample_conditions(np.random.default_rng(0), "street")
    with pytest.raises(ValueError, match="weather is 2"):
        sample_conditions(np.random.default_rng(0), "drone", weather=2)


def test_weather_scales_the_days_from_fair_to_any():
    def days(weather):
        return [sample_conditions(np.random.default_rng(i), "drone", weather) for i in range(200)]

    fair, some, every = days(0), days(0.5), days(1)
    assert {(d.season, d.haze, d.light, d.white_balance) for d in fair} == {
        ("summer", 0.05, 1.0, (1.0, 1.0, 1.0))
    }
    assert len({d.sun_azimuth_deg for d in fair}) > 150  # the sun moves on every day
    assert {d.season for d in every} == set(SEASONS)
    assert np.std([d.light for d in some]) == pytest.approx(
        np.std([d.light for d in every]) / 2, rel=0.01
    )
    summers = [sum(d.season == "summer" for d in drawn) for drawn in (every, some)]
    assert summers[0] < summers[1] < 200


# ---------------------------------------------------------------- twins


def test_twins_differ_from_the_layout_exactly_by_their_records():
    for family in range(12):
        layout, touched = make_layout(7, family), []
        for twin in range(3):
            scene, changes = make_twin(7, family, twin, 3, 1.0)
            assert 1 <= len(changes) <= 2
            replayed = layout
            for change in changes:
                replayed = apply_change(replayed, change)
            assert replayed == scene != layout
            assert replace(scene, buildings=(), patches=()) == replace(
                layout, buildings=(), patches=()
            )
            names = {change.object for change in changes}
            changed = set(layout.buildings + layout.patches) - set(scene.buildings + scene.patches)
            assert {thing.name for thing in changed} == names
            for change in changes:
                assert change.kind in CHANGE_KINDS and change.area_m2 > 0
                for thing in (change.before, change.after or change.before):
                    assert np.hypot(thing.x, thing.y) <= CHANGE_RADIUS_M
            touched.append(names)
        # No object is changed twice: any two twins differ in two to four changes.
        assert len(set.union(*touched)) == sum(map(len, touched))


def test_twins_do_not_depend_on_the_order_in_which_they_are_made():
    forward = [make_twin(1, 5, twin, 3, 1.0) for twin in range(3)]
    make_layout.cache_clear()
    assert [make_twin(1, 5, twin, 3, 1.0) for twin in (2, 1, 0)][::-1] == forward


def test_twin_strength_scales_the_changed_area():
    def area(strength):
        twins = (make_twin(0, f, t, 3, strength) for f in range(12) for t in range(3))
        return sum(change.area_m2 for _, changes in twins for change in changes)

    assert area(0.0) == 0 < 1.5 * area(0.3) < area(1.0) < area(2.0)
    assert make_twin(0, 0, 0, 1, 1.0) == (make_layout(0, 0), ())


@pytest.mark.parametrize("kind", CHANGE_KINDS)
def test_one_change_of_a_kind_and_dose(kind):
    met = 0
    for family in range(8):
        layout = make_layout(3, family)
        nothing = make_change(layout, kind, 0.0, np.random.default_rng(0))
        if nothing is None:
            continue
        assert nothing.area_m2 == 0 and apply_change(layout, nothing) == layout
        change = make_change(layout, kind, 200.0, np.random.default_rng(0))
        if change is None:
            continue
        met += 1
        assert change.kind == kind and apply_change(layout, change) != layout
        if kind in ("building moved", "building resized"):
            assert change.area_m2 <= 205
        assert json.loads(json.dumps(change.to_dict()))["object"] == change.object
        with pytest.raises(ValueError, match=change.object):
            apply_change(apply_change(layout, change), change)
    assert met >= 4


def test_a_dose_of_zero_renders_identically():
    layout = make_layout(0, 0)
    same = apply_change(layout, make_change(layout, CHANGE_KINDS[0], 0, np.random.default_rng(1)))
    images = [
        render_drone(scene, Pose(150.0, 30.0), 48, Conditions(), np.random.default_rng(2))
        for scene in (layout, same)
    ]
    np.testing.assert_array_equal(*images)


def test_a_moved_rectangle_changes_the_area_that_it_says():
    change = make_change(bare([house()]), "building moved", 150.0, np.random.default_rng(4))
    a = abs(change.after.x - change.before.x)
    b = abs(change.after.y - change.before.y)
    covered = 2 * (24 * 16 - max(24 - a, 0) * max(16 - b, 0))
    assert covered == pytest.approx(change.area_m2, abs=1.5) == pytest.approx(150, abs=5)


def test_twins_are_told_apart_in_both_views_but_are_more_alike_than_strangers():
    # Judged without weather: one day for all. The share of pixels that clearly differ.
    def differ(a, b):
        return (np.abs(a.astype(int) - b).max(-1) > 30).mean()

    world = make_world(replace(SMALL, train_places=18, image_px=64))
    twins, strangers = [], []
    for view in ("satellite", "drone"):
        images = []
        for place in world.train:
            if view == "satellite":
                images.append(Flight.for_satellite(place.scene, CLEAR, 64).satellite())
            else:
                images.append(Flight(place.scene, CLEAR, 64).drone(Pose(150.0, 180.0)))
        for i, first in enumerate(world.train):
            for j, second in enumerate(world.train[:i]):
                share = differ(images[i], images[j])
                (twins if first.family == second.family else strangers).append(share)
                assert share > 0.004, (view, first.id, second.id)
    assert np.median(twins) < 0.25 * np.median(strangers)
    assert np.max(twins) < np.median(strangers)


# ---------------------------------------------------------------- worlds


def test_families_never_straddle_splits_and_ids_are_unique():
    world = make_world(replace(SMALL, train_places=13, test_places=7, distractor_places=4))
    families = [{p.family for p in part} for part in (world.train, world.test, world.distractors)]
    assert [len(f) for f in families] == [5, 3, 2] and len(set.union(*families)) == 10
    assert [p.id for p in world.places] == list(range(1, 25))
    assert [p.twin for p in world.train] == [0, 1, 2] * 4 + [0]


@pytest.mark.parametrize(("share", "twins"), [(0, 0), (1 / 3, 6), (0.66, 12), (1, 18)])
def test_a_share_of_the_places_has_twins(share, twins):
    settings = replace(SMALL, train_places=18, test_places=18, distractor_places=0)
    world = make_world(replace(settings, twin_share=share, twin_share_test=1))
    sizes = Counter(p.family for p in world.train)
    assert sum(size for size in sizes.values() if size > 1) == twins
    assert set(sizes.values()) <= {1, 3} and len({p.family for p in world.test}) == 6
    assert all(bool(p.changes) == (sizes[p.family] > 1) for p in world.train)
    assert not set(sizes) & {p.family for p in world.test}


def test_the_description_is_the_same_in_another_process():
    code = (
        "import hashlib; from dphr_lab.scenes import *;"
        "w = make_world(PRESETS['tiny']);"
        "print(hashlib.sha256(repr([(p.scene, p.changes) for p in w.test]).encode()).hexdigest())"
    )
    here = repr([(p.scene, p.changes) for p in make_world(PRESETS["tiny"]).test])
    there = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=with_package()
    )
    assert there.stdout.strip() == hashlib.sha256(here.encode()).hexdigest()


@pytest.mark.slow
def test_rendering_in_memory():
    world = make_world(replace(SMALL, train_places=7))
    one = render_world(world, workers=1, progress=False)
    two = render_world(world, workers=2, progress=False)
    assert list(one) == ["train", "test", "distractors"]
    for split, places in (("train", 7), ("test", 6), ("distractors", 3)):
        for view, each in (("satellite", 1), ("drone", 2)):
            images, ids, families = one[split][view]
            assert images.shape == (places * each, 32, 32, 3) and images.dtype == np.uint8
            assert ids.shape == families.shape == (places * each,) and ids.dtype == np.int64
            assert len(set(ids.tolist())) == places
            assert images.std(axis=(1, 2)).min() > 1
            for left, right in zip(one[split][view], two[split][view], strict=True):
                np.testing.assert_array_equal(left, right)
    few = replace(SMALL, seed=1, train_places=0, distractor_places=0)
    other = render_world(make_world(few), workers=1, progress=False)
    assert other["train"]["drone"][0].shape == (0, 32, 32, 3)
    assert (other["test"]["drone"][0] != one["test"]["drone"][0]).mean() > 0.5


@pytest.mark.slow
def test_an_unguarded_script_is_told_so_and_does_not_hang(tmp_path):
    script = tmp_path / "unguarded.py"
    script.write_text(
        "from dphr_lab.scenes import PRESETS, make_world, render_world\n"
        "render_world(make_world(PRESETS['tiny']), workers=2, progress=False)\n",
        "utf-8",
    )
    run = subprocess.run(
        [sys.executable, script], capture_output=True, text=True, timeout=600, env=with_package()
    )
    assert run.returncode != 0 and "guard its entry" in run.stderr


def test_the_progress_bar_can_be_switched_off(capfd):
    world = make_world(replace(SMALL, train_places=1, test_places=0, distractor_places=0))
    render_world(world, workers=1, progress=False)
    assert capfd.readouterr().err == ""
    render_world(world, workers=1)
    assert "rendering" in capfd.readouterr().err


def test_the_estimate_is_of_the_right_size():
    guess = estimate(replace(SMALL, train_places=100), workers=2)
    assert guess.images == 109 * 3 and guess.workers == 2
    assert 0 < guess.seconds < 600 and 109 * 3 * 300 < guess.bytes < 109 * 3 * 5000
    assert "327 images" in str(guess) and "2 processes" in str(guess)
    assert estimate(SMALL, flights=4).images == 21 * 9


@pytest.mark.parametrize(
    "wrong, words",
    [
        ({"family_size": 0}, "family_size is 0"),
        ({"twin_share": 1.5}, "twin_share is 1.5"),
        ({"twin_share_test": -0.1}, "twin_share_test is -0.1"),
        ({"train_places": -1}, "train_places is -1"),
        ({"train_places": 0, "test_places": 0}, "needs places"),
        ({"image_px": 8}, "image_px is 8"),
        ({"drone_views": 0}, "drone_views is 0"),
        ({"twin_strength": -0.5}, "twin_strength is -0.5"),
        ({"seed": -1}, "seed is -1"),
    ],
)
def test_wrong_settings_are_named(wrong, words):
    with pytest.raises(ValueError, match=words):
        WorldSettings(**wrong)


def test_other_errors_are_named():
    layout, rng = make_layout(0, 0), np.random.default_rng(0)
    with pytest.raises(ValueError, match="'huge' is unknown; expected one of tiny, mini"):
        preset("huge")
    assert preset("mini") == PRESETS["mini"]
    with pytest.raises(ValueError, match="'tree felled'"):
        make_change(layout, "tree felled", 10.0, rng)
    with pytest.raises(ValueError, match="area_m2 is -1"):
        make_change(layout, CHANGE_KINDS[0], -1, rng)
    with pytest.raises(ValueError, match="altitude_m"):
        Pose(0.0, 0.0)
    with pytest.raises(ValueError, match="pitch_deg"):
        Pose(100.0, 0.0, 95.0)
    with pytest.raises(ValueError, match="season"):
        Conditions(season="monsoon")
    with pytest.raises(ValueError, match="px is 4"):
        render_satellite(layout, 4, CLEAR, rng)
    with pytest.raises(ValueError, match="workers is 0"):
        render_world(make_world(SMALL), workers=0, progress=False)


# ---------------------------------------------------------------- files


@pytest.mark.slow
def test_university1652_on_disk(tmp_path):
    pillow = pytest.importorskip("PIL.Image")
    world = make_world(SMALL)
    root = write_university1652(world, tmp_path / "a", workers=1, progress=False)
    folders = {
        "train/satellite": (world.train, 1), "train/drone": (world.train, 2),
        "test/query_satellite": (world.test, 1), "test/query_drone": (world.test, 2),
        "test/gallery_satellite": (world.test + world.distractors, 1),
        "test/gallery_drone": (world.test + world.distractors, 2),
    }  # fmt: skip
    assert sorted(p.name for p in root.iterdir()) == ["metadata.json", "test", "train"]
    assert {f"{p.parent.name}/{p.name}" for p in root.glob("*/*")} == set(folders)
    for folder, (places, each) in folders.items():
        names = sorted(p.name for p in (root / folder).iterdir())
        assert names == sorted(f"{place.id:04d}" for place in places)
        for name in names:
            assert len(list((root / folder / name).iterdir())) == each
    metadata = json.loads((root / "metadata.json").read_text("utf-8"))
    files = {str(p.relative_to(root)) for p in root.rglob("*.jp*g")}
    assert files == set(metadata["images"])
    assert metadata["settings"]["seed"] == 0 and "opencv" in metadata["versions"]
    for place in world.places:
        record = metadata["places"][f"{place.id:04d}"]
        assert (record["family"], record["twin"]) == (place.family, place.twin)
        assert record["split"] == place.split
        assert record["changes"] == json.loads(json.dumps([c.to_dict() for c in place.changes]))
    for path in files:
        with pillow.open(root / path) as image:
            image.load()
            assert image.size == (32, 32) and image.mode == "RGB"
        assert (metadata["images"][path]["pose"] is None) == ("satellite" in path)
    # The files are what is rendered in memory, and come out the same again.
    rendered = render_world(world, workers=1, progress=False)
    first = decode((root / "test/query_satellite/0013/0013.jpg").read_bytes())
    np.testing.assert_array_equal(first, rendered["test"]["satellite"][0][0])
    again = write_university1652(world, tmp_path / "b", workers=1, progress=False)
    assert digest(root) == digest(again)


def test_sues200_on_disk(tmp_path):
    split = sues200_split()
    assert (len(split["train"]), len(split["test"])) == (120, 80)
    world = make_world(replace(SMALL, train_places=3, test_places=2, distractor_places=0))
    root = write_sues200(world, tmp_path / "a", workers=1, progress=False)
    names = sorted(split["train"][:3] + split["test"][:2])
    assert sorted(p.name for p in root.iterdir()) == [
        "drone_view_512", "metadata.json", "satellite-view",
    ]  # fmt: skip
    for name in names:
        assert [p.name for p in (root / "satellite-view" / name).iterdir()] == ["0.png"]
        heights = sorted(p.name for p in (root / "drone_view_512" / name).iterdir())
        assert heights == ["150", "200", "250", "300"]
        for height in heights:
            files = sorted(p.name for p in (root / "drone_view_512" / name / height).iterdir())
            assert files == ["0.jpg", "1.jpg"]
    metadata = json.loads((root / "metadata.json").read_text("utf-8"))
    assert sorted(metadata["places"]) == names
    pose = metadata["images"][f"drone_view_512/{names[0]}/250/1.jpg"]["pose"]
    assert pose["altitude_m"] == pytest.approx(250, rel=0.031)
    again = write_sues200(world, tmp_path / "b", workers=1, progress=False)
    assert digest(root) == digest(again)


def test_writers_refuse_what_they_cannot_do(tmp_path):
    (tmp_path / "notes.txt").write_text("mine", "utf-8")
    world = make_world(SMALL)
    for write in (write_university1652, write_sues200):
        with pytest.raises(ValueError, match=r"not empty|distractor_places"):
            write(world, tmp_path, progress=False)
    assert [p.name for p in tmp_path.iterdir()] == ["notes.txt"]
    with pytest.raises(ValueError, match="train_places is 121"):
        many = make_world(replace(SMALL, train_places=121, distractor_places=0))
        write_sues200(many, tmp_path / "new", progress=False)
    with pytest.raises(ValueError, match="distractor_places is 3"):
        write_sues200(world, tmp_path / "new", progress=False)
