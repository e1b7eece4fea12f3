"""Which places are held out, and what an encoder was selected on."""

import numpy as np

from dphr_lab.datasets import PairSet
from dphr_lab.settings import Settings

SELECTED_ON = {
    "best": "held-out training places",
    "last": "nothing: the last step",
    "test": "the test set",
}


def hold_out(pairs: PairSet, settings: Settings) -> tuple[PairSet, PairSet]:
    """The places to train on and those to validate on."""
    count = settings.val_places
    if count is None and settings.select == "test":
        count = 0
    if count is None:
        count = len(pairs) // 10
        if count and pairs.families is not None:  # at least one family, whatever its size
            count = max(count, int(np.bincount(pairs.families).max()))
    try:
        return pairs.hold_out(count, settings.seed)
    except ValueError as error:
        raise ValueError(f"val_places: {error}") from None
