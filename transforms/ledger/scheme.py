"""What a kept request is called in today's scheme, and what it was called in scheme 1.

Both ids follow from what an entry keeps of its request. That the old one is the entry's own proves
that nothing of the question was lost, and that the new one is the one that a run will look up.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from schemas.canonical import digest, sha256
from schemas.errors import InputError
from schemas.requests import identity, repair_id

Asked = dict[str, Any]  # a request as `entries.asked` keeps it

_EXACT_INTEGERS = 2**53


class Ids(NamedTuple):
    """The ids of one question.

    Attributes:
        old: In scheme 1.
        new: In today's scheme.
    """

    old: str
    new: str


def ids_of(asked: Asked) -> Ids:
    """Returns the ids of a question that is not a follow-up.

    Args:
        asked: The kept request.

    Raises:
        InputError: It has an integer that JSON numbers do not hold: today it cannot be asked.
    """
    question: dict[str, Any] = {
        "teacher": asked["teacher"],
        "model": asked["model"],
        "revision": asked["revision"],
        "messages": asked["messages"],
        "settings": json.loads(asked["parameters"]),
        "sample_index": asked["sample_index"],
    }
    return Ids(_digest_of_scheme_1(identity(**question, scheme=1)), digest(identity(**question)))


def repair_ids_of(asked: Asked) -> Ids | None:
    """Returns the ids of a question that asks to correct an answer; None where it cannot be one.

    Args:
        asked: The kept request: its last two messages are the answer and the follow-up.

    Raises:
        InputError: As `ids_of`.
    """
    match asked["messages"]:
        case [_, *_, {"role": "assistant", "content": answer}, {"role": "user"}]:
            parent = ids_of(asked | {"messages": asked["messages"][:-2]})
            return Ids(*(repair_id(each, answer) for each in parent))
    return None


def new_id(request_id: str, asked: Asked) -> str | None:
    """Returns the id of today's scheme of a request in a ledger.

    Args:
        request_id: Its id there.
        asked: The kept request.

    Returns:
        The id; the same where it is of today's scheme already; None where it does not follow from
        what was kept.
    """
    try:
        for ids in (ids_of(asked), repair_ids_of(asked)):
            if ids and request_id in ids:
                return ids.new
    except InputError:
        return None
    return None


def _digest_of_scheme_1(value: Any) -> str:
    """Returns the digest of scheme 1: of what Python writes, which RFC 8785 is not in all cases."""
    text = json.dumps(
        _plain(value), sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )
    return sha256(text.encode())


def _plain(value: Any) -> Any:
    if isinstance(value, float) and value.is_integer() and abs(value) < _EXACT_INTEGERS:
        return int(value)
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value
