"""What a map of a given size costs: tiles, bytes and hours, from constants that were measured.

`book/_tools/store_scale.py` measures the constants and stores them in dphr_lab/results/scale.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from dphr_lab import results

STORED = Path(results.__file__).parent / "scale" / "constants.json"
SCORING = STORED.with_name("scoring.json")  # what `dphr locate` does in place of a search
TABLE_BYTES = 120.0  # of a tile's line in tiles.parquet, at most: its footprint above all


@dataclass(frozen=True)
class MapCost:
    """One square kilometre, or more, of a map as a gallery."""

    tiles: float
    embedding_bytes: float  # float16
    index_bytes: float
    hours: float  # of one core that embeds


def tiles_per_km2(stride_m: float) -> float:
    """Tiles whose centres lie in a square kilometre; their side does not matter.

    Raises ValueError for a stride that is not above 0.
    """
    if not stride_m > 0:
        raise ValueError(f"stride_m is {stride_m}: expected above 0")
    return 1e6 / stride_m**2


def map_cost(
    km2: float, stride_m: float, dim: int, tiles_a_s: float, pq_bytes: int | None = None
) -> MapCost:
    """What `km2` square kilometres cost; `pq_bytes` a row of IVF-PQ, None for the exact index.

    The exact index holds float16, as the embeddings do. An inverted list holds a row's number, 8
    bytes, beside its code.
    """
    tiles = km2 * tiles_per_km2(stride_m)
    a_row = 2 * dim if pq_bytes is None else pq_bytes + 8
    return MapCost(tiles, tiles * 2 * dim, tiles * a_row, tiles / tiles_a_s / 3600)


def scoring() -> dict:
    """The stored times of scoring every tile, with their hardware and versions."""
    return json.loads(SCORING.read_text("utf-8"))


def constants() -> dict:
    """The stored constants, with their hardware and versions."""
    return json.loads(STORED.read_text("utf-8"))
