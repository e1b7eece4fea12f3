"""An index of gallery vectors: what finds those nearest to a query's.

`ExactIndex` goes by the package's score and order to the letter. An index for millions of vectors
may find fewer of them; what it finds has the same scores, in the same order.

Taught in: book/01.
"""

from typing import Protocol

import torch
from torch import Tensor

from dphr_lab.retrieval.ranking import at_least_1, check_widths, normalised, similarities_by_rows


class VectorIndex(Protocol):
    """What every index answers, exact or not."""

    def __len__(self) -> int:
        """How many vectors were added."""

    def add(self, gallery) -> None:
        """Take in vectors (G, D), tensor or array; they get the next indices, from 0."""

    def search(self, query, k: int) -> tuple[Tensor, Tensor]:
        """Indices (Q, k) int64 and cosine similarities (Q, k) float32 for vectors (Q, D).

        Both on the CPU, best first; of equal scores the lower index first; k is cut to `len()`.
        """


class ExactIndex:
    """Compares every query with every vector; `chunk_size` queries at a time bound the memory.

    Raises ValueError for other shapes, values that are not finite, k below 1, and a search before
    anything was added.
    """

    def __init__(self, chunk_size: int = 256):
        at_least_1(chunk_size=chunk_size)
        self.chunk_size = chunk_size
        self._parts: list[Tensor] = []

    def __len__(self) -> int:
        return sum(map(len, self._parts))

    def add(self, gallery) -> None:
        gallery = normalised("gallery", gallery)
        if self._parts and (width := self._parts[0].shape[1]) != gallery.shape[1]:
            raise ValueError(
                f"gallery has D = {gallery.shape[1]}, what was added before {width}: expected the "
                "same encoder"
            )
        self._parts.append(gallery)

    def search(self, query, k: int) -> tuple[Tensor, Tensor]:
        query = normalised("query", query)
        at_least_1(k=k)
        if not self._parts:
            raise ValueError("gallery is empty: add embeddings before a search")
        check_widths(query.shape[1], self._parts[0].shape[1])
        gallery = torch.cat([part.to(query.device) for part in self._parts])
        indices, scores = [], []
        for _, similarity in similarities_by_rows(query, gallery, self.chunk_size):
            best, order = similarity.sort(dim=1, descending=True, stable=True)
            indices.append(order[:, :k].cpu())
            scores.append(best[:, :k].cpu())
        return torch.cat(indices), torch.cat(scores)


def rank(query, gallery, k: int = 10, chunk_size: int = 256) -> tuple[Tensor, Tensor]:
    """The first `k` gallery images of each query, best first, by the package's score and order.

    `query` (Q, D) and `gallery` (G, D) are tensors or arrays of embeddings, normalised here.
    Returns indices (Q, k) int64 and cosine similarities (Q, k) float32 on the CPU; k is cut to G.
    Raises ValueError for other shapes, non-finite values, or k below 1. Taught in: book/01.
    """
    index = ExactIndex(chunk_size)
    index.add(gallery)
    return index.search(query, k)
