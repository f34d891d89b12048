"""A run with a target asks few prompts first, then more samples of them, then more prompts."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from schemas.canonical import sha256
from schemas.extent import Extent
from schemas.inputs.quality import Target
from schemas.inputs.run import PromptSource, RunFile, TeacherChoice
from schemas.purpose import Purpose
from transforms.prompts.extent import (
    can_widen,
    first_extent,
    requests_in,
    wider_extent,
    widest_extent,
)


def make_run(samples: list[int], target: Target | None) -> RunFile:
    teachers = tuple(TeacherChoice(id=f"a/{n}", samples=count) for n, count in enumerate(samples))
    return RunFile(
        name="test",
        purpose=Purpose(use="train_generative"),
        prompts=(PromptSource(files=("prompts.jsonl",)),),
        teachers=teachers,
        corpus="c",
        ledger="l",
        target=target,
    )


def make_ids(count: int) -> list[str]:
    return sorted(sha256(str(number).encode()) for number in range(count))


def asked(extent: Extent, run: RunFile, ids: list[str]) -> set[tuple[str, str, int]]:
    """Returns every request of an extent: prompt, teacher, sample."""
    found = set()
    for prompt in ids:
        extra = extent.extra_samples(prompt)
        if extra is not None:
            for teacher in run.teachers:
                found |= {(prompt, teacher.id, n) for n in range(teacher.samples + extra)}
    return found


RUNS = st.builds(
    make_run,
    st.lists(st.integers(1, 3), min_size=1, max_size=3),
    st.builds(Target, accepted=st.integers(1, 60), extra_samples=st.integers(0, 3)),
)


@given(RUNS, st.integers(1, 40), st.floats(0, 1))
def test_each_extent_contains_the_one_before_and_the_last_is_the_widest(
    run: RunFile, prompts: int, share: float
) -> None:
    assert run.target is not None
    ids = make_ids(prompts)
    extent = first_extent(run, ids)
    before = asked(extent, run, ids)
    assert len(before) == requests_in(extent, run, ids)
    while can_widen(extent, run, ids):
        accepted = min(int(share * len(before)), run.target.accepted - 1)
        extent = wider_extent(extent, run, ids, accepted)
        now = asked(extent, run, ids)
        assert before < now
        assert len(now) == requests_in(extent, run, ids)
        before = now
    assert before == asked(widest_extent(run), run, ids)


def test_the_first_extent_reaches_the_target_if_all_are_accepted() -> None:
    run = make_run([2], Target(accepted=10))
    assert requests_in(first_extent(run, make_ids(100)), run, make_ids(100)) == 10


def test_more_samples_come_before_more_prompts() -> None:
    run, ids = make_run([1], Target(accepted=10, extra_samples=1)), make_ids(100)
    first = first_extent(run, ids)
    again = wider_extent(first, run, ids, 6)
    assert again.last == first.last
    assert requests_in(again, run, ids) == 10 + 7  # 4 are missing, and 6 of 10 were accepted
    whole = wider_extent(again, run, ids, 7)
    assert (whole.last, whole.extra) == (first.last, 1)
    more = wider_extent(whole, run, ids, 9)
    assert more.last is not None
    assert more.last > str(first.last)


def test_an_extent_at_most_doubles() -> None:
    run, ids = make_run([1], Target(accepted=1000, extra_samples=0)), make_ids(5000)
    first = first_extent(run, ids)
    assert requests_in(wider_extent(first, run, ids, 1), run, ids) == 2000


def test_without_a_target_everything_is_asked() -> None:
    run, ids = make_run([2, 1], None), make_ids(7)
    assert requests_in(first_extent(run, ids), run, ids) == 21
    assert not can_widen(first_extent(run, ids), run, ids)
