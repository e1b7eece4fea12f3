"""Which images a data set holds, so that a run can tell whether it goes on with the same ones.

Places of files are those below the root, so a data set that was moved is the same one.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dphr_lab._images import file_digest, file_stat
from dphr_lab.datasets.dataset import shorten

SAMPLED_FILES, SAMPLED_BYTES = 256, 65_536


def list_images(data) -> dict[str, Any] | None:
    """{"sizes": {path: bytes}, "sampled": {path: hash}} of the files that training and test read.

    Hashed are the first 64 KiB of 256 files, evenly spaced; of all where there are fewer. None for
    a data set that lies in memory.
    """
    files = getattr(data, "used_files", None)
    if not files:
        return None
    named = {path.relative_to(data.root).as_posix(): path for path in files}
    every = max(1, len(named) // SAMPLED_FILES)
    return {
        "sizes": {name: file_stat(path).st_size for name, path in named.items()},
        "sampled": {name: file_digest(named[name], SAMPLED_BYTES) for name in list(named)[::every]},
    }


def changed_images(before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """What is gone, new or other than it was, in words; empty where nothing is."""
    was, there = before["sizes"], now["sizes"]
    both = was.keys() & there.keys()
    hashes, hashes_now = before["sampled"], now["sampled"]
    kinds = {
        "gone": was.keys() - there.keys(),
        "new": there.keys() - was.keys(),
        "other than they were": {
            name
            for name in both
            if was[name] != there[name]
            or hashes.get(name, hashes_now.get(name)) != hashes_now.get(name, hashes.get(name))
        },
    }
    return "; ".join(
        f"{len(names):,} {kind} ({shorten(sorted(names), 3)})"
        for kind, names in kinds.items()
        if names
    )


def places_of(images: Mapping[str, Any]) -> set[str]:
    """The folders that hold the images: a place of a view each."""
    return {Path(name).parent.as_posix() for name in images["sizes"]}
