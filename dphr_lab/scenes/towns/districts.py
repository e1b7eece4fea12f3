"""Kinds of districts: what stands in them, and in which colours."""

from dataclasses import dataclass

from dphr_lab.scenes.towns.description import Colour


@dataclass(frozen=True)
class District:
    """What the districts of one style are made of."""

    block_m: tuple[float, float]  # distance between streets
    lot_m: float  # lots are split until they are about this wide
    street_m: tuple[float, float]  # street width
    uses: dict[str, float]  # what a lot is used for, with weights
    open_uses: dict[str, float]  # what a large, unsplit lot is used for
    open_share: float  # share of large lots that stay unsplit
    fill: tuple[float, float]  # share of the lot's side that a building takes
    height_m: tuple[float, float]
    roofs: dict[str, float]
    ell_share: float
    trees_per_lot: float
    roof_palette: tuple[Colour, ...]
    wall_palette: tuple[Colour, ...]
    lot_kind: str  # ground of a built lot


TILE = ((176, 84, 60), (150, 70, 55), (193, 108, 76), (120, 58, 50))
SLATE = ((92, 96, 104), (70, 74, 84), (116, 112, 110))
FLAT = ((188, 186, 180), (150, 148, 144), (214, 212, 206), (112, 114, 118), (168, 152, 132))
METAL = ((206, 212, 216), (96, 130, 166), (158, 72, 66), (126, 150, 130), (232, 232, 228))
PLASTER = ((226, 214, 190), (236, 230, 220), (206, 180, 150), (190, 190, 186))
BRICK = ((166, 104, 82), (188, 140, 110), (200, 196, 188), (150, 144, 138))

DISTRICTS = {
    "suburb": District(
        (62, 100), 23, (6, 8), {"building": 8.0, "lawn": 0.7}, 
        {"football": 2, "wood": 2, "lawn": 1},
        0.07, (0.45, 0.68), (3.0, 6.0), {"gabled": 5, "hipped": 4, "flat": 1}, 0.25, 1.6,
        TILE + SLATE + ((138, 110, 86),), PLASTER + BRICK[:2], "lot",
    ),
    "campus": District(
        (100, 145), 36, (7, 9), {"building": 5.0, "car_park": 1.2, "lawn": 1.4, "plaza": 0.8,
        "tennis": 0.7}, {"football": 3, "track": 1, "wood": 1, "car_park": 1}, 0.22, (0.5, 0.8),
        (8.0, 18.0), {"flat": 6, "hipped": 2, "gabled": 1}, 0.5, 4.0, FLAT + TILE[:2] + SLATE[:1],
        BRICK + PLASTER[:2], "lawn",
    ),
    "industrial": District(
        (95, 145), 35, (8, 11), {"building": 6.0, "car_park": 2.0, "yard": 1.6}, {"car_park": 2,
        "yard": 2, "bare": 1}, 0.12, (0.55, 0.85), (6.0, 12.0), {"flat": 5, "gabled": 4}, 0.12,
        0.5, METAL + FLAT[:3], ((200, 202, 204), (170, 176, 182), (188, 176, 160)), "yard",
    ),
    "park": District(
        (120, 190), 33, (4, 6), {"building": 2.8, "wood": 2.2, "lawn": 2.2, "tennis": 0.7,
        "basketball": 0.5}, {"wood": 3, "football": 2, "lawn": 2}, 0.3, (0.32, 0.6), (3.5, 7.0),
        {"hipped": 4, "gabled": 3, "flat": 3}, 0.2, 5.0, TILE + SLATE + FLAT[:2],
        PLASTER + BRICK, "lawn",
    ),
    "centre": District(
        (60, 95), 27, (8, 13), {"building": 9.0, "plaza": 1.0, "car_park": 0.7, "lawn": 0.4},
        {"plaza": 2, "lawn": 1, "car_park": 1}, 0.06, (0.68, 0.94), (10.0, 24.0),
        {"flat": 5, "hipped": 3, "gabled": 2}, 0.35, 0.6,
        FLAT + TILE[:3] + SLATE + ((92, 140, 122),), PLASTER + BRICK, "pavement",
    ),
}  # fmt: skip
FIELDS = ("football", "tennis", "basketball", "bare", "track")
GROUND_UNDER = ("lawn", "lot", "wood", "yard")  # laid under fields and car parks
LAID_FIRST = (*GROUND_UNDER, "pavement")  # painted before roads; something may be put on it
SWAPPABLE = (*FIELDS, "car_park", "plaza", "lawn", "yard", "wood")
