"""Random generators named by what they are for, so that no two uses share a sequence."""

import numpy as np

# SeedSequence pads short keys with zeros: a number for each use in first place keeps them apart.
_USES = {"hold out": 1, "shuffle": 2, "augment": 3, "wrong pairs": 4, "split places": 5,
         "corrupt": 6}  # fmt: skip


def generator(use: str, *key: int) -> np.random.Generator:
    """The generator for `use` (one of `_USES`) and non-negative whole `key`s."""
    if any(number < 0 for number in key):
        raise ValueError(f"seed, epoch and index are {key}; expected 0 or more")
    return np.random.default_rng([_USES[use], *(int(number) for number in key)])
