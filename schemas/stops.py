"""Why a route was asked no more although requests were left."""

from __future__ import annotations

from dataclasses import dataclass

from schemas.codes import StopReason


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """Why a route was asked no more although requests were left.

    Attributes:
        route: Id of the route.
        reason: The kind of reason.
        detail: The same in a sentence, for a person.
    """

    route: str
    reason: StopReason
    detail: str
