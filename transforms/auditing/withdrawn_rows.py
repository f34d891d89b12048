"""What stays of a withdrawn record: a rejected row that names it and says why, without its text."""

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
    """Returns what a tombstone says of the withdrawal that made it.

    Args:
        parent: The version that the record was withdrawn from.
        where: What was selected.
    """
    return f"withdrawn from version {parent}: {where}"


def ids_digest(record_ids: Iterable[str]) -> str:
    """Returns the SHA-256 of ids, sorted, a line each."""
    return sha256("".join(f"{record_id}\n" for record_id in sorted(record_ids)).encode())


def make_withdrawn_rows(records: pa.Table, detail: str) -> pa.Table:
    """Makes the tombstones of records.

    Args:
        records: The withdrawn ones.
        detail: What their rows shall say, see `withdrawal_detail`.

    Returns:
        Rejected rows: which request it was, of which teacher, what it cost; no text.
    """
    known = {
        "record_id": records.column("record_id"),
        "prompt_id": records.column("prompt_id"),
        "file": column(records, ("provenance", "prompt", "file")),
        "teacher": column(records, ("provenance", "teacher", "route")),
        "sample_index": column(records, ("provenance", "request", "sample_index")),
        **{name: column(records, ("provenance", "response", name)) for name in _PAID},
    }
    said = {
        "stage": Stage.WITHDRAW,
        "kind": RowKind.REJECTED,
        "reason": Reason.WITHDRAWN,
        "detail": detail,
    }
    return _rows(known, said, records.num_rows)


def without_text(rejected: pa.Table) -> pa.Table:
    """Returns rejected rows without anything that quotes a prompt or an answer.

    Args:
        rejected: Rejected rows, tombstones of earlier withdrawals among them.
    """
    names = (
        "record_id", "prompt_id", "stage", "kind", "reason", "file", "line", "teacher",
        "sample_index", *_PAID, "witness", "similarity",
    )  # fmt: skip
    known = {name: rejected.column(name) for name in names}
    buried = pc.equal(rejected.column("reason"), Reason.WITHDRAWN)
    known["detail"] = pc.if_else(buried, rejected.column("detail"), "")
    return _rows(known, {}, rejected.num_rows)


def _rows(known: dict[str, pa.ChunkedArray], said: dict[str, str], count: int) -> pa.Table:
    """Makes rejected rows of some columns; the others say `said`, or nothing."""
    columns = []
    for field in REJECTED:
        if field.name in known:
            columns.append(known[field.name].cast(field.type))
        elif field.nullable:
            columns.append(pa.nulls(count, field.type))
        else:
            nothing = [] if pa.types.is_list(field.type) else said.get(field.name, "")
            columns.append(pa.array([nothing] * count, field.type))
    return pa.Table.from_arrays(columns, schema=REJECTED)
