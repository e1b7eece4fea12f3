"""Tables as text. Standard library only."""

from collections.abc import Iterable, Sequence


def markdown_table(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A Markdown table: a line of headings, a rule, and a line for every row."""
    lines = (" | ".join(map(str, cells)) for cells in (heads, *rows))
    head, *body = (f"| {line} |" for line in lines)
    return "\n".join([head, "|---" * len(heads) + "|", *body])
