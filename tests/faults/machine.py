"""Ways in which a machine says no: folders closed to us, a full disk, signals."""

import ctypes
import os
import signal
import sys
import threading
from contextlib import ExitStack, contextmanager

import pytest

from dphr_lab._locks import only_writer

resource = pytest.importorskip("resource", reason="file-size limits are of POSIX systems")
FILES_OF_ROOT = 1 << 1 | 1 << 2  # CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH of capabilities(7)
SIGNALS = {"Ctrl-C": signal.SIGINT, "SIGTERM": signal.SIGTERM}


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


@contextmanager
def in_use(*folders):
    """Other commands are writing in these folders."""
    with ExitStack() as stack:
        for folder in folders:
            stack.enter_context(only_writer(folder))
        yield


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
