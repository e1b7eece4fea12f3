"""A note's text has no decimal number that its cells did not put out or assert."""

import re
import sys

import nbformat
import pytest

from tests.helpers import ROOT

sys.path.append(str(ROOT / "book" / "_tools"))
import lint

NOTES = ("20_the_closest_reading", "21_the_study", "22_can_it_tell_them_apart",
         "23_does_it_hold_on_photographs")  # fmt: skip
# "23.9 ± 4.2" is one number, "0.5" another; a version or an address is none
NUMBER = re.compile(r"(?<![\w.])\d+\.\d+(?: ± \d+\.\d+)?(?![\w.]*\w)")


def not_put_out(notebook) -> list[str]:
    """Decimal numbers of a notebook's text that stand in no output, and in no assertion."""
    text = " ".join(c.source for c in notebook.cells if c.cell_type == "markdown")
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    shown = [output.get("text", "") for output in outputs]
    shown += [output.get("data", {}).get(kind, "") for output in outputs
              for kind in ("text/plain", "text/html")]  # fmt: skip
    lines = [line for cell in notebook.cells for line in cell.source.splitlines()]
    shown += [line for line in lines if line.startswith("assert ")]
    found = set(NUMBER.findall("\n".join(shown)))
    found |= {part for number in found for part in number.split(" ± ")}
    return [number for number in NUMBER.findall(lint.prose(text)) if number not in found]


@pytest.mark.parametrize("stem", NOTES)
def test_numbers_in_the_text_come_from_the_cells(stem):
    assert not_put_out(nbformat.read(ROOT / "book" / f"{stem}.ipynb", 4)) == []


def test_a_number_from_nowhere_is_found():
    notebook = nbformat.v4.new_notebook()
    notebook.cells = [
        nbformat.v4.new_markdown_cell(
            "It gains +1.5 ± 0.3 points, 2.5 of 3, above 0.25. See `a 9.9` or $8.8$."
        ),
        nbformat.v4.new_code_cell(
            "assert x > 0.25\n6.6",
            outputs=[nbformat.v4.new_output("stream", text="+1.5 ± 0.3 and -2.5")],
        ),
    ]
    assert not_put_out(notebook) == []
    notebook.cells[0].source += " But 1.5 ± 0.4 and 6.6."
    assert not_put_out(notebook) == ["1.5 ± 0.4", "6.6"]
