"""Metres on the ground and degrees of latitude and longitude (WGS 84).

A map's own metres are not metres on the ground: Web Mercator's are 1.5 times as short at 48°.
Everything here is of the ellipsoid, so that a tile of 120 m is 120 m at any latitude.
"""

import numpy as np

SEMI_MAJOR_M = 6_378_137.0
FLATTENING = 1 / 298.257223563
ECCENTRICITY_2 = FLATTENING * (2 - FLATTENING)
MAX_LATITUDE = 89.5  # nearer to a pole, east and north mean nothing over a tile


def metres_per_degree(lat) -> tuple[np.ndarray, np.ndarray]:
    """Metres of a degree of latitude and of a degree of longitude at `lat` degrees."""
    sin = np.sin(np.radians(lat))
    w = np.sqrt(1 - ECCENTRICITY_2 * sin**2)
    north = SEMI_MAJOR_M * (1 - ECCENTRICITY_2) / w**3
    east = SEMI_MAJOR_M / w * np.cos(np.radians(lat))
    return np.radians(1) * north, np.radians(1) * east


def moved(lat, lon, east_m, north_m) -> tuple[np.ndarray, np.ndarray]:
    """(latitude, longitude) reached from a position by metres to the east and to the north.

    Right to a centimetre over 2 km. Longitudes come back in [-180, 180).
    """
    north_of, _ = metres_per_degree(lat)
    middle = lat + np.asarray(north_m) / north_of / 2
    north_of, east_of = metres_per_degree(middle)
    moved_lat = lat + np.asarray(north_m) / north_of
    return moved_lat, wrapped(lon + np.asarray(east_m) / east_of)


def metres_from(lat0, lon0, lat, lon) -> tuple[np.ndarray, np.ndarray]:
    """(metres east, metres north) of a position seen from (lat0, lon0); `moved` undoes it."""
    lat, lon = np.asarray(lat, float), np.asarray(lon, float)
    north_of, east_of = metres_per_degree((lat0 + lat) / 2)
    return wrapped(lon - lon0) * east_of, (lat - lat0) * north_of


def wrapped(lon) -> np.ndarray:
    """A longitude, or a difference of two, in [-180, 180)."""
    return (np.asarray(lon) + 180.0) % 360.0 - 180.0


def meridian_arc(lat) -> np.ndarray:
    """Metres from the equator to `lat` degrees along a meridian (Helmert's series)."""
    n = FLATTENING / (2 - FLATTENING)
    phi = np.radians(lat)
    return _RADIUS_OF_RECTIFYING * (
        (1 + n**2 / 4 + n**4 / 64) * phi
        - 3 / 2 * (n - n**3 / 8) * np.sin(2 * phi)
        + 15 / 16 * (n**2 - n**4 / 4) * np.sin(4 * phi)
        - 35 / 48 * n**3 * np.sin(6 * phi)
    )


def latitude_of_arc(arc_m) -> np.ndarray:
    """Degrees of latitude at `arc_m` metres from the equator; undoes `meridian_arc`."""
    lat = np.degrees(np.asarray(arc_m, float) / SEMI_MAJOR_M)
    for _ in range(4):  # Newton's steps: the arc is nearly straight in latitude
        lat = lat - (meridian_arc(lat) - arc_m) / metres_per_degree(lat)[0]
    return lat


_RADIUS_OF_RECTIFYING = SEMI_MAJOR_M / (1 + FLATTENING / (2 - FLATTENING))
