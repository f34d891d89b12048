"""Helpers to damage a published corpus and to read what verifying it finds."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from schemas.canonical import sha256
from schemas.codes import JudgeVerdict, ModelRole
from schemas.files import structure, unstructure
from schemas.manifest import Manifest, version_of
from schemas.records import Generator, Judgement, Provenance, Record
from tests.corpus_builder import COLLECTED, make_decision, make_record
from transforms.auditing.verify import FileProblem
from transforms.guard.obligations import combine_verdicts


def version_folder(corpus: Path) -> Path:
    version: str = json.loads((corpus / "LATEST.json").read_text())["version"]
    return corpus / version


def first_shard(corpus: Path) -> Path:
    return min((version_folder(corpus) / "data").rglob("*.parquet"))


def files_of(problems: Sequence[FileProblem]) -> set[str]:
    return {problem.file for problem in problems}


def text_of(problems: Sequence[FileProblem]) -> str:
    return "\n".join(f"{problem.file}: {problem.what}" for problem in problems)


def rewrite_manifest(corpus: Path, change: Callable[[dict[str, Any]], None]) -> Path:
    """Changes the manifest of a corpus and makes all digests of it right again."""
    folder = version_folder(corpus)
    data = json.loads((folder / "manifest.json").read_text())
    change(data)
    manifest = structure(data, Manifest)
    text = json.dumps(unstructure(replace(manifest, version=version_of(manifest))))
    renamed = folder.rename(corpus / version_of(manifest))
    (renamed / "manifest.json").write_text(text)
    (corpus / "LATEST.json").write_text(
        json.dumps(
            {
                "version": renamed.name,
                "manifest": f"{renamed.name}/manifest.json",
                "sha256": sha256(text.encode()),
            }
        )
    )
    return corpus


def with_provenance(record: Record, **changes: Any) -> Record:
    """Changes parts of a record's provenance: `teacher={"host": ""}`, or a part as a whole."""
    provenance: Provenance = record.provenance
    for name, change in changes.items():
        if isinstance(change, dict):
            change = replace(getattr(provenance, name), **change)
        provenance = replace(provenance, **{name: change})
    return replace(record, provenance=provenance)


GOOD = make_record(1)


OTHER_DUTY = make_record(4, llama=True).provenance.duties[:1]


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
