"""Ray and Milvus give what the plain engine and FAISS give."""

import numpy as np
import pytest

pytest.importorskip("rasterio")
pytest.importorskip("faiss")
pytest.importorskip("pyarrow")
from dphr_lab.localization import gallery as module
from dphr_lab.localization.gallery import Gallery
from tests.localization import maps
from tests.localization.test_gallery import build


@pytest.fixture
def town(tmp_path):
    return maps.write_tif(tmp_path / "town.tif")


@pytest.mark.slow
def test_ray_writes_the_same_bytes(town, tmp_path, monkeypatch):
    pytest.importorskip("ray")
    monkeypatch.setattr(module, "block_size", lambda px: 64)
    build(town, tmp_path / "plain")
    build(town, tmp_path / "ray", engine="ray")
    for name in ("embeddings.npy", "index.faiss", "tiles.parquet"):
        assert (tmp_path / "ray" / name).read_bytes() == (tmp_path / "plain" / name).read_bytes()


def test_milvus_and_faiss_have_the_same_first_ten(town, tmp_path):
    pytest.importorskip("milvus_lite")
    found = build(town, tmp_path / "m", index=f"milvus://{tmp_path / 'tiles.db'}")
    again = Gallery(tmp_path / "m")
    queries = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
    queries /= np.linalg.norm(queries, axis=1, keepdims=True)
    rows, scores = again.search(queries, 10)
    expected, exact = again.index.search(queries, 10)
    assert scores == pytest.approx(exact, abs=1e-5)
    # tiles of one colour have one score: what counts is that none better was missed
    assert np.mean([len(set(a) & set(b)) / 10 for a, b in zip(rows, expected, strict=True)]) > 0.9
    near, _ = again.milvus.search(queries, 10, near=(*maps.CENTRE, 100.0))
    east_north = again.tiles.distances_m(*maps.CENTRE)
    assert east_north[near].max() < 100 * 2**0.5 + 1
    assert len(found) == len(again)


def test_what_is_missing_is_said(town, tmp_path, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'dphr-lab\[cluster\]'"):
        build(town, tmp_path / "a", engine="ray")
    monkeypatch.setitem(sys.modules, "pymilvus", None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'dphr-lab\[cluster\]'"):
        build(town, tmp_path / "b", index="milvus://x.db")
    with pytest.raises(ValueError, match="expected one of"):
        build(town, tmp_path / "c", engine="spark")


def test_milvus_that_cannot_be_reached(tmp_path):
    pytest.importorskip("pymilvus")
    from dphr_lab.retrieval.milvus_index import MilvusIndex

    with pytest.raises(ConnectionError, match="Milvus cannot be reached"):
        MilvusIndex("milvus://127.0.0.1:9", "x", 1)
    with pytest.raises(ValueError, match="expected milvus://HOST:PORT"):
        MilvusIndex("http://x", "x", 1)


def test_milvus_is_tried_before_the_work(town, tmp_path):
    pytest.importorskip("pymilvus")
    (tmp_path / "other.db").mkdir()
    (tmp_path / "other.db" / "mine.txt").write_text("not Milvus's", "utf-8")
    for index, error in (
        (f"milvus://{tmp_path / 'other.db'}", FileExistsError),
        ("milvus://127.0.0.1:9", ConnectionError),
    ):
        with pytest.raises(error):
            build(town, tmp_path / "map", index=index)
        assert not (tmp_path / "map").exists()
