"""What tests of several folders share."""

from contextlib import contextmanager
from pathlib import Path

from dphr_lab import cli

ROOT = Path(__file__).resolve().parents[2]
# genuine images, where they lie beside this checkout
GENUINE = ROOT.parent / "shared" / "data" / "university1652_sample"


def run(*arguments) -> int:
    """The exit code of `dphr ARGUMENTS`, in this process."""
    try:
        return cli.main([str(argument) for argument in arguments])
    except SystemExit as stop:  # argparse's own way out
        return stop.code


@contextmanager
def case(*name):
    """What fails within it says in which of many cases: for loops in the place of parameters."""
    try:
        yield
    except Exception as error:
        raise AssertionError(f"case {', '.join(map(str, name))}: {error}") from error
