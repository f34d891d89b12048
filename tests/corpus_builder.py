"""Makes plausible records for tests, and publishes corpora of them."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from schemas.canonical import sha256
from schemas.codes import DedupeMethod, ModelRole, RowKind, Stage
from schemas.logprobs import Logprobs
from schemas.manifest import Manifest
from schemas.prompts import Message, prompt_id
from schemas.purpose import CorpusPurpose, Organisation, Purpose, Student
from schemas.records import (
    DecisionProvenance,
    DedupeProvenance,
    Generator,
    PipelineProvenance,
    Preference,
    PromptProvenance,
    Provenance,
    Record,
    RecordedFinding,
    Rejected,
    RequestProvenance,
    ResponseProvenance,
    TeacherProvenance,
    duplicate_detail,
)
from schemas.terms import ClauseStatus, Duty, TermsVersion, Verdict
from transforms.choosing.rejected_sides import RejectedSide, make_preference
from transforms.corpus.manifest import Build
from transforms.corpus.publish import publish
from transforms.corpus.shards import BucketShards, write_bucket
from transforms.guard.evaluate import decision_id
from transforms.guard.obligations import obligation_class

APACHE = TermsVersion(
    document="apache/license",
    version="2.0",
    layer="weights_licence",
    sha256=sha256(b"apache"),
    status="permitted",
)
LLAMA = TermsVersion(
    document="llama/license",
    version="3.1",
    layer="weights_licence",
    sha256=sha256(b"l"),
    status="permitted_if",
)
PREFIX = Duty(kind="name_prefix", text="Llama", due="release", document="llama/license")
NOTICE = Duty(
    kind="notice",
    text="Keep the notice with every copy.",
    due="publication",
    document="llama/license",
)
LLAMA_CLASS = obligation_class((PREFIX, NOTICE))
MIT = TermsVersion(
    document="MIT", version="", layer="prompt_licence", sha256="", status="permitted"
)
REGISTRY = sha256(b"registry")
CONFIG = sha256(b"run file")
Row = TypeVar("Row", Record, Rejected, Preference)
COLLECTED = 1_795_000_000_000  # milliseconds since 1970 UTC: November 2026


def make_record(
    number: int,
    *,
    split: str = "train",
    llama: bool = False,
    license: str = "MIT",
    text: str | None = None,
) -> Record:
    """Makes a record; the same number gives the same one.

    Args:
        number: Which.
        split: Its split.
        llama: Whether its teacher is one that asks for something in return.
        license: Licence of its prompt.
        text: Its completion.

    Returns:
        The record.
    """
    asked = Message("user", f"What is {number} and {number}?")
    answer = f"{number} and {number} is {2 * number}." if text is None else text
    record_id = sha256(f"request {number}".encode())
    route, model = ("our-vllm/llama", "llama-3.1-8b") if llama else ("our-vllm/qwen", "qwen3-8b")
    decision = make_decision(llama=llama)
    return Record(
        record_id=record_id,
        prompt_id=prompt_id([asked]),
        messages=(asked, Message("assistant", answer)),
        completion=answer,
        reasoning="",
        tool_calls=(),
        language="en",
        split=split,
        tags=("short",) if number % 3 == 0 else (),
        counted_tokens=8,
        logprobs=Logprobs(),
        provenance=Provenance(
            prompt=PromptProvenance(
                source="https://huggingface.co/datasets/example/sums",
                license=license,
                file="data/sums.jsonl",
                sha256=sha256(asked.content.encode()),
            ),
            teacher=TeacherProvenance(
                route=route,
                api="openai-chat",
                host="vllm.internal",
                requested_model=model,
                response_model=model,
                revision="9c925d6",
                system_fingerprint="",
            ),
            request=RequestProvenance(
                id=record_id,
                sample_index=number % 2,
                parameters='{"max_tokens":200,"temperature":0.7}',
                sent_at=COLLECTED + number,
                received_at=COLLECTED + number + 900,
                attempts=1,
            ),
            response=ResponseProvenance(
                id=f"chatcmpl-{number}",
                finish_reason="stop",
                prompt_tokens=12,
                completion_tokens=9 if number % 5 else None,
                cached_tokens=4 if number % 5 else None,
                reasoning_tokens=None,
                usd=0.0001,
                sha256=record_id,
                repair_of="",
            ),
            terms=decision.terms,
            decision=DecisionProvenance(
                id=decision.decision_id,
                use="train_generative",
                registry_digest=REGISTRY,
                decided_at=COLLECTED + number,
                authorisations=(),
            ),
            duties=decision.duties,
            obligation_class=decision.obligation_class,
            generators=(
                Generator(
                    role=ModelRole.TEACHER,
                    route=route,
                    model=model,
                    decision_id=decision.decision_id,
                ),
            ),
            pipeline=PipelineProvenance(
                version="0.1.0", config_digest=CONFIG, collected_run="run-1"
            ),
            filters=(
                RecordedFinding(
                    rule="length",
                    version=1,
                    code="short",
                    action="tag",
                    value=8.0,
                    finding="8 tokens",
                ),
            ),
            judgements=(),
            dedupe=DedupeProvenance(record_id, 1, DedupeMethod.NONE),
        ),
    )


_STAGES = {
    RowKind.REJECTED: Stage.FILTER,
    RowKind.DUPLICATE: Stage.DEDUPE,
    RowKind.FAILED: Stage.ASK,
    RowKind.UNREAD: Stage.READ,
}


def make_rejected(
    number: int, *, kind: RowKind = RowKind.REJECTED, reason: str = "repetition"
) -> Rejected:
    """Makes the row of a request that was not accepted, or of a prompt that could not be read."""
    record = make_record(number)
    read = kind is not RowKind.UNREAD
    witness = make_record(0).record_id if kind is RowKind.DUPLICATE else ""
    return Rejected(
        record_id=record.record_id if read else "",
        prompt_id=record.prompt_id if read else "",
        stage=_STAGES[kind],
        kind=kind,
        reason=reason,
        detail=duplicate_detail(witness) if witness else f"found {reason}",
        file="data/sums.jsonl",
        line=None if read else number + 1,
        teacher="our-vllm/qwen" if read else "",
        sample_index=0 if read else None,
        messages=record.messages[:1] if read else (),
        completion="and and and" if kind in (RowKind.REJECTED, RowKind.DUPLICATE) else "",
        reasoning="",
        tool_calls=(),
        usd=0.0001 if read else 0.0,
        finish_reason="stop" if kind in (RowKind.REJECTED, RowKind.DUPLICATE) else "",
        prompt_tokens=12 if read else None,
        completion_tokens=3 if read else None,
        findings=(
            RecordedFinding(
                rule=reason, version=1, code=reason, action="drop", value=0.9, finding="0.9"
            ),
        )
        if kind == "rejected"
        else (),
        witness=witness,
        similarity=1.0 if kind is RowKind.DUPLICATE else None,
    )


def make_pair(chosen: Record, rejected: Record) -> Preference:
    """Makes the pair of a better and a worse answer; the worse one scores 3, the better one 1."""
    side = RejectedSide(
        chosen_id=chosen.record_id, chosen_score=1.0, rejected_score=3.0, record=rejected
    )
    return make_preference(chosen, side, "length")


def make_decision(*, llama: bool = False, **changes: Any) -> Verdict:
    """Makes the permitting verdict under which `make_record` collects.

    Args:
        llama: Whether the teacher is the one that asks for something in return.
        changes: Fields to change; the id follows.
    """
    terms, duties = ((LLAMA, MIT), (PREFIX, NOTICE)) if llama else ((APACHE, MIT), ())
    bound = terms[0]
    verdict = Verdict(
        teacher="our-vllm/llama" if llama else "our-vllm/qwen",
        decision="permit",
        status=bound.status,
        clauses=(
            ClauseStatus(
                document=bound.document,
                version=bound.version,
                clause="2",
                layer=bound.layer,
                status=bound.status,
                summary="Any use of the output.",
            ),
        ),
        duties=duties,
        terms=terms,
        use="train_generative",
        on=datetime.fromtimestamp(COLLECTED / 1000, UTC).date().isoformat(),
        registry_digest=REGISTRY,
        authorisations=(),
        obligation_class=obligation_class(duties),
        decision_id="",
    )
    changed = replace(verdict, **changes)
    return replace(changed, decision_id=decision_id(changed))


def make_build(requests: int, *, pending: int = 0, run_id: str = "run-1") -> Build:
    """Returns the facts of a run that its manifest repeats."""
    return Build(
        name="sums-tutor",
        purpose=Purpose(
            use="train_generative",
            student=Student(
                name="tutor", distribution="internal", license="Apache-2.0", competes_with=()
            ),
            organisation=Organisation(
                name="Example Ltd",
                commercial=True,
                domicile="DE",
                monthly_active_users=12_000,
                annual_revenue_usd=4_000_000.0,
            ),
            corpus=CorpusPurpose(distribution="internal"),
        ),
        unapproved="deny",
        config_digest=CONFIG,
        registry_digest=REGISTRY,
        verdicts=(make_decision(),),
        requests=requests,
        pending=pending,
        run_id=run_id,
        created_at="2026-11-22T09:30:00Z",
        decisions=(make_decision(), make_decision(llama=True)),
    )


def typical_rows() -> tuple[list[Record], list[Rejected]]:
    """Makes rows of every sort: two classes, two splits, all kinds of rejected ones."""
    records = [
        make_record(n, split="validation" if n % 7 == 0 else "train", llama=n % 4 == 0)
        for n in range(60)
    ]
    rejected = [make_rejected(n) for n in range(100, 106)]
    rejected += [make_rejected(n, reason="refusal") for n in range(106, 108)]
    rejected += [
        make_rejected(n, kind=RowKind.DUPLICATE, reason="exact_duplicate") for n in (108, 109)
    ]
    rejected += [make_rejected(110, kind=RowKind.FAILED, reason="http_500")]
    rejected += [make_rejected(111, kind=RowKind.UNREAD, reason="broken_json")]
    return records, rejected


def stage(
    folder: Path,
    records: Sequence[Record],
    rejected: Sequence[Rejected],
    buckets: int = 2,
    pairs: Sequence[Preference] = (),
) -> list[BucketShards]:
    """Writes rows to staged shards, by the leading hex digit of their ids."""

    def bucket(record_id: str) -> int:
        return int(record_id[:1] or "0", 16) * buckets // 16

    return [
        write_bucket(
            [row for row in records if bucket(row.record_id) == number],
            [row for row in rejected if bucket(row.record_id) == number],
            folder,
            number,
            [pair for pair in pairs if bucket(pair.chosen_id) == number],
        )
        for number in range(buckets)
    ]


def publish_rows(
    folder: Path,
    records: Sequence[Record],
    rejected: Sequence[Rejected] = (),
    *,
    build: Build | None = None,
    pairs: Sequence[Preference] = (),
) -> Manifest:
    """Publishes rows as a corpus in a folder."""
    ended = len(records) + sum(1 for row in rejected if row.kind is not RowKind.UNREAD)
    shards = stage(folder / ".work" / "run-1", records, rejected, pairs=pairs)
    return publish(shards, folder, build or make_build(ended))


def publish_typical(folder: Path) -> Manifest:
    """Publishes rows of every sort, with two requests pending."""
    records, rejected = typical_rows()
    build = make_build(len(records) + len(rejected) - 1 + 2, pending=2)
    return publish_rows(folder, records, rejected, build=build)


def shuffled(rows: Sequence[Row], seed: int) -> list[Row]:
    """Returns rows in another order."""
    order = random.Random(seed)
    return order.sample(rows, len(rows))
