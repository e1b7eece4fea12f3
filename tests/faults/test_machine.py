"""A machine that says no: folders closed to us, a full disk, signals."""

import ctypes
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from faults import check, left_behind, run, table
from faults.conftest import SHORT, SMALL, words

resource = pytest.importorskip("resource", reason="file-size limits are of POSIX systems")
ROOT = Path(__file__).resolve().parents[2]
FILES_OF_ROOT = 1 << 1 | 1 << 2  # CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH of capabilities(7)


@contextmanager
def obeying_permissions():
    """Root, too, meets the permissions of its own files: this thread and those it starts."""
    if os.geteuid() != 0:
        yield
        return
    if not sys.platform.startswith("linux"):
        pytest.skip("root obeys no permissions here")
    libc = ctypes.CDLL(None, use_errno=True)
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)  # version 3; 0: the calling thread
    sets = (ctypes.c_uint32 * 6)()  # effective, permitted, inheritable; the same for the rest

    def call(name):
        if getattr(libc, name)(header, sets):
            pytest.skip(f"{name}: {os.strerror(ctypes.get_errno())}")

    call("capget")
    before = sets[0]
    sets[0] = before & ~FILES_OF_ROOT
    call("capset")
    try:
        yield
    finally:
        sets[0] = before
        call("capset")


@contextmanager
def files_up_to(size):
    """No file may grow beyond `size` bytes: as a disk that is full, but for its message."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@contextmanager
def closed(path, mode):
    """A folder or file of this mode, which is put back afterwards so that it can be removed."""
    before = path.stat().st_mode
    path.chmod(mode)
    try:
        with obeying_permissions():
            yield
    finally:
        path.chmod(before)


FAULTS = {  # what is done to: the folder above what is written, the data, the run
    "folder of the output not writable": lambda out, data, run: closed(out, 0o555),
    "image not readable": lambda out, data, run: closed(data / "train/drone/0002/image-01.jpeg", 0),
    "data folder not readable": lambda out, data, run: closed(data / "train", 0),
    "run not readable": lambda out, data, run: closed(run / "encoder.json", 0),
    "run not writable": lambda out, data, run: closed(run, 0o555),
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
    }[surface]


def test_the_table_has_every_fault():
    assert list(dict.fromkeys(fault for fault, _ in TABLE)) == list(FAULTS)


@pytest.mark.parametrize(("fault", "surface"), TABLE)
def test_machine(fault, surface, world, trained, tmp_path, capsys):
    out, data, own_run = (tmp_path / name for name in ("out", "data", "run"))
    out.mkdir()
    shutil.copytree(world, data)
    shutil.copytree(trained, own_run)
    with FAULTS[fault](out, data, own_run):
        code = run(*arguments_of(surface, out, data, own_run))
    check(TABLE[fault, surface], code, *capsys.readouterr())
    # `prepare` goes on with what it has; a training that was begun keeps its settings
    assert not [name for name in left_behind(tmp_path) if name != ".new.part"]
    if code == 0:
        return
    assert {path.name for path in out.iterdir()} <= {"new", ".new.part"}
    assert not (out / "new").exists() or {p.name for p in (out / "new").iterdir()} <= {
        "settings.json",
        "metrics.jsonl",
        "checkpoints",
    }


def test_a_full_disk_leaves_no_checkpoint_that_looks_whole(world, tmp_path, capsys):
    out = tmp_path / "run"
    with files_up_to(5_000):  # enough for the settings, not for the weights
        code = run("train", "--data", world, "--out", out, *SHORT)
    assert code == 1
    assert "cannot be written" in capsys.readouterr().err
    assert not list((out / "checkpoints").iterdir())
    assert run("train", "--data", world, "--out", out, *SHORT) == 0  # it is begun anew


# -- signals ------------------------------------------------------------------------------------

SIGNALS = {"Ctrl-C": signal.SIGINT, "SIGTERM": signal.SIGTERM}


@contextmanager
def sent_when(number, true):
    """Send a signal to this process as soon as `true()`."""
    done = threading.Event()

    def watch():
        while not done.wait(0.002):
            if true():
                os.kill(os.getpid(), number)
                return

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


@pytest.mark.parametrize("name", SIGNALS)
def test_scenes_stopped_leaves_nothing_and_can_be_begun_again(name, tmp_path, capsys):
    out = tmp_path / "world"
    command = ["scenes", "--preset", "tiny", "--out", out, *SMALL, "--workers", 1]
    with sent_when(SIGNALS[name], lambda: any(out.rglob("*.jpeg"))):
        assert run(*command) == 130
    assert capsys.readouterr().err.endswith("dphr: stopped\n")
    assert not out.exists()
    (out / ".unfinished" / "train").mkdir(parents=True)  # as a process that was killed leaves it
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


@pytest.mark.parametrize("name", SIGNALS)
def test_stopped_at_the_start(name, world, tmp_path):
    """While the libraries are being imported, before anything is written."""
    code = "import sys; from dphr_lab.cli import main; print('here', flush=True); sys.exit(main())"
    arguments = ["train", "--data", str(world), "--out", str(tmp_path / "run"), *SHORT]
    with subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout.readline() == "here\n"
        time.sleep(0.3)
        process.send_signal(SIGNALS[name])
        _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert err == "dphr: stopped\n"
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
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(sys.modules, "swallowing", None)
    del sys.modules["swallowing"]  # and again when the test is over
    went_on = []

    def carry_out(args):
        import swallowing  # noqa: F401

        went_on.append(True)
        time.sleep(30)

    monkeypatch.setattr("dphr_lab.cli.recipes.run", carry_out)
    handlers = [signal.getsignal(number) for number in (*SIGNALS.values(), signal.SIGALRM)]
    assert run("recipes") == 130
    assert went_on
    assert handlers == [signal.getsignal(n) for n in (*SIGNALS.values(), signal.SIGALRM)]
