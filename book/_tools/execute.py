"""Run chapters and store their outputs: python book/_tools/execute.py [STEM ...]

A chapter's .py file is its source; the .ipynb beside it is written anew. The same outputs give
the same bytes: no time stamps, no random ids. Versions and hardware are stored with them. Without a
STEM every chapter is run.
"""

import argparse
import base64
import hashlib
import io
import os
import re
import sys
from pathlib import Path

import jupytext
import nbformat
from nbclient import NotebookClient
from pair import fold
from PIL import Image

BOOK = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(BOOK.parent))  # the package of this checkout, installed or not
from dphr_lab.results import environment  # noqa: E402

TIMEOUT_S = 3600  # of one cell: a machine may be busy with other things
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
# 32 hexadecimal digits standing alone, or behind a prefix that matplotlib's animations use
RANDOM_ID = re.compile(
    r"(?:(?<![0-9A-Za-z+/])|(?<=anim)|(?<=img)|(?<=slider)|(?<=select))"
    r"[0-9a-f]{32}(?![0-9A-Za-z+/])"
)


def read_source(path: Path) -> nbformat.NotebookNode:
    """The chapter of a .py file as a notebook without outputs, its cells named by position."""
    notebook = fold(jupytext.read(path))
    notebook.metadata["jupytext"] = {"formats": "ipynb,py:percent"}
    notebook.metadata["kernelspec"] = {
        "display_name": "Python 3",
        "language": "python",
        "name": "python3",
    }
    for number, cell in enumerate(notebook.cells):
        cell["id"] = f"{path.stem[:40].replace('.', '-')}-{number:03d}"
    return notebook


def shows_widgets(notebook: nbformat.NotebookNode) -> bool:
    outputs = [o for cell in notebook.cells if cell.cell_type == "code" for o in cell.outputs]
    return any(WIDGET_VIEW in output.get("data", {}) for output in outputs)


def with_stable_ids(notebook: nbformat.NotebookNode, stem: str) -> nbformat.NotebookNode:
    """The notebook with widget and animation ids, random at each run, replaced by numbered ones."""
    stable = {}

    def number(random_id: str) -> str:
        fresh = hashlib.md5(f"{stem}{len(stable)}".encode()).hexdigest()
        return stable.setdefault(random_id, fresh)

    for state in notebook.metadata.get("widgets", {}).values():
        for model_id in state["state"]:  # in the order in which they were made
            number(model_id)
    text = RANDOM_ID.sub(lambda match: number(match[0]), nbformat.writes(notebook))
    return nbformat.reads(text, as_version=4)


def with_small_pictures(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """The notebook with its PNG outputs in 256 colours: a third of the bytes to clone and fetch."""
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            if png := output.get("data", {}).get("image/png"):
                picture = Image.open(io.BytesIO(base64.b64decode(png))).convert("RGB")
                small = io.BytesIO()
                picture.quantize(256).save(small, "PNG", optimize=True)
                output["data"]["image/png"] = base64.b64encode(small.getvalue()).decode() + "\n"
    return notebook


def execute(path: Path) -> None:
    """Run the chapter `path` (.py) in book/ and write its .ipynb; an error in a cell is raised."""
    notebook = read_source(path)
    NotebookClient(
        notebook,
        timeout=TIMEOUT_S,
        kernel_name="python3",
        record_timing=False,
        coalesce_streams=True,
        resources={"metadata": {"path": str(BOOK)}},
    ).execute()
    notebook.metadata["language_info"] = {"name": "python"}  # no interpreter version
    notebook.metadata["executed"] = {  # shown on the page "How this book is checked"
        **environment.describe(),
    }
    if not shows_widgets(notebook):
        notebook.metadata.pop("widgets", None)
    nbformat.validate(notebook)
    aside = path.with_name(f".{path.stem}.part.ipynb")
    nbformat.write(with_stable_ids(with_small_pictures(notebook), path.stem), aside)
    os.replace(aside, path.with_suffix(".ipynb"))


def main() -> None:
    chapters = {path.stem: path for path in sorted(BOOK.glob("[0-9]*.py"))}
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("stem", nargs="*", help="chapters to run, such as 01_problem; all if none")
    stems = parser.parse_args().stem or list(chapters)
    unknown = [stem for stem in stems if stem not in chapters]
    if unknown:
        parser.error(f"no chapter {', '.join(unknown)} in {BOOK}; there are {', '.join(chapters)}")
    # Kernels start in book/: let them import the package of this checkout.
    paths = (str(BOOK.parent), os.environ.get("PYTHONPATH"))
    os.environ["PYTHONPATH"] = os.pathsep.join(path for path in paths if path)
    for stem in stems:
        execute(chapters[stem])
        print("ran", stem, flush=True)


if __name__ == "__main__":
    main()
