"""What evaluation costs beside its matrix product, and beside the usual loop over queries.

`pytest tests/benchmarks/test_evaluate.py -s --benchmark-size full` measures the sizes of
University-1652; without the option a part of the queries, for their values. CPU time of this
process, the best of some interleaved rounds; evaluate-*.json goes under `DPHR_BENCHMARK_OUT` (else
the test's own folder). The loop is a lean one of our own; public scripts do more in theirs.
"""

import os
import time
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from dphr_lab._files import write_json
from dphr_lab.results.environment import describe
from dphr_lab.retrieval import evaluate

QUERY_PLACES, PLACES, VIEWS, D = 701, 951, 54, 512
AT_MOST_OF_PRODUCT, AT_MOST_OF_LOOP = 2.0, 0.25


def embeddings(direction: str, queries: int):
    """(query, its places, gallery, its places) with noise around a direction for each place."""
    draw = torch.Generator().manual_seed(0)
    query_places = torch.arange(QUERY_PLACES)
    gallery_places = torch.arange(PLACES)
    if direction == "D2S":
        query_places = query_places.repeat_interleave(VIEWS)
    else:
        gallery_places = gallery_places.repeat_interleave(VIEWS)
    centre = torch.randn(PLACES, D, generator=draw)
    query_places = query_places[:: len(query_places) // queries][:queries]
    query, gallery = (
        centre[places] + 2 * torch.randn(len(places), D, generator=draw)
        for places in (query_places, gallery_places)
    )
    return query, query_places, gallery, gallery_places


def product(query, _, gallery, __):
    """All similarities, as `evaluate` computes them, and nothing else."""
    query, gallery = F.normalize(query), F.normalize(gallery)
    for rows in query.split(256):
        rows @ gallery.T


def loop(query, query_places, gallery, gallery_places):
    """R@1 and AP in percent, query by query and sorted in full, as public scripts go about it."""
    query, gallery = F.normalize(query), F.normalize(gallery)
    places, first, precisions = gallery_places.numpy(), 0, 0.0
    for z, place in zip(query, query_places.numpy(), strict=True):
        order = np.argsort((gallery @ z).numpy())[::-1]
        ranks = np.flatnonzero(np.isin(order, np.argwhere(places == place)))
        for found, rank in enumerate(ranks):
            before = found / rank if rank else 1.0
            precisions += (before + (found + 1) / (rank + 1)) / 2 / len(ranks)
        first += ranks[0] == 0
    return 100 * first / len(query), 100 * precisions / len(query)


def cpu_s(work, *arguments):
    began = time.process_time()
    result = work(*arguments)
    return time.process_time() - began, result


@pytest.mark.parametrize("direction", ["D2S", "S2D"])
def test_evaluation_costs_little_more_than_its_product(direction, benchmark_size, tmp_path):
    full = benchmark_size == "full"
    queries = {"D2S": 37_854 if full else 4_000, "S2D": 701 if full else 128}[direction]
    given = embeddings(direction, queries)
    product(*given)  # the first call makes the threads
    rounds = [(cpu_s(product, *given)[0], *cpu_s(evaluate, *given)) for _ in range(3)]
    of_product, of_evaluate = (min(row[i] for row in rounds) for i in (0, 1))
    few = embeddings(direction, min(queries, 64 if direction == "S2D" else 1_000))
    of_loop, (r_at_1, ap) = cpu_s(loop, *few)
    of_loop *= queries / len(few[0])
    report = evaluate(*few)
    assert report.r_at_1 == pytest.approx(r_at_1, abs=1e-4)
    assert report.ap == pytest.approx(ap, abs=1e-4)
    row = {
        "direction": direction,
        "queries": queries,
        "gallery": len(given[2]),
        "of_product": of_evaluate / of_product,
        "of_loop": of_evaluate / of_loop,
    }
    print(f"\n{row}")
    out = Path(os.environ.get("DPHR_BENCHMARK_OUT", tmp_path)) / f"evaluate-{direction}.json"
    write_json(out, {"row": row, **describe()})
    if full:  # intervals, which cost the same for few queries, weigh more in a part of them
        assert row["of_product"] <= AT_MOST_OF_PRODUCT
        assert row["of_loop"] <= AT_MOST_OF_LOOP
