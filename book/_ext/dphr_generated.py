"""Parts of pages that are made when the book is built, from the files that they speak of.

A line `<!-- generated: NAME -->` of a page stands for the text that `PARTS[NAME]()` makes.
"""

import contextlib
import io
import json
import math
import os
import re
from collections import defaultdict
from pathlib import Path

import dphr_reference
from cards import cards_table

from dphr_lab.cli import COMMANDS, build_parser
from dphr_lab.localization.locate import FULL_SCORES
from dphr_lab.results.tables import markdown_table
from dphr_lab.settings.recipes import RECIPES
from dphr_lab.studies import scale

BOOK = Path(__file__).resolve().parents[1]
ROOT = BOOK.parent
RESULTS = ROOT / "dphr_lab" / "results"
COLAB = ROOT / "tests" / "pages" / "colab.json"
MEASUREMENTS = ROOT / "tests" / "benchmarks" / "results"
SHOWN_VERSIONS = ("python", "torch", "timm", "numpy")
NOT_COMPARED = "nbval-ignore-output"


def with_generated_parts(page: str) -> str:
    """`page` with each `<!-- generated: NAME -->` line replaced; KeyError for an unknown name."""
    line = r"^<!-- generated: ([\w-]+) -->$"
    return re.sub(line, lambda found: PARTS[found[1]](), page, flags=re.MULTILINE)


# ---- the command line ------------------------------------------------------------------------


def command_line() -> str:
    """`dphr --help`, and a section with the help of each command."""
    names = [module.__name__.rpartition(".")[2] for module in COMMANDS]
    sections = [_help()]
    sections += [f"## `dphr {name}`\n\n{_help(name)}" for name in names]
    return "\n\n".join(sections)


def _help(*command: str) -> str:
    printed = io.StringIO()
    before = os.environ.get("COLUMNS")
    os.environ["COLUMNS"] = "92"  # argparse breaks its lines by the window
    try:
        with contextlib.redirect_stdout(printed), contextlib.suppress(SystemExit):
            build_parser().parse_args([*command, "--help"])
    finally:
        os.environ.pop("COLUMNS")
        if before is not None:
            os.environ["COLUMNS"] = before
    return f"```text\n{printed.getvalue().rstrip()}\n```"


# ---- from a campus to a country ----------------------------------------------------------------

AREAS = (
    ("for comparison: a circle of 2 km", math.pi * 4),
    ("campus, 1 km²", 1),
    ("town, 100 km²", 100),
    ("region, 10,000 km²", 10_000),
    ("country, 357,000 km²", 357_000),
)
STRIDE_M, DIM = 30, 1280  # of chapter 12
UNITS = (("ms", 1e-3), ("s", 1), ("minutes", 60), ("hours", 3600))


def scale_costs() -> str:
    """A row an area: tiles, bytes, time of a core to build, to score, and of a bare search."""
    per_tile_s = max(i["search_ms"] / i["rows"] for i in scale.constants()["index"]
                     if (i["kind"], i["dim"]) == ("exact", DIM)) / 1e3  # fmt: skip
    score_s = scoring_rate()
    rows = []
    for name, km2 in AREAS:
        cost = scale.map_cost(km2, STRIDE_M, DIM, building_rate())
        no_map = name.startswith("for comparison")
        rows.append((name, f"{cost.tiles:,.0f}", _bytes(cost.embedding_bytes),
                     "–" if no_map else _time(3600 * cost.hours),
                     *((_time(a_tile_s * cost.tiles) for a_tile_s in (score_s, per_tile_s))
                       if cost.tiles <= FULL_SCORES else ("index", "–"))))  # fmt: skip
    heads = "map", "tiles", "embeddings", "building", "scoring", "FAISS alone"
    return markdown_table(heads, rows)


def scoring_rate() -> float:
    """Seconds a tile of what `dphr locate` does for a photograph at one heading (first map)."""
    first = next(s for s in scale.scoring()["scoring"] if s["headings"] == 1)
    return first["score_ms"] / 1e3 / first["rows"]


def building_rate() -> float:
    """Tiles a second of one core, of a whole build at 128 px."""
    return json.loads((MEASUREMENTS / "maps-building.json").read_text("utf-8"))["rows"][0][
        "tiles_a_s"
    ]


def scale_indices() -> str:
    """A row a measured index."""
    rows = [
        (
            {"exact": "exact", "ivfpq": "IVF-PQ"}[i["kind"]], f"{i['rows']:,}", i["dim"],
            f"{i['bytes_a_row']:.0f}", f"{i['search_ms']:.2f}", f"{100 * i['recall_at_10']:.0f}",
        )
        for i in scale.constants()["index"]
    ]  # fmt: skip
    heads = "index", "tiles", "D", "bytes a tile in memory", "search, ms", "recall, %"
    return markdown_table(heads, rows)


def scale_picture() -> str:
    """Tiles, a town and a country, drawn to scale."""
    px = 200  # of a panel's side
    dots = "".join(f'<circle cx="{x}" cy="{y}" r="1.5"/>'
                   for x in range(0, px + 1, 25) for y in range(0, px + 1, 25))  # fmt: skip
    tiles = (f'<g fill="#999">{dots}</g><g fill="none" stroke-width="2.5">'
             '<rect x="25" y="75" width="100" height="100" stroke="#0072b2"/>'
             '<rect x="50" y="75" width="100" height="100" stroke="#d55e00"/></g>')  # fmt: skip
    town = ('<circle cx="80" cy="110" r="40" fill="#e69f00" fill-opacity=".5"/>'
            '<rect x="70" y="100" width="20" height="20" fill="#0072b2"/>')  # fmt: skip
    side = px * 10 / AREAS[-1][1] ** 0.5
    country = f'<rect x="80" y="110" width="{side:.2f}" height="{side:.2f}" fill="#e69f00"/>'
    panels = (
        ("Two tiles, one stride apart", "240 m of ground", tiles),
        ("A town", "10 km", town),
        ("A country", "600 km", country),
    )
    drawn = "".join(
        f'<g transform="translate({20 + 240 * i} 30)"><text x="100" y="-10" font-weight="bold">'
        f'{title}</text>{inside}<rect width="{px}" height="{px}" fill="none" stroke="#333"/>'
        f'<text x="100" y="{px + 20}">{width}</text></g>'
        for i, (title, width, inside) in enumerate(panels)
    )
    said = ("Three squares, drawn to scale. Left, 240 m of ground with a dot every 30 m and the "
            "outlines of two tiles of 120 m, which overlap by three quarters. Middle, a town of "
            "10 km with a campus of 1 km in a circle of 2 km radius. Right, a country of 600 km, "
            "in which the whole town is a small square.")  # fmt: skip
    return (
        f'<figure>\n<svg viewBox="0 0 720 260" role="img" aria-label="{said}" width="100%" '
        'font-family="sans-serif" font-size="14" text-anchor="middle">'
        f'<rect width="720" height="260" fill="white"/>{drawn}</svg>\n'
        "<figcaption><p>To scale. Left: each dot is the centre of a tile; two tiles are outlined. "
        "Middle: a campus (blue) in a circle of 2 km, which a drone that took off there two "
        "minutes ago has not left at 15 m/s. Right: the small square is that whole town. "
        "Which of these would you search with each photograph?</p></figcaption>\n</figure>"
    )


def scale_measured() -> str:
    """The command, the encoder's rates, and the machine."""
    stored = scale.constants()
    rates = " and ".join(
        f"{e['images_a_s']:.0f} images a second at {e['image_px']} px" for e in stored["embedding"]
    )
    where, versions, scored = stored["hardware"], stored["versions"], scale.scoring()
    return (
        f"Searches, each the least of 30: `{stored['command']}` on {where['processor']}, one core; "
        f"torch {versions['torch']}. Scoring, the median of 9: `{scored['command']}` on "
        f"{scored['hardware']['processor']} ({scored['hardware']['instructions']}). By itself, "
        f"without reading tiles, the network embeds {rates} "
        f"(`{stored['embedding'][0]['backbone']}`)."
    )


def _bytes(count: float) -> str:
    for unit in ("kB", "MB", "GB"):
        count /= 1000
        if count < 1000:
            return f"{count:.3g} {unit}"
    return f"{count / 1000:.3g} TB"


def _time(seconds: float) -> str:
    unit, worth = next((u for u in reversed(UNITS) if seconds >= u[1]), UNITS[0])
    return f"{seconds / worth:,.{int(seconds / worth < 9.95)}f} {unit}"


# ---- how this book is checked ----------------------------------------------------------------


def chapters() -> str:
    """A row a chapter: how many of its cells ran, which outputs are compared, and where it ran."""
    rows = []
    for stem in dphr_reference.chapters().values():
        notebook = json.loads((BOOK / f"{stem}.ipynb").read_text("utf-8"))
        cells = [c for c in notebook["cells"] if c["cell_type"] == "code" and "".join(c["source"])]
        ran = sum(cell["execution_count"] is not None for cell in cells)
        failed = sum(o["output_type"] == "error" for cell in cells for o in cell["outputs"])
        compared = sum(NOT_COMPARED not in cell["metadata"].get("tags", []) for cell in cells)
        rows.append(
            (
                f"{{doc}}`{stem}`",
                f"{ran} of {len(cells)}",
                failed,
                compared,
                _where(notebook["metadata"].get("executed", {})),
            )
        )
    return markdown_table(("chapter", "cells run", "failed", "outputs compared", "run with"), rows)


def studies() -> str:
    """A row a study: its stored runs, seeds and minutes, and where they ran."""
    rows = []
    for folder in sorted(path for path in RESULTS.iterdir() if (path / "study.toml").exists()):
        runs = _stored(folder, "*-s*.json")  # and not its trials
        seeds = {run["settings"]["seed"] for run in runs if "settings" in run}
        rows.append(
            (
                f"`{folder.name}`",
                len(runs) or "none yet",
                ", ".join(map(str, sorted(seeds))),
                f"{sum(run.get('wall_s', 0) for run in runs) / 60:.0f}" if runs else "",
                _where(*runs),
            )
        )
    return markdown_table(("study", "runs", "seeds", "minutes", "run with"), rows)


def measurements() -> str:
    """A row for every other stored measurement: probes, calibration, timings."""
    rows = []
    folders = [path for path in RESULTS.iterdir() if path.is_dir()]
    for folder in sorted(path for path in folders if not (path / "study.toml").exists()):
        if records := _stored(folder):
            rows.append((f"`dphr_lab/results/{folder.name}`", len(records), _where(*records)))
    by_kind = defaultdict(list)
    for record in _stored(MEASUREMENTS):
        by_kind[record["name"].partition("-")[0]].append(record)
    for kind, records in sorted(by_kind.items()):
        rows.append((f"`tests/benchmarks`: {kind}", len(records), _where(*records)))
    return markdown_table(("stored in", "files", "made with"), rows)


def ci_steps() -> str:
    """The steps of .ci/run, as it runs them."""
    text = (ROOT / ".ci" / "run").read_text("utf-8")
    rows = re.findall(r"^step (\S+) (.+)$", text, re.MULTILINE)
    return markdown_table(("step", "command"), [(name, f"`{command}`") for name, command in rows])


def colab() -> str:
    """A row a chapter that ran as on Colab: when, for how long, and where."""
    if not COLAB.exists():
        return "This has not been stored yet."
    rows = [
        (f"{{doc}}`{stem}`", run["date"], f"{run['wall_s']:.0f}", _where(run))
        for stem, run in json.loads(COLAB.read_text("utf-8"))["chapters"].items()
    ]
    return markdown_table(("chapter", "run on", "seconds", "run with"), rows)


# ---- what training takes ---------------------------------------------------------------------


def cards() -> str:
    """What a step of the recipes takes: memory, time at least, and the cards that it fits."""
    stored = json.loads((RESULTS / "memory" / "cards.json").read_text("utf-8"))
    measured = sum(row["how"] == "measured" for row in stored["rows"])
    whose = f"{measured} of these rows are measured" if measured else "No row is measured"
    return f"{cards_table(stored)}\n\n{whose}; counted with {_where(stored)}."


def workers() -> str:
    """How many cores of readers a step of University-1652's recipe needs, worked out."""
    settings = RECIPES["dphr-university1652"].settings()
    stored = json.loads((MEASUREMENTS / "decoding-augmented.json").read_text("utf-8"))
    rates = {r["view"]: r for r in stored["rows"] if r["image_px"] == settings.image_px}
    ways = {"ours_images_per_s": "", "prepared_images_per_s": " after `dphr prepare`"}
    sums, read_s = [], []
    for way, when in ways.items():
        parts = [rates[view][way] for view in ("drone", "satellite")]
        read_s.append(sum(settings.batch / rate for rate in parts))
        terms = " + ".join(f"{settings.batch} / {rate:.0f}" for rate in parts)
        sums.append(f"{terms} = {read_s[-1]:.2f} s{when}")
    rows = [
        (step_s, *(math.ceil(one / step_s) for one in read_s)) for step_s in (2.0, 1.0, 0.5, 0.25)
    ]
    heads = ("seconds a step", "workers", "workers after `dphr prepare`")
    return (
        f"For University-1652's recipe, {settings.batch} pairs of {settings.image_px} px, that is "
        f"{', and '.join(sums)}, of one core of the processor above. Divided by the seconds that "
        f"a step takes on your GPU, and rounded up:\n\n{markdown_table(heads, rows)}"
    )


def _stored(folder: Path, names: str = "*.json") -> list[dict]:
    return [json.loads(path.read_text("utf-8")) for path in sorted(folder.glob(names))]


def _where(*records: dict) -> str:
    """Versions and machines of records, each once, as a reader needs them."""
    found = []
    for record in records:
        if "versions" not in record:
            found.append("not recorded")
            continue
        versions, machine = record["versions"], record["hardware"]
        gpus = ", ".join(machine["gpus"]) or "no GPU"
        found.append(
            ", ".join(f"{name} {versions[name]}" for name in SHOWN_VERSIONS if name in versions)
            + f"; {machine['processor']}, {machine['cores']} cores, {gpus}"
        )
    return "; or ".join(dict.fromkeys(found))


def weights() -> str:
    """By how much weights differ within a batch: a row a map, a group of columns an encoder."""
    records = _stored(RESULTS / "weights")
    looks = list(records[0]["looks"])
    heads = ("map", *(f"{look}: 95th to 5th; effective; cosine" for look in looks))
    rows = []
    for name in records[0]["looks"][looks[0]]["maps"]:
        cells = []
        for look in looks:
            found = [record["looks"][look]["maps"][name] for record in records]
            ratio, share, cosine = (
                sum(each[measure] for each in found) / len(found)
                for measure in ("p95_to_p5", "effective_share", "cosine")
            )
            cells.append(f"{ratio:.2f}; {100 * share:.0f} %; {cosine:.3f}")
        rows.append((name, *cells))
    seeds = len(records)
    return f"{markdown_table(heads, rows)}\n\n{seeds} seed(s); {_where(*records)}."


PARTS = {
    "weights": weights,
    "command-line": command_line,
    "chapters": chapters,
    "studies": studies,
    "measurements": measurements,
    "colab": colab,
    "ci-steps": ci_steps,
    "cards": cards,
    "workers": workers,
    "scale-costs": scale_costs,
    "scale-indices": scale_indices,
    "scale-picture": scale_picture,
    "scale-measured": scale_measured,
}
