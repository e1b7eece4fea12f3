"""Image sets, layouts on disk, pairs and held-out places."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from dphr_lab import datasets, scenes
from dphr_lab._images import read_image
from dphr_lab.datasets import (
    SUES200,
    ArrayImages,
    FileImages,
    FolderPairs,
    PairSet,
    TwinTowns,
    University1652,
    UnlabelledImages,
    find_layout,
    open_dataset,
    verify,
)
from dphr_lab.settings.protocol import sues200_split
from tests.helpers import GENUINE

genuine = pytest.mark.skipif(not GENUINE.is_dir(), reason="no genuine images beside this checkout")


def write_image(path: Path, colour=(10, 120, 240), px: int = 8) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (px, px), colour).save(path)
    return path


def test_images_without_labels_read_as_labelled_ones_do(tmp_path):
    paths = [write_image(tmp_path / f"{n}.png", (40 * n, 120, 240)) for n in range(5)]
    labelled = FileImages("drone", paths, places=range(5))
    plain = UnlabelledImages(map(str, paths))
    assert len(plain) == 5 and not hasattr(plain, "places")
    assert torch.equal(plain.read([3, 0, 3], 16), labelled.read([3, 0, 3], 16))
    assert torch.equal(plain.read(np.array([4]), 8), labelled.read([4], 8))


def write_university(root: Path, train=(1, 2), test=(3, 4), distractors=(9,), drones: int = 2):
    def place(part, number, images):
        for k in range(images):
            colour = (number * 7 % 256, 40 * k, len(part) * 5)
            write_image(root / part / f"{number:04d}" / f"image-{k:02d}.jpeg", colour)

    for number in train:
        place("train/drone", number, drones)
        place("train/satellite", number, 1)
    for number in test:
        place("test/query_drone", number, drones)
        place("test/query_satellite", number, 1)
    for number in (*test, *distractors):
        place("test/gallery_drone", number, drones)
        place("test/gallery_satellite", number, 1)
    return root


def write_sues(root: Path, places=("0001", "0002", "0008", "0012", "0201"), heights=(150, 300)):
    for place in places:
        write_image(root / "satellite-view" / place / "0.png")
        for height in heights:
            for k in range(2):
                write_image(root / "drone_view_512" / place / str(height) / f"{k}.jpg")
    return root


# -- reading ---------------------------------------------------------------------------------------


def test_every_image_mode_becomes_8_bit_rgb(tmp_path):
    colour = (200, 100, 50)
    rgb = Image.new("RGB", (6, 6), colour)
    rgb.save(tmp_path / "rgb.png")
    rgb.convert("P", palette=Image.Palette.ADAPTIVE).save(tmp_path / "palette.png")
    rgb.convert("CMYK").save(tmp_path / "cmyk.jpg", quality=100)
    rgb.convert("RGBA").save(tmp_path / "rgba.png")
    for name in ("rgb.png", "palette.png", "cmyk.jpg", "rgba.png"):
        pixels = read_image(tmp_path / name)
        assert pixels.shape == (6, 6, 3) and pixels.dtype == np.uint8
        assert np.abs(pixels.astype(int) - colour).max() <= 3, name

    Image.new("RGBA", (6, 6), (200, 100, 50, 0)).save(tmp_path / "transparent.png")
    assert read_image(tmp_path / "transparent.png").max() == 0
    grey = np.full((6, 6), 128 * 257, dtype=np.uint16)
    Image.fromarray(grey).save(tmp_path / "grey16.png")
    assert (read_image(tmp_path / "grey16.png") == 128).all()
    Image.fromarray(np.full((6, 6), 0.5, dtype=np.float32)).save(tmp_path / "float.tif")
    with pytest.raises(ValueError, match=r"float\.tif.*floating point"):
        read_image(tmp_path / "float.tif")


def test_exif_orientation_is_applied(tmp_path):
    image = Image.new("RGB", (16, 8), (0, 0, 0))
    image.paste((255, 255, 255), (0, 0, 8, 8))  # the left half is white
    exif = Image.Exif()
    exif[0x0112] = 6  # shown after a quarter turn clockwise: the left half is on top
    image.save(tmp_path / "turned.jpg", exif=exif, quality=95)
    pixels = read_image(tmp_path / "turned.jpg")
    assert pixels.shape == (16, 8, 3)
    assert pixels[:7].min() > 200 and pixels[9:].max() < 50


@pytest.mark.parametrize("content", ["truncated", "text", "empty"])
def test_a_file_that_cannot_be_decoded_is_named(tmp_path, content):
    good = write_image(tmp_path / "good.jpg", px=64)
    bad = tmp_path / "bad.jpg"
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(noise).save(bad)
    whole = bad.read_bytes()
    bad.write_bytes(
        {"truncated": whole[: len(whole) // 2], "text": b"hello", "empty": b""}[content]
    )
    images = FileImages("drone", [good, good, bad], [1, 1, 2])
    assert images.read([0, 1], 8).shape == (2, 3, 8, 8)
    with pytest.raises(ValueError, match=r"bad\.jpg: cannot be decoded"):
        images.read([0, 2], 8)
    bad.unlink()
    with pytest.raises(FileNotFoundError, match=r"bad\.jpg: no such file"):
        images.read([2], 8)


def test_reduced_decoding_changes_little(tmp_path):
    rng = np.random.default_rng(0)
    coarse = Image.fromarray(rng.integers(0, 256, (24, 24, 3), dtype=np.uint8))
    smooth = coarse.resize((512, 512), Image.Resampling.BICUBIC)
    smooth.save(tmp_path / "a.jpg", quality=95)
    with Image.open(tmp_path / "a.jpg") as image:
        full = np.asarray(image.resize((64, 64), Image.Resampling.BICUBIC)).astype(float)
    assert np.abs(read_image(tmp_path / "a.jpg", 64) - full).mean() < 1.0


@pytest.mark.parametrize("size", [(512, 512), (512, 300), (90, 60), (300, 512)])
@pytest.mark.parametrize("image_px", [224, 384])
def test_resizing_is_that_of_pillow(tmp_path, size, image_px):
    """By two grey levels, in few values; size is (width, height)."""
    rng = np.random.default_rng(2)
    coarse = Image.fromarray(rng.integers(0, 256, (12, 12, 3), dtype=np.uint8))
    images = {"smooth": coarse.resize(size, Image.Resampling.BICUBIC)}
    if size[0] >= size[1]:  # upright noise: see `images.squash`
        noise = rng.integers(0, 256, (*size[::-1], 3), dtype=np.uint8)
        images["noise"] = Image.fromarray(noise)
    for name, image in images.items():
        image.save(tmp_path / f"{name}.png")
        theirs = np.asarray(image.resize((image_px, image_px), Image.Resampling.BICUBIC))
        difference = np.abs(read_image(tmp_path / f"{name}.png", image_px).astype(int) - theirs)
        assert difference.max() <= 2, name
        assert difference.mean() < 0.1, name


def test_files_and_arrays_read_alike(tmp_path):
    rng = np.random.default_rng(1)
    # Mid tones: Pillow clips after each of its two passes, which shows at black and white only.
    pixels = rng.integers(80, 170, (3, 32, 32, 3), dtype=np.uint8)
    paths = [tmp_path / f"{k}.png" for k in range(3)]
    for path, image in zip(paths, pixels, strict=True):
        Image.fromarray(image).save(path)
    files = FileImages("satellite", paths, [4, 5, 6])
    arrays = ArrayImages("satellite", pixels, [4, 5, 6])
    for images in (files, arrays):
        same_size = images.read(np.array([2, 0]), 32)
        assert same_size.dtype == torch.uint8 and same_size.is_contiguous()
        assert np.array_equal(same_size.permute(0, 2, 3, 1).numpy(), pixels[[2, 0]])
        assert images.read([], 32).shape == (0, 3, 32, 32)
    for image_px in (12, 50):
        difference = files.read([0, 1, 2], image_px).int() - arrays.read([0, 1, 2], image_px).int()
        assert difference.abs().max() <= 1


def test_subsets_keep_images_and_labels_together(tmp_path):
    pixels = np.arange(4, dtype=np.uint8).reshape(4, 1, 1, 1) * np.ones((1, 2, 2, 3), np.uint8)
    paths = [write_image(tmp_path / f"{k}.png", (k, k, k), px=2) for k in range(4)]
    places, families = [7, 7, 8, 9], [1, 1, 1, 2]
    for images in (
        ArrayImages("drone", pixels, places, families),
        FileImages("drone", paths, places, families),
    ):
        for chosen in (images.subset([3, 1]), images.subset(np.array([0, 1, 0, 1], bool))):
            twice = chosen.subset([1])
            index = int(twice.read([0], 2)[0, 0, 0, 0])
            assert len(chosen) == 2 and len(twice) == 1
            assert twice.places.tolist() == [places[index]]
            assert twice.families.tolist() == [families[index]]
        with pytest.raises(ValueError, match="mask"):
            images.subset(np.ones(3, bool))
    assert images.subset([2]).paths == [paths[2]]


def test_image_sets_refuse_what_does_not_fit():
    pixels = np.zeros((2, 4, 4, 3), np.uint8)
    with pytest.raises(ValueError, match="view is 'street'; expected one of"):
        ArrayImages("street", pixels, [1, 2])
    with pytest.raises(ValueError, match="places has 3 labels for 2 images"):
        ArrayImages("drone", pixels, [1, 2, 3])
    with pytest.raises(ValueError, match="uint8"):
        ArrayImages("drone", pixels.astype(float), [1, 2])
    with pytest.raises(ValueError, match="families has 1 labels for 2"):
        ArrayImages("drone", pixels, [1, 2], families=[1])


# -- layouts ---------------------------------------------------------------------------------------


def test_university1652(tmp_path):
    root = write_university(tmp_path)
    (root / "train/drone/0001/.DS_Store").write_bytes(b"x")
    (root / "train/drone/0001/Thumbs.db").write_bytes(b"x")
    (root / "train/drone/0001/._image-00.jpeg").write_bytes(b"x")
    write_image(root / "train/drone/0001/LAST.JPG")
    (root / "train/google/0001").mkdir(parents=True)
    data = open_dataset(root)
    assert isinstance(data, University1652) and data.height_m is None
    assert data.train.place_ids.tolist() == [1, 2]
    assert len(data.train.drone) == 5  # one place has three: 54 is not insisted on
    assert data.place_names == {1: "0001", 2: "0002", 3: "0003", 4: "0004", 9: "0009"}
    query, gallery = data.test("D2S")
    assert (query.view, gallery.view) == ("drone", "satellite")
    assert sorted(set(query.places)) == [3, 4] and gallery.places.tolist() == [3, 4, 9]
    query, gallery = data.test("S2D")
    assert query.places.tolist() == [3, 4] and len(gallery) == 6
    assert "6 drone images of 3 places" in data.summary()
    with pytest.raises(ValueError, match="direction"):
        data.test("drone")
    with pytest.raises(ValueError, match="no heights"):
        open_dataset(root, height=150)


def test_a_missing_half_matters_only_when_asked_for(tmp_path):
    write_university(tmp_path / "a", train=())
    data = open_dataset(tmp_path / "a")
    assert len(data.test("S2D")[0]) == 2 and "none" in data.summary()
    with pytest.raises(FileNotFoundError, match="no train set of drone images"):
        _ = data.train
    write_university(tmp_path / "b", test=(), distractors=())
    data = open_dataset(tmp_path / "b")
    assert len(data.train) == 2
    with pytest.raises(FileNotFoundError, match="no query set of drone images"):
        data.test("D2S")


def test_university_labels_are_numbers(tmp_path):
    root = write_university(tmp_path)
    write_image(root / "train/drone/campus/1.jpg")
    with pytest.raises(ValueError, match="'campus' is not a number"):
        _ = University1652(root).train


def test_sues_split_is_the_published_one():
    split = sues200_split()
    assert len(split["train"]) == 120 and len(split["test"]) == 80
    assert {*split["train"], *split["test"]} == {f"{k:04d}" for k in range(1, 201)}
    assert {"0001", "0200"} <= set(split["train"]) and {"0008", "0195"} <= set(split["test"])


def test_sues200_raw(tmp_path):
    data = open_dataset(write_sues(tmp_path), height=300)
    assert isinstance(data, SUES200) and data.height_m == 300 and data.heights_m == (150, 300)
    assert data.train.place_ids.tolist() == [1, 2] and len(data.train.drone) == 4
    query, gallery = data.test("D2S")
    assert {path.parent.name for path in query.paths} == {"300"}
    assert sorted(set(query.places)) == [8, 12]
    assert gallery.places.tolist() == [1, 2, 8, 12, 201]  # all places, the train places too
    assert len(data.test("S2D")[1]) == 10
    with pytest.raises(ValueError, match=r"height is 200.*\[150, 300\]"):
        SUES200(tmp_path, height=200)
    assert open_dataset(tmp_path).height_m == 150
    for view in ("drone", "satellite"):
        (tmp_path / f"old_{view}").mkdir()
        with pytest.raises(ValueError, match=f'more than one folder with "{view}" in its name'):
            open_dataset(tmp_path)
        (tmp_path / f"old_{view}").rmdir()


@pytest.mark.parametrize(("train", "test"), [("Training", "Testing"), ("train", "test")])
def test_sues200_prepared(tmp_path, train, test):
    for place in ("0001", "0002"):
        for view in ("drone", "satellite"):
            write_image(tmp_path / train / "200" / view / place / "0.jpg")
    for place in ("0001", "0008"):
        for view in ("drone", "satellite"):
            write_image(tmp_path / test / "200" / f"gallery_{view}" / place / "0.jpg")
            if place == "0008":
                write_image(tmp_path / test / "200" / f"query_{view}" / place / "0.jpg")
    data = open_dataset(tmp_path, height=200)
    assert isinstance(data, SUES200) and data.heights_m == (200,)
    assert data.train.place_ids.tolist() == [1, 2]
    for direction in ("D2S", "S2D"):
        query, gallery = data.test(direction)
        assert query.places.tolist() == [8] and gallery.places.tolist() == [1, 8]


def test_folder_pairs(tmp_path):
    for name in ("bridge", "barn", "mill"):
        write_image(tmp_path / "train/satellite" / name / "s.webp")
        if name != "mill":
            write_image(tmp_path / "train/drone" / name / "d.BMP")
    data = open_dataset(tmp_path)
    assert isinstance(data, FolderPairs)
    names = [data.place_names[place] for place in data.train.place_ids]
    assert names == ["barn", "bridge"]
    assert [data.place_names[place] for place in data.train.incomplete] == ["mill"]
    with pytest.raises(FileNotFoundError, match="no query set"):
        data.test("D2S")
    for name in ("church", "tower"):
        write_image(tmp_path / "test/satellite" / name / "s.tif")
    write_image(tmp_path / "test/drone/church/d.png")
    data = open_dataset(tmp_path)
    query, gallery = data.test("S2D")
    assert [data.place_names[place] for place in query.places] == ["church"]
    query, gallery = data.test("D2S")
    assert [data.place_names[place] for place in gallery.places] == ["church", "tower"]


def test_only_a_test_half_is_fine(tmp_path):
    for view in ("drone", "satellite"):
        write_image(tmp_path / "test" / view / "7" / "a.jpg")
    data = open_dataset(tmp_path)
    assert not data.has_train and len(data.test("D2S")[0]) == 1


def test_a_wrong_root_says_what_was_looked_for_and_what_is_there(tmp_path):
    with pytest.raises(FileNotFoundError, match="no folder"):
        open_dataset(tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError, match="empty"):
        open_dataset(tmp_path)
    write_university(tmp_path / "University-Release")
    (tmp_path / "note.txt").write_text("x", "utf-8")
    with pytest.raises(FileNotFoundError) as caught:
        open_dataset(tmp_path)
    message = str(caught.value)
    for part in ("train/{drone,satellite}", "satellite", "University-Release/, note.txt"):
        assert part in message
    assert f"Did you mean {tmp_path / 'University-Release'}?" in message
    with pytest.raises(FileNotFoundError, match=r"Did you mean .*University-Release\? "):
        open_dataset(tmp_path / "University-Release" / "train")
    with pytest.raises(FileNotFoundError, match="no SUES-200 layout"):
        SUES200(tmp_path / "University-Release")


def test_families_come_from_metadata(tmp_path):
    root = write_university(tmp_path, train=(1, 2, 5))
    places = {f"{p:04d}": {"family": p // 4, "twin": 0} for p in (1, 2, 3, 4, 5, 9)}
    (root / "metadata.json").write_text(json.dumps({"places": places}), "utf-8")
    data = open_dataset(root)
    assert data.train.families.tolist() == [0, 0, 1]
    assert data.test("D2S")[1].families.tolist() == [0, 1, 2]
    del places["0003"]
    (root / "metadata.json").write_text(json.dumps({"places": places}), "utf-8")
    with pytest.raises(ValueError, match=r"metadata\.json names no family for place 3"):
        open_dataset(root).test("D2S")
    (root / "metadata.json").write_text("{", "utf-8")
    with pytest.raises(ValueError, match=r"metadata\.json"):
        _ = open_dataset(root).train


# -- pairs -----------------------------------------------------------------------------------------


def make_pairs(counts, families=None) -> PairSet:
    """A PairSet with `counts[place] = (drone images, satellite images)`."""

    def images(view, column):
        places = [place for place, count in counts.items() for _ in range(count[column])]
        of_place = None if families is None else [families[place] for place in places]
        return ArrayImages(view, np.zeros((len(places), 2, 2, 3), np.uint8), places, of_place)

    return PairSet(images("drone", 0), images("satellite", 1))


def test_pairs_repeat_the_rarer_view():
    pairs = make_pairs({5: (3, 2), 6: (1, 2), 8: (2, 0), 7: (0, 1)})
    assert pairs.place_ids.tolist() == [5, 6] and pairs.incomplete.tolist() == [7, 8]
    assert pairs.pairs.tolist() == [[0, 0], [1, 1], [2, 0], [3, 2], [3, 3]]
    assert pairs.pair_places.tolist() == [5, 5, 5, 6, 6]
    assert (pairs.satellite.places[pairs.pairs[:, 1]] == pairs.pair_places).all()
    query, gallery = pairs.direction("S2D")
    assert (query.view, gallery.view) == ("satellite", "drone")
    with pytest.raises(ValueError, match=r"drone is ArrayImages.*; expected a set of drone images"):
        PairSet(pairs.satellite, pairs.drone)


def test_pairs_do_not_need_sorted_places():
    rng = np.random.default_rng(3)
    places = rng.permutation(np.repeat([4, 2, 9], 3))
    drone = ArrayImages("drone", np.zeros((9, 2, 2, 3), np.uint8), places)
    satellite = ArrayImages("satellite", np.zeros((3, 2, 2, 3), np.uint8), [9, 4, 2])
    pairs = PairSet(drone, satellite)
    assert sorted(pairs.pairs[:, 0]) == list(range(9))
    assert (satellite.places[pairs.pairs[:, 1]] == places[pairs.pairs[:, 0]]).all()


def test_hold_out_by_seed():
    pairs = make_pairs({place: (2, 1) for place in range(20)})
    rest, held = pairs.hold_out(5, seed=1)
    assert len(held) == 5 and len(rest) == 15
    assert sorted([*rest.place_ids, *held.place_ids]) == list(range(20))
    again = pairs.hold_out(5, seed=1)[1].place_ids
    assert (held.place_ids == again).all()
    assert any((pairs.hold_out(5, seed)[1].place_ids != again).any() for seed in (2, 3))
    rest, held = pairs.hold_out(0, seed=1)
    assert len(rest) == 20 and len(held) == 0 and len(held.pairs) == 0
    for n_places in (20, -1):
        with pytest.raises(ValueError, match=f"n_places is {n_places}; expected 0 to 19"):
            pairs.hold_out(n_places, seed=1)


def test_hold_out_takes_whole_families():
    families = {place: place // 3 for place in range(30)}
    pairs = make_pairs({place: (2, 1) for place in range(30)}, families)
    rest, held = pairs.hold_out(10, seed=4)
    assert len(held) == 9  # three families; ten cannot be met
    assert not set(rest.families) & set(held.families)
    with pytest.raises(ValueError, match="at least 3"):
        pairs.hold_out(2, seed=4)
    mixed = make_pairs({p: (1, 1) for p in range(6)}, {0: 0, 1: 0, 2: 0, 3: 0, 4: 1, 5: 2})
    for seed in range(5):
        assert len(mixed.hold_out(2, seed)[1]) == 2  # never exceeded by the family of four


# -- Twin Towns ------------------------------------------------------------------------------------


def test_twin_towns_keeps_distractors_out_of_the_queries(monkeypatch):
    from types import SimpleNamespace

    def views(first, places):
        ids = np.arange(first, first + places)
        return {
            view: (
                np.full((places * count, 4, 4, 3), first, np.uint8),
                np.repeat(ids, count),
                np.repeat(ids // 3, count),
            )
            for view, count in (("satellite", 1), ("drone", 2))
        }

    world = {"train": views(0, 6), "test": views(6, 3), "distractors": views(9, 3)}
    fake = SimpleNamespace(
        make_world=lambda settings: settings,
        render_world=lambda world_, workers=None, progress=True: world,
    )
    monkeypatch.setitem(sys.modules, "dphr_lab.scenes", fake)
    monkeypatch.setattr("dphr_lab.scenes", fake)
    data = TwinTowns("settings", progress=False)
    assert data.train.place_ids.tolist() == list(range(6)) and data.root is None
    query, gallery = data.test("D2S")
    assert sorted(set(query.places)) == [6, 7, 8] and gallery.places.tolist() == [*range(6, 12)]
    query, gallery = data.test("S2D")
    assert query.places.tolist() == [6, 7, 8] and len(gallery) == 12
    assert gallery.read([0, 11], 4)[:, 0, 0, 0].tolist() == [6, 9]
    assert query.families.tolist() == [2, 2, 2] and len(data.place_names) == 12
    assert "12 drone images of 6 places" in data.summary()


@pytest.fixture(scope="module")
def tiny_world():
    return scenes.WorldSettings(
        name="tiny", train_places=6, test_places=3, distractor_places=3, image_px=32, drone_views=2
    )


def test_twin_towns_renders_a_world(tiny_world):
    data = TwinTowns(tiny_world, workers=1, progress=False)
    assert len(data.train) == 6 and len(data.train.pairs) == 12
    assert len(set(data.train.families)) == 2
    held = data.train.hold_out(3, seed=0)[1]
    assert len(held) == 3 and len(set(held.families)) == 1
    query, gallery = data.test("D2S")
    assert (len(query), len(gallery)) == (6, 6)
    assert not set(gallery.families) & set(data.train.families)
    images = query.read(range(6), 32)
    assert images.float().std() > 5


def test_a_world_without_a_half_says_so(tiny_world):
    def world(**places):
        return TwinTowns(replace(tiny_world, **places), workers=1, progress=False)

    untested = world(test_places=0)
    assert untested.has_train and not untested.has_test and "none" in untested.summary()
    with pytest.raises(ValueError, match="test_places is 0"):
        untested.test("D2S")
    untrained = world(train_places=0)
    assert untrained.has_test and not untrained.has_train and "none" in untrained.summary()


def test_a_world_in_memory_and_on_disk_is_the_same(tiny_world, tmp_path):
    memory = TwinTowns(tiny_world, workers=1, progress=False)
    scenes.write_university1652(memory.world, tmp_path / "world", workers=1, progress=False)
    disk = open_dataset(tmp_path / "world")
    assert isinstance(disk, University1652) and verify(tmp_path / "world", deep=True).ok
    assert np.array_equal(disk.train.families, memory.train.families)
    for direction in ("D2S", "S2D"):
        for ours, theirs in zip(memory.test(direction), disk.test(direction), strict=True):
            assert np.array_equal(ours.places, theirs.places)
            assert np.array_equal(ours.families, theirs.families)
            difference = ours.read(range(3), 32).int() - theirs.read(range(3), 32).int()
            assert difference.abs().float().mean() < 2  # two JPEG decoders


def test_a_world_in_the_sues200_layout(tiny_world, tmp_path):
    world = scenes.make_world(replace(tiny_world, distractor_places=0))
    scenes.write_sues200(world, tmp_path / "world", workers=1, progress=False)
    data = open_dataset(tmp_path / "world", height=250)
    assert isinstance(data, SUES200) and verify(tmp_path / "world", deep=True).ok
    assert len(data.train) == 6 and len(data.train.drone) == 12
    assert len(data.test("D2S")[1]) == 9 and len(set(data.train.families)) == 2


# -- the genuine sample ----------------------------------------------------------------------------


@genuine
def test_genuine_sample():
    data = open_dataset(GENUINE)
    assert isinstance(data, University1652)
    assert (len(data.train), len(data.train.drone), len(data.train.pairs)) == (3, 162, 162)
    query, gallery = data.test("D2S")
    assert (len(query), len(gallery), len(set(gallery.places))) == (162, 168, 168)
    images = gallery.read([0, 100], 64)
    assert images.shape == (2, 3, 64, 64) and images.float().std() > 5


def test_importing_the_package_does_not_import_torch():
    code = "import sys, dphr_lab.datasets; print({'torch', 'PIL', 'cv2'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_public_names_exist():
    assert all(hasattr(datasets, name) for name in datasets.__all__)
    assert find_layout.__doc__
