"""Reads a server's own rate limits from the headers of a response.

A header names what remains, another one when the limit resets. `docs/dialects.md` is made from the
table below. Any kind of limit is read that the prefixes of its headers name. Mistral's answers were
also seen without a reset: then nothing is known, and nothing waits. See
https://github.com/mistralai/client-ts/issues/169.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import NamedTuple

from transforms.dialects.source import Source


class LimitHeaders(NamedTuple):
    """The headers of a limit, as a server writes them.

    Attributes:
        remaining: The header of what remains.
        reset: The header of when it resets.
        example: A value of that.
        form: What such a value is.
        source: Where the server's documentation, or a report, says so.
    """

    remaining: str
    reset: str
    example: str
    form: str
    source: Source


_OPENAI = Source("OpenAI", "https://platform.openai.com/docs/guides/rate-limits")
_GROQ = Source("Groq", "https://console.groq.com/docs/rate-limits")
_AZURE = Source("Azure", "https://github.com/openai/openai-dotnet/issues/838")
_CEREBRAS = Source("Cerebras", "https://inference-docs.cerebras.ai/support/rate-limits")
_MISTRAL = Source("Mistral", "https://github.com/promptfoo/promptfoo/pull/10577")
_TOGETHER = Source("Together", "https://support.together.ai/en/articles/8988956-rate-limits")
_DIGITALOCEAN = Source(
    "DigitalOcean",
    "https://docs.digitalocean.com/products/inference/reference/quota-specific-response-headers/",
)
_ANTHROPIC = Source("Anthropic", "https://docs.anthropic.com/en/api/rate-limits")


def _limits(form: str, example: str, source: Source, *kinds: str) -> list[LimitHeaders]:
    names = ((f"x-ratelimit-remaining-{kind}", f"x-ratelimit-reset-{kind}") for kind in kinds)
    return [LimitHeaders(remaining, reset, example, form, source) for remaining, reset in names]


LIMITS = (
    *_limits("span", "6m0s", _OPENAI, "requests", "tokens"),
    *_limits("span", "7.66s", _GROQ, "requests", "tokens"),
    *_limits("seconds", "12", _AZURE, "requests", "tokens"),
    *_limits("seconds", "33011.38", _CEREBRAS, "requests-day", "tokens-minute"),
    *_limits("seconds", "12", _MISTRAL, "req-minute", "tokens-minute"),
    LimitHeaders("x-ratelimit-remaining", "x-ratelimit-reset", "1", "seconds", _TOGETHER),
    LimitHeaders("x-tokenlimit-remaining", "x-tokenlimit-reset", "1", "seconds", _TOGETHER),
    *_limits("seconds since 1970", "1790000060", _DIGITALOCEAN, "requests", "tokens-per-minute"),
    *(
        LimitHeaders(
            f"anthropic-ratelimit-{kind}-remaining",
            f"anthropic-ratelimit-{kind}-reset",
            "2026-09-21T14:14:20Z",
            "RFC 3339",
            _ANTHROPIC,
        )
        for kind in ("requests", "tokens", "input-tokens", "output-tokens")
    ),
)

# The header of what remains, and of when it resets, for a kind of limit ("" or "-tokens-minute").
_REMAINING = re.compile(
    r"(x-ratelimit|x-tokenlimit)-remaining(-.+)?|(anthropic-ratelimit-.+)-remaining"
)
_UNIT_SECONDS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6}
_PART = r"([0-9]{1,9}(?:\.[0-9]{1,9})?)(h|ms|m|us|µs|s)"
_SPAN = re.compile(f"(?:{_PART})+")
_SECONDS = re.compile(r"[0-9]{1,9}(\.[0-9]{1,18})?")
_SINCE_1970 = re.compile(r"[0-9]{10}(\.[0-9]{1,9})?|[0-9]{13}")  # seconds, or milliseconds


def seconds_until_refilled(headers: Mapping[str, str], now: float) -> float:
    """Returns the seconds until a server's used-up limits reset.

    Args:
        headers: Headers of a response, names in lower case.
        now: Seconds since 1970 UTC.

    Returns:
        Seconds until the last of the used-up limits resets; 0 if none is used up, or if the headers
        are in no form we know.
    """
    resets = (
        _seconds_until(headers.get(_reset(found), ""), now)
        for name, value in headers.items()
        if value.strip() == "0" and (found := _REMAINING.fullmatch(name))
    )
    return max(resets, default=0.0)


def _reset(remaining: re.Match[str]) -> str:
    """Returns the header that resets what a header of remaining names."""
    prefix, kind, anthropic = remaining.groups()
    return f"{anthropic}-reset" if anthropic else f"{prefix}-reset{kind or ''}"


def _seconds_until(value: str, now: float) -> float:
    value = value.strip()
    if _SECONDS.fullmatch(value):
        return float(value)
    if _SINCE_1970.fullmatch(value):
        since = float(value)
        return max(0.0, (since / 1000 if len(value) == 13 and "." not in value else since) - now)
    if _SPAN.fullmatch(value):
        return sum(float(count) * _UNIT_SECONDS[unit] for count, unit in re.findall(_PART, value))
    try:
        date = datetime.fromisoformat(value)
        return max(0.0, date.replace(tzinfo=date.tzinfo or UTC).timestamp() - now)
    except (ValueError, OverflowError):
        return 0.0
