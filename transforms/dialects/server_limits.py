"""Reads a server's own rate limits from the headers of a response.

A header names what remains, another one when the limit resets:

| who | remains, resets | form | source |
|---|---|---|---|
| OpenAI, Groq | `x-ratelimit-remaining-requests`, `x-ratelimit-reset-requests`, `…-tokens` \
| `1s`, `6m0s` | https://platform.openai.com/docs/guides/rate-limits |
| Azure | the same | seconds | https://github.com/openai/openai-dotnet/issues/838 |
| Cerebras | `…-requests-day`, `…-tokens-minute` | seconds \
| https://inference-docs.cerebras.ai/support/rate-limits |
| Mistral | `…-req-minute`, `…-tokens-minute` | seconds \
| https://github.com/promptfoo/promptfoo/pull/10577 |
| Together | `x-ratelimit-remaining`, `x-ratelimit-reset`; `x-tokenlimit-…` | seconds \
| https://support.together.ai/en/articles/8988956-rate-limits |
| DigitalOcean | `…-requests`, `…-tokens-per-minute` | seconds since 1970 \
| https://docs.digitalocean.com/products/inference/reference/quota-specific-response-headers/ |
| Anthropic | `anthropic-ratelimit-requests-remaining` and `-reset`, `…-tokens`, `…-input-tokens`, \
`…-output-tokens` | RFC 3339 | https://docs.anthropic.com/en/api/rate-limits |

So any kind of limit is read that these prefixes name. Mistral's answers were also seen without a
reset (https://github.com/mistralai/client-ts/issues/169): then nothing is known, and nothing waits.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime

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
