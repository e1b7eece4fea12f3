"""What settings classes share: fields with a help text, and checks of the values given."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import field
from numbers import Integral, Real
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, get_args, get_origin, get_type_hints

LARGEST = 1e30  # of a float: its square is finite in double precision, itself in single
_KINDS = {
    bool: "true or false",
    int: "a whole number below 2**63",
    float: "a finite number of 1e30 at most",
    str: "text",
    Path: "a path",
    NoneType: "none",
    Mapping[str, Any]: "names with values",
    tuple[float, ...]: "finite numbers of 1e30 at most",
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


def check_keywords(name: str, made: Callable, given: Mapping[str, Any]) -> None:
    """Raise `ValueError` for a keyword's value that is not of the type that `made` declares.

    `name` begins the message. Where a keyword declares none, its default's type counts. JSON's
    lists are tuples, and whole numbers are floats.
    """
    hints = get_type_hints(made.__init__ if isinstance(made, type) else made)
    for key, parameter in inspect.signature(made).parameters.items():
        if key not in given:
            continue
        of_default = type(parameter.default)
        hint = hints.get(key, float if of_default is int else of_default)
        if parameter.kind is parameter.VAR_KEYWORD or hint in (Any, type, NoneType):
            continue
        kinds = get_args(hint) if isinstance(hint, UnionType) else (hint,)
        if not any(_is_of(kind, given[key]) for kind in kinds):
            expected = " or ".join(
                _KINDS.get(kind, getattr(kind, "__name__", str(kind))) for kind in kinds
            )
            raise ValueError(
                f"{name}: found {dict(given)}; {key} is {given[key]!r}, expected {expected}"
            )


def _is_of(kind: Any, value: object) -> bool:
    """Whether a value, as a file or a caller gave it, is of a field's type."""
    if kind is float:
        whole = isinstance(value, Integral)
        return _is_of(int, value) if whole else isinstance(value, Real) and abs(value) <= LARGEST
    if kind == tuple[float, ...]:
        return isinstance(value, tuple) and all(_is_of(float, each) for each in value)
    if get_origin(kind) in (tuple, Sequence):  # (of, of) or (of, ...): of one type here
        of = get_args(kind)[0]
        return isinstance(value, list | tuple) and all(_is_of(of, each) for each in value)
    if isinstance(value, bool) or kind is bool:
        return isinstance(value, bool) and kind is bool
    if kind is int:
        return isinstance(value, Integral) and -(2**63) <= value < 2**63
    return isinstance(value, get_origin(kind) or kind)


def check_value(name: str, found: object, right: object, expected: str) -> None:
    """Raise `ValueError` "`name` is `found`; expected `expected`" unless it is `right`."""
    if not right:
        raise ValueError(f"{name} is {found!r}; expected {expected}")
