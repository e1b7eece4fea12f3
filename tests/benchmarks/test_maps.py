"""Maps: building beside the encoder, search beside bare FAISS, headings beside embedding.

`pytest tests/benchmarks/test_maps.py -s --benchmark-size full` measures; without the option each
case runs once, at its smallest, for its values. Ratios are of interleaved runs in one process;
rates are of processor time, medians. Written to maps-*.json under `DPHR_BENCHMARK_OUT` (else the
test's own folder).
"""

import os
import statistics
import time
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("rasterio")
pytest.importorskip("faiss")
pytest.importorskip("pyarrow")
from dphr_lab._files import write_json
from dphr_lab.localization.gallery import BlockImages, build_gallery
from dphr_lab.localization.geomap import open_map
from dphr_lab.localization.locate import LocateOptions, score_photos
from dphr_lab.models import Encoder, embed
from dphr_lab.results.environment import hardware, versions
from dphr_lab.retrieval.faiss_index import FaissIndex, build_index
from tests.localization import maps

REPEATS = 5


def write(name, table, tmp_path):
    folder = Path(os.environ.get("DPHR_BENCHMARK_OUT", tmp_path))
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / f"maps-{name}.json", {
        "name": f"maps-{name}", "rows": [table], "hardware": hardware(), "versions": versions(),
    })  # fmt: skip
    print(f"\n{name}: {table}")


def seconds(function, clock=time.process_time):
    start = clock()
    function()
    return clock() - start


@pytest.fixture(scope="module")
def encoder():
    return Encoder("tf_efficientnet_lite0", image_px=128).eval()


def test_building_is_bound_by_the_encoder(benchmark_size, encoder, tmp_path):
    full = benchmark_size == "full"
    half = 400.0 if full else 150.0
    path = maps.write_tif(tmp_path / "town.tif", width=int(4 * half), half_m=half)
    geomap = open_map(path)
    rows = []
    for i in range(2 if full else 1):
        build = seconds(lambda i=i: rows.append(len(build_gallery(
            geomap, encoder, tmp_path / f"m{i}", source=str(path), side_m=120, stride_m=60,
        ))))  # fmt: skip
        images = np.random.default_rng(0).integers(0, 255, (rows[-1], 3, 128, 128), np.uint8)
        alone = seconds(lambda images=images: embed(encoder, BlockImages(images), 128))
        rows[-1] = (rows[-1], build, alone)
    ratio = statistics.median(alone / build for _, build, alone in rows)
    table = {"tiles": rows[0][0], "ratio_to_encoder": round(ratio, 3),
             "tiles_a_s": round(rows[0][0] / rows[0][1], 1)}  # fmt: skip
    write("building", table, tmp_path)
    assert rows[0][0] > 2
    if full:
        assert ratio >= 0.85


def test_search_costs_no_more_than_faiss(benchmark_size, tmp_path):
    import faiss

    count, dim = (100_000, 512) if benchmark_size == "full" else (2_000, 64)
    rng = np.random.default_rng(0)
    x = rng.standard_normal((count, dim), dtype=np.float32)
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    record = build_index(x.astype(np.float16), tmp_path / "i")
    ours, bare = FaissIndex(tmp_path / "i", record), faiss.IndexFlatIP(dim)
    bare.add(x)
    query = x[:1]
    assert ours.search(query, 10)[0][0, 0] == bare.search(query, 10)[1][0, 0] == 0
    times = [
        (seconds(lambda: ours.search(query, 10), time.perf_counter),
         seconds(lambda: bare.search(query, 10), time.perf_counter))
        for _ in range(REPEATS if benchmark_size == "smallest" else 30)
    ]  # fmt: skip
    mine, theirs = (statistics.median(column) for column in zip(*times, strict=True))
    table = {"tiles": count, "dim": dim, "ms": round(1e3 * mine, 2),
             "bare_faiss_ms": round(1e3 * theirs, 2),
             "ratio_to_faiss": round(mine / theirs, 3)}  # fmt: skip
    write("search", table, tmp_path)
    if benchmark_size == "full":
        assert mine / theirs <= 1.2


def test_headings_cost_what_embedding_them_costs(benchmark_size, encoder, tmp_path):
    full = benchmark_size == "full"
    path = maps.write_tif(tmp_path / "town.tif")
    gallery = build_gallery(
        open_map(path), encoder, tmp_path / "m", source=str(path), side_m=120,
        stride_m=20 if full else 120,
    )  # fmt: skip
    from PIL import Image

    photo = maps.expected(maps.CENTRE, 140, 512 if full else 64)
    paths = [tmp_path / f"p{i}.jpg" for i in range(8 if full else 1)]
    for path in paths:  # several, since the encoder is compared with the map's once a call
        Image.fromarray(photo).save(path, quality=90)
    images = BlockImages(np.zeros((8 * len(paths), 3, 128, 128), np.uint8))
    options = LocateOptions(headings=8, height_m=100, pitch_deg=90, fov_deg=70)
    ratios = []
    for _ in range(REPEATS if full else 1):
        ours = seconds(lambda: list(score_photos(gallery, encoder, paths, options)))
        alone = seconds(lambda: embed(encoder, images, 128, batch_size=32))
        ratios.append(ours / alone)
    table = {"tiles": len(gallery), "ratio_to_embedding_8": round(statistics.median(ratios), 3)}
    write("headings", table, tmp_path)
    if full:
        assert statistics.median(ratios) <= 1.5
