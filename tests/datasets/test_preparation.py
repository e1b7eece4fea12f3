"""Copies of data sets with small images: same layout, near values, resumable, never half there."""

import json
import os
import shutil

import numpy as np
import pytest
from PIL import Image

from dphr_lab._images import read_image
from dphr_lab._locks import only_writer
from dphr_lab.cli import main
from dphr_lab.datasets import find_layout, verify
from dphr_lab.datasets.preparation import RECORD, prepare


def picture(seed, px=48):
    """A smooth random picture."""
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize((px, px), Image.Resampling.BICUBIC)


def write(root, names):
    for seed, name in enumerate(names):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        picture(seed).save(root / name)
    return root


@pytest.fixture
def university(tmp_path):
    names = [
        f"{part}/{place:04d}/{i}.{'jpg' if i else 'png'}"
        for part, places in (
            ("train/drone", (1, 2)),
            ("train/satellite", (1, 2)),
            ("train/street", (1,)),
            ("test/query_drone", (3,)),
            ("test/query_satellite", (3,)),
            ("test/gallery_drone", (3, 4)),
            ("test/gallery_satellite", (3, 4)),
        )
        for place in places
        for i in range(2)
    ]
    root = write(tmp_path / "full size", names)
    (root / "test/gallery_drone/0005").mkdir()  # a place without images
    return root


def images(root):
    return {str(p.relative_to(root)) for p in root.rglob("*.[jp][pn]g")}


def test_the_copy_is_the_same_data_set_in_small(university, tmp_path):
    copied = prepare(university, tmp_path / "small", 16)
    expected = {name for name in images(university) if "street" not in name}
    assert images(copied.root) == expected and copied.written == copied.images == len(expected)
    assert not list(tmp_path.glob(".*"))
    before, after = verify(university), verify(copied.root)
    assert find_layout(copied.root) is find_layout(university)
    used = [row for row in before.rows if "street" not in row.part]
    assert list(after.rows) == used and after.faults == before.faults != ()
    sizes = [p.stat().st_size for p in copied.root.rglob("*.[jp][pn]g")]
    assert copied.bytes_after == sum(sizes) < copied.bytes_before
    for name in expected:
        small, full = read_image(copied.root / name), read_image(university / name, 16)
        assert small.shape == (16, 16, 3)
        difference = np.abs(small.astype(int) - full)
        if name.endswith("png"):
            assert difference.max() == 0
        else:
            assert difference.mean() < 4  # of a picture that is all edges


def test_every_height_is_copied_and_the_families_kept(tmp_path):
    names = [f"satellite-view/{place}/0.png" for place in ("0001", "0008")]
    names += [f"drone_512/{p}/{h}/0.jpg" for p in ("0001", "0008") for h in (150, 300)]
    root = write(tmp_path / "sues", names)
    (root / "metadata.json").write_text('{"places": {"0001": {"family": 7}}}', "utf-8")
    copied = prepare(root, tmp_path / "small", 16)
    assert images(copied.root) == set(names)
    assert (
        json.loads((copied.root / "metadata.json").read_text("utf-8"))["places"]["0001"]["family"]
        == 7
    )


def test_a_copy_that_was_cut_goes_on(university, tmp_path):
    bad = university / "train/drone/0002/1.jpg"
    good = bad.read_bytes()
    bad.write_bytes(good[:100])
    with pytest.raises(ValueError, match=r"1\.jpg: cannot be decoded"):
        prepare(university, tmp_path / "small", 16)
    assert not (tmp_path / "small").exists()  # nothing half-made under the name asked for
    done = images(tmp_path / ".small.part")
    assert done and "train/drone/0002/1.jpg" not in done

    bad.write_bytes(good)
    copied = prepare(university, tmp_path / "small", 16)
    assert copied.written == copied.images - len(done)
    assert not (tmp_path / ".small.part").exists()
    assert prepare(university, tmp_path / "small", 16).written == 0


def test_what_is_a_copy_is_told_by_content_not_by_name_or_time(university, tmp_path):
    image, out = university / "train/drone/0002/1.jpg", tmp_path / "small"
    copied = out / "train/drone/0002/1.jpg"
    prepare(university, out, 16)
    before = copied.read_bytes()
    os.utime(image, (2e9, 2e9))
    assert prepare(university, out, 16).written == 0  # newer, and the same picture
    Image.new("RGB", (20, 20), "red").save(image)
    os.utime(image, (1, 1))
    assert prepare(university, out, 16).written == 1  # older, and another picture
    assert copied.read_bytes() != before
    again = shutil.copytree(university, tmp_path / "elsewhere" / university.name)
    assert prepare(again, out, 16).written == 0  # other files of the same content


def test_a_copy_of_another_set_of_the_same_name_is_refused(university, tmp_path):
    prepare(university, tmp_path / "small", 16)
    before = {name: (tmp_path / "small" / name).read_bytes() for name in images(tmp_path / "small")}
    other = tmp_path / "other" / university.name
    shutil.copytree(university, other)
    for number, name in enumerate(sorted(images(other))):
        Image.new("RGB", (20, 20), (number, 0, 0)).save(other / name)
    with pytest.raises(ValueError, match="was prepared from other images, none of them the same"):
        prepare(other, tmp_path / "small", 16)
    (university / "train/drone/0001/0.png").rename(university / "train/drone/0001/2.png")
    with pytest.raises(ValueError, match=r"such as train/drone/0001/0\.png"):
        prepare(university, tmp_path / "small", 16)
    after = {name: (tmp_path / "small" / name).read_bytes() for name in images(tmp_path / "small")}
    assert after == before


def test_two_at_once_do_not_mix(university, tmp_path):
    with only_writer(tmp_path / "small"), pytest.raises(BlockingIOError, match="in use by"):
        prepare(university, tmp_path / "small", 16)
    assert not (tmp_path / "small").exists()


def test_a_file_name_as_long_as_can_be_is_copied(university, tmp_path):
    folder = university / "train/drone/0001"
    (folder / "0.png").rename(folder / f"{'i' * 251}.png")
    assert "i" * 251 in {
        path.stem for path in prepare(university, tmp_path / "s", 16).root.rglob("*")
    }


def test_folders_that_are_not_its_own_are_refused(university, tmp_path):
    foreign = write(tmp_path / "foreign", ["a.png"])
    with pytest.raises(ValueError, match=r"foreign holds something else"):
        prepare(university, foreign, 16)
    assert images(foreign) == {"a.png"}
    for out in (university, university / "small", tmp_path):
        with pytest.raises(ValueError, match="must not lie in the other"):
            prepare(university, out, 16)
    prepare(university, tmp_path / "small", 16)
    with pytest.raises(ValueError, match="image_px 16, asked for is 24"):
        prepare(university, tmp_path / "small", 24)
    with pytest.raises(FileNotFoundError, match="no data set found"):
        prepare(foreign, tmp_path / "other", 16)
    with pytest.raises(ValueError, match="image_px is 4"):
        prepare(university, tmp_path / "other", 4)
    (tmp_path / "empty").mkdir()
    assert prepare(university, tmp_path / "empty", 16).root == tmp_path / "empty"


def test_from_the_command_line(university, tmp_path, capsys):
    out = tmp_path / "small"
    assert main(["prepare", str(university), "--out", str(out), "--image-px", "16"]) == 0
    assert "20 images, 20 of them written now" in capsys.readouterr().out
    assert json.loads((out / RECORD).read_text("utf-8"))["image_px"] == 16
    assert main(["prepare", str(university), "--out", str(out), "--image-px", "4"]) == 2
    assert main(["prepare", str(tmp_path / "none"), "--out", str(out)]) == 1
