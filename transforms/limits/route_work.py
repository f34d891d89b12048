"""The requests of one route, with all that is needed to ask them."""

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
    """The work of one route.

    Attributes:
        route: The route.
        requests: The requests. They are drawn one by one, as there is room to send them.
        key: The route's key, or None.
        endpoint: Base address of a route without one in the registry: the embedded teacher.
        today: What the route was asked today before, by all slices and runs.
        slice_today: What of that counts against this slice's part of the quota.
        minute: What it was asked in the last minute before, oldest first.
        batch: Whether to use the provider's batch API.
    """

    route: Route
    requests: Iterable[Request]
    key: Key | None = None
    endpoint: str = ""
    today: DayUsage = field(default_factory=DayUsage)
    slice_today: DayUsage = field(default_factory=DayUsage)
    minute: Sequence[SentRequest] = ()
    batch: bool = False

    @property
    def base(self) -> str:
        """Base address of the API."""
        return (self.route.endpoint or self.endpoint).rstrip("/")

    @property
    def account(self) -> tuple[str, Key | None]:
        """The host and the key: what loses access if the host withdraws it."""
        return urlsplit(self.base).netloc, self.key


MakeLimiter = Callable[[RouteWork], Limiter]
