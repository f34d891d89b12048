"""The Arrow schemas of the corpus's Parquet files: versioned, never inferred.

A column is nullable only if its dataclass field may be None, so a file with this schema has no
missing values. Text is not an Arrow dictionary, which would make the bytes depend on the order of
arrival; Parquet encodes repeated values by itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from schemas.files import unstructure
from schemas.logprobs import Logprobs
from schemas.records import Preference, Record, Rejected

SCHEMA_VERSION = 1
VERSION_KEY = b"stillroom.schema_version"

_TEXT = pa.string()
_TIME = pa.timestamp("ms", tz="UTC")


class _Maybe:
    """Marks a nullable column."""

    def __init__(self, kind: pa.DataType) -> None:
        self.kind = kind


def _field(name: str, kind: pa.DataType | _Maybe) -> pa.Field:
    if isinstance(kind, _Maybe):
        return pa.field(name, kind.kind, nullable=True)
    return pa.field(name, kind, nullable=False)


def _struct(**fields: pa.DataType | _Maybe) -> pa.StructType:
    return pa.struct([_field(name, kind) for name, kind in fields.items()])


def _list(kind: pa.DataType) -> pa.ListType:
    return pa.list_(_field("element", kind))  # Parquet's own name for it


MESSAGES = _list(_struct(role=_TEXT, content=_TEXT))

TOOL_CALLS = _list(_struct(id=_TEXT, name=_TEXT, arguments=_TEXT))

TOP_LOGPROBS = _list(_struct(token=_TEXT, logprob=pa.float32()))
LOGPROBS = _list(_struct(token=_TEXT, logprob=pa.float32(), top=TOP_LOGPROBS))

FINDINGS = _list(
    _struct(
        rule=_TEXT,
        version=pa.int32(),
        code=_TEXT,
        action=_TEXT,
        value=_Maybe(pa.float64()),
        finding=_TEXT,
        severity=_TEXT,
        span=_Maybe(_struct(part=_TEXT, start=pa.int64(), end=pa.int64())),
    )
)

PROVENANCE = _struct(
    prompt=_struct(source=_TEXT, license=_TEXT, file=_TEXT, sha256=_TEXT),
    teacher=_struct(
        route=_TEXT,
        api=_TEXT,
        host=_TEXT,
        requested_model=_TEXT,
        response_model=_TEXT,
        revision=_TEXT,
        system_fingerprint=_TEXT,
    ),
    request=_struct(
        id=_TEXT,
        sample_index=pa.int32(),
        parameters=_TEXT,
        sent_at=_TIME,
        received_at=_TIME,
        attempts=pa.int32(),
    ),
    response=_struct(
        id=_TEXT,
        finish_reason=_TEXT,
        prompt_tokens=_Maybe(pa.int64()),
        completion_tokens=_Maybe(pa.int64()),
        cached_tokens=_Maybe(pa.int64()),
        reasoning_tokens=_Maybe(pa.int64()),
        usd=pa.float64(),
        sha256=_TEXT,
        repair_of=_TEXT,
    ),
    terms=_list(_struct(document=_TEXT, version=_TEXT, layer=_TEXT, sha256=_TEXT, status=_TEXT)),
    decision=_struct(
        id=_TEXT,
        use=_TEXT,
        registry_digest=_TEXT,
        decided_at=_TIME,
        authorisations=_list(_TEXT),
    ),
    duties=_list(_struct(kind=_TEXT, text=_TEXT, due=_TEXT, document=_TEXT)),
    obligation_class=_TEXT,
    generators=_list(_struct(role=_TEXT, route=_TEXT, model=_TEXT, decision_id=_TEXT)),
    pipeline=_struct(version=_TEXT, config_digest=_TEXT, collected_run=_TEXT),
    filters=FINDINGS,
    judgements=_list(
        _struct(
            route=_TEXT,
            model=_TEXT,
            request_id=_TEXT,
            decision_id=_TEXT,
            judged_at=_TIME,
            criteria=_TEXT,
            lowest=pa.int32(),
            highest=pa.int32(),
            score=_Maybe(pa.float64()),
            verdict=_TEXT,
            rationale=_TEXT,
            usd=pa.float64(),
        )
    ),
    dedupe=_struct(cluster=_TEXT, size=pa.int64(), method=_TEXT),
)


def _schema(**fields: pa.DataType | _Maybe) -> pa.Schema:
    return pa.schema(
        [_field(name, kind) for name, kind in fields.items()],
        metadata={VERSION_KEY: str(SCHEMA_VERSION).encode()},
    )


RECORDS = _schema(
    record_id=_TEXT,
    prompt_id=_TEXT,
    messages=MESSAGES,
    completion=_TEXT,
    reasoning=_TEXT,
    tool_calls=TOOL_CALLS,
    language=_TEXT,
    split=_TEXT,
    tags=_list(_TEXT),
    counted_tokens=pa.int64(),
    logprobs=LOGPROBS,
    provenance=PROVENANCE,
)

REJECTED = _schema(
    record_id=_TEXT,
    prompt_id=_TEXT,
    stage=_TEXT,
    kind=_TEXT,
    reason=_TEXT,
    detail=_TEXT,
    file=_TEXT,
    line=_Maybe(pa.int64()),
    teacher=_TEXT,
    sample_index=_Maybe(pa.int32()),
    messages=MESSAGES,
    completion=_TEXT,
    reasoning=_TEXT,
    tool_calls=TOOL_CALLS,
    usd=pa.float64(),
    finish_reason=_TEXT,
    prompt_tokens=_Maybe(pa.int64()),
    completion_tokens=_Maybe(pa.int64()),
    findings=FINDINGS,
    witness=_TEXT,
    similarity=_Maybe(pa.float64()),
)

# `prompt`, `chosen` and `rejected` are TRL's names, each a list of turns
# (huggingface.co/docs/trl/dataset_formats, "Preference", conversational, explicit prompt).
PREFERENCES = _schema(
    pair_id=_TEXT,
    prompt_id=_TEXT,
    prompt=MESSAGES,
    chosen=MESSAGES,
    rejected=MESSAGES,
    chosen_id=_TEXT,
    rejected_id=_TEXT,
    chosen_score=pa.float64(),
    rejected_score=pa.float64(),
    chosen_by=_TEXT,
    split=_TEXT,
    chosen_provenance=PROVENANCE,
    rejected_provenance=PROVENANCE,
)


def table(
    records: Sequence[Record] | Sequence[Rejected] | Sequence[Preference], schema: pa.Schema
) -> pa.Table:
    """Returns rows as an Arrow table with the columns of a schema.

    Args:
        records: Rows, all of the type that the schema describes.
        schema: `RECORDS`, `REJECTED` or `PREFERENCES`.

    Returns:
        A table with one row per record.
    """
    place = schema.get_field_index("logprobs")
    plain = schema.remove(place) if place >= 0 else schema
    rows = [unstructure(_without_logprobs(record)) for record in records]
    found = pa.Table.from_pylist(rows, schema=plain)
    if place < 0:
        return found
    packed = [record.logprobs for record in records if isinstance(record, Record)]
    return found.add_column(place, schema.field(place), _unpacked(packed))


def _without_logprobs(row: Record | Rejected | Preference) -> Record | Rejected | Preference:
    """Returns a row without its log probabilities, which would be many objects per token."""
    if isinstance(row, Record) and row.logprobs:
        return replace(row, logprobs=Logprobs())
    return row


def _unpacked(packed: Sequence[Logprobs]) -> pa.Array:
    """Returns the column of log probabilities, made without Python objects for tokens."""
    widths = _numbers("u1", (each.widths for each in packed))
    texts = _texts(
        _numbers("<u2", (each.lengths for each in packed)), b"".join(each.texts for each in packed)
    )
    values = pa.array(_numbers("<f4", (each.values for each in packed)))
    chosen = np.zeros(len(texts), np.bool_)
    chosen[_starts(widths.astype(np.int64) + 1)[:-1]] = True  # alternatives follow their token
    top = pa.StructArray.from_arrays(
        [texts.filter(pa.array(~chosen)), values.filter(pa.array(~chosen))],
        fields=list(TOP_LOGPROBS.value_type),
    )
    each = pa.StructArray.from_arrays(
        [
            texts.filter(pa.array(chosen)),
            values.filter(pa.array(chosen)),
            pa.ListArray.from_arrays(_offsets(widths), top, type=TOP_LOGPROBS),
        ],
        fields=list(LOGPROBS.value_type),
    )
    counts = np.fromiter(map(len, packed), np.int64, len(packed))
    return pa.ListArray.from_arrays(_offsets(counts), each, type=LOGPROBS)


def _numbers(kind: str, parts: Iterable[bytes]) -> NDArray[Any]:
    return np.frombuffer(b"".join(parts), kind)


def _starts(lengths: NDArray[Any]) -> NDArray[np.int64]:
    """Returns the start of each part in their concatenation, and its end."""
    return np.concatenate((np.zeros(1, np.int64), np.cumsum(lengths, dtype=np.int64)))


def _offsets(lengths: NDArray[Any]) -> pa.Array:
    return pa.array(_starts(lengths)).cast(pa.int32())  # raises from 2**31 on; buckets are smaller


def _texts(lengths: NDArray[Any], texts: bytes) -> pa.Array:
    _, offsets = _offsets(lengths).buffers()
    return pa.StringArray.from_buffers(len(lengths), offsets, pa.py_buffer(texts))
