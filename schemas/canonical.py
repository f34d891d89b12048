"""Canonical JSON (RFC 8785) and digests: the same content has the same bytes and the same name.

A whole number has one form, so `temperature: 1` and `temperature: 1.0` are one question.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator
from typing import Any

import orjson
import rfc8785

from schemas.errors import InputError, Problem

Path = tuple[str | int, ...]

_EXACT = 2**53  # from here on a double no longer holds every integer


def canonical_json(value: Any) -> str:
    """Returns a JSON value in its canonical form.

    Args:
        value: Dictionaries with string keys, lists, tuples, strings, finite numbers, booleans and
            None, nested.

    Returns:
        The JSON text. Reading it and writing it again gives the same text.

    Raises:
        InputError: An integer is one that JSON numbers do not hold, see `inexact_integers`.
        UnicodeEncodeError: A text has half a surrogate pair.
        ValueError: A number is not finite, a key is no text, or a value has no JSON form.
    """
    if _is_usual(value):
        with contextlib.suppress(orjson.JSONEncodeError):  # half a surrogate pair
            return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()
    try:
        return rfc8785.dumps(value).decode()
    except rfc8785.IntegerDomainError:
        problems = [integer_problem(*found) for found in inexact_integers(value)]
        if problems:
            raise InputError(problems) from None
        return rfc8785.dumps(_as_floats(value)).decode()
    except rfc8785.CanonicalizationError as error:
        if isinstance(error.__cause__, UnicodeEncodeError):
            raise error.__cause__ from None
        raise


def digest(value: Any) -> str:
    """Returns the SHA-256, in hex, of a JSON value's canonical form; raises as `canonical_json`."""
    return sha256(canonical_json(value).encode())


def sha256(data: bytes) -> str:
    """Returns the SHA-256 of bytes, in hex."""
    return hashlib.sha256(data).hexdigest()


def inexact_integers(value: Any, path: Path = ()) -> Iterator[tuple[Path, int]]:
    """Yields the integers in a JSON value that JSON numbers do not hold.

    A JSON number is a double (RFC 8785, section 3.2.2.3): from 2**53 on it no longer holds every
    integer, so two seeds would become one question.

    Args:
        value: The value.
        path: The keys and indexes that lead to it.

    Yields:
        Path and integer.
    """
    if isinstance(value, dict):
        for key, item in value.items():
            yield from inexact_integers(item, (*path, key))
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            yield from inexact_integers(item, (*path, index))
    elif isinstance(value, int) and _written_as_float(value) != str(int(value)):
        yield path, value


def integer_problem(path: Path, number: int) -> Problem:
    """Returns what is wrong with an integer that JSON numbers do not hold.

    Args:
        path: Where it is.
        number: The integer.
    """
    return Problem(
        f"{'.'.join(map(str, path))}: the integer is too large for a JSON number",
        found=str(number) if abs(number) < 10**40 else "more than 40 digits",
        expected="at most 9007199254740991 (2^53 - 1)",
    )


def _is_usual(value: Any) -> bool:
    """Returns whether orjson writes a value as RFC 8785 does, in a tenth of the time.

    It sorts keys by UTF-8, not by UTF-16, and writes whole, very large and very small floats in
    another form.
    """
    kind = type(value)
    if kind is str or kind is bool or value is None:
        return True
    if kind is dict:
        return all(
            type(key) is str and key.isascii() and _is_usual(item) for key, item in value.items()
        )
    if kind is list or kind is tuple:
        return all(map(_is_usual, value))
    return (kind is int or kind is float) and _is_usual_number(value)


def _is_usual_number(value: float) -> bool:
    exact = isinstance(value, int) or (abs(value) >= 1e-3 and not value.is_integer())
    return exact and abs(value) < _EXACT


def _written_as_float(number: int) -> str:
    try:
        return rfc8785.dumps(float(number)).decode()
    except OverflowError:
        return ""


def _as_floats(value: Any) -> Any:
    """Returns a JSON value with each large integer as the double that is written the same."""
    if isinstance(value, dict):
        return {key: _as_floats(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_as_floats(item) for item in value]
    if isinstance(value, int) and abs(value) >= 2**53:
        return float(value)
    return value
