"""Sums that a test expects to be known."""

from __future__ import annotations

from typing import TypeVar

Amount = TypeVar("Amount", int, float)


def known(amount: Amount | None) -> Amount:
    """Returns a sum of money; fails where it is unknown."""
    assert amount is not None
    return amount
