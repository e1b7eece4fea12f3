"""Writing files so that nothing half-written ever stands under the final name, and reading JSON."""

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

UNFINISHED = ".unfinished"  # folder inside another that is being filled


@contextmanager
def replace_when_done(path: Path | str) -> Iterator[Path]:
    """Yield a temporary path beside `path`; rename it to `path` on success, remove it on error.

    The folder of `path` is made when missing. The temporary name keeps the suffix, since writers
    such as Pillow and matplotlib choose the format by it.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.stem}.{os.getpid()}.part{path.suffix}")
    try:
        yield aside
        os.replace(aside, path)
    except OSError as error:
        if error.errno and error.filename in (None, str(aside), aside):
            error.filename = str(path)  # a full disk names no file, others the one aside
        raise
    finally:
        aside.unlink(missing_ok=True)


def write_json(path: Path | str, value: object) -> None:
    """Write `value` as indented JSON with a final newline, aside and renamed."""
    with replace_when_done(path) as aside:
        aside.write_text(json.dumps(value, indent=1) + "\n")


@contextmanager
def fill_when_done(folder: Path | str) -> Iterator[Path]:
    """Yield a hidden folder inside `folder`; its entries move up on success, it goes on error.

    `folder` is made when missing, and removed again on error. What a killed process left of an
    earlier call is removed first. A new or empty folder is expected; the caller checks for it.
    """
    folder = Path(folder)
    new, aside = not folder.exists(), folder / UNFINISHED
    if aside.exists():
        shutil.rmtree(aside)
    aside.mkdir(parents=True)
    try:
        yield aside
        for entry in sorted(aside.iterdir(), key=lambda entry: (entry.is_file(), entry.name)):
            entry.rename(folder / entry.name)  # files last: they describe what the folders hold
        new = False
    finally:
        shutil.rmtree(aside, ignore_errors=True)
        if new:
            shutil.rmtree(folder, ignore_errors=True)


def read_json(path: Path | str, what: str, to_do: str = "") -> Any:
    """The object in a JSON file; raises ValueError naming the file for what is no JSON object.

    `what` says in the message what was expected, such as "the settings of a run"; `to_do` ends it.
    """
    to_do = f"; {to_do}" if to_do else ""
    try:
        found = json.loads(Path(path).read_bytes())
    except ValueError as error:  # no JSON, or no text
        raise ValueError(f"{path}: not {what} ({type(error).__name__}: {error}){to_do}") from None
    if not isinstance(found, dict):
        raise ValueError(
            f"{path}: not {what} (found {type(found).__name__}, expected an object){to_do}"
        )
    return found
