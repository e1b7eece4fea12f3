"""The `dphr` command: demo, scenes, verify, prepare, recipes, train, matrix, reproduce, convert,
export, evaluate, search, probe, robustness, study, map, locate, track.

Only the standard library is imported here, so that `--help` answers at once; each command
imports what it needs. Exit codes: 0 done, 1 a fault in data or files, 2 wrong usage, 130 stopped
by Ctrl-C or SIGTERM.
"""

import argparse
import errno
import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType

from dphr_lab import __version__
from dphr_lab._terminal import escaping, printable
from dphr_lab.cli import (
    convert,
    demo,
    evaluate,
    export,
    locate,
    map,
    matrix,
    prepare,
    probe,
    recipes,
    reproduce,
    robustness,
    scenes,
    search,
    study,
    track,
    train,
    verify,
)
from dphr_lab.cli.flags import WrongUsage, add_traceback_flag, check_apart

COMMANDS = (
    demo,
    scenes,
    verify,
    prepare,
    recipes,
    train,
    matrix,
    reproduce,
    convert,
    export,
    evaluate,
    search,
    probe,
    robustness,
    study,
    map,
    locate,
    track,
)
# Faults of data, files and machine, which get one message; all else is a bug and shows where.
FORESEEN = (ValueError, OSError, ModuleNotFoundError, MemoryError)
FORESEEN_NAMES = ("NonFiniteLossError", "OutOfMemoryError")  # by name: torch is not loaded here
TO_DO = dict.fromkeys(
    (errno.EACCES, errno.EPERM, errno.EROFS), "give another path, or change its permissions"
) | dict.fromkeys(
    (errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", None)), "make room, or give another folder"
)

# What out-of-memory errors say: torch's are RuntimeErrors, OpenCV's are its own.
NO_MEMORY = ("can't allocate memory", "not enough memory", "Insufficient memory", "out of memory")
MAKE_SMALLER = "take fewer or smaller images at a time"

OF_EXTRA_MAP = ("map", "locate", "track")  # commands that need more than the extra `train`
EXTRAS = {  # module -> the extra that brings it; all others are of `train`
    **dict.fromkeys(("IPython", "ipywidgets"), "book"),
    **dict.fromkeys(("faiss", "pyarrow", "pyproj", "rasterio"), "map"),
    **dict.fromkeys(("milvus_lite", "pymilvus", "ray"), "cluster"),
    "pytorch_metric_learning": "metric-learning",
    "tensorboard": "tensorboard",
}

CAN_ASK_AGAIN = hasattr(signal, "setitimer")  # not on Windows


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code."""
    if hasattr(sys.stdout, "reconfigure"):  # a name or an arrow that the terminal cannot show
        sys.stdout.reconfigure(errors="replace")
    with escaping():
        try:
            with _stoppable():
                return _carry_out(_parsed(arguments))
        except KeyboardInterrupt as stopped:
            return _print_error(str(stopped) or "stopped", 130)


def _parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The arguments as the command's parser reads them.

    Some versions of argparse leave a name over that stands behind flags and may be left out: it
    goes where the command says by `may_stand_late`.
    """
    parser = build_parser()
    args, left_over = parser.parse_known_args(arguments)
    late = getattr(args, "may_stand_late", None)
    if late and getattr(args, late) is None and left_over and not left_over[0].startswith("-"):
        setattr(args, late, left_over.pop(0))
    if left_over:
        parser.error(f"unrecognized arguments: {' '.join(left_over)}")
    return args


def _carry_out(args: argparse.Namespace) -> int:
    try:
        check_apart(args)
        code = args.run(args) or 0
        sys.stdout.flush()  # a closed pipe raises here, where it is caught, not when Python ends
        return code
    except WrongUsage as error:
        message = str(error).rstrip(".")
        return _print_error(f"{args.command}: {message}; see dphr {args.command} --help", 2)
    except BrokenPipeError:  # what reads the output went away, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Exception as error:
        no_memory = any(words in str(error) for words in NO_MEMORY)
        foreseen = isinstance(error, FORESEEN) or type(error).__name__ in FORESEEN_NAMES
        if args.traceback or not (foreseen or no_memory):
            raise
        if no_memory and not isinstance(error, FORESEEN):
            return _print_error(f"{str(error).strip().splitlines()[0]}; {MAKE_SMALLER}", 1)
        missing = isinstance(error, ModuleNotFoundError) and error.name
        hint = f"; {_how_to_install(missing, args.command)}" if missing else ""
        return _print_error(f"{_message(error)}{hint}", 1)


def _how_to_install(module: str, command: str) -> str:
    """What brings a module that is missing: its extra, and for maps whatever else they need."""
    extra = EXTRAS.get(module.partition(".")[0], "train")
    if extra == "train" and command in OF_EXTRA_MAP:
        extra = "train,map"
    return f"install it with pip install 'dphr-lab[{extra}]'"


def build_parser() -> argparse.ArgumentParser:
    """The whole command line."""
    parser = argparse.ArgumentParser(
        prog="dphr",
        description="Cross-view geo-localization: find the satellite image of a drone image's "
        "place, and the reverse.",
    )
    parser.add_argument("--version", action="version", version=f"dphr {__version__}")
    add_traceback_flag(parser)
    commands = parser.add_subparsers(metavar="COMMAND", dest="command", required=True)
    for module in COMMANDS:
        module.add(commands)
    return parser


@contextmanager
def _stoppable() -> Iterator[None]:
    """Meet a scheduler's SIGTERM as Ctrl-C is met: with a checkpoint, and nothing half-written.

    Some libraries swallow whatever is raised while they import another, so a first signal during
    an import is answered when the import is over; a second one at once.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # signals reach the main thread only
        return
    asked = []

    def stop(number, frame):
        if CAN_ASK_AGAIN and _importing(frame) and (number == signal.SIGALRM or not asked):
            asked.append(number)
            signal.setitimer(signal.ITIMER_REAL, 0.002)  # its SIGALRM asks again
            return
        raise KeyboardInterrupt

    def as_ctrl_c(number, frame):
        on_ctrl_c = signal.getsignal(signal.SIGINT)  # `stop`, or what saves a checkpoint first
        (on_ctrl_c if callable(on_ctrl_c) else stop)(number, frame)

    handlers = {signal.SIGTERM: as_ctrl_c}
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:  # as it is in a shell's background
        handlers[signal.SIGINT] = stop
    if CAN_ASK_AGAIN:
        handlers[signal.SIGALRM] = as_ctrl_c
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        yield
    finally:
        if CAN_ASK_AGAIN:
            signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in before.items():
            signal.signal(number, handler)


def _importing(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code.co_filename == "<frozen importlib._bootstrap>":
            return True
        frame = frame.f_back
    return False


def _message(error: Exception) -> str:
    """What an error says, without the traceback that a data-loader process puts around it."""
    if isinstance(error, OSError) and error.filename and error.strerror:
        to_do = TO_DO.get(error.errno)
        name = printable(str(error.filename), line=True)
        return f"{name}: {error.strerror}{f'; {to_do}' if to_do else ''}"
    if isinstance(error, UnicodeEncodeError):  # a library that takes names in UTF-8 only
        name = printable(str(error.object)[:300], line=True)
        return f"{name}: a name that is not UTF-8 cannot be used for this; rename it"
    text = str(error).strip() or type(error).__name__
    if "Original Traceback" in text:
        return text.splitlines()[-1].partition(": ")[2]
    return text


def _print_error(message: str, code: int) -> int:
    print(printable(f"dphr: {message}"), file=sys.stderr)
    return code
