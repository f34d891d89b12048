"""Routes, approvals and authorisations: the catalogue's own and a team's (`teachers.yaml`)."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from typing import Literal
from urllib.parse import urlsplit

from schemas.terms import Layer

Api = Literal["openai-chat", "anthropic-messages", "gemini", "embedded"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Quota:
    """What the provider grants. None means that it sets no limit.

    Attributes:
        requests_per_minute: Requests in any 60 seconds.
        tokens_per_minute: Tokens of prompts and completions together in any 60 seconds.
        input_tokens_per_minute: Tokens of prompts in any 60 seconds.
        output_tokens_per_minute: Tokens of completions in any 60 seconds.
        requests_per_day: Requests in a UTC day.
        tokens_per_day: Tokens in a UTC day.
        concurrency: Requests in flight at once.
    """

    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    input_tokens_per_minute: int | None = None
    output_tokens_per_minute: int | None = None
    requests_per_day: int | None = None
    tokens_per_day: int | None = None
    concurrency: int = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """What tokens cost, in US dollars per million.

    Attributes:
        input_usd_per_million: Tokens of prompts.
        output_usd_per_million: Tokens of completions.
        batch_factor: What either costs in a batch, as a share of the above. Half, by the price
            lists of OpenAI (https://platform.openai.com/docs/guides/batch) and of Anthropic
            (https://platform.claude.com/docs/en/build-with-claude/batch-processing).
    """

    input_usd_per_million: float = 0.0
    output_usd_per_million: float = 0.0
    batch_factor: float = 0.5

    def in_batch(self) -> Price:
        """Returns what tokens cost in a batch."""
        return Price(
            input_usd_per_million=self.input_usd_per_million * self.batch_factor,
            output_usd_per_million=self.output_usd_per_million * self.batch_factor,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """How long to wait.

    Attributes:
        connect_seconds: For a connection.
        response_seconds: For the whole of one response.
        patience_seconds: For all attempts at one request together.
        batch_seconds: For a batch job, from its submission: an hour more than the day in which
            the providers promise to end one. What takes longer is left to a later run.
    """

    connect_seconds: float = 10.0
    response_seconds: float = 300.0
    patience_seconds: float = 900.0
    batch_seconds: float = 90_000.0


@dataclass(frozen=True, slots=True, kw_only=True)
class BindingTerms:
    """A document that binds a route.

    Attributes:
        document: Id of the document.
        layer: Which part of the stack it binds here, where that differs from the document's own
            (a weights licence that binds as the base model's).
    """

    document: str
    layer: Layer | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """How a teacher is reached: host, account, API, model, revision. Terms bind a route.

    Attributes:
        id: Its name in run files.
        api: The protocol spoken.
        model: The model's name at the endpoint.
        terms: Every document that binds the route. All must permit.
        endpoint: Base address, up to and without the API's own path; "" for `embedded`.
        revision: Revision of the weights, or "".
        key: Where the key is found, `env:NAME` or `secret:projects/…`; `google:default` for tokens
            of Google's application default credentials; "" for none.
        quota: What the provider grants.
        price: What tokens cost.
        timeouts: How long to wait.
        served_as: Names that the server may answer with and still be the same model.
        where: File and line, for messages.
    """

    id: str
    api: Api
    model: str
    terms: tuple[BindingTerms, ...]
    endpoint: str = ""
    revision: str = ""
    key: str = ""
    quota: Quota = field(default_factory=Quota)
    price: Price = field(default_factory=Price)
    timeouts: Timeouts = field(default_factory=Timeouts)
    served_as: tuple[str, ...] = ()
    where: str = ""

    @property
    def host(self) -> str:
        """The host asked, or `embedded`."""
        return urlsplit(self.endpoint).hostname or "embedded"


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """The organisation's sign-off of the reading of one document's version."""

    document: str
    version: str
    by: str
    on: date
    expires: date | None = None
    where: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Authorisation:
    """A permission in writing that lifts one clause of one document, from a day to a day."""

    document: str
    clause: str
    reference: str
    from_: date
    to: date
    where: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangedTerms:
    """A text that is no longer the one that was read (`terms-changed.json`).

    Attributes:
        document: Id of the document.
        version: The version whose reading is concerned.
        address: Where the newest text was found.
        read: Digest of the text that was read; the entry speaks of that reading alone.
        found: Digest of the text found instead.
        on: The first day on which that text was found, UTC.
    """

    document: str
    version: str
    address: str
    read: str
    found: str
    on: date


@dataclass(frozen=True, slots=True, kw_only=True)
class LimiterAddress:
    """Where the limiter is that all who ask a route of an account share.

    Attributes:
        redis: Where the address of a Redis server is found, `env:NAME` or `secret:projects/…`: it
            may hold a password.
        where: File and line, for messages.
    """

    redis: str
    where: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Registry:
    """A team's own routes, approvals and authorisations, and what changed since they were given.

    Attributes:
        routes: Its routes by id.
        approvals: Readings that it signed off.
        authorisations: Permissions that it has in writing.
        changed: Texts that are no longer those that were read.
        limiter: Where its quotas are counted; None where each run counts for itself.
    """

    routes: dict[str, Route] = field(default_factory=dict)
    approvals: tuple[Approval, ...] = ()
    authorisations: tuple[Authorisation, ...] = ()
    changed: tuple[ChangedTerms, ...] = ()
    limiter: LimiterAddress | None = None
