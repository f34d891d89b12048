"""A record is found by its id or the beginning of its id."""

from __future__ import annotations

from pathlib import Path

import pytest

from schemas.errors import InputError
from tests.corpus_builder import make_record, make_rejected, publish_rows, typical_rows
from transforms.auditing.find import find
from transforms.corpus.read import Corpus, open_corpus


@pytest.fixture(scope="module")
def corpus(published: Path) -> Corpus:
    return open_corpus(published)


def all_ids() -> list[str]:
    records, rejected = typical_rows()
    ids = [record.record_id for record in records] + [row.record_id for row in rejected]
    return sorted(filter(None, ids))


def test_every_record_is_found_by_the_beginning_of_its_id(corpus: Corpus) -> None:
    for record_id in all_ids():
        assert find(corpus, record_id[:10]).row["record_id"] == record_id


def test_a_beginning_that_fits_several_records_names_some(corpus: Corpus) -> None:
    with pytest.raises(InputError) as refused:
        find(corpus, "a")
    (problem,) = refused.value.problems
    assert "9 records have an id that begins" in problem.what
    assert problem.found.startswith("a0ea860b")
    assert problem.found.endswith("and 6 more")


def test_an_id_with_a_wrong_end_names_the_one_that_begins_alike(corpus: Corpus) -> None:
    right = all_ids()[30]
    with pytest.raises(InputError, match=rf"did you mean {right}\?"):
        find(corpus, right[:-1] + "x")


@pytest.mark.parametrize("typed", ["nonsense", "zz", "7" * 63, "0" * 64])
def test_for_any_other_unknown_id_it_is_said_where_ids_are(corpus: Corpus, typed: str) -> None:
    with pytest.raises(InputError) as refused:
        find(corpus, typed)
    assert "expected an id of 64 hex digits" in str(refused.value)
    assert "`record_id` of the files in" in str(refused.value)


def test_a_record_is_found_in_its_shard_as_plain_data(corpus: Corpus) -> None:
    record, rejected = make_record(7), make_rejected(108)
    found = find(corpus, record.record_id)
    assert (found.shard.kind, found.shard.split) == ("records", "validation")
    sent_at = record.provenance.request.sent_at
    assert found.row["provenance"]["request"]["sent_at"] == sent_at  # milliseconds, an integer
    assert find(corpus, rejected.record_id).shard.kind == "rejected"


def test_a_prompt_without_a_request_is_not_found_by_its_empty_id(corpus: Corpus) -> None:
    with pytest.raises(InputError) as refused:
        find(corpus, "")
    assert refused.value.problems[0].what.startswith(f"{len(all_ids())} records have an id")


def test_in_an_empty_corpus_no_neighbours_are_named(tmp_path: Path) -> None:
    publish_rows(tmp_path, [])
    with pytest.raises(InputError, match="the corpus is empty"):
        find(open_corpus(tmp_path), "a" * 64)
