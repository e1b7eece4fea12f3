"""What reaches a terminal is text: names cannot steer it."""

import io
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dphr_lab._terminal import Escaping, escaping, printable
from tests.helpers import run

EVIL = "\x1b]0;pwned\x07\x1b[31mred\x9b2J\u202egnp.\udcff"


def test_control_characters_are_shown():
    assert printable(EVIL) == r"\x1b]0;pwned\x07\x1b[31mred\x9b2J\u202egnp.\xff"
    plain = "Ünï 日本 → ± λ 🙂\ttab\nline"
    assert printable(plain) == plain
    assert printable("a\nb", line=True) == r"a\nb"


@given(st.text())
def test_nothing_but_line_ends_and_tabs_steers(text):
    assert all(c.isprintable() or c in "\n\t" or ord(c) > 0x9F for c in printable(text))
    printable(text).encode("utf-8")  # no surrogate is left


def test_streams_escape_and_progress_bars_go_on():
    from tqdm import tqdm

    file = io.StringIO()
    bars = Escaping(file, bars=True)
    for _ in tqdm(range(2), file=bars, position=1, desc="a\x1b[31m"):
        pass
    assert "\r" in file.getvalue() and "\x1b[A" in file.getvalue()
    assert "\x1b[31m" not in file.getvalue()
    print(EVIL, file=Escaping(file))
    assert file.getvalue().endswith(printable(EVIL) + "\n")


def test_streams_come_back_but_for_a_traceback(capsys):
    before = sys.stdout, sys.stderr
    for stop in (None, SystemExit, KeyboardInterrupt):
        try:
            with escaping():
                print(EVIL)
                if stop:
                    raise stop
        except BaseException as error:
            assert type(error) is stop
        assert (sys.stdout, sys.stderr) == before
    with pytest.raises(RuntimeError), escaping():
        raise RuntimeError(EVIL)
    print(EVIL, file=sys.stderr)
    sys.stdout, sys.stderr = before
    out, err = capsys.readouterr()
    assert out == 3 * f"{printable(EVIL)}\n" and err == f"{printable(EVIL)}\n"


COMMANDS = (
    [], ["verify"], ["prepare", "--out", "x", "--image-px", "16"], ["study", "list"], ["recipes"],
    ["evaluate", "--features"],
)  # fmt: skip


@pytest.mark.parametrize("arguments", COMMANDS)
def test_no_command_prints_a_name_raw(arguments, tmp_path, capfd):
    assert run(*arguments, tmp_path / EVIL) != 0
    out, err = capfd.readouterr()
    assert "\x1b" not in out + err and "\x07" not in out + err and "pwned" in out + err
