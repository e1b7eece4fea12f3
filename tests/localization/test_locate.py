"""From photographs of a small town to positions: files in, answers out."""

import csv
import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("rasterio")
pytest.importorskip("faiss")
pytest.importorskip("pyarrow")
from dphr_lab.localization.answers import draw, write_csv, write_geojson, write_html
from dphr_lab.localization.gallery import build_gallery
from dphr_lab.localization.geomap import open_map
from dphr_lab.localization.ground import moved
from dphr_lab.localization.locate import (
    LocalFrame,
    LocateOptions,
    calibrate,
    calibration_of,
    locate,
    located,
    photos_in,
    pose_of,
    score_photos,
)
from dphr_lab.localization.pairs import JOINS, check_map, cut_pairs, draw_check
from dphr_lab.localization.to_ground import to_ground
from dphr_lab.localization.track import (
    TrackOptions,
    calibrate_tracks,
    read_odometry,
    track,
)
from tests.localization import town_fixture

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def town(tmp_path_factory):
    return town_fixture.make(tmp_path_factory.mktemp("town"))


@pytest.fixture(scope="module")
def encoder():
    return town_fixture.Blurred()


@pytest.fixture(scope="module")
def gallery(town, encoder, tmp_path_factory):
    path = town / "map_2022.tif"
    folder = tmp_path_factory.mktemp("maps") / "town"
    return build_gallery(open_map(path), encoder, folder, source=str(path), side_m=90, stride_m=20)


@pytest.fixture(scope="module")
def calibrated(gallery, encoder, town):
    flights = sorted((town / "flights/calibration").iterdir())
    calibrate(gallery, encoder, flights, LocateOptions(refine=True))
    for known in (True, False):
        rows = [
            (list(score_photos(gallery, encoder, photos_in([f]), LocateOptions(use_heading=known))),
             read_odometry(f / "odometry.csv"))
            for f in flights
        ]  # fmt: skip
        calibrate_tracks(gallery, rows, known)
    return gallery


def flight(town, name="f04"):
    return town / "flights/test" / name


def errors(answers):
    return np.array([a.error_m for a in answers])


def test_a_photograph_at_its_own_place_looks_as_the_map_does(town, gallery):
    """The whole chain of pose, EXIF, projection and map, without any encoder."""
    from dphr_lab._images import read_image
    from dphr_lab.localization.photo_metadata import read_photo_pose

    found = []
    for path in photos_in([flight(town, "f04"), flight(town, "f05")])[::5]:
        pose = read_photo_pose(path)
        view = to_ground(read_image(path), pose, pose.yaw_deg, 90, 64)
        at = moved(pose.lat, pose.lon, view.east_m, view.north_m)
        likeness = []
        for shift in (0.0, 15.0):
            tile, _ = gallery.geomap.read(moved(*at, shift, 0.0), 90, 64)
            a, b = view.pixels.mean(-1).ravel(), tile.mean(-1).ravel()
            likeness.append(np.corrcoef(a, b)[0, 1])
        found.append(likeness)
    right, shifted = np.median(found, axis=0)
    assert right > 0.6 and right > shifted + 0.15


def test_locating_with_headings_known_and_unknown(calibrated, encoder, town):
    known = locate(calibrated, encoder, [flight(town)])
    assert len(known) == 14 and all(a.heading_known and a.calibrated for a in known)
    assert np.median(errors(known)) < 30
    unknown = locate(calibrated, encoder, [flight(town)], LocateOptions(use_heading=False))
    assert not any(a.heading_known for a in unknown)
    assert np.median(errors(unknown)) < 150
    for answers in (known, unknown):
        assert all(0 < a.radius_50_m <= a.radius_90_m for a in answers)
        assert np.mean([a.error_m <= a.radius_90_m for a in answers]) >= 0.6
    probabilities = [c[2] for c in known[0].candidates]
    assert probabilities == sorted(probabilities, reverse=True) and sum(probabilities) <= 1.0001


def test_the_photographs_own_gps_is_never_used(calibrated, encoder, town, tmp_path):
    path = flight(town) / "f04_0003.jpg"
    data = path.read_bytes()
    start = data.index(b"Exif\0\0")
    length = int.from_bytes(data[start - 2 : start], "big")
    (tmp_path / path.name).write_bytes(data[: start - 4] + data[start - 2 + length :])
    with_gps, without = locate(calibrated, encoder, [path, tmp_path / path.name])
    assert without.truth is None and without.error_m is None
    assert (without.lat, without.lon) == (with_gps.lat, with_gps.lon)


def test_near_restricts_before_scoring(calibrated, encoder, town):
    path = flight(town) / "f04_0002.jpg"
    (free,) = locate(calibrated, encoder, [path])
    away = moved(*free.truth, 150.0, 0.0)
    options = LocateOptions(near=tuple(map(float, away)), within_m=80)
    (found,) = locate(calibrated, encoder, [path], options)
    assert all(
        np.hypot(*np.subtract(c[:2], away) * (111_000, 74_000)) < 95 for c in found.candidates
    )
    with pytest.raises(ValueError, match=r"no tile of .* lies within 5 m of 10"):
        locate(calibrated, encoder, [path], LocateOptions(near=(10.0, 10.0), within_m=5))


def test_under_a_prior_radii_have_scales_of_their_own(calibrated, encoder, town):
    path = photos_in([flight(town)])[0]
    pose = pose_of(path, LocateOptions())
    asked = LocateOptions(near=(pose.lat, pose.lon), within_m=200)
    (scored,) = score_photos(calibrated, encoder, [path], asked)
    frame, fitted = LocalFrame(calibrated), calibration_of(calibrated, True)
    wider = {level: 2 * scale for level, scale in fitted.scales.items()}
    fitted = replace(fitted, near_scales=wider)
    near = located(calibrated, frame, scored, fitted, asked)
    whole = located(calibrated, frame, scored, fitted)
    assert near.radius_50_m == pytest.approx(2 * whole.radius_50_m)
    assert near.radius_90_m == pytest.approx(2 * whole.radius_90_m)


def test_refinement_is_finer_and_steps_back(calibrated, encoder, town):
    plain = locate(calibrated, encoder, [flight(town)])
    fine = locate(calibrated, encoder, [flight(town)], LocateOptions(refine=True))
    refined = [i for i, a in enumerate(fine) if a.refined]
    assert len(refined) >= 4
    assert np.median(errors(fine)[refined]) < 3 < np.median(errors(plain)[refined])
    assert all(a.inliers >= 12 for a in fine if a.refined)
    for before, after in zip(plain, fine, strict=True):
        if not after.refined:
            assert (after.lat, after.lon) == (before.lat, before.lon)
            assert any("matches" in note or "candidates" in note for note in after.notes)
    grey = np.full((96, 96, 3), 90, np.uint8)
    grey[:40] = 120
    path = flight(town).parent / "flat.jpg"
    Image.fromarray(grey).save(path)
    (nothing,) = locate(
        calibrated, encoder, [path], LocateOptions(refine=True, height_m=100, yaw_deg=0)
    )
    path.unlink()
    assert not nothing.refined and nothing.inliers < 12


def test_a_heading_found_by_features_corrects_the_offset(calibrated, encoder, town):
    """A view ahead, turned by a wrong hypothesis: its foot lies beside the one assumed."""
    options = LocateOptions(use_heading=False, refine=True, headings=16)
    fine = [a for a in locate(calibrated, encoder, [flight(town, "f05")], options) if a.refined]
    assert len(fine) >= 3
    assert np.median(errors(fine)) < 4


def test_off_the_map_is_said(calibrated, encoder, tmp_path):
    noise = np.random.default_rng(0).integers(0, 255, (12, 12, 3), dtype=np.uint8)
    Image.fromarray(noise).resize((96, 96), 0).save(tmp_path / "noise.png")
    options = LocateOptions(height_m=100, yaw_deg=0, pitch_deg=90, fov_deg=60)
    (found,) = locate(calibrated, encoder, [tmp_path / "noise.png"], options)
    assert found.on_map is False and "not on this map (best guess" in str(found)


def test_without_metadata_it_is_said(calibrated, encoder, tmp_path):
    Image.new("RGB", (80, 60), (90, 120, 80)).save(tmp_path / "plain.png")
    (found,) = locate(calibrated, encoder, [tmp_path / "plain.png"])
    assert found.notes[0].startswith("no EXIF and no XMP") and not found.heading_known


def test_tracking_beats_single_photographs_and_dead_reckoning(calibrated, encoder, town):
    single, live, smoothed, reckoned = [], [], [], []
    for name in ("f04", "f05"):
        folder = flight(town, name)
        steps = read_odometry(folder / "odometry.csv")
        single += errors(locate(calibrated, encoder, [folder])).tolist()
        found = track(calibrated, encoder, folder, TrackOptions(odometry=steps))
        assert found.calibrated and found.notes == ()
        live += errors(found.live).tolist()
        smoothed += errors(found.smoothed).tolist()
        with open(folder / "truth.csv", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        truth = np.array([(float(r["lat"]), float(r["lon"])) for r in rows])
        said = np.cumsum(list(steps.values()), axis=0)
        lat, lon = moved(*truth[0], *said.T)
        reckoned += np.hypot(*(np.stack([lat, lon], 1) - truth).T * 111_000).tolist()
    assert np.mean(smoothed) <= np.mean(live) < np.mean(single)
    assert np.mean(smoothed) < min(25, np.mean(reckoned))
    bounded = track(calibrated, encoder, flight(town), TrackOptions(), LocateOptions())
    assert np.median(errors(bounded.best)) < 60
    only_live = track(calibrated, encoder, flight(town), TrackOptions(smooth=False))
    assert only_live.smoothed is None and only_live.best == only_live.live


def test_files_of_answers(calibrated, encoder, town, tmp_path):
    found = locate(calibrated, encoder, [flight(town)])
    write_csv(found, tmp_path / "a.csv")
    with open(tmp_path / "a.csv", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert float(rows[3]["lat"]) == pytest.approx(found[3].lat, abs=1e-7)
    assert float(rows[3]["error_m"]) == pytest.approx(found[3].error_m, abs=0.01)
    write_geojson(found, tmp_path / "a.geojson", line=True)
    shapes = json.loads((tmp_path / "a.geojson").read_text("utf-8"))["features"]
    assert [s["geometry"]["type"] for s in shapes[:3]] == ["LineString", "Point", "Polygon"]
    ring = shapes[2]["geometry"]["coordinates"][0]
    assert ring[0] == ring[-1] and len(shapes) == 1 + 2 * 14
    draw(calibrated, found[:4], tmp_path / "a.png")
    steps = read_odometry(flight(town) / "odometry.csv")
    points = track(calibrated, encoder, flight(town), TrackOptions(odometry=steps)).best
    draw(calibrated, points, tmp_path / "t.png")
    for name in ("a.png", "t.png"):
        with Image.open(tmp_path / name) as image:
            assert np.asarray(image.convert("L")).std() > 20
    write_html(calibrated, points, tmp_path / "a.html")
    page = (tmp_path / "a.html").read_text("utf-8")
    assert page.count("<figure") == 14 and page.count('class="spot"') == 14
    assert "http" not in page.replace("http-equiv", "")  # nothing is fetched


def test_places_that_overlap_never_meet_in_a_batch(town, tmp_path):
    from dphr_lab.datasets import PairBatches, open_dataset

    geomap, side = open_map(town / "map_2022.tif"), 60
    apart = (1 + JOINS) * side - 0.1  # metres; less what a flat map of the ground is off
    photos = photos_in(sorted((town / "flights/calibration").iterdir()))
    report = cut_pairs(geomap, photos, tmp_path / "pairs", side_m=side, px=32, turned=2)
    assert report.photographs + report.between + report.off_map == len(photos)
    assert report.places >= 20 and "masked by places" in str(report)
    record = json.loads((tmp_path / "pairs/pairs.json").read_text("utf-8"))
    names = np.array([int(name) for name in record["centres"]])
    lat, lon = np.array(list(record["centres"].values())).T
    east = (lon - lon[0]) * 111_320 * np.cos(np.radians(lat[0]))
    north = (lat - lat[0]) * 111_200
    gap = np.maximum(np.abs(east[:, None] - east), np.abs(north[:, None] - north))
    tested = np.isin(names, record["test"])
    assert 0 < tested.sum() == report.test_places < len(tested) / 2
    assert gap[tested][:, ~tested].min() > apart  # the test half is other ground
    assert east[tested].min() > east[~tested].max() - 1
    data = open_dataset(tmp_path / "pairs")
    places = len(np.unique(data.train.satellite.places))
    assert places == report.places - report.test_places
    assert len(data.train.drone) == 2 * report.photographs - sum(
        1 for p in (tmp_path / "pairs/test/query_drone").rglob("*.png")
    )
    of = {name: i for i, name in enumerate(names.tolist())}
    assert len(data.train.overlaps) == report.overlapping > places / 2
    for batch in PairBatches(data.train, 4, seed=0, epoch=0).plan:
        rows = [of[place] for place in data.train.pair_places[batch].tolist()]
        assert gap[np.ix_(rows, rows)][~np.eye(4, dtype=bool)].min() > apart
    with pytest.raises(ValueError, match="choose a smaller batch"):
        PairBatches(data.train, places, seed=0, epoch=0)
    with pytest.raises(ValueError, match="none of 1 photographs can be paired"):
        Image.new("RGB", (9, 9)).save(tmp_path / "x.png")
        cut_pairs(geomap, [tmp_path / "x.png"], tmp_path / "none", 60, 32)


def test_check_says_what_is_missing(town, tmp_path):
    geomap = open_map(town / "map_2022.tif")
    Image.new("RGB", (9, 9)).save(tmp_path / "bare.png")
    (tmp_path / "broken.jpg").write_bytes(b"no image")
    photos = [*photos_in([flight(town)]), tmp_path / "bare.png", tmp_path / "broken.jpg"]
    found = check_map(geomap, photos)
    text = str(found)
    assert "1 of 16: no position, such as bare.png" in text and found.faults == 1
    assert "cannot be read as a photograph" in text and "a good --side-m is" in text
    draw_check(geomap, found, tmp_path / "c.png")
    assert (tmp_path / "c.png").stat().st_size > 5000


def test_what_is_wrong_is_said(gallery, encoder, town, tmp_path):
    with pytest.raises(ValueError, match="built with the encoder Blurred"):
        locate(gallery, town_fixture.Blurred(2.0), [flight(town)])
    with pytest.raises(FileNotFoundError, match="no photographs in this folder"):
        locate(gallery, encoder, [tmp_path])
    with pytest.raises(ValueError, match="headings is 0"):
        LocateOptions(headings=0)
    with pytest.raises(ValueError, match="near and within_m go together"):
        LocateOptions(near=(1.0, 2.0))
    (tmp_path / "one").mkdir()
    (tmp_path / "one/a.jpg").write_bytes((flight(town) / "f04_0000.jpg").read_bytes())
    with pytest.raises(ValueError, match="1 photograph: a track needs two or more"):
        track(gallery, encoder, tmp_path / "one")
    with pytest.raises(ValueError, match="1 photographs with a known position"):
        calibrate(gallery, encoder, [tmp_path / "one"])


def test_calibration_without_headings_is_of_unknown_ones(gallery, encoder, town):
    stored = gallery.calibration
    options = replace(LocateOptions(), headings=4)
    found = calibrate(gallery, encoder, sorted((town / "flights/calibration").iterdir()), options)
    assert set(found) == {"known", "unknown"} and found["unknown"].headings == 4
    if stored:
        from dphr_lab._files import write_json

        write_json(gallery.folder / "calibration.json", stored)
