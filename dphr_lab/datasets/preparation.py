"""A copy of a data set whose images are as small as training reads them.

Resizing costs more than decoding, and a training run repeats both every epoch; `prepare` does the
resizing once. What changes in the pixels: JPEG files are coded a second time, at `JPEG_QUALITY`
and without chroma subsampling; files of other formats keep every value that `read_image` gives.

Taught in: book/10.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

from dphr_lab._files import (
    is_empty,
    read_json,
    replace_folder_when_done,
    replace_when_done,
    write_json,
)
from dphr_lab._images import READ_THREADS, file_digest, file_stat, read_image
from dphr_lab._locks import only_writer
from dphr_lab.datasets.dataset import CrossViewDataset
from dphr_lab.datasets.layouts import find_layout, open_all

RECORD = "prepared.json"
SOURCES = "prepared_from.jsonl"  # a line a copied image: [path, hash, stamp] of its source
METADATA = "metadata.json"  # of a rendered world: families, poses
JPEG_QUALITY = 95
_WRITE = {  # lossless, except JPEG
    ".jpg": {"quality": JPEG_QUALITY, "subsampling": 0},
    ".jpeg": {"quality": JPEG_QUALITY, "subsampling": 0},
    ".webp": {"lossless": True},
}


@dataclass(frozen=True)
class Prepared:
    """What `prepare` did."""

    root: Path  # the copy
    images: int  # in the copy
    written: int  # of them in this call
    bytes_before: int  # of the files that were read
    bytes_after: int  # of the copy's images

    def __str__(self) -> str:
        return (
            f"{self.root}: {self.images:,} images, {self.written:,} of them written now; "
            f"{self.bytes_before / 1e6:,.1f} MB became {self.bytes_after / 1e6:,.1f} MB"
        )


def prepare(root: Path | str, out: Path | str, image_px: int, progress: bool = False) -> Prepared:
    """Copy the data set in `root` to `out`, its images squashed to `image_px` pixels a side.

    Folders, file names and formats stay, so `out` is a data set of the same layout; images that no
    training or test reads (street, google) are left out. The copy grows aside, in a hidden folder,
    and gets its name when it is whole; a call that was cut goes on where it stopped. Images whose
    content changed since are written anew. Raises FileNotFoundError without a data set, ValueError
    for an `out` that holds something else or a copy of another data set, or for an image that
    cannot be decoded, BlockingIOError where another process writes in `out`.
    """
    root, out = Path(root), Path(out)
    if image_px < 8:
        raise ValueError(f"image_px is {image_px}; expected 8 or more pixels")
    layout = find_layout(root)
    here, there = root.resolve(), out.resolve()
    if here == there or here in there.parents or there in here.parents:
        raise ValueError(f"out is {out} and root is {root}: one must not lie in the other")
    datasets = open_all(root)
    folders = _folders(datasets)
    files = sorted({path for data in datasets for path in data.used_files})
    if not files:
        raise ValueError(f"{root}: no image in its place folders, so there is nothing to copy")
    record = {
        "layout": layout.name,
        "source": here.name,
        "image_px": image_px,
        "jpeg_quality": JPEG_QUALITY,
        "images": len(files),
    }
    with only_writer(out), _opened(out, record) as target:
        before = _read_sources(target)
        _check_sources(before, files, root, out)
        for folder in folders:  # empty ones, too: `verify` is to say the same of the copy
            (target / folder.relative_to(root)).mkdir(parents=True, exist_ok=True)
        if (root / METADATA).is_file():
            _copy(root / METADATA, target / METADATA)
        written = _write_all(files, root, target, image_px, before, progress)
    sizes = [(p.stat().st_size, (out / p.relative_to(root)).stat().st_size) for p in files]
    return Prepared(out, len(files), written, *(sum(column) for column in zip(*sizes, strict=True)))


def _folders(datasets: list[CrossViewDataset]) -> list[Path]:
    parts = [part for data in datasets for part in data.used_parts]
    return sorted(
        {part.folder / name / part.below for part in parts for name in part.place_folders}
    )


@contextmanager
def _opened(out: Path, record: dict) -> Iterator[Path]:
    """The folder to write into: `out` where it is this very copy already, else one aside."""
    if not is_empty(out):
        _check_record(out, record)
        yield out
        return
    with replace_folder_when_done(out, keep=True) as aside:
        if is_empty(aside):
            write_json(aside / RECORD, record)
        else:
            _check_record(aside, record)
        yield aside


def _check_record(folder: Path, record: dict) -> None:
    """Raise ValueError unless `folder` holds a copy that was asked for in the same words."""
    try:
        stored = read_json(folder / RECORD, "the record of a prepared data set")
    except (OSError, ValueError):
        raise ValueError(
            f"out: {folder} holds something else than a prepared data set; give a new or "
            "empty folder"
        ) from None
    if stored != record:
        different = [n for n in record if stored.get(n) != record[n]]
        raise ValueError(
            f"out: {folder} was prepared with {different[0]} {stored.get(different[0])!r}, "
            f"asked for is {record[different[0]]!r}; give another folder, or remove that one"
        )


def _stamp(path: Path) -> list[int]:
    """Changes whenever a file is written, replaced or moved."""
    stat = file_stat(path)
    return [stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino]


def _read_sources(target: Path) -> dict[str, tuple[str, list[int]]]:
    """{path: (hash, stamp)} of the sources that were copied; a line cut by a crash is left out."""
    found = {}
    if (target / SOURCES).is_file():
        for line in (target / SOURCES).read_text("utf-8").splitlines():
            try:
                path, digest, stamp = json.loads(line)
            except (ValueError, TypeError):
                continue
            found[path] = digest, stamp
    return found


def _check_sources(before: Mapping, files: Sequence[Path], root: Path, out: Path) -> None:
    """Raise ValueError where the copy is of another data set: of other files, or all are others."""
    named = {path.relative_to(root).as_posix(): path for path in files}
    foreign = sorted(before.keys() - named.keys())
    same = any(_is_same(before[name], path) for name, path in named.items() if name in before)
    if foreign or (before and not same):
        what = f"such as {foreign[0]}, which {root} lacks" if foreign else "none of them the same"
        raise ValueError(
            f"out: {out} was prepared from other images, {what}; give another folder, or remove "
            "that one"
        )


def _is_same(before: tuple[str, list[int]], path: Path) -> bool:
    digest, stamp = before
    return stamp == _stamp(path) or digest == file_digest(path)


def _write_all(
    files: list[Path], root: Path, target: Path, image_px: int, before: Mapping, progress: bool
) -> int:
    """Write every image that is not there yet, or changed; returns how many were."""
    adding = Lock()

    def write(path: Path) -> bool:
        relative = path.relative_to(root)
        name, stamp = relative.as_posix(), _stamp(path)
        digest, stamp_before = before.get(name, ("", None))
        there = (target / relative).exists()
        if there and stamp == stamp_before:
            return False
        now = file_digest(path)
        new = not there or now != digest
        if new:
            _write_small(path, target / relative, image_px)
        with adding:
            sources.write(json.dumps([name, now, stamp]) + "\n")
            sources.flush()
        return new

    with (
        open(target / SOURCES, "a", encoding="utf-8") as sources,
        ThreadPoolExecutor(READ_THREADS) as pool,
    ):
        try:
            return sum(_counted(pool.map(write, files), len(files), progress))
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _copy(path: Path, to: Path) -> None:
    with replace_when_done(to) as aside:
        shutil.copyfile(path, aside)


def _write_small(path: Path, to: Path, image_px: int) -> None:
    """Write one image."""
    from PIL import Image

    image = Image.fromarray(read_image(path, image_px))
    with replace_when_done(to) as aside:
        image.save(aside, **_WRITE.get(path.suffix.lower(), {}))


def _counted(results, total: int, progress: bool):
    from tqdm.auto import tqdm

    return tqdm(results, total=total, desc="preparing", unit="image", disable=not progress)
