"""What Jupyter Book does beside its own for this book's pages; `_config.yml` names it.

* Chapters have plain Markdown links, which Jupyter and Colab show; those to works cited become
  citations here, so that a key that the bibliography lacks stops the build.
* Sliders need a kernel, which a page has not: the pages show the picture they stand at.
* Lines `<!-- generated: NAME -->` of a page are replaced by text made from files.
* The reference pages are docstrings, with links to the chapters.
* Old addresses of chapters lead to the new ones.
* Scripts for running cells on a server are left out; nothing here uses them.
"""

import json
import re
from pathlib import Path

import dphr_reference
from dphr_generated import with_generated_parts

WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
WIDGET_STATE = "application/vnd.jupyter.widget-state+json"
MOVED = {  # pages of earlier editions -> where they are now
    "02_measuring_retrieval": "04_measuring_retrieval",
    "03_hard_negatives": "06_hard_negatives",
    "04_rda": "07_rda",
    "05_palw": "08_palw",
    "06_training_dphr": "09_training_dphr",
    "07_university1652": "10_university1652",
    "08_sues200": "11_sues200",
    "09_the_study": "21_the_study",
    "10_can_it_tell_them_apart": "22_can_it_tell_them_apart",
    "11_does_it_hold_on_photographs": "23_does_it_hold_on_photographs",
    "24_sharpness_and_step_size": "24_how_sharp",
}
MOVED_PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Moved</title>
<meta http-equiv="refresh" content="0; url={new}.html"><link rel="canonical" href="{new}.html">
</head><body><p>This chapter is now <a href="{new}.html">{new}</a>.</p></body></html>
"""
CITED = re.compile(r"\[[^\]]+\]\(references\.md#(\w+)\)")
TIDIED = {  # what Sphinx and the theme write -> what is meant
    # a list in name only: its entries have a role that no list may hold
    '<div role="list" class="citation-list">': '<div class="citation-list">',
    # a table that is too wide can be scrolled by keys, too
    '<div class="pst-scrollable-table-container">': (
        '<div class="pst-scrollable-table-container" tabindex="0">'
    ),
}


def with_still_widgets(notebook: dict) -> dict:
    """The notebook with every widget replaced by the picture that its output area shows.

    Raises ValueError for a widget that shows none: its cell would be empty on the page.
    """
    models = notebook["metadata"].pop("widgets", {}).get(WIDGET_STATE, {}).get("state", {})
    for cell in notebook["cells"]:
        for output in cell.get("outputs", []):
            if view := output.get("data", {}).get(WIDGET_VIEW):
                pictures = list(_pictures(models, view["model_id"]))
                if not pictures:
                    raise ValueError(
                        f"a widget that shows no picture, in the cell\n{cell['source']}"
                    )
                output["data"] = {"image/png": pictures[0]}
    return notebook


def _pictures(models: dict, model_id: str):
    state = models[model_id]["state"]
    for output in state.get("outputs", []):
        if picture := output.get("data", {}).get("image/png"):
            yield picture
    for child in state.get("children", []):
        yield from _pictures(models, child.removeprefix("IPY_MODEL_"))


def with_citations(notebook: dict) -> dict:
    """The notebook with each link to a work on the page of references turned into a citation."""
    for cell in notebook["cells"]:
        if cell["cell_type"] == "markdown":
            cell["source"] = CITED.sub(r"{cite:t}`\1`", "".join(cell["source"]))
    return notebook


def read_source(app, docname: str, source: list[str]) -> None:
    """Sphinx's `source-read`: change a page's text before it is parsed."""
    if app.env.doc2path(docname).endswith(".ipynb"):
        source[0] = json.dumps(with_citations(with_still_widgets(json.loads(source[0]))))
    else:
        source[0] = with_generated_parts(source[0])


def tidy_page(app, pagename: str, templatename: str, context: dict, doctree) -> None:
    """Sphinx's `html-page-context`: change what is written of a page."""
    context["script_files"] = [
        script for script in context.get("script_files", []) if "thebe" not in _text(script)
    ]
    for made, meant in TIDIED.items():
        context["body"] = context.get("body", "").replace(made, meant)
    if tree := context.get("generate_toctree_html"):
        context["generate_toctree_html"] = lambda *args, **kwargs: str(
            tree(*args, **kwargs)
        ).replace("<summary>", '<summary aria-label="Pages below">')


def write_moved_pages(app, exception) -> None:
    """Sphinx's `build-finished`: a page at each old address that leads on."""
    if exception is None and app.builder.name == "html":
        for old, new in MOVED.items():
            Path(app.outdir, f"{old}.html").write_text(MOVED_PAGE.format(new=new), "utf-8")


def _text(script) -> str:
    return f"{getattr(script, 'filename', script)} {getattr(script, 'attributes', {})}".lower()


def setup(app) -> dict:
    app.connect("source-read", read_source)
    app.connect("html-page-context", tidy_page, priority=900)
    app.connect("build-finished", write_moved_pages)
    dphr_reference.setup(app)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
