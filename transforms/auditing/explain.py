"""Explains one record: who wrote it, from which prompt, when, under which terms and duties."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow.compute as pc

from schemas.codes import RowKind
from transforms.auditing.find import FoundRecord, find
from transforms.corpus.read import Corpus, open_corpus

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Section:
    """A titled part of an explanation.

    Attributes:
        title: The title.
        facts: Names and values, in the order of display.
        texts: Names and longer texts.
    """

    title: str
    facts: tuple[tuple[str, str], ...] = ()
    texts: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """Everything that a corpus holds about one record.

    Attributes:
        record_id: The record's id.
        outcome: `accepted`, `rejected`, `duplicate` or `failed`.
        version: The corpus's version.
        file: The shard, relative to the version's folder.
        sections: The explanation for people; no section is empty.
        record: The row, as `record.schema.json` describes it.
    """

    record_id: str
    outcome: str
    version: str
    file: str
    sections: tuple[Section, ...]
    record: Row


def explain(path: Path, record_id: str, version: str | None = None) -> Explanation:
    """Explains one record, accepted or not.

    Args:
        path: The corpus's folder, a version's folder, or a manifest.
        record_id: The record's id, or a beginning that no other id has.
        version: Name of the version, for a corpus's folder; the newest by default.

    Returns:
        The explanation.

    Raises:
        InputError: There is no such corpus, version or record.
    """
    corpus = open_corpus(path, version)
    found = find(corpus, record_id)
    accepted = found.shard.kind == "records"
    sections = (_accepted if accepted else _rejected)(corpus, found)
    return Explanation(
        record_id=found.row["record_id"],
        outcome="accepted" if accepted else found.row["kind"],
        version=corpus.manifest.version,
        file=found.shard.path,
        sections=tuple(section for section in sections if section.facts or section.texts),
        record=found.row,
    )


def _accepted(corpus: Corpus, found: FoundRecord) -> Iterator[Section]:
    row = found.row
    provenance = row["provenance"]
    yield Section(
        "Outcome",
        (
            ("accepted into", f"split {row['split']} of {corpus.manifest.name}"),
            ("obligation class", provenance["obligation_class"]),
            ("tags", ", ".join(row["tags"]) or "none"),
        ),
    )
    yield _conversation(row["messages"], row)
    yield _prompt(provenance["prompt"], row["prompt_id"])
    yield from _collection(provenance)
    yield from _terms(provenance)
    yield Section("Filters", tuple(_findings(provenance["filters"])))
    yield from (_judgement(judgement) for judgement in provenance["judgements"])
    yield _cluster(corpus, row)
    yield Section("Preferences", tuple(_pairs(corpus, row["record_id"])))
    yield Section("Pipeline", _facts(provenance["pipeline"]))


def _rejected(corpus: Corpus, found: FoundRecord) -> Iterator[Section]:
    row = found.row
    yield Section(
        "Outcome",
        (
            (row["kind"], f"{row['reason']} (at {row['stage']})"),
            *([("found", row["detail"])] if row["detail"] else []),
            *_witness(row),
            ("cost", _usd(row["usd"])),
        ),
    )
    answer = [{"role": "assistant", "content": row["completion"]}] if row["completion"] else []
    yield _conversation([*row["messages"], *answer], row)
    yield Section(
        "Asked of",
        (
            ("teacher", row["teacher"] or "none"),
            ("sample", str(row["sample_index"])),
            ("prompt", row["prompt_id"]),
            ("file", row["file"] + (f":{row['line']}" if row["line"] else "")),
        ),
    )
    yield Section("Filters", tuple(_findings(row["findings"])))
    yield Section("Preferences", tuple(_pairs(corpus, row["record_id"])))


def _witness(row: Row) -> Iterator[tuple[str, str]]:
    if row["witness"]:
        yield "duplicate of" if row["kind"] == RowKind.DUPLICATE else "best sample", row["witness"]
    if row["similarity"] is not None:
        yield "similarity", f"{row['similarity']:.3f}"


def _conversation(messages: list[Row], row: Row) -> Section:
    turns = [(turn["role"], turn["content"]) for turn in messages]
    reasoning = [("reasoning", row["reasoning"])] if row["reasoning"] else []
    calls = [(f"calls {call['name']}", call["arguments"]) for call in row["tool_calls"]]
    return Section("Conversation", texts=(*turns, *calls, *reasoning))


def _prompt(prompt: Row, prompt_id: str) -> Section:
    return Section("Prompt", (("id", prompt_id), *_facts(prompt)))


def _collection(provenance: Row) -> Iterator[Section]:
    request, response = provenance["request"], provenance["response"]
    repaired = response["repair_of"]
    yield Section("Teacher", _facts(provenance["teacher"]))
    yield Section(
        "Request",
        (
            ("sample", str(request["sample_index"])),
            ("parameters", request["parameters"]),
            ("sent", _moment(request["sent_at"])),
            ("received", _moment(request["received_at"])),
            ("attempts", str(request["attempts"])),
        ),
    )
    yield Section(
        "Response",
        (
            ("finish reason", response["finish_reason"]),
            (
                "tokens",
                f"{_count(response, 'prompt')} prompt, {_count(response, 'completion')} completion",
            ),
            *_token_details(response),
            ("cost", _usd(response["usd"])),
            ("id", response["id"] or "none"),
            ("SHA-256 of the body", response["sha256"]),
            *([("repairs", f"the answer {repaired}")] if repaired else []),
        ),
    )
    yield Section(
        "Models that touched it",
        tuple(
            (model["role"], f"{model['route']} ({model['model']})")
            for model in provenance["generators"]
        ),
    )


def _terms(provenance: Row) -> Iterator[Section]:
    decision = provenance["decision"]
    yield Section(
        "Decision",
        (
            ("use", decision["use"]),
            ("decided", _moment(decision["decided_at"])),
            ("decision", decision["id"]),
            ("registry", decision["registry_digest"]),
            *(("authorised by", reference) for reference in decision["authorisations"]),
        ),
    )
    yield Section(
        "Terms on that day",
        tuple(
            (
                " ".join(filter(None, (terms["document"], terms["version"]))),
                f"{terms['status']} ({terms['layer']}), text {terms['sha256'][:16] or 'not read'}",
            )
            for terms in provenance["terms"]
        ),
    )
    owed = [
        (f"{duty['kind']}, at {duty['due']}", f"{duty['text']} ({duty['document']})")
        for duty in provenance["duties"]
    ]
    yield Section("Duties", tuple(owed) or (("nothing", "the terms require nothing"),))


def _findings(findings: list[Row]) -> Iterator[tuple[str, str]]:
    for found in findings:
        yield (
            f"{found['rule']} {found['version']}",
            f"{found['code']}: {found['finding']} ({found['action']})",
        )


def _judgement(judgement: Row) -> Section:
    score, scale = judgement["score"], f"from {judgement['lowest']} to {judgement['highest']}"
    rationale = judgement["rationale"]
    return Section(
        "Judgement",
        (
            ("judge", f"{judgement['route']} ({judgement['model']})"),
            ("asked", judgement["criteria"]),
            ("score", f"none could be read, {scale}" if score is None else f"{score:g}, {scale}"),
            ("verdict", judgement["verdict"]),
            ("judged", _moment(judgement["judged_at"])),
            ("decision", judgement["decision_id"]),
            ("request", judgement["request_id"]),
            ("cost", _usd(judgement["usd"])),
        ),
        texts=(("rationale", rationale),) if rationale else (),
    )


def _cluster(corpus: Corpus, row: Row) -> Section:
    cluster = row["provenance"]["dedupe"]
    return Section(
        "Duplicates",
        (
            ("cluster", cluster["cluster"]),
            ("size", str(cluster["size"])),
            ("found by", cluster["method"]),
            *(("kept for", other) for other in _duplicates_of(corpus, row["record_id"])),
        ),
    )


def _duplicates_of(corpus: Corpus, record_id: str) -> list[str]:
    """Returns the ids of the duplicates that were removed in favour of this record."""
    ids: list[str] = []
    for table in corpus.tables("rejected", ["record_id", "kind", "witness"]):
        theirs = pc.equal(table.column("witness"), record_id)
        same = pc.and_(theirs, pc.equal(table.column("kind"), RowKind.DUPLICATE))
        ids += table.filter(same).column(0).to_pylist()
    return ids


def _pairs(corpus: Corpus, record_id: str) -> Iterator[tuple[str, str]]:
    """Yields each pair that an answer is a side of: its side, and the other answer."""
    columns = ("chosen_id", "rejected_id", "chosen_score", "rejected_score", "chosen_by")
    for table in corpus.tables("preferences", columns):
        sides = [table.column(name) for name in columns[:2]]
        here = pc.or_(*(pc.equal(side, record_id) for side in sides))
        for pair in table.filter(here).to_pylist():
            scores = f"{pair['chosen_score']:g} over {pair['rejected_score']:g}"
            result = f"{scores} by {pair['chosen_by']}"
            if pair["chosen_id"] == record_id:
                yield "chosen over", f"{pair['rejected_id']}, {result}"
            else:
                yield "rejected for", f"{pair['chosen_id']}, {result}"


def _facts(values: Row) -> tuple[tuple[str, str], ...]:
    return tuple((name.replace("_", " "), str(value)) for name, value in values.items() if value)


def _count(response: Row, side: str) -> str:
    count = response[f"{side}_tokens"]
    return "unknown" if count is None else str(count)


def _token_details(response: Row) -> Iterator[tuple[str, str]]:
    for name, what in (
        ("cached", "prompt tokens read from a cache"),
        ("reasoning", "reasoning tokens"),
    ):
        if response[f"{name}_tokens"]:
            yield "of these", f"{response[f'{name}_tokens']} {what}"


def _usd(usd: float | None) -> str:
    return "unknown" if usd is None else f"{usd:.6f} US dollars"


def _moment(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="milliseconds")
