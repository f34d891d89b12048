"""Counting tokens."""

from __future__ import annotations

import subprocess
import sys

from hypothesis import given
from hypothesis import strategies as st

from schemas.canonical import canonical_json
from schemas.prompts import Message
from schemas.requests import DEFAULT_COMPLETION_TOKENS, completion_limit
from tests.transforms.asking.asking import make_requests
from transforms.providers.tokens import (
    TOOLS_TOKENS,
    count_tokens,
    estimated_tokens,
    most_prompt_tokens,
    most_tokens,
    most_tokens_of,
    prompt_tokens,
)


def test_tokens_are_those_of_cl100k() -> None:
    assert count_tokens("tiktoken is great!") == 6


def test_no_text_has_no_tokens() -> None:
    assert count_tokens("") == 0


def test_special_tokens_count_as_text() -> None:
    assert count_tokens("<|endoftext|>") > 1


def test_each_message_of_a_prompt_adds_tokens_of_its_frame() -> None:
    one = (Message("user", "Hello"),)
    assert prompt_tokens(one) == 1 + 4 + 3
    assert prompt_tokens(one * 2) == 2 * (1 + 4) + 3


@given(st.lists(st.text(st.characters(codec=None))))
def test_no_prompt_has_more_tokens_than_the_upper_bound(texts: list[str]) -> None:
    messages = [Message("user", text) for text in texts]
    assert prompt_tokens(messages) <= most_prompt_tokens(messages)


def test_an_answer_counts_as_long_as_allowed() -> None:
    [request] = make_requests(["Why?"], max_tokens=77)
    assert completion_limit(request.parameters) == 77
    assert estimated_tokens(request).completion == most_tokens(request).completion == 77
    assert estimated_tokens(request).total == estimated_tokens(request).prompt + 77


def test_an_answer_without_a_limit_counts_as_the_default() -> None:
    assert completion_limit("{}") == DEFAULT_COMPLETION_TOKENS


def test_both_names_of_the_limit_count() -> None:
    assert completion_limit('{"max_completion_tokens":900}') == 900


def test_tools_are_counted_as_part_of_the_prompt() -> None:
    function = {"name": "weigh", "description": "Weighs " + "é" * 100}
    tools = [{"type": "function", "function": function}]
    [plain], [offered] = make_requests(["Why?"]), make_requests(["Why?"], tools=tools)
    written = len(canonical_json(tools).encode())
    assert estimated_tokens(offered).prompt > estimated_tokens(plain).prompt
    assert most_tokens(offered).prompt >= most_tokens(plain).prompt + written + TOOLS_TOKENS
    assert most_tokens_of(offered.messages, offered.parameters) == most_tokens(offered)


def test_counting_needs_no_network() -> None:
    program = (
        "import socket\n"
        "def refuse(*_): raise AssertionError('a connection was opened')\n"
        "socket.socket.connect = socket.getaddrinfo = refuse\n"
        "from transforms.providers.tokens import count_tokens\n"
        "print(count_tokens('Hello'))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("1\n", "")
