"""`dphr reproduce` at small size, its record, and what may stand among the real results."""

import copy
import hashlib
import json
import re
import sys

import pytest

from dphr_lab import results
from dphr_lab.datasets import open_dataset
from dphr_lab.results import real
from dphr_lab.retrieval import RetrievalReport
from dphr_lab.studies.reproduction import describe_root, hash_files
from tests.helpers import ROOT, run

pytestmark = pytest.mark.slow

PAGE = ROOT / "book" / "real_results.md"
SMALL = (
    "--backbone test_convnext --pretrained none --mixed-precision no --image-px 32 --batch 4 "
    "--steps 3 --threads 1"
)


def dphr(*arguments) -> int:
    """`run`, each argument one word or several."""
    return run(*(word for part in arguments for word in str(part).split()))


@pytest.fixture(scope="module")
def towns(tmp_path_factory):
    """A small world on disk in each layout."""
    folder = tmp_path_factory.mktemp("towns")
    size = "--preset tiny --image-px 32 --train-places 9 --test-places 3 --drone-views 2"
    for layout in ("university1652", "sues200"):
        out = folder / layout
        assert dphr("scenes --layout", layout, size, "--workers 1 --out", out) == 0
    return folder


@pytest.fixture(scope="module")
def record(towns):
    """The record of a small reproduction."""
    out = towns / "u.json"
    data = towns / "university1652"
    assert dphr("reproduce university1652 --data", data, "--out", out, SMALL, "--val-places 3") == 0
    return json.loads(out.read_text("utf-8"))


def test_a_record_holds_both_trainings_in_every_protocol(record, towns):
    keys = {
        (row["trained_on"], row["direction"], row["report"]["gallery_mode"], row["report"]["tta"])
        for row in record["rows"]
    }
    assert len(keys) == len(record["rows"]) == 2 * 2 * 2 * 2
    first, second = record["runs"]
    assert first["selected_on"] == "held-out training places"
    assert "6 places, 3 more held out" in first["run"]
    assert second["run"].startswith("refit of held-out on all 9 training places, for the 3 of 3")
    assert record["recipe"]["name"] == "dphr-university1652"
    assert record["recipe"]["overridden"]["batch"] == {"recipe": 128, "run": 4}
    for row in record["rows"]:
        RetrievalReport.from_dict(row["report"])
    assert record["data"]["rendered"] == "rendered world 'tiny'"
    assert record["data"]["as_published"] is False
    with pytest.raises(ValueError, match="data: only results on the published"):
        real.check(record)


def test_a_cut_reproduction_goes_on_from_its_runs(record, towns, capsys):
    data, out = towns / "university1652", towns / "u.json"
    before = (towns / "u.runs" / "refit" / "encoder.safetensors").read_bytes()
    out.unlink()
    assert dphr("reproduce university1652 --data", data, "--out", out, SMALL, "--val-places 3") == 0
    again = json.loads(out.read_text("utf-8"))
    assert again["rows"] == record["rows"] and again["data"] == record["data"]
    assert (towns / "u.runs" / "refit" / "encoder.safetensors").read_bytes() == before
    shown = capsys.readouterr().out
    assert "recipe dphr-university1652" in shown and "| some held out | D2S |" in shown


def test_a_host_that_trains_on_all_places_is_reproduced_in_one_training(towns):
    out, data = towns / "mccg.json", towns / "university1652"
    recipe = "--recipe mccg-university1652-dphr"
    assert dphr("reproduce university1652 --data", data, "--out", out, SMALL, recipe) == 0
    record = json.loads(out.read_text("utf-8"))
    assert record["recipe"]["name"] == "mccg-university1652-dphr"
    assert {row["trained_on"] for row in record["rows"]} == {"all training places"}
    assert {row["report"]["tta"] for row in record["rows"]} == {"none", "horizontal flip"}
    assert len(record["runs"]) == 1 and "9 places, 0 more held out" in record["runs"][0]["run"]


def test_sues200_is_a_model_a_height_and_says_when_the_test_set_chose(towns, capsys):
    out = towns / "s.json"
    flags = f"--data {towns / 'sues200'} --height 150 200 {SMALL} --select test --validate-every 2"
    assert dphr("reproduce sues200 --out", out, flags) == 0
    record = json.loads(out.read_text("utf-8"))
    assert {(row["height_m"], row["trained_on"]) for row in record["rows"]} == {
        (150, "all training places"),
        (200, "all training places"),
    }
    assert all(row["report"]["selected_on_test"] for row in record["rows"])
    assert capsys.readouterr().out.count("(selected on the test set)") == len(record["rows"])
    assert dphr("reproduce university1652 --data", towns / "sues200", "--out", out, SMALL) == 1
    assert "is SUES-200; university1652 was asked for" in capsys.readouterr().err


def test_the_hash_is_of_names_sizes_and_contents(towns, tmp_path):
    import shutil

    def hashed(root):
        return describe_root(root, [open_dataset(root)])["sha256"]

    copied = tmp_path / "elsewhere"
    shutil.copytree(towns / "university1652", copied)
    before = hashed(copied)
    assert before == hashed(towns / "university1652")
    path = open_dataset(copied).used_files[0]
    content = path.read_bytes()
    path.write_bytes(bytes([content[0] ^ 1]) + content[1:])  # same name, same size
    assert hashed(copied) != before
    path.write_bytes(content)
    assert hashed(copied) == before
    path.rename(path.with_name("other" + path.suffix))
    assert hashed(copied) != before
    assert len(hash_files(copied, [])) == 64


@pytest.mark.skipif(sys.platform != "linux", reason="other systems allow no such names")
def test_a_name_that_is_no_utf8_is_hashed_by_its_bytes(tmp_path):
    path = tmp_path / "\udcff ü.jpg"
    path.write_bytes(b"pixels")
    line = b"\xff \xc3\xbc.jpg\t6\n"
    assert hash_files(tmp_path, [path]) == hashlib.sha256(line + b"pixels").hexdigest()


# -- contributed results --------------------------------------------------------------------------


@pytest.fixture
def contributed(record):
    """The record as it would be on the published data."""
    record = copy.deepcopy(record)
    record["data"] |= {"rendered": None, "as_published": True}
    for row in record["rows"]:
        queries, gallery = {"D2S": (37_855, 951), "S2D": (701, 51_355)}[row["direction"]]
        row["report"] |= {"queries": queries, "gallery": gallery, "gallery_given": gallery}
    return record


def test_a_valid_record_becomes_rows(contributed, tmp_path):
    real.check(contributed)
    (tmp_path / "one.json").write_text(json.dumps(contributed), "utf-8")
    table = results.real_table(tmp_path)
    rows = [line for line in table.splitlines() if line.startswith("| University-1652")]
    assert len(rows) == 2 * 2 * 2  # both gallery protocols stand in one row
    report = contributed["rows"][0]["report"]
    assert f"{report['r_at_1']:.2f} / {report['ap']:.2f}" in rows[0]
    assert "*changed: " in table and "batch 4" in table
    page = real.shown("a\n<!-- contributed: real -->\nold\n<!-- end of real -->\nb\n", tmp_path)
    assert page == f"a\n<!-- contributed: real -->\n{table}\n<!-- end of real -->\nb\n"
    assert real.real_table(tmp_path / "none") == real.EMPTY


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda r: r.pop("hardware"), "hardware: found None"),
        (lambda r: r["recipe"].update(name="soup"), "recipe: found 'soup'"),
        (lambda r: r["settings"].update(bach=3), "unknown bach"),
        (lambda r: r["data"].update(as_published=False), "found other counts"),
        (lambda r: r["data"].update(sha256="x"), r"data.sha256: found 'x'"),
        (lambda r: r["rows"].clear(), "rows: found none"),
        (lambda r: r["rows"][1]["report"].update(queries=3), r"rows\[1\]: found 3 queries"),
        (lambda r: r["rows"][0]["report"].update(r_at_1=101), r"rows\[0\].r_at_1: found 101"),
        (lambda r: r["rows"][0]["report"].update(r_at_1=90, r_at_5=80), "do not rise"),
    ],
)
def test_what_is_wrong_with_a_record_is_named(contributed, tmp_path, spoil, message):
    spoil(contributed)
    (tmp_path / "mine.json").write_text(json.dumps(contributed), "utf-8")
    with pytest.raises(ValueError, match=rf"mine\.json: .*{message}"):
        real.entries(tmp_path)


def test_the_page_shows_the_contributed_results():
    page = PAGE.read_text("utf-8")
    assert re.search(real.MARKS, page)
    assert real.shown(page) == page
    assert (real.EMPTY in page) == (not real.entries())
