"""What a cell shows: HTML where that can be shown, text elsewhere."""

from __future__ import annotations

import hashlib
import json

# Of what readers press and type in; the colours are those of the page around.
FIELD = (
    "font:inherit;color:inherit;background:transparent;border:1px solid currentColor;"
    "border-radius:4px;padding:.2em .6em"
)


class Shown:
    """HTML with its text; a notebook shows it as the value of a cell."""

    def __init__(self, html: str, text: str):
        self._html, self._text = html, text

    def __repr__(self) -> str:
        return self._text

    def _repr_html_(self) -> str:
        return self._html


def name_of(kind: str, *content: str) -> str:
    """An element's name that depends on what it holds alone: the same at each run."""
    return f"{kind}-{hashlib.sha256(''.join(content).encode()).hexdigest()[:12]}"


def as_script(told: object) -> str:
    """A value as JSON that can stand in a script of a page."""
    # "<" could end the script; as an escape it is the same string
    return json.dumps(told).replace("<", "\\u003c")
