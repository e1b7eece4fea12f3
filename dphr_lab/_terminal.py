"""What reaches a terminal: names of files and texts of others, their control characters escaped.

A name may hold any character. Some would set a terminal's title, move its cursor or turn the
reading direction; so all that a command prints passes through `Escaping`.
"""

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO

# C0 and C1 but for line ends and tabs; marks and overrides of direction; separators of lines and
# paragraphs; surrogates, as which Python keeps the bytes of a name that is not UTF-8
_CONTROL = (
    r"\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f"
    r"\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff"
)
_OF_STDERR = re.compile(f"[{_CONTROL}]")  # progress bars begin with a carriage return
_ALL = re.compile(f"[\r{_CONTROL}]")
_NEXT_BAR = re.compile("(?:\n|\x1b\\[A)*")  # how tqdm goes from a bar to another: nothing else


def printable(text: str, line: bool = False) -> str:
    """`text` with `\\x1b` and the like in the place of control characters; `line`: of \\n, too."""
    return _ALL.sub(_escape, text.replace("\n", "\\n") if line else text)


def _escape(found: re.Match) -> str:
    code = ord(found[0])
    if 0xDC80 <= code <= 0xDCFF:
        code -= 0xDC00  # the byte
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


class Escaping:
    """A text stream that escapes what is written; all else is that of the stream it is given."""

    def __init__(self, stream: TextIO, bars: bool = False):
        self._stream, self._control = stream, _OF_STDERR if bars else _ALL
        self._bars = bars

    def write(self, text: str) -> int:
        if not (self._bars and _NEXT_BAR.fullmatch(text)):
            text = self._control.sub(_escape, text)
        return self._stream.write(text)

    def writelines(self, lines) -> None:
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextmanager
def escaping() -> Iterator[None]:
    """Within it, what is printed on either stream is escaped; and so is a traceback after it."""
    streams = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = Escaping(sys.stdout), Escaping(sys.stderr, bars=True)
    to_restore = True
    try:
        yield
    except Exception:
        to_restore = False  # Python prints the traceback when all is over
        raise
    finally:
        if to_restore:
            sys.stdout, sys.stderr = streams
