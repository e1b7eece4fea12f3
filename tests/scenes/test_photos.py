"""PhotoTowns: tiles by planted faults, edits by their records, views by closed form."""

import argparse
import json
import subprocess
import sys
from dataclasses import replace
from functools import partial
from itertools import product

import numpy as np
import pytest

pytest.importorskip("cv2")

import cv2

from dphr_lab.datasets import PhotoTowns, University1652
from dphr_lab.scenes import (
    decode,
    render_world,
    university_orbit,
    write_sues200,
    write_university1652,
)
from dphr_lab.scenes.photos import (
    EDIT_KINDS,
    EDITED_M2,
    aim,
    apply_edit,
    clusters,
    describe,
    drone_view,
    fitted_pose,
    footprint,
    make_edit,
    make_photo_world,
    make_twins,
    nearest,
    read_tile,
    satellite_view,
    screen,
)
from dphr_lab.scenes.photos.edits import EDIT_ZONE
from dphr_lab.scenes.photos.views import PITCH_DEG, view_matrix
from dphr_lab.settings.worlds import PhotoWorldSettings
from tests.helpers import case
from tests.helpers.photos import thumbnails

GSD_M = 0.5


def ground(seed, side=160, tone=None):
    """A picture with structure at all scales, as a town from above has."""
    rng = np.random.default_rng(seed)
    image = np.full((side, side, 3), 110.0)
    image += rng.uniform(-40, 40, 3) if tone is None else tone
    for cell in (side // 4, side // 10, side // 25):
        knots = rng.normal(0, 22, (side // cell + 1, side // cell + 1, 3)).astype(np.float32)
        image += cv2.resize(knots, (side, side), interpolation=cv2.INTER_CUBIC)
    for _ in range(24):  # roofs
        x, y = rng.integers(0, side - 20, 2).tolist()
        w, h = rng.integers(8, 30, 2).tolist()
        cv2.rectangle(image, (x, y), (x + w, y + h), rng.uniform(30, 230, 3).tolist(), -1)
    return np.clip(image + rng.normal(0, 4, image.shape), 0, 255).astype(np.uint8)


def save(folder, name, image):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), cv2.cvtColor(image, cv2.COLOR_RGB2BGR))


@pytest.fixture(scope="module")
def tiles(tmp_path_factory):
    """Twenty tiles in pairs that look alike, in two subfolders."""
    folder = tmp_path_factory.mktemp("town")
    for i in range(20):
        tone = np.random.default_rng([7, i // 2]).uniform(-60, 60, 3)
        save(folder, f"{'east' if i % 2 else 'west'}/{i:02d}.png", ground(i, tone=tone))
    return folder


def small(folder, **changes):
    plain = PhotoWorldSettings(
        str(folder), GSD_M, train_places=18, test_places=9, distractor_places=3, image_px=32,
        drone_views=2,
    )  # fmt: skip
    return replace(plain, **changes)


def build(folder, **changes):
    return make_photo_world(small(folder, **changes), thumbnails, progress=False)


# ---------------------------------------------------------------- tiles


def test_nothing_is_left_out_of_good_tiles(tiles):
    found = screen(tiles, progress=False)
    assert len(found.names) == 20 and found.left_out == {} and found.names[0] == "east/01.png"
    assert str(found) == "20 tiles; left out: none"


def test_planted_faults_are_left_out_by_name(tmp_path):
    for i in range(8):
        save(tmp_path, f"{i}.png", ground(i))
    wide = ground(50, side=300)
    save(tmp_path, "wide-a.png", wide[:160, :160])
    save(tmp_path, "wide-b.png", wide[40:200, 60:220])  # 47 % of the ground again
    save(tmp_path, "wide-c.png", wide[140:300, 140:300])  # only touches a
    again = cv2.resize(ground(3), (220, 220), interpolation=cv2.INTER_AREA)
    again = np.clip(again * 0.8 + 10, 0, 255).astype(np.uint8)
    cv2.imwrite(str(tmp_path / "z-again.jpg"), cv2.cvtColor(again, cv2.COLOR_RGB2BGR),
                [cv2.IMWRITE_JPEG_QUALITY, 60])  # fmt: skip
    save(tmp_path, "tiny.png", ground(60)[:40])
    (tmp_path / "broken.png").write_bytes(b"no image")
    (tmp_path / "cut.jpg").write_bytes((tmp_path / "z-again.jpg").read_bytes()[:3000])
    (tmp_path / "notes.txt").write_text("mine", "utf-8")
    found = screen(tmp_path, progress=False)
    assert {name: reason.partition(":")[0] for name, reason in found.left_out.items()} == {
        "broken.png": "unreadable", "cut.jpg": "unreadable", "tiny.png": "unreadable",
        "wide-b.png": "overlaps", "z-again.jpg": "repeats",
    }  # fmt: skip
    assert found.left_out["wide-b.png"] == "overlaps: wide-a.png"
    assert found.left_out["z-again.jpg"] == "repeats: 3.png"
    assert len(found.names) == 10 and {"wide-a.png", "wide-c.png"} <= set(found.names)


@pytest.mark.parametrize("dy, dx", [(0, 70), (-70, 10), (45, -45), (20, 20)])
def test_overlaps_are_found_in_all_directions(tmp_path, dy, dx):
    for i in range(5):
        save(tmp_path, f"a{i}.png", ground(i))
    wide = ground(77, side=320)
    for name, (y, x) in {"b.png": (80, 80), "c.png": (80 + dy, 80 + dx)}.items():
        save(tmp_path, name, wide[y : y + 160, x : x + 160])
    assert screen(tmp_path, progress=False).left_out == {"c.png": "overlaps: b.png"}


def test_a_folder_without_tiles_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        screen(tmp_path / "nowhere")
    with pytest.raises(ValueError, match="holds no image file"):
        screen(tmp_path)
    (tmp_path / "broken.png").write_bytes(b"no image")
    with pytest.raises(ValueError, match=r"no tile that can be used: .*broken\.png"):
        screen(tmp_path, progress=False)


def test_a_tile_shows_its_central_square(tmp_path):
    image = np.zeros((80, 120, 3), np.uint8)
    image[:, 20:100] = 200
    save(tmp_path, "a.png", image)
    tile = read_tile(tmp_path, "a.png")
    assert tile.shape == (80, 80, 3) and (tile == 200).all()


def test_look_alikes_are_in_one_cluster(tiles):
    names = screen(tiles, progress=False).names
    rows = describe(tiles, names, thumbnails)
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1)
    number = np.array([int(name[-6:-4]) // 2 for name in names])
    assert (number[nearest(rows)] == number).mean() > 0.4  # planted pairs of one tone; chance 0.05
    cluster = clusters(rows)
    assert (cluster[nearest(rows)] == cluster).all() and 2 < cluster.max() < 10
    with pytest.raises(ValueError, match=r"encode: found float64 \(3, 2\) for 20 images"):
        describe(tiles, names, lambda images: np.ones((3, 2)))


# ---------------------------------------------------------------- edits


@pytest.mark.parametrize("kind", EDIT_KINDS)
@pytest.mark.parametrize("area_m2", [20.0, 60.0, 150.0])
def test_an_edit_changes_what_its_record_says(kind, area_m2):
    image, met = ground(1, side=200), 0
    for seed in range(4):
        edit = make_edit(image, kind, area_m2, GSD_M, np.random.default_rng(seed))
        if edit is None:
            continue
        met += 1
        assert edit.kind == kind and edit.area_m2 == pytest.approx(area_m2, rel=0.5)
        edited = apply_edit(image, edit)
        changed = (np.abs(edited.astype(int) - image) > 0).any(-1)
        inside = np.zeros(changed.shape, bool)
        for left, top, width, height in edit.boxes:
            b = max(1, min(width, height) // 6)
            inside[top - b : top + height + b, left - b : left + width + b] = True
        assert not changed[~inside].any()
        assert 0.3 * edit.area_m2 < changed.sum() * GSD_M**2 < 2.2 * edit.area_m2
        rows, columns = np.nonzero(inside)
        reach = np.hypot(rows + 0.5 - 100, columns + 0.5 - 100).max()
        assert reach <= EDIT_ZONE * 200 + 1  # where every view looks
        assert json.loads(json.dumps(edit.to_dict()))["area_m2"] == edit.area_m2
    assert met >= 2


def test_the_mean_dose_is_met():
    doses = []
    for seed in range(40):
        members = make_twins(ground(seed, side=200), GSD_M, 0, seed, 3, 1.0)
        doses += [sum(edit.area_m2 for edit in edits) for edits in members]
    assert np.mean(doses) == pytest.approx(EDITED_M2, rel=0.06)


def test_a_dose_of_zero_passes_through_and_changes_nothing():
    image = ground(2)
    for kind in EDIT_KINDS:
        edit = make_edit(image, kind, 0.0, GSD_M, np.random.default_rng(0))
        assert edit.area_m2 == 0 and edit.boxes == edit.sources
        np.testing.assert_array_equal(apply_edit(image, edit), image)


def test_a_moved_patch_is_where_the_record_says_and_its_old_place_is_filled():
    image = np.full((160, 160, 3), 120, np.uint8)
    image += np.random.default_rng(0).integers(0, 20, image.shape).astype(np.uint8)
    image[70:86, 60:76] = (220, 40, 40)
    for seed in range(200):
        edit = make_edit(image, "patch moved", 120.0, GSD_M, np.random.default_rng(seed))
        if edit is None:
            continue
        (new, old), (source, _) = edit.boxes, edit.sources
        assert source == old
        red = (apply_edit(image, edit)[..., 0] > 180).sum(), (image[..., 0] > 180).sum()
        left, top, width, height = new
        middle = apply_edit(image, edit)[top + height // 2, left + width // 2]
        x, y = old[0] + width // 2, old[1] + height // 2
        np.testing.assert_array_equal(middle, image[y, x])
        assert red[0] < 2.2 * red[1]
        return
    pytest.fail("no such edit was found")


def test_twins_are_all_edited_and_all_different():
    for family in range(6):
        image = ground(family, side=200)
        members = make_twins(image, GSD_M, 3, family, 3, 1.0)
        assert members == make_twins(image, GSD_M, 3, family, 3, 1.0)
        assert all(1 <= len(edits) <= 2 for edits in members)
        pictures = [image]
        for edits in members:
            picture = image
            for edit in edits:
                picture = apply_edit(picture, edit)
            pictures.append(picture)
        for i, first in enumerate(pictures):
            for second in pictures[:i]:
                changed = np.abs(first.astype(int) - second).max(-1) > 20
                assert 10 < changed.sum() * GSD_M**2 < 6 * EDITED_M2
    assert make_twins(image, GSD_M, 0, 0, 1, 1.0) == ((),)
    assert make_twins(image, GSD_M, 0, 0, 2, 0.0) == ((), ())
    with pytest.raises(ValueError, match="twin_strength is 90"):
        make_twins(image, GSD_M, 0, 0, 3, 90.0)


def test_wrong_edits_are_named():
    image, rng = ground(0), np.random.default_rng(0)
    with pytest.raises(ValueError, match="'patch burnt'"):
        make_edit(image, "patch burnt", 10.0, GSD_M, rng)
    with pytest.raises(ValueError, match="area_m2 is -1"):
        make_edit(image, EDIT_KINDS[0], -1.0, GSD_M, rng)
    with pytest.raises(ValueError, match="gsd_m is 0"):
        make_edit(image, EDIT_KINDS[0], 10.0, 0.0, rng)
    edit = make_edit(image, EDIT_KINDS[0], 60.0, GSD_M, rng)
    with pytest.raises(ValueError, match="not inside a tile of 64 px"):
        apply_edit(image[:64, :64], edit)


# ---------------------------------------------------------------- views


@pytest.mark.parametrize("share", [0.97 * 0.88, 1.0])
def test_a_footprint_stays_in_the_tile_and_shows_every_edit(share):
    width_m = 80.0
    for azimuth_deg, pitch_deg in product(
        (0.0, 33.0, 45.0, 180.0, 250.0), (45.0, 60.0, 75.0, 90.0)
    ):
        with case("azimuth", azimuth_deg, "pitch", pitch_deg):
            pose = fitted_pose(azimuth_deg, pitch_deg, width_m, share)
            corners = footprint(pose) + aim(pose)
            assert np.abs(corners).max() <= width_m / 2
            assert np.ptp(corners, axis=0).max() == pytest.approx(share * width_m, rel=1e-3)
            # the disc of the edits lies on the inner side of all four edges
            edges = np.roll(corners, -1, axis=0) - corners
            area = edges[:, 0] * corners[:, 1] - edges[:, 1] * corners[:, 0]
            assert (np.abs(area) / np.linalg.norm(edges, axis=1)).min() >= EDIT_ZONE * width_m


def test_a_view_from_straight_above_is_the_tile():
    image = cv2.GaussianBlur(ground(4, side=128), (0, 0), 2)
    pose = fitted_pose(180.0, 90.0, 128 * GSD_M)
    assert pose.altitude_m == pytest.approx(64 * GSD_M / np.tan(np.radians(15)), abs=0.01)
    seen = drone_view(image, pose, GSD_M, 128, haze=0.0)
    np.testing.assert_allclose(seen[2:-2, 2:-2], image[2:-2, 2:-2], atol=3)
    np.testing.assert_array_equal(satellite_view(image, 128, 0.0), image)


def test_a_drone_to_the_south_has_north_above_and_a_drone_to_the_west_has_east_above():
    marks = {"north": (20, 64), "east": (64, 108)}  # row, column
    image = np.full((128, 128, 3), 90, np.uint8)
    for channel, (row, column) in enumerate(marks.values()):
        image[row - 4 : row + 4, column - 4 : column + 4, channel] = 255

    def spot(view, channel):
        return np.argwhere(view[..., channel] > 170).mean(0)

    south = drone_view(image, fitted_pose(180.0, 60.0, 64.0), GSD_M, 96, 0.0)
    west = drone_view(image, fitted_pose(270.0, 60.0, 64.0), GSD_M, 96, 0.0)
    assert spot(south, 0)[0] < 30 and spot(south, 1)[1] > 60
    assert spot(west, 1)[0] < 30 and spot(west, 0)[1] < 36


def test_a_view_is_the_projection_of_its_matrix():
    image = np.full((160, 160, 3), 60, np.uint8)
    cv2.circle(image, (100, 50), 5, (250, 250, 250), -1)  # centre of that pixel: (100.5, 50.5)
    pose = fitted_pose(200.0, 52.0, 80.0)
    found = np.argwhere(drone_view(image, pose, GSD_M, 160, 0.0)[..., 0] > 150).mean(0) + 0.5
    u, v, w = view_matrix(pose, 160, GSD_M, 160) @ [100.5, 50.5, 1]
    np.testing.assert_allclose(found, [v / w, u / w], atol=0.7)


def test_far_rows_are_hazier_and_nothing_is_black():
    image = np.full((128, 128, 3), 40, np.uint8)
    view = drone_view(image, fitted_pose(180.0, 45.0, 64.0), GSD_M, 64, haze=0.3).astype(int)
    assert view[0].mean() > view[-1].mean() + 5 and view.min() > 40
    with pytest.raises(ValueError, match="fly lower"):
        drone_view(image, fitted_pose(180.0, 45.0, 80.0), GSD_M, 64, 0.0)


# ---------------------------------------------------------------- worlds


def test_splits_go_by_cluster_and_families_by_tile(tiles):
    world = build(tiles)
    parts = world.train, world.test, world.distractors
    assert [len(part) for part in parts] == [18, 9, 3]
    assert [p.id for p in world.places] == list(range(1, 31))
    for key in ("cluster", "family", "tile"):
        found = [{getattr(p, key) for p in part} for part in parts]
        assert len(set.union(*found)) == sum(map(len, found)), key
    assert {p.family: p.tile for p in world.places} == {
        family: tile for family, tile in {(p.family, p.tile) for p in world.places}
    }
    assert len({p.tile for p in world.places}) == 10
    by_tile = {p.tile: p.cluster for p in world.places}
    for place in world.places:
        assert by_tile.get(place.look_alike, place.cluster) == place.cluster
    other = build(tiles, seed=1)
    assert [p.tile for p in other.places] != [p.tile for p in world.places]


def test_too_few_tiles_are_told(tiles):
    with pytest.raises(ValueError, match=r"needs 31 \(27 for train, 3 for test.* allows 60 in all"):
        build(tiles, train_places=80)
    with pytest.raises(ValueError, match="without splitting a cluster"):
        make_photo_world(
            small(tiles), lambda images: np.eye(len(images))[:, :1] + 1e-3 * np.ones((20, 4)),
            progress=False,
        )  # fmt: skip


@pytest.mark.parametrize(
    "wrong, words",
    [({"gsd_m": 0}, "gsd_m is 0"), ({"family_size": 0}, "family_size is 0"),
     ({"weather": 2}, "weather is 2"), ({"image_px": 4}, "image_px is 4")],
)  # fmt: skip
def test_wrong_settings_are_named(wrong, words):
    with pytest.raises(ValueError, match=words):
        small("tiles", **wrong)


@pytest.mark.slow
def test_a_world_is_rendered_as_twin_towns_are(tiles):
    world = build(tiles)
    one = render_world(world, workers=1, progress=False)
    two = render_world(world, workers=2, progress=False)
    for split, places in (("train", 18), ("test", 9), ("distractors", 3)):
        for view, each in (("satellite", 1), ("drone", 2)):
            images, ids, families = one[split][view]
            assert images.shape == (places * each, 32, 32, 3) and images.dtype == np.uint8
            assert len(set(ids.tolist())) == places and len(set(families.tolist())) == places // 3
            assert images.std(axis=(1, 2)).min() > 1
            for left, right in zip(one[split][view], two[split][view], strict=True):
                np.testing.assert_array_equal(left, right)


def test_light_differs_but_sun_and_season_are_the_photographs(tiles):
    place = build(tiles).train[0]
    drone, satellite = place.conditions("drone"), place.conditions("satellite")
    assert drone.light != satellite.light and drone.haze != satellite.haze
    assert (drone.season, drone.sun_azimuth_deg) == (satellite.season, satellite.sun_azimuth_deg)
    poses = [place.pose(nominal, i) for i, nominal in enumerate(university_orbit(54))]
    pitches = [pose.pitch_deg for pose in poses]
    assert PITCH_DEG[0] <= min(pitches) < 50 and 85 < max(pitches) <= PITCH_DEG[1]
    assert poses[0].azimuth_deg == pytest.approx(180, abs=8)


def test_a_twin_is_nearer_than_a_stranger(tiles):
    world = build(tiles, weather=0.0)
    views = render_world(world, workers=1, progress=False)["train"]["satellite"]
    images, families = views[0].astype(float), views[2]
    gap = np.abs(images[:, None] - images[None]).mean((2, 3, 4))
    same = (families[:, None] == families) & ~np.eye(len(gap), dtype=bool)
    assert gap[same].min() > 0
    assert np.median(gap[same]) < 0.5 * np.median(gap[families[:, None] != families])


def test_the_layouts_hold_what_is_rendered(tiles, tmp_path):
    world = build(tiles)
    root = write_university1652(world, tmp_path / "u", workers=1, progress=False)
    text = (root / "metadata.json").read_text("utf-8")
    metadata = json.loads(text)
    assert str(tiles) not in text and metadata["settings"]["folder"] == tiles.name
    place = world.test[1]
    record = metadata["places"][f"{place.id:04d}"]
    assert (record["tile"], record["family"]) == (place.tile, place.family)
    assert record["changes"] == json.loads(json.dumps([c.to_dict() for c in place.changes]))
    rendered = render_world(world, workers=1, progress=False)
    first = decode((root / f"test/query_satellite/{place.id:04d}/{place.id:04d}.jpg").read_bytes())
    np.testing.assert_array_equal(first, rendered["test"]["satellite"][0][1])
    assert len(University1652(root).train) == 18
    none = replace(world, settings=small(tiles, distractor_places=0), distractors=())
    root = write_sues200(none, tmp_path / "s", workers=1, progress=False)
    poses = [
        image["pose"]["altitude_m"] * np.sin(np.radians(image["pose"]["pitch_deg"]))
        for path, image in json.loads((root / "metadata.json").read_text("utf-8"))["images"].items()
        if image["pose"] and "/300/" in path
    ]
    assert len(poses) == 2 * 27 and min(poses) > 0


def test_the_data_set_is_one_like_others(tiles):
    data = PhotoTowns(small(tiles), thumbnails, workers=1, progress=False)
    assert data.name == "PhotoTowns" and data.has_train and data.has_test
    query, gallery = data.test("D2S")
    assert (len(query), len(gallery)) == (18, 12) and query.view == "drone"
    train, held = data.train.hold_out(3, seed=0)
    assert len(train) == 15 and len(held) == 3
    rendered = render_world(data.world, workers=1, progress=False)
    again = PhotoTowns(small(tiles), thumbnails, progress=False, rendered=rendered)
    np.testing.assert_array_equal(again.train.drone.images, data.train.drone.images)
    assert "PhotoTowns in" in data.summary()


@pytest.mark.slow
def test_a_run_trains_on_it_and_stores_no_path(tiles, tmp_path):
    pytest.importorskip("timm")
    from dphr_lab.datasets.dataset import describe_data
    from dphr_lab.settings import TWIN_TOWNS_MINI
    from dphr_lab.training import fit

    data = PhotoTowns(small(tiles), thumbnails, workers=1, progress=False)
    settings = TWIN_TOWNS_MINI.changed(steps=1, batch=4, val_places=3, image_px=32, threads=1)
    result = fit(settings, data, tmp_path / "run", progress=False)
    assert np.isfinite(result["curves"]["loss"]).all()
    assert result["data"]["world"]["gsd_m"] == GSD_M
    stored = (tmp_path / "run" / "result.json").read_text("utf-8")
    assert str(tiles.parent) not in stored and tiles.name in stored
    assert describe_data(data)["root"] == str(tiles.resolve())


@pytest.mark.slow
def test_a_run_on_it_finds_its_world_again(tiles, monkeypatch):
    from dphr_lab.cli import flags
    from dphr_lab.datasets.dataset import describe_data
    from dphr_lab.scenes import photos

    monkeypatch.setattr(photos, "imagenet", thumbnails)
    data = PhotoTowns(small(tiles), thumbnails, workers=1, progress=False)
    args = argparse.Namespace(world=None, data=None, height=None)
    again = flags.open_data(args, {"data": json.loads(json.dumps(describe_data(data)))})
    assert (again.settings, again.name) == (data.settings, "PhotoTowns")
    np.testing.assert_array_equal(again.train.drone.images, data.train.drone.images)


def test_the_command_writes_a_world_of_photographs(tiles, tmp_path, capsys, monkeypatch):
    from dphr_lab.cli import main
    from dphr_lab.scenes import photos

    monkeypatch.setattr(photos, "make_photo_world", partial(make_photo_world, encode=thumbnails))
    flags = ["--preset", "tiny", "--drone-views", "1", "--image-px", "32", "--workers", "1"]
    flags = ["scenes", "--photos", str(tiles), *flags, "--out", str(tmp_path / "out")]
    assert main([*flags, "--gsd-m", "0.5"]) == 0
    said = capsys.readouterr().out
    assert "20 tiles; left out: none" in said and "wrote" in said
    assert len(University1652(tmp_path / "out").train) == 12
    assert main(flags) == 2 and "go together" in capsys.readouterr().err
    assert main([*flags, "--gsd-m", "0.5", "--texture", "1"]) == 2
    assert "--texture does not go with --photos" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="2"):
        main([*flags, "--gsd-m", "-1"])
    assert "--gsd-m: found '-1'; expected a number from 0.001" in capsys.readouterr().err
    assert main([*flags, "--gsd-m", "0.5", "--test-places", "999"]) == 1
    assert "ask for fewer places" in capsys.readouterr().err


def test_torch_is_not_imported():
    code = "import sys, dphr_lab.scenes.photos; print('torch' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "False"
