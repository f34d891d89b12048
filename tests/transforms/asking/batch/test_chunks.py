"""A chunk: the requests of one job, up to the limits of its provider."""

from __future__ import annotations

import json
from dataclasses import dataclass

import pytest

from tests.transforms.asking.asking import make_requests
from transforms.asking.batch.anthropic_batches import AnthropicBatches
from transforms.asking.batch.chunks import Chunk
from transforms.limits.budget import Spend
from transforms.providers.apis import HttpCall


@dataclass
class Limits(AnthropicBatches):
    """A batch API with limits that a test reaches."""

    most_requests: int = 3
    most_bytes: int = 10_000


def fill(chunk: Chunk, size: int) -> int:
    """Adds requests with entries of a size until none fits; returns how many."""
    for number, request in enumerate(make_requests(100)):
        entry = b"x" * size
        if not chunk.fits(entry):
            return number
        chunk.add(request, entry, Spend(requests=1, tokens=7))
    raise AssertionError("nothing ends this chunk")


@pytest.mark.parametrize(
    ("size", "fitting"),
    [(10, 3), (2_951, 2), (2_950, 2), (1_967, 3), (20_000, 1)],
)
def test_a_chunk_ends_at_either_limit_but_takes_one_request(size: int, fitting: int) -> None:
    chunk = Chunk(Limits())
    assert fill(chunk, size) == fitting
    assert len(chunk.requests) == fitting


def test_a_chunk_adds_up_what_is_reserved() -> None:
    chunk = Chunk(Limits())
    fill(chunk, 10)
    assert chunk.reserved == Spend(requests=3, tokens=21)


def test_the_body_holds_each_entry_once() -> None:
    protocol = AnthropicBatches()
    chunk = Chunk(protocol)
    for request in make_requests(3):
        entry = protocol.entry(request.request_id, HttpCall("/x", b'{"model":"m"}'))
        chunk.add(request, entry, Spend())
    with chunk.body(protocol.body_format("name")) as file:
        requests = json.load(file)["requests"]
    assert [each["custom_id"] for each in requests] == [each.request_id for each in chunk.requests]
