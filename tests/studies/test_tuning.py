"""Equal budgets: trials on other seeds choose an arm's settings, the same number for each."""

import json

import pytest

from dphr_lab import results, training
from dphr_lab._files import write_json
from dphr_lab.cli import main
from dphr_lab.cli.study import PRESETS
from dphr_lab.settings import Settings
from dphr_lab.studies import running, study, tuning
from dphr_lab.studies.running import run_study, search_study
from dphr_lab.studies.study import read_study, stored_studies

SEARCHED = """
about = "Which?"
seeds = [0, 1]
[worlds.small]
preset = "tiny"
image_px = 32
[settings]
steps = 3
image_px = 32
batch = 4
val_places = 3
threads = 1
[search]
world = "small"
seeds = [7, 8]
trials = 2
settings = { steps = 2 }
[arms.triplet]
loss = "triplet"
search = { learning_rate = [1e-3, 1e-2] }
[arms.rda]
loss = "rda"
loss_options = { form = "hinge" }
search = { beta = [4.0, 64.0] }
[arms.plain]
loss = "infonce"
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "asked").mkdir()
    (tmp_path / "asked" / "study.toml").write_text(SEARCHED, "utf-8")
    return tmp_path / "asked"


def store(folder, by_arm):
    """Trials as if made: {arm: [(changes, by seed), …]}."""
    trials = [
        {"arm": arm, "changes": changes, "seed": seed, "val_r_at_1": value, "wall_s": 1.0}
        for arm, found in by_arm.items()
        for changes, by_seed in found
        for seed, value in by_seed.items()
    ]
    (folder / tuning.TRIALS).write_text(json.dumps({"trials": trials}), "utf-8")


def test_a_list_of_names_is_reported_and_has_no_end():
    candidates = [{"alpha": 40.0, "scale": scale} for scale in ("none", "minmax")]
    search = tuning.Tuning("mini", (7,), {}, {"dphr": candidates})
    trials = [
        {"arm": "dphr", "changes": changes, "seed": 7, "val_r_at_1": value}
        for changes, value in zip(candidates, (20.0, 21.5), strict=True)
    ]
    report = tuning.search_report(search, {"trials": trials})
    assert "| dphr | alpha 40, scale minmax | 21.5 | 20.0 |  |" in report


@pytest.mark.slow
def test_trials_are_made_once_and_read_no_test_place(folder, monkeypatch):
    asked, fit = [], training.fit

    def watched(settings, data, run_folder, **options):
        asked.append((settings, options))
        return fit(settings, data, run_folder, **options)

    monkeypatch.setattr(training, "fit", watched)
    said = []
    assert search_study(read_study(folder), arms=["rda"], say=said.append) == 4
    assert said[0] == "asked: 8 trials, 4 to do now"
    assert [s.loss_options for s, _ in asked] == 2 * [
        {"form": "hinge", "beta": beta} for beta in (4.0, 64.0)
    ]
    assert [s.seed for s, _ in asked] == [7, 7, 8, 8]
    assert {s.steps for s, _ in asked} == {2}
    assert all(options["evaluate_test"] is False for _, options in asked)
    assert search_study(read_study(folder), arms=["rda"], say=said.append) == 0
    stored = tuning.read_trials(folder)
    assert {t["seed"] for t in stored["trials"]} == {7, 8} and "torch" in stored["versions"]
    assert all(0 <= t["val_r_at_1"] <= 100 for t in stored["trials"])
    study = read_study(folder)
    assert study.unsearched == {"triplet"}
    with pytest.raises(ValueError, match="triplet has trials that are not made; run dphr study"):
        run_study(study, say=said.append)


def test_an_arm_runs_with_the_best_mean_over_the_seeds(folder):
    store(
        folder,
        {
            "triplet": [
                ({"learning_rate": 1e-3}, {7: 9, 8: 1}),
                ({"learning_rate": 1e-2}, {7: 6, 8: 5}),
            ],
            "rda": [({"beta": 4.0}, {7: 3, 8: 3}), ({"beta": 64.0}, {7: 5})],
        },
    )
    study = read_study(folder)
    assert study.arms["triplet"].learning_rate == 1e-2 and study.unsearched == {"rda"}
    assert study.arms["plain"] == Settings.from_dict(
        {**study.arms["plain"].to_dict(), "loss": "infonce"}
    )
    store(folder, {"rda": [({"beta": 4.0}, {7: 3, 8: 3}), ({"beta": 64.0}, {7: 5, 8: 2})]})
    study = read_study(folder)
    assert study.arms["rda"].loss_options == {"form": "hinge", "beta": 64.0}
    report = tuning.search_report(study.search, tuning.read_trials(folder))
    assert "| rda | beta 64 | 3.5 | 3.0 | beta |" in report
    assert "| triplet | 0 of 2 trials made |" in report


def test_of_equals_the_first_and_of_other_trials_none(folder):
    equal = [({"beta": 64.0}, {7: 3, 8: 3}), ({"beta": 4.0}, {7: 2, 8: 4})]
    store(folder, {"rda": [*equal, ({"beta": 9.0}, {7: 99, 8: 99})]})
    assert read_study(folder).arms["rda"].loss_options["beta"] == 4.0


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("seeds = [7, 8]", "seeds = [1, 8]", "uses seed 1, which the study runs"),
        ("[1e-3, 1e-2]", "[1e-3]", "arm 'triplet' has 1 combinations; every arm gets 2"),
        ('world = "small"', 'world = "big"', "has world 'big'; expected one of"),
        ("trials = 2\n", "", "search: lacks trials"),
        ("trials = 2", "trials = 2\nruns = 3", "search: has unknown runs"),
        ("[search]", "[settings.augmentation]", "has a search, and there is no"),
        ("beta = [4.0, 64.0]", "betta = [4.0, 64.0]", "loss_options: found betta"),
    ],
)
def test_a_search_that_is_wrong_says_where(folder, old, new, message):
    text = SEARCHED.replace(old, new)
    if old == "[search]":
        text = SEARCHED.split("[search]")[0] + "[arms.triplet]\nsearch = { batch = [2] }\n"
    (folder / "study.toml").write_text(text, "utf-8")
    with pytest.raises(ValueError, match=message):
        search_study(read_study(folder), arms=["rda"], say=str)


def test_no_run_begins_when_the_time_is_up(folder):
    said = []
    assert run_study(read_study(folder), arms=["plain"], minutes=0, say=said.append) == 0
    assert said[-1] == "2 left: the same command goes on with them"
    assert search_study(read_study(folder), minutes=0, say=said.append) == 0


@pytest.mark.slow
def test_search_run_and_report_from_the_command_line(folder, capsys):
    assert main(["study", "search", str(folder), "--jobs", "2"]) == 0
    work = ["--work", str(folder.parent / "work")]
    assert main(["study", "run", str(folder), "--jobs", "2", *work]) == 0
    assert len(results.load(folder)) == 6
    capsys.readouterr()
    assert main(["study", "report", str(folder)]) == 0
    said = capsys.readouterr().out
    assert "| rda | beta" in said and "R@1 minus that of triplet" in said
    assert main(["study", "run", str(folder), "--preset", "quick"]) == 2
    assert "--preset takes whole studies" in capsys.readouterr().err


def a_run_of_main(asked, run, work, threads):
    result = results.load("main")[
        "mini", {"plain": "infonce", "rda": "sharp_rda"}.get(run[1], run[1]), run[2]
    ]
    write_json(asked.folder / results.run_name(*run), result)
    return result


def test_a_preset_goes_from_trials_to_the_report_of_what_it_completed(folder, monkeypatch, capsys):
    monkeypatch.setattr(study, "stored_folder", lambda: folder.parent)
    monkeypatch.setattr(running, "_one_run", a_run_of_main)
    monkeypatch.setitem(PRESETS, "quick", ("asked",))
    preset = ["study", "run", "--preset", "quick", "--work", str(folder.parent / "work")]
    assert main([*preset, "--minutes", "0"]) == 0
    said = capsys.readouterr().out
    assert "8 to do now" in said and "## asked" not in said
    store(
        folder,
        {
            "triplet": [({"learning_rate": r}, {7: 50, 8: 50}) for r in (1e-3, 1e-2)],
            "rda": [({"beta": beta}, {7: 50, 8: 50}) for beta in (4.0, 64.0)],
        },
    )
    for made in (6, 0):
        assert main(preset) == 0
        runs, _, report = capsys.readouterr().out.partition("\n## asked\n")
        assert f"asked: 6 runs, {made} to do now" in runs and runs.count("R@1") == made
        assert "| rda | beta" in report and "* rda − triplet: +" in report
    assert main([*preset[:4], "--reference", "rda"]) == 2


def test_presets_name_stored_studies():
    named = {name for names in PRESETS.values() for name in names}
    assert named <= set(stored_studies())


def test_the_budget_study_gives_every_arm_twelve_trials():
    study = read_study("budget")
    assert set(study.search.candidates) == set(study.arms) and len(study.arms) == 10
    assert {len(found) for found in study.search.candidates.values()} == {12}
    for arm, candidates in study.search.candidates.items():
        for changes in candidates:  # every keyword is one that its loss knows
            training.make_loss(tuning.changed(study.arms[arm], changes))
