"""From an encoder and a data set to the protocol's reports."""

from collections.abc import Iterable
from dataclasses import replace

import torch

from dphr_lab._images import warped
from dphr_lab.datasets.images import ChangedImages
from dphr_lab.losses import pairwise_distance
from dphr_lab.models import embed
from dphr_lab.retrieval import RetrievalReport, evaluate
from dphr_lab.settings.protocol import DIRECTIONS


def evaluate_images(
    encoder: torch.nn.Module, query, gallery, *, gallery_mode: str = "full", **options
) -> RetrievalReport:
    """Embed two image sets and score one as queries against the other.

    `gallery_mode`: "full" or "query_places" (see `retrieval.evaluate`). The rest is as for
    `evaluate_modes`.
    """
    return evaluate_modes(encoder, query, gallery, (gallery_mode,), **options)[gallery_mode]


def evaluate_modes(
    encoder: torch.nn.Module,
    query,
    gallery,
    gallery_modes: Iterable[str],
    *,
    image_px: int | None = None,
    flip_tta: bool = False,
    rotations: int = 1,
    progress: bool = False,
) -> dict[str, RetrievalReport]:
    """Embed two image sets once and score them in several gallery modes.

    `query`, `gallery`: `datasets.ImageSet`s of different views; `image_px`: side in pixels to
    which images are resized, None for the encoder's own; `flip_tta`: add the embedding of the
    mirrored image to each; `rotations`: how often each query is turned, see `embed_turned`.
    Reports of an encoder that was selected on the test set say so.
    """
    options = {"image_px": image_px, "flip_tta": flip_tta, "progress": progress}
    z_gallery = embed(encoder, gallery, **options)
    z_query = embed_turned(encoder, query, z_gallery, rotations, **options)
    used = ["horizontal flip"] * flip_tta + [f"best of {rotations} rotations"] * (rotations > 1)
    tta = ", ".join(used) or "none"
    stamp = getattr(encoder, "selected_on_test", False)
    reports = {
        mode: score(z_query, query, z_gallery, gallery, gallery_mode=mode, tta=tta)
        for mode in gallery_modes
    }
    return {mode: replace(report, selected_on_test=stamp) for mode, report in reports.items()}


def embed_turned(
    encoder: torch.nn.Module, query, z_gallery: torch.Tensor, rotations: int, **options
) -> torch.Tensor:
    """Embeddings (Q, D) of query images, each at the one of its `rotations` that the gallery fits.

    An image is turned by even steps about its centre, edges mirrored; the turn kept is the one
    whose nearest gallery image is nearest. Labels play no part. `z_gallery` (G, D); `options` are
    those of `models.embed`. Raises ValueError for fewer than one rotation.
    """
    if rotations < 1:
        raise ValueError(f"rotations is {rotations}; expected 1 (as it is) or more")
    best, nearest = embed(encoder, query, **options), None
    for turn in range(1, rotations):
        if nearest is None:
            nearest = nearest_similarity(best, z_gallery)
        degrees = 360 * turn / rotations
        turned = ChangedImages(query, lambda pixels, _, by=degrees: warped(pixels, by))
        z = embed(encoder, turned, **options)
        found = nearest_similarity(z, z_gallery)
        better = found > nearest
        best[better], nearest = z[better], torch.maximum(found, nearest)
    return best


def nearest_similarity(z_query: torch.Tensor, z_gallery: torch.Tensor) -> torch.Tensor:
    """(Q,) cosine similarity of each query to its nearest gallery image, both normalised."""
    return torch.cat([(rows @ z_gallery.T).amax(1) for rows in z_query.split(256)])


def score(z_query: torch.Tensor, query, z_gallery: torch.Tensor, gallery, **options):
    """`retrieval.evaluate` on embeddings (N, D) of two image sets, with their labels."""
    return evaluate(
        z_query,
        query.places,
        z_gallery,
        gallery.places,
        query_families=query.families,
        gallery_families=gallery.families,
        **options,
    )


def place_distances(
    z_query: torch.Tensor, query, z_gallery: torch.Tensor, gallery
) -> dict[str, float]:
    """Mean distance of the queries to their nearest positive, twin and stranger.

    {"d_pos", "d_twin", "d_stranger"}, each in [0, 2]; of embeddings (N, D) of two image sets. A
    stranger is a place of another family. A distance that no query has is left out: without known
    families there are no twins. Taught in: book/06.
    """
    distance = pairwise_distance(z_query, z_gallery)
    same_place = torch.from_numpy(query.places[:, None] == gallery.places)
    groups = {"d_pos": same_place, "d_stranger": ~same_place}
    if query.families is not None and gallery.families is not None:
        same_family = torch.from_numpy(query.families[:, None] == gallery.families)
        groups |= {"d_twin": same_family & ~same_place, "d_stranger": ~same_family}
    nearest = {
        name: distance.masked_fill(~mask, torch.inf).amin(1) for name, mask in groups.items()
    }
    return {
        name: values[values.isfinite()].mean().item()
        for name, values in nearest.items()
        if values.isfinite().any()
    }


def evaluate_dataset(
    encoder: torch.nn.Module,
    data,
    *,
    directions: Iterable[str] | None = None,
    **options,
) -> dict[str, RetrievalReport]:
    """Reports on the test half of a `datasets.CrossViewDataset`, by direction.

    `directions`: "D2S" (drone → satellite, localisation), "S2D" (satellite → drone, navigation);
    None: those that the test half is for. `options` as for `evaluate_images`.
    """
    if directions is None:
        directions = getattr(data, "directions", tuple(DIRECTIONS))
    return {
        direction: evaluate_images(encoder, *data.test(direction), **options)
        for direction in directions
    }
