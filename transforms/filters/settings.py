"""Reads a rule's settings out of a run file: names and types, told with line and nearest name."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from typing import Any, get_type_hints

from schemas.errors import InputError, nearest
from schemas.files import as_sequence


def read_settings(rule: str, defaults: Any, written: Mapping[str, Any], where: str) -> Any:
    """Returns a rule's settings: its defaults, with what the run file says in their place.

    Args:
        rule: Name of the rule, for messages.
        defaults: The rule's settings, a frozen dataclass.
        written: What the run file says.
        where: File and line of it.

    Returns:
        A settings object of the same class.

    Raises:
        InputError: A name is unknown, a value has the wrong type or makes no sense.
    """
    known = [field.name for field in fields(defaults)]
    for name in written:
        if name not in known:
            raise _unknown_setting(rule, name, known, where)
    types = get_type_hints(type(defaults))
    values = {
        name: _read_value(f"{rule}.{name}", types[name], value, where)
        for name, value in written.items()
    }
    try:
        return replace(defaults, **values)
    except ValueError as error:
        raise InputError(
            f"the settings of rule {rule!r} make no sense: {error}", where=where
        ) from None


def _unknown_setting(rule: str, name: str, known: list[str], where: str) -> InputError:
    return InputError(
        f"the rule {rule!r} has no such setting",
        where=where,
        found=repr(name),
        expected=f"one of {', '.join(known)}" if known else "no settings",
        remedy=nearest(name, known),
    )


def _read_value(name: str, kind: Any, value: Any, where: str) -> Any:
    expected, holds, convert = _KINDS[kind]
    if not holds(value):
        found = json.dumps(value, ensure_ascii=False, default=str)
        raise InputError(f"{name}: wrong type", where=where, found=found, expected=expected)
    return convert(value)


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: Any) -> bool:
    return _is_whole(value) or isinstance(value, float)


def _is_text_list(value: Any) -> bool:
    return isinstance(value, str) or (
        isinstance(value, list | tuple) and all(isinstance(item, str) for item in value)
    )


def _unless_none(kind: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda value: None if value is None else kind(value)


# The types that a setting may have: how they are called, told and taken over.
_KINDS: dict[Any, tuple[str, Callable[[Any], bool], Callable[[Any], Any]]] = {
    bool: ("true or false", lambda value: isinstance(value, bool), bool),
    int: ("a whole number", _is_whole, int),
    float: ("a number", _is_number, float),
    str: ("a text", lambda value: isinstance(value, str), str),
    tuple[str, ...]: ("a list of texts", _is_text_list, as_sequence),
    dict[str, Any] | None: (
        "a mapping or null",
        lambda value: value is None or isinstance(value, dict),
        lambda value: value,
    ),
    int | None: (
        "a whole number or null",
        lambda value: value is None or _is_whole(value),
        _unless_none(int),
    ),
}
