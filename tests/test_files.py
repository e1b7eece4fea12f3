"""Files appear whole under their name, or not at all."""

import json
import os

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dphr_lab._files import (
    is_empty,
    is_plain_name,
    parse_json,
    put_back,
    read_csv,
    read_json,
    read_text,
    replace_folder_when_done,
    replace_when_done,
    write_json,
)


def test_the_file_appears_when_the_block_ends_and_nothing_else_stays(tmp_path):
    path = tmp_path / "new" / "folder" / "note.txt"
    with replace_when_done(path) as aside:
        aside.write_text("whole", "utf-8")
        assert not path.exists()
        assert aside.suffix == ".txt"  # writers of figures choose the format by it
        assert aside.name.startswith(".")  # what lists images or runs passes over it
    assert path.read_text("utf-8") == "whole"
    assert list(path.parent.iterdir()) == [path]


def test_an_error_keeps_the_old_file_and_removes_the_new_one(tmp_path):
    path = tmp_path / "note.txt"
    path.write_text("old", "utf-8")
    with pytest.raises(ZeroDivisionError), replace_when_done(path) as aside:
        aside.write_text("half", "utf-8")
        _ = 1 / 0
    assert path.read_text("utf-8") == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_string_is_a_path_too(tmp_path):
    with replace_when_done(str(tmp_path / "a.bin")) as aside:
        aside.write_bytes(b"1")
    assert (tmp_path / "a.bin").read_bytes() == b"1"


def test_json_is_written_as_it_is_read_back(tmp_path):
    value = {"name": "λ", "values": [1, 2.5, None, True]}
    write_json(tmp_path / "a.json", value)
    text = (tmp_path / "a.json").read_text("utf-8")
    assert json.loads(text) == value
    assert text.endswith("}\n")


def test_what_is_no_json_leaves_the_old_file(tmp_path):
    path = tmp_path / "a.json"
    write_json(path, [1])
    with pytest.raises(TypeError):
        write_json(path, {"a": object()})
    assert json.loads(path.read_text("utf-8")) == [1]
    assert list(tmp_path.iterdir()) == [path]


def filled(folder):
    """The files in a folder, by name; {} where there is none."""
    found = folder.iterdir() if folder.exists() else ()
    return {path.name: path.read_text("utf-8") for path in found if path.is_file()}


@pytest.mark.parametrize("before", ["absent", "empty", "full"])
def test_a_folder_takes_its_place_when_it_is_filled(tmp_path, before):
    folder = tmp_path / "new" / "world"
    if before != "absent":
        folder.mkdir(parents=True)
    if before == "full":
        (folder / "old.txt").write_text("old", "utf-8")
    was = filled(folder)
    with pytest.raises(ZeroDivisionError), replace_folder_when_done(folder) as aside:
        (aside / "half.txt").write_text("half", "utf-8")
        assert aside.name == ".world.part"
        _ = 1 / 0
    assert filled(folder) == was and not list(tmp_path.rglob(".*"))
    aside.mkdir(parents=True)
    (aside / "killed.txt").write_text("left by a process that was killed", "utf-8")
    assert is_empty(folder) == (before != "full")
    with replace_folder_when_done(folder) as aside:
        (aside / "a.txt").write_text("a", "utf-8")
        assert filled(folder) == was
    assert filled(folder) == was | {"a.txt": "a"}  # what the new one lacks may be somebody's
    assert [path.name for path in folder.parent.iterdir()] == ["world"]


def test_a_folder_whose_replacement_was_killed_halfway_is_put_back(tmp_path):
    folder = tmp_path / "best"
    folder.mkdir()
    (folder / "a").write_text("old", "utf-8")
    folder.rename(tmp_path / ".best.old")
    put_back(folder)
    assert filled(folder) == {"a": "old"}
    folder.rename(tmp_path / ".best.old")
    with replace_folder_when_done(folder) as aside:
        (aside / "a").write_text("new", "utf-8")
    assert filled(folder) == {"a": "new"} and list(tmp_path.iterdir()) == [folder]


@pytest.mark.parametrize("name", ["x" * 251 + ".png", "ü" * 125 + ".png"])
def test_a_name_as_long_as_can_be_is_written(tmp_path, name):
    for text in ("a", "b"):
        with replace_when_done(tmp_path / name) as aside:
            aside.write_text(text, "utf-8")
            assert aside.suffix == ".png"
    assert filled(tmp_path) == {name: "b"}


def test_a_name_that_leaves_its_folder_is_no_plain_one():
    for name in ("mini", "two-words", "größe 1.5", "x" * 100):
        assert is_plain_name(name)
    wrong = (
        "",
        " ",
        ".",
        "..",
        "../a",
        "/a",
        "a/b",
        "a\\b",
        "C:",
        ".hidden",
        "a\n",
        "\0",
        "x" * 101,
    )
    for name in (*wrong, None, 3):
        assert not is_plain_name(name)


@pytest.mark.parametrize("exists", [False, True])
def test_a_folder_may_go_on_where_an_error_left_it(tmp_path, exists):
    folder = tmp_path / "copy"
    if exists:
        folder.mkdir()
    for name in ("a", "b"):
        with pytest.raises(ZeroDivisionError), replace_folder_when_done(folder, keep=True) as aside:
            (aside / name).write_text(name, "utf-8")
            _ = 1 / 0
        assert is_empty(folder)
    with replace_folder_when_done(folder, keep=True) as aside:
        (aside / "c").write_text("c", "utf-8")
    assert filled(folder) == {"a": "a", "b": "b", "c": "c"}
    assert list(tmp_path.iterdir()) == [folder]


def test_the_working_folder_can_be_filled(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with replace_folder_when_done(".") as aside:
        (aside / "a").write_text("a", "utf-8")
    assert filled(tmp_path) == {"a": "a"}


# -- what others wrote ---------------------------------------------------------------------------

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=4,
)


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(VALUES | st.binary())
def test_json_is_read_or_told(tmp_path, value):
    path = tmp_path / "a.json"
    path.write_bytes(value if isinstance(value, bytes) else json.dumps(value).encode())
    try:
        assert isinstance(read_json(path, "a record"), dict)
    except ValueError as error:
        assert str(error).startswith(f"{path}: not a record (")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"a":' * 100_000 + "1" + "}" * 100_000, "nested deeper than 64 levels"),
        ('{"a":' * 65 + "1" + "}" * 65, "nested deeper than 64 levels"),
        ('{"a": ' + "9" * 5000 + "}", "digits"),
        ('{"a": "' + "\\ud800" * 3, "JSONDecodeError"),
        ("\xff", "UnicodeDecodeError|JSONDecodeError"),
        ("[1]", "found list, expected an object"),
    ],
)
def test_what_json_is_not_read(text, said, tmp_path):
    (tmp_path / "a.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(ValueError, match=said):
        read_json(tmp_path / "a.json", "a record")


def test_64_levels_are_read():
    text = "[" * 64 + "]" * 64
    assert json.dumps(parse_json(text)) == text


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="named pipes are of POSIX systems")
@pytest.mark.parametrize("read", [read_text, read_csv, lambda path: read_json(path, "a record")])
def test_a_named_pipe_is_not_waited_for(read, tmp_path):
    os.mkfifo(tmp_path / "a")
    with pytest.raises(ValueError, match=r"a: not .*found a named pipe"):
        read(tmp_path / "a")


def test_a_csv_is_read_by_its_header(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text('\ufeffname , "lat"\n a b ,1\n\n"x\ny",2,3\nz\n', "utf-8")
    header, rows = read_csv(path)
    assert header == ["name", "lat"]
    assert rows == [
        (2, {"name": "a b", "lat": "1"}),
        (5, {"name": "x\ny", "lat": "2"}),
        (6, {"name": "z"}),
    ]
    path.write_bytes(b"a,b\n\xff,1\n")
    with pytest.raises(ValueError, match=r"a\.csv: not a text file in UTF-8-SIG"):
        read_csv(path)
    path.write_text("a\n" + "x" * 200_000, "utf-8")
    with pytest.raises(ValueError, match=r"a\.csv, line 2: not a line of a CSV \(field larger"):
        read_csv(path)


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.binary() | st.text().map(str.encode) | st.text('a,"\r\n\0 ').map(str.encode))
def test_a_csv_is_read_or_told(tmp_path, data):
    path = tmp_path / "a.csv"
    path.write_bytes(data)
    try:
        header, rows = read_csv(path)
    except ValueError as error:
        assert str(error).startswith(str(path))
        return
    assert all(set(row) <= set(header) for _, row in rows)
