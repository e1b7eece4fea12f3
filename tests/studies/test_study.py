"""Studies: what a grid asks for, what is made, skipped, resumed and refused."""

import numpy as np
import pytest

from dphr_lab import results, scenes
from dphr_lab._files import write_json
from dphr_lab._locks import only_writer
from dphr_lab.cli import main
from dphr_lab.settings import Settings
from dphr_lab.studies import running, study, world_cache
from dphr_lab.studies.running import run_study, thinned
from dphr_lab.studies.study import complete_runs, read_study, stored_studies
from dphr_lab.training.run import Run

SMALL = """
about = "Does it run?"
seeds = [0, 1]
[worlds.small]
preset = "tiny"
image_px = 32
weather = 0.0
[settings]
steps = 3
image_px = 32
batch = 4
val_places = 3
threads = 1
[arms.triplet]
loss = "triplet"
[arms.blunt]
loss = "rda"
loss_options = { beta = 0.0 }
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "asked").mkdir()
    (tmp_path / "asked" / "study.toml").write_text(SMALL, "utf-8")
    return tmp_path / "asked"


def run(folder, **options):
    said = []
    count = run_study(read_study(folder), work=folder.parent / "work", say=said.append, **options)
    return count, said


@pytest.mark.slow
@pytest.mark.parametrize("jobs", [1, 2])
def test_every_run_is_made_once_and_stored_under_its_name(folder, jobs):
    count, said = run(folder, jobs=jobs)
    assert count == 4 and said[0] == "asked: 4 runs, 4 to do now" and len(said) == 5
    runs = results.load(folder)
    assert set(runs) == {("small", arm, seed) for arm in ("triplet", "blunt") for seed in (0, 1)}
    for (_, arm, seed), result in runs.items():
        settings = Settings.from_dict(result["settings"])
        assert settings == read_study(folder).arms[arm].changed(seed=seed)
        assert result["data"]["world"]["seed"] == seed and result["curves"]["step"] == [1, 2, 3]
    assert runs["small", "blunt", 0]["settings"]["loss_options"] == {"beta": 0.0}
    assert not any((folder.parent / "work").iterdir())
    assert run(folder) == (0, ["asked: 4 runs, 0 to do now"])


@pytest.mark.slow
def test_a_seed_is_complete_when_every_arm_has_run(folder):
    assert complete_runs(folder) == {}
    run(folder, seeds=[0])
    run(folder, seeds=[1], arms=["blunt"])
    assert set(complete_runs(folder)) == {("small", arm, 0) for arm in ("triplet", "blunt")}
    run(folder)
    assert complete_runs(folder) == results.load(folder)


@pytest.mark.slow
def test_a_world_is_rendered_once_for_all_arms_and_read_as_it_was(folder, monkeypatch):
    from dphr_lab import scenes

    rendered = []
    original = scenes.render_world
    monkeypatch.setattr(
        scenes, "render_world", lambda *a, **k: rendered.append(a) or original(*a, **k)
    )
    asked = read_study(folder)
    first, again = (world_cache.open_world(asked, "small", 0) for _ in range(2))
    assert len(rendered) == 1
    for one, other in ((first.train.drone, again.train.drone), (*first.test("S2D"),)):
        if one.view == other.view:
            np.testing.assert_array_equal(one.images, other.images)
    for one, other in zip(first.test("D2S"), again.test("D2S"), strict=True):
        np.testing.assert_array_equal(one.images, other.images)
        np.testing.assert_array_equal(one.places, other.places)
        np.testing.assert_array_equal(one.families, other.families)
    world_cache.open_world(asked, "small", 1)
    assert len(rendered) == 2


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*a damaged copy of a world")
def test_a_damaged_copy_of_a_world_is_rendered_anew(folder, tmp_path):
    asked = read_study(folder)
    first = world_cache.open_world(asked, "small", 0)
    (path,) = (tmp_path / "cache").rglob("*.npz")
    whole = path.read_bytes()
    for damage in (b"", whole[: len(whole) // 2]):
        path.write_bytes(damage)
        again = world_cache.open_world(asked, "small", 0)
        np.testing.assert_array_equal(first.train.drone.images, again.train.drone.images)
    np.savez(path, other=np.zeros(3))
    assert len(world_cache.open_world(asked, "small", 0).train) == len(first.train)
    assert len(path.read_bytes()) == len(whole)


@pytest.mark.slow
def test_a_world_of_photographs_is_taken_from_the_users_folder(folder, tmp_path, monkeypatch):
    from dphr_lab import scenes
    from dphr_lab.scenes import photos

    grid = SMALL.replace('preset = "tiny"\nimage_px = 32', 'photos = "TILES"\ngsd_m = 0.3')
    (folder / "study.toml").write_text(grid, "utf-8")
    asked = read_study(folder)  # what is stored can be read without the tiles
    with pytest.raises(ValueError, match="world 'small': set TILES to a folder of aerial tiles"):
        world_cache.open_world(asked, "small", 0)
    (tmp_path / "tiles").mkdir()
    monkeypatch.setenv("TILES", str(tmp_path / "tiles"))
    made = []

    def make(settings):
        made.append(settings)
        return scenes.make_world(scenes.preset("tiny"))

    monkeypatch.setattr(photos, "make_photo_world", make)
    for _ in range(2):
        data = world_cache.open_world(asked, "small", 3)
    assert len(made) == 1 and data.name == "PhotoTowns"
    assert (made[0].gsd_m, made[0].seed, made[0].folder) == (0.3, 3, str(tmp_path / "tiles"))
    (tmp_path / "tiles" / "new.png").write_bytes(b"1")
    world_cache.open_world(asked, "small", 3)
    assert len(made) == 2  # other tiles, another world


@pytest.mark.slow
def test_a_run_that_another_study_has_is_copied(folder, tmp_path, monkeypatch):
    other = tmp_path / "stored" / "other"
    other.mkdir(parents=True)
    (other / "study.toml").write_text(SMALL.replace("arms.blunt", "arms.flat"), "utf-8")
    run(other)
    for module in (study, running):
        monkeypatch.setattr(module, "stored_folder", lambda: tmp_path / "stored")
    changed = SMALL.replace("beta = 0.0", "beta = 1.0").replace("threads = 1", "threads = 2")
    (folder / "study.toml").write_text(changed, "utf-8")
    count, said = run(folder)
    assert said[0] == "small-triplet-s0.json: the same run as other/small-triplet-s0.json"
    assert count == 2 and len(results.load(folder)) == 4  # the other arm has another beta
    name = "small-triplet-s1.json"
    assert (folder / name).read_bytes() == (other / name).read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize("damaged", ['{"repor', '{"report": {}}', '{"report": {}, "settings": {}}'])
def test_a_damaged_run_of_another_study_is_named(folder, tmp_path, monkeypatch, damaged):
    other = tmp_path / "stored" / "other"
    other.mkdir(parents=True)
    (other / "study.toml").write_text(SMALL, "utf-8")
    (other / "small-triplet-s0.json").write_text(damaged, "utf-8")
    for module in (study, running):
        monkeypatch.setattr(module, "stored_folder", lambda: tmp_path / "stored")
    with pytest.raises(ValueError, match=r"small-triplet-s0\.json: .*remove it and run it again"):
        run(folder)
    assert not list(folder.glob("*.json"))


@pytest.mark.slow
def test_parts_of_a_study_can_be_asked_for(folder):
    assert run(folder, seeds=[1], arms=["blunt"])[0] == 1
    assert set(results.load(folder)) == {("small", "blunt", 1)}
    assert len(read_study(folder).missing()) == 3
    with pytest.raises(ValueError, match="arms: asked has no sharp; it has triplet, blunt"):
        run(folder, arms=["sharp"])


@pytest.mark.slow
def test_a_cut_run_goes_on_where_it_was(folder, monkeypatch):
    text = SMALL.replace("threads = 1", "threads = 1\ncheckpoint_every = 1")
    (folder / "study.toml").write_text(text, "utf-8")
    one_step = Run.take_step
    steps = []

    def stopping(self, batch):
        if len(steps) == 2:
            steps.append("cut")
            raise KeyboardInterrupt
        line = one_step(self, batch)
        steps.append(line["step"])
        return line

    monkeypatch.setattr(Run, "take_step", stopping)
    with pytest.raises(KeyboardInterrupt):
        run(folder, seeds=[0], arms=["triplet"])
    assert not list(folder.glob("*.json"))
    run(folder, seeds=[0], arms=["triplet"])
    assert steps == [1, 2, "cut", 3]
    cut = results.load(folder)["small", "triplet", 0]
    monkeypatch.setattr(Run, "take_step", one_step)
    (folder / "small-triplet-s0.json").unlink()
    run(folder, seeds=[0], arms=["triplet"])
    whole = results.load(folder)["small", "triplet", 0]
    assert cut["curves"] == whole["curves"] and cut["report"] == whole["report"]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("about", "abut", "lacks about"),
        ("seeds = [0, 1]", "seeds = [0, 1]\nextra = 1", "unknown extra"),
        ("steps = 3", "stepps = 3", "arm 'triplet': settings: found unknown stepps"),
        ("[arms.blunt]", '[arms."too-blunt"]', "has a hyphen"),
        ("[arms.blunt]", '[arms."../blunt"]', r"arms has the name '\.\./blunt'; expected one"),
        ("[worlds.small]", '[worlds."/tmp/small"]', "worlds has the name '/tmp/small'"),
        ("[worlds.small]", '[worlds.".small"]', r"worlds has the name '\.small'"),
        ('preset = "tiny"', 'preset = "tinny"', "world 'small': preset 'tinny' is unknown"),
        ("weather = 0.0", "wether = 0.0", "world 'small': .*wether"),
        ("seeds = [0, 1]", "seeds = [0, 1", "is not TOML"),
    ],
)
def test_a_grid_that_is_wrong_says_where(folder, old, new, message):
    (folder / "study.toml").write_text(SMALL.replace(old, new), "utf-8")
    with pytest.raises(ValueError, match=message) as error:
        read_study(folder)
    assert "study.toml" in str(error.value)


def test_two_runs_of_one_study_do_not_mix(folder):
    with only_writer(folder), pytest.raises(BlockingIOError, match="asked: in use by process"):
        run(folder)
    assert [path.name for path in folder.iterdir()] == ["study.toml"]


def test_an_unknown_study_names_those_that_there_are(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"one of .*main"):
        read_study(tmp_path)


def test_curves_are_thinned_to_their_ends_and_validations_stay():
    curves = {"step": list(range(1, 801)), "loss": [1 / s for s in range(1, 801)], "val_step": [9]}
    kept = thinned(curves)
    assert len(kept["step"]) == len(kept["loss"]) == 100
    assert (kept["step"][0], kept["step"][-1]) == (1, 800) and kept["val_step"] == [9]
    assert all(loss == 1 / step for step, loss in zip(kept["step"], kept["loss"], strict=True))
    assert thinned({"step": [1], "loss": [2]}) == {"step": [1], "loss": [2]}


def test_a_study_is_listed_arm_by_arm(folder, capsys, monkeypatch):
    for name in ("triplet-s0", "blunt-s0", "blunt-s1"):
        (folder / f"small-{name}.json").touch()
    monkeypatch.chdir(folder.parent)
    assert main(["study", "list", "asked"]) == 0
    first, _, *table = capsys.readouterr().out.splitlines()
    assert first == "asked: 3 of 4 runs stored. Does it run?"
    assert table[:4] == [
        "| arm     | small |",
        "| ------- | ----- |",
        "| triplet | 0 ·   |",
        "| blunt   | 0 1   |",
    ]


def test_a_report_on_a_folder_nearby_and_its_figure(folder, capsys, monkeypatch):
    monkeypatch.chdir(folder.parent)
    figure = ["--figure", "new/levels.png"]
    assert main(["study", "report", *figure, "asked"]) == 1
    assert "--figure: no run of asked is stored to draw" in capsys.readouterr().err
    for world, arm, seed in read_study(folder).runs():
        stored = results.load("main")["mini", "sharp_rda" if arm == "blunt" else arm, seed]
        write_json(folder / results.run_name(world, arm, seed), stored)
    assert main(["study", "report", *figure, "asked"]) == 0
    said = capsys.readouterr().out
    assert "* blunt − triplet: +" in said and said.endswith("wrote new/levels.png\n")
    assert (folder.parent / "new" / "levels.png").read_bytes().startswith(b"\x89PNG")


def test_a_study_may_be_named_behind_flags(folder, capsys):
    assert main(["study", "run", "--minutes", "0", str(folder)]) == 0
    assert "asked: 4 runs, 4 to do now" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        main(["study", "run", "--minutes", "0", str(folder), "another"])
    assert "unrecognized arguments: another" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("list --preset cpu", "--preset goes with search, run, report, not with list"),
        ("list main --arms rda", "--arms goes with search, run, report, not with list"),
        ("list --figure x.png", "--figure goes with report, not with list"),
        ("search main --seeds 0", "--seeds goes with run, not with search"),
        ("run main --figure x.png", "--figure goes with report, not with run"),
        ("run main --margin 2", "--margin goes with report, not with run"),
        ("report main --jobs 2", "--jobs goes with search, run, not with report"),
        ("report --preset cpu --figure x.png", "--preset takes whole studies"),
        ("report main --figure x.gif", "--figure x.gif: expected a name in .png"),
    ],
)
def test_flags_that_do_not_go_together_are_refused(arguments, message, capsys):
    assert main(["study", *arguments.split()]) == 2
    assert message in capsys.readouterr().err


REPLAYING = SMALL.replace(
    "[arms.triplet]",
    """[arms.own]
loss = "dphr"
loss_options = { progress_map = "exp", momentum = 0.5 }
[arms.again]
loss = "dphr"
replay = "own"
[arms.half]
loss = "palw"
replay = { arm = "own", mean = 0.5 }
[arms.triplet]""",
)


@pytest.mark.slow
def test_an_arm_replays_the_lambda_of_another(folder):
    (folder / "study.toml").write_text(REPLAYING, "utf-8")
    assert run(folder, seeds=[0])[0] == 5
    runs = {arm: made for (_, arm, _), made in results.load(folder).items()}
    course = runs["own"]["lambda_course"]
    assert len(course) == 3 and len(set(course)) == 3
    assert runs["again"]["curves"]["lambda"] == pytest.approx(course, abs=1e-5)
    # the same weights at the same lambda: the same run, to the rounding of the course
    assert runs["again"]["curves"]["loss"] == pytest.approx(runs["own"]["curves"]["loss"], rel=1e-4)
    half = runs["half"]["curves"]["lambda"]
    assert sum(half) / len(half) == pytest.approx(0.5, abs=1e-5)
    assert half[1] / half[0] == pytest.approx(course[1] / course[0], rel=1e-3)
    assert "lambda_course" not in runs["half"]
    assert run(folder, seeds=[0]) == (0, ["asked: 10 runs, 0 to do now"])
    (folder / "small-own-s1.json").unlink(missing_ok=True)
    with pytest.raises(FileNotFoundError, match="replays its lambda; run that arm first"):
        run(folder, seeds=[1], arms=["again"])


@pytest.mark.parametrize(
    ("replay", "words"),
    [
        ('"none"', "expected the name of another arm"),
        ('"half"', "expected the name of another arm"),
        ("{ mean = 1.0 }", "expected the name of another arm"),
        ('{ arm = "own", mean = 0 }', "expected the name of another arm"),
        ('{ arm = "own", times = 2 }', "expected the name of another arm"),
    ],
)
def test_a_replay_that_cannot_be_is_named(folder, replay, words):
    grid = REPLAYING.replace('{ arm = "own", mean = 0.5 }', replay)
    (folder / "study.toml").write_text(grid, "utf-8")
    with pytest.raises(ValueError, match=words):
        read_study(folder)


def test_a_change_of_the_code_that_draws_is_another_world(monkeypatch, tmp_path):
    """Also in a subfolder, where most of the renderer stands."""
    package = tmp_path / "scenes"
    (package / "towns").mkdir(parents=True)
    (package / "worlds.py").write_text("a = 1", "utf-8")
    monkeypatch.setattr(world_cache, "files", lambda name: {"dphr_lab.scenes": package}[name])
    settings = scenes.preset("tiny")
    keys = [world_cache.fingerprint(settings)]
    for path in (package / "worlds.py", package / "towns" / "ground.py"):
        path.write_text("a = 2", "utf-8")
        keys.append(world_cache.fingerprint(settings))
    keys.append(world_cache.fingerprint(scenes.preset("mini")))
    assert len(set(keys)) == 4


@pytest.mark.slow
@pytest.mark.parametrize("name", stored_studies())
def test_stored_runs_are_those_that_their_grid_asks_for(name):
    asked = read_study(name)
    stored = {results.parse_name(path.name) for path in asked.folder.glob("*-s*.json")}
    assert stored <= set(asked.runs())
    runs = results.load(name) if stored else {}
    for run in sorted(stored):
        found = Settings.from_dict(runs[run]["settings"]).changed(threads=None)
        assert found == asked.settings(*run).changed(threads=None), run
