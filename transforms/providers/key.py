"""A key: kept out of logs, errors and pickles, and sent only in the headers of a request.

A registry names where a key is found and never holds it. A `Key` cannot be logged, printed or
pickled by accident: only `reveal` returns its value, and only the code that makes headers calls it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import NoReturn


class UnusableKey(Exception):
    """A key is missing or cannot be used.

    Args:
        what: What is wrong, without the key.
        remedy: What to do.
    """

    def __init__(self, what: str, remedy: str) -> None:
        self.what = what
        self.remedy = remedy
        super().__init__(what, remedy)


class Key:
    """A key whose value appears in no log, error, pickle or dataclass's repr.

    Attributes:
        is_token: Whether it is sent as a bearer token, not in the API's own header for keys.
    """

    __slots__ = ("_digest", "_value")

    is_token = False

    def __init__(self, value: str) -> None:
        self._value = value
        self._digest = hashlib.sha256(value.encode()).digest()

    def reveal(self) -> str:
        """Returns the value. Put it into nothing but a header."""
        return self._value

    def is_stale(self, now: float) -> bool:
        """Returns whether it must be renewed before it is sent; `now` in seconds since 1970 UTC."""
        return False

    async def renew(self, wall: Callable[[], float]) -> str:
        """Renews it; see `GoogleKey.renew`."""
        return ""

    def __eq__(self, other: object) -> bool:
        """Two keys of the same value are one account, wherever they were found."""
        return isinstance(other, Key) and self._digest == other._digest

    def __hash__(self) -> int:
        return hash(self._digest)

    @property
    def account(self) -> str:
        """A public name of the account: the same for the same key."""
        return hashlib.sha256(b"account " + self._digest).hexdigest()

    def __repr__(self) -> str:
        return "Key(hidden)"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a key is never pickled: pass its name and resolve it where it is used")


def fits_a_header(value: str) -> bool:
    """Returns whether a header can hold a value: one line of printable ASCII characters."""
    return bool(value) and value.isascii() and value.isprintable()


def checked_key(value: str, source: str) -> Key:
    """Returns a key whose value fits a header.

    Args:
        value: The value.
        source: Where it was found, for the message.

    Raises:
        UnusableKey: It does not fit. The message holds its length alone.
    """
    if not fits_a_header(value):
        raise UnusableKey(
            f"{source} holds no key: found {len(value)} characters",
            "a key is one line of printable ASCII characters",
        )
    return Key(value)
