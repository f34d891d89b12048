"""What the tests of choosing share: a teacher whose samples of a prompt differ in length."""

from __future__ import annotations

from typing import Any

from tests.pipelines.project import ROUTE
from tests.teacher import Call, Script, answer

SEED = 100  # a sample's seed is so much more than its index


def samples(count: int, route: str = ROUTE) -> dict[str, Any]:
    return {"id": route, "samples": count, "parameters": {"seed": SEED, "max_tokens": 500}}


def sample_of(call: Call) -> int:
    return int(call.body["seed"]) - SEED


def words(count: int, call: Call) -> str:
    """Returns so many words that no other prompt is answered with."""
    return " ".join(f"{call.prompt.split()[3]}w{number}" for number in range(count))


def lengths(*counts: int) -> Script:
    """Answers each sample with so many words."""
    return lambda call: answer(words(counts[sample_of(call)], call))
