"""A server's own rate limits are read from its headers."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transforms.dialects.server_limits import seconds_until_refilled

NOW = 1_795_348_800.0  # 2026-11-22 12:00 UTC


def openai(remaining: str, reset: str, kind: str = "requests") -> dict[str, str]:
    return {f"x-ratelimit-remaining-{kind}": remaining, f"x-ratelimit-reset-{kind}": reset}


def anthropic(remaining: str, reset: str, kind: str = "requests") -> dict[str, str]:
    return {
        f"anthropic-ratelimit-{kind}-remaining": remaining,
        f"anthropic-ratelimit-{kind}-reset": reset,
    }


@pytest.mark.parametrize(
    ("reset", "seconds"),
    [
        ("1s", 1.0),
        ("6m0s", 360.0),
        ("12ms", 0.012),
        ("1h2m3.5s", 3723.5),
        ("7.66s", 7.66),
        ("30", 30.0),
        ("1.5", 1.5),
        ("", 0.0),
        ("soon", 0.0),
        ("-5s", 0.0),
        ("5 minutes", 0.0),
        ("٣s", 0.0),
    ],
)
def test_a_duration_is_read(reset: str, seconds: float) -> None:
    assert seconds_until_refilled(openai("0", reset), NOW) == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("reset", "seconds"),
    [
        ("2026-11-22T12:00:42Z", 42.0),
        ("2026-11-22T13:00:42+01:00", 42.0),
        ("2026-11-22T12:00:42", 42.0),
        ("2026-11-22T11:59:00Z", 0.0),
        ("2026-11-22T12:00:99Z", 0.0),
    ],
)
@pytest.mark.parametrize("kind", ["requests", "tokens", "input-tokens", "output-tokens"])
def test_a_time_is_read(kind: str, reset: str, seconds: float) -> None:
    assert seconds_until_refilled(anthropic("0", reset, kind), NOW) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "headers",
    [{}, openai("1", "6m0s"), anthropic("8000", "2026-11-22T12:00:42Z"), {"retry-after": "9"}],
)
def test_there_is_no_wait_while_something_is_left(headers: Mapping[str, str]) -> None:
    assert seconds_until_refilled(headers, NOW) == 0.0


def test_the_later_of_two_resets_counts() -> None:
    headers = openai("0", "5s") | openai("0", "20s", "tokens")
    assert seconds_until_refilled(headers, NOW) == 20.0
    assert seconds_until_refilled(headers | openai("7", "20s", "tokens"), NOW) == 5.0


@given(st.text(max_size=30) | st.from_regex(r"\d{1,9}T?\d*:?\d*[hmsZ]{0,2}"))
def test_no_header_raises(reset: str) -> None:
    for headers in (openai("0", reset), anthropic("0", reset), openai(reset, "1s")):
        assert seconds_until_refilled(headers, NOW) >= 0.0


@pytest.mark.parametrize(
    ("remaining", "reset", "value", "seconds"),
    [
        ("x-ratelimit-remaining-requests-day", "x-ratelimit-reset-requests-day", "33011.38", 33011),
        (  # Cerebras
            "x-ratelimit-remaining-tokens-minute",
            "x-ratelimit-reset-tokens-minute",
            "11.382867097854614",
            11,
        ),
        ("x-ratelimit-remaining-req-minute", "x-ratelimit-reset-req-minute", "42", 42),  # Mistral
        ("x-ratelimit-remaining", "x-ratelimit-reset", "1", 1),  # Together
        ("x-tokenlimit-remaining", "x-tokenlimit-reset", "7", 7),
        ("x-ratelimit-remaining-tokens", "x-ratelimit-reset-tokens", "20", 20),  # Azure
        ("x-ratelimit-remaining-requests", "x-ratelimit-reset-requests", "1795348830", 30),
        ("x-ratelimit-remaining", "x-ratelimit-reset", "1795348830000", 30),
        ("x-ratelimit-remaining-req-minute", "another", "42", 0),
    ],
)
def test_the_limits_of_other_servers_are_read(
    remaining: str, reset: str, value: str, seconds: float
) -> None:
    assert int(seconds_until_refilled({remaining: "0", reset: value}, NOW)) == seconds
    for left in ("1", "-1"):  # -1 from Azure: unknown
        assert seconds_until_refilled({remaining: left, reset: value}, NOW) == 0
