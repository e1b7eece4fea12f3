"""Results on University-1652 and SUES-200 that were contributed: one record a file.

A record is what `dphr reproduce` writes; README.md beside this says how to contribute one. No
image is in it. Standard library only, so that a page can be made from it anywhere.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dphr_lab._files import parse_json, read_text
from dphr_lab.results.tables import markdown_table
from dphr_lab.settings import Settings
from dphr_lab.settings.recipes import RECIPES

HERE = Path(__file__).parent
EMPTY = "*No entry yet.*"
MARKS = re.compile(
    r"(?P<start><!-- contributed: real -->)\n.*?(?P<end><!-- end of real -->)", flags=re.DOTALL
)
_TYPES = {  # key -> its type
    "format": int,
    "protocol": str,
    "recipe": dict,
    "settings": dict,
    "data": dict,
    "versions": dict,
    "hardware": dict,
    "wall_s": (int, float),
    "runs": list,
    "rows": list,
}
_QUERIES = {  # (layout, direction) -> queries, and gallery images as published
    ("University-1652", "D2S"): (37_855, 951),
    ("University-1652", "S2D"): (701, 51_355),
    ("SUES-200", "D2S"): (4_000, 200),
    ("SUES-200", "S2D"): (80, 10_000),
}


def entries(folder: Path | None = None) -> dict[str, dict[str, Any]]:
    """The contributed records by file name; raises `ValueError` for one that is not valid."""
    found = {}
    for path in sorted((folder or HERE).glob("*.json")):
        try:
            record = parse_json(read_text(path))
            check(record)
        except ValueError as error:
            raise ValueError(f"{path.name}: {error}") from None
        found[path.name] = record
    return found


def check(record: Mapping[str, Any]) -> None:
    """Raise `ValueError`, saying what and where, unless `record` may stand among the real results.

    The data must be the published one by its counts and rendered by nobody, each row a whole
    report on the published numbers of queries and gallery images.
    """
    try:
        _check(record)
    except (TypeError, KeyError, AttributeError) as error:
        raise ValueError(f"a part of it is of another kind ({error})") from None


def _check(record: Any) -> None:
    if not isinstance(record, Mapping):
        raise ValueError("is no JSON object")
    for name, kind in _TYPES.items():
        if not isinstance(record.get(name), kind):
            raise ValueError(
                f"{name}: found {record.get(name)!r}; expected what dphr reproduce has"
            )
    if record["recipe"].get("name") not in RECIPES:
        raise ValueError(f"recipe: found {record['recipe'].get('name')!r}, which is none of ours")
    Settings.from_dict(record["settings"])
    data = record["data"]
    if data.get("rendered") is not None or not data.get("as_published"):
        raise ValueError(
            "data: only results on the published data sets, by their counts, can stand here; found "
            f"{data.get('rendered') or 'other counts'}"
        )
    if not re.fullmatch(r"[0-9a-f]{64}", str(data.get("sha256"))):
        raise ValueError(f"data.sha256: found {data.get('sha256')!r}; expected 64 hex digits")
    if not record["rows"]:
        raise ValueError("rows: found none")
    for number, row in enumerate(record["rows"]):
        where = f"rows[{number}]"
        report = row.get("report") or {}
        wanted = _QUERIES.get((data.get("layout"), row.get("direction")))
        if wanted is None or wanted != (report.get("queries"), report.get("gallery_given")):
            raise ValueError(
                f"{where}: found {report.get('queries')} queries, {report.get('gallery_given')} "
                f"gallery images; expected {wanted} for {data.get('layout')} {row.get('direction')}"
            )
        for name in ("r_at_1", "r_at_5", "r_at_10", "ap"):
            value = report.get(name)
            if not isinstance(value, (int, float)) or not 0 <= value <= 100:
                raise ValueError(f"{where}.{name}: found {value!r}; expected percent, 0 to 100")
        if not report["r_at_1"] <= report["r_at_5"] <= report["r_at_10"]:
            raise ValueError(f"{where}: R@1, R@5 and R@10 do not rise")


def real_table(folder: Path | None = None) -> str:
    """The contributed results as a Markdown table; one line that says so while there are none."""
    records = list(entries(folder).values())
    return table(records) if records else EMPTY


def table(records: Sequence[Mapping[str, Any]]) -> str:
    """Records of `dphr reproduce` as a Markdown table; below it what each run was, and on what.

    Percent; AP is the official trapezoid. A row holds both gallery protocols.
    """
    heads = ("data", "recipe", "trained on", "direction", "TTA")
    heads += ("R@1 / AP, full", "R@1 / AP, query places")
    rows, notes = [], []
    for record in records:
        data, recipe = record["data"], record["recipe"]
        changed = recipe.get("overridden") or {}
        name = recipe["name"] + ("*" if changed else "")
        cells: dict[tuple, dict[str, str]] = {}
        for row in record["rows"]:
            report = row["report"]
            height = f" {row['height_m']} m" if row["height_m"] else ""
            what = (f"{data['layout']}{height}", name, row["trained_on"], row["direction"])
            level = f"{report['r_at_1']:.2f} / {report['ap']:.2f}"
            stamp = " (selected on the test set)" if report.get("selected_on_test") else ""
            cells.setdefault((*what, report["tta"]), {})[report["gallery_mode"]] = level + stamp
        for what, levels in cells.items():
            shown = (levels.get(mode, "") for mode in ("full", "query_places"))
            rows.append((*what, *shown))
        notes.append(_note(record, changed))
    return markdown_table(heads, rows) + "\n\n" + "\n".join(notes)


def _note(record: Mapping[str, Any], changed: Mapping[str, Any]) -> str:
    """One line on where a record's rows come from."""
    data, hardware = record["data"], record["hardware"]
    where = ", ".join(hardware.get("gpus") or ()) or hardware.get("processor", "unknown")
    changes = "; ".join(f"{name} {entry['run']}" for name, entry in changed.items())
    published = "counts as published" if data["as_published"] else "counts not the published ones"
    return (
        f"* `{record['recipe']['name']}` on {data['rendered'] or data['layout']} "
        f"({data['files']:,} images, {published}, {data['sha256'][:12]}), seed "
        f"{record['settings']['seed']}; {where}; torch {record['versions'].get('torch')}; "
        f"{record['wall_s'] / 3600:.1f} h of training"
        + (f"; *changed: {changes}" if changes else "")
        + "."
    )


def shown(page: str, folder: Path | None = None) -> str:
    """`page` with the marked table as the contributed records give it."""
    return MARKS.sub(lambda m: f"{m['start']}\n{real_table(folder)}\n{m['end']}", page)
