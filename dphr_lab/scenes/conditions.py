"""The day on which a picture is taken: sun, season, haze, light, noise, compression."""

from dataclasses import dataclass, replace

import numpy as np

SEASONS = ("spring", "summer", "autumn", "winter")


@dataclass(frozen=True)
class Conditions:
    """What the weather and the camera add to a scene."""

    sun_azimuth_deg: float = 150.0  # clockwise from north: where the sun stands
    sun_elevation_deg: float = 45.0  # above the horizon
    season: str = "summer"  # one of SEASONS
    haze: float = 0.1  # share of the light lost over 500 m, in [0, 1)
    light: float = 1.0  # exposure; 1 is neutral
    contrast: float = 1.0  # about mid grey; 1 is neutral
    white_balance: tuple[float, float, float] = (1.0, 1.0, 1.0)  # gains of red, green, blue
    noise: float = 2.0  # standard deviation of the sensor noise, in grey levels of 255
    blur_px: float = 0.0  # standard deviation of the lens blur at 256 px, in pixels
    jpeg_quality: int = 90  # 1 to 100

    def __post_init__(self):
        if self.season not in SEASONS:
            raise ValueError(f"season is {self.season!r}; expected one of {', '.join(SEASONS)}")
        if not 5 <= self.sun_elevation_deg <= 90:
            raise ValueError(f"sun_elevation_deg is {self.sun_elevation_deg}; expected 5 to 90")


def sample_conditions(rng: np.random.Generator, view: str, weather: float = 1.0) -> Conditions:
    """Draw the day of one flight ("drone") or one satellite pass ("satellite").

    `weather` in [0, 1] says how far from a fair summer day it may be: 1 is any day of the year;
    at 0 only the sun's azimuth, sensor noise, blur and compression differ from day to day.
    Raises ValueError for another view or range.
    """
    if view not in ("drone", "satellite"):
        raise ValueError(f"view is {view!r}; expected 'drone' or 'satellite'")
    if not 0 <= weather <= 1:
        raise ValueError(f"weather is {weather}; expected 0 (fair) to 1 (any day)")
    drone = view == "drone"

    def towards_fair(value: float, fair: float, digits: int) -> float:
        return round(fair + weather * (float(value) - fair), digits)

    warm = rng.normal(0, 0.035)
    conditions = Conditions(
        sun_azimuth_deg=round(float(rng.uniform(95, 265)), 1),
        sun_elevation_deg=towards_fair(rng.uniform(30, 65), 55, 1),
        season=SEASONS[int(rng.choice(4, p=(0.25, 0.4, 0.22, 0.13)))],
        haze=towards_fair(rng.uniform(0.02, 0.28 if drone else 0.18), 0.05, 3),
        light=towards_fair(rng.uniform(0.85, 1.15) if drone else rng.uniform(0.65, 1.05), 1, 3),
        contrast=towards_fair(rng.uniform(0.9, 1.15), 1, 3),
        white_balance=(
            towards_fair(1 + warm, 1, 3),
            towards_fair(1 + rng.normal(0, 0.015), 1, 3),
            towards_fair(1 - warm, 1, 3),
        ),
        noise=round(float(rng.uniform(1.0, 4.5)), 2),
        blur_px=round(float(rng.uniform(0, 0.5 if drone else 0.8)), 2),
        jpeg_quality=int(rng.integers(80, 97)),
    )
    return conditions if rng.random() < weather else replace(conditions, season="summer")


def vary(conditions: Conditions, rng: np.random.Generator) -> Conditions:
    """Draw the small differences between two images of one flight: light, noise, compression."""
    return replace(
        conditions,
        light=round(conditions.light * float(rng.uniform(0.95, 1.05)), 3),
        noise=round(conditions.noise * float(rng.uniform(0.8, 1.25)), 2),
        jpeg_quality=int(np.clip(conditions.jpeg_quality + rng.integers(-5, 6), 1, 100)),
    )


def sun_direction(conditions: Conditions) -> np.ndarray:
    """The unit vector (x, y, z) from the ground towards the sun."""
    azimuth, elevation = np.radians([conditions.sun_azimuth_deg, conditions.sun_elevation_deg])
    level = np.cos(elevation)
    return np.array([level * np.sin(azimuth), level * np.cos(azimuth), np.sin(elevation)])
