"""The score and the order of a gallery's images, by which every number is measured."""

from collections.abc import Iterator

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor


def ranks_of(similarity: Tensor, images: Tensor, scores: Tensor) -> Tensor:
    """1-based ranks (b, P) of some gallery images `images` (b, P) by the module's order.

    `similarity` (b, G) holds the scores of all images, `scores` (b, P) those of the asked ones.
    Only values are sorted: how many are larger is read off by bisection, and the order of equal
    ones is looked up where there are any.
    """
    if similarity.device.type == "cpu":  # numpy's sort of values is some thirty times faster
        ascending = torch.from_numpy(np.sort(similarity.numpy(), axis=1))
    else:
        ascending = similarity.sort(dim=1).values
    size = similarity.shape[1]
    not_smaller = size - torch.searchsorted(ascending, scores)
    ranks = size - torch.searchsorted(ascending, scores, right=True) + 1
    tied = (not_smaller > ranks).any(1).nonzero()[:, 0]
    if len(tied):
        order = similarity[tied].argsort(dim=1, descending=True, stable=True)
        ranks[tied] = order.argsort(dim=1).gather(1, images[tied]) + 1
    return ranks


def similarities_by_rows(query: Tensor, gallery: Tensor, chunk_size: int) -> Iterator:
    """(rows, cosine similarities (b, G)) for `chunk_size` queries at a time."""
    for start in range(0, len(query), chunk_size):
        rows = slice(start, start + chunk_size)
        yield rows, query[rows] @ gallery.T


def as_embeddings(query, gallery) -> tuple[Tensor, Tensor]:
    """Both as normalised float32 on the query's device, checked."""
    query, gallery = normalised("query", query), normalised("gallery", gallery)
    check_widths(query.shape[1], gallery.shape[1])
    return query, gallery.to(query.device)


def normalised(name: str, z) -> Tensor:
    """Embeddings (N, D), tensor or array, as float32 of length 1, without gradient.

    Raises ValueError, which begins with `name`, for another shape and for values not finite.
    """
    z = torch.as_tensor(z).detach()
    if z.ndim != 2 or len(z) == 0:
        raise ValueError(
            f"{name} has shape {tuple(z.shape)}; expected (images, D), at least one image"
        )
    if not z.isfinite().all():
        raise ValueError(f"{name} holds a value that is NaN or infinite: it cannot be ranked")
    return F.normalize(z.float())


def check_widths(query: int, gallery: int) -> None:
    """Raise ValueError unless embeddings of these widths can be compared."""
    if query != gallery:
        raise ValueError(f"query has D = {query}, gallery {gallery}; expected the same encoder")


def at_least_1(**values: int) -> None:
    for name, value in values.items():
        if value < 1:
            raise ValueError(f"{name} is {value}; expected at least 1")
