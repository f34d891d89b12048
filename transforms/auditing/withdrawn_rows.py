"""Makes the rejected rows that replace withdrawn records: id, cost and reason, without text."""

from __future__ import annotations

from collections.abc import Iterable

import pyarrow as pa
import pyarrow.compute as pc

from schemas.arrow import REJECTED
from schemas.canonical import sha256
from schemas.codes import Reason, RowKind, Stage
from transforms.corpus.facts import column

_PAID = ("usd", "finish_reason", "prompt_tokens", "completion_tokens")


def withdrawal_detail(parent: str, where: str) -> str:
    """Returns the `detail` of the rows of one withdrawal.

    Args:
        parent: The version that the records were withdrawn from.
        where: The selection, as the user wrote it.
    """
    return f"withdrawn from version {parent}: {where}"


def ids_digest(record_ids: Iterable[str]) -> str:
    """Returns the SHA-256 of ids, sorted, one per line."""
    return sha256("".join(f"{record_id}\n" for record_id in sorted(record_ids)).encode())


def make_withdrawn_rows(records: pa.Table, detail: str) -> pa.Table:
    """Returns the rejected rows that replace withdrawn records.

    Args:
        records: The withdrawn records.
        detail: Detail of the rows; see `withdrawal_detail`.

    Returns:
        Rejected rows with ids, prompt file, teacher and cost; no text.
    """
    known = {
        "record_id": records.column("record_id"),
        "prompt_id": records.column("prompt_id"),
        "file": column(records, ("provenance", "prompt", "file")),
        "teacher": column(records, ("provenance", "teacher", "route")),
        "sample_index": column(records, ("provenance", "request", "sample_index")),
        **{name: column(records, ("provenance", "response", name)) for name in _PAID},
    }
    texts = {
        "stage": Stage.WITHDRAW,
        "kind": RowKind.REJECTED,
        "reason": Reason.WITHDRAWN,
        "detail": detail,
    }
    return _rows(known, texts, records.num_rows)


def without_text(rejected: pa.Table) -> pa.Table:
    """Returns rejected rows without the columns that may quote a prompt or an answer.

    Args:
        rejected: Rejected rows. Rows of earlier withdrawals keep their detail.
    """
    names = (
        "record_id", "prompt_id", "stage", "kind", "reason", "file", "line", "teacher",
        "sample_index", *_PAID, "witness", "similarity",
    )  # fmt: skip
    known = {name: rejected.column(name) for name in names}
    withdrawn = pc.equal(rejected.column("reason"), Reason.WITHDRAWN)
    known["detail"] = pc.if_else(withdrawn, rejected.column("detail"), "")
    return _rows(known, {}, rejected.num_rows)


def _rows(known: dict[str, pa.ChunkedArray], texts: dict[str, str], count: int) -> pa.Table:
    """Returns rejected rows of some columns and constant texts; other columns are null or empty."""
    columns = []
    for field in REJECTED:
        if field.name in known:
            columns.append(known[field.name].cast(field.type))
        elif field.nullable:
            columns.append(pa.nulls(count, field.type))
        else:
            value = [] if pa.types.is_list(field.type) else texts.get(field.name, "")
            columns.append(pa.array([value] * count, field.type))
    return pa.Table.from_arrays(columns, schema=REJECTED)
