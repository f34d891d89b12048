"""Decisions of a corpus can be gathered from its records, and checked offline."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from schemas.canonical import sha256
from schemas.codes import JudgeVerdict, ModelRole
from schemas.records import Generator, Judgement, Record
from tests.corpus_builder import (
    COLLECTED,
    make_build,
    make_decision,
    make_record,
    publish_rows,
)
from tests.transforms.auditing.damage import (
    GOOD,
    OTHER_DUTY,
    files_of,
    rewrite_manifest,
    text_of,
    with_provenance,
)
from transforms.auditing.verify import verify
from transforms.guard.obligations import combine_verdicts

JUDGED_BY = make_decision(llama=True, use="select")


def judged(record: Record) -> Record:
    """Makes a record that another model rated, under terms that ask for something."""
    decision, model = JUDGED_BY, "llama-3.1-8b"
    before = record.provenance
    together = combine_verdicts((make_decision(), decision))
    judgement = Judgement(
        route=decision.teacher,
        model=model,
        request_id=sha256(b"rate it"),
        decision_id=decision.decision_id,
        judged_at=COLLECTED + 5_000,
        criteria="Is it right?",
        lowest=1,
        highest=5,
        score=4.0,
        verdict=JudgeVerdict.PASSED,
        rationale="It is.",
        usd=0.0001,
    )
    return with_provenance(
        record,
        terms=together.terms,
        duties=together.duties,
        obligation_class=together.obligation_class,
        generators=(
            *before.generators,
            Generator(
                role=ModelRole.JUDGE,
                route=decision.teacher,
                model=model,
                decision_id=decision.decision_id,
            ),
        ),
        judgements=(judgement,),
    )


JUDGED = judged(make_record(1))


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
