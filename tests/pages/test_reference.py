"""The reference pages show all that is public, with a way back to the chapters."""

import ast
import importlib
import inspect
import pkgutil
import re
import sys

import docutils.core
import pytest

import dphr_lab
from tests.helpers import ROOT

BOOK = ROOT / "book"
sys.path.append(str(BOOK / "_ext"))
import dphr_reference as reference  # noqa: E402


def modules():
    """Every module but the parts of a package that says in `__all__` what of them is public."""
    names = [info.name for info in pkgutil.walk_packages(dphr_lab.__path__, "dphr_lab.")]
    names = [name for name in names if not name.startswith(tuple(reference.INTERNAL))]
    whole = [name for name in names if hasattr(importlib.import_module(name), "__all__")]
    return [name for name in names if not name.startswith(tuple(f"{name}." for name in whole))]


def test_every_public_name_is_on_one_page():
    shown = reference.documented()
    assert [name for name, pages in shown.items() if len(pages) > 1] == []
    public = {f"{module}.{name}" for module in modules() for name in reference.public(module)}
    assert public - set(shown) == set(), "name its module on a page of book/reference"


def test_the_overview_names_every_module():
    index = (BOOK / "reference" / "index.md").read_text("utf-8")
    named = set(re.findall(r"`(\w+)`", index))
    assert {name.split(".")[1] for name in reference.documented()} - named == set()


def test_every_name_leads_to_a_chapter_or_says_why_not():
    for name in reference.documented():
        module, _, last = name.rpartition(".")
        line = reference.chapter_line(name, getattr(importlib.import_module(module), last))
        assert line, f"{name}: say 'Taught in: book/NN' in its docstring, or add to IN_NO_CHAPTER"


def test_what_chapters_use_is_in_the_reference():
    used = {name for name in reference.used() if name.count(".") > 1}
    assert used - set(reference.documented()) == set()
    assert "07" in reference.used()["dphr_lab.losses.rda_weights"]
    assert "01" in reference.used()["dphr_lab.scenes.make_world"]


def test_reasons_are_of_names_that_exist():
    for start in reference.IN_NO_CHAPTER:
        assert any(f"{name}.".startswith(f"{start}.") for name in reference.documented()), start


def all_docstrings():
    for path in sorted((ROOT / "dphr_lab").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            is_documented = isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
            if is_documented and (text := ast.get_docstring(node)):
                yield f"{path.name}: {getattr(node, 'name', 'module')}", text


@pytest.mark.slow
def test_every_docstring_survives_as_restructured_text():
    number = 0
    for where, text in all_docstrings():
        rest = reference.as_rest(text)
        shown = docutils.core.publish_doctree(
            rest, settings_overrides={"report_level": 5, "halt_level": 5}
        )
        faults = [node.astext() for node in shown.findall() if node.tagname == "system_message"]
        assert faults == [], f"{where}\n{rest}"
        assert re.sub(r"\W", "", shown.astext()) == re.sub(r"\W", "", text), where
        number += 1
    assert number > 300


@pytest.mark.parametrize(
    "plain, rest",
    [
        ("lambda^t L_wtri, |h| and 2 * 3", r"lambda^t L_wtri, \|h\| and 2 \* 3"),
        ("two `Set`s of x_", r"two ``Set``\ s of x\_"),
        ("* a list\n  of *two*\n* items", "* a list\n  of \\*two\\*\n* items"),
        ("name   what it is", "::\n\n    name   what it is"),
        ("**Score**: cosine", "**Score**: cosine"),
    ],
)
def test_marks_of_docstrings(plain, rest):
    assert reference.as_rest(plain) == rest


def test_fields_are_described_by_the_comments_beside_them():
    from dphr_lab.datasets import Augmentation
    from dphr_lab.settings import Settings

    flip = reference.fields(Augmentation)["flip"]
    assert flip == "probability of mirroring left-right, both views together"
    fields = reference.fields(Settings)
    assert fields["augmentation"].startswith("keywords of datasets.Augmentation")
    assert fields["pool"] == "'avg' or 'gem'"  # of the metadata, as in --help


def test_taught_in_is_read_and_linked():
    from dphr_lab.losses import rda_weights

    assert reference.taught("Does it. Taught in: book/01, book/09.") == ["01", "09"]
    assert "book/07" in inspect.getdoc(rda_weights)
    assert ":doc:`/07_rda`" in reference.chapter_line("dphr_lab.losses.rda_weights", rda_weights)
