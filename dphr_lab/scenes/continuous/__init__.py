"""A continuous town: one map of two years, and flights over it."""

from dphr_lab.scenes.continuous.routes import Route, Station, make_routes
from dphr_lab.scenes.continuous.town import Quarter, Town, make_town
from dphr_lab.scenes.continuous.writing import write_town
from dphr_lab.settings.towns import TownSettings

__all__ = ["Quarter", "Route", "Station", "Town", "TownSettings", "make_routes", "make_town",
           "write_town"]  # fmt: skip
