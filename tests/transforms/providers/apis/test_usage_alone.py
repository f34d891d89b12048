"""Usage is read alone: the same as with the answer, and even if the answer is unreadable."""

from __future__ import annotations

from pathlib import Path

import pytest

from schemas.responses import Completion, Usage
from tests.teacher import answer
from tests.transforms.providers.apis.bodies import NO_OBJECT, body_of
from transforms.providers.apis import find_api

DATA = Path(__file__).parents[3] / "data" / "apis"
BODIES = [("openai-chat", answer().body), ("openai-chat", answer(usage=None).body)] + [
    (path.parent.name, body_of(path.parent.name, path.stem)) for path in sorted(DATA.glob("*/*"))
]


@pytest.mark.parametrize(("api", "body"), BODIES)
def test_usage_alone_equals_that_of_the_whole_answer(api: str, body: bytes) -> None:
    whole = find_api(api).parse(body)
    assert isinstance(whole, Completion)
    assert find_api(api).usage(body) == whole.usage


def test_usage_is_read_even_if_the_rest_is_unreadable() -> None:
    body = answer(None).body
    assert not isinstance(find_api("openai-chat").parse(body), Completion)
    assert find_api("openai-chat").usage(body) == Usage(prompt_tokens=10, completion_tokens=5)


@pytest.mark.parametrize("api", ["openai-chat", "anthropic-messages", "gemini"])
@pytest.mark.parametrize(("body", "reason"), NO_OBJECT.values(), ids=NO_OBJECT)
def test_no_body_raises(api: str, body: bytes, reason: str) -> None:
    assert find_api(api).usage(body) == Usage(), reason
