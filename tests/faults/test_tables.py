"""The tables are written anew by a command: the cell that differs, and no other."""

from tests.faults import TABLES, rewritten, table


def test_a_cell_is_rewritten_as_it_was_met_and_no_other():
    text = TABLES.read_text("utf-8")
    cell = table("weights file")["text", "train"]
    assert rewritten(text, cell, cell.code, f"dphr: /tmp/x.pth {cell.words} …") == text
    said = "a bar\ndphr: /tmp/of/this/run/w.pth: holds a poem; expected names with tensors"
    new = rewritten(text, cell, 2, said)
    old_lines, new_lines = text.splitlines(), new.splitlines()
    (at,) = (i for i, (a, b) in enumerate(zip(old_lines, new_lines, strict=True)) if a != b)
    was, now = old_lines[at].split("|"), new_lines[at].split("|")
    assert now[1].strip() == "text" and now[2] == " 2: expected names with tensors "
    assert now[:2] + now[3:] == was[:2] + was[3:]
