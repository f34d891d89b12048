"""Records are selected by route, document, source, id or audit."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest

from schemas.errors import InputError
from schemas.records import Record
from tests.corpus_builder import make_pair, make_record, publish_rows
from tests.transforms.auditing.damage import JUDGED, with_provenance
from transforms.auditing.audit import Audit
from transforms.auditing.select import select
from transforms.corpus.read import Corpus, open_corpus

ELSEWHERE = with_provenance(make_record(2), prompt={"source": "elsewhere"})
LLAMA = make_record(4, llama=True)
RECORDS = [ELSEWHERE, LLAMA, JUDGED, make_record(3)]


def no_audit() -> Audit:
    raise AssertionError("this selection needs no audit")


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    folder = tmp_path_factory.mktemp("corpus")
    publish_rows(folder, RECORDS)
    return open_corpus(folder)


def selected(corpus: Corpus, where: str) -> set[str]:
    mask = select(corpus, where, no_audit).mask
    tables = [table.filter(mask(table)) for table in corpus.tables("records")]
    ids: list[str] = pa.concat_tables(tables).column("record_id").to_pylist()
    return set(ids)


@pytest.mark.parametrize(
    ("where", "records"),
    [
        # A judge's route and terms select the records that it judged.
        ("route=our-vllm/llama", [LLAMA, JUDGED]),
        ("document=llama/license", [LLAMA, JUDGED]),
        ("document=llama/license@3.1", [LLAMA, JUDGED]),
        ("source=elsewhere", [ELSEWHERE]),
        ("document=MIT", RECORDS),
    ],
)
def test_a_selection_marks_the_records_that_match(
    corpus: Corpus, where: str, records: list[Record]
) -> None:
    assert selected(corpus, where) == {record.record_id for record in records}


def test_a_list_of_ids_selects_those_that_the_corpus_has(corpus: Corpus, tmp_path: Path) -> None:
    (tmp_path / "ids").write_text(f"{LLAMA.record_id}\n{'0' * 64}\n{LLAMA.record_id}\n")
    assert selected(corpus, f"records={tmp_path / 'ids'}") == {LLAMA.record_id}


@pytest.mark.parametrize(
    ("line", "valid"), [("a" * 64, True), ("a" * 63, False), ("A" * 64, False), ("g" * 64, False)]
)
def test_an_id_is_64_lower_case_hex_digits(
    corpus: Corpus, tmp_path: Path, line: str, valid: bool
) -> None:
    (tmp_path / "ids").write_text(line)
    if valid:
        assert selected(corpus, f"records={tmp_path / 'ids'}") == set()
    else:
        with pytest.raises(InputError, match="ids:1: not the id of a record"):
            selected(corpus, f"records={tmp_path / 'ids'}")


def test_a_value_of_a_rejected_side_alone_is_known(tmp_path: Path) -> None:
    better = make_record(1)
    worse = replace(make_record(4, llama=True), prompt_id=better.prompt_id)
    publish_rows(tmp_path, [better], pairs=[make_pair(better, worse)])
    assert selected(open_corpus(tmp_path), "route=our-vllm/llama") == set()


def test_a_version_of_a_document_selects_that_version_alone(corpus: Corpus) -> None:
    with pytest.raises(InputError, match="did you mean"):
        select(corpus, "document=llama/license@3.2", no_audit)
