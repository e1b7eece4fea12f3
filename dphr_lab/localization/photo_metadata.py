"""What a photograph's file says of its camera: EXIF, and XMP with DJI's gimbal tags.

Heights are the field's trap: EXIF's GPS altitude is above sea level, DJI's RelativeAltitude above
the take-off. Only a height above the ground brings a photograph to a map's scale, so what cannot
be one is not used, and it is said why.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from dphr_lab._images import UnreadableImage, opened, orientation

FILM_DIAGONAL_MM = 43.27  # of 24 × 36 mm
ASSUMED_FOV_DEG = 73.7  # of a 24 mm lens, across
LOWEST_PITCH_DEG = 20.0  # nearer to the horizon, no square of ground is seen well
MOST = 1e6  # of any number that a camera says of itself
HIGHEST_M = 20_000.0  # above the ground
# every repetition ends: a search takes no longer than the text's length
XMP_NUMBER = re.compile(
    rb"[A-Za-z-]:(\w{1,64})\s{0,9}(?:=\s{0,9}[\"']|>)\s{0,9}([+-]?\d{1,30}(?:\.\d{1,30})?)"
)


@dataclass(frozen=True)
class PhotoPose:
    """Where a camera stood and how it looked; None where nothing says so.

    `notes` say in plain words what is unknown, assumed or not believed.
    """

    lat: float | None = None  # of the camera; the truth when there is one, never used to locate
    lon: float | None = None
    height_m: float | None = None  # above the ground
    yaw_deg: float | None = None  # clockwise from true north
    pitch_deg: float | None = None  # below the horizon: 90 looks straight down
    roll_deg: float = 0.0
    fov_deg: float | None = None  # between the left and the right edge
    taken: datetime | None = None
    camera: str | None = None
    notes: tuple[str, ...] = ()

    def changed(self, **given) -> PhotoPose:
        """With what a user knows better; None leaves a field as it is.

        Raises ValueError for values out of range.
        """
        given = {name: value for name, value in given.items() if value is not None}
        ranges = {"height_m": (1, HIGHEST_M), "yaw_deg": (-360, 360), "fov_deg": (1, 150),
                  "pitch_deg": (LOWEST_PITCH_DEG, 90)}  # fmt: skip
        for name, value in given.items():
            low, high = ranges.get(name, (-math.inf, math.inf))
            if not low <= value <= high:
                raise ValueError(f"{name} is {value}: expected {low:g} to {high:g}")
        words = {"height_m": "height", "yaw_deg": "heading", "pitch_deg": "pitch",
                 "fov_deg": "field of view"}  # fmt: skip
        settled = tuple(words[name] for name in given if name in words)
        notes = tuple(n for n in self.notes if not n.startswith(settled)) if settled else self.notes
        return replace(self, **given, notes=notes)


def read_photo_pose(path: Path | str, ground_m: float | None = None) -> PhotoPose:
    """What a photograph's EXIF and XMP say.

    `ground_m`: height of the ground above sea level, which makes a height of a GPS altitude.
    Raises FileNotFoundError for a missing file, ValueError for one that is no image.
    """
    try:
        with opened(path) as image:
            exif = _exif(image)
            packet = image.info.get("xmp") or image.info.get("XML:com.adobe.xmp") or b""
            width, height = image.size
            if orientation(image) in (5, 6, 7, 8):  # turned when it is read
                width, height = height, width
    except FileNotFoundError:
        raise FileNotFoundError(f"{path}: no such photograph") from None
    except UnreadableImage as error:
        raise ValueError(f"{path}: cannot be read as a photograph ({error})") from None
    packet = packet.encode() if isinstance(packet, str) else packet
    xmp = _xmp_numbers(packet if isinstance(packet, bytes) else b"")
    camera, gps = _ifd(exif, 0x8769), _ifd(exif, 0x8825)
    notes: list[str] = []
    if not exif and not xmp:
        notes.append("no EXIF and no XMP: height, heading, pitch and field of view are unknown")
    lat, lon = _position(gps, notes)
    pose = PhotoPose(
        lat=lat, lon=lon,
        height_m=_height(xmp, gps, ground_m, notes),
        yaw_deg=_yaw(xmp, gps, notes),
        pitch_deg=_pitch(xmp, notes),
        roll_deg=_roll(xmp),
        fov_deg=_fov(xmp, camera, width, height, notes),
        taken=_taken(camera, exif),
        camera=" ".join(str(exif[t]).strip("\0 ") for t in (0x010F, 0x0110) if t in exif) or None,
        notes=tuple(notes),
    )  # fmt: skip
    return pose


def _exif(image):
    """The EXIF block; an empty one where it is damaged."""
    try:
        exif = image.getexif()
        dict(exif)  # which reads it
        return exif
    except Exception:  # whatever a damaged block leads to
        from PIL.Image import Exif

        return Exif()


def _ifd(exif, tag: int) -> dict:
    try:
        return dict(exif.get_ifd(tag))
    except Exception:  # as above
        return {}


def _xmp_numbers(packet: bytes) -> dict[str, float]:
    found = {name.decode(): float(value) for name, value in XMP_NUMBER.findall(packet)}
    return {name: value for name, value in found.items() if abs(value) <= MOST}


def _number(value) -> float | None:
    try:
        number = float(value)
    except (TypeError, ValueError, ArithmeticError):
        return None
    return number if abs(number) <= MOST else None  # NaN is not


def _position(gps: dict, notes: list[str]) -> tuple[float | None, float | None]:
    def degrees(tag):
        parts = gps.get(tag)
        if not isinstance(parts, tuple | list) or len(parts) != 3:
            return None
        numbers = [_number(p) for p in parts]
        if None in numbers:
            return None
        return numbers[0] + numbers[1] / 60 + numbers[2] / 3600

    lat, lon = degrees(2), degrees(4)
    if lat is None or lon is None:
        return None, None
    lat = -lat if str(gps.get(1, "N")).upper().startswith("S") else lat
    lon = -lon if str(gps.get(3, "E")).upper().startswith("W") else lon
    if (lat, lon) == (0, 0) or abs(lat) > 90 or abs(lon) > 180:
        notes.append(f"position {lat:.5f}, {lon:.5f} in the EXIF is not believed")
        return None, None
    return lat, lon


def _height(xmp: dict, gps: dict, ground_m: float | None, notes: list[str]) -> float | None:
    above_sea = xmp.get("AbsoluteAltitude")
    if above_sea is None and (above_sea := _number(gps.get(6))) is not None:
        reference = gps.get(5, 0)
        below = reference in (1, b"\x01", "1")
        above_sea = -above_sea if below else above_sea
    relative = xmp.get("RelativeAltitude")
    if relative is not None:
        if relative < 1:
            notes.append(
                f"height: RelativeAltitude is {relative:g} m, not above the ground; give --height-m"
            )
        elif relative > HIGHEST_M:
            notes.append(
                f"height: RelativeAltitude is {relative:g} m, not believed; give --height-m"
            )
        elif above_sea is not None and relative > 300 and abs(relative - above_sea) < 1:
            notes.append(
                f"height: RelativeAltitude {relative:g} m equals the altitude above sea level: a "
                "false reference, not used; give --height-m"
            )
        else:
            if above_sea is not None and relative > above_sea + 500:
                notes.append(
                    f"height {relative:g} m above the take-off, but {above_sea:g} m above the sea"
                )
            return relative
    if above_sea is not None and ground_m is not None:
        if 1 <= above_sea - ground_m <= HIGHEST_M:
            return above_sea - ground_m
        if above_sea - ground_m > HIGHEST_M:
            notes.append(f"height: altitude {above_sea:g} m is not believed; give --height-m")
            return None
        notes.append(
            f"height: altitude {above_sea:g} m above the sea lies below the ground at "
            f"{ground_m:g} m; is it relative? give --height-m"
        )
    elif relative is None:
        known = "" if above_sea is None else (
            f", only an altitude of {above_sea:g} m above the sea: --ground-m makes a height of it"
        )  # fmt: skip
        notes.append(f"height above the ground is unknown{known}")
    return None


def _yaw(xmp: dict, gps: dict, notes: list[str]) -> float | None:
    if "GimbalYawDegree" in xmp:
        return xmp["GimbalYawDegree"] % 360
    if "FlightYawDegree" in xmp:
        notes.append("heading of the aircraft, the camera's own is unknown")
        return xmp["FlightYawDegree"] % 360
    direction = _number(gps.get(0x11))
    if direction is not None:
        if str(gps.get(0x10, "T")).upper().startswith("M"):
            notes.append("heading is magnetic: some degrees off true north")
        return direction % 360
    notes.append("heading is unknown")
    return None


def _pitch(xmp: dict, notes: list[str]) -> float | None:
    if "GimbalPitchDegree" not in xmp:
        notes.append("pitch is unknown: straight down is assumed")
        return None
    below = -xmp["GimbalPitchDegree"]
    if below < LOWEST_PITCH_DEG:
        notes.append(
            f"pitch of {below:g} degrees below the horizon is too flat: "
            f"expected {LOWEST_PITCH_DEG:g} or more"
        )
    return min(below, 90.0)


def _roll(xmp: dict) -> float:
    roll = xmp.get("GimbalRollDegree", 0.0)
    return 0.0 if abs(abs(roll) - 180) < 1 else roll  # DJI's 180 is a gimbal that has turned over


def _fov(xmp: dict, camera: dict, width: int, height: int, notes: list[str]) -> float | None:
    focal_px = xmp.get("CalibratedFocalLength")
    film = _number(camera.get(0xA405))
    zoom = _number(camera.get(0xA404)) or 1.0
    if not focal_px and film:
        focal_px = film * zoom / FILM_DIAGONAL_MM * math.hypot(width, height)
    if focal_px and focal_px > 0:
        fov = math.degrees(2 * math.atan(width / 2 / focal_px))
        if 5 <= fov <= 150:
            return fov
    notes.append(f"field of view is unknown: {ASSUMED_FOV_DEG:g} degrees are assumed")
    return None


def _taken(camera: dict, exif) -> datetime | None:
    for value in (camera.get(0x9003), exif.get(0x0132)):
        try:
            moment = datetime.strptime(str(value).strip("\0 "), "%Y:%m:%d %H:%M:%S")
        except ValueError:
            continue
        parts = str(camera.get(0x9291, "")).strip("\0 ")
        microsecond = int(parts[:6].ljust(6, "0")) if parts.isdecimal() else 0
        return moment.replace(microsecond=microsecond)
    return None
