"""Parts of pages made at build time say what the files say."""

import json
import math
import re
import sys

import nbformat
import pytest

from dphr_lab import results
from dphr_lab.cli import COMMANDS
from dphr_lab.training.step_cost import CARD_SHARE
from tests.helpers import ROOT

BOOK = ROOT / "book"
TOC = (BOOK / "_toc.yml").read_text("utf-8")
sys.path.append(str(BOOK / "_ext"))
import dphr_generated as generated  # noqa: E402
from cards import TFLOP_PER_S  # noqa: E402


def rows(table):
    return [[cell.strip() for cell in line.strip("| ").split(" | ")] for line in table.splitlines()]


def test_every_part_is_on_a_page_and_every_page_asks_for_parts_there_are():
    asked = set()
    for page in [*BOOK.glob("*.md"), *BOOK.glob("reference/*.md")]:
        text = page.read_text("utf-8")
        asked |= set(re.findall(r"<!-- generated: ([\w-]+) -->", text))
        assert "<!-- generated" not in generated.with_generated_parts(text)
    assert asked == set(generated.PARTS)


def test_an_unknown_part_stops_the_build():
    with pytest.raises(KeyError, match="no-such"):
        generated.with_generated_parts("<!-- generated: no-such -->\n")


def test_every_command_has_its_help(monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")  # the reader's window has no say
    text = generated.command_line()
    assert len(re.findall(r"^## `dphr ", text, re.MULTILINE)) == len(COMMANDS)
    for module in COMMANDS:
        name = module.__name__.rpartition(".")[2]
        assert f"## `dphr {name}`\n\n```text\nusage: dphr {name} " in text
    long = [line for line in text.splitlines() if not 0 <= len(line) <= 92]
    assert all("{" in line for line in long), long  # choices in braces are never broken
    assert any(80 < len(line) <= 92 for line in text.splitlines())
    assert "--learning-rate" in text


def test_the_chapters_are_as_stored():
    paths = sorted(path for path in BOOK.glob("[0-9]*.ipynb") if f"file: {path.stem}\n" in TOC)
    table = rows(generated.chapters())[2:]
    assert [row[0] for row in table] == [f"{{doc}}`{path.stem}`" for path in paths]
    for path, (_, ran, failed, compared, where) in zip(paths, table, strict=True):
        notebook = nbformat.read(path, 4)
        cells = [c for c in notebook.cells if c.cell_type == "code" and c.source.strip()]
        ignored = [c for c in cells if "nbval-ignore-output" in c.metadata.get("tags", [])]
        assert (ran, failed) == (f"{len(cells)} of {len(cells)}", "0")
        assert int(compared) == len(cells) - len(ignored)
        recorded = notebook.metadata.get("executed", {}).get("versions", {})
        assert where == "not recorded" or f"torch {recorded['torch']}" in where


def test_the_studies_are_as_stored():
    table = {row[0].strip("`"): row[1:] for row in rows(generated.studies())[2:]}
    assert set(results.studies()) <= set(table) | {"probe", "probe_photo"}
    runs = results.load("main")
    number, seeds, minutes, where = table["main"]
    assert int(number) == len(runs)
    assert seeds == ", ".join(str(seed) for seed in sorted({seed for *_, seed in runs}))
    assert float(minutes) == pytest.approx(sum(r["wall_s"] for r in runs.values()) / 60, abs=0.51)
    for run in runs.values():
        assert f"torch {run['versions']['torch']}" in where
        assert run["hardware"]["processor"] in where


def test_two_machines_are_both_named():
    machine = {"processor": "A", "cores": 2, "gpus": []}
    one = {"versions": {"torch": "2.2"}, "hardware": machine}
    other = {"versions": {"torch": "2.3"}, "hardware": machine | {"gpus": ["H"]}}
    said = generated._where(one, one, other, {})
    assert said == "torch 2.2; A, 2 cores, no GPU; or torch 2.3; A, 2 cores, H; or not recorded"


def test_the_measurements_are_as_stored():
    text = generated.measurements()
    for path in generated.MEASUREMENTS.glob("*.json"):
        assert json.loads(path.read_text("utf-8"))["versions"]["torch"] in text
    count = len(list((generated.RESULTS / "calibration").glob("*.json")))
    assert f"| `dphr_lab/results/calibration` | {count} |" in text


def test_the_runs_as_on_colab_are_as_stored(tmp_path, monkeypatch):
    if not generated.COLAB.exists():
        assert "not been stored" in generated.colab()
        return
    stored = json.loads(generated.COLAB.read_text("utf-8"))["chapters"]
    table = {row[0]: row[1:] for row in rows(generated.colab())[2:]}
    assert set(table) == {f"{{doc}}`{stem}`" for stem in stored}
    for stem, run in stored.items():
        date, seconds, where = table[f"{{doc}}`{stem}`"]
        assert date == run["date"] and abs(float(seconds) - run["wall_s"]) <= 0.5
        assert f"torch {run['versions']['torch']}" in where
    monkeypatch.setattr(generated, "COLAB", tmp_path / "none.json")
    assert "not been stored" in generated.colab()


def test_the_steps_are_those_of_ci():
    steps = rows(generated.ci_steps())[2:]
    text = (ROOT / ".ci" / "run").read_text("utf-8")
    assert len(steps) == len(re.findall(r"^step ", text, re.MULTILINE)) >= 5
    for name, command in steps:
        assert f"step {name} {command.strip('`')}\n" in text


def test_the_cards_are_as_stored():
    stored = json.loads((generated.RESULTS / "memory" / "cards.json").read_text("utf-8"))
    table, said = generated.cards().split("\n\n")
    assert len(rows(table)) == 2 + len(stored["rows"])
    measured = sum(row["how"] == "measured" for row in stored["rows"])
    assert said.startswith("No row is measured" if not measured else f"{measured} of these rows")
    assert f"torch {stored['versions']['torch']}" in said
    data = (BOOK / "data.md").read_text("utf-8")
    assert f"at most {CARD_SHARE:.0%}".replace("%", " %") in data
    assert f"divided by {TFLOP_PER_S:.0f} TFLOP/s" in data.replace("\n", " ")


def test_the_workers_are_those_of_the_stored_rates():
    stored = json.loads((generated.MEASUREMENTS / "decoding-augmented.json").read_text("utf-8"))
    rates = {row["view"]: row for row in stored["rows"] if row["image_px"] == 384}
    text, *_, table = generated.workers().split("\n\n")
    shown = [float(seconds) for seconds in re.findall(r"= ([\d.]+) s", text)]
    for column, (way, least_s) in enumerate(
        zip(("ours_images_per_s", "prepared_images_per_s"), shown, strict=True), start=1
    ):
        one_s = sum(128 / rate[way] for rate in rates.values())
        assert least_s == pytest.approx(one_s, abs=0.006)
        for row in rows(table)[2:]:
            step_s, workers = float(row[0]), int(row[column])
            assert one_s / workers <= step_s < one_s / max(workers - 1, 1e-9)


def test_the_costs_of_maps_are_worked_out_from_the_stored_rates():
    page = " ".join((BOOK / "campus_to_country.md").read_text("utf-8").split())
    rate = generated.building_rate()
    assert f"at the {rate} tiles a second" in page and f"At {rate} tiles a second" in page
    table = {row[0]: row[1:] for row in rows(generated.scale_costs())[2:]}
    tiles, embeddings, building, scoring, search = table["town, 100 km²"]
    assert (tiles, embeddings) == ("111,111", "284 MB")  # 100 km² / (30 m)², 2560 bytes each
    assert building == f"{1e8 / 900 / rate / 60:.0f} minutes"
    slow = next(i for i in generated.scale.constants()["index"] if i["dim"] == 1280)
    assert f"{slow['search_ms']:.1f} ms for {slow['rows']:,} tiles" in page
    assert search == f"{slow['search_ms'] / slow['rows'] * 1e8 / 900:.1f} ms"
    stored = {
        (s["headings"], s["rows"]): s["score_ms"] for s in generated.scale.scoring()["scoring"]
    }
    one, eight = stored[1, 25_000], stored[8, 25_000]
    assert f"takes {one} ms for 25,000 tiles" in page
    assert f"take {eight} ms for 25,000 tiles, not eight times as long" in page and eight < 2 * one
    assert f"and {stored[1, 100_000]} ms for 100,000" in page
    assert scoring == generated._time(one / 25e6 * 1e8 / 900)
    assert stored[1, 100_000] == pytest.approx(4 * one, rel=0.25)  # it grows with the tiles
    per_tile_s = generated.scoring_rate()
    town_s = per_tile_s * 1e8 / 900
    assert f"takes {town_s:.1f} seconds for a town and {round(100 * town_s, -1):.0f} for" in page
    assert f"in about {round(100 * town_s, -1):.0f} s if the 28 GB" in page
    assert f"| {round(900 / per_tile_s / 1e6, -1):.0f} km² | scoring takes over a second" in page
    assert f"takes about {per_tile_s * 8e9 / 2560:.0f} s. For single" in page
    assert f"compared in {per_tile_s * 36e6 * math.pi / 900:.1f} s" in page
    assert table["country, 357,000 km²"][3] == "index"
    cells = 4e6 / generated.STRIDE_M**2  # of half a stride
    assert f"{cells:,.0f} a square kilometre" in page
    assert round(2**31 / 16 / cells, -4) == 30_000
    asked = generated.scale.map_cost(400, 40, 256, rate)  # exercise 1
    assert f"{asked.tiles:,.0f} tiles" in page and f"{asked.embedding_bytes / 1e6:.0f} MB" in page
    assert f"{60 * asked.hours:.0f} minutes. :::" in page


def test_the_sums_of_a_country_go_by_the_build_and_the_indices_that_were_measured():
    page = " ".join((BOOK / "campus_to_country.md").read_text("utf-8").split())
    stored = json.loads((generated.MEASUREMENTS / "maps-building.json").read_text("utf-8"))
    build = stored["rows"][0]
    tile_ms = 1000 / build["tiles_a_s"]
    network_ms = build["ratio_to_encoder"] * tile_ms
    exported_ms = tile_ms - network_ms + network_ms * 2.3 / 8.8  # chapter 13's two times
    assert f"build: {build['tiles']} tiles" in page and f"A tile takes {tile_ms:.1f} ms" in page
    assert f"takes {build['ratio_to_encoder']} of it, {network_ms:.1f} ms" in page
    assert f"alone embedded {1000 / network_ms:.0f} images a second at 128 px" in page
    *exact, pq = generated.scale.constants()["index"]
    cost = generated.scale.map_cost(357_000, 30, 1280, build["tiles_a_s"], pq["code_bytes"])
    assert f"{exported_ms:.1f} ms, and the country {cost.tiles * exported_ms / 864e5:.0f}" in page
    assert f"about {cost.index_bytes / 1e9:.0f} GB of memory" in page
    assert f"{cost.embedding_bytes / 1e12:.2f} TB of vectors" in page
    assert f"the {pq['bytes_a_row']:.0f} bytes" in page and f"a code of {pq['code_bytes']}" in page
    rates = [1e6 * i["search_ms"] / (i["rows"] * i["bytes_a_row"]) for i in exact]
    small, large, wide = (f"{rate:.3f}" for rate in rates)
    assert f"takes {small} ms, the two larger ones {large} and {wide} ms" in page
    times = exact[1]["search_ms"] / exact[0]["search_ms"]
    assert f"four times the tiles take {times:.1f} times as long" in page


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0.00009, "0.1 ms"),
        (0.0112, "11 ms"),
        (31.7, "32 s"),
        (570, "9.5 minutes"),
        (1e6, "278 hours"),
    ],
)
def test_a_time_has_the_unit_that_a_person_would_use(seconds, said):
    assert generated._time(seconds) == said
