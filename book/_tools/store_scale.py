"""Store the constants of the page "From a campus to a country":

    python book/_tools/store_scale.py

Embedding and tile reading of one core, and the search of exact and IVF-PQ indices over vectors that
lie as those of overlapping tiles do: a smooth function of the position. Seconds are of processor
time for embedding, of the clock (least of repeats) for a search. About two minutes of one core.
"""

import os
import tempfile
import time
from pathlib import Path

import faiss
import numpy as np
import torch

from dphr_lab._files import write_json
from dphr_lab.localization.gallery import BlockImages
from dphr_lab.models import Encoder, embed
from dphr_lab.results import environment
from dphr_lab.retrieval.faiss_index import FaissIndex, build_index
from dphr_lab.studies.scale import STORED

BACKBONE, PX = "tf_efficientnet_lite0", (96, 128)
SIZES = ((25_000, 512), (100_000, 512), (25_000, 1280))  # rows, dimensions
REPEATS = 30
WAVES = 24  # of the smooth function, in either direction


def seconds(function, clock=time.process_time) -> float:
    """How long a call takes."""
    start = clock()
    function()
    return clock() - start


def vectors(rows: int, dim: int) -> np.ndarray:
    """(rows, dim) float16 unit vectors over a square of tiles 30 m apart."""
    rng = np.random.default_rng(0)
    side = int(np.ceil(rows**0.5))
    spot = np.stack(np.divmod(np.arange(rows), side), 1) * 30.0
    waves = rng.standard_normal((2, WAVES * 8)) / 150.0
    smooth = np.cos(spot @ waves + rng.uniform(0, 2 * np.pi, WAVES * 8)).astype(np.float32)
    x = smooth @ rng.standard_normal((WAVES * 8, dim), dtype=np.float32)
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    return x.astype(np.float16)


def embedding(px: int) -> dict:
    """Images a second of processor time."""
    encoder = Encoder(BACKBONE, image_px=px).eval()
    images = BlockImages(np.zeros((256, 3, px, px), np.uint8))
    embed(encoder, images, px)
    spent = min(seconds(lambda: embed(encoder, images, px)) for _ in range(3))
    return {"backbone": BACKBONE, "image_px": px, "images_a_s": round(256 / spent, 1)}


def searching(rows: int, dim: int, kind: str, folder: Path) -> dict:
    """Building and searching one index."""
    x, path = vectors(rows, dim), folder / f"{kind}-{rows}-{dim}"
    start = time.process_time()
    record = build_index(x, path, kind)
    spent = time.process_time() - start
    index = FaissIndex(path, record)
    rng = np.random.default_rng(1)
    queries = x[rng.integers(0, rows, REPEATS)].astype(np.float32)
    queries += rng.standard_normal(queries.shape, dtype=np.float32) * 0.3 / dim**0.5
    clock = time.perf_counter
    found = sorted(seconds(lambda q=q: index.search(q[None], 10, x), clock) for q in queries)
    return {"kind": kind, "rows": rows, "dim": dim, "search_ms": round(1e3 * found[0], 2),
            "build_s": round(spent, 1), "bytes_a_row": round(os.path.getsize(path) / rows, 1),
            "recall_at_10": record.recall_at_10, "lists": record.lists,
            "probes": record.probes, "code_bytes": record.bytes_a_row}  # fmt: skip


def main() -> None:
    torch.set_num_threads(1)
    faiss.omp_set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        index = [searching(*size, "exact", Path(folder)) for size in SIZES]
        index.append(searching(*SIZES[0], "ivfpq", Path(folder)))
    STORED.parent.mkdir(exist_ok=True)
    write_json(STORED, {
        "command": "python book/_tools/store_scale.py",
        "embedding": [embedding(px) for px in PX], "index": index, **environment.describe(),
    })  # fmt: skip
    print(f"stored {STORED.name}")


if __name__ == "__main__":
    main()
