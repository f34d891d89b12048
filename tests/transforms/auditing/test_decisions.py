"""Decisions of a corpus can be gathered from its records, and checked offline."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from schemas.codes import ModelRole
from schemas.records import Record
from schemas.terms import Verdict
from tests.corpus_builder import (
    COLLECTED,
    make_build,
    make_decision,
    make_record,
    publish_rows,
)
from tests.transforms.auditing.damage import (
    GOOD,
    JUDGED,
    JUDGED_BY,
    OTHER_DUTY,
    files_of,
    rewrite_manifest,
    text_of,
    with_provenance,
)
from tests.transforms.guard.terms_builder import PERMIT, catalogue, route, terms
from transforms.auditing.decisions import gather_decisions
from transforms.auditing.verify import verify
from transforms.corpus.facts import RECORD_PROVENANCE
from transforms.corpus.shards import write_bucket
from transforms.guard.evaluate import Guard

DAY = datetime.fromtimestamp(COLLECTED / 1000, UTC).date()
GUARD = Guard(
    catalogue(
        terms("acme/terms", PERMIT),
        routes=[route("acme/terms", id="our-vllm/qwen"), route("acme/terms", id="our-vllm/llama")],
    )
)


@pytest.mark.parametrize(
    ("record", "what"),
    [
        (JUDGED, ""),
        (with_provenance(JUDGED, judgements=()), "differs in the manifest"),
        (with_provenance(JUDGED, generators=GOOD.provenance.generators), "differs in the manifest"),
        (with_provenance(JUDGED, terms=GOOD.provenance.terms), "differs in the manifest"),
        (
            with_provenance(
                JUDGED,
                judgements=(replace(JUDGED.provenance.judgements[0], judged_at=COLLECTED * 2),),
            ),
            "differs in the manifest",
        ),
        (
            with_provenance(
                JUDGED,
                judgements=(replace(JUDGED.provenance.judgements[0], decision_id="f" * 64),),
            ),
            "is not a decision of the manifest",
        ),
    ],
    ids=["whole", "judgement-gone", "judge-unnamed", "terms-gone", "another-day", "undecided"],
)
def test_a_record_repeats_the_decision_on_its_judge(
    tmp_path: Path, record: Record, what: str
) -> None:
    decisions = (*make_build(2).decisions, JUDGED_BY)
    build = replace(make_build(2), decisions=decisions)
    publish_rows(tmp_path, [record, make_record(2)], build=build)
    found = verify(tmp_path)
    assert found.ok == (not what)
    assert what in " ".join(problem.what for problem in found.problems)


@pytest.mark.parametrize(
    ("part", "change", "what"),
    [
        ("verdicts", {"status": "silent"}, "was changed: its digest is"),
        ("verdicts", {"decision_id": "0" * 64}, "was changed: its digest is"),
        ("decisions", {"terms": []}, "was changed: its digest is"),
        ("decisions", {"registry_digest": "0" * 64}, "was made by another registry"),
        ("decisions", {"use": "evaluate"}, "is for another use"),
        ("decisions", {"decision": "deny"}, "denies our-vllm/qwen"),
    ],
    ids=lambda value: str(value)[:24],
)
def test_a_changed_decision_is_found(
    corpus: Path, part: str, change: dict[str, Any], what: str
) -> None:
    found = verify(rewrite_manifest(corpus, lambda data: data[part][0].update(change)))
    assert "manifest.json" in files_of(found.problems)
    assert what in text_of(found.problems)


def test_another_registry_is_found(corpus: Path) -> None:
    found = verify(rewrite_manifest(corpus, lambda data: data.update(registry_digest="0" * 64)))
    assert "was made by another registry" in text_of(found.problems)
    assert "decision.registry_digest is not the manifest's" in text_of(found.problems)


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"decision": {"id": "0" * 64}}, "is not a decision of the manifest"),
        ({"teacher": {"route": "our-vllm/llama"}}, "differs in the manifest"),
        ({"terms": make_decision().terms[:1]}, "differs in the manifest"),
        ({"duties": OTHER_DUTY}, "differs in the manifest"),
        ({"decision": {"authorisations": ("MSA-1",)}}, "differs in the manifest"),
        ({"decision": {"decided_at": 1}}, "decided_at is not the moment of collection"),
    ],
    ids=["id", "teacher", "terms", "duties", "authorisations", "day"],
)
def test_a_record_that_differs_from_its_decision_is_found(
    tmp_path: Path, changes: dict[str, Any], what: str
) -> None:
    publish_rows(tmp_path, [with_provenance(GOOD, **changes)])
    assert what in text_of(verify(tmp_path).problems)


def decided(
    number: int, *, days: int = 0, confidential: bool = False, judge: bool = False
) -> Record:
    """Makes a record whose decisions are those of `GUARD`, some days later."""
    purpose = make_build(1).purpose
    record = make_record(number)
    teacher = GUARD.decide(
        "our-vllm/qwen",
        purpose,
        DAY + timedelta(days),
        prompt_license="MIT",
        confidential=confidential,
    )
    decided_at = COLLECTED + days * 86_400_000
    changes: dict[str, Any] = {"decision": {"id": teacher.decision_id, "decided_at": decided_at}}
    if judge:
        (judgement,) = JUDGED.provenance.judgements
        rating = GUARD.decide(
            "our-vllm/llama", purpose.of(ModelRole.JUDGE), DAY, prompt_license="MIT"
        )
        changes["judgements"] = (replace(judgement, decision_id=rating.decision_id),)
    return with_provenance(record, **changes)


def gathered(folder: Path, *records: Record) -> list[Verdict]:
    bucket = write_bucket(records, [], folder, 0)
    shards = [(Path(part.shard.path), RECORD_PROVENANCE) for part in bucket.partitions]
    return list(gather_decisions(shards, GUARD, make_build(1).purpose))


def test_each_decision_of_some_records_is_gathered_once_sorted_by_id(tmp_path: Path) -> None:
    records = [decided(1), decided(2), decided(3, days=1), decided(4, days=2)]
    ids = {record.provenance.decision.id for record in records}
    assert len(ids) == 3
    assert [verdict.decision_id for verdict in gathered(tmp_path, *records)] == sorted(ids)


def test_the_decision_on_a_judge_is_gathered_for_the_use_of_a_judge(tmp_path: Path) -> None:
    found = gathered(tmp_path, decided(1, judge=True))
    assert {(verdict.teacher, verdict.use) for verdict in found} == {
        ("our-vllm/qwen", "train_generative"),
        ("our-vllm/llama", "select"),
    }


def test_a_decision_on_a_confidential_prompt_is_gathered_without_knowing_so(tmp_path: Path) -> None:
    (found,) = gathered(tmp_path, decided(1, confidential=True))
    assert found.permits


def test_a_decision_that_the_guard_does_not_repeat_is_not_gathered(tmp_path: Path) -> None:
    unknown = with_provenance(decided(1), decision={"id": "0" * 64})
    assert gathered(tmp_path, unknown, decided(2)) == gathered(tmp_path, decided(2))
