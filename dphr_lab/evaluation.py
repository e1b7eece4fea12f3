"""From an encoder and a data set to the protocol's reports."""

from collections.abc import Iterable

import torch

from dphr_lab.models import embed
from dphr_lab.retrieval import RetrievalReport, evaluate

DIRECTIONS = {"D2S": "drone → satellite", "S2D": "satellite → drone"}


def evaluate_images(
    encoder: torch.nn.Module,
    query,
    gallery,
    *,
    image_px: int | None = None,
    gallery_mode: str = "full",
    flip_tta: bool = False,
    progress: bool = False,
) -> RetrievalReport:
    """Embed two image sets and score one as queries against the other.

    `query`, `gallery`: `datasets.ImageSet`s of different views; `image_px`: side in pixels to
    which images are resized, None for the encoder's own; `gallery_mode`: "full" or
    "query_places" (see `retrieval.evaluate`); `flip_tta`: average each embedding with that of the
    mirrored image.
    """
    options = {"image_px": image_px, "flip_tta": flip_tta, "progress": progress}
    return evaluate(
        embed(encoder, query, **options),
        query.places,
        embed(encoder, gallery, **options),
        gallery.places,
        gallery_mode=gallery_mode,
        query_families=query.families,
        gallery_families=gallery.families,
        tta="horizontal flip" if flip_tta else "none",
    )


def evaluate_dataset(
    encoder: torch.nn.Module,
    data,
    *,
    directions: Iterable[str] = tuple(DIRECTIONS),
    **options,
) -> dict[str, RetrievalReport]:
    """Reports on the test half of a `datasets.CrossViewDataset`, by direction.

    `directions`: "D2S" (drone → satellite, localisation), "S2D" (satellite → drone, navigation).
    `options` as for `evaluate_images`.
    """
    return {
        direction: evaluate_images(encoder, *data.test(direction), **options)
        for direction in directions
    }
