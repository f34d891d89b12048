"""Canonical JSON and digests: the same content has the same bytes and the same name anywhere.

The form is RFC 8785 (JSON Canonicalization Scheme) for the values that occur here: sorted keys,
no blanks, UTF-8, and a number that is whole written without a fraction, so that `temperature: 1`
and `temperature: 1.0` are one question and not two.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

_EXACT_INTEGERS = 2**53  # beyond it a float no longer holds every integer (RFC 8785, 3.2.2.3)


def canonical_json(value: Any) -> str:
    """Writes a JSON value in its one canonical form.

    Args:
        value: Anything made of mappings with string keys, lists, tuples, strings, finite numbers,
            booleans and None.

    Returns:
        The JSON text.

    Raises:
        ValueError: A number is not finite.
        TypeError: A value has no JSON form.
    """
    return json.dumps(
        _plain(value), sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )


def digest(value: Any) -> str:
    """Returns the SHA-256, in hex, of a JSON value's canonical form."""
    return sha256(canonical_json(value).encode())


def sha256(data: bytes) -> str:
    """Returns the SHA-256 of bytes, in hex."""
    return hashlib.sha256(data).hexdigest()


def _plain(value: Any) -> Any:
    if isinstance(value, float) and value.is_integer() and abs(value) < _EXACT_INTEGERS:
        return int(value)
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value
