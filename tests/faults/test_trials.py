"""What a study chooses by, and what it reports on: trials.json, [search], stored results."""

import json
import shutil

import pytest

from tests.faults import check, left_behind, table
from tests.faults.test_stored import cut, edited, faults_of, text
from tests.helpers import run

SEARCHED = """
about = "x"
seeds = [0]
[worlds.w]
preset = "tiny"
[settings]
steps = 1
[search]
world = "w"
seeds = [7]
trials = 2
[arms.triplet]
loss = "triplet"
search = { learning_rate = [0.001, 0.01] }
"""
SURFACES = {  # the first two begin nothing: no minute is given to them
    "study search": lambda study: ["study", "search", study, "--minutes", 0],
    "study run": lambda study: ["study", "run", study, "--minutes", 0],
    "study report": lambda study: ["study", "report", study],
}


# -- trials.json --------------------------------------------------------------------------------


def trials(change=lambda made: made, **changes):
    """A trials.json of both trials, `changes` made to the second; `change` to the list of them."""

    def write(path):
        made = [
            {
                "arm": "triplet",
                "changes": {"learning_rate": rate},
                "seed": 7,
                "val_r_at_1": 50.0,
                "wall_s": 1.0,
            }
            for rate in (0.001, 0.01)
        ]
        made[1] |= changes
        path.write_text(
            json.dumps({"trials": change(made), "versions": {}, "hardware": {}}), "utf-8"
        )

    return write


def lacks(name):
    return trials(lambda made: [made[0], {n: v for n, v in made[1].items() if n != name}])


TRIALS = {
    "nothing wrong": trials(),
    "missing": lambda path: None,
    "truncated": lambda path: (trials()(path), cut(path)),
    "0 bytes": lambda path: path.touch(),
    "no text": lambda path: path.write_bytes(b"\xff\xfe\x00"),
    "a list": text("[]"),
    "no list of trials": text('{"trials": 3}'),
    "a trial is text": trials(lambda made: ["x", *made]),
    "a trial lacks its arm": lacks("arm"),
    "score is NaN": trials(val_r_at_1=float("nan")),
    "one trial of another search": trials(changes={"learning_rate": 0.5}),
    "trials of another arm": trials(lambda made: [trial | {"arm": "rda"} for trial in made]),
}
OF_TRIALS = table("trials.json")


def test_the_table_has_every_fault_of_trials():
    assert faults_of(OF_TRIALS) == list(TRIALS)


@pytest.mark.parametrize(("fault", "surface"), OF_TRIALS)
def test_trials(fault, surface, tmp_path, capsys):
    (tmp_path / "study.toml").write_text(SEARCHED, "utf-8")
    path = tmp_path / "trials.json"
    TRIALS[fault](path)
    before = path.read_bytes() if path.exists() else None
    code = run(*SURFACES[surface](tmp_path))
    check(OF_TRIALS[fault, surface], code, *capsys.readouterr())
    assert (path.read_bytes() if path.exists() else None) == before
    assert {p.name for p in tmp_path.iterdir()} <= {"study.toml", "trials.json"}


# -- [search] -----------------------------------------------------------------------------------

SEARCHES = {  # fault -> what stands in the study.toml in place of what
    "unknown part": ("trials = 2", "trials = 2\nmagic = 1"),
    "lacks a part": ("trials = 2\n", ""),
    "world not there": ('world = "w"', 'world = "v"'),
    "no seed": ("seeds = [7]", "seeds = []"),
    "a seed that the study runs": ("seeds = [7]", "seeds = [0]"),
    "other trials than combinations": ("trials = 2", "trials = 3"),
    "unknown setting": ("trials = 2", "trials = 2\nsettings = { magic = 3 }"),
    "an arm's is text": ("search = { learning_rate = [0.001, 0.01] }", 'search = "all"'),
    "an arm's holds no lists": ("[0.001, 0.01]", "0.001"),
    "an arm's, and no [search]": ('[search]\nworld = "w"\nseeds = [7]\ntrials = 2\n', ""),
}
OF_SEARCHES = table("[search] of a study.toml")


def test_the_table_has_every_fault_of_searches():
    assert faults_of(OF_SEARCHES) == list(SEARCHES)


@pytest.mark.parametrize(("fault", "surface"), OF_SEARCHES)
def test_searches(fault, surface, tmp_path, capsys):
    changed = SEARCHED.replace(*SEARCHES[fault])
    assert changed != SEARCHED
    (tmp_path / "study.toml").write_text(changed, "utf-8")
    check(OF_SEARCHES[fault, surface], run(*SURFACES[surface](tmp_path)), *capsys.readouterr())
    assert [path.name for path in tmp_path.iterdir()] == ["study.toml"]


# -- stored results -----------------------------------------------------------------------------


def in_report(direction, **changes):
    def edit(path):
        value = json.loads(path.read_text("utf-8"))
        if changes:
            value["report"][direction] |= changes
        else:
            del value["report"][direction]
        path.write_text(json.dumps(value), "utf-8")

    return edit


def renamed(name):
    return lambda path: path.rename(path.with_name(name))


RESULTS = {
    "nothing wrong": lambda path: None,
    "truncated": cut,
    "0 bytes": lambda path: path.write_bytes(b""),
    "no text": lambda path: path.write_bytes(b"\xff\xfe\x00"),
    "report is text": edited(report="good"),
    "a direction missing": in_report("S2D"),
    "a measure is NaN": in_report("D2S", ap=float("nan")),
    "twin choice is null": in_report("D2S", twin_choice=None),  # as in a world without twins
    "of an arm that the study lacks": renamed("w-other-s0.json"),
    "a name that is no run's": renamed("copy of w.json"),
    "a folder of that name": lambda path: (path.unlink(), path.mkdir()),
}
OF_RESULTS = table("a stored result")


def test_the_table_has_every_fault_of_results():
    assert faults_of(OF_RESULTS) == list(RESULTS)


@pytest.mark.parametrize(("fault", "surface"), OF_RESULTS)
def test_results(fault, surface, trained, tmp_path, capsys):
    study = tmp_path / "study"
    study.mkdir()
    (study / "study.toml").write_text(
        SEARCHED.partition("[search]")[0] + "[arms.triplet]\n", "utf-8"
    )
    path = study / "w-triplet-s0.json"
    shutil.copy(trained / "result.json", path)
    RESULTS[fault](path)
    check(OF_RESULTS[fault, surface], run(*surface.split(), study), *capsys.readouterr())
    assert not left_behind(tmp_path)
