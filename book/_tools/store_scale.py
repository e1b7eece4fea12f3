"""Store the constants of the page "From a campus to a country":

    python book/_tools/store_scale.py [scoring]

Embedding and tile reading of one core, and the search of exact and IVF-PQ indices over vectors that
lie as those of overlapping tiles do: a smooth function of the position. Seconds are of processor
time for embedding, of the clock (least of repeats) for a search. About two minutes of one core.
With `scoring`, only what `dphr locate` does in place of a search (processor time, median).
"""

import os
import statistics
import sys
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace

import faiss
import numpy as np
import torch

from dphr_lab._files import write_json
from dphr_lab.localization.gallery import BlockImages, Gallery
from dphr_lab.models import Encoder, embed
from dphr_lab.results import environment
from dphr_lab.retrieval.faiss_index import FaissIndex, build_index
from dphr_lab.studies.scale import SCORING, STORED

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


def scoring(rows: int, dim: int, headings: int, folder: Path) -> dict:
    """One photograph against every tile of a map whose embeddings are a file, read once before."""
    np.save(folder / "tiles.npy", vectors(rows, dim))
    tiles = np.load(folder / "tiles.npy", mmap_mode="r")
    gallery = SimpleNamespace(embeddings=tiles, folder=folder)
    z = np.array(tiles[:headings], np.float32)
    spent = [seconds(lambda: Gallery.scores(gallery, z)) for _ in range(10)][1:]
    return {"rows": rows, "dim": dim, "headings": headings,
            "score_ms": round(1e3 * statistics.median(spent), 1)}  # fmt: skip


def store_scoring() -> None:
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        asked = [(*SIZES[2], n) for n in (1, 8)] + [(100_000, SIZES[2][1], 1)]
        found = [scoring(*each, Path(folder)) for each in asked]
    write_json(SCORING, {
        "command": "OMP_NUM_THREADS=1 python book/_tools/store_scale.py scoring",
        "scoring": found, **environment.describe(),
    })  # fmt: skip
    print(f"stored {SCORING.name}")


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
    store_scoring() if sys.argv[1:] == ["scoring"] else main()
