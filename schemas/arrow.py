"""The Arrow schemas of the corpus's Parquet files: versioned, never inferred.

Nothing is nullable but what a dataclass may hold None in, so that a file whose schema is ours
cannot hide a missing value. Text is plain text: Parquet encodes what repeats as a dictionary by
itself, and an Arrow dictionary would carry the order of arrival into the bytes.
"""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from schemas.files import unstructure
from schemas.records import Record, Rejected

SCHEMA_VERSION = 1
VERSION_KEY = b"stillroom.schema_version"

_TEXT = pa.string()
_TIME = pa.timestamp("ms", tz="UTC")


class _Maybe:
    """Marks a column that may be empty."""

    def __init__(self, kind: pa.DataType) -> None:
        self.kind = kind


def _field(name: str, kind: pa.DataType | _Maybe) -> pa.Field:
    if isinstance(kind, _Maybe):
        return pa.field(name, kind.kind, nullable=True)
    return pa.field(name, kind, nullable=False)


def _struct(**fields: pa.DataType | _Maybe) -> pa.StructType:
    return pa.struct([_field(name, kind) for name, kind in fields.items()])


def _list(kind: pa.DataType) -> pa.ListType:
    return pa.list_(_field("element", kind))  # the name that Parquet gives it


MESSAGES = _list(_struct(role=_TEXT, content=_TEXT))

FINDINGS = _list(
    _struct(
        rule=_TEXT,
        version=pa.int32(),
        code=_TEXT,
        action=_TEXT,
        value=_Maybe(pa.float64()),
        finding=_TEXT,
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
        usd=pa.float64(),
        sha256=_TEXT,
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
    language=_TEXT,
    split=_TEXT,
    tags=_list(_TEXT),
    counted_tokens=pa.int64(),
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
    usd=pa.float64(),
    findings=FINDINGS,
    witness=_TEXT,
    similarity=_Maybe(pa.float64()),
)


def table(records: Sequence[Record] | Sequence[Rejected], schema: pa.Schema) -> pa.Table:
    """Turns records into an Arrow table with exactly the columns of a schema.

    Args:
        records: Records, all of the type that the schema describes.
        schema: `RECORDS` or `REJECTED`.

    Returns:
        A table with one row a record.
    """
    return pa.Table.from_pylist([unstructure(record) for record in records], schema=schema)
