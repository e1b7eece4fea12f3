"""Every text file is opened with its encoding: the default one is another on another machine."""

import ast
import re

import pytest

from tests.helpers import ROOT

OTHERS = {"Image", "image", "pillow", "rasterio", "tarfile", "os", "webbrowser"}  # whose open() is
PLACE = {"read_text": 0, "write_text": 1}  # of the encoding among arguments without a name
MODE = {"open": (1, 0), "fdopen": (1, 1), "NamedTemporaryFile": (0, 0), "TemporaryFile": (0, 0)}
# ^ name -> place of the mode among a function's arguments, and among a method's
SOURCES = [
    path
    for top in ("dphr_lab", "book", "tests")
    for path in sorted((ROOT / top).rglob("*.py"))
    if not {"_build", "_vendor"} & set(path.parts)
]


def opens_text(call: ast.Call) -> bool:
    """Whether a call reads or writes text in whatever encoding is the default."""
    method = isinstance(call.func, ast.Attribute)
    name = call.func.attr if method else getattr(call.func, "id", "")
    given = {keyword.arg for keyword in call.keywords}
    if "encoding" in given or None in given:  # None: keywords that another place decides on
        return False
    if method and name in PLACE:
        return len(call.args) <= PLACE[name]
    if name not in MODE:
        return False
    of = getattr(call.func.value, "id", "") if method else ""
    if of in OTHERS - {"os"} or (of == "os" and name == "open"):
        return False
    place = MODE[name][method and of not in ("io", "os", "gzip", "bz2", "lzma", "tempfile")]
    modes = [k.value for k in call.keywords if k.arg == "mode"] + call.args[place : place + 1]
    binary_by_default = "Temporary" in name or of in ("gzip", "bz2", "lzma")
    mode = modes[0].value if modes and isinstance(modes[0], ast.Constant) else None
    if not isinstance(mode, str):
        return not binary_by_default
    return "t" in mode if of in ("gzip", "bz2", "lzma") else "b" not in mode


def unnamed(source: str) -> list[int]:
    """The lines of a source that leave the encoding of a text file to the machine."""
    if not re.search(r"open\(|_text\(|Temporary", source):  # which is quicker than to parse it
        return []
    calls = (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call))
    return [call.lineno for call in calls if opens_text(call)]


def test_every_text_file_is_opened_with_its_encoding():
    found = {path.relative_to(ROOT): unnamed(path.read_text("utf-8")) for path in SOURCES}
    assert len(found) >= 300
    assert [f"{path}:{line}" for path, lines in found.items() for line in lines] == []


@pytest.mark.parametrize(
    ("source", "wrong"),
    [
        ("open(path)", True),
        ("open(path, 'a')", True),
        ("open(path, mode=mode)", True),
        ("path.open()", True),
        ("path.open('w')", True),
        ("path.read_text()", True),
        ("(root / 'a').write_text(text, errors='replace')", True),
        ("io.open(path, 'r')", True),
        ("os.fdopen(number, 'w')", True),
        ("gzip.open(path, 'rt')", True),
        ("tempfile.NamedTemporaryFile('w')", True),
        ("open(path, 'rb')", False),
        ("path.open('wb')", False),
        ("path.open(encoding='utf-8')", False),
        ("path.read_text('utf-8')", False),
        ("path.write_text(text, 'utf-8')", False),
        ("Image.open(path)", False),
        ("os.open(path, os.O_RDONLY)", False),
        ("gzip.open(path)", False),
        ("tempfile.NamedTemporaryFile()", False),
    ],
)
def test_what_counts_as_text_without_an_encoding(source, wrong):
    assert bool(unnamed(source)) == wrong
