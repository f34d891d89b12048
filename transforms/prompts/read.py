"""Reads prompts: each record of the prompt files becomes a prompt or a rejection."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import replace
from decimal import Decimal

from schemas.canonical import sha256
from schemas.codes import RowKind, Stage, UnreadReason
from schemas.errors import InputError, nearest
from schemas.inputs.check import check_value
from schemas.inputs.conversation import Conversation
from schemas.inputs.run import PromptSource
from schemas.prompts import Message, Prompt, prompt_id
from schemas.records import Rejected
from transforms.prompts.files import TEXT_FIELD, RawRecord, find_files, read_records


def read_prompts(sources: Sequence[PromptSource], base: str) -> Iterator[Prompt | Rejected]:
    """Yields all prompts of a run, each once.

    Args:
        sources: The run file's prompt sources.
        base: Folder of the run file.

    Yields:
        A prompt or a rejection for each record, in order of sources, file names and lines. The ids
        of prompts are held in memory, about 100 bytes each.

    Raises:
        InputError: A file is missing or cannot be read, or no record of a source has the field that
            the run file names.
    """
    seen: set[bytes] = set()
    for number, source in enumerate(sources, 1):
        for item in _read_source(source, base, f"prompts, entry {number}"):
            if isinstance(item, Rejected):
                yield item
                continue
            key = bytes.fromhex(item.prompt_id)[:16]
            yield _duplicate(item) if key in seen else item
            seen.add(key)


def _read_source(source: PromptSource, base: str, where: str) -> Iterator[Prompt | Rejected]:
    files = find_files(source.files, base, where)
    records = itertools.chain.from_iterable(read_records(name, path) for name, path in files)
    missing = {source.messages or source.text or TEXT_FIELD}
    if source.answer:
        missing.add(source.answer)
    first = None
    for record in itertools.islice(records, source.limit):
        if record.fields is not None:
            missing -= {name for name in missing if record.fields.get(name) is not None}
            first = first or record
        yield _make_prompt(record, source)
    if first is not None and missing:
        raise _unknown_field(first, min(missing))


def _make_prompt(record: RawRecord, source: PromptSource) -> Prompt | Rejected:
    """Returns the prompt of a record, or a rejection.

    Args:
        record: As read from a file.
        source: The entry of the run file for this file.

    Returns:
        The prompt; or, where the record is none, a rejection with the reason `invalid_utf8`,
        `broken_json`, `wrong_type`, `missing_field`, `empty_prompt`, `lone_surrogate`,
        `no_licence` or `no_source`. Without a right answer it is a prompt all the same.
    """
    if record.fields is None:
        return _rejected(record, record.reason, record.detail)
    field = source.messages or source.text or TEXT_FIELD
    value = record.fields.get(field)
    if value is None:
        return _rejected(record, UnreadReason.MISSING_FIELD, f"expected the field {field!r}")
    if source.messages:
        return _conversation(record, source, value)
    if not isinstance(value, str):
        detail = f"{field}: expected a text, found {type(value).__name__}"
        return _rejected(record, UnreadReason.WRONG_TYPE, detail)
    return _checked_prompt(record, source, (Message("user", value),))


def _conversation(record: RawRecord, source: PromptSource, value: object) -> Prompt | Rejected:
    try:
        written = check_value(value, Conversation, str(source.messages))
    except InputError as error:
        problem = replace(error.problems[0], remedy="")
        return _rejected(record, UnreadReason.WRONG_TYPE, str(problem))
    turns = tuple(Message(turn.role, turn.content) for turn in written.root)
    return _checked_prompt(record, source, turns)


def _checked_prompt(
    record: RawRecord, source: PromptSource, messages: tuple[Message, ...]
) -> Prompt | Rejected:
    text = messages[-1].content
    if not text.strip():
        return _rejected(record, UnreadReason.EMPTY_PROMPT, "expected a text, found none")
    gold = _right_answer(record, source)
    if isinstance(gold, Rejected):
        return gold
    try:
        name = prompt_id(messages)
    except UnicodeEncodeError as error:
        detail = f"character {error.start} is half of a surrogate pair"
        return _rejected(record, UnreadReason.LONE_SURROGATE, detail)
    origin = _own_or_default(record, source.source_field, source.source)
    license = _own_or_default(record, source.license_field, source.license)
    if not license:
        return _rejected(
            record, UnreadReason.NO_LICENCE, f"expected a text in {source.license_field!r}"
        )
    if not origin:
        return _rejected(
            record, UnreadReason.NO_SOURCE, f"expected a text in {source.source_field!r}"
        )
    return Prompt(
        prompt_id=name,
        messages=messages,
        source=origin,
        license=license,
        file=record.file,
        line=record.line,
        sha256=sha256(text.encode()),
        confidential=source.confidential,
        gold=gold,
    )


def _right_answer(record: RawRecord, source: PromptSource) -> str | Rejected:
    value = (record.fields or {}).get(source.answer) if source.answer else None
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, str | int | float | Decimal):
        detail = f"{source.answer}: expected a text or a number, found {type(value).__name__}"
        return _rejected(record, UnreadReason.WRONG_TYPE, detail)
    gold = str(value)
    if any("\ud800" <= sign <= "\udfff" for sign in gold):
        detail = f"{source.answer}: a character is half of a surrogate pair"
        return _rejected(record, UnreadReason.LONE_SURROGATE, detail)
    return gold


def _own_or_default(record: RawRecord, field: str | None, default: str | None) -> str | None:
    """Returns a record's own text in a field, or the default of its file where it has none.

    A value of another type gets no default: it was meant to say something.
    """
    value = (record.fields or {}).get(field) if field else None
    if value is None:
        return default
    return value.strip() or default if isinstance(value, str) else None


def _unknown_field(record: RawRecord, field: str) -> InputError:
    names = list(record.fields or ())
    return InputError(
        f"no record has the field {field!r} that the run file names",
        where=f"{record.file}:{record.line}",
        found=f"the fields {', '.join(names)}" if names else "no fields",
        expected=field,
        remedy=nearest(field, names),
    )


def _duplicate(prompt: Prompt) -> Rejected:
    record = RawRecord(prompt.file, prompt.line)
    return _rejected(
        record, UnreadReason.DUPLICATE_PROMPT, "the same prompt stands earlier", prompt.prompt_id
    )


def _rejected(record: RawRecord, reason: str, detail: str, prompt: str = "") -> Rejected:
    return Rejected(
        record_id="",
        prompt_id=prompt,
        stage=Stage.READ,
        kind=RowKind.UNREAD,
        reason=reason,
        detail=detail,
        file=record.file,
        line=record.line,
        teacher="",
        sample_index=None,
        messages=(),
        completion="",
        reasoning="",
        tool_calls=(),
        usd=0.0,
        finish_reason="",
        prompt_tokens=None,
        completion_tokens=None,
        findings=(),
        witness="",
        similarity=None,
    )
