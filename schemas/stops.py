"""How the asking of a route ended, beside its answers: why it stopped, and its errors."""

from __future__ import annotations

from dataclasses import dataclass

from schemas.codes import StopReason


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """A route that was stopped before all its requests were asked, and why.

    Attributes:
        route: Id of the route.
        reason: Reason code.
        detail: The reason in a sentence, for a person.
    """

    route: str
    reason: StopReason
    detail: str


@dataclass(frozen=True, slots=True)
class RouteErrors:
    """What a route's server sent instead of answers.

    Attributes:
        errors: Each reason once: the address, the reason, the server's code and its first words.
    """

    errors: tuple[str, ...]
