"""The continuous town: one ground in every picture, twins at known places, two dates, EXIF."""

import csv
import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from dphr_lab.scenes import Conditions
from dphr_lab.scenes.continuous import TownSettings, make_routes, make_town
from dphr_lab.scenes.continuous.exif import with_tags
from dphr_lab.scenes.towns.flights import Flight

SMALL = TownSettings(
    km=0.4, gsd_m=1.0, photo_px=64, photos=3, calibration_flights=1, test_flights=1, seed=3
)


@pytest.fixture(scope="module")
def town():
    return make_town(TownSettings(seed=1, km=1.0))


def view(town, x, y, year, px=200):
    scene = town.scene_at(x, y, year, 160)
    return Flight.for_satellite(scene, Conditions(haze=0), px, 0.5).satellite().astype(float)


def likeness(a, b):
    return np.corrcoef(a.mean(-1).ravel(), b.mean(-1).ravel())[0, 1]


def test_overlapping_pictures_show_one_ground(town):
    whole, shifted = view(town, 0, 0, 2025), view(town, 60, -40, 2025)
    assert likeness(whole[40:, 60:], shifted[:-40, :-60]) > 0.9
    assert likeness(whole, shifted) < 0.4


def test_a_town_is_a_function_of_its_settings():
    one, other = make_town(SMALL), make_town.__wrapped__(SMALL)
    assert one.buildings == other.buildings and (one.trees == other.trees).all()
    assert one.patches == other.patches and one.changes == other.changes
    assert make_town(replace(SMALL, seed=4)).buildings != one.buildings


def test_blocks_of_an_estate_are_twins(town):
    estates = [q for q in town.quarters if q.estate and q.copy_of is None]
    assert estates
    found = 0
    for quarter in estates:
        (ax, ay), (bx, by) = quarter.blocks[:2]
        assert np.hypot(bx - ax, by - ay) > 40

        def here(x, y):
            near = (b for b in town.buildings if np.hypot(b.x - x, b.y - y) < 25)
            return sorted((round(b.x - x, 1), round(b.y - y, 1), b.roof_colour) for b in near)

        one, other = here(ax, ay), here(bx, by)
        if one and len(one) == len(other):  # the river takes some
            assert np.allclose([r[:2] for r in one], [r[:2] for r in other], atol=0.15)
            found += 1
    assert found


def test_two_dates_differ_by_the_recorded_changes(town):
    kinds = {kind: town.changes.count(kind) for kind in set(town.changes)}
    share = 1 - kinds[None] / len(town.changes)
    assert set(kinds) == {None, "gone", "built", "recoloured"}
    assert share == pytest.approx(town.settings.changed, abs=0.03)
    names = [{b.name for b in town.scene_at(0, 0, year).buildings} for year in (2022, 2025)]
    change = dict(zip((b.name for b in town.buildings), town.changes, strict=True))
    assert {change[n] for n in names[0] - names[1]} == {"gone"}
    assert {change[n] for n in names[1] - names[0]} == {"built"}


def test_nothing_stands_in_the_river(town):
    import cv2

    river = np.array(town.water[0].outline, np.float32)
    inside = [cv2.pointPolygonTest(river, (b.x, b.y), False) > 0 for b in town.buildings]
    assert not any(inside)


def test_routes_stay_inside_and_odometry_drifts():
    settings = TownSettings(km=1.0, photos=60, test_flights=8)
    ends = []
    for route in make_routes(settings):
        spots = np.array([(s.x, s.y) for s in route.stations])
        assert np.abs(spots).max() <= 500 - 170 + 1
        steps = np.hypot(*np.diff(spots, axis=0).T)
        assert steps.max() < 1.3 * settings.step_m
        said = spots[0] + np.cumsum(route.odometry, axis=0)
        off = np.hypot(*(said - spots).T)
        assert off[0] == 0
        ends.append(off[-1])
    assert 40 < np.median(ends) < 300  # of 1,500 m


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    pytest.importorskip("rasterio")
    from dphr_lab.scenes.continuous import write_town

    root = tmp_path_factory.mktemp("town")
    write_town(SMALL, root, progress=False)
    return root


def test_maps_are_georeferenced_and_show_both_years(written):
    from dphr_lab.localization.geomap import open_map

    maps = [open_map(written / f"map_{year}.tif") for year in (2022, 2025)]
    assert maps[0].gsd_m == pytest.approx(1.0, rel=2e-3)
    assert maps[0].bounds.size_m == pytest.approx((400, 400), rel=0.06)
    assert maps[0].bounds.holds(SMALL.lat, SMALL.lon)
    old, new = (m.read((SMALL.lat, SMALL.lon), 300, 150)[0] for m in maps)
    assert 0.4 < likeness(old.astype(float), new.astype(float)) < 0.999


def test_flights_have_exif_truth_and_odometry(written):
    folder = written / "flights" / "test" / "f02"
    with open(folder / "truth.csv", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["photo"] for row in rows] == [p.name for p in sorted(folder.glob("*.jpg"))]
    with Image.open(folder / rows[0]["photo"]) as image:
        gps = image.getexif().get_ifd(0x8825)
        d, m, s = (float(v) for v in gps[2])
        assert d + m / 60 + s / 3600 == pytest.approx(float(rows[0]["lat"]), abs=1e-8)
        assert b"GimbalPitchDegree" in image.info["xmp"]
        assert image.size == (64, 64)
    with open(folder / "odometry.csv", encoding="utf-8") as file:
        assert [row["photo"] for row in csv.DictReader(file)] == [row["photo"] for row in rows]
    record = json.loads((written / "town.json").read_text("utf-8"))
    assert record["flights"] == {"f01": "calibration", "f02": "test"}
    with open(written / "twins.csv", encoding="utf-8") as file:
        twins = list(csv.DictReader(file))
    groups = [row["group"] for row in twins]
    assert all(groups.count(group) > 1 for group in groups)


def test_workers_change_nothing(written, tmp_path):
    from dphr_lab.scenes.continuous.writing import render_photo

    route = make_routes(SMALL)[1]
    jpeg = render_photo(SMALL, 2, 0, route.stations[0])
    written_bytes = (written / "flights/test/f02/f02_0000.jpg").read_bytes()
    assert written_bytes.endswith(jpeg[2:])


def test_what_is_wrong_is_said(written):
    from dphr_lab.scenes.continuous import write_town

    with pytest.raises(FileExistsError, match="holds something; give a new or empty folder"):
        write_town(SMALL, written, progress=False)
    with pytest.raises(ValueError, match=r"km is 0\.1; expected 0\.4 to 50"):
        TownSettings(km=0.1)
    with pytest.raises(ValueError, match=r"gsd_m is 0\.3; expected a divisor of 200"):
        TownSettings(gsd_m=0.3)
    with pytest.raises(ValueError, match="does not begin as a JPEG"):
        with_tags(b"no jpeg", None)
