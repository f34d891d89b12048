"""Records of earlier corpora rank above new ones and are never removed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas.codes import DedupeMethod
from schemas.index import Index
from schemas.inputs.quality import NearDedupe
from schemas.records import DedupeProvenance, Record
from tests.corpus_builder import make_record, publish_rows
from transforms.corpus.read import open_corpus
from transforms.dedupe.blocks import Removal
from transforms.dedupe.index import make_index, open_index

EXACT, NEAR = DedupeMethod.EXACT, DedupeMethod.NEAR

Run = Callable[..., Any]
Texts = Mapping[int, tuple[int, int]]

# A window of 60 words over its family's: neighbours at a distance of one share 52 of 60 runs of
# five words, 0.867 of them; at two 0.75. So families are chains, and 0.8 is between the two.
_WORDS, _STEP, _WINDOWS = 60, 4, 6


def _text(family: int, window: int) -> str:
    words = [f"f{family}w{place}" for place in range(_STEP * window, _STEP * window + _WORDS)]
    return " ".join(words)


def _record(number: int, chosen: tuple[int, int]) -> Record:
    return make_record(number, text=_text(*chosen))


def _records(texts: Texts) -> list[Record]:
    return [_record(number, chosen) for number, chosen in texts.items()]


def _index(folder: Path, texts: Texts, *, own: bool = False) -> Index:
    publish_rows(folder, _records(texts))
    return _indexed(folder, own=own)


def _indexed(folder: Path, *, own: bool = False) -> Index:
    corpus = open_corpus(folder)
    make_index(corpus, "completion")
    index = open_index(corpus, "completion", own=own)
    assert index is not None
    return index


def _alike(one: tuple[int, tuple[int, int]], other: tuple[int, tuple[int, int]]) -> float:
    """Returns the similarity of two numbered texts; 0 if it is below the threshold."""
    (number, (family, window)), (second, (kin, place)) = one, other
    distance = abs(window - place)
    alike = [1.0, 52 / 60][distance] if family == kin and distance < 2 else 0.0
    # Records of one number answer one prompt, so they need 0.9.
    return alike if alike >= (0.9 if number == second else 0.8) else 0.0


TEXTS = st.dictionaries(
    st.integers(0, 15), st.tuples(st.integers(0, 2), st.integers(0, _WINDOWS - 1)), max_size=12
)


@settings(max_examples=10, suppress_health_check=list(HealthCheck))
@given(old=TEXTS, new=TEXTS, own=st.booleans(), bits=st.integers(0, 2))
def test_kept_records_resemble_no_earlier_record_and_removed_ones_resemble_a_kept_one(
    old: Texts,
    new: Texts,
    own: bool,
    bits: int,
    deduplicate: Run,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    against: tuple[Index, ...] = ()
    if old:
        against = (_index(tmp_path_factory.mktemp("old") / "corpus", old, own=own),)
    verdicts = deduplicate(_records(new), NearDedupe(), bits, against=against)
    numbers = {make_record(number).record_id: number for number in range(16)}
    removed = {numbers[name]: removal for name, removal in verdicts.removed.items()}
    held = {number for number in new if own and old.get(number) == new[number]}
    kept = set(new) - set(removed)
    assert held <= kept
    for number in kept - held:
        others = [(other, new[other]) for other in kept - {number}] + list(old.items())
        assert not any(_alike((number, new[number]), other) for other in others)
    for number, removal in removed.items():
        witness = numbers[removal.witness]
        if removal.of is None:
            assert witness in kept
            match = (witness, new[witness])
        else:
            assert removal.of == against[0].version
            assert witness not in held
            match = (witness, old[witness])
        assert removal.similarity == _alike((number, new[number]), match) > 0
    sizes = sum(cluster.size for cluster in verdicts.clusters.values())
    named = [removal for removal in removed.values() if removal.of is None]
    assert sizes == len(named) + len(verdicts.clusters)


def test_every_pair_of_neighbours_is_found(deduplicate: Run, tmp_path: Path) -> None:
    """The law above rests on it: bands find all of these pairs, which are few and fixed."""
    chosen = dict(enumerate(product(range(3), range(_WINDOWS))))
    even = {number: text for number, text in chosen.items() if text[1] % 2 == 0}
    odd = {number + 50: text for number, text in chosen.items() if text[1] % 2}
    index = _index(tmp_path / "even", even)
    assert len(deduplicate(_records(odd), NearDedupe(), against=(index,)).removed) == len(odd)
    index = _index(tmp_path / "odd", odd)
    assert len(deduplicate(_records(even), NearDedupe(), against=(index,)).removed) == len(even)


@pytest.mark.parametrize("numbers", [(1, 2), (2, 1)])
def test_an_indexed_record_is_kept_with_any_id(
    numbers: tuple[int, int], deduplicate: Run, tmp_path: Path
) -> None:
    old, new = numbers
    index = _index(tmp_path / "old", {old: (0, 0)})
    verdicts = deduplicate([_record(new, (0, 1))], NearDedupe(), against=(index,))
    witness = make_record(old).record_id
    removal = Removal(witness, 52 / 60, NEAR, index.version)
    assert verdicts.removed == {make_record(new).record_id: removal}
    assert verdicts.clusters == {}
    assert verdicts.counters == {"near_duplicates": 1, "capped_keys": 0}


def test_a_record_removed_for_an_indexed_one_removes_no_other(
    deduplicate: Run, tmp_path: Path
) -> None:
    """Of a chain old, near, far the middle one goes, and the last, like it alone, stays."""
    index = _index(tmp_path / "old", {1: (0, 0)})
    chain = [_record(number, (0, number - 1)) for number in (2, 3)]
    verdicts = deduplicate(chain, NearDedupe(), against=(index,))
    assert set(verdicts.removed) == {chain[0].record_id}


def test_new_records_are_still_compared_with_one_another(deduplicate: Run, tmp_path: Path) -> None:
    index = _index(tmp_path / "old", {1: (0, 0)})
    pair = sorted((_record(2, (1, 0)), _record(3, (1, 1))), key=lambda record: record.record_id)
    verdicts = deduplicate(pair, NearDedupe(), against=(index,))
    assert verdicts.removed == {pair[1].record_id: Removal(pair[0].record_id, 52 / 60, NEAR)}


def test_indexed_records_are_not_compared_with_one_another(
    deduplicate: Run, tmp_path: Path
) -> None:
    """Two that are alike stay as they are, and both stand against new ones."""
    index = _index(tmp_path / "old", {1: (0, 2), 2: (0, 3)})
    new = [_record(3, (0, 1)), _record(4, (0, 4))]
    removed = deduplicate(new, NearDedupe(), against=(index,)).removed
    assert {name: removal.witness for name, removal in removed.items()} == {
        make_record(3).record_id: make_record(1).record_id,
        make_record(4).record_id: make_record(2).record_id,
    }


def test_without_near_duplicates_the_same_answer_to_the_same_prompt_goes(
    deduplicate: Run, tmp_path: Path
) -> None:
    index = _index(tmp_path / "old", {1: (0, 0), 2: (1, 0)})
    new = [_record(1, (0, 0)), _record(2, (1, 1)), _record(3, (0, 0))]
    removed = deduplicate(new, None, against=(index,)).removed
    name = make_record(1).record_id
    assert removed == {name: Removal(name, 1.0, EXACT, index.version)}


def test_a_record_of_an_earlier_version_of_the_same_corpus_is_kept_before_new_ones(
    deduplicate: Run, tmp_path: Path
) -> None:
    old = {number: (number, 0) for number in range(1, 5)}
    index = _index(tmp_path / "old", old, own=True)
    added = [_record(number + 10, (number, 1)) for number in range(1, 5)]
    for bits in (0, 3):
        verdicts = deduplicate([*_records(old), *added], NearDedupe(), bits, against=(index,))
        names = {number: make_record(number).record_id for number in range(20)}
        assert verdicts.removed == {
            names[number + 10]: Removal(names[number], 52 / 60, NEAR) for number in old
        }
        assert verdicts.clusters == {
            names[number]: DedupeProvenance(names[number], 2, NEAR) for number in old
        }


def test_another_answer_to_the_same_request_is_a_new_record(
    deduplicate: Run, tmp_path: Path
) -> None:
    index = _index(tmp_path / "old", {1: (0, 0), 2: (1, 0)}, own=True)
    removed = deduplicate([_record(1, (1, 1)), _record(2, (1, 0))], NearDedupe(), against=(index,))
    witness = make_record(2).record_id
    assert removed.removed == {make_record(1).record_id: Removal(witness, 52 / 60, NEAR)}


def test_no_distinct_record_is_lost_to_a_template_that_an_earlier_corpus_has(
    deduplicate: Run, tmp_path: Path
) -> None:
    template = " ".join(f"t{place}" for place in range(120))
    texts = {
        number: f"{template} " + " ".join(f"n{number}w{place}" for place in range(16))
        for number in range(360)
    }
    old = [make_record(number, text=texts[number]) for number in range(180)]
    new = [make_record(number, text=texts[number]) for number in range(180, 360)]
    new.append(make_record(400, text=f"{texts[179]} and a word more"))
    publish_rows(tmp_path / "old", old)
    index = _indexed(tmp_path / "old")
    verdicts = deduplicate(new, NearDedupe(), against=(index,))
    assert verdicts.counters["capped_keys"] > 0
    assert {name: removal.witness for name, removal in verdicts.removed.items()} == {
        new[-1].record_id: old[179].record_id
    }


def test_neither_order_nor_buckets_nor_repeated_bundles_change_a_verdict(
    deduplicate: Run, tmp_path: Path
) -> None:
    old = {number: (number % 5, number % _WINDOWS) for number in range(20)}
    new = {number + 15: (number % 7, number % 4) for number in range(30)}
    against = (
        _index(tmp_path / "a", old, own=True),
        _index(tmp_path / "b", {number + 200: (6, number) for number in range(2)}),
    )
    records = _records(new)
    clustered = deduplicate(records, NearDedupe(), 0, against=against)
    assert {removal.of for removal in clustered.removed.values()} >= {
        None,
        *(index.version for index in against),
    }
    for bits, options in ((1, ()), (3, ("--direct_runner_bundle_repeat=2",)), (4, ())):
        records = records[bits:] + records[:bits][::-1]
        verdicts = deduplicate(records, NearDedupe(), bits, *options, against=against)
        assert verdicts.buckets == list(range(1 << bits))
        assert (verdicts.removed, verdicts.clusters) == (clustered.removed, clustered.clusters)
