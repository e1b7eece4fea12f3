"""Data sets with faults, at everything that opens them."""

import os
import shutil

import cv2
import numpy as np
import pytest
from PIL import Image

from dphr_lab.cli import FORESEEN
from dphr_lab.datasets import open_dataset
from tests.faults import check, left_behind, table
from tests.faults.conftest import SHORT
from tests.helpers import run

pytestmark = pytest.mark.slow

TABLE = table("data set")
# one image of each set: a fault in it meets every surface
HIT = (
    "train/drone/0002/image-01.jpeg",
    "test/query_drone/0007/image-01.jpeg",
    "test/query_satellite/0007/0007.jpg",
    "test/gallery_drone/0007/image-01.jpeg",
    "test/gallery_satellite/0007/0007.jpg",
    "tiles/0.jpg",
)


# -- the faults: each changes the copy of a world whose root it is given ------------------------


def drop_drone(root):
    for folder in root.glob("*/*drone"):
        shutil.rmtree(folder)


def drop_train_satellite(root):
    shutil.rmtree(root / "train" / "satellite")


def drop_test_drone(root):
    for folder in root.glob("test/*drone"):
        shutil.rmtree(folder)


def empty_place_folders(root):
    for name in HIT[:-1]:
        for file in (root / name).parent.iterdir():
            file.unlink()


def empty(root):
    shutil.rmtree(root)
    (root / "tiles").mkdir(parents=True)


def keep_places(*names):
    def keep(root):
        for folder in root.glob("*/*/*"):
            if folder.name not in names:
                shutil.rmtree(folder)
        for tile in list((root / "tiles").iterdir())[len(names) // 2 :]:
            tile.unlink()

    return keep


def files_as(change):
    """Change each of the files in `HIT`."""

    def of_all(root):
        for name in HIT:
            change(root / name)

    return of_all


def cut(path):
    path.write_bytes(path.read_bytes()[:300])


def to_16_bits(path):
    grey = np.asarray(Image.open(path).convert("L")).astype(np.uint16)
    path.unlink()
    Image.fromarray(grey * 257).save(path.with_suffix(".png"))


def to_cmyk(path):
    Image.open(path).convert("CMYK").save(path, "JPEG", quality=95)


def to_rgba(path):
    image = Image.open(path).convert("RGBA")
    path.unlink()
    image.save(path.with_suffix(".png"))


def to_exif_rotated(path):
    exif = Image.Exif()
    exif[0x0112] = 6  # "turn me by 90 degrees"
    Image.open(path).rotate(90, expand=True).save(path, "JPEG", quality=95, exif=exif)


def link_in_circles(root):
    (root / "loop").symlink_to(root)
    (root / "test" / "up").symlink_to(root / "test")
    for above in (root / "train/drone/0002", root / "test/gallery_satellite/0007", root / "tiles"):
        (above / "down").symlink_to(above)
    (root / "train/drone/self").symlink_to(root / "train/drone/self")


def link_to_nothing(path):
    path.unlink()
    path.symlink_to(path.with_name("gone.jpg"))


def to_pipe(path):
    path.unlink()
    os.mkfifo(path)


FAULTS = {
    "nothing wrong": lambda root: None,
    "drone view missing": drop_drone,
    "satellite view missing in train": drop_train_satellite,
    "drone view missing in test": drop_test_drone,
    "place folders empty": empty_place_folders,
    "root empty": empty,
    "no place": keep_places(),
    "one place a half": keep_places("0001", "0007"),
    "text named .jpg": files_as(lambda path: path.write_text("this is no image\n", "utf-8")),
    "file of 0 bytes": files_as(lambda path: path.write_bytes(b"")),
    "truncated image": files_as(cut),
    "16-bit image": files_as(to_16_bits),
    "CMYK image": files_as(to_cmyk),
    "RGBA image": files_as(to_rgba),
    "EXIF-rotated image": files_as(to_exif_rotated),
    "unicode and spaces in the path": lambda root: None,  # `broken` names the copy so
    "links in circles": link_in_circles,
    "link to nothing": files_as(link_to_nothing),
    "PostScript named .jpg": files_as(lambda path: path.write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n")),
    "named pipe": files_as(to_pipe),
}


# -- the surfaces -------------------------------------------------------------------------------


def first_file(folder):
    return next(iter(sorted(folder.glob("*.*"))), folder / "none.jpg")


def as_python(root):
    """`open_dataset` and reading every image, told as a command would."""
    try:
        data = open_dataset(root)
        data.summary()
        query, gallery = data.test("D2S")
        for images in (data.train.drone, data.train.satellite, query, gallery):
            images.read(range(len(images)), 16)
    except FORESEEN as error:
        return 1, str(error)
    return 0, ""


def arguments_of(surface, root, trained, out):
    photos = "--gsd-m 0.3 --train-places 2 --test-places 2 --distractor-places 0 --family-size 1"
    return {
        "verify": ["verify", root],
        "verify --deep": ["verify", "--deep", root],
        "train": ["train", "--data", root, "--out", out, *SHORT],
        "evaluate": ["evaluate", "--run", trained, "--data", root, "--json", out],
        "search": [
            *("search", "--run", trained, "--gallery", root / "test/gallery_satellite"),
            *("--query", first_file(root / "test/query_drone/0007"), "--out", f"{out}.png"),
        ],
        "prepare": ["prepare", root, "--out", out, "--image-px", 32],
        "scenes --photos": [
            *("scenes", "--photos", root / "tiles", "--out", out, "--image-px", 32),
            *("--drone-views", 1, "--workers", 1, *photos.split()),
        ],
    }[surface]


@pytest.fixture(scope="module")
def with_tiles(world, folder):
    """The world and, beside it, a folder of six aerial tiles."""
    root = folder / "with tiles"
    shutil.copytree(world, root)
    (root / "tiles").mkdir()
    for i in range(6):
        noise = np.random.default_rng(i).integers(0, 255, (12, 12, 3), dtype=np.uint8)
        tile = cv2.resize(noise, (96, 96), interpolation=cv2.INTER_CUBIC)
        Image.fromarray(tile).save(root / "tiles" / f"{i}.jpg", quality=95)
    return root


@pytest.fixture
def broken(with_tiles, tmp_path):
    def copy(fault):
        root = tmp_path / ("ünï 日本 two words" if "unicode" in fault else "data")
        shutil.copytree(with_tiles, root)
        FAULTS[fault](root)
        return root

    return copy


# -- the tests ----------------------------------------------------------------------------------


def test_the_table_has_every_fault():
    assert list(dict.fromkeys(fault for fault, _ in TABLE)) == list(FAULTS)


@pytest.mark.parametrize(("fault", "surface"), TABLE)
def test_data(fault, surface, broken, trained, tmp_path, capsys):
    root, out = broken(fault), tmp_path / "out"
    if surface == "open_dataset":
        code, said = as_python(root)
        check(TABLE[fault, surface], code, "", f"dphr: {said}")
        return
    code = run(*arguments_of(surface, root, trained, out))
    check(TABLE[fault, surface], code, *capsys.readouterr())
    assert not [name for name in left_behind(tmp_path) if surface != "prepare"]  # that goes on
    if code:
        assert not out.with_suffix(".png").exists()
        # a training that was begun keeps its settings and its list of images; it has no result
        begun = {"settings.json", "images.json"}
        names = {path.name for path in out.iterdir()} if out.exists() else begun
        assert {"settings.json"} <= names <= begun


@pytest.mark.parametrize("fault", [fault for fault in FAULTS if fault.endswith(" image")])
def test_what_is_read_is_what_the_picture_shows(fault, broken, with_tiles):
    if fault == "truncated image":
        pytest.skip("it cannot be read, which the table says")
    before, after = (open_dataset(root).test("D2S") for root in (with_tiles, broken(fault)))
    for sharp, read in zip(before, after, strict=True):
        one, other = (images.read([0], 32)[0].float() for images in (sharp, read))
        if fault == "16-bit image":  # which is grey
            one = one.new_tensor(cv2.cvtColor(
                one.permute(1, 2, 0).byte().numpy(), cv2.COLOR_RGB2GRAY))  # fmt: skip
        assert (one - other).abs().mean() < 4  # of 255; JPEG's own error, coded twice
