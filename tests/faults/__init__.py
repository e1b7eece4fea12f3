"""What every surface makes of every fault: `tables.md` says it, the tests here hold it to that.

A row of a table is a fault, a column a surface that can meet it. A cell is an exit code (0 goes
on, 1 a fault of data, files or machine, 2 wrong usage, 130 stopped by a signal) and words of what
is printed; a dash where the two cannot meet.
"""

import os
import re
from pathlib import Path
from typing import NamedTuple

TABLES = Path(__file__).with_name("tables.md")


class Cell(NamedTuple):
    """What is to be met, and where in the tables that stands."""

    code: int
    words: str
    table: str
    fault: str
    surface: str


def table(name: str) -> dict[tuple[str, str], Cell]:
    """{(fault, surface): cell} of the table whose first heading is `name`."""
    head, _, *rows = _rows(name, TABLES.read_text("utf-8"))
    cells = {}
    for fault, *row in rows:
        for surface, cell in zip(head[1:], row, strict=True):
            if cell != "–":
                code, _, words = cell.partition(": ")
                cells[fault, surface] = Cell(int(code), words, name, fault, surface)
    return cells


def _lines(name: str, text: str) -> str:
    (lines,) = re.findall(rf"^\| {re.escape(name)} \|.*\n(?:\|.*\n)*", text, re.M)
    return lines


def _rows(name: str, text: str) -> list[list[str]]:
    lines = _lines(name, text).splitlines()
    return [[cell.strip().strip("`") for cell in line.strip("|").split("|")] for line in lines]


def rewritten(text: str, cell: Cell, code: int, said: str) -> str:
    """The tables with a cell as it was met: the exit code, and words of the last line, no path."""
    lines = _lines(cell.table, text)
    head, _, *rows = _rows(cell.table, text)
    row, column = [r[0] for r in rows].index(cell.fault) + 2, head.index(cell.surface)
    words = cell.words if cell.words in said else _words(said)
    found = lines.splitlines(keepends=True)
    parts = found[row].split("|")
    parts[column + 1] = f" {code}: {words} " if words else f" {code} "
    found[row] = "|".join(parts)
    return text.replace(lines, "".join(found))


def _words(said: str) -> str:
    """The longest part of the last line that names no file."""
    last = (said.strip().splitlines() or [""])[-1]
    parts = [part for part in re.split(r"[:;|]\s", last) if not set(part) & set("/\\|`")]
    return max(parts, key=len, default="").strip()[:60].strip()


def words(text: str) -> list[str]:
    return text.split()


def check(met: Cell, code: int, out: str, err: str) -> None:
    """The exit code is the one to be, and what is printed says it in one message at the end."""
    if os.environ.get("REWRITE_TABLES") and not (code == met.code and met.words in out + err):
        TABLES.write_text(rewritten(TABLES.read_text("utf-8"), met, code, out + err), "utf-8")
        return
    assert code == met[0], err
    assert met[1] in out + err
    assert "Traceback" not in err
    if code:  # `verify` reports on stdout; all else ends in one message behind the progress bars
        message = re.search(r"(?:^|[\r\n])(dphr(?: \w+)?: [^\r]+)\Z", err)
        assert message or "FAULT" in out
        assert not message or len(message[1].splitlines()) <= 5


def left_behind(folder: Path) -> list[str]:
    """What a command that stopped must not leave: files under a name of the meantime."""
    names = [path.name for path in folder.rglob("*")]
    return [name for name in names if ".part" in name]
