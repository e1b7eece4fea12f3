"""What settings classes share: fields with a help text, and checks of the values given."""

import math
from collections.abc import Mapping
from dataclasses import field
from numbers import Integral, Real
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, get_args, get_origin, get_type_hints

_KINDS = {
    bool: "true or false",
    int: "a whole number",
    float: "a finite number",
    str: "text",
    Path: "a path",
    NoneType: "none",
    Mapping[str, Any]: "names with values",
    tuple[float, ...]: "finite numbers",
}


def option(default: Any, meaning: str) -> Any:
    """A field whose meaning is also the help of its command-line flag."""
    return field(default=default, metadata={"help": meaning})


def check_types(settings: Any) -> None:
    """Raise `ValueError` for a field of a dataclass that is not of its type, or not finite.

    Files and flags give settings, and Python itself does not look.
    """
    for name, hint in get_type_hints(type(settings)).items():
        kinds = get_args(hint) if isinstance(hint, UnionType) else (hint,)
        right = any(_is_of(kind, getattr(settings, name)) for kind in kinds)
        check_value(name, getattr(settings, name), right, " or ".join(map(_KINDS.get, kinds)))


def _is_of(kind: Any, value: object) -> bool:
    """Whether a value, as a file or a caller gave it, is of a field's type."""
    if kind is float:
        return _is_of(int, value) or (isinstance(value, Real) and math.isfinite(value))
    if get_origin(kind) is tuple:
        return isinstance(value, tuple) and all(_is_of(float, each) for each in value)
    if isinstance(value, bool) or kind is bool:
        return isinstance(value, bool) and kind is bool
    return isinstance(value, {int: Integral}.get(kind, get_origin(kind) or kind))


def check_value(name: str, found: object, right: object, expected: str) -> None:
    """Raise `ValueError` "`name` is `found`; expected `expected`" unless it is `right`."""
    if not right:
        raise ValueError(f"{name} is {found!r}; expected {expected}")
