"""A message shows what is wrong, and never a key that was pasted into the wrong place."""

from __future__ import annotations

import pytest

from schemas.errors import Problem, nearest

# Made up, in the forms that providers use.
KEYS = (
    "sk-proj-abcdefghijklmnopqrstuvwxyz0123456789",
    "hf_abcdefghijklmnopqrstuvwxyzABCDEFGH",
    "AIzaSyA0123456789abcdefghijklmnopqrstu",
    "gsk_0123456789abcdefghijABCDEFGHIJ",
)


@pytest.mark.parametrize("key", KEYS)
def test_a_key_is_masked_wherever_a_message_has_it(key: str) -> None:
    problem = Problem(f"{key}: unknown", where=f"{key}.yaml:1", found=key, remedy=f"not {key}")
    assert key not in str(problem)
    assert str(problem).count("perhaps a key") == 4


def test_a_password_in_an_address_is_masked_and_the_host_is_shown() -> None:
    shown = str(Problem("no such file", found="https://user:hunter2secret@host.example/x.jsonl"))
    assert "hunter2" not in shown
    assert "@host.example/x.jsonl" in shown


def test_ordinary_names_are_shown() -> None:
    text = "sk-short, self-hosted/llama-3.1-70b-instruct, https://host.example:8000/v1"
    assert str(Problem(text)) == text


def test_a_name_without_a_close_one_gets_the_whole_list() -> None:
    assert nearest("zzz", ["b", "a"]) == "known: a, b"
    assert nearest("apple", ["apples", "b"]) == "did you mean 'apples'?"
