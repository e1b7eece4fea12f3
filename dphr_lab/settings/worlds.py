"""What worlds are made of: `WorldSettings`, `PhotoWorldSettings`, presets.

Standard library only.
"""

from dataclasses import asdict, dataclass
from pathlib import Path

from dphr_lab.settings.checks import check_types, check_value, option

MOST_PLACES = 1_000_000  # of a split: more than a machine renders in a year
SPLITS = ("train", "test", "distractors")


@dataclass(frozen=True)
class WorldSettings:
    """All that decides a world, except the versions of the packages."""

    name: str = "world"  # used in titles and result files
    train_places: int = option(1500, "places to train on")
    test_places: int = option(300, "places that are queried")
    distractor_places: int = option(60, "places that stand in the test gallery only")
    family_size: int = option(3, "places that share a layout: one and its twins; 1: no twins")
    twin_share: float = option(1.0, "share of the places that have twins, 0 to 1")
    twin_share_test: float | None = option(
        None, "the same for test and distractors; the same share by default"
    )
    twin_strength: float = option(1.0, "how much twins differ: scales the changed area")
    image_px: int = option(64, "side of the images, pixels")
    drone_views: int = option(4, "drone images of a place (of a height for sues200)")
    weather: float = option(1.0, "how far the two views' days may differ, 0 (fair) to 1 (any)")
    texture: float = option(
        0.0, "grain, cars, markings: 0 (plain colours) to 1 (most like photographs)"
    )
    seed: int = option(0, "decides every place, twin and photograph")

    def __post_init__(self):
        check_settings(self)
        for field in ("twin_share", "twin_share_test"):
            share = getattr(self, field)
            check_value(field, share, share is None or 0 <= share <= 1, "a share between 0 and 1")
        check_value("texture", self.texture, 0 <= self.texture <= 1, "0 (plain) to 1")

    def to_dict(self) -> dict:
        """The settings, as they are stored with images and results."""
        return asdict(self)


def check_settings(settings) -> None:
    """Raise ValueError for a value of another type, or out of the range that all worlds share."""
    check_types(settings)
    for field, expected, right in (
        *(
            (
                name,
                f"0 or more, {MOST_PLACES:,} at most",
                0 <= getattr(settings, name) <= MOST_PLACES,
            )
            for name in ("train_places", "test_places", "distractor_places")
        ),
        ("family_size", "1 (no twins) or more, 3 by default", settings.family_size >= 1),
        ("twin_strength", "0 or more, 1000 at most", 0 <= settings.twin_strength <= 1000),
        ("weather", "0 (fair) to 1 (any day)", 0 <= settings.weather <= 1),
        ("image_px", "16 or more pixels, 4096 at most", 16 <= settings.image_px <= 4096),
        ("drone_views", "1 or more, 10,000 at most", 1 <= settings.drone_views <= 10_000),
        ("seed", "0 or more", settings.seed >= 0),
    ):
        check_value(field, getattr(settings, field), right, expected)
    if settings.train_places + settings.test_places == 0:
        raise ValueError(
            "train_places and test_places are both 0; expected one above 0: a world needs places"
        )


PRESETS = {
    # For tests: seconds.
    "tiny": WorldSettings("tiny", 12, 6, 3, drone_views=3),
    # For the chapters: fits in memory; fair days, so that a minute of training is enough.
    "mini": WorldSettings("mini", weather=0.0),
    # SUES-200's own counts: 200 places at four altitudes.
    "sues200": WorldSettings("sues200", 120, 80, 0, family_size=4, image_px=384, drone_views=50),
    # University-1652's own counts, for GPU work.
    "full": WorldSettings("full", 701, 701, 250, image_px=384, drone_views=54),
}


def preset(name: str) -> WorldSettings:
    """A preset's settings; raises ValueError, which names the presets, for an unknown name."""
    if name not in PRESETS:
        raise ValueError(f"preset {name!r} is unknown; expected one of {', '.join(PRESETS)}")
    return PRESETS[name]


@dataclass(frozen=True)
class PhotoWorldSettings:
    """All that decides a world of photographs, except the tiles and the packages."""

    folder: str | Path  # of aerial tiles, in subfolders or not
    gsd_m: float  # ground sampling distance of the tiles, metres a pixel
    name: str = "photo"  # used in titles and result files
    train_places: int = 1500  # places to train on
    test_places: int = 300  # places that are queried
    distractor_places: int = 60  # places in the test gallery only
    family_size: int = 3  # places that are edits of one tile; 1 = no twins
    twin_strength: float = 1.0  # how much twins differ; scales the edited area of about 60 m2
    image_px: int = 64  # side of every image, pixels
    drone_views: int = 4  # drone images a place (and an altitude)
    weather: float = 1.0  # how far light and haze of the two views may differ, 0 to 1
    seed: int = 0  # everything drawn depends on it

    def __post_init__(self):
        check_settings(self)
        check_value("gsd_m", self.gsd_m, self.gsd_m > 0, "metres a pixel, above 0")

    def to_dict(self) -> dict:
        """The settings, as they are stored with images and results; of the folder only its name."""
        return asdict(self) | {"folder": Path(self.folder).resolve().name}
