"""What a continuous town is made of: `TownSettings`. Standard library only."""

from dataclasses import asdict, dataclass, replace

from dphr_lab.settings.checks import check_types

TRAINING_SEED = 1000  # from a town's seed to that of the town that its training pairs are cut from


@dataclass(frozen=True)
class TownSettings:
    """What a continuous town and the flights over it are a function of, besides the packages."""

    km: float = 2.0  # side of the square that the map shows
    seed: int = 0  # everything drawn depends on it
    gsd_m: float = 0.5  # metres of ground of a map pixel
    photo_px: int = 256  # side of a photograph, pixels
    calibration_flights: int = 4  # flights on which error radii are fitted
    test_flights: int = 6  # flights that are located
    photos: int = 40  # photographs of a flight
    step_m: float = 25.0  # way between two photographs
    changed: float = 0.12  # share of the buildings built, gone or recoloured between the two dates
    weather: float = 0.5  # how far the days may differ, 0 (fair) to 1 (any)
    texture: float = 0.5  # grain, cars, markings: 0 (plain) to 1
    drift: float = 0.06  # of the odometry: standard deviation of its scale, and of a turn's share
    lat: float = 48.14  # of the middle, degrees
    lon: float = 11.52
    map_year: int = 2022
    flight_year: int = 2025

    def __post_init__(self):
        check_types(self)
        ranges = {
            "km": (0.4, 50),
            "gsd_m": (0.1, 5),
            "photo_px": (64, 4096),
            "calibration_flights": (0, 1000),
            "test_flights": (0, 1000),
            "photos": (2, 10_000),
            "step_m": (1, 200),
            "changed": (0, 1),
            "weather": (0, 1),
            "texture": (0, 1),
            "drift": (0, 1),
            "lat": (-80, 84),
            "lon": (-180, 180),
            "seed": (0, 2**31),
        }
        for name, (low, high) in ranges.items():
            if not low <= getattr(self, name) <= high:
                raise ValueError(f"{name} is {getattr(self, name)}; expected {low} to {high}.")
        if 200 / self.gsd_m % 1:
            raise ValueError(
                f"gsd_m is {self.gsd_m}; expected a divisor of 200 m, such as 0.25, 0.4, 0.5 or 1."
            )

    @property
    def side_m(self) -> float:
        """Metres of the map's side: whole cells of 200 m."""
        return 200.0 * round(5 * self.km)

    @property
    def epsg(self) -> int:
        """The UTM zone that the map is written in."""
        zone = int((self.lon + 180) // 6) % 60 + 1
        return (32600 if self.lat >= 0 else 32700) + zone

    def for_training(self) -> "TownSettings":
        """The second town that training pairs for this one are cut from: of another seed.

        2 km wide, with 24 flights; drawn and photographed as this one.
        """
        other = (self.seed + TRAINING_SEED) % 2**31
        return replace(self, seed=other, km=2.0, photos=40, calibration_flights=0, test_flights=24)

    def to_dict(self) -> dict:
        """The settings as stored beside the images."""
        return asdict(self)
