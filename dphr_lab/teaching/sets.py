"""What chapters ask of data sets: where public ones are, and which answers are twins."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from dphr_lab.datasets import ImageSet


def right_and_twins(query: ImageSet, gallery: ImageSet, order=None) -> tuple:
    """Which gallery images show each query's place, and which a twin of it: two bool arrays.

    (Q, G) over the whole gallery; (Q, k) for `order` (Q, k), the gallery indices of each query's
    answers as `retrieval.rank` gives them. Raises ValueError where families are not known.
    """
    if query.families is None or gallery.families is None:
        raise ValueError("query and gallery: families are not known, so neither are twins")
    columns = np.arange(len(gallery))[None] if order is None else np.asarray(order)
    right = gallery.places[columns] == query.places[:, None]
    return right, (gallery.families[columns] == query.families[:, None]) & ~right


def public_data(name: str) -> Path | None:
    """The folder of "University-1652" or "SUES-200" in or below `DPHR_DATA`, None where it is not.

    `DPHR_DATA` is an environment variable: a data set's folder, or the one that holds it. Raises
    FileNotFoundError where it is set to no folder.
    """
    from dphr_lab.datasets import find_layout

    root = os.environ.get("DPHR_DATA")
    if not root:
        return None
    if not Path(root).is_dir():
        raise FileNotFoundError(f"DPHR_DATA is {root!r}: there is no such folder; set another one")
    for folder in (Path(root), *sorted(path for path in Path(root).iterdir() if path.is_dir())):
        try:
            if find_layout(folder).name == name:
                return folder
        except (FileNotFoundError, ValueError):  # no data set, or another kind of folder
            continue
    return None
