"""Readers of foreign formats in a process of their own.

What crashes a library there, or never ends, ends the reader, and the command with a line.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

NOT_THEM = 3  # a reader's exit code where a file holds something else than was asked for
LONGEST_S = 600.0  # that a reader may take


def run_reader(
    program: Path, file: Path | str, *arguments: Path | str, within_s: float = LONGEST_S
) -> None:
    """Run the text of `program`, which imports nothing of this package, on `file`.

    It runs in an empty folder, so that no module of the user's folder takes a library's place;
    paths among `arguments` are absolute. It ends with `NOT_THEM` and one line on standard error
    where the file holds something else. Raises ValueError that names the file, with that line, or
    with how the process died, or that it had not ended after `within_s` seconds.
    """
    file = Path(file)
    with tempfile.TemporaryDirectory() as empty:
        try:
            done = subprocess.run(
                [sys.executable, "-c", program.read_text("utf-8"), file.resolve(), *arguments],
                capture_output=True,
                encoding="utf-8",
                errors="replace",
                cwd=empty,
                stdin=subprocess.DEVNULL,
                timeout=within_s,
            )
        except subprocess.TimeoutExpired:
            raise ValueError(
                f"{file}: is damaged: the process that read it had not ended after {within_s:g} s"
            ) from None
    if not done.returncode:
        return
    said = (done.stderr.strip().splitlines() or ["no word"])[-1]
    if done.returncode != NOT_THEM:
        said = f"is damaged: the process that read it ended with code {done.returncode} ({said})"
    raise ValueError(f"{file}: {said}")
