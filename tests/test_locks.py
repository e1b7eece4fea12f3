"""One writer a folder, and a lock that outlives nobody."""

import os
import signal
import subprocess
import sys

import pytest

from dphr_lab import _locks
from dphr_lab._files import hidden
from dphr_lab._locks import only_writer

HOLD = """
import sys, time
from dphr_lab._locks import only_writer
with only_writer(sys.argv[1]):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path):
    """Another process that holds the lock of tmp_path / "run"."""
    command = [sys.executable, "-c", HOLD, str(tmp_path / "run")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.wait()


def test_the_second_is_told_who_is_there(tmp_path, holder):
    told = pytest.raises(BlockingIOError, match=f"run: in use by process {holder.pid} on ")
    with told, only_writer(tmp_path / "run"):
        pytest.fail("two writers")


def test_a_holder_that_was_killed_is_followed_at_once(tmp_path, holder):
    os.kill(holder.pid, signal.SIGKILL)
    holder.wait()
    assert list(tmp_path.iterdir()) == [tmp_path / ".run.lock"]
    with only_writer(tmp_path / "run"):
        pass
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_a_holder_on_another_machine_is_followed_when_its_lock_is_old(tmp_path, monkeypatch):
    monkeypatch.setattr(_locks, "LEASE_S", 0.6)
    monkeypatch.setattr(_locks, "SIGN_OF_LIFE_S", 0.2)
    lock = tmp_path / ".run.lock"
    lock.write_text(
        "filelock/2\npid=1\nhost=elsewhere\nmode=lease\ntoken=a\nduration=0.6\n", "utf-8"
    )
    told = pytest.raises(BlockingIOError, match="process 1 on elsewhere")
    with told, only_writer(tmp_path / "run"):
        pytest.fail("it gave a sign of life just now")
    os.utime(lock, (1, 1))
    with only_writer(tmp_path / "run"):
        assert "host=elsewhere" not in lock.read_text("utf-8")


def test_it_is_free_again_after_an_error_and_within_one_process(tmp_path):
    with pytest.raises(ZeroDivisionError), only_writer(tmp_path / "run"):
        with pytest.raises(BlockingIOError), only_writer(tmp_path / "other" / ".." / "run"):
            pytest.fail("two writers")
        _ = 1 / 0
    with only_writer(tmp_path / "run"):
        pass


def test_other_folders_are_free(tmp_path):
    with only_writer(tmp_path), only_writer(tmp_path / "a"), only_writer(tmp_path / "a" / "b"):
        pass


def test_a_name_as_long_as_can_be_has_a_lock(tmp_path):
    for name in ("x" * 255, "ü" * 127):
        with only_writer(tmp_path / name):
            (lock,) = tmp_path.iterdir()
            assert lock.name.startswith("." + name[:50]) and lock.name.endswith(".lock")
    assert hidden(tmp_path / ("x" * 255), ".a") != hidden(tmp_path / ("x" * 254 + "y"), ".a")
