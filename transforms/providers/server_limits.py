"""Reads a server's own rate limits from the headers of a response.

OpenAI and servers like it send `x-ratelimit-remaining-requests` and `-tokens`, and the time until
the limit resets as a duration in Go's form, `1s` or `6m0s`
(https://platform.openai.com/docs/guides/rate-limits, "Rate limits in headers"; Groq the same,
https://console.groq.com/docs/rate-limits). Anthropic sends `anthropic-ratelimit-…-remaining` and
`-reset` for requests, tokens, input tokens and output tokens, the reset as a time of RFC 3339
(https://docs.anthropic.com/en/api/rate-limits, "Response headers").
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime

# Headers of what remains, and of when it resets.
_LIMITS = (
    *(
        (f"x-ratelimit-remaining-{kind}", f"x-ratelimit-reset-{kind}")
        for kind in ("requests", "tokens")
    ),
    *(
        (f"anthropic-ratelimit-{kind}-remaining", f"anthropic-ratelimit-{kind}-reset")
        for kind in ("requests", "tokens", "input-tokens", "output-tokens")
    ),
)
_REMAINING = frozenset(remaining for remaining, _ in _LIMITS)
_UNIT_SECONDS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6}
_PART = r"([0-9]{1,9}(?:\.[0-9]{1,9})?)(h|ms|m|us|µs|s)"
_SPAN = re.compile(f"(?:{_PART})+")
_SECONDS = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9})?")


def seconds_until_refilled(headers: Mapping[str, str], now: float) -> float:
    """Returns the seconds until a server's used-up limits reset.

    Args:
        headers: Headers of a response, names in lower case.
        now: Seconds since 1970 UTC.

    Returns:
        Seconds until the last of the used-up limits resets; 0 if none is used up, or if the headers
        are in no form we know.
    """
    if _REMAINING.isdisjoint(headers):
        return 0.0
    resets = (
        _seconds_until(headers.get(reset, ""), now)
        for remaining, reset in _LIMITS
        if headers.get(remaining, "").strip() == "0"
    )
    return max(resets, default=0.0)


def _seconds_until(value: str, now: float) -> float:
    value = value.strip()
    if _SECONDS.fullmatch(value):
        return float(value)
    if _SPAN.fullmatch(value):
        return sum(float(count) * _UNIT_SECONDS[unit] for count, unit in re.findall(_PART, value))
    try:
        date = datetime.fromisoformat(value)
        return max(0.0, date.replace(tzinfo=date.tzinfo or UTC).timestamp() - now)
    except (ValueError, OverflowError):
        return 0.0
