"""The split of a prompt never changes, in any version and with any other prompts."""

from __future__ import annotations

import pytest

from schemas.canonical import sha256
from transforms.records.splits import split_of

SPLITS = {"train": 0.8, "validation": 0.1, "test": 0.1}

# The split of the prompt whose id is the SHA-256 of a word. A change here moves published records
# from one split to another.
GOLDEN = {
    "zero": "train",
    "one": "train",
    "two": "train",
    "three": "train",
    "four": "train",
    "five": "validation",
    "six": "test",
    "seven": "train",
    "eight": "train",
    "nine": "train",
    "ten": "train",
    "eleven": "test",
}


@pytest.mark.parametrize("word", GOLDEN)
def test_a_prompt_is_in_the_split_that_it_was_published_in(word: str) -> None:
    assert split_of(sha256(word.encode()), SPLITS) == GOLDEN[word]


@pytest.mark.parametrize(
    ("end", "split"),
    [
        ("0000000000000", "train"),
        ("7ffffffffffff", "train"),
        ("8000000000000", "test"),
        ("fffffffffffff", "test"),
    ],
)
def test_the_last_13_digits_of_an_id_decide(end: str, split: str) -> None:
    assert split_of("0" * 51 + end, {"train": 0.5, "test": 0.5}) == split
    assert split_of("f" * 51 + end, {"train": 0.5, "test": 0.5}) == split


def test_shares_that_add_up_to_less_than_one_by_rounding_leave_no_prompt_out() -> None:
    assert sum([0.1] * 10) < 1
    assert split_of("f" * 64, {f"split-{n}": 0.1 for n in range(10)}) == "split-9"


def test_each_split_gets_its_share_of_the_prompts() -> None:
    found = [split_of(sha256(str(n).encode()), SPLITS) for n in range(10_000)]
    assert {name: round(found.count(name) / 10_000, 2) for name in SPLITS} == SPLITS
