"""Files appear whole under their name, or not at all."""

import json

import pytest

from dphr_lab._files import (
    is_empty,
    is_plain_name,
    put_back,
    replace_folder_when_done,
    replace_when_done,
    write_json,
)


def test_the_file_appears_when_the_block_ends_and_nothing_else_stays(tmp_path):
    path = tmp_path / "new" / "folder" / "note.txt"
    with replace_when_done(path) as aside:
        aside.write_text("whole")
        assert not path.exists()
        assert aside.suffix == ".txt"  # writers of figures choose the format by it
        assert aside.name.startswith(".")  # what lists images or runs passes over it
    assert path.read_text() == "whole"
    assert list(path.parent.iterdir()) == [path]


def test_an_error_keeps_the_old_file_and_removes_the_new_one(tmp_path):
    path = tmp_path / "note.txt"
    path.write_text("old")
    with pytest.raises(ZeroDivisionError), replace_when_done(path) as aside:
        aside.write_text("half")
        _ = 1 / 0
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_string_is_a_path_too(tmp_path):
    with replace_when_done(str(tmp_path / "a.bin")) as aside:
        aside.write_bytes(b"1")
    assert (tmp_path / "a.bin").read_bytes() == b"1"


def test_json_is_written_as_it_is_read_back(tmp_path):
    value = {"name": "λ", "values": [1, 2.5, None, True]}
    write_json(tmp_path / "a.json", value)
    text = (tmp_path / "a.json").read_text()
    assert json.loads(text) == value
    assert text.endswith("}\n")


def test_what_is_no_json_leaves_the_old_file(tmp_path):
    path = tmp_path / "a.json"
    write_json(path, [1])
    with pytest.raises(TypeError):
        write_json(path, {"a": object()})
    assert json.loads(path.read_text()) == [1]
    assert list(tmp_path.iterdir()) == [path]


def filled(folder):
    """The files in a folder, by name; {} where there is none."""
    found = folder.iterdir() if folder.exists() else ()
    return {path.name: path.read_text() for path in found if path.is_file()}


@pytest.mark.parametrize("before", ["absent", "empty", "full"])
def test_a_folder_takes_its_place_when_it_is_filled(tmp_path, before):
    folder = tmp_path / "new" / "world"
    if before != "absent":
        folder.mkdir(parents=True)
    if before == "full":
        (folder / "old.txt").write_text("old")
    was = filled(folder)
    with pytest.raises(ZeroDivisionError), replace_folder_when_done(folder) as aside:
        (aside / "half.txt").write_text("half")
        assert aside.name == ".world.part"
        _ = 1 / 0
    assert filled(folder) == was and not list(tmp_path.rglob(".*"))
    aside.mkdir(parents=True)
    (aside / "killed.txt").write_text("left by a process that was killed")
    assert is_empty(folder) == (before != "full")
    with replace_folder_when_done(folder) as aside:
        (aside / "a.txt").write_text("a")
        assert filled(folder) == was
    assert filled(folder) == was | {"a.txt": "a"}  # what the new one lacks may be somebody's
    assert [path.name for path in folder.parent.iterdir()] == ["world"]


def test_a_folder_whose_replacement_was_killed_halfway_is_put_back(tmp_path):
    folder = tmp_path / "best"
    folder.mkdir()
    (folder / "a").write_text("old")
    folder.rename(tmp_path / ".best.old")
    put_back(folder)
    assert filled(folder) == {"a": "old"}
    folder.rename(tmp_path / ".best.old")
    with replace_folder_when_done(folder) as aside:
        (aside / "a").write_text("new")
    assert filled(folder) == {"a": "new"} and list(tmp_path.iterdir()) == [folder]


@pytest.mark.parametrize("name", ["x" * 251 + ".png", "ü" * 125 + ".png"])
def test_a_name_as_long_as_can_be_is_written(tmp_path, name):
    for text in ("a", "b"):
        with replace_when_done(tmp_path / name) as aside:
            aside.write_text(text)
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
            (aside / name).write_text(name)
            _ = 1 / 0
        assert is_empty(folder)
    with replace_folder_when_done(folder, keep=True) as aside:
        (aside / "c").write_text("c")
    assert filled(folder) == {"a": "a", "b": "b", "c": "c"}
    assert list(tmp_path.iterdir()) == [folder]


def test_the_working_folder_can_be_filled(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with replace_folder_when_done(".") as aside:
        (aside / "a").write_text("a")
    assert filled(tmp_path) == {"a": "a"}
