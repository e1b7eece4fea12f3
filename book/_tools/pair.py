"""Fold hidden cells everywhere, and carry a chapter's text to its notebook, outputs kept:

    python book/_tools/pair.py [STEM ...]

A cell that Jupyter Book hides (tags `hide-input`, `hide-cell`) is folded in JupyterLab and Colab,
too, by metadata that both forms of the chapter hold. No cell is run: where code changed,
execute.py has to. Without a STEM every chapter is done.
"""

import ast
import sys
from pathlib import Path

import jupytext
import nbformat

BOOK = Path(__file__).resolve().parents[1]
HIDDEN = {"hide-input", "hide-cell"}  # Jupyter Book's tags of cells whose code is folded
OF_JUPYTEXT = ("#       format_version:", "#       jupytext_version:")  # they change by machine


def fold(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """The notebook, the metadata of its code cells set so that what the page hides is folded."""
    for cell in notebook.cells:
        tags = set(cell.metadata.get("tags", []))
        cell.metadata.pop("cellView", None)
        cell.metadata.pop("jupyter", None)
        if cell.cell_type == "code" and tags & HIDDEN:
            cell.metadata["cellView"] = "form"  # Colab
            cell.metadata["jupyter"] = {"source_hidden": True}  # JupyterLab
            if "hide-cell" in tags:
                cell.metadata["jupyter"]["outputs_hidden"] = True
    return notebook


def as_source(notebook: nbformat.NotebookNode) -> str:
    """The chapter's .py file."""
    lines = jupytext.writes(notebook, fmt="py:percent").splitlines()
    return "\n".join(line for line in lines if not line.startswith(OF_JUPYTEXT)) + "\n"


def with_outputs_of(
    fresh: nbformat.NotebookNode, stored: nbformat.NotebookNode
) -> nbformat.NotebookNode:
    """`stored` with the cells of `fresh`, each code cell with the output it had.

    Raises ValueError where a cell's code is another (comments aside): its output would be old.
    """
    cells, ran = ([c for c in nb.cells if c.cell_type == "code"] for nb in (fresh, stored))
    if len(cells) != len(ran):
        raise ValueError(f"{len(cells)} code cells, and {len(ran)} are stored: run execute.py")
    for cell, old in zip(cells, ran, strict=True):
        if ast.dump(ast.parse(cell.source)) != ast.dump(ast.parse(old.source)):
            raise ValueError(f"code changed, run execute.py:\n{cell.source}")
        cell.outputs, cell.execution_count = old.outputs, old.execution_count
    stored.cells = fresh.cells
    return stored


def main() -> None:
    from execute import read_source

    for stem in sys.argv[1:] or [path.stem for path in sorted(BOOK.glob("[0-9]*.py"))]:
        path = BOOK / f"{stem}.py"
        path.write_text(as_source(fold(jupytext.read(path))), "utf-8")
        if (pair := path.with_suffix(".ipynb")).exists():
            stored = nbformat.read(pair, as_version=4)
            nbformat.write(with_outputs_of(read_source(path), stored), pair)
        print("paired", stem)


if __name__ == "__main__":
    main()
