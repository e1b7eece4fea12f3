"""The command line: every command on good and bad input, its exit code and what it prints."""

import json
import shutil
import subprocess
import sys
from dataclasses import fields

import pytest

from dphr_lab import cli, scenes
from dphr_lab.settings import Settings
from dphr_lab.settings.protocol import sues200_split
from tests.helpers import ROOT, run

COMMANDS = (
    "demo",
    "scenes",
    "verify",
    "prepare",
    "recipes",
    "train",
    "matrix",
    "reproduce",
    "export",
    "evaluate",
    "search",
    "probe",
    "robustness",
    "study",
)
HEAVY = ("torch", "torchvision", "timm", "accelerate", "matplotlib", "cv2", "numpy", "PIL")
SMALL_WORLD = {"image-px": 32, "train-places": 6, "test-places": 3, "drone-views": 2}
SHORT = {"image-px": 32, "batch": 3, "val-places": 0, "steps": 2, "threads": 1}


def flags(values: dict, prefix: str = "--") -> list[str]:
    """--name value …"""
    return [word for name, value in values.items() for word in (prefix + name, str(value))]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("cli")


@pytest.fixture(scope="module")
def towns(folder):
    """A small world on disk in each layout."""
    roots = {layout: folder / layout for layout in ("university1652", "sues200")}
    for layout, root in roots.items():
        code = run(
            "scenes",
            "--layout",
            layout,
            "--preset",
            "tiny",
            "--out",
            root,
            *flags(SMALL_WORLD),
            "--workers",
            1,
        )
        assert code == 0
    return roots


@pytest.fixture(scope="module")
def trained(folder, towns):
    """A run on the University-1652 world."""
    assert (
        run("train", "--data", towns["university1652"], "--out", folder / "run", *flags(SHORT)) == 0
    )
    return folder / "run"


# -- help -------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", [None, *COMMANDS])
def test_help_is_quick_and_loads_nothing_heavy(command):
    arguments = [command, "--help"] if command else ["--help"]
    code = f"""
import atexit, sys, time
atexit.register(lambda: print([name for name in {HEAVY} if name in sys.modules], flush=True))
atexit.register(lambda: print(time.process_time()))  # the last to be registered is the first
from dphr_lab.cli import main
main({arguments})
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    *text, cpu_s, heavy = done.stdout.splitlines()
    assert float(cpu_s) < 2  # its own, so that what else the machine does plays no part
    assert heavy == "[]"
    assert text[0].startswith("usage: dphr")
    if command is None:
        assert all(name in done.stdout for name in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_flag_says_what_it_does(command):
    parsers = cli.build_parser()._subparsers._group_actions[0].choices
    for action in parsers[command]._actions:
        assert action.help, action.option_strings


def test_help_names_the_data_as_it_is_written(capsys):
    assert run("scenes", "--help") == 0
    assert "Render a Twin Towns world to disk." in capsys.readouterr().out


def test_module_and_script_start_the_same(capsys):
    command = [sys.executable, "-m", "dphr_lab.cli", "--version"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert run("--version") == 0
    assert done.stdout == capsys.readouterr().out


# -- flags that follow the settings ------------------------------------------------------------


def test_every_field_of_a_world_has_a_flag():
    assert set(cli.scenes.PRESET_OF_LAYOUT.values()) <= set(scenes.PRESETS)
    assert {f.name for f in fields(scenes.WorldSettings)} == {"name", *cli.flags.WORLD_FLAGS}


def test_every_setting_has_a_flag():
    options = ["--loss-options", "beta=2", "signal=constant", "--no-augmentation"]
    args = cli.build_parser().parse_args(["train", "--out", "x", "--batch", "7", *options])
    assert args.batch == 7
    assert args.loss_options == [("beta", 2), ("signal", "constant")]
    assert args.augmentation is None
    assert not hasattr(args, "freeze_bn")  # not given: the default of Settings, or of the run
    args = cli.build_parser().parse_args(["train", "--out", "x", "--freeze-bn", *flags(SHORT)])
    assert args.freeze_bn is True
    known = cli.build_parser()._subparsers._group_actions[0].choices["train"]._option_string_actions
    assert {cli.flags.flag(f.name) for f in fields(Settings)} <= set(known)


# -- the whole path, in both layouts ----------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("layout", ["university1652", "sues200"])
def test_from_scenes_to_search(towns, folder, capsys, layout):
    root, out = towns[layout], folder / f"path-{layout}"
    height = ["--height", 200] if layout == "sues200" else []
    assert run("verify", root, "--deep", *height) == 0
    shown = capsys.readouterr().out
    assert "no fault" in shown and "every image decoded" in shown
    assert run("train", "--data", root, "--out", out, *height, *flags(SHORT)) == 0
    shown = capsys.readouterr().out
    assert "12 drone images of 6 places" in shown
    assert "drone → satellite (D2S)" in shown and str(out) in shown
    report = json.loads((out / "result.json").read_text("utf-8"))["report"]

    # Without --data a run is scored on its own data, and says what it said after training.
    assert run("evaluate", "--run", out, "--gallery-mode", "both", "--json", out / "e.json") == 0
    shown = capsys.readouterr().out
    assert shown.count("'full'") == shown.count("'query_places'") == 2
    modes = json.loads((out / "e.json").read_text("utf-8"))
    assert modes["full"].keys() == report.keys() == {"D2S", "S2D"}
    for direction, values in modes["full"].items():
        assert values == pytest.approx(report[direction], abs=1e-3)
    assert modes["query_places"]["D2S"]["gallery"] == 3

    drone, satellite = {
        "university1652": ("test/query_drone/0007/image-01.jpeg", "test/gallery_satellite"),
        "sues200": (f"drone_view_512/{sues200_split()['test'][0]}/200/0.jpg", "satellite-view"),
    }[layout]
    figure = out / "figures" / "top.png"
    assert run(
        "search", "--run", out, "--query", root / drone, "--gallery", root / satellite,
        "--top", 99, "--out", figure,
    ) == 0  # fmt: skip
    shown = capsys.readouterr().out
    assert shown.count("\n  * ") == 1  # one satellite image shows the place
    assert figure.is_file()


@pytest.mark.slow
def test_world_in_memory(folder, capsys):
    out = folder / "world"
    small = flags(SMALL_WORLD, "--world-")
    assert run("train", "--world", "tiny", *small, "--out", out, *flags(SHORT)) == 0
    first = capsys.readouterr().out
    assert "rendering 'tiny': 36 images of 32 px" in first
    # The run remembers its world, with what was changed in it.
    assert run("evaluate", "--run", out, "--direction", "S2D") == 0
    again = capsys.readouterr().out
    assert "rendering 'tiny': 36 images of 32 px" in again
    assert again.splitlines()[-5:] == first.split("satellite → drone")[1].splitlines()[1:6]


@pytest.mark.slow
def test_search_in_the_other_direction(trained, towns, capsys):
    test = towns["university1652"] / "test"
    queries = [test / "query_satellite" / place / f"{place}.jpg" for place in ("0007", "0008")]
    gallery = test / "gallery_drone"
    turned = ["--query-view", "satellite", "--gallery", gallery, "--top", 3]
    assert run("search", "--run", trained, "--query", *queries, *turned) == 0
    shown = capsys.readouterr().out.splitlines()
    assert len(shown) == 2 * (1 + 3)
    assert all(str(gallery) in line for line in shown[1:4])


@pytest.mark.slow
def test_a_finished_run_resumed_says_the_same(trained, capsys):
    before = json.loads((trained / "result.json").read_text("utf-8"))
    assert run("train", "--resume", trained) == 0
    assert "drone → satellite (D2S)" in capsys.readouterr().out
    after = json.loads((trained / "result.json").read_text("utf-8"))
    assert after["report"] == before["report"] and after["curves"] == before["curves"]


@pytest.mark.slow
def test_a_checkpoint_is_an_encoder(trained, towns, capsys):
    checkpoint = max((trained / "checkpoints").iterdir())
    data = ["--data", towns["university1652"], "--direction", "D2S"]
    assert run("evaluate", "--run", checkpoint, *data, "--flip-tta") == 0
    assert "horizontal flip" in capsys.readouterr().out


def test_estimate_writes_nothing(tmp_path, capsys):
    asked = ["--preset", "tiny", "--out", tmp_path / "new", "--estimate"]
    assert run("scenes", *asked) == 0
    one = int(capsys.readouterr().out.split(" images")[0])
    assert run("scenes", *asked, "--layout", "sues200") == 0
    four = int(capsys.readouterr().out.split(" images")[0])
    tiny = scenes.PRESETS["tiny"]
    places = tiny.train_places + tiny.test_places
    assert one == (places + tiny.distractor_places) * (1 + tiny.drone_views)
    assert four == places * (1 + 4 * tiny.drone_views)  # four heights, no distractors
    assert not (tmp_path / "new").exists()


def test_verify_counts_one_height_or_all(towns, capsys):
    assert run("verify", towns["sues200"]) == 0
    rows = capsys.readouterr().out.count("train/drone ")
    assert run("verify", towns["sues200"], "--height", 300) == 0
    one = capsys.readouterr().out
    assert "train/drone 300 m" in one and "train/drone 150 m" not in one
    assert rows > one.count("train/drone ")


# -- wrong usage: exit code 2, one message ----------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("", "arguments are required: COMMAND"),
        ("paint", "invalid choice: 'paint'"),
        ("scenes", "--out ROOT is needed"),
        ("scenes --out x --seed -1", "seed is -1"),
        ("scenes --out x --workers 0", "found '0'; expected a whole number, 1 or more"),
        ("scenes --out x --preset huge", "invalid choice: 'huge'"),
        ("verify", "arguments are required: root"),
        ("verify x --height 120", "invalid choice: 120"),
        ("train --data x", "--out RUN, --resume RUN or --dry-run is needed"),
        ("train --data x --dry-run --out y", "not allowed with"),
        ("train --data x --refit y --dry-run", "--refit RUN goes with --out"),
        ("train --refit x --out y --batch 8", "--refit takes its settings from the run"),
        ("train --data x --out y --select-on-test --select last", "exclude one another"),
        ("train --out x", "--data ROOT or --world PRESET is needed"),
        ("train --out x --data y --world tiny", "not allowed with"),
        ("train --out x --data y --loss l2", "loss is 'l2'; expected one of triplet"),
        ("train --out x --data y --batch 1", "batch is 1; expected at least 2"),
        ("train --out x --data y --batch many", "invalid int value: 'many'"),
        ("train --out x --data y --world-seed 3", "--world-seed goes with --world"),
        ("train --out x --world tiny --world-image-px 4", "image_px is 4"),
        ("train --out x --world tiny --height 150", "--height is for SUES-200"),
        ("train --out x --data y --loss-options beta", "found 'beta'; expected NAME=VALUE"),
        (
            "train --out x --data y --recipe soup",
            "recipe: found 'soup'; expected one of sample4geo",
        ),
        ("train --out x --data y --recipe dphr-sues200", "one model a height: --height is needed"),
        ("train --out x --data y --steps 3 --epochs 1", "--steps and --epochs exclude one another"),
        ("train --resume x --recipe twin-towns", "--resume takes settings and data from the run"),
        ("reproduce city --data x --out y.json", "invalid choice: 'city'"),
        ("reproduce university1652 --data x --out y", "--out y: expected a name in .json"),
        ("reproduce university1652 --data x --out y.json --height 150", "--height goes with sues"),
        ("recipes soup", "recipe: found 'soup'; expected one of sample4geo"),
        ("train --resume x --steps 10", "--resume takes settings and data from the run"),
        ("train --resume x --world tiny", "--resume takes settings and data from the run"),
        ("evaluate --data y", "--run/--checkpoint --backbone --features is required"),
        ("evaluate --backbone test_convnext", "--data ROOT or --world PRESET is needed"),
        ("evaluate --run x --data y --pretrained pypi", "--pretrained goes with --backbone"),
        ("search --run x --gallery y", "arguments are required: --query"),
        ("search --run x --query a --gallery y --top 0", "found '0'"),
        ("search --run x --query a --gallery y --image-px -8", "found '-8'"),
        ("search --run x --query a --gallery y --out top.doc", "top.doc: expected a name in .png"),
        ("evaluate --backbone test_convnext --data y --device quux", "--device quux: "),
    ],
)
def test_wrong_usage(arguments, message, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run(*arguments.split()) == 2
    shown = capsys.readouterr()
    assert message in shown.err
    assert shown.out == ""
    assert not list(tmp_path.iterdir())


# -- faults of data: exit code 1, one message -------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("scenes --preset tiny --out {uni}", "is not empty; give a new or empty folder"),
        ("scenes --layout sues200 --preset mini --out {new}", "SUES-200 has 120 of them"),
        ("verify {new}", "There is no folder {new}"),
        ("verify {uni}/train", "Did you mean {uni}?"),
        ("verify {uni} --height 150", "has no heights"),
        ("train --data {uni} --out {run}", "found another run in {run}; go on with it"),
        (
            "train --data {uni} --out {new} --batch 64 --val-places 0",
            "batch is 64, and there are 6",
        ),
        ("train --data {new} --out {new}", "no data set found"),
        ("train --resume {new}", "found no settings.json in {new}"),
        ("train --resume {cut}", "{cut}/settings.json: not the settings of a run"),
        ("evaluate --run {new}", "found no settings.json in {new}"),
        ("evaluate --run {new} --data {uni}", "encoder.json is missing"),
        ("evaluate --run {stopped} --data {uni}", "dphr train --resume {stopped}"),
        ("evaluate --backbone resnet51 --data {uni}", "Near it: ["),
        ("search --run {run} --query {new}.jpg --gallery {uni}", "found no file {new}.jpg"),
        ("search --run {run} --query {photo} --gallery {new}", "found no image in {new}"),
        ("search --run {run} --query {bad} --gallery {uni}/test", "{bad}: cannot be decoded"),
    ],
)
def test_faults_of_data(arguments, message, towns, trained, tmp_path, capsys):
    places = {
        "uni": towns["university1652"],
        "run": trained,
        "new": tmp_path / "new",
        "cut": tmp_path / "cut",
        "stopped": tmp_path / "stopped",
        "photo": towns["university1652"] / "train/satellite/0001/0001.jpg",
        "bad": tmp_path / "bad.jpg",
    }
    for name in ("cut", "stopped"):
        places[name].mkdir()
        text = (trained / "settings.json").read_text("utf-8")
        (places[name] / "settings.json").write_text(text[:50] if name == "cut" else text, "utf-8")
    places["bad"].write_bytes(places["photo"].read_bytes()[:300])
    assert run(*arguments.format(**places).split()) == 1
    shown = capsys.readouterr()
    assert message.format(**places) in shown.err
    assert shown.err.splitlines()[-1] != "" and "Traceback" not in shown.err
    assert not (tmp_path / "new").exists()


def test_verify_finds_a_truncated_image_and_training_names_it(towns, tmp_path, capsys):
    root = tmp_path / "broken"
    shutil.copytree(towns["university1652"], root)
    broken = root / "train" / "drone" / "0002" / "image-01.jpeg"
    broken.write_bytes(broken.read_bytes()[:300])
    assert run("verify", root) == 0
    assert run("verify", root, "--deep") == 1
    assert f"FAULT:  {broken}" in capsys.readouterr().out
    epoch = flags(SHORT | {"batch": 6})  # 2 steps take every training image once
    assert run("train", "--data", root, "--out", tmp_path / "run", *epoch) == 1
    assert f"dphr: {broken}: cannot be decoded" in capsys.readouterr().err


def test_verify_fails_on_other_counts_only_when_asked(towns, capsys):
    assert run("verify", towns["university1652"]) == 0
    assert "notice: train/drone has 6 places" in capsys.readouterr().out
    assert run("verify", towns["university1652"], "--published") == 1
    assert "FAULT:  train/drone has 6 places" in capsys.readouterr().out


# -- what main makes of errors ----------------------------------------------------------------


def failing_with(error):
    def fail(*arguments, **options):
        raise error

    return fail


@pytest.fixture
def verify_raising(monkeypatch):
    """`dphr verify x` meets the error that is given."""

    def set_up(error, *before):
        monkeypatch.setattr("dphr_lab.datasets.verify", failing_with(error))
        return run(*before, "verify", "x")

    return set_up


class NonFiniteLossError(RuntimeError):
    """Of the same name as training's, which `cli` knows by its name."""


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (ValueError("two words"), "dphr: two words\n"),
        (
            PermissionError(13, "Permission denied", "/x"),
            "dphr: /x: Permission denied; give another path, or change its permissions\n",
        ),
        (
            OSError(28, "No space left on device", "/x"),
            "/x: No space left on device; make room, or give another folder\n",
        ),
        (MemoryError(), "dphr: MemoryError\n"),
        (NonFiniteLossError("loss: found nan at step 3"), "dphr: loss: found nan at step 3\n"),
        (
            ModuleNotFoundError("No module named 'timm'", name="timm"),
            "No module named 'timm'; install it with pip install 'dphr-lab[train]'\n",
        ),
        (ModuleNotFoundError("pip install this"), "dphr: pip install this\n"),
        (
            ValueError(
                "Caught ValueError in DataLoader worker process 0.\nOriginal Traceback (most "
                "recent call last):\n  File …\nValueError: a.jpg: cannot be decoded\n"
            ),
            "dphr: a.jpg: cannot be decoded\n",
        ),
    ],
)
def test_foreseen_errors_are_one_message(verify_raising, capsys, error, message):
    assert verify_raising(error) == 1
    assert capsys.readouterr().err.endswith(message)


@pytest.mark.parametrize(
    "error", [RuntimeError("mat1 and mat2 shapes"), TypeError("x"), KeyError()]
)
def test_bugs_show_where_they_are(verify_raising, error):
    with pytest.raises(type(error)):
        verify_raising(error)


def test_a_foreseen_error_shows_where_it_arose_when_asked(verify_raising):
    with pytest.raises(ValueError, match="two words"):
        verify_raising(ValueError("two words"), "--traceback")


def test_traceback_may_stand_before_or_after_the_command():
    for arguments in (["--traceback", "verify", "x"], ["verify", "x", "--traceback"]):
        assert cli.build_parser().parse_args(arguments).traceback
    assert not cli.build_parser().parse_args(["verify", "x"]).traceback


def test_the_error_of_training_has_the_name_that_is_known():
    from dphr_lab import training

    assert training.NonFiniteLossError.__name__ in cli.FORESEEN_NAMES


@pytest.mark.parametrize("said", ["", "stopped after step 3; saved run/checkpoints/step-000003"])
def test_ctrl_c_has_its_own_code(verify_raising, capsys, said):
    assert verify_raising(KeyboardInterrupt(*filter(None, [said]))) == 130
    assert capsys.readouterr().err == f"dphr: {said or 'stopped'}\n"


def test_output_that_nobody_reads_is_no_fault(towns):
    command = [sys.executable, "-m", "dphr_lab.cli", "verify", str(towns["university1652"])]
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        process.stdout.close()
        assert process.stderr.read() == ""
