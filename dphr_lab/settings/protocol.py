"""Facts of the field's protocol, each once: views, directions, heights, split, modes, sizes.

Standard library only.
"""

from functools import cache
from importlib import resources

VIEWS = ("drone", "satellite")
DIRECTIONS = {"D2S": "drone → satellite", "S2D": "satellite → drone"}
GALLERY_MODES = ("full", "query_places")
UNIVERSITY1652, SUES_200 = "University-1652", "SUES-200"  # names of the data sets
SUES200_HEIGHTS_M = (150, 200, 250, 300)

# Places and images of every part as published; see `datasets.University1652` and
# `datasets.SUES200` for the sources.
PUBLISHED = {
    UNIVERSITY1652: {
        "train/drone": (701, 37_854),
        "train/satellite": (701, 701),
        "test/query_drone": (701, 37_855),
        "test/query_satellite": (701, 701),
        "test/gallery_drone": (951, 51_355),
        "test/gallery_satellite": (951, 951),
    },
    SUES_200: {
        "train/drone": (120, 6_000),
        "train/satellite": (120, 120),
        "test/query_drone": (80, 4_000),
        "test/query_satellite": (80, 80),
        "test/gallery_drone": (200, 10_000),
        "test/gallery_satellite": (200, 200),
    },
}


def check_direction(direction: str) -> str:
    """`direction` itself; raises ValueError unless it is "D2S" or "S2D"."""
    if direction not in DIRECTIONS:
        raise ValueError(
            f'direction must be "D2S" (drone queries, satellite gallery) or "S2D", '
            f"found {direction!r}"
        )
    return direction


@cache
def sues200_split() -> dict[str, tuple[str, ...]]:
    """The published split of SUES-200: place folder names of "train" (120) and "test" (80)."""
    text = resources.files(__package__).joinpath("sues200_split.txt").read_text("utf-8")
    lines = (line.split() for line in text.splitlines() if line.strip())
    return {half: tuple(names) for half, *names in lines}
