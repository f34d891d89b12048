"""What a run may use at most."""

from __future__ import annotations

from pydantic import Field

from schemas.written import Absent, Written


class Budget(Written):
    """Our own cap on one execution of the run, and on a month of them."""

    usd: Absent[float] = Field(
        default=None,
        ge=0,
        description="US dollars. Each route asked needs a `price` then.",
        examples=[5.0],
    )
    requests: Absent[int] = Field(
        default=None, ge=0, description="Attempts sent to teachers.", examples=[20000]
    )
    tokens: Absent[int] = Field(
        default=None,
        ge=0,
        description="Tokens of prompts and completions together.",
        examples=[20000000],
    )
    usd_per_month: Absent[float] = Field(
        default=None,
        ge=0,
        description="US dollars that all runs with the same ledger may spend in a month, UTC. Each"
        " route asked needs a `price` then.",
        examples=[50],
    )
