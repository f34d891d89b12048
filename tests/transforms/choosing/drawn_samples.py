"""Samples for the tests of choosing, drawn by Hypothesis."""

from __future__ import annotations

from collections.abc import Iterable

from hypothesis import strategies as st

from transforms.choosing.samples import Sample

SCORES = st.one_of(st.none(), st.sampled_from([-1.0, 0.0, 0.5, 2.0]), st.floats(-1e6, 1e6))


@st.composite
def some_samples(draw: st.DrawFn, prompts: int = 1) -> list[Sample]:
    """Draws samples, with equal scores and equal texts among them."""
    ids = draw(st.sets(st.binary(min_size=32, max_size=32), min_size=1, max_size=12))
    return [
        Sample(
            prompt=bytes([draw(st.integers(0, prompts - 1)) * 37]) * 32,
            id=name,
            text=bytes([draw(st.integers(0, 5))]) * 16,
            score=draw(SCORES),
            accepted=draw(st.booleans()),
        )
        for name in sorted(ids)
    ]


def ids(samples: Iterable[Sample]) -> list[bytes]:
    return [sample.id for sample in samples]
