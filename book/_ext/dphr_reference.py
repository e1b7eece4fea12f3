"""The reference pages: what autodoc is told of this package.

Docstrings here are plain text with `code`, and autodoc reads reStructuredText. A field is described
by the comment beside it, which autodoc does not see. And every name ends with the chapters that
teach and use it: the first are in the docstrings ("Taught in: book/07"), the second in the
chapters' code.
"""

import ast
import importlib
import inspect
import re
import textwrap
from functools import cache
from importlib.util import find_spec
from pathlib import Path

BOOK = Path(__file__).resolve().parents[1]
TAUGHT = re.compile(r"\s*Taught in: ([^.]+)\.")

# What no chapter teaches or uses, by the start of its name, and why it is public all the same.
IN_NO_CHAPTER = {
    "dphr_lab.datasets": "reading, checking and augmenting images; see :doc:`/data`",
    "dphr_lab.settings": "explained field by field above",
    "dphr_lab.settings.recipes": "``dphr recipes`` shows them; see :doc:`/reference/commands`",
    "dphr_lab.studies.reproduction": "what ``dphr reproduce`` does; see :doc:`/reference/commands`",
    "dphr_lab.training.step_cost": "for ``dphr train``; see :doc:`/reference/commands`",
    "dphr_lab.training.dry_run": "for ``dphr train``; see :doc:`/reference/commands`",
    "dphr_lab.losses.AsMetricLearning": "joins a loss to another library's training loop",
    "dphr_lab.losses.MetricLearningLoss": "peers of the studies; see :doc:`/21_the_study`",
    "dphr_lab.losses.MeanOverParts": "joins a pair loss to the parts of a host",
    "dphr_lab.losses.microbatch": "large batches in little memory, for training loops",
    "dphr_lab.losses.processes": "batches over several processes, for training loops",
    "dphr_lab.training": "parts of ``fit``, for training loops",
    "dphr_lab.results.run_folder": "parts of ``fit``, for training loops",
    "dphr_lab.localization": "parts of ``evaluate_dataset`` and ``dphr search``",
    "dphr_lab.retrieval": "embeddings of other programs; see :doc:`/reference/commands`",
    "dphr_lab.results": "reads what is stored; see :doc:`/checked`",
    "dphr_lab.models": "hosts, and parts of an ``Encoder``; see :doc:`/data`",
    "dphr_lab.studies": "makes what is stored; :doc:`/teach` has a study of your own",
    "dphr_lab.studies.tuning": "equal budgets for arms; see :doc:`/reference/commands`",
    "dphr_lab.studies.comparisons": "parts of a study's report",
    "dphr_lab.studies.transfer": "a rule written before the runs that it is for",
    "dphr_lab.results.environment": "what is stored beside a number; see :doc:`/checked`",
    "dphr_lab.scenes": "a part of the renderer; :doc:`/datasheet` says what it makes",
    "dphr_lab.scenes.photos": "needs aerial tiles, which no chapter may assume",
    "dphr_lab.probe": "a part of the probe",
    "dphr_lab.plotting": "what figures of a loss draw with",
    "dphr_lab.teaching": "for chapters",
}
# Modules without a place in the reference, and why.
INTERNAL = {
    "dphr_lab._child": "private",
    "dphr_lab._files": "private",
    "dphr_lab._images": "private",
    "dphr_lab._locks": "private",
    "dphr_lab._terminal": "private",
    "dphr_lab.cli": "the commands have a page",
}


def setup(app) -> None:
    app.connect("autodoc-process-docstring", _rewrite)
    app.connect("autodoc-skip-member", _skip)


# ---- text ------------------------------------------------------------------------------------


def as_rest(text: str) -> str:
    """A docstring of this package as reStructuredText that Sphinx reads without warnings.

    `code` becomes literal, other marks are escaped, and a block with indented lines that is no
    list is set as it stands.
    """
    blocks = re.split(r"\n\s*\n", inspect.cleandoc(text))
    return "\n\n".join(_block(block) for block in blocks if block.strip())


def _block(block: str) -> str:
    is_list = re.match(r"[*-] ", block)
    if re.search(r"^\s|\S   ", block, re.MULTILINE) and not is_list:
        return "::\n\n" + textwrap.indent(textwrap.dedent(block), "    ")
    before, *pairs = re.split(r"`([^`]+)`", block)
    said = _escaped(before)
    for code, after in zip(pairs[::2], pairs[1::2], strict=True):
        glue = "\\ "  # a literal may not touch a letter
        said += glue * said[-1:].isalnum() + f"``{code}``" + glue * after[:1].isalnum()
        said += _escaped(after)
    return said


def _escaped(text: str) -> str:
    mark = r"^(\* )|([\\|]|(?<!\*)\*(?!\*)|(?<=\w)_(?!\w))"  # the first is a list's
    return re.sub(mark, lambda found: found[1] or "\\" + found[2], text, flags=re.MULTILINE)


# ---- chapters --------------------------------------------------------------------------------


@cache
def chapters() -> dict[str, str]:
    """Number -> name of its file, of the chapters that are in the book."""
    listed = (BOOK / "_toc.yml").read_text("utf-8")
    stems = [path.stem for path in sorted(BOOK.glob("[0-9]*.ipynb"))]
    return {stem[:2]: stem for stem in stems if f"file: {stem}\n" in listed}


@cache
def used() -> dict[str, list[str]]:
    """Public name -> numbers of the chapters whose code imports it."""
    found: dict[str, list[str]] = {}
    for number, stem in chapters().items():
        tree = ast.parse((BOOK / f"{stem}.py").read_text("utf-8"))
        modules, names = {}, set()
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("dphr_lab"):
                for alias in node.names:
                    full = f"{node.module}.{alias.name}"
                    modules[alias.asname or alias.name] = full
                    names.add(full)
        for node in ast.walk(tree):  # such as scenes.make_world
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                module = modules.get(node.value.id, "")
                if module and _has(module, node.attr):
                    names.add(f"{module}.{node.attr}")
        for name in sorted(name for name in names if not _is_module(name)):
            found.setdefault(name, []).append(number)
    return found


def _is_module(name: str) -> bool:
    """Whether a dotted name is a module and not something in one."""
    try:
        return find_spec(name) is not None
    except ModuleNotFoundError:  # what stands before the last dot is no package
        return False


def _has(module: str, name: str) -> bool:
    try:
        return hasattr(importlib.import_module(module), name)
    except ModuleNotFoundError:  # a name of the package itself
        return False


def taught(docstring: str | None) -> list[str]:
    """Numbers of the chapters that a docstring names."""
    match = TAUGHT.search(docstring or "")
    return re.findall(r"book/(\d\d)", match[1]) if match else []


def why_in_no_chapter(name: str) -> str | None:
    """The reason of the longest start of `name` that has one."""
    starts = [start for start in IN_NO_CHAPTER if f"{name}.".startswith(f"{start}.")]
    return IN_NO_CHAPTER[max(starts, key=len)] if starts else None


def chapter_line(name: str, obj: object) -> str | None:
    """Where the book has this name, as reStructuredText; None where nothing is known."""
    module = inspect.getmodule(obj) if callable(obj) else None
    teaching = taught(getattr(obj, "__doc__", None) if callable(obj) else None)
    teaching = teaching or taught(getattr(module, "__doc__", None))
    using = [number for number in used().get(name, []) if number not in teaching]
    said = [
        f"{verb} {', '.join(map(_link, numbers))}"
        for verb, numbers in (("Taught in", teaching), ("Used in", using))
        if numbers
    ]
    if said:
        return ". ".join(said) + "."
    if reason := why_in_no_chapter(name):
        return f"In no chapter: {reason}."
    return None


def _link(number: str) -> str:
    return f":doc:`/{chapters()[number]}`" if number in chapters() else f"chapter {number}"


# ---- fields and constants --------------------------------------------------------------------


def comments(source: str, body: list[ast.stmt]) -> dict[str, str]:
    """Name -> the comment at the end of its line, or on the line below after "# ^"."""
    lines, found = source.splitlines(), {}
    for node in body:
        target = node.targets[0] if isinstance(node, ast.Assign) else getattr(node, "target", None)
        if not isinstance(target, ast.Name):
            continue
        end = lines[node.end_lineno - 1].encode()[node.end_col_offset :].decode()
        below = lines[node.end_lineno] if node.end_lineno < len(lines) else ""
        if text := re.match(r"\s*#:? (.+)", end) or re.match(r"\s*# \^ (.+)", below):
            found[target.id] = text[1].strip()
    return found


def fields(cls: type) -> dict[str, str]:
    """What each field of a dataclass or named tuple is, by its help or the comment beside it."""
    try:
        source = textwrap.dedent(inspect.getsource(cls))
    except (OSError, TypeError):  # made by code
        return {}
    found = comments(source, ast.parse(source).body[0].body)
    for name, field in getattr(cls, "__dataclass_fields__", {}).items():
        if help_text := field.metadata.get("help"):
            found[name] = help_text
    return {name: text for name, text in found.items() if not name.startswith("_")}


@cache
def constants(module: str) -> dict[str, str]:
    """Comments of the constants of a module, or of all modules of a package."""
    path = Path(importlib.import_module(module).__file__)
    files = sorted(path.parent.glob("*.py")) if path.name == "__init__.py" else [path]
    found = {}
    for file in files:
        source = file.read_text("utf-8")
        found |= comments(source, ast.parse(source).body)
    return found


# ---- what is public --------------------------------------------------------------------------


def documented() -> dict[str, list[str]]:
    """Public name -> the pages of book/reference that show it, by their directives."""
    shown: dict[str, list[str]] = {}
    for page in sorted((BOOK / "reference").glob("*.md")):
        text = page.read_text("utf-8")
        for module in re.findall(r"^\.\. automodule:: (\S+)", text, re.MULTILINE):
            for name in public(module):
                shown.setdefault(f"{module}.{name}", []).append(page.stem)
        for name in re.findall(r"^\.\. auto(?:data|function|class):: (\S+)", text, re.MULTILINE):
            shown.setdefault(name, []).append(page.stem)
    return shown


def public(module: str) -> list[str]:
    """`__all__`; for a module without one, its own functions and classes without underscore."""
    loaded = importlib.import_module(module)
    if hasattr(loaded, "__all__"):
        return list(loaded.__all__)
    return [
        name
        for name, value in vars(loaded).items()
        if not name.startswith("_")
        and (inspect.isclass(value) or inspect.isfunction(value))
        and value.__module__ == module
    ]


# ---- events of autodoc -----------------------------------------------------------------------


def _rewrite(app, what: str, name: str, obj, options, lines: list[str]) -> None:
    text = "\n".join(lines)
    if what == "class" and text.startswith(f"{obj.__name__}("):
        text = ""  # what dataclass writes by itself: the signature once more
    module, _, last = name.rpartition(".")
    if what == "data":
        text = constants(module).get(last, "")
    said = [as_rest(TAUGHT.sub("", text))] if text.strip() else []
    if what == "class":
        described = fields(obj).items()
        said.append("\n".join(f"* ``{field}``: {_block(text)}" for field, text in described))
    if what in ("class", "function", "data", "exception"):
        said.append(chapter_line(name, obj) or "")
    lines[:] = "\n\n".join(part for part in said if part).splitlines() + [""]


def _skip(app, what: str, name: str, obj, skip: bool, options) -> bool | None:
    if what != "class":
        return None
    is_method = inspect.isroutine(obj) or isinstance(obj, property)
    return None if is_method and getattr(obj, "__doc__", None) else True
