"""Readers of foreign formats in a process of their own.

What crashes a library there ends the reader with a code, and the command with a line.
"""

import subprocess
import sys
from pathlib import Path

NOT_THEM = 3  # a reader's exit code where a file holds something else than was asked for


def run_reader(program: Path, file: Path | str, *arguments: Path | str) -> None:
    """Run the text of `program`, which imports nothing of this package, on `file`.

    It ends with `NOT_THEM` and one line on standard error where the file holds something else.
    Raises ValueError that names the file, with that line, or with how the process died.
    """
    done = subprocess.run(
        [sys.executable, "-c", program.read_text("utf-8"), Path(file).resolve(), *arguments],
        capture_output=True,
        encoding="utf-8",
        errors="replace",
    )
    if not done.returncode:
        return
    said = (done.stderr.strip().splitlines() or ["no word"])[-1]
    if done.returncode != NOT_THEM:
        said = f"is damaged: the process that read it ended with code {done.returncode} ({said})"
    raise ValueError(f"{file}: {said}")
