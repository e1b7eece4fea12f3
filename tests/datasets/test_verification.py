"""`verify`: every fault and notice is provoked in files made here."""

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dphr_lab.datasets import open_dataset, verify
from dphr_lab.settings.protocol import PUBLISHED, sues200_split
from tests.helpers import GENUINE

genuine = pytest.mark.skipif(not GENUINE.is_dir(), reason="no genuine images beside this checkout")


def write_image(path: Path, seed: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)
    return path


@pytest.fixture
def university(tmp_path):
    """Two train places, two queried, one distractor; the gallery repeats the queries' files."""
    root = tmp_path / "University-Release"
    for part, places in (
        ("train/drone", (1, 2)),
        ("train/satellite", (1, 2)),
        ("test/query_drone", (3, 4)),
        ("test/query_satellite", (3, 4)),
        ("test/gallery_drone", (3, 4, 9)),
        ("test/gallery_satellite", (3, 4, 9)),
    ):
        view = part.rsplit("_")[-1].rsplit("/")[-1]
        for place in places:
            for k in range(2 if view == "drone" else 1):
                seed = 100 * place + 10 * (view == "drone") + k
                write_image(root / part / f"{place:04d}" / f"{k}.png", seed)
    return root


def faults(root, **options) -> str:
    report = verify(root, **options)
    assert report.ok == (not report.faults)
    return "\n".join(report.faults)


def test_a_good_set_has_no_fault_and_a_table(university):
    report = verify(university, deep=True)
    assert report.ok and report.layout == "University-1652"
    counts = {row.part: (row.places, row.images) for row in report.rows}
    assert counts["test/gallery_drone"] == (3, 6) and counts["train/satellite"] == (2, 2)
    text = str(report)
    header, *_ = (line for line in text.splitlines() if line.startswith("part"))
    row = next(line for line in text.splitlines() if line.startswith("test/query_drone"))
    assert header.index("published") + len("published") == row.index("701") + 3
    assert "37,855" in row and "differs" in row and "no fault" in text.splitlines()[-1]


def test_counts_are_a_fault_only_on_request(university):
    assert any("published are 701 and 37,855" in notice for notice in verify(university).notices)
    assert "train/drone has 2 places and 4 images" in faults(university, published=True)


def test_published_counts_are_those_of_the_papers():
    assert PUBLISHED["University-1652"]["test/gallery_drone"] == (951, 51_355)
    for counts in PUBLISHED.values():
        assert set(counts) == {
            *("train/drone", "train/satellite", "test/query_drone", "test/query_satellite"),
            *("test/gallery_drone", "test/gallery_satellite"),
        }


def test_twelve_empty_google_folders_are_official(university):
    for k in range(12):
        (university / "train/google" / f"{k:04d}").mkdir(parents=True)
    report = verify(university)
    assert report.ok
    assert any("12 empty folders (as in the official" in notice for notice in report.notices)


def test_an_empty_folder_of_a_used_view_is_a_fault(university):
    (university / "train/satellite/0002/0.png").unlink()
    found = faults(university)
    assert "train/satellite: no image for 1 place: 0002" in found
    assert "1 train place with drone but no satellite images" in found


def test_a_place_without_its_other_view_is_a_fault(university):
    shutil.rmtree(university / "test/gallery_satellite/0004")
    found = faults(university)
    assert "query place with drone but no satellite images in the gallery set" in found
    assert "0004" in found and "0003" not in found


def test_a_query_place_in_train_is_a_fault_a_gallery_place_is_not(university):
    for view in ("drone", "satellite"):
        shutil.copytree(university / f"train/{view}/0001", university / f"test/gallery_{view}/0001")
    assert verify(university, deep=True).ok
    for view in ("drone", "satellite"):
        # 1 and 0001 are one place: labels are numbers
        shutil.copytree(university / f"train/{view}/0001", university / f"test/query_{view}/1")
    assert "1 query place (drone) also in train" in faults(university)


def test_names_that_are_no_numbers_are_a_fault(university):
    write_image(university / "train/drone/campus/0.png", 1)
    assert "place folders must be numbers, found campus" in faults(university)


def test_two_folders_of_one_number_are_a_fault_and_not_read_as_one_place(university):
    train = university / "train" / "drone"
    (train / "0002").rename(train / "1")
    assert any("0001, 1 are one place" in fault for fault in verify(university).faults)
    with pytest.raises(ValueError, match="0001 and 1 are one place"):
        _ = open_dataset(university).train


@pytest.mark.parametrize("name", ["1_0", "+1", " 1", "1 ", "١", "²", "-1", "1" * 19])
def test_a_label_is_digits_alone(university, name):
    (university / "train/drone/0002").rename(university / "train/drone" / name)
    assert any("must be numbers" in fault for fault in verify(university).faults)
    with pytest.raises(ValueError, match="is not a number"):
        _ = open_dataset(university).train


def test_a_number_is_one_place_with_zeros_and_without(university):
    for folder in ("train/drone", "test/query_drone"):
        for path in list((university / folder).iterdir()):
            path.rename(path.with_name(str(int(path.name))))
    assert verify(university).faults == ()
    assert open_dataset(university).train.place_ids.tolist() == [1, 2]


def test_undecodable_files_need_deep(university):
    text = university / "train/drone/0001/9.jpg"
    text.write_text("not an image", "utf-8")
    cut = university / "test/query_satellite/0003/0.png"
    cut.write_bytes(cut.read_bytes()[:80])
    (university / "train/drone/0001/.DS_Store").write_bytes(b"x")
    (university / "train/drone/0001/readme.txt").write_bytes(b"x")
    assert verify(university).ok and "--deep" in str(verify(university))
    found = verify(university, deep=True).faults
    assert len(found) == 2
    assert any(str(text) in fault and "cannot be decoded" in fault for fault in found)
    assert any(str(cut) in fault for fault in found)


def test_the_same_image_under_two_places_is_a_fault(university):
    source = university / "train/satellite/0001/0.png"
    shutil.copy(source, university / "train/satellite/0002/again.png")
    assert verify(university).ok
    found = faults(university, deep=True)
    assert "the same image under 2 places" in found and "0002/again.png" in found


def test_the_same_image_of_unused_views_or_twice_in_a_folder_is_a_notice(university):
    shutil.copy(
        university / "train/drone/0001/0.png", university / "train/drone/0001/copy of 0.png"
    )
    for place in ("0001", "0002"):
        write_image(university / "train/google" / place / "a.png", 5)
    report = verify(university, deep=True)
    notices = "\n".join(report.notices)
    assert report.ok and "twice in one folder" in notices
    assert "the same image under 2 places: train/google" in notices


def test_the_same_image_as_both_views_is_a_fault(university):
    source = university / "train/satellite/0001/0.png"
    shutil.copy(source, university / "train/drone/0001/top.png")
    assert "as drone and as satellite view" in faults(university, deep=True)


def test_families_that_straddle_the_halves_are_a_fault(university):
    places = {f"{place:04d}": {"family": place} for place in (1, 2, 3, 4, 9)}
    (university / "metadata.json").write_text(json.dumps({"places": places}), "utf-8")
    assert verify(university).ok
    places["0003"]["family"] = 2
    (university / "metadata.json").write_text(json.dumps({"places": places}), "utf-8")
    assert "1 family of twins with places in train and among the queries: 2" in faults(university)
    (university / "metadata.json").write_text("nonsense", "utf-8")
    assert "metadata.json" in faults(university)


def test_sues200_raw_at_every_height(tmp_path):
    for place in (1, 2, 8, 12):
        write_image(tmp_path / "satellite-view" / f"{place:04d}" / "0.png", place)
        for height in (150, 300):
            for k in range(2):
                name = tmp_path / "drone-view" / f"{place:04d}" / str(height) / f"{k}.png"
                write_image(name, 1000 * place + height + k)
    report = verify(tmp_path, deep=True)
    assert report.ok and report.layout == "SUES-200" and len(report.rows) == 12
    counts = {row.part: (row.places, row.images) for row in report.rows}
    assert counts["test/gallery_drone 300 m"] == (4, 8)
    assert counts["test/query_satellite 150 m"] == (2, 2)
    assert len(verify(tmp_path, height=300).rows) == 6
    shutil.rmtree(tmp_path / "drone-view/0008/300")
    assert "no image for 1 place: 0008" in faults(tmp_path)
    assert verify(tmp_path, height=150).ok
    with pytest.raises(ValueError, match="height is 200"):
        verify(tmp_path, height=200)


@pytest.mark.parametrize("padded", [True, False])
def test_sues200_with_heights_above_places_is_the_same_set(tmp_path, padded):
    for place in (1, 2, 8, 12):
        name = f"{place:04d}" if padded else str(place)
        write_image(tmp_path / "satellite-view" / name / "0.png", place)
        for height in (150, 200):
            write_image(tmp_path / f"drone_view_512/{height}/{name}/0.jpg", height + place)
    report = verify(tmp_path)
    assert report.faults == () and len(report.rows) == 12
    data = open_dataset(tmp_path, height=200)
    assert data.heights_m == (150, 200)
    split = {int(name) for name in sues200_split()["train"]} & {1, 2, 8, 12}
    assert set(data.train.place_ids.tolist()) == split
    assert sorted(data.test("S2D")[1].places.tolist()) == [1, 2, 8, 12]


def test_sues200_prepared_gallery_without_the_train_places_is_noticed(tmp_path):
    for k, view in enumerate(("drone", "satellite")):
        write_image(tmp_path / "Training/150" / view / "0001" / "0.png", k)
        for role in ("query", "gallery"):
            write_image(tmp_path / "Testing/150" / f"{role}_{view}" / "0008" / "0.png", 10 + k)
    report = verify(tmp_path, deep=True)
    assert report.ok
    assert any("lacks the train places" in notice for notice in report.notices)


def test_folder_pairs(tmp_path):
    write_image(tmp_path / "train/drone/barn/a.png", 0)
    write_image(tmp_path / "train/satellite/barn/a.png", 1)
    write_image(tmp_path / "test/drone/mill/a.png", 2)
    write_image(tmp_path / "test/satellite/mill/a.png", 3)
    write_image(tmp_path / "test/satellite/tower/a.png", 4)
    report = verify(tmp_path, deep=True)
    assert report.ok and all(row.as_published is None for row in report.rows)
    assert any(
        "with satellite images only, kept as distractors: tower" in n for n in report.notices
    )
    write_image(tmp_path / "train/satellite/mill/a.png", 5)
    assert "also in train" in faults(tmp_path)
    with pytest.raises(ValueError, match="no heights"):
        verify(tmp_path, height=150)


def test_a_wrong_root_is_said(tmp_path):
    (tmp_path / "pictures").mkdir()
    with pytest.raises(FileNotFoundError, match="pictures/"):
        verify(tmp_path)


@genuine
def test_genuine_sample():
    report = verify(GENUINE)
    assert report.ok
    counts = {row.part: (row.places, row.images) for row in report.rows}
    assert counts["test/gallery_satellite"] == (168, 168)
    assert counts["train/drone"] == (3, 162)


def test_what_is_not_read_is_counted_and_named(university):
    place = university / "train/drone/0001"
    for name in ("DJI_1.HEIC", "DJI_2.heic", "b.jp2", "notes", ".hidden.heic"):
        (place / name).write_bytes(b"1")
    write_image(place / "deeper" / "a.png", 1)
    write_image(university / "train/drone/loose.png", 2)
    report = verify(university)
    assert report.ok
    (found,) = (notice for notice in report.notices if "not read" in notice)
    assert found.startswith("train/drone: 6 entries not read (2 .heic, 1 .png, 1 .jp2, ") or (
        "2 .heic" in found and "1 folders" in found and "1 .png" in found
    )
    assert "loose.png, 0001/DJI_1.HEIC" in found and "and 3 more" in found
    assert ".hidden" not in str(report)


def test_a_place_of_unread_kinds_alone_is_told_why_it_is_empty(university):
    (university / "train/satellite/0002/0.png").rename(university / "train/satellite/0002/0.avif")
    report = verify(university)
    assert any("no image for 1 place: 0002" in fault for fault in report.faults)
    assert any("1 entry not read (1 .avif): 0002/0.avif" in notice for notice in report.notices)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="named pipes are of POSIX systems")
def test_what_is_no_image_is_a_fault_that_names_it(university):
    os.mkfifo(university / "train/drone/0001/zz.jpg")
    (university / "train/drone/0001/y\x1b]0;x\x07.jpg").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n")
    found = faults(university, deep=True)
    assert "zz.jpg: cannot be decoded as an image (found a named pipe" in found
    assert "y\\x1b]0;x\\x07.jpg: cannot be decoded as an image (found PostScript" in found
