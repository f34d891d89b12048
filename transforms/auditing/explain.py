"""Tells one record's whole story: who wrote it, asked what, when, under which terms, owing what."""

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
    """A part of a story.

    Attributes:
        title: What it is about.
        facts: Names and values, in the order in which they are told.
        texts: Longer texts, each with its name.
    """

    title: str
    facts: tuple[tuple[str, str], ...] = ()
    texts: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Explanation:
    """A record's story.

    Attributes:
        record_id: Its id.
        outcome: `accepted`, `rejected`, `duplicate` or `failed`.
        version: The corpus's version.
        file: The shard, relative to the version's folder.
        sections: The story, for a person.
        record: The row itself, of the form of `record.schema.json`.
    """

    record_id: str
    outcome: str
    version: str
    file: str
    sections: tuple[Section, ...]
    record: Row


def explain(path: Path, record_id: str, version: str | None = None) -> Explanation:
    """Tells the story of one record, accepted or not.

    Args:
        path: The corpus's folder, a version's folder, or a manifest.
        record_id: The record's id, or as much of the beginning as no other id has.
        version: Name of the version, for a corpus's folder; the newest by default.

    Returns:
        The story.

    Raises:
        InputError: There is no such corpus, version or record.
    """
    corpus = open_corpus(path, version)
    found = find(corpus, record_id)
    accepted = found.shard.kind == "records"
    tell = _accepted if accepted else _rejected
    return Explanation(
        record_id=found.row["record_id"],
        outcome="accepted" if accepted else found.row["kind"],
        version=corpus.manifest.version,
        file=found.shard.path,
        sections=tuple(
            section for section in tell(corpus, found) if section.facts or section.texts
        ),
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
            ("teacher", row["teacher"] or "nobody"),
            ("sample", str(row["sample_index"])),
            ("prompt", row["prompt_id"]),
            ("file", row["file"] + (f":{row['line']}" if row["line"] else "")),
        ),
    )
    yield Section("Filters", tuple(_findings(row["findings"])))
    yield Section("Preferences", tuple(_pairs(corpus, row["record_id"])))


def _witness(row: Row) -> Iterator[tuple[str, str]]:
    if row["witness"]:
        yield "duplicates" if row["kind"] == RowKind.DUPLICATE else "the best one", row["witness"]
    if row["similarity"] is not None:
        yield "similarity", f"{row['similarity']:.3f}"


def _conversation(messages: list[Row], row: Row) -> Section:
    turns = [(turn["role"], turn["content"]) for turn in messages]
    thought = [("reasoning", row["reasoning"])] if row["reasoning"] else []
    calls = [(f"calls {call['name']}", call["arguments"]) for call in row["tool_calls"]]
    return Section("Conversation", texts=(*turns, *calls, *thought))


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
                f"{_count(response, 'prompt')} asked, {_count(response, 'completion')} answered",
            ),
            *_of_them(response),
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
    yield Section("Owed", tuple(owed) or (("nothing", "the terms ask for nothing in return"),))


def _findings(findings: list[Row]) -> Iterator[tuple[str, str]]:
    for found in findings:
        yield (
            f"{found['rule']} {found['version']}",
            f"{found['code']}: {found['finding']} ({found['action']})",
        )


def _judgement(judgement: Row) -> Section:
    score, scale = judgement["score"], f"from {judgement['lowest']} to {judgement['highest']}"
    said = judgement["rationale"]
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
        texts=(("rationale", said),) if said else (),
    )


def _cluster(corpus: Corpus, row: Row) -> Section:
    cluster = row["provenance"]["dedupe"]
    return Section(
        "Duplicates",
        (
            ("cluster", cluster["cluster"]),
            ("size", str(cluster["size"])),
            ("found by", cluster["method"]),
            *(("stands for", other) for other in _duplicates_of(corpus, row["record_id"])),
        ),
    )


def _duplicates_of(corpus: Corpus, record_id: str) -> list[str]:
    """Returns the ids of the duplicates that this record is the witness of."""
    ids: list[str] = []
    for table in corpus.tables("rejected", ["record_id", "kind", "witness"]):
        theirs = pc.equal(table.column("witness"), record_id)
        same = pc.and_(theirs, pc.equal(table.column("kind"), RowKind.DUPLICATE))
        ids += table.filter(same).column(0).to_pylist()
    return ids


def _pairs(corpus: Corpus, record_id: str) -> Iterator[tuple[str, str]]:
    """Yields the pairs that an answer stands in, and against which other one."""
    columns = ("chosen_id", "rejected_id", "chosen_score", "rejected_score", "chosen_by")
    for table in corpus.tables("preferences", columns):
        sides = [table.column(name) for name in columns[:2]]
        here = pc.or_(*(pc.equal(side, record_id) for side in sides))
        for pair in table.filter(here).to_pylist():
            scores = f"{pair['chosen_score']:g} over {pair['rejected_score']:g}"
            said = f"{scores} by {pair['chosen_by']}"
            if pair["chosen_id"] == record_id:
                yield "chosen over", f"{pair['rejected_id']}, {said}"
            else:
                yield "rejected for", f"{pair['chosen_id']}, {said}"


def _facts(values: Row) -> tuple[tuple[str, str], ...]:
    return tuple((name.replace("_", " "), str(value)) for name, value in values.items() if value)


def _count(response: Row, side: str) -> str:
    count = response[f"{side}_tokens"]
    return "unknown" if count is None else str(count)


def _of_them(response: Row) -> Iterator[tuple[str, str]]:
    for name, what in (("cached", "asked, from the cache"), ("reasoning", "answered, to think")):
        if response[f"{name}_tokens"]:
            yield "of them", f"{response[f'{name}_tokens']} {what}"


def _usd(usd: float) -> str:
    return f"{usd:.6f} US dollars"


def _moment(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="milliseconds")
