"""Each chapter's notebook as JupyterLab and Colab show it: plain Markdown, solutions folded.

Both render CommonMark with tables and fold a cell by its metadata; neither knows of a page
builder's roles, directives, labels and tags. The rules are tried on good and bad cells, too.
"""

import re

import nbformat
import pytest
from markdown_it import MarkdownIt

from tests.helpers import ROOT

BOOK = ROOT / "book"
CHAPTERS = sorted(BOOK.glob("[0-9]*.ipynb"))
each_chapter = pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)

MARKDOWN = MarkdownIt("commonmark").enable("table")
FORMULA = re.compile(r"\$\$.+?\$\$|\$[^$\n]+\$|```.*?```", re.S)
SHOWS_RAW = {
    "role": re.compile(r"(?<!`)\{[a-z]+(?::[a-z]+)*\}`"),
    "directive": re.compile(r"^\s*>?\s*(?::::+|```+\s*\{)", re.M),
    "label": re.compile(r"^\([\w-]+\)=\s*$", re.M),
}
ANSWER = re.compile(r"^(?:<p><strong>|<h\d>|<p>)(?:Solution|Answer)\b", re.M)


def raw_markup(text: str) -> list[str]:
    """What of the text only a page builder understands: kinds of markup, each with where it is."""
    text = FORMULA.sub(lambda m: m[0] if m[0].lstrip("`").startswith("{") else "", text)
    return [f"{kind}: {m[0]}" for kind, rule in SHOWS_RAW.items() for m in rule.finditer(text)]


def unfolded_answers(text: str) -> list[str]:
    """Answers that stand open in the text of a Markdown cell."""
    html = MARKDOWN.render(text)
    opened = re.findall(r"<details\b[^>]*\bopen\b[^>]*>", html)
    return opened + ANSWER.findall(re.sub(r"<details\b.*?</details>", "", html, flags=re.S))


def code_seen_in_jupyterlab(cell) -> bool:
    return not cell.metadata.get("jupyter", {}).get("source_hidden", False)


def output_seen_in_jupyterlab(cell) -> bool:
    return not cell.metadata.get("jupyter", {}).get("outputs_hidden", False)


def code_seen_in_colab(cell) -> bool:
    return cell.metadata.get("cellView") != "form"


def unfolded(cell) -> list[str]:
    """Where code that the page folds stands open, and a solution's output."""
    tags = set(cell.metadata.get("tags", []))
    if not tags & {"hide-input", "hide-cell"}:
        return []
    seen = {"JupyterLab": code_seen_in_jupyterlab(cell), "Colab": code_seen_in_colab(cell)}
    seen["JupyterLab, output"] = "hide-cell" in tags and output_seen_in_jupyterlab(cell)
    return [where for where, open_ in seen.items() if open_]


@each_chapter
def test_no_text_shows_raw_markup(path):
    for cell in nbformat.read(path, 4).cells:
        texts = [cell.source] if cell.cell_type == "markdown" else []
        for output in cell.get("outputs", []):
            texts.append(output.get("data", {}).get("text/markdown", ""))
        for text in texts:
            assert raw_markup(text) == [], text[:300]


@each_chapter
def test_every_solution_is_folded(path):
    notebook = nbformat.read(path, 4)
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            assert unfolded_answers(cell.source) == [], cell.source[:300]
        else:
            assert unfolded(cell) == [], f"run pair.py {path.stem}:\n{cell.source[:300]}"


@each_chapter
def test_every_link_between_pages_leads_to_a_file(path):
    bibliography = (BOOK / "references.bib").read_text("utf-8")
    for cell in nbformat.read(path, 4).cells:
        if cell.cell_type != "markdown":
            continue
        text = FORMULA.sub("", cell.source)
        for name, address in re.findall(r"\[([^]\n]+)\]\((?!https?:|#)([^)\s]+)\)", text):
            file, _, part = address.partition("#")
            assert (BOOK / file).is_file(), address
            if number := re.match(r"\d\d", name):
                assert file.startswith(number[0]), (name, address)
            if file == "references.md":
                assert re.search(rf"^@\w+\{{{part},$", bibliography, re.M), address


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("see {doc}`notation`", "role"),
        ("as {cite:t}`x2020` says", "role"),
        (":::{note}\nThis.\n:::", "directive"),
        ("```{figure} a.png\n```", "directive"),
        ("> :::{note}\n> This.", "directive"),
        ("(sec-a)=\n# A", "label"),
    ],
)
def test_raw_markup_is_found(text, kind):
    assert raw_markup(text)[0].startswith(kind)


def test_plain_text_and_formulas_pass():
    text = "# A\n\n[B](b.md), $x_{a}`$ and `{x}`:\n\n```python\nf(a)=\n```\n\n$$\n(x)=\n$$\n"
    assert raw_markup(text) == []
    assert unfolded_answers("<details>\n<summary>Answer</summary>\n\nNo.\n\n</details>") == []


@pytest.mark.parametrize(
    "text", ["**Solution.** No.", "## Answer\n\nNo.", "<details open>\n\nNo.\n\n</details>"]
)
def test_an_open_answer_is_found(text):
    assert unfolded_answers(text)


def test_an_unfolded_cell_is_found():
    folded = {"cellView": "form", "jupyter": {"source_hidden": True, "outputs_hidden": True}}
    cell = nbformat.v4.new_code_cell("1", metadata={"tags": ["hide-cell"], **folded})
    assert unfolded(cell) == []
    for key, where in (("cellView", ["Colab"]), ("jupyter", ["JupyterLab", "JupyterLab, output"])):
        less = nbformat.from_dict({**cell, "metadata": {**cell.metadata}})
        del less.metadata[key]
        assert unfolded(less) == where
