"""Verifying finds rows that are incomplete, in the wrong shard or inconsistent."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from schemas.arrow import RECORDS, table
from schemas.codes import DedupeMethod, RowKind
from schemas.manifest import Compared
from schemas.records import Record, Rejected
from tests.corpus_builder import (
    make_build,
    make_decision,
    make_record,
    make_rejected,
    publish_rows,
)
from tests.transforms.auditing.damage import (
    GOOD,
    OTHER_DUTY,
    text_of,
    with_provenance,
)
from transforms.auditing.inspection import InspectionState, inspect_rejected
from transforms.auditing.verify import verify
from transforms.auditing.withdrawn_rows import make_withdrawn_rows
from transforms.records.rows import make_duplicate

UNREAD = replace(GOOD.provenance.terms[0], sha256="")


@pytest.mark.parametrize(
    ("broken", "what"),
    [
        (with_provenance(GOOD, prompt={"license": ""}), "provenance.prompt.license is empty"),
        (with_provenance(GOOD, teacher={"host": ""}), "provenance.teacher.host is empty"),
        (with_provenance(GOOD, terms=()), "provenance.terms has too few entries"),
        (with_provenance(GOOD, terms=(UNREAD,)), "provenance.terms name no version or digest"),
        (with_provenance(GOOD, decision={"id": ""}), "provenance.decision.id is not of the form"),
        (with_provenance(GOOD, decision={"use": "evaluate"}), "decision.use is not the corpus's"),
        (with_provenance(GOOD, decision={"decided_at": 0}), "decided_at is less than 1"),
        (with_provenance(GOOD, generators=()), "provenance.generators name no teacher"),
        (with_provenance(GOOD, request={"id": "0" * 64}), "request.id is not the record's id"),
        (with_provenance(GOOD, request={"received_at": 1}), "received_at is before sent_at"),
        (with_provenance(GOOD, response={"finish_reason": ""}), "finish_reason is empty"),
        (with_provenance(GOOD, pipeline={"version": ""}), "pipeline.version is empty"),
        (with_provenance(GOOD, dedupe={"size": 0}), "dedupe.size is less than 1"),
        (replace(GOOD, messages=GOOD.messages[:1]), "messages do not end with the completion"),
        (replace(GOOD, messages=()), "messages do not end with the completion"),
        (replace(GOOD, completion="Another."), "messages do not end with the completion"),
        (replace(GOOD, language="English"), "language is not of the form"),
        (replace(GOOD, prompt_id="x"), "prompt_id is not of the form"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_incomplete_or_wrong_provenance_is_found(tmp_path: Path, broken: Record, what: str) -> None:
    publish_rows(tmp_path, [broken, make_record(2)])
    (problem,) = {(p.file, p.what) for p in verify(tmp_path).problems if what in p.what}
    assert problem[0].startswith("data/none/train-00000-of-")
    assert problem[1].endswith(f"record {GOOD.record_id}")


def test_problems_of_a_kind_are_counted_and_not_listed(tmp_path: Path) -> None:
    publish_rows(tmp_path, [with_provenance(make_record(n), teacher={"api": ""}) for n in range(9)])
    counts = [problem.what for problem in verify(tmp_path).problems]
    assert all("provenance.teacher.api is empty" in what for what in counts)
    assert sum(int(what.split()[-2]) + 1 for what in counts) == 9


def test_a_decision_that_differs_between_records_is_found(tmp_path: Path) -> None:
    other = with_provenance(make_record(2), decision={"registry_digest": "0" * 64})
    publish_rows(tmp_path, [GOOD, make_record(3), other])
    assert "names a decision that differs elsewhere" in text_of(verify(tmp_path).problems)


def test_an_obligation_class_with_two_sets_of_duties_is_found(tmp_path: Path) -> None:
    other = with_provenance(make_record(2), duties=OTHER_DUTY, decision={"id": "0" * 64})
    publish_rows(tmp_path, [GOOD, other])
    assert "has other duties elsewhere" in text_of(verify(tmp_path).problems)


SOMEWHERE: Any = "somewhere"  # no stage of ours


def test_an_obligation_class_does_not_depend_on_the_document_of_a_duty(tmp_path: Path) -> None:
    one = make_record(4, llama=True)
    duties = tuple(replace(duty, document="another/licence") for duty in one.provenance.duties)
    decision = make_decision(llama=True, duties=duties)
    other = with_provenance(
        make_record(8, llama=True),
        duties=duties,
        decision={"id": decision.decision_id},
        generators=(replace(one.provenance.generators[0], decision_id=decision.decision_id),),
    )
    build = replace(make_build(2), decisions=(make_decision(llama=True), decision))
    publish_rows(tmp_path, [one, other], build=build)
    assert verify(tmp_path).ok


@pytest.mark.parametrize(
    ("broken", "what"),
    [
        (replace(make_rejected(5), reason=""), "reason is empty"),
        (replace(make_rejected(5), similarity=1.5), "similarity is more than 1"),
        (replace(make_rejected(5), stage=SOMEWHERE), "stage is none of"),
        (replace(make_rejected(5), record_id=""), "record_id must be empty for"),
        (replace(make_rejected(5, kind=RowKind.DUPLICATE), witness=""), "witness is missing"),
        (
            replace(make_rejected(5, kind=RowKind.DUPLICATE), detail="duplicates another"),
            "detail is not that of a duplicate",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_rejected_row_without_its_reason_is_found(
    tmp_path: Path, broken: Rejected, what: str
) -> None:
    publish_rows(tmp_path, [GOOD], [broken])
    assert what in text_of(verify(tmp_path).problems)


@pytest.mark.parametrize(("version", "listed"), [("1" * 16, True), ("2" * 16, False)])
def test_a_duplicate_names_only_versions_that_the_manifest_lists(
    tmp_path: Path, version: str, listed: bool
) -> None:
    earlier = Compared(name="earlier", version="1" * 16, sha256="3" * 64, own=False)
    of = replace(earlier, version=version)
    row = make_duplicate(make_record(5), "4" * 64, 1.0, DedupeMethod.EXACT, of)
    build = replace(make_build(2), against=(earlier,))
    publish_rows(tmp_path, [GOOD], [row], build=build)
    found = text_of(verify(tmp_path).problems)
    assert ("detail is not that of a duplicate" in found) == (not listed)


def test_a_withdrawn_row_is_remembered_by_its_detail(tmp_path: Path) -> None:
    state, manifest = InspectionState(), publish_rows(tmp_path, [GOOD])
    rows = make_withdrawn_rows(table([GOOD, make_record(2)], RECORDS), "why")
    assert list(inspect_rejected(rows, manifest, state)) == []
    assert sorted(state.withdrawn["why"]) == sorted([GOOD.record_id, make_record(2).record_id])
    assert state.reasons("rejected") == {"withdrawn": 2}
    assert state.reasons("failed") == {}
