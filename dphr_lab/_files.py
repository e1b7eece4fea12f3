"""Writing files so that nothing half-written ever stands under the final name, and reading text.

Until it is whole, a thing is written aside under one scheme of names: hidden, with `PART` behind
its name. So what lists images or runs passes over it, and what a killed process has left is known.

What a file of others holds is read by `read_text`, `read_json` and `read_csv`: from a regular file
only, and whatever is wrong with it is a ValueError that names it.
"""

import csv
import hashlib
import io
import json
import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

PART, LOCK = ".part", ".lock"
DEEPEST = 64  # levels of lists and objects in a file
TOO_DEEP = f"nested deeper than {DEEPEST} levels"
LONGEST_NAME = 255  # bytes, on the file systems in use
KEPT_OF_NAME = 120  # of a name that is too long with what is added, beside its hash


def hidden(path: Path, tail: str) -> Path:
    """The hidden name beside `path` that ends in `tail`; a long one is cut and has a hash."""
    name = f".{path.name}{tail}"
    if len(os.fsencode(name)) > LONGEST_NAME:
        start = os.fsencode(path.name)[:KEPT_OF_NAME].decode("utf-8", "ignore")
        digest = hashlib.blake2b(os.fsencode(path.name), digest_size=8).hexdigest()
        name = f".{start}.{digest}{tail}"
    return path.with_name(name)


def is_plain_name(name: object, longest: int = 100) -> bool:
    """Whether text can name a file of a folder, here and elsewhere: no path, nothing hidden."""
    if not isinstance(name, str) or not name.isprintable() or len(name.encode()) > longest:
        return False
    return bool(name.strip()) and name[0] not in ". " and not set(name) & set('/\\:*?"<>|')


@contextmanager
def replace_when_done(path: Path | str) -> Iterator[Path]:
    """Yield a temporary path beside `path`; rename it to `path` on success, remove it on error.

    The folder of `path` is made when missing. The temporary name has the process's number, since
    several may write the same file, and keeps the suffix, since writers such as Pillow and
    matplotlib choose the format by it.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = hidden(path.with_name(path.stem), f".{os.getpid()}{PART}{path.suffix}")
    try:
        yield aside
        os.replace(aside, path)
    except OSError as error:
        if error.errno and error.filename in (None, str(aside), aside):
            error.filename = str(path)  # a full disk names no file, others the one aside
        raise
    finally:
        aside.unlink(missing_ok=True)


@contextmanager
def replace_folder_when_done(folder: Path | str, keep: bool = False) -> Iterator[Path]:
    """Yield a hidden folder to fill; on success it takes the place of `folder`, else it goes.

    It lies beside `folder`; but within it where that stands empty, since an empty folder that was
    given may be a disk of its own. What a killed process left of an earlier call is removed first.
    With `keep` neither that nor what an error leaves is removed, so that the next call goes on.
    """
    folder = Path(folder).resolve()
    aside = hidden(folder, PART)
    within = folder.exists() and is_empty(folder)
    if within:
        aside = folder / aside.name
    if not keep:
        shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(parents=True, exist_ok=True)
    try:
        yield aside
        if within:
            for entry in sorted(aside.iterdir(), key=lambda entry: (entry.is_file(), entry.name)):
                entry.rename(folder / entry.name)  # files last: they describe what the folders hold
            aside.rmdir()
        else:
            _put_in_place(aside, folder)
    finally:
        if not keep:
            shutil.rmtree(aside, ignore_errors=True)


def _put_in_place(aside: Path, folder: Path) -> None:
    old = hidden(folder, ".old")
    put_back(folder)
    shutil.rmtree(old, ignore_errors=True)
    if folder.exists():
        folder.rename(old)
    aside.rename(folder)
    if old.exists():
        for entry in old.iterdir():
            if not (folder / entry.name).exists():  # not of what was replaced
                entry.rename(folder / entry.name)
    shutil.rmtree(old, ignore_errors=True)


def put_back(folder: Path) -> None:
    """Give a folder its name back where a kill fell between the two halves of a replacement."""
    old = hidden(folder, ".old")
    if old.exists() and not folder.exists():
        old.rename(folder)


def is_empty(folder: Path) -> bool:
    """Whether there is no such folder, or nothing in it but what a killed process has left."""
    if not folder.exists():
        return True
    own = {hidden(folder.resolve(), tail).name for tail in (PART, LOCK)}
    return folder.is_dir() and all(entry.name in own for entry in folder.iterdir())


def write_json(path: Path | str, value: object) -> None:
    """Write `value` as indented JSON with a final newline, aside and renamed."""
    with replace_when_done(path) as aside:
        aside.write_text(json.dumps(value, indent=1) + "\n", "utf-8")


def check_regular(path: Path | str) -> None:
    """Raise ValueError for a named pipe, a device or a socket: opening one may wait for ever.

    Raises OSError where there is nothing under that name.
    """
    mode = os.stat(path).st_mode
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):  # a folder raises by itself
        raise ValueError("found a named pipe, a device or a socket, expected a regular file")


def read_text(path: Path | str, encoding: str = "utf-8") -> str:
    """The text of a regular file; raises ValueError, naming it, for one that is no such text."""
    try:
        check_regular(path)
        return Path(path).read_bytes().decode(encoding)
    except ValueError as error:
        raise ValueError(f"{path}: not a text file in {encoding.upper()} ({error})") from None


def parse_json(text: str | bytes) -> Any:
    """The value of a JSON text; raises ValueError for what is none, or nested beyond `DEEPEST`."""
    try:
        value = json.loads(text)
    except RecursionError:
        raise ValueError(TOO_DEEP) from None
    return check_depth(value)


def check_depth(value: Any) -> Any:
    """`value`, as a file of JSON or TOML gave it; raises ValueError beyond `DEEPEST` levels.

    What is deeper would end the reading, printing or copying of it somewhere else.
    """
    level = [value]
    for _ in range(DEEPEST):
        level = [
            inner
            for outer in level
            if isinstance(outer, dict | list)
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        ]
        if not level:
            return value
    raise ValueError(TOO_DEEP)


def read_json(path: Path | str, what: str, to_do: str = "") -> Any:
    """The object in a JSON file; raises ValueError naming the file for what is no JSON object.

    `what` says in the message what was expected, such as "the settings of a run"; `to_do` ends it.
    """
    to_do = f"; {to_do}" if to_do else ""
    try:
        check_regular(path)
        found = parse_json(Path(path).read_bytes())
    except ValueError as error:  # no JSON, or no text
        raise ValueError(f"{path}: not {what} ({type(error).__name__}: {error}){to_do}") from None
    if not isinstance(found, dict):
        raise ValueError(
            f"{path}: not {what} (found {type(found).__name__}, expected an object){to_do}"
        )
    return found


def read_csv(path: Path | str) -> tuple[list[str], list[tuple[int, dict[str, str]]]]:
    """(header, [(line, row)]) of a CSV file: names and values without spaces around them.

    A row lacks what its line lacks. Raises ValueError, naming file and line, for what is no CSV.
    """
    reader = csv.reader(
        io.StringIO(read_text(path, "utf-8-sig"), newline=""), skipinitialspace=True
    )
    try:
        header = [name.strip() for name in next(reader, [])]
        rows = [
            (reader.line_num, dict(zip(header, map(str.strip, row), strict=False)))
            for row in reader
            if row
        ]
    except csv.Error as error:
        raise ValueError(f"{path}, line {reader.line_num}: not a line of a CSV ({error})") from None
    return header, rows
