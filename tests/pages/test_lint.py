"""The budgets of chapters: every measure sees what it is for, and the book keeps them all."""

import sys

import nbformat.v4 as new
import pytest

from tests.helpers import ROOT

sys.path.append(str(ROOT / "book" / "_tools"))
import lint

PNG = new.new_output("display_data", {"image/png": "", "text/plain": "<Figure>"})

CAPTION = {"figure": {"caption": "c"}}


def code(source, *outputs, **metadata):
    return new.new_code_cell(source, outputs=list(outputs), metadata=metadata)


def out(text):
    return new.new_output("stream", name="stdout", text=text)


def chapter(*cells):
    return new.new_notebook(cells=list(cells))


BAD = {  # measure -> a chapter that is over its budget, and by how much it measures
    "words": (chapter(new.new_markdown_cell("word " * 1501)), 1501),
    "cells": (chapter(*[code("1") for _ in range(13)]), 13),
    "median": (chapter(code("x = 1\n" * 9), code("x = 1\n" * 9), code("1")), 9),
    "longest": (chapter(code("x = 1\n" * 21), code("1")), 21),
    "wide code": (chapter(code("x = " + "1" * 76)), 1),
    "wide out": (chapter(code("1", out("1" * 80 + "\n" + "1" * 79))), 1),
    "raw out": (chapter(code("1", out("a **b**\nc $d$ and 3 $"))), 2),
    "p 0.000": (chapter(code("1", out("p 0.000\np = 0.0004"))), 1),
    "made text": (
        chapter(code("1", new.new_output("display_data", {"text/markdown": "made up\n| a |"}))),
        2,
    ),
    "figures": (chapter(*[code("1", PNG, mystnb=CAPTION) for _ in range(6)]), 6),
    "uncaptioned": (chapter(code("1", PNG)), 1),
    "objects": (
        chapter(
            code("1", PNG, new.new_output("execute_result", {"text/plain": "<L>"}), mystnb=CAPTION)
        ),
        1,
    ),
    "clipped": (chapter(new.new_markdown_cell("What to see: all but\nfor one.")), 2),
}


def test_every_measure_has_a_bad_chapter():
    assert set(BAD) == set(lint.BUDGETS)


@pytest.mark.parametrize("name", lint.BUDGETS)
def test_a_measure_finds_what_it_is_for(name):
    notebook, value = BAD[name]
    assert lint.excess(lint.measure(notebook))[name] == value > lint.BUDGETS[name][0]


def test_a_chapter_within_its_budgets_has_no_excess():
    text = new.new_markdown_cell("# A\n\nIt cost 3 points less than `but for` and $but for$.")
    good = chapter(text, code("x = 1\n" * 8), code("1\n" * 30, tags=["hide-input"]))
    assert lint.excess(lint.measure(good)) == {}


def test_phrases_in_labels_and_titles_count():
    assert lint.measure(chapter(code("axis.set(title='RDA less that of L_tri')")))["clipped"] == 1


def test_what_is_over_its_budget_is_named():
    assert lint.complaints({}) == []
    (said,) = lint.complaints({"a": {"words": 1501}})
    assert said.startswith("a: words is 1501; expected at most 1500")


def test_the_book_is_within_its_budgets(capsys):
    assert lint.main() == 0, capsys.readouterr().out
