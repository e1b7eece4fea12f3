"""Metadata as drones write them, and as they should not."""

import io
from datetime import datetime

import numpy as np
import pytest
from PIL import Image

from dphr_lab.localization.photo_metadata import read_photo_pose
from dphr_lab.scenes.continuous.exif import PhotoTags, with_tags

SPACE = 'xmlns:drone-dji="http://www.dji.com/drone-dji/1.0/"'
TAGS = PhotoTags(
    lat=-33.85, lon=151.21, altitude_m=630.5, relative_altitude_m=110.25, yaw_deg=200.0,
    pitch_deg=-65.0, roll_deg=0.0, flight_yaw_deg=195.0, focal_px=100.0, width_px=80, height_px=60,
    taken="2025:06:01 12:34:56",
)  # fmt: skip


def jpeg(width=80, height=60, **options) -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.zeros((height, width, 3), np.uint8)).save(file, "jpeg", **options)
    return file.getvalue()


def pose_of(tmp_path, data: bytes, **options):
    (tmp_path / "p.jpg").write_bytes(data)
    return read_photo_pose(tmp_path / "p.jpg", **options)


def changed(**xmp) -> bytes:
    """A photograph whose XMP says something else; None removes a tag."""
    data = with_tags(jpeg(), TAGS)
    start = data.index(b"http://ns.adobe.com")
    length = int.from_bytes(data[start - 2 : start], "big") - 2
    packet = data[start : start + length]
    for name, value in xmp.items():
        lines = packet.split(b"\n")
        kept = [line for line in lines if f"drone-dji:{name}=".encode() not in line]
        lost = next(line for line in lines if f"drone-dji:{name}=".encode() in line)
        packet = b"\n".join(kept)
        if lost.rstrip().endswith(b">"):
            packet = packet.replace(b"\n  </rdf:Description>", b">\n  </rdf:Description>", 1)
        if value is not None:
            tag = (
                f'xmlns:drone-dji="http://www.dji.com/drone-dji/1.0/"\n drone-dji:{name}="{value}"'
            )
            packet = packet.replace(SPACE.encode(),
                                    tag.encode())  # fmt: skip
    head = data[: start - 2] + (len(packet) + 2).to_bytes(2, "big")
    return head + packet + data[start + length :]


def test_everything_that_dji_writes_is_read(tmp_path):
    pose = pose_of(tmp_path, with_tags(jpeg(), TAGS))
    assert (pose.lat, pose.lon) == pytest.approx((-33.85, 151.21), abs=1e-8)
    assert (pose.height_m, pose.yaw_deg, pose.pitch_deg) == pytest.approx((110.25, 200.0, 65.0))
    assert pose.fov_deg == pytest.approx(np.degrees(2 * np.arctan(40 / 100)))
    assert pose.taken == datetime(2025, 6, 1, 12, 34, 56)
    assert pose.camera == "DJI Twin Towns" and pose.notes == ()


def test_elements_are_read_as_attributes_are(tmp_path):
    xmp = (
        b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><drone-dji:RelativeAltitude>+80.5'
        b"</drone-dji:RelativeAltitude><drone-dji:GimbalYawDegree>-90.0"
        b"</drone-dji:GimbalYawDegree></x:xmpmeta>"
    )
    pose = pose_of(tmp_path, jpeg(xmp=xmp))
    assert (pose.height_m, pose.yaw_deg) == (80.5, 270.0)
    assert any(note.startswith("pitch is unknown") for note in pose.notes)


def test_without_metadata_all_is_unknown_and_said(tmp_path):
    pose = pose_of(tmp_path, jpeg())
    known = (pose.lat, pose.height_m, pose.yaw_deg, pose.pitch_deg, pose.fov_deg, pose.taken)
    assert known == (None,) * 6
    assert pose.notes[0].startswith("no EXIF and no XMP")
    given = pose.changed(height_m=100, yaw_deg=10, pitch_deg=80, fov_deg=60)
    assert (given.height_m, given.pitch_deg) == (100, 80)
    assert given.notes == pose.notes[:1]


def test_focal_length_of_film(tmp_path):
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0xA405] = 24
    pose = pose_of(tmp_path, jpeg(4000, 3000, exif=exif))
    # 24 mm on 43.27 mm of a 4:3 frame's diagonal: 34.6 mm across
    assert pose.fov_deg == pytest.approx(2 * np.degrees(np.arctan(0.8 * 43.27 / 2 / 24)), abs=0.01)


@pytest.mark.parametrize(
    ("xmp", "options", "height", "note"),
    [
        ({"RelativeAltitude": "-2.00"}, {}, None, "RelativeAltitude is -2 m, not above the ground"),
        ({"RelativeAltitude": "+630.40"}, {}, None, "equals the altitude above sea level"),
        ({"RelativeAltitude": None}, {}, None, "only an altitude of 630.5 m above the sea"),
        ({"RelativeAltitude": None}, {"ground_m": 520.0}, 110.5, None),
        ({"RelativeAltitude": None}, {"ground_m": 700.0}, None, "lies below the ground at 700 m"),
        ({"RelativeAltitude": "+80.00"}, {"ground_m": 500.0}, 80.0, None),
    ],
)
def test_heights_of_a_false_reference_are_not_used(tmp_path, xmp, options, height, note):
    pose = pose_of(tmp_path, changed(**xmp), **options)
    assert pose.height_m == height
    assert (note is None and pose.notes == ()) or note in " ".join(pose.notes)


def test_headings(tmp_path):
    pose = pose_of(tmp_path, changed(GimbalYawDegree=None))
    assert pose.yaw_deg == 195.0 and "heading of the aircraft" in pose.notes[0]
    exif = Image.Exif()
    gps = exif.get_ifd(0x8825)
    gps[0x10], gps[0x11] = "M", 33.0
    pose = pose_of(tmp_path, jpeg(exif=exif))
    assert pose.yaw_deg == 33.0 and "heading is magnetic: some degrees off true north" in pose.notes


def test_a_flat_pitch_is_said(tmp_path):
    pose = pose_of(tmp_path, changed(GimbalPitchDegree="-5.00"))
    assert any("too flat" in note for note in pose.notes)
    assert pose_of(tmp_path, changed(GimbalPitchDegree="-90.30")).pitch_deg == 90


def test_null_island_is_not_believed(tmp_path):
    exif = Image.Exif()
    gps = exif.get_ifd(0x8825)
    gps[1], gps[2], gps[3], gps[4] = "N", (0.0, 0.0, 0.0), "E", (0.0, 0.0, 0.0)
    pose = pose_of(tmp_path, jpeg(exif=exif))
    assert pose.lat is None and "is not believed" in " ".join(pose.notes)


def test_what_is_wrong_is_said(tmp_path):
    with pytest.raises(FileNotFoundError, match="no such photograph"):
        read_photo_pose(tmp_path / "none.jpg")
    with pytest.raises(ValueError, match="cannot be read as a photograph"):
        pose_of(tmp_path, b"no image")
    with pytest.raises(ValueError, match="pitch_deg is 5: expected 20 to 90"):
        pose_of(tmp_path, jpeg()).changed(pitch_deg=5)
