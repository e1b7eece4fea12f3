"""What is asked for: settings of a run and of a world, recipes, and the protocol's facts.

Standard library only, so that `dphr --help` answers at once.
"""

from dphr_lab.settings.run import (
    HOSTS,
    LOSSES,
    MIXED_PRECISION,
    OF_PARTS,
    OPTIMIZERS,
    PAIR_ON,
    POOLS,
    SAMPLERS,
    SELECT,
    TWIN_TOWNS_MINI,
    NamedLoss,
    Settings,
)

__all__ = [
    "HOSTS",
    "LOSSES",
    "MIXED_PRECISION",
    "OF_PARTS",
    "OPTIMIZERS",
    "PAIR_ON",
    "POOLS",
    "SAMPLERS",
    "SELECT",
    "TWIN_TOWNS_MINI",
    "NamedLoss",
    "Settings",
]
