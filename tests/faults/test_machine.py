"""A machine that says no: folders closed to us, a full disk, signals."""

import importlib
import os
import shutil
import signal
import subprocess
import sys
import time

import pytest

from dphr_lab.scenes import writing as layouts
from tests.faults import check, left_behind, table, words
from tests.faults.conftest import SHORT, SMALL
from tests.faults.machine import SIGNALS, closed, files_up_to, in_use, sent_when
from tests.faults.test_protocols import SMALL_RUN
from tests.faults.test_trials import SEARCHED
from tests.helpers import ROOT, run

pytestmark = pytest.mark.slow


def first_place(data):
    """The folder of a training place's drone images, in either layout."""
    return next(data.glob("train/drone/0002"), data / "drone_view_512/0002/150")


FAULTS = {  # what is done to: the folder above what is written, the data, the run
    "folder of the output not writable": lambda out, data, run: closed(out, 0o555),
    "image not readable": lambda out, data, run: closed(next(first_place(data).iterdir()), 0),
    "data folder not readable": lambda out, data, run: closed(first_place(data), 0),
    "run not readable": lambda out, data, run: closed(run / "encoder.json", 0),
    "run not writable": lambda out, data, run: closed(run, 0o555),
    "folder of the output in use": lambda out, data, run: in_use(
        out, out / "new", out / "r.runs", run
    ),
    "disk full": lambda out, data, run: files_up_to(500),
}
TABLE = table("machine")


def arguments_of(surface, out, data, run):
    query = data / "test/query_drone/0007/image-01.jpeg"
    return {
        "scenes": ["scenes", "--preset", "tiny", "--out", out / "new", *SMALL, "--workers", 1],
        "verify --deep": ["verify", "--deep", data],
        "prepare": ["prepare", data, "--out", out / "new", "--image-px", 32],
        "train": ["train", "--data", data, "--out", out / "new", *SHORT],
        "train --resume": ["train", "--resume", run],
        "evaluate": ["evaluate", "--run", run, "--data", data, "--json", out / "new.json"],
        "search": [
            *("search", "--run", run, "--query", query, "--gallery", data / "test"),
            *("--out", out / "new.png"),
        ],
        "probe": [
            *("probe", "--run", run, "--places", 1, "--doses", 300, "--workers", 1),
            *("--out", out / "new.json"),
        ],
        "matrix": ["matrix", "--data", data, "--out", out / "new", *SMALL_RUN],
        "reproduce": ["reproduce", "sues200", "--data", data, "--out", out / "r.json", *SMALL_RUN],
        "study search": ["study", "search", out],
        "study run": ["study", "run", out],
    }[surface]


def test_the_table_has_every_fault():
    assert list(dict.fromkeys(fault for fault, _ in TABLE)) == list(FAULTS)


@pytest.mark.parametrize(("fault", "surface"), TABLE)
def test_machine(fault, surface, world, two_heights, trained, tmp_path, capsys):
    out, data, own_run = (tmp_path / name for name in ("out", "data", "run"))
    out.mkdir()
    if surface.startswith("study"):
        (out / "study.toml").write_text(SEARCHED, "utf-8")
    shutil.copytree(two_heights if surface in ("matrix", "reproduce") else world, data)
    shutil.copytree(trained, own_run)
    with FAULTS[fault](out, data, own_run):
        code = run(*arguments_of(surface, out, data, own_run))
    check(TABLE[fault, surface], code, *capsys.readouterr())
    # `prepare` goes on with what it has; a training that was begun keeps its settings
    assert not [name for name in left_behind(tmp_path) if name != ".new.part"]
    if code == 0:
        return
    assert {p.name for p in out.iterdir()} <= {"new", ".new.part", "r.runs", "study.toml"}
    made = {path.name for path in (out / "new").glob("*")}
    assert made <= {"settings.json", "metrics.jsonl", "checkpoints", "150", "200"}


def test_a_full_disk_leaves_no_checkpoint_that_looks_whole(world, tmp_path, capsys):
    out = tmp_path / "run"
    with files_up_to(5_000):  # enough for the settings, not for the weights
        code = run("train", "--data", world, "--out", out, *SHORT)
    assert code == 1
    assert "cannot be written" in capsys.readouterr().err
    assert not list((out / "checkpoints").iterdir())
    assert run("train", "--data", world, "--out", out, *SHORT) == 0  # it is begun anew


# -- signals ------------------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def ctrl_c_is_heard():
    """As from a terminal: what a shell starts in its background ignores Ctrl-C, children too."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("name", SIGNALS)
def test_scenes_stopped_leaves_nothing_and_can_be_begun_again(name, tmp_path, capsys, monkeypatch):
    out = tmp_path / "world"
    command = ["scenes", "--preset", "tiny", "--out", out, *SMALL, "--workers", 1]
    write_place, written = layouts._write_place, []

    def write_and_stop(job):  # in the midst of the places
        written.append(write_place(job))
        if len(written) == 2:
            assert any(tmp_path.rglob("*.jpeg")) and not out.exists()
            os.kill(os.getpid(), SIGNALS[name])
        return written[-1]

    with monkeypatch.context() as patched:
        patched.setattr(layouts, "_write_place", write_and_stop)
        assert run(*command) == 130
    assert len(written) == 2
    assert capsys.readouterr().err.endswith("dphr: stopped\n")
    assert not out.exists()
    assert left_behind(tmp_path) == []
    out.mkdir()
    for folder in (out, tmp_path):  # as processes that were killed leave them
        (folder / ".world.part" / "train").mkdir(parents=True)
    assert run(*command) == 0
    assert sorted(path.name for path in out.iterdir()) == ["metadata.json", "test", "train"]


@pytest.mark.parametrize("name", SIGNALS)
def test_training_stopped_goes_on(name, world, tmp_path, capsys):
    out = tmp_path / "run"
    many = words("--steps 4000 --image-px 32 --batch 3 --val-places 0 --threads 1")
    with sent_when(SIGNALS[name], (out / "metrics.jsonl").exists):
        assert run("train", "--data", world, "--out", out, *many) == 130
    assert "dphr: stopped after step" in capsys.readouterr().err
    (checkpoint,) = (out / "checkpoints").iterdir()
    assert (checkpoint / "position.json").exists()
    assert not (out / "result.json").exists() and not left_behind(out)


STOPPED_AT = """
import os, sys
from dphr_lab.cli import main
module, number = sys.argv[1], int(sys.argv[2])

class Stop:
    def find_spec(name, *_):
        if name == module:
            os.kill(os.getpid(), number)

sys.meta_path.insert(0, Stop)
sys.exit(main(sys.argv[3:]))
"""


@pytest.mark.parametrize(("name", "module"), [("Ctrl-C", "torch.nn"), ("SIGTERM", "timm")])
def test_stopped_at_the_start(name, module, world, tmp_path):
    """While the libraries are being imported, before anything is written."""
    arguments = ["train", "--data", str(world), "--out", str(tmp_path / "run"), *SHORT]
    stop = [module, str(SIGNALS[name].value)]
    done = subprocess.run(
        [sys.executable, "-c", STOPPED_AT, *stop, *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 130, done.stderr
    assert done.stderr == "dphr: stopped\n"
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("name", SIGNALS)
def test_no_import_swallows_a_stop(name, tmp_path, monkeypatch):
    """Libraries that try imports under a bare `except` would lose it."""
    (tmp_path / "swallowing.py").write_text(
        "import os, time\n"
        "try:\n"
        f"    os.kill(os.getpid(), {SIGNALS[name].value})\n"
        "    time.sleep(0.2)\n"
        "except:\n"
        "    pass\n"
        "ended = True\n",
        "utf-8",
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(sys.modules, "swallowing", None)
    del sys.modules["swallowing"]  # and again when the test is over

    def carry_out(args):
        importlib.import_module("swallowing")

        time.sleep(30)  # never so long, as the stop breaks it

    monkeypatch.setattr("dphr_lab.cli.recipes.run", carry_out)
    handlers = [signal.getsignal(number) for number in (*SIGNALS.values(), signal.SIGALRM)]
    assert run("recipes") == 130
    assert sys.modules["swallowing"].ended
    assert handlers == [signal.getsignal(n) for n in (*SIGNALS.values(), signal.SIGALRM)]
