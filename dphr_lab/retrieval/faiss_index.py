"""A FAISS index of many embeddings: exact up to a million, then IVF-PQ with measured recall.

Files are memory-mapped, so opening one takes no time and no memory; a search reads what it needs.
The exact index keeps float16, half of the bytes and half of the time of float32.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from dphr_lab._child import run_reader
from dphr_lab._files import replace_when_done

READER = Path(__file__).with_name("_faiss_file.py")
TRIED_WITHIN_S = 60.0  # that opening an index and a query may take
EXACT_UP_TO = 1_000_000
KINDS = ("auto", "exact", "ivfpq")
AGAIN = 20  # answers of IVF-PQ that are scored exactly, for each that is asked for
RECALL = 0.95  # of the first ten, which the number of lists looked into is chosen for
TRAIN_ROWS = 100_000
SAMPLE = 256  # rows that ask for themselves, with noise, when recall is measured


@dataclass(frozen=True)
class IndexRecord:
    """What an index is, as stored beside it."""

    kind: str  # "exact" or "ivfpq"
    rows: int
    dim: int
    lists: int = 0  # of IVF
    probes: int = 0  # lists looked into
    bytes_a_row: int = 0  # of PQ
    recall_at_10: float = 1.0  # share of the exact first ten that it finds, before scoring again

    def to_dict(self) -> dict:
        """The fields as JSON's own types."""
        return asdict(self)


def _faiss():
    try:
        import faiss
    except ModuleNotFoundError:
        raise ModuleNotFoundError(
            "a map's index needs faiss: install it with pip install 'dphr-lab[map]'"
        ) from None
    return faiss


def build_index(
    embeddings: np.ndarray, path: Path | str, kind: str = "auto", seed: int = 0
) -> IndexRecord:
    """Index the rows of `embeddings` (N, D), unit vectors, float16 or float32, into a file.

    Rows are read in parts, so that they may be a memory-mapped file. `kind`: "exact", "ivfpq" or
    "auto" (exact up to a million rows). The lists that IVF-PQ looks into are as many as recall@10
    of 95 % takes, measured against exact search on rows with noise; at most an eighth of all.
    Raises ValueError for another kind or shape, OSError naming `path` when it cannot be written.
    """
    faiss = _faiss()
    if kind not in KINDS:
        raise ValueError(f"kind is {kind!r}: expected one of {KINDS}")
    if embeddings.ndim != 2 or len(embeddings) == 0:
        raise ValueError(f"embeddings have shape {embeddings.shape}: expected (N, D), N > 0")
    rows, dim = embeddings.shape
    if kind == "auto":
        kind = "exact" if rows <= EXACT_UP_TO else "ivfpq"
    if kind == "exact":
        index = faiss.IndexScalarQuantizer(
            dim, faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT
        )
        index.train(_floats(embeddings[:2]))
        record = IndexRecord("exact", rows, dim, bytes_a_row=2 * dim)
    else:
        index, record = _train_ivfpq(faiss, embeddings, seed)
    for part in parts(embeddings):
        index.add(part)
    if kind == "ivfpq":
        probes, recall = _tune(faiss, index, embeddings, record.lists, seed)
        index.nprobe = probes
        record = IndexRecord(
            "ivfpq", rows, dim, record.lists, probes, record.bytes_a_row, round(recall, 4)
        )
    with replace_when_done(path) as aside:
        try:
            faiss.write_index(index, str(aside))
        except RuntimeError as error:  # faiss's word for a full disk
            raise OSError(f"{path}: cannot be written ({_last_line(error)})") from None
    return record


def parts(embeddings: np.ndarray, rows: int = 8192) -> Iterable[np.ndarray]:
    """The rows as float32, some at a time."""
    for start in range(0, len(embeddings), rows):
        yield _floats(embeddings[start : start + rows])


class FaissIndex:
    """An index file, memory-mapped. `search` answers (rows, scores), as `VectorIndex` does.

    It is tried in a child process first: on a damaged file faiss may crash, or never end. Raises
    FileNotFoundError, and ValueError, which names the file, for one that is not what `record` says.
    """

    def __init__(self, path: Path | str, record: IndexRecord):
        faiss = _faiss()
        self.path, self.record = Path(path), record
        if not self.path.is_file():
            raise FileNotFoundError(f"{path}: no such index")
        # a query of a large exact index reads the whole file
        tried = record.kind != "exact" or record.rows <= EXACT_UP_TO
        numbers = (record.rows, record.dim, record.probes, int(tried))
        try:
            run_reader(READER, path, *map(str, numbers), within_s=TRIED_WITHIN_S)
        except ValueError as error:
            raise ValueError(f"{error}; build the map anew") from None
        self._index = faiss.read_index(str(path), faiss.IO_FLAG_MMAP_IFC)
        if record.probes:
            self._index.nprobe = record.probes

    def search(self, queries: np.ndarray, k: int, embeddings: np.ndarray | None = None):
        """Rows (Q, k) int64 and scores (Q, k) float32, best first; k is cut to the rows there are.

        With `embeddings`, what IVF-PQ finds is scored exactly, and the best k of that are given.
        Equal scores stand in the order of their rows.
        """
        queries = _floats(queries)
        if queries.ndim != 2 or queries.shape[1] != self.record.dim:
            raise ValueError(f"queries have shape {queries.shape}: expected (Q, {self.record.dim})")
        k = min(k, self.record.rows)
        if self.record.kind == "exact" or embeddings is None:
            scores, rows = self._index.search(queries, k)
        else:
            _, rows = self._index.search(queries, min(AGAIN * k, self.record.rows))
            scores = np.full(rows.shape, -np.inf, np.float32)
            for i, found in enumerate(rows):
                there = (found >= 0) & (found < self.record.rows)
                scores[i, there] = _floats(embeddings[found[there]]) @ queries[i]
        if rows.size and not -1 <= rows.min() <= rows.max() < self.record.rows:
            raise ValueError(
                f"{self.path}: is damaged, it answers with rows {rows.min()} to {rows.max()} of "
                f"{self.record.rows}; build the map anew"
            )
        order = np.lexsort((rows, -scores), axis=1)[:, :k]
        return np.take_along_axis(rows, order, 1), np.take_along_axis(scores, order, 1)


def _train_ivfpq(faiss, embeddings: np.ndarray, seed: int):
    rows, dim = embeddings.shape
    lists = max(1, int(4 * rows**0.5))
    pieces = next(m for m in (64, 48, 32, 16, 8, 4, 2, 1) if dim % m == 0 and m <= dim)
    coarse = faiss.IndexFlatIP(dim)
    index = faiss.IndexIVFPQ(coarse, dim, lists, pieces, 8, faiss.METRIC_INNER_PRODUCT)
    coarse.this.disown()
    index.own_fields = True
    index.cp.seed = seed + 1
    rng = np.random.default_rng(seed)
    # at least 39 rows a list, which faiss asks for, and never more than there are
    wanted = min(rows, max(TRAIN_ROWS, 39 * lists))
    chosen = np.sort(rng.choice(rows, wanted, replace=False))
    index.train(_floats(embeddings[chosen]))
    return index, IndexRecord("ivfpq", rows, dim, lists, bytes_a_row=pieces)


def _tune(faiss, index, embeddings, lists: int, seed: int) -> tuple[int, float]:
    """(lists to look into, recall@10 after scoring again)."""
    rng = np.random.default_rng(seed + 1)
    rows, dim = embeddings.shape
    chosen = rng.choice(rows, min(SAMPLE, rows), replace=False)
    queries = _floats(embeddings[np.sort(chosen)])
    queries = queries + rng.standard_normal(queries.shape, dtype=np.float32) * 0.5 / dim**0.5
    k = min(10, rows)
    best = _exact(embeddings, queries, k)
    probes, recall = 1, 0.0
    while True:
        index.nprobe = probes
        _, found = index.search(queries, min(AGAIN * k, rows))
        recall = np.mean([len(set(a) & set(b)) / k for a, b in zip(best, found, strict=True)])
        if recall >= RECALL or probes >= max(1, lists // 8):
            return probes, float(recall)
        probes = min(2 * probes, max(1, lists // 8))


def _exact(embeddings, queries, k: int) -> np.ndarray:
    scores = np.full((len(queries), 0), 0, np.float32)
    rows = np.zeros((len(queries), 0), np.int64)
    start = 0
    for part in parts(embeddings):
        scores = np.hstack([scores, queries @ part.T])
        rows = np.hstack([rows, np.broadcast_to(np.arange(start, start + len(part)),
                                                (len(queries), len(part)))])  # fmt: skip
        start += len(part)
        order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
        scores = np.take_along_axis(scores, order, 1)
        rows = np.take_along_axis(rows, order, 1)
    return rows


def _floats(values) -> np.ndarray:
    return np.ascontiguousarray(values, dtype=np.float32)


def _last_line(error: Exception) -> str:
    return str(error).strip().splitlines()[-1][:200]
