"""The book's files fit together: pairs, stored outputs, set-up cells, table of contents."""

import base64
import json
import re
import sys

import jupytext
import nbformat
import pytest
import yaml

from tests.helpers import ROOT

BOOK = ROOT / "book"
sys.path.append(str(BOOK / "_ext"))
from dphr_pages import MOVED, WIDGET_STATE, WIDGET_VIEW, with_still_widgets  # noqa: E402

CONFIG = yaml.safe_load((BOOK / "_config.yml").read_text("utf-8"))
CHAPTERS = sorted(BOOK.glob("[0-9]*.ipynb"))
each_chapter = pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)

# The first code cell of every chapter, to the letter; it is tagged remove-cell.
SETUP_CELL = f"""\
import subprocess
import sys

if "google.colab" in sys.modules:  # on Colab only: fetch this book's package
    package = "dphr-lab[train,book] @ git+{CONFIG["repository"]["url"]}@{CONFIG["repository"]["branch"]}"
    subprocess.check_call([sys.executable, "-m", "pip", "install", "-q", package])
"""  # noqa: E501


def code_cells(path):
    cells = nbformat.read(path, 4).cells
    return [cell for cell in cells if cell.cell_type == "code" and cell.source.strip()]


def comparable(notebook):
    """What the two forms of a chapter have in common: kinds, sources and metadata of the cells."""
    return [
        (
            cell.cell_type,
            cell.source.strip(),
            sorted(cell.metadata.get("tags", [])),
            *(cell.metadata.get(key, {}) for key in ("mystnb", "jupyter", "cellView")),
        )
        for cell in notebook.cells
    ]


def toc_files():
    toc = yaml.safe_load((BOOK / "_toc.yml").read_text("utf-8"))
    entries = [entry for part in toc["parts"] for entry in part["chapters"]]
    entries += [below for entry in entries for below in entry.get("sections", [])]
    return [toc["root"]] + [entry["file"] for entry in entries]


def test_every_chapter_has_both_forms():
    assert [path.stem for path in CHAPTERS] == sorted(path.stem for path in BOOK.glob("[0-9]*.py"))


@each_chapter
def test_the_two_forms_are_in_sync(path):
    source = jupytext.read(path.with_suffix(".py"))
    assert comparable(nbformat.read(path, 4)) == comparable(source), (
        f"run book/_tools/pair.py {path.stem}, or execute.py where code changed"
    )


@each_chapter
def test_executed_in_order_without_errors(path):
    cells = code_cells(path)
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    for cell in cells:
        for output in cell.outputs:
            assert output.output_type != "error", cell.source
            assert output.get("name") != "stderr", cell.source
            assert "image/svg+xml" not in output.get("data", {}), cell.source  # never equal twice


@each_chapter
def test_setup_cell(path):
    first = code_cells(path)[0]
    assert first.source.strip() == SETUP_CELL.strip()
    assert first.metadata.get("tags") == ["remove-cell"]


@each_chapter
def test_figures_have_alternative_text(path):
    shown_as_pictures = {"image/png", WIDGET_VIEW}  # the built page shows a widget's picture
    for cell in code_cells(path):
        if any(shown_as_pictures & set(output.get("data", {})) for output in cell.outputs):
            alt = cell.metadata.get("mystnb", {}).get("image", {}).get("alt", "")
            assert alt.strip(), f'add mystnb={{"image": {{"alt": "..."}}}} to:\n{cell.source}'


@each_chapter
def test_a_page_shows_a_widget_by_its_picture(path):
    notebook = json.loads(path.read_text("utf-8"))
    before = [output for cell in notebook["cells"] for output in cell.get("outputs", [])]
    widgets = [output for output in before if WIDGET_VIEW in output.get("data", {})]
    still = with_still_widgets(notebook)
    assert "widgets" not in still["metadata"]
    for output in widgets:
        assert base64.b64decode(output["data"]["image/png"]).startswith(b"\x89PNG")


def test_a_widget_without_a_picture_stops_the_build():
    view = {"data": {WIDGET_VIEW: {"model_id": "1"}}}
    state = {"1": {"state": {"children": ["IPY_MODEL_2"]}}, "2": {"state": {}}}
    notebook = {
        "metadata": {"widgets": {WIDGET_STATE: {"state": state}}},
        "cells": [{"source": "slider()", "outputs": [view]}],
    }
    with pytest.raises(ValueError, match=r"no picture.*\nslider"):
        with_still_widgets(notebook)


@each_chapter
def test_needs_nothing_that_a_notebook_service_lacks(path):
    for cell in code_cells(path):
        assert "myst_nb" not in cell.source, "glue is for the page builder, not for a chapter"


@each_chapter
def test_numbers_in_prose_are_shown_by_a_cell(path):
    """Decimals, percentages and points of the text occur in some cell's source or output."""
    cells = nbformat.read(path, 4).cells
    shown = [cell.source for cell in cells if cell.cell_type == "code"]
    for output in (output for cell in code_cells(path) for output in cell.outputs):
        data = output.get("data", {})
        shown += [str(output.get("text", ""))]
        shown += [str(data.get(kind, "")) for kind in ("text/markdown", "text/plain")]
    apart = r"\$\$.*?\$\$|\$[^$]*\$|```.*?```|`[^`]*`|\]\([^)]*\)"  # formulas, code, links
    number = r"(?<![\w.])(?:\d+\.\d+|\d+(?= ?(?:%|points)))(?![\w.]*\d)"
    for cell in cells:
        prose = re.sub(apart, "", cell.source, flags=re.S) if cell.cell_type == "markdown" else ""
        for found in set(re.findall(number, prose)):
            assert re.search(rf"(?<![\d.]){re.escape(found)}(?!\d)", "\n".join(shown)), (
                f"{found} is in no cell; let one show it:\n{prose}"
            )


def test_table_of_contents_is_complete():
    pages = [*CHAPTERS, *BOOK.glob("*.md"), *BOOK.glob("reference/*.md")]
    written = [path.relative_to(BOOK).with_suffix("").as_posix() for path in pages]
    assert sorted(toc_files()) == sorted(written)


def test_old_addresses_lead_to_chapters_and_hide_none():
    stems = {path.stem for path in CHAPTERS}
    assert set(MOVED.values()) <= stems
    assert not set(MOVED) & stems


def test_own_script_for_formulas_is_there():
    settings = CONFIG["sphinx"]["config"]
    (script,) = [
        BOOK / folder / settings["mathjax_path"]
        for folder in settings["html_static_path"]
        if (BOOK / folder / settings["mathjax_path"]).exists()
    ]
    assert script.stat().st_size > 100_000
    assert script.with_name("LICENSE").is_file()
