"""The file that says what a ledger is: the format of its entries, and the scheme of their ids.

    format 1    ids of scheme 1
    format 2    names the scheme of its ids

An older version of stillroom refuses format 2, and this one uses no ledger of an older scheme
before it is migrated: the ids of its answers are not those that are looked up, so they would be
bought again.

In a bucket it also says that each stored answer is one. Older versions stored any response with
status 2xx as an answer; a migration finds those that hold none.
"""

from __future__ import annotations

import json

from schemas.errors import InputError
from schemas.requests import SCHEME

FORMAT = 2
FORMAT_FILE = "FORMAT.json"

_FIRST_FORMAT = 1
_JUDGED = 1  # each stored answer holds one, by `providers.meaning`


def encode_format(what: str) -> bytes:
    """Returns the content of the file for a ledger whose ids are of today's scheme.

    Args:
        what: What the ledger is, for people who open the file.
    """
    content = {
        "format": FORMAT,
        "scheme": SCHEME,
        "judged": _JUDGED,
        "what": f"stillroom ledger: {what}",
    }
    return json.dumps(content).encode() + b"\n"


def check_format(data: bytes, where: str, *, any_scheme: bool = False) -> int:
    """Checks that this version of stillroom can use a ledger.

    Args:
        data: Content of the format file.
        where: Path or address of the file.
        any_scheme: Whether ids of an older scheme will do.

    Returns:
        The scheme of the ledger's ids.

    Raises:
        InputError: The format is not known, or the ledger must be migrated first.
    """
    found, scheme = _read(data)
    if found not in (_FIRST_FORMAT, FORMAT) or not 1 <= scheme <= SCHEME:
        raise InputError(
            "the ledger's format is not known",
            where=where,
            found=f"format {found}" + (f", scheme {scheme}" if scheme else ""),
            expected=f"format {_FIRST_FORMAT} or {FORMAT}, scheme {SCHEME} or older",
            remedy="it was written by another version of stillroom: use that one",
        )
    if scheme < SCHEME and not any_scheme:
        ledger = where.removesuffix(f"/{FORMAT_FILE}")
        raise InputError(
            "the ledger's answers would not be found, and bought again",
            where=where,
            found=f"request ids of scheme {scheme}",
            expected=f"scheme {SCHEME}",
            remedy=f"run `stillroom ledger migrate {ledger}` once: it keeps every answer",
        )
    return scheme


def is_judged(data: bytes) -> bool:
    """Returns whether each stored answer of a ledger holds an answer.

    Args:
        data: Content of a format file that `check_format` accepts.
    """
    return bool(json.loads(data).get("judged") == _JUDGED)


def _read(data: bytes) -> tuple[object, int]:
    """Returns format and scheme; scheme 0 where there is none."""
    try:
        content = json.loads(data)
        number = content["format"]
        scheme = content.get("scheme", 1 if number == _FIRST_FORMAT else 0)
    except (ValueError, TypeError, KeyError, AttributeError):
        return None, 0
    return number, scheme if isinstance(scheme, int) else 0
