"""Work spread over processes, in the order in which it was given."""

import multiprocessing
import os
import signal
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager

import cv2
from tqdm import tqdm


def _start_worker():
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all; this one's parent decides
    cv2.setNumThreads(1)


@contextmanager
def one_opencv_thread() -> Iterator[None]:
    """In this process what a worker has, and afterwards what there was."""
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(threads)


def available_workers() -> int:
    """The number of processor cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@contextmanager
def mapped(function, jobs: list, workers: int | None, progress: bool, label: str) -> Iterator:
    """An iterator over `function(job)` in order, over processes when it pays.

    Processes are spawned, so a script that renders must be importable: guard its entry with
    `if __name__ == "__main__":`. `workers` 1 renders in this process.
    """
    if workers is not None and workers < 1:
        raise ValueError(f"workers is {workers}; expected 1 or more, or None for all cores")
    count = min(workers or available_workers(), max(1, len(jobs) // 8))
    bar = {"total": len(jobs), "desc": label, "unit": "place", "disable": not progress}
    if count == 1:
        with one_opencv_thread():
            yield iter(tqdm(map(function, jobs), **bar))
        return
    context = multiprocessing.get_context("spawn")
    chunk = max(1, min(4, len(jobs) // (4 * count)))  # few: Ctrl-C waits for those begun
    pool = ProcessPoolExecutor(count, context, _start_worker)
    try:
        yield iter(tqdm(pool.map(function, jobs, chunksize=chunk), **bar))
    except BrokenProcessPool as error:
        raise ChildProcessError(
            "a rendering process ended early: killed, as for want of memory (try fewer workers), "
            "or never begun. Processes are spawned: a script must guard its entry with "
            '`if __name__ == "__main__":`; where that cannot be, use workers=1.'
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)
