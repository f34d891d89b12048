"""Reads the evaluation sets whose items must not be in a corpus."""

from __future__ import annotations

from collections.abc import Iterator

from schemas.errors import InputError, nearest
from schemas.inputs.quality import EvaluationSet
from schemas.inputs.run import RunFile
from transforms.filters.decontaminate import EvaluationIndex, EvaluationItem, build_index
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


def _items(chosen: EvaluationSet, base: str) -> Iterator[EvaluationItem]:
    for name, path in find_files(chosen.files, base, "decontaminate"):
        for number, record in enumerate(read_records(name, path), 1):
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
