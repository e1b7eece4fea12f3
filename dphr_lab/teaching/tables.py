"""Results as a table: HTML where it can be shown, aligned text elsewhere."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from numbers import Integral, Real


class Table:
    """Rows of cells as HTML and as text; a notebook shows it as the value of a cell."""

    def __init__(self, heads: list[str], rows: list[list[str]], numeric: list[bool], caption: str):
        self._heads, self._rows, self._numeric, self._caption = heads, rows, numeric, caption

    def __repr__(self) -> str:
        lines = [self._heads, *self._rows]
        widths = [max(len(line[i]) for line in lines) for i in range(len(self._heads))]
        text = [
            "  ".join(
                cell.rjust(width) if numeric else cell.ljust(width)
                for cell, width, numeric in zip(line, widths, self._numeric, strict=True)
            ).rstrip()
            for line in lines
        ]
        return "\n".join(([self._caption] if self._caption else []) + text)

    def _repr_html_(self) -> str:
        align = ["right" if numeric else "left" for numeric in self._numeric]

        def line(cells: list[str], tags: list[str]) -> str:
            return "".join(
                f'<{tag} style="text-align:{side}">{escape(cell)}</{tag.split()[0]}>'
                for cell, tag, side in zip(cells, tags, align, strict=True)
            )

        n = len(self._heads)
        head = line(self._heads, ['th scope="col"'] * n)
        body = (line(row, ['th scope="row"'] + ["td"] * (n - 1)) for row in self._rows)
        rows = "\n".join(f"<tr>{cells}</tr>" for cells in body)
        caption = f"<caption>{escape(self._caption)}</caption>" if self._caption else ""
        name = escape(self._caption or "Table", quote=True)
        return (
            f'<div role="region" aria-label="{name}" tabindex="0" style="overflow-x:auto">'
            f'<table class="table">{caption}<thead><tr>{head}</tr></thead>\n'
            f"<tbody>{rows}</tbody></table></div>"
        )


def table(
    heads: Sequence[str], rows: Iterable[Sequence[object]], *, caption: str = "", digits: int = 1
) -> Table:
    """A table of results: a column a head, a row an item, whose name comes first.

    Floats get `digits` decimals, integers separators of thousands, None a dash. Raises ValueError
    for a row with another number of cells than there are heads.
    """
    rows = [list(row) for row in rows]
    for row in rows:
        if len(row) != len(heads):
            raise ValueError(f"a row has {len(row)} cells; expected {len(heads)}: {row}")
    numeric = [
        bool(rows) and all(_is_number(row[i]) or row[i] is None for row in rows)
        for i in range(len(heads))
    ]
    cells = [[_as_text(cell, digits) for cell in row] for row in rows]
    return Table([*heads], cells, numeric, caption)


def _is_number(cell: object) -> bool:
    return isinstance(cell, Real) and not isinstance(cell, bool)


def _as_text(cell: object, digits: int) -> str:
    if cell is None:
        return "–"
    if not _is_number(cell):
        return str(cell)
    return f"{cell:,}" if isinstance(cell, Integral) else f"{cell:.{digits}f}"
