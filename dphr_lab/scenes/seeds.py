"""One random generator for each thing that is drawn, so that no draw depends on another."""

import numpy as np

STREAMS = {
    "style": 1, "layout": 2, "share": 3, "changes": 4, "conditions": 5, "pose": 6, "image": 7,
}  # fmt: skip


def generator(seed: int, stream: str, *keys: int) -> np.random.Generator:
    """The generator of one stream, for example (seed, "layout", family)."""
    return np.random.default_rng([seed, STREAMS[stream], *keys])
