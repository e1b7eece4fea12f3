"""The budgets of chapters and pages: python book/_tools/lint.py

Prints a table, a row a chapter, and ends with 1 where a budget is exceeded.
"""

import ast
import re
import statistics
import sys
from pathlib import Path

import nbformat

ROOT = Path(__file__).resolve().parents[2]
BOOK = ROOT / "book"
WIDTH = 79  # characters of a line, in code and in outputs
BUDGETS = {  # measure -> (the most that is allowed, what it is)
    "words": (1500, "words of text, formulas and code aside"),
    "cells": (12, "code cells shown without a click"),
    "median": (8, "lines of a shown cell, median"),
    "longest": (20, "lines of the longest shown cell"),
    "wide code": (0, f"lines of code over {WIDTH} characters"),
    "wide out": (0, f"lines of output over {WIDTH} characters"),
    "raw out": (0, "lines of output with ** or a formula's $"),
    "p 0.000": (0, "p values given as nought"),
    "made text": (0, "words of text that code assembled, tables aside"),
    "figures": (5, "figures"),
    "uncaptioned": (0, "figures without a number and a caption"),
    "objects": (0, "figures above which an object is printed: a legend, a label"),
    "clipped": (0, "phrases that the style bans"),
}
BANNED = (  # phrases that slow a reader down, as patterns; what to write is in CONTRIBUTING.md
    r"\bwhat to see\b",
    r"\bless (?:that|those) of\b",
    r"\bbut for\b",
    r"\btold apart\b",
    r"\bof which none\b",
    r"(?:^|[.!?]\s+)Nor (?:was|were|is|are|do|does|did)\b",
    r"\bfor no reason but\b",
    r"\bp = ?0\.000\b",
)
CODE_AND_FORMULAS = re.compile(
    r"```.*?```|`[^`]*`|\$\$.*?\$\$|\$[^$\n]+\$|\]\([^)]*\)|<[^>]+>", re.S
)
WORD = re.compile(r"[^\W\d_][\w'’-]*")
FOLDED = {"hide-input", "hide-cell", "remove-cell", "remove-input"}


def prose(text: str) -> str:
    """The text without code, formulas, addresses and tags."""
    return CODE_AND_FORMULAS.sub(" ", text)


def clipped(text: str) -> list[str]:
    """The banned phrases in a text."""
    text = " ".join(prose(text).split())
    return [m[0].strip() for rule in BANNED for m in re.finditer(rule, text, re.I)]


def printed(output) -> list[str]:
    """Lines of an output's plain text."""
    data = output.get("data", {})
    rich = {"text/html", "text/markdown", "image/png"} & set(data)
    text = output.get("text", "") or ("" if rich else data.get("text/plain", ""))
    return text.splitlines()


def assembled(output) -> int:
    """Words of an output's Markdown outside of tables."""
    lines = output.get("data", {}).get("text/markdown", "").splitlines()
    return len(WORD.findall(prose("\n".join(x for x in lines if not x.startswith("|")))))


def length(source: str) -> int:
    """Lines of code that say something: neither empty nor a comment alone."""
    return sum(
        bool(line.strip()) and not line.lstrip().startswith("#") for line in source.split("\n")
    )


def measure(notebook: nbformat.NotebookNode) -> dict[str, float]:
    """The measures of `BUDGETS` for a chapter."""
    text = "\n\n".join(c.source for c in notebook.cells if c.cell_type == "markdown")
    code = [c for c in notebook.cells if c.cell_type == "code" and c.source.strip()]
    code = [c for c in code if "remove-cell" not in c.metadata.get("tags", [])]
    shown = [length(c.source) for c in code if not FOLDED & set(c.metadata.get("tags", []))]
    outputs = [output for cell in code for output in cell.get("outputs", [])]
    lines = [line for output in outputs for line in printed(output)]
    pictures = [c for c in code if any("image/png" in o.get("data", {}) for o in c.outputs)]
    captions = [c.metadata.get("mystnb", {}).get("figure", {}).get("caption") for c in pictures]
    titles = [node for cell in code for node in _strings(cell.source)]
    return {
        "words": len(WORD.findall(prose(text))),
        "cells": len(shown),
        "median": statistics.median(shown) if shown else 0,
        "longest": max(shown, default=0),
        "wide code": sum(len(x) > WIDTH for c in code for x in c.source.split("\n")),
        "wide out": sum(len(line) > WIDTH for line in lines),
        "raw out": sum(bool(re.search(r"\*\*|\$[^$ ][^$]*\$", line)) for line in lines),
        "p 0.000": sum(bool(re.search(r"\bp = ?0\.000\b|\bp 0\.000\b", line)) for line in lines),
        "made text": sum(map(assembled, outputs)),
        "figures": len(pictures),
        "uncaptioned": sum(not caption for caption in captions),
        "objects": sum(any(o.output_type == "execute_result" for o in c.outputs) for c in pictures),
        "clipped": len(clipped(text)) + sum(len(clipped(title)) for title in titles),
    }


def _strings(source: str) -> list[str]:
    """The string constants of a cell's code that are text: labels, titles, what is printed."""
    try:
        tree = ast.parse(source)
    except SyntaxError:  # an exercise's hole, a line for the shell
        return []
    nodes = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)]
    return [value for value in nodes if isinstance(value, str) and " " in value]


def excess(measured: dict[str, float]) -> dict[str, float]:
    """What of a chapter's measures is over its budget."""
    return {name: value for name, value in measured.items() if value > BUDGETS[name][0]}


def complaints(found: dict[str, dict]) -> list[str]:
    """A line for each measure over its budget."""
    return [
        f"{stem}: {name} is {value:g}; expected at most {BUDGETS[name][0]} ({BUDGETS[name][1]})"
        for stem, over in sorted(found.items())
        for name, value in over.items()
    ]


def table(measured: dict[str, dict]) -> str:
    """All measures as text, those over their budget starred."""
    heads = ["chapter", *BUDGETS]
    rows = [["budget", *(f"{most}" for most, _ in BUDGETS.values())]]
    for stem, values in measured.items():
        cells = (f"{v:g}{'*' if v > BUDGETS[name][0] else ''}" for name, v in values.items())
        rows.append([stem[:24], *cells])
    widths = [max(len(row[i]) for row in [heads, *rows]) for i in range(len(heads))]
    lines = []
    for row in [heads, *rows]:
        cells = (cell.rjust(w) for cell, w in zip(row[1:], widths[1:], strict=True))
        lines.append("  ".join([row[0].ljust(widths[0]), *cells]))
    return "\n".join(lines)


def main() -> int:
    measured = {
        path.stem: measure(nbformat.read(path, as_version=4))
        for path in sorted(BOOK.glob("[0-9]*.ipynb"))
    }
    found = {stem: over for stem, values in measured.items() if (over := excess(values))}
    for page in [ROOT / "README.md", *sorted(BOOK.glob("*.md"))]:
        if phrases := clipped(page.read_text("utf-8")):
            found[page.name] = {"clipped": len(phrases)}
            print(f"{page.name}: {', '.join(phrases)}")
    print(table(measured))
    said = complaints(found)
    print("\n".join(said) or "nothing is over its budget")
    return bool(said)


if __name__ == "__main__":
    sys.exit(main())
