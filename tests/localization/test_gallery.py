"""A map becomes a gallery: what is stored, what survives a stop, what is refused."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch

pytest.importorskip("rasterio")
pytest.importorskip("faiss")
pytest.importorskip("pyarrow")
import pyarrow.parquet as parquet

from dphr_lab.localization import gallery as module
from dphr_lab.localization.gallery import Gallery, build_gallery, fingerprint
from dphr_lab.localization.geomap import open_map
from dphr_lab.localization.ground import moved
from tests.helpers import case
from tests.localization import maps


class Colours(torch.nn.Module):
    """Embeds a tile by its mean colour, far from the grey middle."""

    image_px = 16

    def __init__(self, scale=1.0):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.tensor([scale, 1.0, 0.3]))
        self.seen = 0

    def forward(self, images):
        self.seen += len(images)
        mean = (images.float().mean((2, 3)) - 127.5) * self.weight
        return torch.nn.functional.normalize(mean, dim=1)


@pytest.fixture
def town(tmp_path):
    return maps.write_tif(tmp_path / "town.tif")


def build(town, folder, encoder=None, **more):
    options = dict(source=str(town), side_m=120, stride_m=40) | more
    return build_gallery(open_map(town), encoder or Colours(), folder, **options)


def test_what_is_written(town, tmp_path):
    encoder = Colours()
    found = build(town, tmp_path / "maps/town", encoder)
    again = Gallery(tmp_path / "maps/town")
    assert len(found) == len(again) == len(again.tiles) == encoder.seen > 200
    assert again.embeddings.dtype == np.float16 and again.embeddings.shape == (len(again), 3)
    names = sorted(p.name for p in (tmp_path / "maps/town").iterdir())
    assert names == ["embeddings.npy", "index.faiss", "map.json", "tiles.parquet"]
    i = 17
    centre = (again.tiles.lat[i], again.tiles.lon[i])
    pixels, _ = again.geomap.read(centre, 120, 16)
    z = encoder(torch.from_numpy(pixels.transpose(2, 0, 1).copy())[None]).detach().numpy()
    assert again.embeddings[i] == pytest.approx(z[0], abs=1e-3)
    rows, _ = again.search(z, 5)
    assert i in rows[0]
    assert again.scores(z)[0].argmax() in rows[0]
    near, _ = again.search(z, 5, again.tiles.near(*moved(*centre, 200.0, 0.0), 60))
    assert i not in near[0]


def test_the_table_is_geoparquet(town, tmp_path):
    import pyproj

    found = build(town, tmp_path / "m")
    table = parquet.read_table(tmp_path / "m/tiles.parquet")
    geo = json.loads(table.schema.metadata[b"geo"])
    assert geo["primary_column"] == "geometry"
    assert geo["columns"]["geometry"]["encoding"] == "WKB"
    first = table["geometry"][0].as_py()
    ring = np.frombuffer(first[13:], "<f8").reshape(-1, 2)
    assert first[:13] == bytes.fromhex("01030000000100000005000000") and len(ring) == 5
    area, _ = pyproj.Geod(ellps="WGS84").polygon_area_perimeter(*ring.T)
    assert abs(area) == pytest.approx(120**2, rel=1e-3)
    assert table["id"][0].as_py() == found.tiles.id(0)
    assert len(set(table["id"].to_pylist())) == len(found)


def test_a_stopped_build_goes_on_and_embeds_nothing_twice(town, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "block_size", lambda px: 32)
    whole = build(town, tmp_path / "whole")
    stopping = Colours()

    def stop(images):
        if stopping.seen > 100:
            raise KeyboardInterrupt
        return Colours.forward(stopping, images)

    stopping.forward = stop
    with pytest.raises(KeyboardInterrupt):
        build(town, tmp_path / "part", stopping)
    with pytest.raises(ValueError, match="not built to its end; give the same dphr map build"):
        Gallery(tmp_path / "part")
    with pytest.raises(ValueError, match=r"begun here with other settings \(stride_m\)"):
        build(town, tmp_path / "part", stride_m=50)
    with pytest.raises(ValueError, match="begun here with another encoder: Colours"):
        build(town, tmp_path / "part", Colours(2.0))
    done = 32 * len(list((tmp_path / "part/blocks").glob("*.npz")))
    rest = Colours()
    part = build(town, tmp_path / "part", rest)
    assert 0 < rest.seen == len(whole) - done
    for name in ("embeddings.npy", "index.faiss", "tiles.parquet"):
        assert (tmp_path / "part" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    assert (part.tiles.lat == whole.tiles.lat).all()


KILLED = """
import sys, time
from tests.localization.test_gallery import Colours, build
from dphr_lab.localization import gallery
gallery.block_size = lambda px: 32
class Slow(Colours):
    def forward(self, images):
        time.sleep(0.2)
        return super().forward(images)
Slow.__name__ = "Colours"
build(sys.argv[1], sys.argv[2], Slow())
"""


@pytest.mark.slow
def test_kill_9(town, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "block_size", lambda px: 32)
    child = subprocess.Popen([sys.executable, "-c", KILLED, str(town), str(tmp_path / "m")])
    blocks = tmp_path / "m/blocks"
    until = time.monotonic() + 120
    while len(list(blocks.glob("0*.npz"))) < 3:
        assert child.poll() is None and time.monotonic() < until
        time.sleep(0.02)
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    done = 32 * len(list(blocks.glob("0*.npz")))
    rest = Colours()
    found = build(town, tmp_path / "m", rest)
    assert rest.seen == len(found) - done
    assert (found.embeddings == build(town, tmp_path / "whole").embeddings).all()


def test_nodata_is_not_embedded(tmp_path):
    path = maps.write_tif(tmp_path / "half.tif", nodata=0, hole=np.s_[:, 200:])
    encoder = Colours()
    found = build(path, tmp_path / "m", encoder, min_known=0.9)
    assert encoder.seen == len(found)
    assert found.tiles.lon.max() < maps.CENTRE[1]
    empty = maps.write_tif(tmp_path / "empty.tif", nodata=0, hole=np.s_[:])
    with pytest.raises(ValueError, match="nodata all over"):
        build(empty, tmp_path / "n")


def test_another_encoder_is_refused_by_name(town, tmp_path):
    found = build(town, tmp_path / "m")
    found.check_encoder(Colours())
    with pytest.raises(ValueError, match=r"built with the encoder Colours \(\w{10}\), this one"):
        found.check_encoder(Colours(1.01))
    assert fingerprint(Colours()) == fingerprint(Colours())


def test_what_is_damaged_is_said(town, tmp_path):
    folder = tmp_path / "m"
    with pytest.raises(FileNotFoundError, match=r"holds no map\.json"):
        Gallery(tmp_path)
    found = build(town, folder)
    with pytest.raises(FileExistsError, match="holds a finished map"):
        build(town, folder)
    town.rename(tmp_path / "gone.tif")
    with pytest.raises(FileNotFoundError, match="no longer at"):
        _ = found.geomap
    np.save(folder / "embeddings.npy", np.zeros((3, 3), np.float16))
    with pytest.raises(ValueError, match=r"embeddings\.npy: of shape \(3, 3\)"):
        _ = Gallery(folder).embeddings
    (folder / "embeddings.npy").unlink()
    with pytest.raises(FileNotFoundError, match=r"embeddings\.npy: missing; build the map anew"):
        Gallery(folder)


RECORD_FAULTS = {  # part of map.json -> values that it cannot have
    "settings": (None, [], {}, {"magic": 1}),
    "encoder": (None, "x", {}, {"name": 1, "sha256": "a"}),
    "bounds": (None, [1, 2, 3], ["a"] * 4, [float("nan")] * 4),
    "index": (None, [], {"kind": 3}, {"magic": 1}),
    "tiles": (None, "3", -1, True, 3.5),
    "dim": (None, "3", 0),
}


def test_a_damaged_record_is_told(town, tmp_path):
    folder = tmp_path / "m"
    build(town, folder)
    whole = json.loads((folder / "map.json").read_text("utf-8"))
    cases = [(part, value) for part, values in RECORD_FAULTS.items() for value in values]
    cases += [("settings", whole["settings"] | {name: value})
              for name, value in (("side_m", "x"), ("stride_m", 0), ("image_px", 3.5))]  # fmt: skip
    for part, value in cases:
        (folder / "map.json").write_text(json.dumps(whole | {part: value}), "utf-8")
        with case(part, value), pytest.raises(ValueError, match=r"map\.json: .*build the map anew"):
            Gallery(folder)


@pytest.mark.parametrize("name", ["tiles.parquet", "embeddings.npy"])
def test_damaged_tables_are_told(name, town, tmp_path):
    folder = tmp_path / "m"
    build(town, folder)
    whole = (folder / name).read_bytes()
    table = parquet.read_table(folder / "tiles.parquet")
    column = table.column_names.index("lat")
    words = table.set_column(column, "lat", [["a"] * len(table)])

    def lose_a_column():
        parquet.write_table(table.drop_columns(["lat"]), folder / "tiles.parquet")

    for damage in (
        lambda: (folder / name).write_bytes(b""),
        lambda: (folder / name).write_bytes(whole[: len(whole) // 2]),
        lambda: (folder / name).write_text("text", "utf-8"),
        lambda: np.save(folder / "embeddings.npy", np.array([None])),
        lambda: np.save(folder / "embeddings.npy", np.zeros((3, 3))),
        lambda: parquet.write_table(words, folder / "tiles.parquet"),
        lose_a_column,
    ):
        (folder / "tiles.parquet").write_bytes(b"")
        (folder / "embeddings.npy").write_bytes(b"")
        damage()
        with pytest.raises(ValueError, match=rf"{name}: .*build the map anew"):
            _ = Gallery(folder).tiles if name == "tiles.parquet" else Gallery(folder).embeddings


def test_memory_does_not_grow_with_the_map(monkeypatch):
    assert module.block_size(128) == 1365 and module.block_size(384) == 151
    assert module.block_size(32) == 2048 and module.block_size(4096) == 16
