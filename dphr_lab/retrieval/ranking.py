"""The score and the order of a gallery's images, by which every number is measured."""

from collections.abc import Iterator

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor


def rank(query, gallery, k: int = 10, chunk_size: int = 256) -> tuple[Tensor, Tensor]:
    """The first `k` gallery images of each query, best first, by the module's score and order.

    `query` (Q, D) and `gallery` (G, D) are tensors or arrays of embeddings, normalised here.
    Returns indices (Q, k) int64 and cosine similarities (Q, k) float32 on the CPU; k is cut to G.
    Raises ValueError for other shapes, non-finite values, or k below 1.
    """
    query, gallery = as_embeddings(query, gallery)
    at_least_1(k=k, chunk_size=chunk_size)
    indices, scores = [], []
    for _, similarity in similarities_by_rows(query, gallery, chunk_size):
        best, order = similarity.sort(dim=1, descending=True, stable=True)
        indices.append(order[:, :k].cpu())
        scores.append(best[:, :k].cpu())
    return torch.cat(indices), torch.cat(scores)


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
    query, gallery = torch.as_tensor(query).detach(), torch.as_tensor(gallery).detach()
    for name, z in (("query", query), ("gallery", gallery)):
        if z.ndim != 2 or len(z) == 0:
            raise ValueError(
                f"{name} has shape {tuple(z.shape)}; expected (images, D), at least one image"
            )
        if not z.isfinite().all():
            raise ValueError(f"{name} holds a value that is NaN or infinite: it cannot be ranked")
    if query.shape[1] != gallery.shape[1]:
        raise ValueError(
            f"query has D = {query.shape[1]}, gallery {gallery.shape[1]}; expected the same encoder"
        )
    return F.normalize(query.float()), F.normalize(gallery.to(query.device).float())


def at_least_1(**values: int) -> None:
    for name, value in values.items():
        if value < 1:
            raise ValueError(f"{name} is {value}; expected at least 1")
