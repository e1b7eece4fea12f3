"""Embeddings in Milvus: a server, a cluster, or a file by the embedded milvus-lite.

`milvus://HOST:PORT` is a server; `milvus:///path/to/file.db` and `milvus://file.db` are files.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

SCHEME = "milvus://"
ROWS_AT_ONCE = 2000
MARK = "collections"  # in the folder that milvus-lite 3 makes of FILE.db
NEEDS_MILVUS = (
    "milvus:// needs pymilvus, files milvus-lite, too: install them with "
    "pip install 'dphr-lab[cluster]'"
)


def absolute(uri: str) -> str:
    """`uri` with a file's path made absolute, so that it names one file from every folder."""
    where = uri.removeprefix(SCHEME)
    return f"{SCHEME}{Path(where).resolve()}" if where.endswith(".db") else uri


@contextmanager
def _told(uri: str) -> Iterator[None]:
    """Whatever Milvus raises as a ConnectionError of one line, which names it."""
    try:
        yield
    except Exception as error:  # pymilvus has exceptions of its own, grpc others
        said = (str(error).splitlines() or [""])[0][:120]
        raise ConnectionError(
            f"{uri}: Milvus does not answer ({type(error).__name__}: {said}); is it running, and "
            "its data whole? Else build the map anew"
        ) from None


def _client(uri: str):
    if not uri.startswith(SCHEME) or uri == SCHEME:
        raise ValueError(f"index is {uri!r}: expected milvus://HOST:PORT or milvus://FILE.db")
    try:
        from pymilvus import MilvusClient
    except ModuleNotFoundError:
        raise ModuleNotFoundError(NEEDS_MILVUS) from None
    where = uri.removeprefix(SCHEME)
    address = where if where.endswith(".db") else f"http://{where}"
    try:
        return MilvusClient(address, timeout=20)
    except Exception as error:  # pymilvus has exceptions of its own, grpc others
        hint = "is it running?"
        if where.endswith(".db"):
            hint = "is it Milvus's own, and used by no other command? Files need milvus-lite"
        raise ConnectionError(
            f"{uri}: Milvus cannot be reached ({type(error).__name__}: "
            f"{str(error).splitlines()[0][:120]}); {hint}"
        ) from None


def write_milvus(
    uri: str, collection: str, embeddings: np.ndarray, lat, lon, progress: bool = False
) -> None:
    """Write the rows (N, D) with their positions as one collection; an older one is replaced.

    Raises ValueError for another scheme, ConnectionError when Milvus cannot be reached.
    """
    client = _client_to_write(uri)
    with _told(uri):
        _write(client, collection, embeddings, lat, lon, progress)


def check_reachable(uri: str) -> None:
    """Raise what `write_milvus` would for want of Milvus, before there is anything to write."""
    _client_to_write(uri).close()


def _client_to_write(uri: str):
    where = Path(uri.removeprefix(SCHEME))
    foreign = where.suffix == ".db" and where.is_dir() and not (where / MARK).exists()
    if foreign and any(where.iterdir()):
        raise FileExistsError(f"{where}: holds something else than Milvus's; give another name")
    return _client(uri)


def _write(client, collection: str, embeddings: np.ndarray, lat, lon, progress: bool) -> None:
    if client.has_collection(collection):
        client.drop_collection(collection)
    from pymilvus import DataType

    schema = client.create_schema(auto_id=False)
    schema.add_field("id", DataType.INT64, is_primary=True)
    schema.add_field("vector", DataType.FLOAT_VECTOR, dim=embeddings.shape[1])
    schema.add_field("lat", DataType.DOUBLE)
    schema.add_field("lon", DataType.DOUBLE)
    index = client.prepare_index_params()
    index.add_index("vector", index_type="FLAT", metric_type="IP")
    client.create_collection(collection, schema=schema, index_params=index)
    starts = range(0, len(embeddings), ROWS_AT_ONCE)
    if progress:
        from tqdm.auto import tqdm

        starts = tqdm(starts, desc="to Milvus", unit="part")
    for start in starts:
        part = np.asarray(embeddings[start : start + ROWS_AT_ONCE], np.float32)
        client.insert(collection, [
            {"id": start + i, "vector": row.tolist(), "lat": float(lat[start + i]),
             "lon": float(lon[start + i])}
            for i, row in enumerate(part)
        ])  # fmt: skip
    client.close()


class MilvusIndex:
    """A collection that `write_milvus` wrote; `search` answers as `VectorIndex` does."""

    def __init__(self, uri: str, collection: str, rows: int):
        self.uri, self.collection, self.rows = uri, collection, rows
        where = uri.removeprefix(SCHEME)
        if where.endswith(".db") and not Path(where).exists():  # a client would make it
            raise FileNotFoundError(f"{where}: no such file of Milvus; build the map anew")
        self._client = _client(uri)
        with _told(uri):
            there = self._client.has_collection(collection)
            held = int(self._client.get_collection_stats(collection)["row_count"]) if there else 0
        if not there:
            raise ValueError(f"{uri}: holds no collection {collection}; build the map anew")
        if held != rows:
            raise ValueError(
                f"{uri}: collection {collection} holds {held} rows, the map has {rows}; build the "
                "map anew"
            )
        with _told(uri):
            self._client.load_collection(collection)

    def search(self, queries: np.ndarray, k: int, near: tuple[float, float, float] | None = None):
        """Rows (Q, k) int64 and scores (Q, k) float32, best first.

        `near` (latitude, longitude, metres) restricts the search by Milvus's scalar filter to the
        box around that circle before anything is scored.
        """
        rule = "" if near is None else _box_rule(*near)
        with _told(self.uri):
            found = self._client.search(
                self.collection, np.asarray(queries, np.float32).tolist(), limit=min(k, self.rows),
                filter=rule, search_params={"metric_type": "IP"}, output_fields=["id"],
            )  # fmt: skip
        most = max((len(row) for row in found), default=0)
        scores = np.full((len(found), most), -np.inf, np.float32)
        rows = np.full((len(found), most), -1, np.int64)
        for i, hits in enumerate(found):
            for j, hit in enumerate(hits):
                scores[i, j], rows[i, j] = hit["distance"], hit["id"]
        order = np.lexsort((rows, -scores), axis=1)
        return np.take_along_axis(rows, order, 1), np.take_along_axis(scores, order, 1)


def _box_rule(lat: float, lon: float, within_m: float) -> str:
    north = within_m / 110_574
    east = within_m / (111_320 * max(math.cos(math.radians(lat)), 1e-6))
    return (
        f"lat >= {lat - north} and lat <= {lat + north} and "
        f"lon >= {lon - east} and lon <= {lon + east}"
    )
