"""The floors of the package: a room imports only from rooms on floors below its own.

A room is a folder or a module of `dphr_lab`.
"""

import ast
import sys

import pytest

from tests.helpers import ROOT

PACKAGE = ROOT / "dphr_lab"
FLOORS = [  # from the ground up
    "__init__ _child _files _locks _images _terminal settings results",
    "losses retrieval models plotting",
    "scenes",
    "datasets",
    "localization probe teaching",
    "training",
    "studies",
    "cli",
]
FLOOR = {room: number for number, rooms in enumerate(FLOORS) for room in rooms.split()}
OF_ONE_FLOOR = {
    ("results", "settings"),
    ("results", "_files"),
    ("_images", "_files"),
    ("_images", "_terminal"),
    ("_locks", "_files"),
    ("models", "losses"),
}
# What a room may load of other people's packages when it is imported, where that is limited:
# `dphr --help` must answer at once, losses and measures are for other people's loops.
LIGHT = {
    "settings": set(),
    "results": set(),
    "cli": set(),
    "_child": set(),
    "_files": set(),
    "_locks": set(),
    "_terminal": set(),
    "losses": {"torch"},
    "retrieval": {"torch", "numpy"},
}


def imports(tree: ast.Module):
    """(line, dotted name, whether it is loaded with the module) of every import."""
    inside = {
        id(node)
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef)
        for node in ast.walk(function)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            start = f"{node.module}." if isinstance(node, ast.ImportFrom) else ""
            for alias in node.names:
                yield node.lineno, start + alias.name, id(node) not in inside


def broken(room: str, source: str) -> list[str]:
    """A line for each import in a file of `room` that breaks a rule."""
    found = []
    for line, name, loaded in imports(ast.parse(source)):
        top, *rest = name.split(".")
        if top == "dphr_lab":
            other = rest[0] if rest[0] in FLOOR else "__init__"  # such as __version__
            below = FLOOR[other] < FLOOR[room] or other in (room, "__init__")
            if not below and (room, other) not in OF_ONE_FLOOR:
                found.append(f"line {line}: {room} imports {name}, which is not below it")
            if loaded and room == "cli" and FLOOR[other] > 0 and other != "cli":
                found.append(f"line {line}: cli loads {name} before it is asked for")
        elif loaded and room in LIGHT and top not in LIGHT[room] | sys.stdlib_module_names:
            found.append(f"line {line}: {room} loads {top}; expected {LIGHT[room] or 'nothing'}")
    return found


@pytest.mark.parametrize("room", FLOOR)
def test_a_room_imports_only_from_below(room):
    paths = [PACKAGE / f"{room}.py", *(PACKAGE / room).rglob("*.py")]
    paths = [path for path in paths if path.exists()]
    assert paths
    assert [f"{p}, {b}" for p in paths for b in broken(room, p.read_text("utf-8"))] == []


def test_every_room_has_a_floor():
    rooms = {p.stem for p in PACKAGE.glob("*.py")} | {p.parent.name for p in PACKAGE.glob("*/*.py")}
    assert rooms == set(FLOOR)


@pytest.mark.parametrize(
    ("room", "source"),
    [
        ("losses", "from dphr_lab.models import Encoder"),
        ("settings", "from dphr_lab import scenes"),
        ("retrieval", "def f():\n    from dphr_lab.localization import score"),
        ("settings", "import torch"),
        ("cli", "from dphr_lab.training import fit"),
    ],
)
def test_a_broken_rule_is_seen(room, source):
    assert len(broken(room, source)) == 1
