"""The page of results and the README say what is stored: tables and numbers are derived anew."""

import json
import re
import sys
from itertools import combinations
from statistics import mean, stdev

import numpy as np
import pytest

from dphr_lab import probe, results
from dphr_lab.losses import DPHRLoss, SymmetricInfoNCE
from dphr_lab.results.tables import markdown_table
from dphr_lab.settings.protocol import DIRECTIONS
from dphr_lab.studies import transfer
from dphr_lab.studies.comparisons import (
    against,
    corrected,
    equivalence,
    over_seeds,
    p_text,
    paired,
    student_interval,
    values,
)
from tests.benchmarks import measured_tables
from tests.helpers import ROOT

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

PAGE = (ROOT / "book" / "measured.md").read_text("utf-8")
README = (ROOT / "README.md").read_text("utf-8")
SAID = " ".join(PAGE.split())
README_SAID = " ".join(README.split())

HOSTS = {"s4g": "Sample4Geo", "lpn": "LPN", "mccg": "MCCG"}
FORMS = [
    ("weights 0 to 2 − L_tri", "closest_0_2", "triplet"),
    ("weights 1 to 4 − L_tri", "closest_1_4", "triplet"),
    ("with the hinge: closest − L_tri", "closest_hinge", "triplet_hinge"),
    ("sharp − its replay", "sharp", "sharp_replay"),
    ("sharp − closest", "sharp", "closest"),
]
USUAL = [
    ("closest − L_tri", "closest", "triplet"),
    ("replay − L_tri", "replay", "triplet"),
    ("closest − replay", "closest", "replay"),
    ("min-max − L_tri", "minmax", "triplet"),
    ("min-max − replay", "minmax", "replay"),
    ("closest's weights alone − L_tri", "rda", "triplet"),
    ("InfoNCE − closest", "infonce", "closest"),
]
CLOSEST = {  # study -> (steps, rows)
    "closest_short": (300, USUAL + FORMS),
    "closest": (800, USUAL + FORMS),
    "budget_closest": (
        300,
        [
            ("closest (min-max) − L_tri", "closest", "triplet"),
            ("replay − L_tri", "replay", "triplet"),
            ("closest (min-max) − replay", "closest", "replay"),
        ],
    ),
    "sgd": (
        300,
        [
            (f"rate {rate}: closest − {other}", f"closest_{end}", f"{arm}_{end}")
            for end, rate in (("003", "0.03"), ("01", "0.1"), ("03", "0.3"))
            for arm, other in (("triplet", "L_tri"), ("replay", "replay"))
        ],
    ),
    "hosts": (
        300,
        [
            (f"{name}: {arm} − plain", f"{host}_{arm}", f"{host}_triplet")
            for arm in ("closest", "sharp")
            for host, name in HOSTS.items()
        ]
        + [
            (f"{name}: closest's weights alone − plain", f"{host}_weighted", f"{host}_triplet")
            for host, name in HOSTS.items()
        ],
    ),
    "hosts_long": (
        800,
        [
            (f"{name}: {arm} − plain", f"{host}_{arm}", f"{host}_triplet")
            for arm in ("closest", "sharp")
            for host, name in HOSTS.items()
        ],
    ),
    "signals": (
        300,
        [
            ("late course − constant", "relative", "constant"),
            ("the same, no weights", "scale_relative", "scale_constant"),
            ("the same, 15 % of pairs wrong", "relative_wrong15", "constant_wrong15"),
            ("recall's course − constant", "recall", "constant"),
            ("straight rise − constant", "step", "constant"),
            ("the loss's course, exp − constant", "exp", "constant"),
            ("the loss's course, reciprocal − constant", "reciprocal", "constant"),
            ("sharp: recall's course − constant", "sharp_recall", "sharp_constant"),
        ],
    ),
}
FEWER = ("recall", "step", "exp", "reciprocal", "sharp_recall")  # of `signals`: five seeds, not ten


def both_ways(study, rows):
    """Each row's difference by direction, p after Holm over all of them."""
    runs = results.load(study)
    asked = [(arm, other, way) for way in DIRECTIONS for _, arm, other in rows]
    found = corrected([paired(runs, "mini", a, b, direction=way) for a, b, way in asked])
    return {
        (name, way): found[i * len(rows) + j]
        for i, way in enumerate(DIRECTIONS)
        for j, (name, _, _) in enumerate(rows)
    }


def closest_table(study):
    rows = CLOSEST[study][1]
    found, shown = both_ways(study, rows), []
    for name, arm, _ in rows:
        ways = [found[name, way] for way in DIRECTIONS]
        for difference in ways:
            assert len(difference.by_seed) == (10 if study == "signals" and arm not in FEWER else 5)
        equal = [
            way
            for way, difference in zip(DIRECTIONS, ways, strict=True)
            if equivalence(difference, 2).p < 0.05
        ]
        cells = [cell for d in ways for cell in (d.interval.signed, p_text(d.p))]
        name += " (ten seeds)" if len(ways[0].by_seed) == 10 else ""
        shown.append([name, *cells, "both" if len(equal) == 2 else (*equal, "–")[0]])
    return markdown_table(["R@1, points", "D2S", "p", "S2D", "p", "within 2"], shown)


LEVELS = [  # of the first two studies, together
    ("L_tri", "triplet"),
    ("closest", "closest"),
    ("replay", "replay"),
    ("min-max", "minmax"),
    ("weights 0 to 2", "closest_0_2"),
    ("weights 1 to 4", "closest_1_4"),
    ("closest's weights alone", "rda"),
    ("L_tri with the hinge", "triplet_hinge"),
    ("closest with the hinge", "closest_hinge"),
    ("InfoNCE", "infonce"),
    ("sharp", "sharp"),
    ("sharp's replay", "sharp_replay"),
]
OF_HOST = [("host alone", "{}"), ("plain", "{}_triplet"), ("closest", "{}_closest")]
OF_RATE = [("L_tri", "triplet_{}"), ("closest", "closest_{}"), ("replay", "replay_{}")]
OWN_LEVELS = {  # study -> rows (name, what fills an arm's name), columns (name, an arm)
    "sgd": ([("rate 0.03", "003"), ("rate 0.1", "01"), ("rate 0.3", "03")], OF_RATE),
    "hosts": (
        [(n, at) for at, n in HOSTS.items()],
        [*OF_HOST, ("sharp", "{}_sharp"), ("weights alone", "{}_weighted")],
    ),
    "hosts_long": ([(n, at) for at, n in HOSTS.items()], [*OF_HOST[1:], ("sharp", "{}_sharp")]),
    "budget_closest": (
        [
            ("L_tri", "triplet"),
            ("replay", "replay"),
            ("closest (min-max)", "closest"),
            ("InfoNCE", "infonce"),
            ("sharp", "sharp"),
        ],
        [("", "{}")],
    ),
}


def level(runs, arm, way, world="mini", seeds=None):
    """Mean ± standard deviation over seeds, as in the tables of the package."""
    own = over_seeds(runs, world, arm, direction=way, seeds=seeds).tolist()
    return f"{mean(own):.1f} ± {stdev(own):.1f}"


def levels_table(study):
    runs = results.load(study)
    if study == "signals":  # both sides of each row, over the seeds that it has
        heads, shown = ["D2S: the course", "constant", "S2D: the course", "constant"], []
        for name, *arms in CLOSEST[study][1]:
            seeds = sorted(set.intersection(*(set(values(runs, "mini", arm)) for arm in arms)))
            cells = [level(runs, arm, way, seeds=seeds) for way in DIRECTIONS for arm in arms]
            ten = " (ten seeds)" if len(seeds) == 10 else ""
            shown.append([name.removesuffix(" − constant") + ten, *cells])
        return markdown_table(["R@1, percent", *heads], shown)
    rows, columns = OWN_LEVELS[study]
    heads = [f"{way} {name}".strip() for way in DIRECTIONS for name, _ in columns]
    shown = [
        [name, *(level(runs, arm.format(at), way) for way in DIRECTIONS for _, arm in columns)]
        for name, at in rows
    ]
    return markdown_table(["R@1, percent", *heads], shown)


def both_lengths_table():
    short, longer = results.load("closest_short"), results.load("closest")
    shown = [
        [name, *(level(runs, arm, way) for runs in (short, longer) for way in DIRECTIONS)]
        for name, arm in LEVELS
    ]
    heads = [f"{steps} steps, {way}" for steps in (300, 800) for way in DIRECTIONS]
    return markdown_table(["R@1, percent", *heads], shown)


NAMES = {  # arms of `main` and `budget`
    "untrained": "untrained",
    "triplet": "L_tri",
    "infonce": "InfoNCE",
    "sharp": "sharp",
    "sharp_rda": "sharp RDA",
    "sharp_palw": "sharp PALW",
    "broken_ratio": "broken ratio",
    "hardest": "hardest",
    "hcl": "HCL",
    "circle": "circle",
    "multi_similarity": "multi-similarity",
    "sharp_infonce": "InfoNCE + sharp",
}
WORLDS = {"plain": "plain towns", "textured": "textured towns", "photo": "photographs"}


def transfer_tables():
    """The differences in three worlds, and the levels."""
    runs = results.load("transfer")
    arms = transfer.transfers(transfer.differences(runs)).arms
    carries = {"transfers": "yes", "undecided": "undecided", "does not transfer": "no"}
    rows = []
    for name, arm, other in (
        ("sharp RDA − L_tri", "sharp_rda", "triplet"),
        ("sharp − L_tri", "sharp", "triplet"),
        ("broken ratio − L_tri", "broken_ratio", "triplet"),
        ("InfoNCE − L_tri", "infonce", "triplet"),
        ("hardest − L_tri", "hardest", "triplet"),
        ("sharp RDA − InfoNCE", "sharp_rda", "infonce"),
    ):
        asked = [*((world, "D2S") for world in WORLDS), ("photo", "S2D")]
        found = [paired(runs, world, arm, other, direction=way) for world, way in asked]
        assert {len(d.by_seed) for d in found} == {5}
        said = carries[arms[arm]] if other == "triplet" else "–"
        rows.append([name, *(d.interval.signed for d in found), said])
    heads = [*WORLDS.values(), "photographs, S2D"]
    differences = markdown_table(["R@1, points", *heads, "sign carries over"], rows)
    levels = [
        [NAMES[arm], *(level(runs, arm, way, world) for world, way in asked)]
        for arm in ("triplet", "sharp_rda", "sharp", "broken_ratio", "infonce", "hardest")
    ]
    assert {arm for _, arm, _ in runs} == {"triplet", *arms}
    return differences, markdown_table(["R@1, percent", *heads], levels)


LENGTHS = {"short": "300", "main": "800", "long": "1,200"}


def lengths_table():
    """R@1 of each loss that was run at common settings for 300 or 1,200 steps."""
    stored = [results.load(study) for study in LENGTHS]
    shown = []
    for arm in ("triplet", "sharp_palw", "infonce", "sharp_rda", "sharp"):
        own = [[level(r, arm, way) if ("mini", arm, 0) in r else "–" for r in stored]
               for way in DIRECTIONS]  # fmt: skip
        shown.append([NAMES[arm], *own[0], *own[1]])
    for runs in (stored[0], stored[2]):
        assert {NAMES[arm] for _, arm, _ in runs} <= {row[0] for row in shown}
        assert {seed for *_, seed in runs} == set(range(5))
    heads = [f"{way}, {steps} steps" for way in DIRECTIONS for steps in LENGTHS.values()]
    return markdown_table(["R@1, percent", *heads], shown)


def leads_table():
    lengths = LENGTHS
    rows = []
    for arm, other in (
        ("sharp_rda", "infonce"),
        ("sharp", "infonce"),
        ("sharp_rda", "triplet"),
        ("sharp", "triplet"),
        ("infonce", "triplet"),
        ("sharp_palw", "triplet"),
    ):
        cells = []
        for runs in map(results.load, lengths):
            found = paired(runs, "mini", arm, other) if ("mini", arm, 0) in runs else None
            assert found is None or len(found.by_seed) == 5
            cells.append(found.interval.signed if found else "–")
        rows.append([f"{NAMES[arm]} − {NAMES[other]}", *cells])
    heads = [f"{steps} steps (`{study}`)" for study, steps in lengths.items()]
    return markdown_table(["R@1, points", *heads], rows)


LETTERS = {"alpha": "α", "beta": "β", "gamma": "γ", "mu": "μ", "label_smoothing": "label smoothing"}
CHOICES = ("hardest", "infonce", "multi_similarity", "triplet", "circle", "sharp_palw",
           "sharp_infonce", "hcl", "sharp_rda", "sharp")  # fmt: skip


def stored_file(study, name):
    text = (ROOT / "dphr_lab" / "results" / study / name).read_text("utf-8")
    return json.loads(text)["trials"] if name.endswith(".json") else tomllib.loads(text)


def chosen_table():
    """What each loss of `budget` ran at; that it is what its trials found best."""
    runs, trials, shown = results.load("budget"), stored_file("budget", "trials.json"), []
    assert {arm for _, arm, _ in runs} == set(CHOICES)
    for arm in CHOICES:
        own = [trial for trial in trials if trial["arm"] == arm]
        assert len(own) == 12
        best = dict(max(own, key=lambda trial: trial["val_r_at_1"])["changes"])
        for seed in range(5):
            settings = runs["mini", arm, seed]["settings"]
            rate = {"learning_rate": settings["learning_rate"]}
            assert rate | settings["loss_options"] == best
        rate = best.pop("learning_rate")
        others = ", ".join(f"{LETTERS.get(key, key)} {best[key]:g}" for key in best)
        shown.append([NAMES[arm], f"{rate:g}", others])
    return markdown_table(["loss", "rate", "other settings chosen"], shown)


def host_recipes_table():
    runs, shown = results.load("hosts"), []
    ways = {"adamw": "AdamW", "nesterov": "SGD, Nesterov"}
    for host, name in HOSTS.items():
        (own,) = {
            (
                s["backbone"],
                ways[s["optimizer"]],
                s["learning_rate"],
                s["weight_decay"],
                s["warmup"],
            )
            for (_, arm, _), run in runs.items()
            if arm.split("_")[0] == host and (s := run["settings"])
        }
        shown.append([name, f"`{own[0]}`", own[1], f"{own[2]:g}", f"{own[3]:g}",
                      f"{100 * own[4]:.0f} %" if own[4] else "none"])  # fmt: skip
    heads = ["host", "backbone", "optimizer", "rate", "weight decay", "warm-up"]
    return markdown_table(heads, shown)


def named(table):
    """A table of the package with the arms' names of this page."""
    return re.sub(r"^\| (\w+) (?=\| \d)", lambda arm: f"| {NAMES[arm[1]]} ", table, flags=re.M)


def part(title):
    """The page from a heading to the next of its rank."""
    return PAGE.split(f"\n## {title}\n")[1].split("\n## ")[0]


def prose(text):
    """Without tables."""
    return re.sub(r"^\|.*\n?", "", text, flags=re.M)


def plus_minus(text):
    return re.findall(r"[+-]?\d+\.\d ± \d+\.\d", text)


def test_the_page_of_results_shows_the_stored_tables():
    equal, short = part("The losses, equal settings"), part("Shorter and longer runs")
    assert named(results.table("main", "mini")) in equal
    assert named(results.table("budget", "mini")) in short
    assert lengths_table() in short and leads_table() in short
    reports = [run["report"] for run in results.load("main").values()]
    sizes = {(r[way]["queries"], r[way]["gallery"]) for r in reports for way in DIRECTIONS}
    assert sizes == {(1200, 360), (300, 1440)}
    said = " ".join(equal.split())
    assert "of 1,200 queries (four drone views of each queried place) among 360 tiles" in said
    assert "of S2D of 300 queries among 1,440 drone views" in said


def test_the_page_of_results_says_what_the_first_table_shows():
    text, runs = part("The losses, equal settings"), results.load("main")
    said = " ".join(text.split())
    ahead = ("sharp", "sharp_rda", "broken_ratio", "infonce")
    others = sorted({arm for _, arm, _ in runs} - {"triplet"})
    assert len(others) == 6
    most, between, palw = [], {}, []
    for way in DIRECTIONS:
        found = dict(
            zip(others, against(runs, "mini", "triplet", others, direction=way), strict=True)
        )
        assert all(min(found[arm].by_seed) > 10 for arm in ahead)
        most.append(p_text(max(found[arm].p for arm in ahead)))
        palw.append(found["sharp_palw"])
        assert f"{palw[-1].interval} {way} (p {p_text(palw[-1].p)})" in said
        for pair in combinations(ahead, 2):
            between[(*pair, way)] = paired(runs, "mini", *pair, direction=way)
    assert "p at most {} D2S and {} S2D; Holm over the six".format(*most) in said
    assert all(difference.p > 0.05 for difference in between.values())
    widest = max(between, key=lambda at: between[at].interval.half_width)
    assert widest == ("sharp_rda", "infonce", "S2D")
    assert [d.p < 0.05 for d in palw] == [False, True]
    told = [*(d.interval for d in palw), between[widest].interval]
    assert plus_minus(prose(text)) == [str(interval) for interval in told]
    assert "the widest interval, of sharp RDA − InfoNCE S2D, is" in said


def test_the_page_of_results_says_how_the_command_corrects():
    """What `dphr study report` prints of L_tri's rows, beside this page's p."""
    across = {}
    for study, (_, rows) in CLOSEST.items():
        runs, here = results.load(study), both_ways(study, rows)
        arms = sorted({arm for _, arm, _ in runs} - {"triplet"})
        has_reference = ("mini", "triplet", 0) in runs
        assert has_reference == (study not in ("sgd", "hosts", "hosts_long", "signals"))
        for way in DIRECTIONS if has_reference else ():
            printed = against(runs, "mini", "triplet", arms, direction=way)
            there = dict(zip(arms, printed, strict=True))
            for name, arm, other in rows:
                if other == "triplet" and (there[arm].p < 0.05) != (here[name, way].p < 0.05):
                    across[study, name, way] = p_text(there[arm].p), p_text(here[name, way].p)
    at = ("closest", "weights 1 to 4 − L_tri", "S2D")
    assert across == {at: across[at]}
    text = "in `closest`, weights 1 to 4 − L_tri S2D has {} there and {} here"
    assert text.format(*across[at]) in SAID


def test_the_page_of_results_says_how_runs_were_trained():
    common = ("backbone", "pretrained", "learning_rate", "weight_decay", "warmup", "batch")
    usual = ["test_convnext", None, 0.003, 0.01, 0.1, 64, 64, "last", "adamw"]
    same = ("main", "short", "long", "twins", "transfer", "closest", "closest_short", "signals")
    for study in (*same, "probe"):
        for (_, arm, _), run in results.load(study).items():
            if arm != "imagenet":
                own = run["settings"]
                found = [own[key] for key in (*common, "image_px", "select")]
                assert [*found, own.get("optimizer", "adamw")] == usual, (study, arm)
    said = (
        "`test_convnext`, a small network of timm's, from scratch: AdamW, rate 0.003, weight "
        "decay 0.01, 64 pairs a step, images of 64 px; the rate warms up over the first 10 %"
    )
    assert said in SAID
    sharp, infonce = DPHRLoss.sharp(), SymmetricInfoNCE()
    assert all(each in repr(sharp) for each in ("alpha=10.0", "beta=16.0", "gamma=1.0"))
    assert "alpha=10.0" in repr(DPHRLoss())
    assert "α = 10, for sharp DPHR β = 16 and γ = 1" in SAID
    assert infonce.logit_scale.requires_grad and infonce.label_smoothing == 0.1
    assert infonce.logit_scale.exp().item() == pytest.approx(1 / 0.07)
    assert "a learned temperature that starts at 0.07, and label smoothing 0.1" in SAID
    for study in ("main", "short", "long", "closest", "closest_short", "transfer"):
        for arm in ("triplet", "infonce", "sharp"):
            if ("mini", arm, 0) in (runs := results.load(study)):
                assert runs["mini", arm, 0]["settings"]["loss_options"] == {}
    assert host_recipes_table() in part("The closest reading")
    (network,) = {
        run["settings"]["backbone"]
        for (_, arm, _), run in results.load("probe").items()
        if arm == "imagenet"
    }
    assert f"ImageNet's network, `{network}`, has no seed" in SAID


def test_the_page_of_results_says_what_trials_chose():
    assert chosen_table() in part("Shorter and longer runs")
    budget = stored_file("budget", "study.toml")
    search = budget["search"]["settings"]
    assert (search["steps"], search["val_places"]) == (200, 300)
    assert "Trials took 200 steps, with R@1 on 300 held-out places to choose by" in SAID
    runs = results.load("budget")
    highest = [
        runs["mini", arm, 0]["settings"]["learning_rate"] == max(each["search"]["learning_rate"])
        for arm, each in budget["arms"].items()
    ]
    assert (sum(highest), len(highest)) == (7, 10)
    assert "Seven of the ten chose the highest rate on offer" in SAID
    closest = results.load("budget_closest")
    own = [t for t in stored_file("budget_closest", "trials.json") if t["arm"] == "closest"]
    best = max(own, key=lambda trial: trial["val_r_at_1"])["changes"]
    assert best == {"learning_rate": 0.006, "alpha": 40, "scale": "minmax"}
    for arm in ("closest", "replay"):
        settings = closest["mini", arm, 0]["settings"]
        assert (settings["learning_rate"], settings["loss_options"]["alpha"]) == (0.006, 40)
    assert "trials chose min-max, rate 0.006 and α = 40. The replay runs at that rate" in SAID
    for arm in ("triplet", "infonce", "sharp"):
        for key in ("learning_rate", "loss_options"):
            pair = [each["mini", arm, 0]["settings"][key] for each in (runs, closest)]
            assert pair[0] == pair[1]


def test_the_page_of_results_says_what_each_name_is():
    """Every arm of the first tables and of the closest reading's levels has its row."""
    key = PAGE.split("| name | in a study | what it is |")[1].split("\n\n")[0]
    shown = {arm: name for name, arm in LEVELS} | NAMES
    keyed = set(re.findall(r"`(\w+)`", key))
    assert keyed == {*shown, "closest_0_2"}
    for arm, name in shown.items():
        (row,) = re.findall(rf"^\| (.*) \| [^|]*`{arm}`[^|]* \|", key, re.M)
        assert name.removeprefix("weights ") in row or "the hinge" in row


def test_the_page_of_results_says_what_short_runs_did():
    short, budget = results.load("short"), results.load("budget")
    defaults = re.search(r"^\| infonce \| (\S+ ± \S+) ", results.table("short", "mini"), re.M)[1]
    by_seed = [values(runs, "mini", "infonce") for runs in (short, budget)]
    assert all(by_seed[0][seed] > by_seed[1][seed] for seed in range(5))
    for _, _, seed in budget:  # the same worlds, as the page says
        assert budget["mini", "infonce", seed]["data"] == short["mini", "infonce", seed]["data"]
    twinless = paired(results.load("twins"), "none", "sharp_rda", "triplet")
    assert len(twinless.by_seed) == 3
    leads = [
        paired(results.load(study), "mini", "sharp_rda", other).interval
        for other, studies in (
            ("infonce", ("short", "main", "long")),
            ("triplet", ("short", "long")),
        )
        for study in studies
    ]
    tuned = values(budget, "mini", "sharp_rda")  # against InfoNCE with its defaults
    ahead = student_interval([tuned[seed] - by_seed[0][seed] for seed in range(5)])
    derived = [defaults, str(ahead), *map(str, leads), str(twinless.interval)]
    assert plus_minus(prose(part("Shorter and longer runs"))) == derived
    for lead in leads[:3]:
        assert str(lead) in README


@pytest.mark.parametrize("study", CLOSEST)
def test_the_page_of_results_shows_what_the_closest_reading_did(study):
    steps = CLOSEST[study][0]
    text = part("The closest reading").split(f"\n### `{study}`")[1].split("\n### ")[0]
    assert text.startswith(f": {steps} steps")
    for (_, arm, _), run in results.load(study).items():
        assert run["settings"]["steps"] == steps, arm
    assert closest_table(study) in text
    if study in ("closest_short", "closest"):
        assert both_lengths_table() in part("The closest reading").split("\n### Levels\n")[1]
    else:
        assert levels_table(study) in text


def test_the_page_of_results_says_what_holds_on_photographs():
    text, runs = part("Off rendered towns"), results.load("transfer")
    for shown in transfer_tables():
        assert shown in text
    assert {run["settings"]["steps"] for run in runs.values()} == {300}
    worlds = [run["data"]["world"] for (world, *_), run in runs.items() if world == "photo"]
    assert len({world["folder"] for world in worlds}) == 1  # one pool of tiles for every seed
    lead, gone = (
        f"{paired(runs, world, 'sharp_rda', 'triplet').interval.mean:.1f}"
        for world in ("plain", "photo")
    )
    said = " ".join(text.split())
    assert f"lead over L_tri is {lead} points in plain towns and {gone} on photographs" in said
    for world in WORLDS:
        assert over_seeds(runs, world, "hardest").mean() < 1


def test_the_page_of_results_says_in_prose_what_its_tables_show():
    text = part("The closest reading")
    found = {study: both_ways(study, rows) for study, (_, rows) in CLOSEST.items()}
    asked = [
        ("closest", "InfoNCE − closest", "D2S"),
        ("closest", "closest's weights alone − L_tri", "D2S"),
        ("closest", "sharp − its replay", "D2S"),
        ("budget_closest", "closest (min-max) − L_tri", "D2S"),
        ("budget_closest", "replay − L_tri", "D2S"),
        ("budget_closest", "closest (min-max) − replay", "D2S"),
        ("hosts", "MCCG: closest's weights alone − plain", "D2S"),
        ("signals", "late course − constant", "D2S"),
        ("signals", "the same, no weights", "D2S"),
    ]
    derived = [str(found[study][name, way].interval) for study, name, way in asked]
    assert plus_minus(prose(text)) == derived
    said = {study: {at for at, d in each.items() if d.p < 0.05} for study, each in found.items()}
    assert said == {
        "closest_short": {(name, way) for name, *_ in FORMS[3:] for way in DIRECTIONS},
        "closest": {
            *[("InfoNCE − closest", way) for way in DIRECTIONS],
            ("sharp − closest", "S2D"),
        },
        "budget_closest": {("closest (min-max) − L_tri", "D2S"), ("replay − L_tri", "D2S")},
        "sgd": set(),
        "hosts": {("MCCG: sharp − plain", way) for way in DIRECTIONS},
        "hosts_long": {("MCCG: sharp − plain", "D2S")},
        "signals": {("late course − constant", "D2S"), ("the same, no weights", "D2S")},
    }
    for study, rows in (("hosts_long", ("D2S",) * 3), ("budget_closest", ("D2S", "S2D"))):
        names = [name for name, *_ in CLOSEST[study][1]]  # said to be equal within two points
        names = names[:3] if study == "hosts_long" else [names[-1]] * 2
        for name, way in zip(names, rows, strict=True):
            assert equivalence(found[study][name, way], 2).p < 0.05
    assert min(found["closest"]["closest's weights alone − L_tri", "D2S"].by_seed) > 0
    alone = found["hosts"]["MCCG: closest's weights alone − plain", "D2S"]
    assert alone.interval.mean > alone.interval.half_width
    for name, *_ in CLOSEST["hosts_long"][1][:3]:  # also at half the level, for two looks
        assert equivalence(found["hosts_long"][name, "D2S"], 2).p < 0.025
    # note 20 corrects the same 24 of the long study, and 22 of the short one
    note = (ROOT / "book" / "20_the_closest_reading.py").read_text("utf-8")
    assert "The study `closest` trains for 800 steps. Its 24 differences, too" in note
    assert len(found["closest"]) == len(found["closest_short"]) == 24
    edge = [("weights 1 to 4 − L_tri", "S2D"), ("sharp − closest", "D2S")]
    assert all(0.05 < found["closest"][at].p < 0.0505 for at in edge)
    left_out = [("replay", "triplet"), ("minmax", "replay")]
    rows = [row for row in CLOSEST["closest_short"][1] if row[1:] not in left_out]
    rows.append(("sharp's replay − L_tri", "sharp_replay", "triplet"))
    there, here = both_ways("closest_short", rows), found["closest_short"]
    assert len(there) == 22
    assert all(d.p <= here[at].p for at, d in there.items() if at in here)
    assert {at for at, d in there.items() if d.p < 0.05} == said["closest_short"]
    assert not re.findall(r"p (\d\.\d{3})", text)


def test_the_page_of_results_says_how_hosts_were_run():
    text = " ".join(
        part("The closest reading").split("\n### `hosts`")[1].split("\n### `sig")[0].split()
    )
    runs, longer = results.load("hosts"), results.load("hosts_long")
    trials = json.loads(
        (ROOT / "dphr_lab" / "results" / "hosts" / "trials.json").read_text("utf-8")
    )["trials"]
    best = {}
    for host in HOSTS:
        own = [trial for trial in trials if trial["arm"] == host]
        rates = sorted(trial["changes"]["learning_rate"] for trial in own)
        assert len(rates) == 3
        chosen = max(own, key=lambda trial: trial["val_r_at_1"])["changes"]["learning_rate"]
        best[host] = rates.index(chosen)
        ends = {"", "_triplet", "_weighted", "_closest", "_sharp"}
        for stored, arms in ((runs, ends), (longer, {"_triplet", "_closest", "_sharp"})):
            for end in arms:
                assert stored["mini", host + end, 0]["settings"]["learning_rate"] == chosen
    assert best == {"s4g": 2, "lpn": 1, "mccg": 0}
    assert "for Sample4Geo the highest of the three won, for MCCG the lowest" in text
    about = (ROOT / "dphr_lab" / "results" / "hosts_long" / "study.toml").read_text("utf-8")
    assert "Seeds 3 and 4 were added when three" in about
    assert "said before them: sharp beside\n# host + L_tri +1 to +5 in each host" in about
    means = [paired(longer, "mini", f"{h}_sharp", f"{h}_triplet").interval.mean for h in HOSTS]
    assert sum(m < 1 for m in means) == 2 and max(means) < 5
    assert "two of the three means lie below" in text
    assert "Seeds 3 and 4 were added because three seeds had left the question open" in text
    assert {arm for _, arm, _ in runs} == {host + end for host in HOSTS for end in ends}
    assert set(re.findall(r"`(lpn\w*)`", text)) == {"lpn" + end for end in ends}
    # chapter 09 corrects nine differences, three of them sharp's: the same verdicts
    nine = [
        paired(runs, "mini", host + arm, host + other)
        for host in HOSTS
        for arm, other in (("_closest", ""), ("_closest", "_triplet"), ("_sharp", "_triplet"))
    ]
    here, nine = both_ways("hosts", CLOSEST["hosts"][1]), corrected(nine)
    for row, name in enumerate(HOSTS.values()):
        for kind, at in (("closest", 1), ("sharp", 2)):
            there, own = nine[3 * row + at], here[f"{name}: {kind} − plain", "D2S"]
            assert there.p <= own.p and (there.p < 0.05) == (own.p < 0.05)


def test_the_page_of_results_names_the_arms_of_courses():
    text = PAGE.split("In the store a row's two arms are ")[1].split("\n\n")[0]
    rows = CLOSEST["signals"][1]
    assert set(re.findall(r"`(\w+)`", text)) == {arm for _, *arms in rows for arm in arms}
    runs = results.load("signals")
    options = {at[1:]: run["settings"]["loss_options"] for at, run in runs.items()}
    courses = {at: each["course"] for at, each in options.items() if "course" in each}
    assert all(mean(course) == pytest.approx(0.5, abs=1e-4) for course in courses.values())
    assert "scaled to a mean of 0.5" in SAID and "*Constant*: λ = 0.5 from the first step" in SAID
    for seed in range(10):
        late = courses["relative", seed]
        assert max(late[:100]) == 0 < min(late[101:]) and late == sorted(late)
        assert late == courses["relative_wrong15", seed] == courses["scale_relative", seed]
        for arm in ("constant", "constant_wrong15", "scale_constant"):
            assert options[arm, seed]["lambda_max"] == 0.5
    assert "It is 0 for 100 steps and then rises" in SAID


def probe_table(curves):
    shown = []
    for name in ("untrained", "imagenet", "triplet", "infonce", "sharp_rda", "sharp"):
        own = [curves[name, seed] for seed in (0, 1)]
        cells = [f"{c.correct[-1]:.1f} ({c.low[-1]:.1f} to {c.high[-1]:.1f})" for c in own]
        means = [f"{mean(getattr(c, what)[-1] for c in own):.1f}" for what in ("correct", "blind")]
        shown.append([{**NAMES, "imagenet": "ImageNet's"}[name], *cells, *means])
    heads = ["right, seed 0", "right, seed 1", "right, mean", "blind, mean"]
    return markdown_table(["percent", *heads], shown)


def test_the_page_of_results_says_what_the_probe_found():
    table = part("What an encoder can tell apart")
    text = " ".join(part("What an encoder can tell apart").split())
    reports = {
        at[1:]: probe.ProbeReport.from_dict(run["probe"])
        for at, run in results.load("probe").items()
    }
    curves = {at: report.curves[probe.ALL_KINDS] for at, report in reports.items()}
    assert probe_table(curves) in table
    assert {curve.trials[-1] for curve in curves.values()} == {606}
    assert curves["imagenet", 0] == curves["imagenet", 1]  # no seed
    assert "At the largest dose (606 trials)" in text
    assert 'results.load("probe")["mini", "sharp", 0]["probe"]' in text
    assert "curves" in results.load("probe")["mini", "sharp", 0]["probe"]
    right, blind = (
        {name: mean(getattr(curves[name, seed], what)[-1] for seed in (0, 1)) for name, _ in curves}
        for what in ("correct", "blind")
    )
    trained = [right[name] for name in ("triplet", "infonce", "sharp_rda", "sharp")]
    of_curve = curves["triplet", 0].trials
    assert all(curve.high[-1] < 75 for curve in curves.values())
    assert {np.max(curve.area_m2).round(-1) for curve in curves.values()} == {320}
    numbers = (
        rf"right in {min(trained):.1f} to {max(trained):.1f} % .* the untrained network in "
        rf"{right['untrained']:.1f} % and ImageNet's in {right['imagenet']:.1f} %.* "
        rf"{min(blind.values()):.1f} to {max(blind.values()):.1f} %.* "
        rf"{min(of_curve[1:])} to {max(of_curve)} trials"
    )
    assert re.search(numbers, text), numbers
    for at in (("triplet", 0), ("sharp", 1)):
        assert results.load("probe")[("mini", *at)]["settings"]["steps"] == 800


def test_the_page_says_how_ratios_of_costs_were_taken():
    text = " ".join(part("What the loss costs").split())
    stored = json.loads((measured_tables.STORED / "losses-speed.json").read_text("utf-8"))["rows"]
    runs = {row["B"]: row["runs"] for row in stored}
    first = [row["sharp_ms"] for row in stored if row["B"] == row["D"] == 512]
    (second,) = json.loads(
        (measured_tables.STORED / "losses-all-triplets.json").read_text("utf-8")
    )["rows"]
    assert second["B"] == second["D"] == 512
    took = f"took {first[0]:.2f} ms in the first and {second['sharp_ms']:.2f} ms in the second"
    assert f"sharp at 512 × 512 {took}" in text
    assert "({} at B = 128, {} at 512, {} at 2,048)".format(*runs.values()) in text
    ways = {  # ratio of a row -> its two columns
        "ratio": ("sharp_ms", "infonce_ms"),
        "closest_ratio": ("closest_ms", "infonce_ms"),
        "clip_ratio": ("closest_ms", "clip_ms"),
        "sharp_clip_ratio": ("sharp_ms", "clip_ms"),
    }
    off = [abs(row[key] * row[b] / row[a] - 1) for row in stored for key, (a, b) in ways.items()]
    assert f"by up to {100 * max(off):.0f} %" in text
    small, large = (
        {key: [row[key] for row in stored if (row["B"] < 2048) == less] for key in list(ways)[:2]}
        for less in (True, False)
    )
    sharp, closest = (100 * max(each) - 100 for each in small.values())
    assert f"sharp costs up to {sharp:.0f} % more than that InfoNCE, closest up to" in text
    assert f"closest up to {closest:.0f} % (at 512 × 512 a tenth less)" in text
    clip = {}
    for row in stored:
        clip.setdefault(row["B"], []).extend((row["clip_ratio"], row["sharp_clip_ratio"]))
    ends = [f"{end(clip[b]):.2f}" for b in (128, 512, 2048) for end in (min, max)]
    assert (
        "takes {} to {} times as long at B = 128, {} to {} at 512, and {} to {} at 2,048"
    ).format(*ends) in text
    tenth = [row["closest_ratio"] for row in stored if row["B"] == row["D"] == 512]
    assert round(10 * tenth[0]) == 9 and max(map(max, large.values())) < 1
    (chunked,) = json.loads((measured_tables.STORED / "losses-chunked.json").read_text("utf-8"))[
        "rows"
    ]
    assert f"would take {chunked['B'] ** 2 * 4 / 1e9:.1f} GB" in text


def test_readme_says_what_the_closest_reading_gains():
    start = README.index("* **The closest reading** of the paper")
    text = README[start : README.index("\n* **Sharp RDA", start)]
    derived = [
        str(paired(results.load(study), "mini", arm, other).interval)
        for study, arm, other in (
            ("closest_short", "closest", "triplet"),
            ("closest", "closest", "triplet"),
            ("closest", "replay", "triplet"),
            ("closest", "infonce", "closest"),
        )
    ]
    assert plus_minus(text) == derived
    clear = both_ways("closest", CLOSEST["closest"][1])
    assert clear["InfoNCE − closest", "D2S"].p < 0.05 < clear["closest − L_tri", "D2S"].p


def test_readme_says_what_holds_on_photographs():
    text = README.split("\n* **On photographs** ")[1].split("\n\n")[0]
    runs = results.load("transfer")
    derived = [
        str(paired(runs, world, arm, "triplet").interval)
        for arm in ("sharp_rda", "infonce")
        for world in ("plain", "photo")
    ]
    assert plus_minus(text) == derived
    said = transfer.transfers(transfer.differences(runs)).arms
    assert (said["sharp_rda"], said["infonce"]) == ("transfers", "undecided")
