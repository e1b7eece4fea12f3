"""One door for images: what is opened, as what, and what is said of the rest."""

import io
import os
import re
import struct

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, features

from dphr_lab._images import FORMATS, UnreadableImage, image_files, opened, read_image
from tests.helpers import ROOT

PACKAGE = ROOT / "dphr_lab"
OPENING = r"Image\.open\(|imread\(|imageio|read_file\(|decode_image\("
PIXELS = np.random.default_rng(0).integers(0, 256, (40, 32, 3), dtype=np.uint8)


def encoded(kind: str, **options) -> bytes:
    file = io.BytesIO()
    Image.fromarray(PIXELS).save(file, kind, **options)
    return file.getvalue()


@pytest.mark.parametrize("kind", FORMATS)
def test_every_format_is_read_whatever_its_name_says(kind, tmp_path):
    path = tmp_path / "a.jpg"
    path.write_bytes(encoded(kind, **{"WEBP": {"lossless": True}}.get(kind, {})))
    found = read_image(path)
    assert found.shape == PIXELS.shape
    if kind != "JPEG":
        np.testing.assert_array_equal(found, PIXELS)


OTHERS = {  # how a file begins -> what is said of it
    b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 40 40\n%%EndComments\n": "found PostScript",
    b"%PDF-1.4\n": "found PDF",
    b"GIF89a" + bytes(40): "found GIF",
    b"DDS " + bytes(124): "found DDS",
    b"8BPS" + bytes(40): "found Photoshop",
    b"\0\0\0\x1cftypavif" + bytes(40): "found AVIF",
    b"\0\0\0\x1cftypheic" + bytes(40): "found HEIC",
    b"\0\0\0\x1cftypisom" + bytes(40): "found a film or another container",
    b"\x89HDF\r\n\x1a\n" + bytes(40): "found none that is known",
    b"": "found an empty file",
}


@pytest.mark.parametrize("data", OTHERS)
def test_other_kinds_are_told_and_not_opened(data, tmp_path):
    path = tmp_path / "a.jpg"
    path.write_bytes(data)
    with pytest.raises(UnreadableImage, match=OTHERS[data]) as told:
        read_image(path)
    assert told.value.found.startswith(f"{path}: ")


def test_a_whole_image_of_another_kind_is_refused(tmp_path):
    for kind in ("GIF", "DDS", "TGA", "PPM", *(["AVIF"] if features.check("avif") else [])):
        (tmp_path / "a.png").write_bytes(encoded(kind))
        with pytest.raises(UnreadableImage, match="expected one of JPEG, PNG"):
            read_image(tmp_path / "a.png")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="named pipes are of POSIX systems")
def test_only_regular_files_are_opened(tmp_path):
    os.mkfifo(tmp_path / "a.jpg")
    (tmp_path / "b.jpg").symlink_to("/dev/zero")
    (tmp_path / "c.jpg").mkdir()
    for name, said in (("a", "a named pipe"), ("b", "a device"), ("c", "directory")):
        with pytest.raises(UnreadableImage, match=said):
            read_image(tmp_path / f"{name}.jpg")
    with pytest.raises(FileNotFoundError, match="was it moved"):
        read_image(tmp_path / "d.jpg")


def exif(*entries: tuple[int, int, int, bytes], more: bytes = b"") -> bytes:
    out = struct.pack("<2sHIH", b"II", 42, 8, len(entries))
    for tag, kind, count, raw in entries:
        out += struct.pack("<HHI", tag, kind, count) + raw.ljust(4, b"\0")
    return b"Exif\0\0" + out + struct.pack("<I", 0) + more


TURNED = (0x0112, 3, 1, struct.pack("<H", 6))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_is_turned_as_viewers_turn_it(orientation, tmp_path):
    from PIL import ImageOps

    tag = (0x0112, 3, 1, struct.pack("<H", orientation))
    (tmp_path / "a.jpg").write_bytes(encoded("JPEG", exif=exif(tag)))
    with Image.open(tmp_path / "a.jpg") as image:
        wanted = np.array(ImageOps.exif_transpose(image).convert("RGB"))
    np.testing.assert_array_equal(read_image(tmp_path / "a.jpg"), wanted)


@pytest.mark.filterwarnings("ignore")  # Pillow's, of damaged EXIF
def test_an_odd_value_of_exif_does_not_stop_the_image(tmp_path):
    at = 8 + 2 + 24 + 4  # where the fraction -1/0 lies
    odd = exif(TURNED, (0x011A, 10, 1, struct.pack("<I", at)), more=struct.pack("<ii", -1, 0))
    (tmp_path / "a.jpg").write_bytes(encoded("JPEG", exif=odd))
    assert read_image(tmp_path / "a.jpg").shape == (32, 40, 3)
    for damaged in (b"Exif\0\0II*\0\xff\xff\xff\xff", b"Exif\0\0XX", exif(TURNED)[:-8]):
        (tmp_path / "a.jpg").write_bytes(encoded("JPEG", exif=damaged))
        assert read_image(tmp_path / "a.jpg").size == 40 * 32 * 3


def test_too_many_pixels_are_to_be_cut(tmp_path, monkeypatch):
    (tmp_path / "a.png").write_bytes(encoded("PNG"))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 40 * 32 // 2 - 1)
    with pytest.raises(UnreadableImage, match=r"1280 pixels.*cut it into tiles: `dphr map build`"):
        read_image(tmp_path / "a.png")


def test_a_name_is_told_on_one_line_without_control_characters(tmp_path):
    path = tmp_path / "a\x1b]0;x\x07\nFAULT.jpg"
    path.write_bytes(b"")
    with pytest.raises(UnreadableImage, match=r"a\\x1b\]0;x\\x07\\nFAULT.jpg: cannot"):
        read_image(path)


def test_links_are_followed_and_circles_are_not(tmp_path):
    for name in ("store/p0", "store/p1", "gallery/p2", "gallery/.hidden"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "a.PNG").write_bytes(b"")
        (tmp_path / name / "a.txt").write_bytes(b"")
    gallery = tmp_path / "gallery"
    for name, target in {
        "p0": tmp_path / "store/p0",
        "p1": tmp_path / "store/p1",
        "again": tmp_path / "store/p1",
        "p2/up": gallery,
        "self": gallery / "self",
        "gone.jpg": gallery / "nothing",
    }.items():
        (gallery / name).symlink_to(target)
    found = [path.relative_to(gallery).as_posix() for path in image_files(gallery)]
    assert found == ["again/a.PNG", "gone.jpg", "p0/a.PNG", "p1/a.PNG", "p2/a.PNG"]


CODED = {
    kind: encoded(kind, **({} if kind == "BMP" else {"exif": exif(TURNED)})) for kind in FORMATS
}
CHANGES = st.lists(st.tuples(st.integers(0, 4000), st.binary(min_size=1, max_size=4)), max_size=6)


@pytest.mark.filterwarnings("ignore")  # Pillow's, of damaged EXIF
@settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.sampled_from(FORMATS), CHANGES, st.integers(20, 4000), st.sampled_from([None, 16]))
def test_whatever_the_bytes_are_they_are_read_or_told(tmp_path, kind, changes, length, image_px):
    data = bytearray(CODED[kind])
    for at, new in changes:
        data[at % len(data) : at % len(data) + len(new)] = new
    path = tmp_path / "a.jpg"
    path.write_bytes(data[:length])
    try:
        read_image(path, image_px)
    except UnreadableImage as told:
        assert str(told).startswith(f"{path}: ") and "\n" not in told.found


def test_no_image_is_opened_but_through_the_door():
    found = {p.name for p in PACKAGE.rglob("*.py") if re.search(OPENING, p.read_text("utf-8"))}
    # the latter reads the bytes that it has coded
    assert found == {"_images.py", "augment.py"}


def test_what_is_raised_while_an_image_is_open_names_its_file(tmp_path):
    (tmp_path / "a.png").write_bytes(encoded("PNG"))
    with (
        pytest.raises(UnreadableImage, match=r"a\.png: cannot be decoded as an image"),
        opened(tmp_path / "a.png") as image,
    ):
        image.seek(3)
