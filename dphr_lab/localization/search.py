"""Find the places of a few images in a folder of the other view: `dphr search`."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from dphr_lab._images import image_files, read_image
from dphr_lab._terminal import printable
from dphr_lab.datasets import UnlabelledImages
from dphr_lab.localization.evaluation import embed_turned
from dphr_lab.models import embed
from dphr_lab.retrieval import SELECTED_ON_TEST, STAMP, rank
from dphr_lab.settings.protocol import SUES200_HEIGHTS_M, VIEWS

DRAWN = 20  # matches of a query in a figure, at most
HEIGHT_NAMES = frozenset(map(str, SUES200_HEIGHTS_M))  # folders below a place's own in SUES-200


@dataclass(frozen=True)
class SearchResult:
    """The best matches of some query images.

    `queries` (Q,) and `matches` (Q, K) are paths, `scores` (Q, K) cosine similarities in [-1, 1],
    best first; `right` (Q, K) says whether a match shows the query's place, and is None for a
    query whose place is not known.
    """

    queries: tuple[Path, ...]
    matches: tuple[tuple[Path, ...], ...]
    scores: np.ndarray
    right: tuple[tuple[bool, ...] | None, ...]
    gallery_size: int
    selected_on_test: bool = False  # the encoder was chosen by test results: no fair picture

    def __str__(self) -> str:
        lines = [SELECTED_ON_TEST] if self.selected_on_test else []
        for query, matches, scores, right in zip(
            self.queries, self.matches, self.scores, self.right, strict=True
        ):
            known = "place not known" if right is None else "right place marked *"
            if right is not None and not any(right):
                known = "right place not among these"
            lines.append(
                f"{printable(str(query), line=True)}  (gallery of {self.gallery_size}; {known})"
            )
            for k, (match, score) in enumerate(zip(matches, scores, strict=True)):
                mark = "*" if right is not None and right[k] else " "
                name = printable(str(match), line=True)
                lines.append(f"  {mark} {k + 1:2d}  {score:6.3f}  {name}")
        return "\n".join(lines)

    def draw(self, path: Path | str, image_px: int = 160) -> None:
        """Write the first `DRAWN` matches as a figure, the right place framed where known."""
        from matplotlib.figure import Figure

        from dphr_lab.plotting import retrieval_strips, save

        scores = self.scores[:, :DRAWN]
        rows, columns = scores.shape
        heights_in = [0.3] * self.selected_on_test + [1.45] * rows
        figure = Figure(figsize=(1.2 * (columns + 1), sum(heights_in)))
        grid = {"height_ratios": heights_in, "squeeze": False}
        parts = figure.subfigures(len(heights_in), 1, **grid)[:, 0]
        if self.selected_on_test:
            parts[0].text(0.5, 0.5, STAMP, ha="center", va="center", fontsize=8)
        parts = parts[-rows:]
        for part, query, matches, row, right in zip(
            parts, self.queries, self.matches, scores, self.right, strict=True
        ):
            retrieval_strips(
                part,
                _read([query], image_px),
                _read(matches[:DRAWN], image_px)[None],
                scores=row[None],
                right=None if right is None else [right[:DRAWN]],
            )
        save(figure, path)


def search_images(
    encoder: torch.nn.Module,
    queries: Sequence[Path | str],
    gallery_folder: Path | str,
    *,
    top: int = 10,
    query_view: str = "drone",
    image_px: int | None = None,
    rotations: int = 1,
    progress: bool = False,
) -> SearchResult:
    """Rank the images of a folder for each query image.

    `query_view`: "drone" or "satellite"; the gallery shows the other view. `image_px`: side in
    pixels to which images are resized, None for the encoder's own. `rotations`: how often a query
    is turned, the best turn kept (`evaluation.embed_turned`). A place is named by the folder
    of its images (or the one above, where that is a height of SUES-200); a query's place is known
    when the gallery has one of that name. Links to folders are followed. Raises `ValueError` for
    another view, `FileNotFoundError` for a query that is no file and for a gallery without images.
    """
    if query_view not in VIEWS:
        raise ValueError(f"query_view is {query_view!r}; expected one of {', '.join(VIEWS)}")
    queries = [Path(query) for query in queries]
    for query in queries:
        if not query.is_file():
            raise FileNotFoundError(f"query: found no file {query}; expected an image file")
    gallery_folder = Path(gallery_folder)
    files = image_files(gallery_folder) if gallery_folder.is_dir() else []
    if not files:
        raise FileNotFoundError(f"gallery: found no image in {gallery_folder} or its folders")
    names = [_place_name(file.relative_to(gallery_folder)) for file in files]
    known = set(names) - {None}
    asked = [
        folder
        if (folder := query.absolute().parent.name) in known
        else _place_name(query.absolute())
        for query in queries
    ]
    z_gallery = embed(encoder, UnlabelledImages(files), image_px, progress=progress)
    z_query = embed_turned(
        encoder, UnlabelledImages(queries), z_gallery, rotations, image_px=image_px
    )
    order, scores = rank(z_query, z_gallery, top)
    return SearchResult(
        queries=tuple(queries),
        matches=tuple(tuple(files[i] for i in row) for row in order),
        scores=scores.numpy(),
        right=tuple(
            tuple(names[i] == place for i in row) if place in known else None
            for place, row in zip(asked, order, strict=True)
        ),
        gallery_size=len(files),
        selected_on_test=getattr(encoder, "selected_on_test", False),
    )


def _place_name(file: Path) -> str | None:
    """The folder that names the place of `file`, None for a file that lies in none."""
    folders = file.parent.parts
    if len(folders) > 1 and folders[-1] in HEIGHT_NAMES:
        return folders[-2]
    return folders[-1] if folders else None


def _read(paths: Sequence[Path], image_px: int) -> np.ndarray:
    """(n, image_px, image_px, 3) uint8"""
    return np.stack([read_image(path, image_px) for path in paths])
