"""What every surface makes of every fault: `tables.md` says it, the tests here hold it to that.

A row of a table is a fault, a column a surface that can meet it. A cell is an exit code (0 goes
on, 1 a fault of data, files or machine, 2 wrong usage, 130 stopped by a signal) and words of what
is printed; a dash where the two cannot meet.
"""

import re
from pathlib import Path

TABLES = Path(__file__).with_name("tables.md")


def table(name: str) -> dict[tuple[str, str], tuple[int, str]]:
    """{(fault, surface): (exit code, words)} of the table whose first heading is `name`."""
    (lines,) = re.findall(
        rf"^\| {re.escape(name)} \|.*\n(?:\|.*\n)*", TABLES.read_text("utf-8"), re.M
    )
    head, _, *rows = (
        [cell.strip().strip("`") for cell in line.strip("|").split("|")]
        for line in lines.splitlines()
    )
    cells = {}
    for fault, *row in rows:
        for surface, cell in zip(head[1:], row, strict=True):
            if cell != "–":
                code, _, words = cell.partition(": ")
                cells[fault, surface] = int(code), words
    return cells


def words(text: str) -> list[str]:
    return text.split()


def check(met: tuple[int, str], code: int, out: str, err: str) -> None:
    """The exit code is the one to be, and what is printed says it in one message at the end."""
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
