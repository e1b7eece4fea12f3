"""What the book's pages state is what the code does: names, defaults, counts, computed numbers."""

import ast
import inspect
import re
import shlex
from collections import Counter
from functools import cache

import nbformat
import numpy as np
import pytest
import torch
import torch.nn.functional as F
import yaml

from dphr_lab import results, scenes
from dphr_lab.cli import build_parser
from dphr_lab.losses import DPHRLoss, TripletLoss, rda_hardness, rda_weights
from dphr_lab.retrieval import RetrievalReport, evaluate
from dphr_lab.scenes.worlds import photograph_place
from dphr_lab.settings.protocol import PUBLISHED, SUES200_HEIGHTS_M
from dphr_lab.studies.study import read_study
from tests.helpers import ROOT

BOOK = ROOT / "book"
PAGES = {path.stem: path.read_text("utf-8") for path in BOOK.glob("*.md")}
CHAPTERS = {path.stem: path.read_text("utf-8") for path in BOOK.glob("[0-9]*.py")}
TOC = yaml.safe_load((BOOK / "_toc.yml").read_text("utf-8"))
BIBLIOGRAPHY = (BOOK / "references.bib").read_text("utf-8")


def table(page, heading):
    """Rows of the table with this heading, as lists of cells."""
    lines = PAGES[page].splitlines()
    start = lines.index(heading) + 2
    rows = []
    for line in lines[start:]:
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in line.strip()[1:-1].split("|")])
    return rows


def code(cell):
    return re.findall(r"`([^`]+)`", cell)


# ---- the whole book --------------------------------------------------------------------------


def test_every_citation_exists():
    known = set(re.findall(r"^@\w+\{(\w+),$", BIBLIOGRAPHY, re.MULTILINE))
    for stem, text in (PAGES | CHAPTERS).items():
        links = re.findall(r"\]\(references\.md#(\w+)\)", text)
        for keys in re.findall(r"\{cite:[pt]\}`([^`]+)`", text) + links:
            missing = {key.strip() for key in keys.split(",")} - known
            assert not missing, f"{stem} cites {missing}, which references.bib does not have"


def test_every_reference_is_whole():
    entries = re.split(r"^@", BIBLIOGRAPHY, flags=re.MULTILINE)[1:]
    for entry in entries:
        for field in ("author", "title", "year"):
            assert re.search(rf"^  {field} = \{{.+\}},?$", entry, re.MULTILINE), entry
    keys = [entry.partition("{")[2].partition(",")[0] for entry in entries]
    assert len(keys) == len(set(keys))


def test_the_index_leads_to_every_page():
    linked = re.findall(r"\{doc\}`(?:[^`<]*<)?([\w/]+)>?`", PAGES["index"])
    written = [entry["file"] for part in TOC["parts"] for entry in part["chapters"]]
    assert set(linked) == set(written)


def test_the_index_tells_each_chapter_by_its_title():
    rest = "| its question | you need | to read |"
    rows = table("index", f"| chapter {rest}") + table("index", f"| note {rest}")
    told = []
    for cell, *_ in rows:
        if link := re.search(r"\{doc\}`(.+) <(\w+)>`", cell):
            title = re.search(r"^# # (.+)$", CHAPTERS[link[2]], re.MULTILINE)[1]
            assert link[1] == title
            told.append(link[2])
    assert told == sorted(CHAPTERS)


TIMES = {"five minutes": "5 min", "half an hour": "30 min", "an hour": "1 h"}
TIMES |= {f"{count} minutes": f"{count} min" for count in (40, 45)}


def test_the_index_asks_for_what_each_chapter_asks_for():
    rest = "| its question | you need | to read |"
    rows = table("index", f"| chapter {rest}") + table("index", f"| note {rest}")
    told = {}
    for cell, _, needed, time in rows:
        if link := re.search(r"<(\w+)>`", cell):
            told[link[1]] = (needed, time)
    for name, text in CHAPTERS.items():
        line = re.search(r"^# You need: (.*)$", text, re.MULTILINE)[1]
        needed = sorted(re.findall(r"\]\((\d\d)_\w+\.ipynb\)", line))
        said = [TIMES[each] for each in re.findall("|".join(TIMES), line)]
        assert told[name] == (", ".join(needed), said[0]), name


def test_the_first_screens_tell_what_chapter_02_found():
    """The sentence of result is in the stored output of the chapter it names."""
    cells = nbformat.read(BOOK / "02_first_retriever.ipynb", 4).cells
    outputs = [o for cell in cells for o in cell.get("outputs", [])]
    (found,) = [t for o in outputs if "untrained" in (t := o.get("data", {}).get("text/plain", ""))]
    numbers = r" +(\d+) +(\d+) +(\d+) +(\d+)"  # untrained, mean colour, ImageNet, trained
    (first,) = re.findall("^R@1" + numbers, found, re.M)
    (kin,) = re.findall("^R@1 of the family" + numbers, found, re.M)
    (queries,) = re.findall(r"(\d+) queries", found)
    for text in (PAGES["index"], (ROOT / "README.md").read_text("utf-8")):
        said = " ".join(text.split())
        assert f"three encoders on {queries} photographs" in said
        (tiles,) = re.findall(r"on \d+ photographs and (\d+) tiles", said)
        assert "| chance | random weights | mean colour | ImageNet | trained a minute |" in said
        rows = ("the right place itself", first, 1), ("the right neighbourhood", kin, 3)
        for what, row, alike in rows:  # of the tiles so many are right: families have three
            chance = f"{100 * alike / int(tiles):.0f}"
            assert f"{what} | {' | '.join((chance, *row))} |" in said


# ---- notation --------------------------------------------------------------------------------


def test_notation_has_the_defaults_of_the_code():
    parameters = inspect.signature(DPHRLoss).parameters
    rows = table("notation", "| symbol | meaning | grade | keyword | default |")
    assert len(rows) > 10
    for _, _, grade, keywords, defaults in rows:
        assert re.match(r"\[[ASO]\]", grade)
        if keywords:
            shown = [each.strip("` ") for each in defaults.split(",")]
            expected = [parameters[name].default for name in code(keywords)]
            assert [ast.literal_eval(each) for each in shown] == expected, keywords


def test_notation_names_the_pieces_of_a_loss():
    z = F.normalize(torch.randn(2, 4, 3), dim=-1)
    terms = DPHRLoss().terms(*z)
    rows = table("notation", "| symbol | `terms()[...]` |")
    named = {ast.literal_eval(name) for row in rows for name in code(row[1])}
    assert named | {"loss"} == set(terms)


def test_notation_names_the_measures_of_a_report():
    fields = set(RetrievalReport.__dataclass_fields__)
    rows = table("notation", "| measure | name | meaning |")
    assert {name for row in rows for name in code(row[1])} <= fields


# ---- data ------------------------------------------------------------------------------------


def test_the_data_page_has_the_counts_that_verify_expects():
    text = PAGES["data"]
    for part, (places, images) in PUBLISHED["University-1652"].items():
        half, view = part.split("/")[1].split("_") if "_" in part else ("train", part.split("/")[1])
        assert f"| {half}, {view} | {places} | {images:,} |" in text
    counts = PUBLISHED["SUES-200"]
    queries, gallery = counts["test/query_drone"], counts["test/gallery_satellite"]
    assert f"| D2S | {queries[1]:,} ({queries[0]} places · 50) | {gallery[1]} |" in text
    queries, gallery = counts["test/query_satellite"], counts["test/gallery_drone"]
    assert f"| S2D | {queries[1]} | {gallery[1]:,} ({gallery[0]} places · 50) |" in text


def test_the_data_page_counts_the_reported_figures_that_are_lower_with_dphr():
    head = "| host | D2S alone | D2S with DPHR | S2D alone | S2D with DPHR | its gallery |"
    pairs = []
    for _, *cells, _ in table("data", head):
        d2s, d2s_dphr, s2d, s2d_dphr = ([float(x) for x in cell.split("/")] for cell in cells)
        pairs += [*zip(d2s, d2s_dphr, strict=True), *zip(s2d, s2d_dphr, strict=True)]
    assert len(pairs) == 12 and sum(dphr < alone for alone, dphr in pairs) == 8
    of_d2s = [pair for row in range(3) for pair in pairs[4 * row : 4 * row + 2]]
    assert all(dphr < alone for alone, dphr in of_d2s)
    r_at_1 = [dphr - alone for alone, dphr in pairs[::2]]
    assert max(r_at_1) == pytest.approx(0.85) and round(max(r_at_1) / 100 * 701) == 6


def test_the_commands_on_the_pages_are_understood():
    parser = build_parser()
    texts = [re.sub(r"\\\n#? *", " ", text) for text in (*PAGES.values(), *CHAPTERS.values())]
    shown = [line for text in texts for line in re.findall(r"^(?:# )?(dphr .+)$", text, re.M)]
    assert len(shown) >= 20
    for line in shown:
        parser.parse_args(shlex.split(line, comments=True)[1:])


# ---- the datasheet of Twin Towns -------------------------------------------------------------


def test_the_datasheet_lists_the_presets():
    rows = {code(row[0])[0]: row[1:] for row in table("datasheet", PRESET_HEADING)}
    assert set(rows) == set(scenes.PRESETS)
    assert all(settings.texture == 0 for settings in scenes.PRESETS.values())
    for name, s in scenes.PRESETS.items():
        flights = len(SUES200_HEIGHTS_M) if name == "sues200" else 1
        places = s.train_places + s.test_places + s.distractor_places
        views = f"{flights} × {s.drone_views}" if flights > 1 else f"{s.drone_views}"
        assert rows[name] == [
            f"{s.train_places:,}", f"{s.test_places}", f"{s.distractor_places}",
            f"{s.family_size}", views, f"{s.image_px}",
            f"{places * (1 + flights * s.drone_views):,}",
        ]  # fmt: skip


PRESET_HEADING = (
    "| preset | train places | queried places | distractors | family size "
    "| drone images a place | side, px | images |"
)


@cache
def mini():
    return scenes.make_world(scenes.PRESETS["mini"])


def computed_facts():
    """The facts of the datasheet's tables, computed: name -> text."""
    world = mini()
    changes = [place.changes for place in world.test]
    kinds = Counter(change.kind for each in changes for change in each)
    counts = Counter(map(len, changes))
    areas = [sum(change.area_m2 for change in each) for each in changes]
    low, middle, high = np.percentile(areas, [5, 50, 95])
    first, *_, last = scenes.university_orbit(54)
    low_sues = scenes.sues_orbit(150)[0]
    px, places = world.settings.image_px, len(world.places)
    images = places * (1 + world.settings.drone_views)
    orbits = (tuple(scenes.university_orbit(world.settings.drone_views)),)
    shots = [shot for place in world.test[:12] for shot in photograph_place(place, orbits)]
    kilobytes = np.mean([len(shot.jpeg) for shot in shots]) / 1000
    styles = {place.scene.style for place in world.test}
    assert styles == {"suburb", "campus", "industrial", "park", "centre"}
    return {
        "places with one change": f"{counts[1] / len(changes):.0%}".replace("%", " %"),
        "places with two changes": f"{counts[2] / len(changes):.0%}".replace("%", " %"),
        **{
            kind: f"{100 * kinds[kind] / kinds.total():.0f} % of changes"
            for kind in scenes.CHANGE_KINDS
        },
        "changed area of a place, median": f"{middle:.0f} m²",
        "changed area, 5th to 95th percentile": f"{low:.0f} to {high:.0f} m²",
        "changed objects lie within": f"{scenes.CHANGE_RADIUS_M:.0f} m of the centre",
        "kinds of districts": "suburb, campus, industrial, park, centre",
        "satellite": f"orthographic, north up, {scenes.SATELLITE_WIDTH_M:.0f} m wide",
        "drone orbit of `university_orbit`": f"{first.altitude_m} m down to {last.altitude_m} m, "
        f"pitch {first.pitch_deg:.0f}° to {last.pitch_deg:.0f}°",
        "drone orbit of `sues_orbit`": ", ".join(map(str, SUES200_HEIGHTS_M))
        + f" m, pitch {low_sues.pitch_deg:.0f}°",
        "field of view": f"{first.fov_deg:.0f}°",
        "flown against nominal": flown_against_nominal(),
        "described ground": f"{2 * scenes.HALF_EXTENT_M:.0f} m wide",
        "`mini` in memory": f"{images * px * px * 3 / 1e6:.0f} MB",
        "a JPEG image of `mini`, about": f"{kilobytes:.1f} kB",
    }


def flown_against_nominal():
    """How far poses go from the orbit, over many draws, rounded to the steps of the settings."""
    nominal = scenes.Pose(altitude_m=200, azimuth_deg=90, pitch_deg=50)
    flown = [place.pose(nominal, i) for place in mini().test[:100] for i in range(20)]
    altitude = max(abs(pose.altitude_m / 200 - 1) for pose in flown)
    azimuth = max(abs(pose.azimuth_deg - 90) for pose in flown)
    pitch = max(abs(pose.pitch_deg - 50) for pose in flown)
    return f"altitude ± {100 * altitude:.0f} %, azimuth ± {azimuth:.0f}°, pitch ± {pitch:.1f}°"


@pytest.mark.slow
def test_the_datasheet_states_what_is_computed():
    rows = re.findall(r"^\| ([^|]+) \| ([^|]+) \|$", PAGES["datasheet"], re.MULTILINE)
    stated = {name: value for name, value in rows if name != "fact" and "---" not in name}
    computed = computed_facts()
    size = "a JPEG image of `mini`, about"  # compressors differ a little
    number = r"[\d.]+"
    found, given = (float(re.match(number, facts.pop(size))[0]) for facts in (computed, stated))
    assert found == pytest.approx(given, rel=0.1)
    assert stated == computed


# ---- the ten questions -----------------------------------------------------------------------


def question(number):
    return re.split(r"^## ", PAGES["questions"], flags=re.MULTILINE)[number]


def test_there_are_ten_questions_and_each_option_is_answered():
    assert len(re.findall(r"^## \d+\.", PAGES["questions"], re.MULTILINE)) == 10
    for number in range(1, 11):
        asked, answer = question(number).split(":::{admonition} Answer")
        options = re.findall(r"^\* \*\*([A-D])\.\*\*", asked, re.MULTILINE)
        right = re.findall(r"^\*\*([A-D])\.\*\*", answer, re.MULTILINE)
        wrong = re.findall(r"^\* \*([A-D])\*", answer, re.MULTILINE)
        assert options == list("ABCD"), number
        assert len(right) == 1 and sorted(right + wrong) == options, number


def test_question_1_the_two_average_precisions():
    angle = torch.deg2rad(torch.tensor([0.0, 10.0, 20.0]))  # query, another place, the right one
    z = torch.stack([angle.cos(), angle.sin()], dim=1)
    report = evaluate(z[:1], [7], z[1:], [3, 7])
    assert f"AP {report.ap:.0f}" in question(1)
    assert f"prints {report.ap_textbook:.0f}" in question(1)


def wilson(right, count, z=1.96):
    share = right / count
    middle = (share + z**2 / (2 * count)) / (1 + z**2 / count)
    half = z / (1 + z**2 / count) * (share * (1 - share) / count + z**2 / (4 * count**2)) ** 0.5
    return 100 * (middle - half), 100 * (middle + half)


def test_question_2_eighty_queries():
    text = " ".join(question(2).split())
    for right in (78, 79):
        low, high = wilson(right, 80)
        assert f"from {low:.1f} to {high:.1f}" in text
        assert f"{100 * right / 80:.2f}" in text
    assert 9988 * 80 % 10_000  # 99.88 % of 80 is no whole number, nor is anything that rounds to it
    assert not any(round(100 * right / 80, 2) == 99.88 for right in range(81))


def test_question_4_places_and_images():
    text = question(4)
    by_image, by_place = (196 * (0.92 * 0.08 / count) ** 0.5 for count in (37_855, 701))
    assert f"± {by_image:.1f} points" in text and f"± {by_place:.1f} points" in text
    assert 7 <= by_place / by_image < 8


def test_question_6_a_row_of_the_same_place():
    z = F.normalize(torch.randn(2, 4, 8, generator=torch.Generator().manual_seed(0)), dim=-1)
    z[1, 1] = z[1, 0]  # the satellite image of rows 0 and 1
    places = torch.tensor([5, 5, 6, 7])
    loss = DPHRLoss(signal="constant")
    unlabelled, labelled = loss.terms(*z), loss.terms(*z, places)
    assert unlabelled["hardness"][0, 0, 1] == pytest.approx(0.5, abs=1e-6)
    assert unlabelled["weights"][0, 0, 1] > 0 and labelled["weights"][0, 0, 1] == 0


def test_question_7_is_what_the_two_galleries_gave():
    assert "19.3 and 21.6" in question(7)
    generator = torch.Generator().manual_seed(0)
    z = F.normalize(torch.randn(120, 4, generator=generator), dim=-1)
    places, gallery = np.arange(40), np.arange(80)
    modes = [
        evaluate(z[:40], places, z[40:], gallery, mode).r_at_5 for mode in ("full", "query_places")
    ]
    assert modes[0] < modes[1]


def test_question_9_equal_hardness_is_equal_weight():
    d_neg = torch.ones(2, 5, dtype=torch.float64)
    h = rda_hardness(torch.tensor([1 / 9, 9.0], dtype=torch.float64), d_neg)
    torch.testing.assert_close(h[:, 0], torch.tensor([0.1, 0.9], dtype=torch.float64))
    torch.testing.assert_close(
        rda_weights(h, weight_map="exp", normalise="query"), torch.ones_like(h)
    )
    batch, none = (
        rda_weights(h, weight_map="exp", normalise=how)[:, 0] for how in ("batch", "none")
    )
    assert batch[1] > batch[0]
    assert (none[1] / none[0]).log() == pytest.approx(16 * 0.8)


def test_question_10_adam_cancels_a_factor():
    weights = []
    for factor in (1, 2):
        torch.manual_seed(0)
        net = torch.nn.Linear(6, 4)
        adam = torch.optim.AdamW(net.parameters(), lr=1e-2)
        for _ in range(50):
            z = F.normalize(net(torch.randn(2, 8, 6)), dim=-1)
            adam.zero_grad()
            (factor * TripletLoss()(*z)).backward()
            adam.step()
        weights.append(net.weight.detach())
    assert (weights[0] - weights[1]).abs().max() < 1e-3 < weights[0].abs().max()


# ---- teaching --------------------------------------------------------------------------------


def test_a_run_takes_about_the_time_that_teachers_are_told():
    walls, in_hosts = [], []
    for study in results.studies():
        for (world, *_), run in results.load(study).items():
            if world == "mini" and run["settings"]["steps"] == 800:
                host = run["settings"].get("host") not in (None, "plain")
                (in_hosts if host else walls).append(run["wall_s"])
    assert "A run of 800 steps on the small world takes about a minute" in PAGES["teach"]
    assert walls and 30 < min(walls) < 90 and round(max(walls) / 60) <= 6  # "up to some six"
    assert "In a host it takes a minute and a half, or many more" in PAGES["teach"]
    assert round(min(in_hosts) / 30) == 3 and max(in_hosts) > 600


def test_the_study_that_students_are_shown_can_be_run(tmp_path):
    shown = re.search(r"^```toml\n(.*?)^```$", PAGES["teach"], re.MULTILINE | re.DOTALL)[1]
    (tmp_path / "study.toml").write_text(shown, "utf-8")
    study = read_study(tmp_path)
    assert len(study.runs()) == len(study.missing()) == 15
