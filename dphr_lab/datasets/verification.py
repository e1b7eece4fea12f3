"""Checking a data set on disk before hours are spent on it."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from dphr_lab._images import IMAGE_SUFFIXES, READ_THREADS, UnreadableImage, read_image
from dphr_lab.datasets.dataset import (
    CrossViewDataset,
    Part,
    is_number,
    read_families,
    same_labels,
    shorten,
)
from dphr_lab.datasets.layouts import SUES200, FolderPairs, open_all
from dphr_lab.settings.protocol import PUBLISHED, VIEWS, sues200_split

OFFICIAL_EMPTY_GOOGLE = 12  # place folders without images in University-1652's train/google


@dataclass(frozen=True)
class PartCount:
    """One row of the report."""

    part: str  # e.g. "test/query_drone", for SUES-200 with its height
    places: int  # place folders with at least one image
    images: int
    published_places: int | None  # None where nothing is published
    published_images: int | None

    @property
    def as_published(self) -> bool | None:
        """Whether both counts are the published ones, None where nothing is published."""
        if self.published_places is None:
            return None
        return (self.places, self.images) == (self.published_places, self.published_images)


@dataclass(frozen=True)
class VerifyReport:
    """What `verify` found; print it for a table."""

    root: str
    layout: str
    rows: tuple[PartCount, ...]
    notices: tuple[str, ...]  # worth knowing
    faults: tuple[str, ...]  # to be put right
    deep: bool  # whether every image was decoded and compared

    @property
    def ok(self) -> bool:
        """Whether there is no fault."""
        return not self.faults

    def __str__(self) -> str:
        table = [("part", "places", "published", "images", "published", "")]
        table += [
            (
                row.part,
                f"{row.places:,}",
                "-" if row.published_places is None else f"{row.published_places:,}",
                f"{row.images:,}",
                "-" if row.published_images is None else f"{row.published_images:,}",
                {True: "as published", False: "differs", None: ""}[row.as_published],
            )
            for row in self.rows
        ]
        widths = [max(len(line[column]) for line in table) for column in range(len(table[0]))]
        lines = [f"{self.layout} in {self.root}", ""]
        for part, *numbers, remark in table:
            cells = [n.rjust(w) for n, w in zip(numbers, widths[1:], strict=False)]
            lines.append("  ".join([part.ljust(widths[0]), *cells, remark]).rstrip())
        lines.append("")
        lines += [f"notice: {notice}" for notice in self.notices]
        lines += [f"FAULT:  {fault}" for fault in self.faults]
        how = "every image decoded" if self.deep else "images not decoded; --deep does so"
        verdict = "no fault" if self.ok else f"{_count(len(self.faults), 'fault')}"
        lines.append(f"{verdict}, {_count(len(self.notices), 'notice')} ({how})")
        return "\n".join(lines)


def verify(
    root: Path | str,
    deep: bool = False,
    published: bool = False,
    height: int | None = None,
    progress: bool = False,
) -> VerifyReport:
    """Check the data set in the folder `root`: its counts, empty folders, query places in train.

    `deep` also decodes every image and looks for the same file under two places (`progress` shows
    a bar). `published` makes counts other than the published ones a fault. `height` checks one
    height of SUES-200, None all that are there. Raises FileNotFoundError where no layout is found.
    """
    datasets = open_all(root, None if height is None else (height,))
    notices, faults, rows = [], [], []
    for data in datasets:
        at_height = "" if data.height_m is None else f" {data.height_m} m"
        rows += _rows(data, at_height)
        for check in (
            _bad_names,
            _one_place_twice,
            _empty_used,
            _half_without_a_view,
            _one_view_only,
            _unanswerable,
            _in_both_halves,
        ):
            faults += check(data, at_height)
        for check in (
            _passed_over,
            _empty_unused,
            _distractors,
            _missing_parts,
            _gallery_off_published,
        ):
            notices += check(data, at_height)
    faults += _families_in_both_halves(datasets[0])
    different = [row for row in rows if row.as_published is False]
    (faults if published else notices).extend(
        f"{row.part} has {row.places:,} places and {row.images:,} images; published are "
        f"{row.published_places:,} and {row.published_images:,}"
        for row in different
    )
    if deep:
        deep_notices, deep_faults = _deep(datasets, progress)
        notices += deep_notices
        faults += deep_faults
    return VerifyReport(
        root=str(root),
        layout=datasets[0].name,
        rows=tuple(rows),
        notices=tuple(dict.fromkeys(notices)),  # SUES-200 says the same at every height: once
        faults=tuple(dict.fromkeys(faults)),
        deep=deep,
    )


def _rows(data: CrossViewDataset, at_height: str) -> Iterator[PartCount]:
    published = PUBLISHED.get(data.name, {})
    for part in data.parts.values():
        filled = [files for files in part.files.values() if files]
        yield PartCount(
            part.name + at_height,
            len(filled),
            sum(map(len, filled)),
            *published.get(part.name, (None, None)),
        )


def _places(data: CrossViewDataset, role: str, view: str) -> set[str] | None:
    """Places with at least one image, None without such a part.

    By the names of their folders; 12 and 0012 are both 0012 where labels are numbers.
    """
    for part in data.parts.values():
        if (part.role, part.view) == (role, view):
            return {_place(data, name) for name, files in part.files.items() if files}
    return None


def _place(data: CrossViewDataset, name: str) -> str:
    plain = isinstance(data, FolderPairs) or not is_number(name)
    return name if plain else f"{int(name):04d}"


def _bad_names(data: CrossViewDataset, at_height: str) -> Iterator[str]:
    if isinstance(data, FolderPairs):  # any name will do
        return
    for part in data.used_parts:
        bad = [name for name in part.place_folders if not is_number(name)]
        if bad:
            yield f"{part.name}: place folders must be numbers, found {shorten(bad)}"


def _one_place_twice(data: CrossViewDataset, at_height: str) -> Iterator[str]:
    if isinstance(data, FolderPairs):  # its labels are not numbers of folders
        return
    for part in data.used_parts:
        for names in same_labels(filter(is_number, part.place_folders), int):
            yield (
                f"{part.name}: the folders {', '.join(names)} are one place, since its label is "
                "their number; rename one, or put their images together"
            )


def _empty_used(data: CrossViewDataset, at_height: str) -> Iterator[str]:
    for part in data.used_parts:
        empty = _empty(part)
        if not part.place_folders:
            yield f"{part.name}{at_height}: no place folder in {part.folder}"
        if empty:
            yield (
                f"{part.name}{at_height}: no image for {_count(len(empty), 'place')}: "
                f"{shorten(empty)}"
            )


def _passed_over(data: CrossViewDataset, at_height: str) -> Iterator[str]:
    """Files that are no images to the package, such as a phone's HEIC."""
    for part in data.used_parts:
        if not part.passed_over:
            continue
        kinds = Counter(
            "folders" if path.is_dir() else path.suffix.lower() or "without an ending"
            for path in part.passed_over
        )
        told = ", ".join(f"{count:,} {kind}" for kind, count in kinds.most_common(6))
        found = shorten((path.relative_to(part.folder) for path in part.passed_over), 3)
        yield (
            f"{part.name}: {_count(len(part.passed_over), 'entry', 'entries')} not read ({told}): "
            f"{found}; what is read ends in {', '.join(sorted(IMAGE_SUFFIXES))} and lies in the "
            "folder of its place"
        )


def _empty_unused(data: CrossViewDataset, at_height: str) -> Iterator[str]:
    for part in data.parts.values():
        empty = _empty(part)
        if empty and not part.is_used:
            official = part.name == "train/google" and len(empty) == OFFICIAL_EMPTY_GOOGLE
            why = "as in the official data set" if official else "these images are not used"
            yield f"{part.name}: {_count(len(empty), 'empty folder')} ({why}): {shorten(empty)}"


def _empty(part: Part) -> list[str]:
    return [name for name, files in part.files.items() if not files]


def _half_without_a_view(data: CrossViewDataset, at_height: str) -> Iterator[str]:
    """A half that is there and of no use, since all of it shows one view."""
    train, query, gallery = (
        {view for view in VIEWS if _places(data, role, view) is not None}
        for role in ("train", "query", "gallery")
    )
    if len(train) == 1:
        yield f"train{at_height} holds {train.pop()} images only; training needs both views"
    directions = (VIEWS, VIEWS[::-1])
    if query | gallery and not any(q in query and g in gallery for q, g in directions):
        yield (
            f"test{at_height} holds no view to ask with and the other to search in; it takes "
            "drone queries and a satellite gallery, or the reverse"
        )


def _one_view_only(data: CrossViewDataset, at_height: str) -> Iterator[str]:
    yield from _missing_partners(data, "train", "train", "cannot be trained on", at_height)


def _unanswerable(data: CrossViewDataset, at_height: str) -> Iterator[str]:
    yield from _missing_partners(data, "query", "gallery", "cannot be found", at_height)


def _missing_partners(data, role: str, other_role: str, what: str, at_height: str) -> Iterator[str]:
    for view, other in (VIEWS, VIEWS[::-1]):
        here, there = _places(data, role, view), _places(data, other_role, other)
        lonely = sorted((here or set()) - (there or set()))
        if lonely and there is not None:
            yield (
                f"{_count(len(lonely), f'{role} place')}{at_height} with {view} but no {other} "
                f"images in the {other_role} set, which {what}: {shorten(lonely)}"
            )


def _in_both_halves(data: CrossViewDataset, at_height: str) -> Iterator[str]:
    for view in VIEWS:
        queries = _places(data, "query", view) or set()
        trained = set().union(*(_places(data, "train", v) or set() for v in VIEWS))
        shared = sorted(queries & trained)
        if shared:
            yield (
                f"{_count(len(shared), 'query place')} ({view}) also in train, so the test would "
                f"reward memory: {shorten(shared)}"
            )


def _families_in_both_halves(data: CrossViewDataset) -> Iterator[str]:
    try:
        families = read_families(data.root)
    except ValueError as error:
        yield str(error)
        return
    if not families:
        return
    by_place = {_place(data, name): family for name, family in families.items()}

    def families_of(role: str) -> set[int]:
        places = set().union(*(_places(data, role, view) or set() for view in VIEWS))
        return {by_place[place] for place in places if place in by_place}

    shared = sorted(families_of("train") & families_of("query"))
    if shared:
        yield (
            f"{_count(len(shared), 'family', 'families')} of twins with places in train and among "
            f"the queries: {shorten(shared)}"
        )


def _distractors(data: CrossViewDataset, at_height: str) -> Iterator[str]:
    if isinstance(data, FolderPairs):
        for view in VIEWS:
            gallery, query = _places(data, "gallery", view), _places(data, "query", view)
            alone = sorted((gallery or set()) - (query or set()))
            if alone:
                yield (
                    f"{_count(len(alone), 'test place')} with {view} images only, kept as "
                    f"distractors: {shorten(alone)}"
                )


def _missing_parts(data: CrossViewDataset, at_height: str) -> Iterator[str]:
    wanted = [("train", view) for view in VIEWS]
    wanted += [(role, view) for role in ("query", "gallery") for view in VIEWS]
    missing = [f"{role} {view}" for role, view in wanted if _places(data, role, view) is None]
    if missing:
        yield f"no {', no '.join(missing)} set{at_height}"


def _gallery_off_published(data: CrossViewDataset, at_height: str) -> Iterator[str]:
    if not isinstance(data, SUES200):
        return
    for view in VIEWS:
        gallery, train = _places(data, "gallery", view), _places(data, "train", view)
        if gallery is not None and train and not train & gallery:
            yield (
                f"test/gallery_{view}{at_height} lacks the train places; the published gallery "
                "holds all 200 places"
            )
    known = frozenset().union(*sues200_split().values())
    unknown = sorted((_places(data, "gallery", "satellite") or set()) - known)
    if unknown:
        yield f"{_count(len(unknown), 'place')} not in the published split: {shorten(unknown)}"


def _deep(datasets: list[CrossViewDataset], progress: bool) -> tuple[list[str], list[str]]:
    """Notices and faults from decoding every image and comparing the files' bytes."""
    seen: dict[Path, list[tuple[Part, str]]] = defaultdict(list)  # a file can be in several parts
    for data in datasets:
        for part in data.parts.values():
            for name, files in part.files.items():
                for path in files:
                    seen[path].append((part, name))
    notices, faults = [], []
    by_digest: dict[bytes, list[Path]] = defaultdict(list)
    root = datasets[0].root
    with ThreadPoolExecutor(READ_THREADS) as pool:
        results = pool.map(_decode, seen)
        if progress:
            from tqdm.auto import tqdm

            results = tqdm(results, total=len(seen), desc="decoding", unit="image")
        for path, (digest, error) in zip(seen, results, strict=True):
            if not error:
                by_digest[digest].append(path)
            else:
                used = any(part.is_used for part, _ in seen[path])
                (faults if used else notices).append(error)
    for paths in by_digest.values():
        if len(paths) > 1:
            _same_bytes(paths, seen, root, notices, faults)
    return notices, faults


def _decode(path: Path) -> tuple[bytes, str | None]:
    """Digest of the file's bytes, and what is wrong with it."""
    try:
        read_image(path)
        return hashlib.blake2b(path.read_bytes(), digest_size=16).digest(), None
    except UnreadableImage as error:
        return b"", error.found
    except (OSError, ValueError) as error:
        return b"", str(error)


def _same_bytes(paths, seen, root: Path, notices: list[str], faults: list[str]) -> None:
    """Report files with equal bytes: query and gallery of one place share theirs by design."""
    uses = [use for path in paths for use in seen[path]]
    # 0012 and 12 are one place.
    places = {int(name) if is_number(name) else name for _, name in uses}
    files = shorten([path.relative_to(root) for path in paths], 4)
    if len(places) > 1:
        used = all(any(part.is_used for part, _ in seen[path]) for path in paths)
        (faults if used else notices).append(f"the same image under {len(places)} places: {files}")
    elif len({part.view for part, _ in uses if part.is_used}) > 1:
        faults.append(f"the same image as drone and as satellite view: {files}")
    elif len({path.parent for path in paths}) < len(paths):
        notices.append(f"the same image twice in one folder: {files}")


def _count(number: int, what: str, plural: str | None = None) -> str:
    return f"{number:,} {what if number == 1 else plural or what + 's'}"
