"""An index of gallery vectors answers as `rank` does, whatever was added when."""

import numpy as np
import pytest
import torch

from dphr_lab.retrieval import ExactIndex, rank


def vectors(n, seed, width=6):
    return np.random.default_rng(seed).normal(size=(n, width)).astype(np.float32)


def test_parts_that_are_added_rank_as_one_gallery():
    gallery, query = vectors(23, 0), vectors(5, 1)
    gallery[20] = gallery[4]  # equal scores: the lower index comes first
    index = ExactIndex(chunk_size=2)
    for part in np.split(gallery, [1, 9]):
        index.add(part)
    assert len(index) == 23
    found, scores = index.search(query, 40)
    expected, expected_scores = rank(query, gallery, 40)
    assert torch.equal(found, expected) and found.shape == (5, 23)
    torch.testing.assert_close(scores, expected_scores)
    for row in found.tolist():
        assert row.index(4) == row.index(20) - 1
    few, few_scores = index.search(torch.from_numpy(query), 3)
    assert torch.equal(few, found[:, :3]) and torch.equal(few_scores, scores[:, :3])
    unit = torch.nn.functional.normalize
    by_hand = unit(torch.from_numpy(query)) @ unit(torch.from_numpy(gallery)).T
    torch.testing.assert_close(scores, by_hand.gather(1, found))


def test_what_cannot_be_searched_is_named():
    index = ExactIndex()
    with pytest.raises(ValueError, match="gallery is empty"):
        index.search(vectors(2, 0), 1)
    index.add(vectors(3, 0))
    for search, words in (
        (lambda: index.add(vectors(2, 0, width=5)), "gallery has D = 5, .* before 6"),
        (lambda: index.search(vectors(2, 0, width=5), 1), "D = 5, gallery 6"),
        (lambda: index.search(np.full((1, 6), np.nan), 1), "query holds a value that is NaN"),
        (lambda: index.add(vectors(2, 0)[0]), r"gallery has shape \(6,\)"),
        (lambda: index.search(vectors(2, 0), 0), "k is 0"),
        (lambda: ExactIndex(0), "chunk_size is 0"),
    ):
        with pytest.raises(ValueError, match=words):
            search()
    assert len(index) == 3
