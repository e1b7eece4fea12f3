"""A position made finer by local features: SIFT and a RANSAC homography on the best candidates.

It says how many matches agree, and steps back when they are few, when the homography is no
turn-and-scale that a photograph of known pose could need, or when two places agree equally well.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dphr_lab.localization.geomap import GeoMap

FEATURE_PX = 256  # side of what is matched
AROUND = 1.4  # the map is read this much wider than the photograph's view
MIN_INLIERS = 12
RIVAL = 0.7  # another place with this share of the best one's inliers: no decision
RATIO = 0.8  # Lowe's
REPROJECTION_PX = 4.0


@dataclass(frozen=True)
class Refined:
    """What local features say: metres (east, north) from the candidate's centre, and inliers.

    `candidate` is None when they are not believed, and `why` says why.
    """

    candidate: int | None
    east_m: float
    north_m: float
    inliers: int
    why: str = ""
    turn_deg: float = 0.0  # by which the view must be turned clockwise to fit the map


class Features:
    """SIFT keypoints of a picture."""

    def __init__(self, pixels: np.ndarray, known: np.ndarray | None = None):
        import cv2

        mask = None if known is None else known.astype(np.uint8)
        grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
        keypoints, self.descriptors = cv2.SIFT_create(1000).detectAndCompute(grey, mask)
        self.points = np.array([k.pt for k in keypoints], np.float32).reshape(-1, 2) + 0.5


class MapFeatures:
    """Features of squares of a map, the last `MOST` of them kept: flights see the same ground."""

    MOST = 256

    def __init__(self, geomap: GeoMap, side_m: float):
        self.geomap, self.side_m = geomap, side_m
        self.px = round(FEATURE_PX * AROUND)
        self._kept: dict[tuple[float, float], Features] = {}

    def at(self, lat: float, lon: float) -> Features:
        """Of the square around a position, `AROUND` times as wide as a tile."""
        key = (round(lat, 7), round(lon, 7))
        if key not in self._kept:
            if len(self._kept) >= self.MOST:
                del self._kept[next(iter(self._kept))]
            pixels, known = self.geomap.read((lat, lon), self.side_m * AROUND, self.px)
            self._kept[key] = Features(pixels, known)
        return self._kept[key]


def refine(
    there: MapFeatures,
    views: Sequence[Features],
    candidates: Sequence[tuple[float, float, int]],
) -> Refined:
    """Match the photograph with the map at each candidate (latitude, longitude, view's number).

    `views`: features of the photograph as a tile of `FEATURE_PX` pixels, one a
    heading. The candidate with most inliers wins, if it may.
    """
    found, side_m = [], there.side_m
    for number, (lat, lon, view) in enumerate(candidates):
        found.append((*_match(views[view], there.at(lat, lon), there.px, side_m), number))
    if not found:
        return Refined(None, 0.0, 0.0, 0, "no candidates")
    found.sort(key=lambda row: -row[0])
    inliers, east, north, turn, number = found[0]
    if inliers < MIN_INLIERS:
        return Refined(None, 0, 0, inliers, f"{inliers} matches agree, {MIN_INLIERS} are needed")
    at = _metres(candidates, number, east, north)
    for other, other_east, other_north, _, rival in found[1:]:
        gap = np.subtract(_metres(candidates, rival, other_east, other_north), at)
        if other > RIVAL * inliers and np.hypot(*gap) > side_m / 4:
            return Refined(
                None, 0, 0, inliers,
                f"two places {np.hypot(*gap):.0f} m apart agree ({inliers} and {other} matches)",
            )  # fmt: skip
    return Refined(number, east, north, inliers, turn_deg=turn)


def _metres(candidates, number: int, east: float, north: float) -> np.ndarray:
    from dphr_lab.localization.ground import metres_from

    first = candidates[0]
    there = metres_from(first[0], first[1], *candidates[number][:2])
    return np.array([float(there[0]) + east, float(there[1]) + north])


def _match(photo: Features, there: Features, px: int, side_m: float):
    """(inliers, metres east and north of the map square's centre, degrees turned clockwise)."""
    import cv2

    nothing = (0, 0.0, 0.0, 0.0)
    if photo.descriptors is None or there.descriptors is None:
        return nothing
    if len(photo.points) < 4 or len(there.points) < 4:
        return nothing
    pairs = cv2.BFMatcher(cv2.NORM_L2).knnMatch(photo.descriptors, there.descriptors, k=2)
    good = [p[0] for p in pairs if len(p) == 2 and p[0].distance < RATIO * p[1].distance]
    if len(good) < MIN_INLIERS // 2:
        return nothing
    source = photo.points[[m.queryIdx for m in good]]
    target = there.points[[m.trainIdx for m in good]]
    cv2.setRNGSeed(0)
    matrix, mask = cv2.findHomography(source, target, cv2.RANSAC, REPROJECTION_PX)
    if matrix is None:
        return nothing
    # matches that share a keypoint of the map count once: repeated windows agree with one another
    spots = np.unique(np.round(target[mask.ravel() > 0]), axis=0)
    corners = np.array([[0.25, 0.25], [0.75, 0.25], [0.75, 0.75], [0.25, 0.75], [0.5, 0.5]])
    moved = cv2.perspectiveTransform((corners * FEATURE_PX)[None], matrix)[0]
    sides = np.hypot(*(np.roll(moved[:4], -1, 0) - moved[:4]).T) / (FEATURE_PX / 2)
    turn = math.degrees(math.atan2(*(moved[1] - moved[0])[::-1]))
    if not (sides.min() > 0.7 and sides.max() < 1.4 and abs(turn) < 40):
        return nothing
    step = side_m * AROUND / px
    east, north = (moved[4] - px / 2) * (step, -step)
    return len(spots), float(east), float(north), turn
