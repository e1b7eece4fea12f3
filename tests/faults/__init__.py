"""What every surface makes of every fault: the tables that the tests here are made from.

A row is a fault, a column a surface that can meet it, a cell what is to happen. `python -m faults`,
in `tests`, prints the tables in Markdown.
"""

import re
from dataclasses import dataclass

from dphr_lab import cli


@dataclass(frozen=True)
class Met:
    """What is to happen: an exit code, and words of what is printed."""

    code: int | None  # None: this surface cannot meet the fault
    says: str

    def __str__(self) -> str:
        return self.says if self.code is None else f"{self.code}: {self.says or 'goes on'}"


def fine(says: str = "") -> Met:
    """It is no fault, or one that does not matter here."""
    return Met(0, says)


def data(says: str) -> Met:
    """A fault of data, files or machine."""
    return Met(1, says)


def usage(says: str) -> Met:
    """Wrong usage."""
    return Met(2, says)


def stopped(says: str = "stopped") -> Met:
    """Stopped by a signal."""
    return Met(130, says)


NOT_MET = Met(None, "–")


@dataclass(frozen=True)
class Table:
    """Faults by rows, surfaces by columns."""

    title: str
    surfaces: tuple[str, ...]
    rows: dict[str, tuple[Met, ...]]

    def __post_init__(self):
        for fault, row in self.rows.items():
            if len(row) != len(self.surfaces):
                raise ValueError(f"{self.title}: {fault} has {len(row)} of {len(self.surfaces)}")

    def cells(self) -> list[tuple[str, str, Met]]:
        """(fault, surface, what is to happen), of those that can meet."""
        return [
            (fault, surface, met)
            for fault, row in self.rows.items()
            for surface, met in zip(self.surfaces, row, strict=True)
            if met.code is not None
        ]

    def __str__(self) -> str:
        head = f"| {self.title} | " + " | ".join(f"`{s}`" for s in self.surfaces) + " |"
        lines = [head, "|---" * (1 + len(self.surfaces)) + "|"]
        lines += [f"| {fault} | " + " | ".join(map(str, row)) + " |"
                  for fault, row in self.rows.items()]  # fmt: skip
        return "\n".join(lines)


def run(*arguments) -> int:
    """The exit code of `dphr ARGUMENTS`, in this process."""
    try:
        return cli.main([str(argument) for argument in arguments])
    except SystemExit as stop:  # argparse's own way out
        return stop.code


def check(met: Met, code: int, shown) -> None:
    """The exit code is the one to be, and what is printed says it in one message at the end."""
    assert code == met.code, shown.err
    assert met.says in shown.out + shown.err
    assert "Traceback" not in shown.err
    if code:  # `verify` reports on stdout; all else ends in one message behind the progress bars
        message = re.search(r"(?:^|[\r\n])(dphr(?: \w+)?: [^\r]+)\Z", shown.err)
        assert message or "FAULT" in shown.out
        assert not message or len(message[1].splitlines()) <= 5


def left_behind(folder) -> list[str]:
    """What a command that stopped must not leave: files under a name of the meantime."""
    names = [path.name for path in folder.rglob("*")]
    return [name for name in names if ".part" in name or name == ".unfinished"]
