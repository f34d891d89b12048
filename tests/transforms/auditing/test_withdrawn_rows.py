"""The rows that replace withdrawn records keep ids and costs, and no text."""

from __future__ import annotations

import pytest

from schemas.arrow import RECORDS, REJECTED, table
from schemas.canonical import sha256
from schemas.codes import RowKind
from tests.corpus_builder import make_record, make_rejected
from transforms.auditing.withdrawn_rows import (
    ids_digest,
    make_withdrawn_rows,
    withdrawal_detail,
    without_text,
)

TEXTS = ("messages", "completion", "reasoning", "tool_calls", "findings")
WITHDRAWN = make_withdrawn_rows(
    table([make_record(4, llama=True)], RECORDS), withdrawal_detail("0" * 16, "route=x")
)


def test_a_withdrawn_row_holds_request_teacher_and_cost() -> None:
    record = make_record(4, llama=True)
    (row,) = WITHDRAWN.to_pylist()
    assert WITHDRAWN.schema.equals(REJECTED)
    assert (row["stage"], row["kind"], row["reason"]) == ("withdraw", "rejected", "withdrawn")
    assert row["detail"] == f"withdrawn from version {'0' * 16}: route=x"
    assert (row["record_id"], row["prompt_id"]) == (record.record_id, record.prompt_id)
    assert (row["file"], row["line"]) == ("data/sums.jsonl", None)
    assert (row["teacher"], row["sample_index"]) == ("our-vllm/llama", 0)
    response = record.provenance.response
    for name in ("usd", "finish_reason", "prompt_tokens", "completion_tokens"):
        assert row[name] == getattr(response, name)
    assert not any(row[name] for name in TEXTS)


@pytest.mark.parametrize("kind", [RowKind.REJECTED, RowKind.DUPLICATE, RowKind.UNREAD])
def test_a_rejected_row_loses_its_text_and_its_detail_alone(kind: RowKind) -> None:
    before = table([make_rejected(5, kind=kind)], REJECTED)
    (row,) = without_text(before).to_pylist()
    (whole,) = before.to_pylist()
    lost = {*TEXTS, "detail"}
    assert whole["detail"]
    assert not any(row[name] for name in lost)
    assert {name: row[name] for name in row if name not in lost} == {
        name: whole[name] for name in whole if name not in lost
    }


def test_the_row_of_an_earlier_withdrawal_keeps_its_detail() -> None:
    assert without_text(WITHDRAWN).equals(WITHDRAWN)


def test_the_digest_of_ids_depends_on_no_order() -> None:
    assert ids_digest(["b", "a"]) == ids_digest(["a", "b"]) == sha256(b"a\nb\n")
