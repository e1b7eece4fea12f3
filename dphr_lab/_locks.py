"""One writer a folder: whoever comes second is told so.

A lock is a small hidden file beside the folder, which its holder touches every few seconds
(`filelock.SoftFileLease`). What a process that is gone has left is taken over: at once on the same
machine, and when it has not been touched for `LEASE_S` on any other.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dphr_lab._files import LOCK, hidden

LEASE_S = 30.0  # without a sign of life of its holder a lock is void
SIGN_OF_LIFE_S = 10.0  # between signs of life


@contextmanager
def only_writer(folder: Path | str) -> Iterator[None]:
    """Hold the lock of `folder`, which need not be there yet, as long as the block lasts.

    Of processes that train together (torchrun, accelerate) the first one holds it for all.
    Raises BlockingIOError, naming the process, where another one holds it; OSError where no lock
    can be written.
    """
    if os.environ.get("RANK", "0") != "0":
        yield
        return
    from filelock import SoftFileLease, Timeout

    folder = Path(folder).resolve()
    lease = SoftFileLease(
        _place(folder), lease_duration=LEASE_S, heartbeat_interval=SIGN_OF_LIFE_S, timeout=0
    )
    try:
        try:
            lease.acquire()
        except Timeout:
            if _lives(Path(lease.lock_file)):
                raise
            lease.acquire(timeout=LEASE_S + SIGN_OF_LIFE_S)  # does it give a sign of life?
    except Timeout:
        raise BlockingIOError(
            f"{folder}: in use by {_holder(lease)}, which writes there; wait until it ends, or "
            f"give another folder (a process that is gone is noticed within {LEASE_S:.0f} s)"
        ) from None
    try:
        yield
    finally:
        lease.release()


def _place(folder: Path) -> Path:
    """Where the lock of a folder lies: beside it, or within where nothing can be written there."""
    beside = hidden(folder, LOCK) if folder.name else folder / LOCK
    above = beside.parent
    if folder.is_dir() and not os.access(above, os.W_OK | os.X_OK):
        return folder / beside.name
    above.mkdir(parents=True, exist_ok=True)
    return beside


def _lives(lock: Path) -> bool:
    """Whether the holder gave a sign of life just now, by this machine's clock."""
    try:
        return abs(time.time() - lock.stat().st_mtime) < 2 * SIGN_OF_LIFE_S
    except FileNotFoundError:  # it was released meanwhile
        return False


def _holder(lease) -> str:
    owner = lease.owner
    return "another process" if owner is None else f"process {owner.pid} on {owner.hostname}"
