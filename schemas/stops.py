"""Why a route was asked no more although requests were left."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

# Why a route was asked no more: the guard no longer permits it; the host withdrew access; our
# budget or its quota is spent; we were told to stop; nothing but failures came back.
Stopped = Literal["terms", "access", "budget", "quota", "interrupted", "failing"]


@dataclass(frozen=True, slots=True)
class Stop:
    """Why a route was asked no more although requests were left.

    Attributes:
        route: Id of the route.
        reason: The kind of reason.
        detail: The same in a sentence, for a person.
    """

    route: str
    reason: Stopped
    detail: str
