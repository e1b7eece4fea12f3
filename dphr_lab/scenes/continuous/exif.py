"""EXIF and XMP as a DJI drone writes them, put into a JPEG without decoding it."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from fractions import Fraction

XMP_HEAD = b"http://ns.adobe.com/xap/1.0/\x00"
MAKE, MODEL = "DJI", "Twin Towns"


@dataclass(frozen=True)
class PhotoTags:
    """What a drone knows when it takes a photograph."""

    lat: float
    lon: float
    altitude_m: float  # above sea level
    relative_altitude_m: float  # above the take-off
    yaw_deg: float  # of the gimbal, clockwise from north
    pitch_deg: float  # DJI's: -90 looks straight down
    roll_deg: float
    flight_yaw_deg: float
    focal_px: float
    width_px: int
    height_px: int
    taken: str  # such as "2025:06:01 12:00:00"


def with_tags(jpeg: bytes, tags: PhotoTags) -> bytes:
    """The JPEG with an EXIF and an XMP segment at its beginning."""
    if jpeg[:2] != b"\xff\xd8":
        raise ValueError("jpeg does not begin as a JPEG file does")
    return b"\xff\xd8" + _segment(b"Exif\0\0" + _exif(tags)) + _segment(_xmp(tags)) + jpeg[2:]


def _segment(payload: bytes) -> bytes:
    return b"\xff\xe1" + struct.pack(">H", len(payload) + 2) + payload


def _exif(tags: PhotoTags) -> bytes:
    from PIL import Image
    from PIL.TiffImagePlugin import IFDRational

    exif = Image.Exif()
    exif[0x010F], exif[0x0110], exif[0x0132] = MAKE, MODEL, tags.taken
    camera = exif.get_ifd(0x8769)
    camera[0x9003] = tags.taken  # DateTimeOriginal
    diagonal = (tags.width_px**2 + tags.height_px**2) ** 0.5
    camera[0xA405] = round(tags.focal_px / diagonal * 43.27)  # FocalLengthIn35mmFilm
    gps = exif.get_ifd(0x8825)
    gps[1], gps[2] = "N" if tags.lat >= 0 else "S", _degrees(tags.lat)
    gps[3], gps[4] = "E" if tags.lon >= 0 else "W", _degrees(tags.lon)
    gps[5] = b"\x00" if tags.altitude_m >= 0 else b"\x01"  # above or below sea level
    gps[6] = IFDRational(round(abs(tags.altitude_m) * 100), 100)
    return exif.tobytes().removeprefix(b"Exif\0\0")


def _degrees(value: float):
    """Degrees, minutes, seconds to a millimetre."""
    from PIL.TiffImagePlugin import IFDRational

    seconds = Fraction(round(abs(value) * 3600 * 100_000), 100_000)
    degrees, rest = divmod(seconds, 3600)
    minutes, rest = divmod(rest, 60)
    return (
        IFDRational(int(degrees), 1),
        IFDRational(int(minutes), 1),
        IFDRational(int(rest * 100_000), 100_000),
    )


def _xmp(tags: PhotoTags) -> bytes:
    values = {
        "AbsoluteAltitude": f"{tags.altitude_m:+.2f}",
        "RelativeAltitude": f"{tags.relative_altitude_m:+.2f}",
        "GimbalRollDegree": f"{tags.roll_deg:+.2f}",
        "GimbalYawDegree": f"{_signed(tags.yaw_deg):+.2f}",
        "GimbalPitchDegree": f"{tags.pitch_deg:+.2f}",
        "FlightYawDegree": f"{_signed(tags.flight_yaw_deg):+.2f}",
        "CalibratedFocalLength": f"{tags.focal_px:.6f}",
    }
    lines = "\n".join(f'   drone-dji:{name}="{value}"' for name, value in values.items())
    return (
        XMP_HEAD
        + (
            '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>\n'
            '<x:xmpmeta xmlns:x="adobe:ns:meta/">\n'
            ' <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">\n'
            '  <rdf:Description rdf:about="DJI Meta Data"\n'
            '    xmlns:drone-dji="http://www.dji.com/drone-dji/1.0/"\n'
            f"{lines}>\n"
            '  </rdf:Description>\n </rdf:RDF>\n</x:xmpmeta>\n<?xpacket end="w"?>'
        ).encode()
    )


def _signed(degrees: float) -> float:
    return (degrees + 180) % 360 - 180
