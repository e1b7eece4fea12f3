"""The FAISS index against plain products; recall of IVF-PQ is what it says."""

import numpy as np
import pytest

pytest.importorskip("faiss")
from dphr_lab.retrieval import ExactIndex
from dphr_lab.retrieval.faiss_index import FaissIndex, IndexRecord, build_index


def unit(rows, dim, seed=0):
    x = np.random.default_rng(seed).standard_normal((rows, dim)).astype(np.float32)
    return (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float16)


def test_exact_search_is_the_product(tmp_path):
    x = unit(500, 32)
    record = build_index(x, tmp_path / "i.faiss")
    assert (record.kind, record.rows, record.recall_at_10) == ("exact", 500, 1.0)
    queries = unit(7, 32, 1).astype(np.float32)
    rows, scores = FaissIndex(tmp_path / "i.faiss", record).search(queries, 10)
    product = queries @ x.astype(np.float32).T
    assert (rows == np.argsort(-product, axis=1, kind="stable")[:, :10]).all()
    assert scores == pytest.approx(np.take_along_axis(product, rows, 1), abs=1e-5)


def test_it_answers_as_the_exact_index_does(tmp_path):
    x = unit(300, 16).astype(np.float32)
    ours, queries = ExactIndex(), unit(5, 16, 1).astype(np.float32)
    ours.add(x)
    expected = [answer.numpy() for answer in ours.search(queries, 7)]
    found = FaissIndex(tmp_path / "i", build_index(x, tmp_path / "i")).search(queries, 7)
    assert [(a.shape, a.dtype) for a in found] == [(a.shape, a.dtype) for a in expected]
    assert (found[0] == expected[0]).all()
    assert found[1] == pytest.approx(expected[1], abs=2e-3)  # it keeps float16


def test_k_is_cut_and_ties_stand_in_order(tmp_path):
    x = np.repeat(unit(1, 16), 5, axis=0)
    index = FaissIndex(tmp_path / "i", build_index(x, tmp_path / "i"))
    rows, _ = index.search(x[:1], 10)
    assert rows.tolist() == [[0, 1, 2, 3, 4]]


@pytest.mark.slow
def test_ivfpq_measures_its_recall(tmp_path):
    rng = np.random.default_rng(0)
    spread = 0.15 * rng.standard_normal((3000, 32))
    x = (unit(60, 32)[rng.integers(0, 60, 3000)].astype(float) + spread).astype(np.float32)
    x = (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float16)
    record = build_index(x, tmp_path / "i", "ivfpq")
    assert record.kind == "ivfpq" and record.lists == int(4 * 3000**0.5)
    assert record.bytes_a_row == 32 and record.recall_at_10 > 0.8
    index = FaissIndex(tmp_path / "i", record)
    queries = x[:100].astype(np.float32)
    rows, _ = index.search(queries, 10, x)
    product = queries @ x.astype(np.float32).T
    best = np.argsort(-product, axis=1, kind="stable")[:, :10]
    found = np.mean([len(set(a) & set(b)) / 10 for a, b in zip(rows, best, strict=True)])
    assert found == pytest.approx(record.recall_at_10, abs=0.1)
    assert (rows[:, 0] == np.arange(100)).mean() > 0.95  # scored exactly in the end


def test_what_is_wrong_is_said(tmp_path):
    x = unit(20, 8)
    record = build_index(x, tmp_path / "i")
    index = FaissIndex(tmp_path / "i", record)
    with pytest.raises(ValueError, match=r"queries have shape \(2, 9\): expected \(Q, 8\)"):
        index.search(np.zeros((2, 9)), 1)
    with pytest.raises(ValueError, match="kind is 'hnsw'"):
        build_index(x, tmp_path / "j", "hnsw")
    with pytest.raises(FileNotFoundError, match="no such index"):
        FaissIndex(tmp_path / "none", record)
    with pytest.raises(ValueError, match="its record says 21 of 8"):
        FaissIndex(tmp_path / "i", IndexRecord("exact", 21, 8))
    (tmp_path / "i").write_bytes((tmp_path / "i").read_bytes()[:40])
    with pytest.raises(ValueError, match="build the map anew"):
        FaissIndex(tmp_path / "i", record)


def test_a_full_disk_names_the_file(tmp_path, monkeypatch):
    import faiss

    def full(index, path):
        raise RuntimeError("Error: write error: No space left on device")

    monkeypatch.setattr(faiss, "write_index", full)
    with pytest.raises(OSError, match=r"i: cannot be written \(Error: write error: No space"):
        build_index(unit(5, 8), tmp_path / "i")
    assert list(tmp_path.iterdir()) == []
