"""What one route is to be asked."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from schemas.inputs.registry import Route
from schemas.requests import Request
from transforms.limits.quota import DayUsage, Limiter, SentRequest
from transforms.providers.key import Key


@dataclass(frozen=True, slots=True)
class RouteWork:
    """What is to be asked of one route.

    Attributes:
        route: The route.
        requests: What to ask, drawn one by one as there is room to ask it.
        key: The route's key, or None.
        endpoint: Where to ask, for a route without an endpoint of its own: the embedded teacher.
        today: What the route was asked today before.
        minute: What it was asked in the last minute before, oldest first.
        batch: Whether to ask through the provider's batch API.
    """

    route: Route
    requests: Iterable[Request]
    key: Key | None = None
    endpoint: str = ""
    today: DayUsage = field(default_factory=DayUsage)
    minute: Sequence[SentRequest] = ()
    batch: bool = False

    @property
    def base(self) -> str:
        """Base address of the API."""
        return (self.route.endpoint or self.endpoint).rstrip("/")

    @property
    def account(self) -> tuple[str, Key | None]:
        """Whoever withdraws access withdraws it from this: a host, and a key."""
        return urlsplit(self.base).netloc, self.key


MakeLimiter = Callable[[RouteWork], Limiter]
