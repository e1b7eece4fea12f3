"""Embedding a map on many machines by Ray Data: the tile function of the plain engine, elsewhere.

`ray.init` finds a cluster (by RAY_ADDRESS) or starts a local one. Each actor opens the map by its
path, which every machine must reach, and embeds whole blocks; the machine that asked stores each
block as it comes, so that a stopped build goes on here, too.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator, Sequence
from dataclasses import asdict

import numpy as np
import torch

from dphr_lab.localization.tiles import Tiles

REACHED_WITHIN_S = 10.0
NEEDS_RAY = "--engine ray needs Ray: install it with pip install 'dphr-lab[cluster]'"


class EmbedBlocks:
    """What an actor does: blocks of tiles in, embeddings out, as bytes that Arrow can hold."""

    def __init__(self, encoder: torch.nn.Module, path: str, settings: dict, threads: int):
        from dphr_lab.localization.geomap import open_map

        torch.set_num_threads(threads)
        self.encoder, self.settings = encoder, settings
        self.geomap = open_map(path, settings["crs"], settings["tms"])

    def __call__(self, batch: dict) -> dict:
        from dphr_lab.localization.gallery import embed_tiles

        s, out = self.settings, {"number": [], "z": [], "dim": [], "kept": []}
        for number, row, column, lat, lon in zip(
            batch["number"], batch["row"], batch["column"], batch["lat"], batch["lon"], strict=True
        ):
            tiles = Tiles(
                np.frombuffer(row, np.int64), np.frombuffer(column, np.int64),
                np.frombuffer(lat), np.frombuffer(lon), s["side_m"], s["stride_m"],
            )  # fmt: skip
            z, kept = embed_tiles(self.geomap, self.encoder, tiles, s["image_px"], s["min_known"])
            out["number"].append(number)
            out["z"].append(z.tobytes())
            out["dim"].append(z.shape[1])
            out["kept"].append(kept.tobytes())
        return out


def check_reachable(address: str) -> None:
    """Raise ConnectionError where nothing listens at HOST:PORT, for which Ray waits very long.

    Other words, such as "auto", are Ray's to understand.
    """
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not host or not port.isdecimal():
        return
    try:
        socket.create_connection((host, int(port)), timeout=REACHED_WITHIN_S).close()
    except (OSError, OverflowError, UnicodeError) as error:
        raise ConnectionError(
            f"no Ray cluster can be reached at {address} ({error}); is RAY_ADDRESS right?"
        ) from None


def embed_blocks(
    encoder: torch.nn.Module,
    path: str,
    settings,
    jobs: Sequence[tuple[int, Tiles]],
    progress: bool = False,
) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    """(block's number, embeddings, kept) of each job, as they come.

    One actor on a machine of up to two cores, which two would starve; else one for two cores.
    Raises ModuleNotFoundError without Ray, ConnectionError when no cluster can be reached.
    """
    try:
        import ray
        import ray.data
    except ModuleNotFoundError:
        raise ModuleNotFoundError(NEEDS_RAY) from None
    mine = not ray.is_initialized()
    if mine:
        check_reachable(os.environ.get("RAY_ADDRESS", ""))
        try:
            ray.init(include_dashboard=False, log_to_driver=False, logging_level="error")
        except (ConnectionError, OSError, RuntimeError, TimeoutError) as error:
            raise ConnectionError(
                f"no Ray cluster can be reached or started ({str(error).splitlines()[0]}); is "
                "RAY_ADDRESS right?"
            ) from None
    try:
        ray.data.DataContext.get_current().enable_progress_bars = progress
        cores = int(ray.cluster_resources().get("CPU", 1))
        items = [
            {"number": number, "row": t.row.tobytes(), "column": t.column.tobytes(),
             "lat": t.lat.tobytes(), "lon": t.lon.tobytes()}
            for number, t in jobs
        ]  # fmt: skip
        if not items:
            return
        found = ray.data.from_items(items, override_num_blocks=len(items)).map_batches(
            EmbedBlocks,
            fn_constructor_args=(encoder, path, asdict(settings), torch.get_num_threads()),
            batch_size=1, num_cpus=1,
            compute=ray.data.ActorPoolStrategy(size=max(1, (cores - 1) // 2)),
        )  # fmt: skip
        for row in found.iter_rows():
            z = np.frombuffer(row["z"], np.float16).reshape(-1, max(1, row["dim"]))
            yield int(row["number"]), z, np.frombuffer(row["kept"], bool)
    finally:
        if mine:
            ray.shutdown()
