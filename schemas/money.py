"""Sums of money of which a part may be unknown: unknown is never zero.

In code and in JSON an unknown sum is None. The `usd` columns of the shards are not nullable in
schema version 1, and nullable ones would change the bytes of each corpus that is built again. So an
unknown sum is NaN there: its sum with anything is NaN.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TypeVar

Amount = TypeVar("Amount", int, float)

UNKNOWN_USD = math.nan


def add_known(one: Amount | None, other: Amount | None) -> Amount | None:
    """Returns a sum; None if one of the two is unknown."""
    return None if one is None or other is None else one + other


def sum_known(amounts: Iterable[float | None]) -> float | None:
    """Returns a sum in US dollars; None if a part of it is unknown."""
    known = list(amounts)
    return None if None in known else sum((each for each in known if each is not None), 0.0)


def to_column(usd: float | None) -> float:
    """Returns a cost as the shards hold it."""
    return UNKNOWN_USD if usd is None else usd


def from_column(usd: float) -> float | None:
    """Returns a cost from a shard; None if it is unknown."""
    return None if math.isnan(usd) else usd
