"""Reads the evaluation sets of a run, and finds what holds an item of them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence

from schemas.addresses import is_address
from schemas.codes import Severity
from schemas.errors import InputError, nearest
from schemas.inputs.quality import EvaluationSet
from schemas.inputs.run import RunFile
from schemas.prompts import Message
from schemas.records import RecordedFinding
from transforms.filters.decontaminate import (
    RULE,
    VERSION,
    EvaluationIndex,
    EvaluationItem,
    build_index,
)
from transforms.filters.rules import Candidate
from transforms.prompts.files import RawRecord, find_files, read_records


def evaluation_index(run: RunFile) -> EvaluationIndex | None:
    """Returns the index of the evaluation sets of a run file; None where it names none.

    Args:
        run: The run file.

    Raises:
        InputError: A file is missing, or a record has no text. A set read in part would let
            the rest of its items through.
    """
    if not run.decontaminate:
        return None
    return build_index(item for chosen in run.decontaminate for item in _items(chosen, run.base))


def contamination(index: EvaluationIndex | None, candidate: Candidate) -> RecordedFinding | None:
    """Returns the finding for the evaluation item that a candidate holds; None without one.

    Args:
        index: The evaluation sets, or None.
        candidate: A record that is being made.
    """
    found = index.check(candidate) if index else None
    return found.recorded(RULE, VERSION, "quarantine", Severity.RISK) if found else None


def prompt_contamination(
    index: EvaluationIndex | None, messages: Sequence[Message]
) -> RecordedFinding | None:
    """Returns the same for a prompt alone: each answer to it would be rejected, so it is not asked.

    Args:
        index: The evaluation sets, or None.
        messages: The prompt's messages.
    """
    return contamination(index, Candidate(tuple(messages), "")) if index else None


def holds_item(index: EvaluationIndex | None, messages: Sequence[Message]) -> bool:
    """Returns whether a prompt holds an evaluation item; see `prompt_contamination`."""
    return prompt_contamination(index, messages) is not None


def shared_files(run: RunFile) -> tuple[str, ...]:
    """Returns the names of the evaluation files that are prompt files too, sorted.

    Args:
        run: The run file.
    """
    prompts = {
        _same_for_links(address)
        for source in run.prompts
        for _, address in find_files(source.files, run.base, "prompts")
    }
    return tuple(
        sorted(
            {
                name
                for chosen in run.decontaminate
                for name, address in find_files(chosen.files, run.base, "decontaminate")
                if _same_for_links(address) in prompts
            }
        )
    )


def _same_for_links(address: str) -> str:
    return address if is_address(address) else os.path.realpath(address)


def _items(chosen: EvaluationSet, base: str) -> Iterator[EvaluationItem]:
    for name, address in find_files(chosen.files, base, "decontaminate"):
        for number, record in enumerate(read_records(name, address), 1):
            yield EvaluationItem(name, number, _text(record, chosen.text))


def _text(record: RawRecord, field: str) -> str:
    where = f"{record.file}:{record.line}"
    if record.fields is None:
        raise InputError(
            f"the evaluation item cannot be read: {record.reason}", where=where, found=record.detail
        )
    text = record.fields.get(field)
    if not isinstance(text, str):
        raise InputError(
            "the evaluation item has no text",
            where=where,
            found=f"the fields {', '.join(record.fields)}",
            expected=f"a text in the field {field!r}",
            remedy=nearest(field, record.fields),
        )
    return text
