"""Routes, approvals and authorisations: the catalogue's own and a team's (`teachers.yaml`)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Discriminator, Field, Tag, model_validator

from schemas.inputs.documents import Sha256
from schemas.inputs.endpoint import endpoint_flaw, sends_in_the_open
from schemas.terms import Layer
from schemas.written import Absent, Day, Filled, Flaw, Form, Many, Text, Written

Api = Literal["openai-chat", "anthropic-messages", "gemini", "embedded"]

_NAMED = r"env:[A-Za-z_][A-Za-z0-9_]*|secret:projects/[^/]+/secrets/[^/]+/versions/[^/]+"
_NAMED_IN_WORDS = "env:NAME, secret:projects/P/secrets/S/versions/V"

RouteId = Annotated[
    str,
    Form(
        r"^[a-z0-9][a-z0-9._-]*/[a-z0-9][a-z0-9._-]*$",
        "two names in lower case with a slash between, as our-vllm/qwen3-8b",
    ),
]
Endpoint = Annotated[
    str,
    Form(
        r"^https?://[^/?#@\s]+(/[^?#\s]*)?$",
        "an http or https address, as https://vllm.internal/v1",
    ),
]
KeyName = Annotated[
    str,
    Form(f"^({_NAMED}|google:default)$", f"{_NAMED_IN_WORDS} or google:default; never the key"),
]
AddressName = Annotated[
    str,
    Form(f"^({_NAMED})$", f"{_NAMED_IN_WORDS}, which holds the address; never the address itself"),
]
Grant = Annotated[int, Field(ge=1)]
Seconds = Annotated[float, Field(gt=0)]
Dollars = Annotated[float, Field(ge=0)]


class Quota(Written):
    """What the provider grants. What is left out has no limit."""

    requests_per_minute: Absent[Grant] = Field(
        default=None, description="Requests in any 60 seconds.", examples=[500]
    )
    tokens_per_minute: Absent[Grant] = Field(
        default=None,
        description="Tokens of prompts and completions together in any 60 seconds.",
        examples=[200000],
    )
    input_tokens_per_minute: Absent[Grant] = Field(
        default=None, description="Tokens of prompts in any 60 seconds.", examples=[150000]
    )
    output_tokens_per_minute: Absent[Grant] = Field(
        default=None, description="Tokens of completions in any 60 seconds.", examples=[50000]
    )
    requests_per_day: Absent[Grant] = Field(
        default=None, description="Requests in a UTC day.", examples=[10000]
    )
    tokens_per_day: Absent[Grant] = Field(
        default=None, description="Tokens in a UTC day.", examples=[5000000]
    )
    concurrency: int = Field(
        default=16, ge=1, le=4096, description="Requests in flight at once.", examples=[64]
    )


class Price(Written):
    """What tokens cost. What is left out is unknown, not free."""

    input_usd_per_million: Absent[Dollars] = Field(
        default=None, description="US dollars for a million tokens of prompts.", examples=[0.15]
    )
    output_usd_per_million: Absent[Dollars] = Field(
        default=None, description="US dollars for a million tokens of completions.", examples=[0.6]
    )
    # Half, by the price lists of OpenAI (https://platform.openai.com/docs/guides/batch) and of
    # Anthropic (https://platform.claude.com/docs/en/build-with-claude/batch-processing).
    batch_factor: float = Field(
        default=0.5,
        ge=0,
        le=1,
        description="What a token costs in a batch, as a share of its price.",
        examples=[0.5],
    )

    @property
    def known(self) -> bool:
        """Whether both prices are known."""
        return None not in (self.input_usd_per_million, self.output_usd_per_million)

    def in_batch(self) -> Price:
        """Returns what tokens cost in a batch."""
        return Price(
            input_usd_per_million=self._in_batch(self.input_usd_per_million),
            output_usd_per_million=self._in_batch(self.output_usd_per_million),
        )

    def _in_batch(self, usd: float | None) -> float | None:
        return None if usd is None else usd * self.batch_factor


FREE = Price(input_usd_per_million=0.0, output_usd_per_million=0.0)


class Timeouts(Written):
    """How long to wait."""

    connect_seconds: Seconds = Field(default=10.0, description="For a connection.", examples=[5])
    response_seconds: Seconds = Field(
        default=300.0, description="For the whole of one response.", examples=[120]
    )
    patience_seconds: Seconds = Field(
        default=900.0, description="For all attempts at one request together.", examples=[1800]
    )
    # An hour more than the day in which the providers promise to end a job.
    batch_seconds: Seconds = Field(
        default=90_000.0,
        description="For a batch job, from its submission; a longer one is left to a later run.",
        examples=[172800],
    )


class BindingTerms(Written):
    """A document that binds a route."""

    document: Text = Field(description="Id of the document.", examples=["qwen/license"])
    layer: Absent[Layer] = Field(
        default=None,
        description="Which part of the stack it binds here, where that differs from the document's"
        " own: a weights licence may bind as the base model's.",
        examples=["base_model_licence"],
    )


def _long_form(terms: object) -> object:
    return {"document": terms} if isinstance(terms, str) else terms


Binding = Annotated[
    BindingTerms, BeforeValidator(_long_form, json_schema_input_type=Text | BindingTerms)
]


class WrittenRoute(Written):
    """How a teacher is reached: host, account, API, model, revision. Terms bind a route."""

    api: Api = Field(description="The protocol spoken.", examples=["openai-chat"])
    endpoint: Endpoint = Field(
        default="",
        description="Base address, up to and without the API's own path; none for `embedded`.",
        examples=["https://vllm.internal/v1"],
    )
    model: Text = Field(description="The model's name at the endpoint.", examples=["Qwen/Qwen3-8B"])
    revision: str = Field(default="", description="Revision of the weights.", examples=["b968826d"])
    key: KeyName = Field(
        default="",
        description="Where the key is found: `env:NAME`, `secret:projects/P/secrets/S/versions/V`,"
        " or `google:default` for tokens of Google's default credentials; never the key itself.",
        examples=["env:VLLM_KEY"],
    )
    quota: Quota = Field(default=Quota(), description="What the provider grants.")
    price: Price = Field(
        default=Price(),
        description="What tokens cost; a budget in dollars needs it. `embedded` costs nothing; for"
        " machines of your own write `{input_usd_per_million: 0, output_usd_per_million: 0}`.",
    )
    timeouts: Timeouts = Field(default=Timeouts(), description="How long to wait.")
    served_as: Many[Text] = Field(
        default=(),
        description="Names that the server may answer with and still be the same model.",
        examples=[["qwen3-8b"]],
    )
    terms: Filled[Binding] = Field(
        description="Every document that binds the route, by its id; all must permit.",
        examples=[["spdx/apache-2.0"]],
    )

    @model_validator(mode="before")
    @classmethod
    def _embedded_is_free(cls, data: object) -> object:
        """Sets the price of the embedded teacher, which runs on the user's own processor."""
        embedded = isinstance(data, dict) and data.get("api") == "embedded"
        return {"price": FREE, **data} if isinstance(data, dict) and embedded else data

    def flaws(self) -> Iterator[Flaw]:
        """Yields what the embedded teacher does not have, and an endpoint that cannot be asked."""
        for name in ("endpoint", "key"):
            if self.api == "embedded" and getattr(self, name):
                yield Flaw(what="the embedded teacher has none", at=(name,))
        if flaw := endpoint_flaw(self.endpoint):
            yield flaw
        elif self.key.startswith("google:") and sends_in_the_open(self.endpoint):
            yield Flaw(
                what="a token of Google would be sent unencrypted",
                at=("endpoint",),
                expected="an address that begins with https://",
            )


class ExtendedRoute(Written):
    """A route of the catalogue, and what a team adds to it. What is left out is as in the base.

    The base's API and model stay: they decide which documents bind. All documents of the base bind;
    `terms` adds others.
    """

    base: Text = Field(description="Id of a route of the catalogue.", examples=["openai-api/gpt"])
    endpoint: Absent[Endpoint] = Field(
        default=None,
        description="Another base address. If its host is another, `terms` must name every document"
        " that binds there, also one that the base has.",
        examples=["https://my-resource.openai.azure.com/openai/v1"],
    )
    revision: Absent[Text] = Field(
        default=None,
        description="Revision of the weights, if the base names none.",
        examples=["b968826d"],
    )
    key: Absent[KeyName] = Field(
        default=None, description="Where the key is found.", examples=["env:TEAM_KEY"]
    )
    quota: Absent[Quota] = Field(default=None, description="What the provider grants.")
    price: Absent[Price] = Field(default=None, description="What tokens cost.")
    timeouts: Absent[Timeouts] = Field(default=None, description="How long to wait.")
    served_as: Many[Text] = Field(
        default=(), description="Further names of the same model.", examples=[["gpt-4.1"]]
    )
    terms: Many[Binding] = Field(
        default=(),
        description="Documents that bind besides the base's, by their ids.",
        examples=[["our/order-form"]],
    )


class Route(WrittenRoute):
    """A route with its name.

    Attributes:
        id: Its name in run files.
        where: File and line, for messages.
    """

    id: str
    where: str = ""

    @property
    def host(self) -> str:
        """The host asked, or `embedded`."""
        return urlsplit(self.endpoint).hostname or "embedded"


class WrittenApproval(Written):
    """The organisation's sign-off of the reading of one document's version."""

    document: Text = Field(description="Id of the document.", examples=["meta/llama-3.1-license"])
    version: Text = Field(description="The version that was read.", examples=["2024-07-23"])
    by: Text = Field(description="Who signed it off.", examples=["legal@example.com"])
    on: Day = Field(description="The day of it.", examples=["2026-11-01"])
    expires: Absent[Day] = Field(
        default=None,
        description="Its last day; left out, it does not expire.",
        examples=["2027-10-31"],
    )

    def flaws(self) -> Iterator[Flaw]:
        """Yields days in the wrong order."""
        if self.expires and self.expires < self.on:
            yield Flaw(
                what="the approval expires before it is given",
                found=f"on {self.on}, expires {self.expires}",
            )


class Approval(WrittenApproval):
    """An approval with its file and line, for messages."""

    where: str = ""


class WrittenAuthorisation(Written):
    """A permission in writing that lifts one clause of one document, from a day to a day."""

    document: Text = Field(description="Id of the document.", examples=["openai/services"])
    clause: Text = Field(description="The clause that it lifts.", examples=["2.2"])
    reference: Text = Field(description="Where it is found.", examples=["MSA-2026-17"])
    from_: Day = Field(
        validation_alias="from",
        serialization_alias="from",
        description="Its first day.",
        examples=["2026-01-01"],
    )
    to: Day = Field(description="Its last day.", examples=["2026-12-31"])

    def flaws(self) -> Iterator[Flaw]:
        """Yields days in the wrong order."""
        if self.to < self.from_:
            yield Flaw(
                what="the authorisation ends before it begins",
                found=f"from {self.from_} to {self.to}",
            )


class Authorisation(WrittenAuthorisation):
    """An authorisation with its file and line, for messages."""

    where: str = ""


class ChangedTerms(Written):
    """A text that is no longer the one that was read."""

    document: Text = Field(description="Id of the document.")
    version: Text = Field(description="The version whose reading is concerned.")
    address: Text = Field(description="Where the newest text was found.")
    read: Sha256 = Field(
        description="Digest of the text that was read; the entry is about that reading alone."
    )
    found: Sha256 = Field(description="Digest of the text found instead.")
    on: Day = Field(description="The first day on which that text was found, UTC.")


class WrittenChanges(Written):
    """Terms whose text is no longer the one that was read, as `terms check --fetch` found."""

    changed: Many[ChangedTerms] = Field(description="One entry for each changed text.")


class WrittenLimiter(Written):
    """Counts the quotas of all runs and machines that name it."""

    redis: AddressName = Field(
        description="Where the address of a Redis server is found; never the address itself.",
        examples=["env:LIMITER"],
    )


class LimiterAddress(WrittenLimiter):
    """A limiter with its file and line, for messages."""

    where: str = ""


def _kind_of_route(route: object) -> str:
    written = isinstance(route, ExtendedRoute) or (isinstance(route, Mapping) and "base" in route)
    return "extended" if written else "whole"


AnyRoute = Annotated[
    Annotated[WrittenRoute, Tag("whole")] | Annotated[ExtendedRoute, Tag("extended")],
    Discriminator(_kind_of_route),
]


class WrittenRegistry(Written):
    """Routes, approvals, authorisations and a limiter: a team's own, and the catalogue's routes."""

    routes: Mapping[RouteId, AnyRoute] = Field(
        default={}, description="Routes by id: the names that run files use."
    )
    approvals: Many[WrittenApproval] = Field(
        default=(), description="Readings of terms that the organisation signed off."
    )
    authorisations: Many[WrittenAuthorisation] = Field(
        default=(), description="Permissions that the organisation has in writing."
    )
    limiter: Absent[WrittenLimiter] = Field(
        default=None, description="Where quotas are counted; left out, each run counts for itself."
    )


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

    routes: Mapping[str, Route] = field(default_factory=dict)
    approvals: tuple[Approval, ...] = ()
    authorisations: tuple[Authorisation, ...] = ()
    changed: tuple[ChangedTerms, ...] = ()
    limiter: LimiterAddress | None = None
