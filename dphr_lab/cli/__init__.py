"""The `dphr` command: scenes, verify, prepare, recipes, train, evaluate, search, probe, study.

Only the standard library is imported here, so that `--help` answers at once; each command
imports what it needs. Exit codes: 0 done, 1 a fault in data or files, 2 wrong usage, 130 stopped
by Ctrl-C.
"""

import argparse
import os
import sys
from collections.abc import Sequence

from dphr_lab import __version__
from dphr_lab.cli import evaluate, prepare, probe, recipes, scenes, search, study, train, verify
from dphr_lab.cli.flags import WrongUsage, add_traceback_flag

COMMANDS = (scenes, verify, prepare, recipes, train, evaluate, search, probe, study)
# Faults of data, files and machine, which get one message; all else is a bug and shows where.
FORESEEN = (ValueError, OSError, ModuleNotFoundError, MemoryError)
FORESEEN_NAMES = ("NonFiniteLossError", "OutOfMemoryError")  # by name: torch is not loaded here


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code."""
    args = build_parser().parse_args(arguments)
    try:
        return args.run(args) or 0
    except KeyboardInterrupt as stopped:
        return _say(str(stopped) or "stopped", 130)
    except WrongUsage as error:
        message = str(error).rstrip(".")
        return _say(f"{args.command}: {message}; see dphr {args.command} --help", 2)
    except BrokenPipeError:  # what reads the output went away, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Exception as error:
        foreseen = isinstance(error, FORESEEN) or type(error).__name__ in FORESEEN_NAMES
        if args.traceback or not foreseen:
            raise
        missing = isinstance(error, ModuleNotFoundError) and error.name
        hint = "; install it with pip install 'dphr-lab[train]'" if missing else ""
        return _say(f"{_message(error)}{hint}", 1)


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


def _message(error: Exception) -> str:
    """What an error says, without the traceback that a data-loader process puts around it."""
    text = str(error).strip() or type(error).__name__
    if "Original Traceback" in text:
        return text.splitlines()[-1].partition(": ")[2]
    return text


def _say(message: str, code: int) -> int:
    print(f"dphr: {message}", file=sys.stderr)
    return code
