"""A map as a searchable gallery: tiles, their embeddings, an index, in one folder.

    map.json          settings, encoder, index: written last, so that a folder with it is whole
    tiles.parquet     a row a tile (GeoParquet): id, row, column, lat, lon, side, yaw, footprint
    embeddings.npy    (N, D) float16, memory-mapped
    index.faiss       memory-mapped
    calibration.json  what scores mean on this map, once held-out flights have said so

While it is being built, `blocks/` holds what is embedded already: a build that was killed goes on
there, and embeds nothing twice.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import struct
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch

from dphr_lab._files import read_json, replace_when_done, write_json
from dphr_lab._images import READ_THREADS
from dphr_lab._locks import only_writer
from dphr_lab.localization.geomap import Bounds, GeoMap, needs, open_map
from dphr_lab.localization.tiles import TileGrid, Tiles, read_tiles
from dphr_lab.models import embed, fingerprint
from dphr_lab.retrieval.faiss_index import FaissIndex, IndexRecord, build_index, parts
from dphr_lab.settings.checks import check_types, check_value

FORMAT = 1
BLOCK_BYTES = 64 * 2**20  # of pixels in a block, one being read while one is embedded
MAP_FILE, TILES_FILE, EMBEDDINGS_FILE, INDEX_FILE = (
    "map.json", "tiles.parquet", "embeddings.npy", "index.faiss",
)  # fmt: skip
BUILDING_FILE, BLOCKS = "building.json", "blocks"
BLOCK_NAME = re.compile(
    r"([0-9]{6,}|\.[0-9]{6,}\.[0-9]+\.part)\.npz"
)  # whole, or of a build that was killed
CALIBRATION_FILE = "calibration.json"
PARQUET_ROWS = 65_536
ENGINES = ("threads", "ray")
MILVUS = "milvus://"


@dataclass(frozen=True)
class GallerySettings:
    """What a gallery is made of, besides the encoder."""

    source: str  # the map's path as given, or relative to the gallery's folder
    crs: str | None
    tms: bool | None
    side_m: float
    stride_m: float
    image_px: int
    min_known: float


class BlockImages:
    """Tiles in memory, as `embed` reads them."""

    def __init__(self, images: np.ndarray):
        self.images = torch.from_numpy(images)

    def __len__(self) -> int:
        return len(self.images)

    def read(self, indices, image_px: int) -> torch.Tensor:
        """uint8 (n, 3, px, px)"""
        return self.images[list(indices)]


def block_size(image_px: int) -> int:
    """Tiles of a block."""
    return max(16, min(2048, BLOCK_BYTES // (3 * image_px**2)))


def embed_tiles(geomap: GeoMap, encoder, tiles: Tiles, image_px: int, min_known: float):
    """(embeddings (n, D) float16 of the tiles that the map knows, which those are (N,) bool)."""
    images, kept = read_tiles(geomap, tiles, image_px, min_known)
    z = list(embedded_parts(encoder, images, image_px))
    return (np.concatenate(z) if z else np.zeros((0, 0), np.float16)), kept


def embedded_parts(encoder, images: np.ndarray, image_px: int) -> Iterator[np.ndarray]:
    """Embeddings of a block's images, 256 at a time: the same cuts give the same bytes."""
    for first in range(0, len(images), 256):
        yield _embedded(encoder, images[first : first + 256], image_px)


def _embedded(encoder, images: np.ndarray, image_px: int) -> np.ndarray:
    if not len(images):
        return np.zeros((0, 0), np.float16)
    return embed(encoder, BlockImages(images), image_px).numpy().astype(np.float16)


def read_ahead(
    geomap: GeoMap, blocks: Iterator[Tiles], image_px: int, min_known: float, threads: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """(images, kept) of each block, in order; threads read the next one meanwhile."""

    def one(piece: Tiles):
        return read_tiles(geomap, piece, image_px, min_known)

    def begin(block: Tiles):
        cuts = np.array_split(np.arange(len(block)), max(1, min(4 * threads, len(block))))
        return [pool.submit(one, block[cut]) for cut in cuts]

    with ThreadPoolExecutor(threads) as pool:
        waiting = None
        for block in blocks:
            following = begin(block)
            if waiting is not None:
                yield _joined(waiting)
            waiting = following
        if waiting is not None:
            yield _joined(waiting)


def _joined(futures):
    found = [future.result() for future in futures]
    return np.concatenate([f[0] for f in found]), np.concatenate([f[1] for f in found])


def build_gallery(
    geomap: GeoMap,
    encoder: torch.nn.Module,
    folder: Path | str,
    *,
    source: str = "",
    crs: str | None = None,
    tms: bool | None = None,
    side_m: float = 120.0,
    stride_m: float = 30.0,
    image_px: int | None = None,
    min_known: float = 0.5,
    index: str = "auto",
    engine: str = "threads",
    threads: int = READ_THREADS,
    progress: bool = False,
) -> Gallery:
    """Embed a map's tiles and index them in `folder`; a build that was stopped goes on.

    `source`, `crs`, `tms` say how the map was opened, so that `Gallery.geomap` can open it again.
    `engine` "ray" embeds by Ray Data, on a cluster where there is one: the same bytes. `index`
    "milvus://URI" writes the embeddings to Milvus, too, and searches there.
    `image_px` None: the encoder's own. Tiles of which less than `min_known` is known are left out.
    Raises FileExistsError when a finished map or files of the same names stand there,
    BlockingIOError when another process builds there, ValueError when a build of other
    settings was begun there, or when the map holds no tile.
    """
    folder = _named_in_utf8(folder)
    px = image_px or encoder.image_px
    if engine not in ENGINES:
        raise ValueError(f"engine is {engine!r}: expected one of {ENGINES}")
    _check_free(folder)  # said before the work; again when the lock is held
    if index.startswith(MILVUS):
        from dphr_lab.retrieval.milvus_index import check_reachable

        check_reachable(index)
    tiles = TileGrid(geomap.bounds, side_m, stride_m).tiles()
    if source and Path(source).exists():
        source = os.path.relpath(Path(source).resolve(), folder.resolve())
    settings = GallerySettings(source, crs, tms, side_m, stride_m, px, min_known)
    asked = {"format": FORMAT, "settings": asdict(settings), "encoder": fingerprint(encoder),
             "candidates": len(tiles), "block": block_size(px),
             "map_files": geomap.stamp()}  # fmt: skip
    with only_writer(folder):
        _begin(folder, asked)
        if engine == "ray":
            _embed_by_ray(encoder, tiles, folder, settings, geomap, progress)
        else:
            _embed_blocks(geomap, encoder, tiles, folder, px, min_known, threads, progress)
        _finish(geomap, tiles, folder, asked, index, progress)
    return Gallery(folder)


def _finish(geomap, tiles, folder: Path, asked: dict, index: str, progress: bool) -> None:
    """Put all blocks together, index them, and write the map's record last."""
    in_milvus = index.startswith(MILVUS)
    kept = _merge(folder, tiles, asked["block"])
    embeddings = np.load(folder / EMBEDDINGS_FILE, mmap_mode="r")
    write_table(tiles[kept], folder / TILES_FILE)
    record = build_index(embeddings, folder / INDEX_FILE, "auto" if in_milvus else index).to_dict()
    if in_milvus:
        from dphr_lab.retrieval.milvus_index import absolute, write_milvus

        index = absolute(index)
        own = tiles[kept]
        collection = collection_name(asked["encoder"], embeddings, own)
        write_milvus(index, collection, embeddings, own.lat, own.lon, progress)
        record |= {"milvus": index, "collection": collection}
    bounds = geomap.bounds
    write_json(folder / MAP_FILE, asked | {
        "tiles": len(embeddings), "dim": embeddings.shape[1], "index": record,
        "bounds": [bounds.west, bounds.south, bounds.east, bounds.north],
        "map": geomap.name, "gsd_m": geomap.gsd_m,
    })  # fmt: skip
    for block in (folder / BLOCKS).glob("*.npz"):
        if BLOCK_NAME.fullmatch(block.name):
            block.unlink()
    with suppress(OSError):  # not empty: what others put there stays
        (folder / BLOCKS).rmdir()
    (folder / BUILDING_FILE).unlink()


def _begin(folder: Path, asked: dict) -> None:
    """Make the folder, or see that what was begun there is the same."""
    _check_free(folder)
    begun = folder / BUILDING_FILE
    if not begun.exists():
        write_json(begun, asked)
        (folder / BLOCKS).mkdir(exist_ok=True)
        return
    (folder / BLOCKS).mkdir(exist_ok=True)
    before = read_json(begun, "the settings of a map that is being built")
    if before == json.loads(json.dumps(asked)):
        return
    if before.get("encoder") != asked["encoder"]:
        was, now = before.get("encoder"), asked["encoder"]
        raise ValueError(
            f"{folder}: a map was begun here with another encoder: {_named(was)}, this one is "
            f"{_named(now)}; give another --out, or remove the folder"
        )
    if before | {"map_files": asked["map_files"]} == json.loads(json.dumps(asked)):
        raise ValueError(
            f"{folder}: the map's files have changed since a build was begun here, and what it "
            "embedded is of the old ones; give another --out, or remove the folder"
        )
    settings = before.get("settings")
    settings = settings if isinstance(settings, dict) else {}
    differ = [k for k, v in asked["settings"].items() if settings.get(k) != v]
    raise ValueError(
        f"{folder}: a map was begun here with other settings ({', '.join(differ) or 'the map'}); "
        "give another --out, or remove the folder"
    )


def _check_free(folder: Path) -> None:
    """Raise FileExistsError for files of others that have the names of a map's."""
    if (folder / MAP_FILE).exists():
        raise FileExistsError(f"{folder}: holds a finished map; give another --out, or remove it")
    if (folder / BUILDING_FILE).exists():
        return
    own = (TILES_FILE, EMBEDDINGS_FILE, INDEX_FILE, CALIBRATION_FILE, BLOCKS)
    if there := [name for name in own if (folder / name).exists()]:
        raise FileExistsError(
            f"{folder}: holds {', '.join(there)}, which no map being built has left there; give a "
            "new or empty --out"
        )


def _embed_blocks(geomap, encoder, tiles, folder, px, min_known, threads, progress) -> None:
    size = block_size(px)
    starts = range(0, len(tiles), size)
    missing = [s for s in starts if not _block(folder, s // size).exists()]
    bar = None
    if progress:
        from tqdm.auto import tqdm

        done = sum(min(size, len(tiles) - s) for s in starts if s not in set(missing))
        bar = tqdm(total=len(tiles), initial=done, desc="tiles", unit="tile", smoothing=0.1)
    pieces = (tiles[s : s + size] for s in missing)
    read = read_ahead(geomap, pieces, px, min_known, threads)
    for start, (images, kept) in zip(missing, read, strict=True):
        z = []
        for part in embedded_parts(encoder, images, px):
            z.append(part)
            if bar:
                bar.update(len(part))
        save_block(folder, start // size, np.concatenate(z) if z else np.zeros((0, 0)), kept)
        if bar:
            bar.update(len(kept) - len(images))
    if bar:
        bar.close()


def _embed_by_ray(encoder, tiles, folder, settings, geomap, progress) -> None:
    from dphr_lab.localization.cluster import embed_blocks

    if not settings.source:
        raise ValueError("engine 'ray' opens the map on each machine: give its path as source")
    size = block_size(settings.image_px)
    missing = [n for n in range(-(-len(tiles) // size)) if not _block(folder, n).exists()]
    path = str((folder / settings.source).resolve())
    jobs = [(n, tiles[n * size : (n + 1) * size]) for n in missing]
    for number, z, kept in embed_blocks(encoder, path, settings, jobs, progress):
        save_block(folder, number, z, kept)


def collection_name(encoder: dict, embeddings: np.ndarray, tiles: Tiles) -> str:
    """What a map is called in Milvus: by its encoder and what is stored, so no map has another's.

    Settings would not do: `town.tif` lies beside many a map.
    """
    digest = hashlib.sha256(json.dumps(encoder, sort_keys=True).encode())
    for part in (tiles.lat, tiles.lon, *parts(embeddings)):
        digest.update(np.ascontiguousarray(part).tobytes())
    return "dphr_" + digest.hexdigest()[:16]


def _block(folder: Path, number: int) -> Path:
    return folder / BLOCKS / f"{number:06d}.npz"


def save_block(folder: Path, number: int, z: np.ndarray, kept: np.ndarray) -> None:
    """One block's embeddings and which tiles they are of, aside and renamed."""
    with replace_when_done(_block(folder, number)) as aside, open(aside, "wb") as file:
        np.savez(file, z=z.astype(np.float16), kept=kept)


def _merge(folder: Path, tiles: Tiles, size: int) -> np.ndarray:
    """Put the blocks into one file of embeddings; returns which tiles they are of, (N,) bool."""
    kept, dim = [], 0
    blocks = -(-len(tiles) // size)
    for number in range(blocks):
        path = _block(folder, number)
        try:
            with np.load(path) as block:
                kept.append(block["kept"])
                dim = max(dim, block["z"].shape[1])
        except Exception as error:  # zipfile, zlib and numpy raise a dozen kinds on damaged files
            raise ValueError(
                f"{path}: cannot be read ({type(error).__name__}); remove it and build again"
            ) from None
    kept = np.concatenate(kept)
    if not kept.any():
        raise ValueError("the map knows nothing of any tile: it is nodata all over")
    with replace_when_done(folder / EMBEDDINGS_FILE) as aside:
        rows = np.lib.format.open_memmap(aside, "w+", np.float16, (int(kept.sum()), dim))
        start = 0
        for number in range(blocks):
            with np.load(_block(folder, number)) as block:
                if len(z := block["z"]):
                    rows[start : start + len(z)] = z
                    start += len(z)
        rows.flush()
        del rows
    return kept


def write_table(tiles: Tiles, path: Path) -> None:
    """The tiles as GeoParquet: footprints as polygons, WGS 84."""
    arrow, parquet = needs("pyarrow"), needs("pyarrow.parquet")
    schema = arrow.schema(
        [("id", arrow.string()), ("row", arrow.int64()), ("column", arrow.int64()),
         ("lat", arrow.float64()), ("lon", arrow.float64()), ("side_m", arrow.float64()),
         ("yaw_deg", arrow.float64()), ("geometry", arrow.binary())],
        metadata={"geo": json.dumps({
            "version": "1.1.0", "primary_column": "geometry",
            "columns": {"geometry": {"encoding": "WKB", "geometry_types": ["Polygon"]}},
        }), "stride_m": repr(tiles.stride_m)},
    )  # fmt: skip
    with replace_when_done(path) as aside, parquet.ParquetWriter(aside, schema) as writer:
        for start in range(0, len(tiles), PARQUET_ROWS):
            part = tiles[start : start + PARQUET_ROWS]
            count = len(part)
            writer.write_table(arrow.table({
                "id": [part.id(i) for i in range(count)],
                "row": part.row, "column": part.column, "lat": part.lat, "lon": part.lon,
                "side_m": np.full(count, part.side_m), "yaw_deg": np.zeros(count),
                "geometry": [_wkb(part.footprint(i)) for i in range(count)],
            }, schema=schema))  # fmt: skip


def _wkb(ring: np.ndarray) -> bytes:
    """A polygon of one ring as well-known binary, little-endian."""
    return struct.pack("<BIII", 1, 3, 1, len(ring)) + ring.astype("<f8").tobytes()


class Gallery:
    """A built map, opened: what `dphr map build` wrote. Files are memory-mapped.

    Raises FileNotFoundError for a folder that holds none, ValueError for one half-written or of
    another format.
    """

    def __init__(self, folder: Path | str):
        self.folder = _named_in_utf8(folder)
        if not (self.folder / MAP_FILE).is_file():
            if (self.folder / BUILDING_FILE).is_file():
                raise ValueError(
                    f"{self.folder}: this map was not built to its end; give the same "
                    "dphr map build command again, it goes on where it stopped"
                )
            raise FileNotFoundError(
                f"{self.folder}: holds no {MAP_FILE}; expected a folder that dphr map build wrote"
            )
        self.record = read_json(self.folder / MAP_FILE, "a map's record", "build the map anew")
        if self.record.get("format") != FORMAT:
            raise ValueError(
                f"{self.folder / MAP_FILE}: of format {self.record.get('format')!r:.60}, expected "
                f"{FORMAT}; build the map anew"
            )
        try:
            self.settings = _checked(GallerySettings, self.record["settings"])
            _check_record(self.record, self.settings)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise ValueError(
                f"{self.folder / MAP_FILE}: not a map's record ({type(error).__name__}: {error}); "
                "build the map anew"
            ) from None
        for name in (TILES_FILE, EMBEDDINGS_FILE):
            if not (self.folder / name).is_file():
                raise FileNotFoundError(f"{self.folder / name}: missing; build the map anew")

    @property
    def bounds(self) -> Bounds:
        """The map's box."""
        return Bounds(*self.record["bounds"])

    def __len__(self) -> int:
        return self.record["tiles"]

    @cached_property
    def tiles(self) -> Tiles:
        """Where the rows of `embeddings` lie."""
        parquet = needs("pyarrow.parquet")
        names, path = ["row", "column", "lat", "lon"], self.folder / TILES_FILE
        try:
            table = parquet.read_table(path, columns=names, memory_map=True)
            columns = [table[name].to_numpy() for name in names]
            if not all(np.issubdtype(c.dtype, np.number) for c in columns):
                raise ValueError(f"found {[str(c.dtype) for c in columns]}, expected numbers")
            if not all(np.isfinite(c).all() for c in columns):
                raise ValueError("found a number that is not finite")
            stride = (table.schema.metadata or {}).get(b"stride_m", b"").decode("ascii", "replace")
            if stride != repr(self.settings.stride_m):
                raise ValueError(
                    f"of a grid of {stride or 'no known'} m, the record says "
                    f"{self.settings.stride_m} m"
                )
            _check_inside(self.bounds, *columns[2:])
        except Exception as error:  # pyarrow's own kinds, and more
            raise ValueError(
                f"{path}: not a table of tiles ({str(error).splitlines()[0]}); build the map anew"
            ) from None
        if len(table) != len(self):
            raise ValueError(
                f"{self.folder / TILES_FILE}: {len(table)} tiles, the record says {len(self)}; "
                "build the map anew"
            )
        return Tiles(*columns, self.settings.side_m, self.settings.stride_m)

    @cached_property
    def embeddings(self) -> np.ndarray:
        """(N, D) float16."""
        path = self.folder / EMBEDDINGS_FILE
        try:
            found = np.load(path, mmap_mode="r", allow_pickle=False)
            if found.dtype != np.float16:
                raise ValueError(f"found {found.dtype}, expected float16")
        except (ValueError, OSError, AttributeError, EOFError) as error:
            raise ValueError(f"{path}: not embeddings ({error}); build the map anew") from None
        if found.shape != (self.record["tiles"], self.record["dim"]):
            raise ValueError(
                f"{self.folder / EMBEDDINGS_FILE}: of shape {found.shape}, the record says "
                f"{(self.record['tiles'], self.record['dim'])}; build the map anew"
            )
        return found

    @cached_property
    def index(self) -> FaissIndex:
        """The index over all rows."""
        known = {k: v for k, v in self.record["index"].items() if k not in ("milvus", "collection")}
        return FaissIndex(self.folder / INDEX_FILE, IndexRecord(**known))

    @cached_property
    def milvus(self):
        """The map's collection in Milvus, or None where it has none."""
        if "milvus" not in self.record["index"]:
            return None
        from dphr_lab.retrieval.milvus_index import MilvusIndex

        index = self.record["index"]
        return MilvusIndex(index["milvus"], index["collection"], len(self))

    @cached_property
    def geomap(self) -> GeoMap:
        """The map itself, for pictures and refinement; FileNotFoundError when it has moved."""
        source = Path(self.settings.source)
        path = source if source.is_absolute() else self.folder / source
        if not self.settings.source or not path.exists():
            raise FileNotFoundError(
                f"{self.folder}: the map that it was built from is no longer at {path}; "
                "pictures and --refine need it"
            )
        return open_map(path.resolve(), self.settings.crs, self.settings.tms)

    @property
    def calibration(self) -> dict | None:
        """What `dphr map calibrate` stored, or None."""
        path = self.folder / CALIBRATION_FILE
        to_do = "calibrate the map anew"
        return read_json(path, "a map's calibration", to_do) if path.is_file() else None

    def check_encoder(self, encoder: torch.nn.Module) -> None:
        """Raise ValueError, naming both, when the map was built with another encoder."""
        now, was = fingerprint(encoder), self.record["encoder"]
        if now != was:
            raise ValueError(
                f"{self.folder}: built with the encoder {_named(was)}, this one is {_named(now)}: "
                "their embeddings cannot be compared; give that encoder, or build the map anew"
            )
        dim = getattr(encoder, "image_px", self.settings.image_px)
        if getattr(encoder, "fixed_size", False) and dim != self.settings.image_px:
            raise ValueError(
                f"{self.folder}: built from tiles of {self.settings.image_px} px, this encoder "
                f"takes {dim} px"
            )

    def search(self, z: np.ndarray, k: int, rows: np.ndarray | None = None):
        """Rows and scores, both (Q, k), best first; `rows` restricts the search to those tiles."""
        if rows is None and self.milvus is not None:
            return self.milvus.search(z, k)
        if rows is None:
            return self.index.search(z, k, self.embeddings)
        scores = self.scores(z, rows)
        order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
        return rows[order], np.take_along_axis(scores, order, 1)

    def scores(self, z: np.ndarray, rows: np.ndarray | None = None) -> np.ndarray:
        """Cosine similarity (Q, n) of queries (Q, D) to all tiles, or to some."""
        z = np.ascontiguousarray(z, np.float32)
        if rows is not None:
            found = z @ self.embeddings[rows].astype(np.float32).T
        else:
            found = np.concatenate([z @ part.T for part in parts(self.embeddings)], axis=1)
        if np.isfinite(z).all() and not np.isfinite(found).all():
            raise ValueError(
                f"{self.folder / EMBEDDINGS_FILE}: holds numbers that are not finite; build the "
                "map anew"
            )
        return found


def _named_in_utf8(folder: Path | str) -> Path:
    """The folder; UnicodeEncodeError, a ValueError, for a name that faiss and pyarrow refuse."""
    str(folder).encode("utf-8")
    return Path(folder)


def _checked(kind: type, values: dict):
    """A dataclass of what a file says; TypeError or ValueError where that cannot be one."""
    made = kind(**values)
    check_types(made)
    return made


def _check_record(record: dict, settings: GallerySettings) -> None:
    """Raise ValueError or TypeError for a part of map.json that is none."""
    west, south, east, north = record["bounds"]
    bounds = _checked(Bounds, dict(west=west, south=south, east=east, north=north))
    if not (-90 <= south < north <= 90 and -180 <= west < east <= 540):
        raise ValueError(f"bounds are {record['bounds']}: expected west, south, east, north")
    for name in ("tiles", "dim"):
        check_value(name, record[name], type(record[name]) is int and record[name] > 0, "a count")
    _check_index(record)
    for name in ("side_m", "stride_m", "image_px"):
        value = getattr(settings, name)
        check_value(name, value, value > 0, "a number above 0")
    check_value("side_m", settings.side_m, settings.side_m <= 1.01 * min(bounds.size_m),
                "at most the map's size")  # fmt: skip
    check_value("map", record["map"], isinstance(record["map"], str), "text")
    for name in ("name", "sha256"):
        value = record["encoder"][name]
        check_value(f"encoder: {name}", value, isinstance(value, str), "text")


def _check_index(record: dict) -> None:
    """Raise ValueError or TypeError for the record of an index that is none, or of other rows."""
    known = {k: v for k, v in record["index"].items() if k not in ("milvus", "collection")}
    index = _checked(IndexRecord, known)
    check_value("index: kind", index.kind, index.kind in ("exact", "ivfpq"), "exact or ivfpq")
    found, tiles = (index.rows, index.dim), (record["tiles"], record["dim"])
    check_value("index: rows and dim", found, found == tiles, f"{tiles}, as the map's")
    if "milvus" in record["index"]:
        for name in ("milvus", "collection"):
            value = record["index"].get(name)
            check_value(f"index: {name}", value, isinstance(value, str), "text")


def _check_inside(bounds: Bounds, lat: np.ndarray, lon: np.ndarray) -> None:
    """Raise ValueError for a tile whose centre lies off the map."""
    reach = np.array([[lat.min(), lon.min()], [lat.max(), lon.max()]]) if len(lat) else None
    low, high = (bounds.south, bounds.west), (bounds.north, bounds.east)
    if reach is not None and ((reach[0] < low).any() or (reach[1] > high).any()):
        raise ValueError(
            f"tiles from {reach[0].tolist()} to {reach[1].tolist()}, which is not within the "
            f"map's {bounds}"
        )


def _named(encoder: Any) -> str:
    if not isinstance(encoder, dict) or not {"name", "sha256"} <= encoder.keys():
        return f"{encoder!r:.60}"
    return f"{encoder['name']} ({str(encoder['sha256'])[:10]})"
