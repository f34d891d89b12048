"""The list of dialects is what the tables say."""

from __future__ import annotations

import pytest

from transforms.dialects.finish_reasons import ANTHROPIC_WORDS, GEMINI_WORDS, OPENAI_CHAT_WORDS
from transforms.dialects.page import PATH, page
from transforms.dialects.server_limits import LIMITS, LimitHeaders, seconds_until_refilled

NOW = 1790000000.0


def test_the_list_of_dialects_is_committed_as_it_is_generated() -> None:
    assert PATH.read_text(encoding="utf-8") == page(), "run `make schemas`"


def test_every_row_has_a_source() -> None:
    rows = [line for line in page().splitlines() if line.startswith("| ")]
    found = [line for line in rows if not line.startswith(("| ---", "| server |"))]
    without = [line for line in found if "<https://" not in line]
    assert [line for line in without if not line.endswith("| source |")] == []


@pytest.mark.parametrize("words", [OPENAI_CHAT_WORDS, ANTHROPIC_WORDS, GEMINI_WORDS])
def test_no_word_stands_twice_with_two_meanings(words: tuple[tuple[str, str], ...]) -> None:
    assert len({word[0] for word in words}) == len({word[:2] for word in words})


@pytest.mark.parametrize("limit", LIMITS, ids=lambda limit: f"{limit.source[0]} {limit.remaining}")
def test_each_header_of_a_limit_is_read(limit: LimitHeaders) -> None:
    headers = {limit.remaining: "0", limit.reset: limit.example}
    assert seconds_until_refilled(headers, NOW) > 0
    assert seconds_until_refilled(headers | {limit.remaining: "1"}, NOW) == 0
