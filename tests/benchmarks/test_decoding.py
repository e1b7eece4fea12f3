"""How fast training images are read: this package beside Pillow + torchvision, image by image.

`pytest tests/benchmarks/test_decoding.py -s --benchmark-size full` measures; without the option
each case runs once, at its smallest, for its values. What one loader process does is timed: read a
512 px JPEG, resize, augment. Rates are of processor time, medians of interleaved runs, so that
other work on the machine counts for little; files are in memory's cache, as no disk is measured.
Tables are printed and written to decoding-*.json under `DPHR_BENCHMARK_OUT` (else the test's own
folder); `measured_tables.py` shows what is stored in results/.
"""

import io
import itertools
import os
import statistics
import time
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms import InterpolationMode, v2

from dphr_lab import scenes
from dphr_lab._files import write_json
from dphr_lab._images import read_image
from dphr_lab.datasets import Augmentation, FileImages, apply, sample_augmentation
from dphr_lab.datasets.preparation import prepare
from dphr_lab.results.environment import describe
from dphr_lab.settings.protocol import VIEWS

SOURCE_PX = 512  # University-1652's own
SIZES_PX = (224, 384)
BATCH = 32


@pytest.fixture(scope="module")
def world(request, tmp_path_factory):
    """A data set in University-1652's layout: JPEG, 512 px, drone and satellite."""
    full = request.config.getoption("--benchmark-size") == "full"
    settings = scenes.WorldSettings(
        train_places=24 if full else 2,
        test_places=0,
        distractor_places=0,
        family_size=1,
        image_px=SOURCE_PX if full else 64,
        drone_views=3 if full else 1,
        texture=1.0,
    )
    root = tmp_path_factory.mktemp("world") / "world"
    return scenes.write_university1652(scenes.make_world(settings), root, 1, progress=False)


@pytest.fixture(autouse=True)
def one_worker(monkeypatch):
    """This process reads as a loader's worker does: one image after the other, by one thread."""
    monkeypatch.setattr(torch.utils.data, "get_worker_info", object)
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def files(root, view):
    return sorted((root / "train" / view).rglob("*.jp*g"))


def rates(ways, images, repeats):
    """Images a second of processor time of each way, each called with a repeat's number."""
    spans = {name: [] for name in ways}
    for repeat in range(repeats + 1):
        for name, way in ways.items():
            start = time.process_time()
            way(repeat)
            spans[name].append(time.process_time() - start)
    return {name: images / statistics.median(times[1:]) for name, times in spans.items()}


def report(name, rows, tmp_path):
    print()
    for row in rows:
        cells = (f"{k} {v:.2f}" if isinstance(v, float) else f"{k} {v}" for k, v in row.items())
        print("  ".join(cells))
    out = Path(os.environ.get("DPHR_BENCHMARK_OUT", tmp_path)) / f"decoding-{name}.json"
    record = {"name": f"decoding-{name}", **describe()}
    write_json(out, record | {"rows": rows})


def ours(paths, view, image_px, augmentation):
    """Read and augment all, as `PairBatches` does for either view."""
    images = FileImages(view, paths, range(len(paths)))

    def read(epoch):
        for start in range(0, len(paths), BATCH):
            indices = range(start, min(start + BATCH, len(paths)))
            draws = getattr(sample_augmentation(augmentation, 0, epoch, indices), view)
            yield apply(images.read(indices, image_px), draws)

    return lambda epoch: [batch.shape for batch in read(epoch)]


def plain(paths, view, image_px, augmentation):
    """The same by Pillow and torchvision, image by image."""
    a = augmentation
    turns = [v2.RandomChoice([v2.RandomRotation((90 * k, 90 * k)) for k in range(4)])]
    steps = [
        v2.Resize((image_px, image_px), InterpolationMode.BICUBIC),
        v2.RandomHorizontalFlip(a.flip),
        *(turns if view == "satellite" else []),
        v2.RandomApply([v2.ColorJitter(a.brightness, a.contrast, a.saturation)], a.jitter),
        v2.RandomApply([v2.GaussianBlur(5, a.blur_sigma)], a.blur),
        v2.RandomApply([v2.Lambda(partial(coded_again, quality=a.jpeg_quality))], a.jpeg),
        v2.PILToTensor(),
        v2.RandomErasing(a.erase, a.erase_area, value=127),
    ]
    change = v2.Compose(steps)

    def read(path):
        with Image.open(path) as image:
            return change(image.convert("RGB"))

    def all_of_them(epoch):
        torch.manual_seed(epoch)
        return [read(path).shape for path in paths]

    return all_of_them


def coded_again(image, quality):
    """A round of JPEG by Pillow: torchvision deprecates its own."""
    file = io.BytesIO()
    image.save(file, "JPEG", quality=int(torch.randint(quality[0], quality[1] + 1, ())))
    return Image.open(file)


def test_reading_beside_the_plain_path(benchmark_size, world, tmp_path):
    full = benchmark_size == "full"
    rows = []
    for image_px, view in itertools.product(SIZES_PX if full else (32,), VIEWS):
        small = prepare(world, tmp_path / f"{view}-{image_px}", image_px).root
        sources, copies = files(world, view), files(small, view)
        ways = {
            name: make(paths, view, image_px, Augmentation())
            for name, make, paths in (
                ("plain", plain, sources),
                ("ours", ours, sources),
                ("prepared", ours, copies),
            )
        }
        per_s = rates(ways, len(sources), 9 if full else 1)
        row = {"view": view, "image_px": image_px, "images": len(sources)}
        row |= {f"{name}_images_per_s": value for name, value in per_s.items()}
        row["times_plain"] = per_s["ours"] / per_s["plain"]
        row["prepared_times_plain"] = per_s["prepared"] / per_s["plain"]
        rows.append(row)
        differences = [np.abs(read_image(s, image_px).astype(float) - read_image(c, image_px))
                       for s, c in zip(sources, copies, strict=True)]  # fmt: skip
        row["prepared_off_by"] = float(np.mean([d.mean() for d in differences]))
        assert row["prepared_off_by"] < 3  # grey levels of 255
    report("augmented", rows, tmp_path)
    if full:
        assert all(row["times_plain"] > 1.2 for row in rows)
        assert all(row["prepared_images_per_s"] > row["ours_images_per_s"] for row in rows)


def test_where_the_time_goes(benchmark_size, world, tmp_path):
    """Decoders give the same pixels in about the same time; resizing is where a choice matters."""
    full = benchmark_size == "full"
    paths = files(world, "drone")
    coded = [path.read_bytes() for path in paths]
    decoded = [decode_by_pillow(data) for data in coded]
    decoders = {"Pillow": decode_by_pillow, "OpenCV": decode_by_opencv}
    for name, decoder in decoders.items():
        for data, pixels in zip(coded, decoded, strict=True):
            off_by = np.abs(decoder(data).astype(int) - pixels).max()
            assert off_by <= 1, name  # equal where both are built with one libjpeg-turbo
    ways = {name: lambda _, d=d: [d(data) for data in coded] for name, d in decoders.items()}
    rows = [
        {"step": "decode", "by": name, "to_px": SOURCE_PX if full else 64, "ms": 1000 / rate}
        for name, rate in rates(ways, len(coded), 9 if full else 1).items()
    ]
    for image_px in SIZES_PX if full else (32,):
        pictures = [Image.fromarray(pixels) for pixels in decoded]
        ways = {
            "Pillow": lambda _, p=pictures, px=image_px: [by_pillow(each, px) for each in p],
            "torch": lambda _, px=image_px: [by_torch(pixels, px) for pixels in decoded],
        }
        for name, rate in rates(ways, len(decoded), 9 if full else 1).items():
            rows.append({"step": "resize", "by": name, "to_px": image_px, "ms": 1000 / rate})
    report("steps", rows, tmp_path)
    if full:
        ms = {(row["step"], row["by"], row["to_px"]): row["ms"] for row in rows}
        assert all(ms["resize", "torch", px] < 0.6 * ms["resize", "Pillow", px] for px in SIZES_PX)


def decode_by_pillow(data):
    with Image.open(io.BytesIO(data)) as image:
        return np.array(image)


def decode_by_opencv(data):
    import cv2

    cv2.setNumThreads(1)
    return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)[..., ::-1]


def by_pillow(image, image_px):
    return np.asarray(image.resize((image_px, image_px), Image.Resampling.BICUBIC))


def by_torch(pixels, image_px):
    from dphr_lab._images import squash

    return squash(pixels, image_px)
