"""What the losses cost: pages show the measurements that are stored, and stored ones are shown."""

import json
import re

import pytest

from tests.benchmarks import measured_tables as tables
from tests.helpers import ROOT

BOOK = ROOT / "book"
PAGES = [ROOT / "README.md", *sorted(BOOK.glob("*.md")), *sorted(BOOK.glob("reference/*.md"))]
STORED = {
    "name": "losses-speed",
    "hardware": {"processor": "An Engine", "torch_threads": 2, "gpus": []},
    "versions": {"torch": "2.15.0"},
    "rows": [{"B": 128, "D": 512, "runs": 5, "infonce_ms": 1.0, "sharp_ms": 1234.567}],
}


def test_a_table_names_the_instructions_where_they_were_noted():
    avx2 = STORED | {"hardware": STORED["hardware"] | {"instructions": "AVX2"}}
    assert "on An Engine, 2 threads;" in tables.table(STORED)
    assert "on An Engine (AVX2), 2 threads;" in tables.table(avx2)


def test_a_table_is_written_between_its_marks(monkeypatch, tmp_path):
    monkeypatch.setattr(tables, "STORED", tmp_path)
    (tmp_path / "losses-speed.json").write_text(json.dumps(STORED), "utf-8")
    page = "A\n<!-- measured: losses-speed -->\nold\n<!-- end of losses-speed -->\nB\n"
    want = """A
<!-- measured: losses-speed -->
| B | D | InfoNCE, ms | sharp, ms |
|---|---|---|---|
| 128 | 512 | 1.00 | 1,234.57 |

Measured on An Engine, 2 threads; torch 2.15.0.
<!-- end of losses-speed -->
B
"""
    assert tables.shown(page) == want
    assert tables.shown(want) == want


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_pages_show_what_is_stored(path):
    page = path.read_text("utf-8")
    assert tables.shown(page) == page


def test_every_stored_measurement_is_shown():
    text = "".join(path.read_text("utf-8") for path in PAGES)
    assert sorted(re.findall(r"<!-- measured: ([\w-]+) -->", text)) == tables.names()
