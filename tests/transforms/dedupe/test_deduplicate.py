"""The whole of deduplication, on Beam's local runner."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas.codes import DedupeMethod
from schemas.inputs.quality import NearDedupe
from schemas.records import DedupeProvenance, Record
from transforms.dedupe.blocks import Removal

EXACT, NEAR = DedupeMethod.EXACT, DedupeMethod.NEAR

Make = Callable[..., Record]
Run = Callable[..., Any]


def _by_rank(records: list[Record]) -> list[Record]:
    return sorted(records, key=lambda record: record.record_id)


def test_of_exact_duplicates_the_least_id_is_kept(make_record: Make, deduplicate: Run) -> None:
    twins = [make_record(number, "The Answer", prompt="why?") for number in range(3)]
    others = [make_record("a", "the answer", prompt="how?"), make_record("b", "no", prompt="why?")]
    verdicts = deduplicate([*twins, *others])
    best, *copies = _by_rank(twins)
    assert verdicts.buckets == [0, 1, 2, 3]
    assert verdicts.removed == {
        copy.record_id: Removal(best.record_id, 1.0, EXACT) for copy in copies
    }
    assert verdicts.clusters == {
        best.record_id: DedupeProvenance(best.record_id, 3, EXACT),
    }
    assert verdicts.counters == {"exact_duplicates": 2}


def test_no_records_give_no_verdicts(deduplicate: Run) -> None:
    verdicts = deduplicate([], NearDedupe(), 1)
    assert verdicts.buckets == [0, 1]
    assert verdicts.removed == {}


def test_near_duplicates_are_kept_unless_the_run_looks_for_them(
    make_record: Make, deduplicate: Run, writer: Any
) -> None:
    words = writer.words(200)
    texts = [words, writer.edited(words, 0.9, block=True)]
    records = [make_record(number, " ".join(text)) for number, text in enumerate(texts)]
    assert deduplicate(records).removed == {}
    assert len(deduplicate(records, NearDedupe()).removed) == 1


def test_a_copy_of_a_near_duplicate_names_the_kept_record(
    make_record: Make, deduplicate: Run, writer: Any, jaccard: Callable[..., float]
) -> None:
    words = writer.words(200)
    edited = writer.edited(words, 0.85, block=False)
    best, *rest = _by_rank([make_record(number, "") for number in range(4)])
    records = [make_record(number, " ".join(edited), prompt="same") for number in range(4)]
    kept = next(number for number in range(4) if records[number].record_id == best.record_id)
    records[kept] = make_record(kept, " ".join(words))
    verdicts = deduplicate(records, NearDedupe())
    expected = Removal(best.record_id, jaccard(words, edited), NEAR)
    assert verdicts.removed == {record.record_id: expected for record in rest}
    assert verdicts.clusters == {best.record_id: DedupeProvenance(best.record_id, 4, NEAR)}
    assert verdicts.counters == {"near_duplicates": 3, "capped_keys": 0}


@pytest.mark.parametrize(("target", "recall"), [(0.85, 0.995), (0.80, 0.98)])
def test_only_planted_pairs_are_found(
    target: float,
    recall: float,
    make_record: Make,
    deduplicate: Run,
    writer: Any,
    jaccard: Callable[..., float],
) -> None:
    pairs = []
    for number in range(400):
        words = writer.words(150)
        pairs.append((words, writer.edited(words, target, block=number % 2 == 0)))
    below = [
        (words, writer.edited(words, 0.6, block=True)) for words in map(writer.words, [150] * 50)
    ]
    texts = {}
    records = []
    for number, pair in enumerate(pairs + below):
        for side, words in enumerate(pair):
            record = make_record((number, side), " ".join(words))
            texts[record.record_id] = (number, words)
            records.append(record)
    removed = deduplicate(records, NearDedupe(threshold=0.8)).removed
    assert len(removed) >= recall * len(pairs)
    for name, removal in removed.items():
        (one, words), (other, witness) = texts[name], texts[removal.witness]
        assert one == other < len(pairs)
        assert removal.similarity == jaccard(words, witness) >= 0.8
        assert removal.witness not in removed


def test_each_removed_record_of_a_drift_chain_resembles_a_kept_one(
    make_record: Make, deduplicate: Run, writer: Any, jaccard: Callable[..., float]
) -> None:
    texts = {}
    records = []
    for chain in range(5):
        words = writer.words(150)
        for link in range(40):
            record = make_record((chain, link), " ".join(words))
            texts[record.record_id] = words
            records.append(record)
            words = writer.edited(words, 0.85, block=True)
    removed = deduplicate(records, NearDedupe()).removed
    assert 50 <= len(removed) <= 150  # connected components would leave 5 of 200
    for name, removal in removed.items():
        assert removal.witness not in removed
        assert jaccard(texts[name], texts[removal.witness]) >= 0.8


@pytest.mark.parametrize("before", [83, 166], ids=["in two parts", "in one block"])
def test_no_distinct_record_is_removed_for_a_shared_template(
    before: int, make_record: Make, deduplicate: Run, writer: Any
) -> None:
    """Of texts that share 83 % of their words the likeness is 0.71 at most: 0.83 / (2 - 0.83)."""
    template = writer.words(166)
    own = [writer.words(34) for _ in range(1_000)]
    records = [
        make_record(number, " ".join([*template[:before], *words, *template[before:]]))
        for number, words in enumerate(own)
    ]
    verdicts = deduplicate(records, NearDedupe())
    assert verdicts.removed == {}
    assert verdicts.counters["capped_keys"] > 0


@pytest.fixture(scope="session")
def mixed(make_record: Make) -> list[Record]:
    """Copies, edits, chains, and answers to one prompt: 60 records."""
    records = []
    for family in range(6):
        words = [f"f{family}w{number}" for number in range(80)]
        for member in range(10):
            text = " ".join(
                [*words[: 80 - member], *(f"m{member}x{n}" for n in range(member // 3))]
            )
            records.append(make_record((family, member), text, prompt=f"question {member % 4}"))
    return records


@pytest.fixture(scope="session")
def clustered(mixed: list[Record], deduplicate: Run) -> Any:
    """The verdicts on them."""
    return deduplicate(mixed, NearDedupe(), 0)


@settings(max_examples=4, suppress_health_check=[HealthCheck.too_slow])
@given(order=st.randoms(use_true_random=False), bits=st.integers(0, 4))
def test_neither_order_nor_buckets_change_a_verdict(
    order: Any, bits: int, mixed: list[Record], clustered: Any, deduplicate: Run
) -> None:
    shuffled = list(mixed)
    order.shuffle(shuffled)
    verdicts = deduplicate(shuffled, NearDedupe(), bits)
    assert verdicts.buckets == list(range(1 << bits))
    assert verdicts.removed == clustered.removed
    assert verdicts.clusters == clustered.clusters


def test_bundles_that_run_three_times_change_no_verdict(
    mixed: list[Record], clustered: Any, deduplicate: Run
) -> None:
    verdicts = deduplicate(mixed, NearDedupe(), 2, "--direct_runner_bundle_repeat=2")
    assert len(clustered.removed) > 10
    assert verdicts.removed == clustered.removed
    assert verdicts.clusters == clustered.clusters


def test_kept_records_are_kept_in_the_next_run(
    mixed: list[Record], clustered: Any, deduplicate: Run
) -> None:
    survivors = [record for record in mixed if record.record_id not in clustered.removed]
    assert deduplicate(survivors, NearDedupe()).removed == {}
