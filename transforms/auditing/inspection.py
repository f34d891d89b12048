"""Inspects the rows of a shard: each is complete, in the right shard and consistent with others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc

from schemas.codes import ModelRole, Reason, RowKind
from schemas.files import structure
from schemas.manifest import Manifest, Shard
from schemas.records import duplicate_detail, pair_id
from schemas.terms import Duty
from transforms.auditing.constraints import RowViolation, violations
from transforms.auditing.decisions import decision_violations
from transforms.guard.obligations import combined_class

Duties = tuple[Duty, ...]

_BETWEEN_FIELDS = "\x1f"
_BETWEEN_ITEMS = "\x1e"
_WITNESS = "\x1f"  # takes the place of a witness in the detail of a duplicate


@dataclass(slots=True)
class InspectionState:
    """What was found in the shards inspected so far, to compare later rows with.

    Attributes:
        decisions: The fields of each decision, which must be the same in all records.
        classes: The duties of each obligation class, which must be the same in all records.
        ends: Number of rejected rows by kind and reason.
        withdrawn: Ids of withdrawn records by the detail of their rows.
    """

    decisions: dict[str, dict[str, str]] = field(default_factory=dict)
    classes: dict[str, set[tuple[str, str, str]]] = field(default_factory=dict)
    ends: Counter[tuple[str, str]] = field(default_factory=Counter)
    withdrawn: dict[str, list[str]] = field(default_factory=dict)

    def reasons(self, kind: str) -> dict[str, int]:
        """Returns the number of rejected rows of a kind, by reason."""
        return {reason: count for (of, reason), count in self.ends.items() if of == kind}


def inspect_records(
    table: pa.Table, shard: Shard, manifest: Manifest, state: InspectionState
) -> Iterator[RowViolation]:
    """Finds problems of accepted records.

    Args:
        table: A row group of the shard.
        shard: The shard.
        manifest: The corpus's manifest.
        state: Findings from earlier row groups; added to.

    Yields:
        Each problem once, with all rows that have it.
    """
    yield from violations(table, "record")
    records = table.to_struct_array().combine_chunks()
    provenance = records.field("provenance")
    yield from _failed_checks(
        ("split", pc.not_equal(records.field("split"), shard.split), "is not the shard's"),
        (
            "provenance.obligation_class",
            pc.not_equal(provenance.field("obligation_class"), shard.obligation_class),
            "is not the shard's",
        ),
        ("messages", _completion_is_not_last(records), "do not end with the completion"),
    )
    yield from _provenance_violations(
        "provenance", provenance, records.field("record_id"), manifest, state
    )


def inspect_pairs(
    table: pa.Table, shard: Shard, manifest: Manifest, state: InspectionState
) -> Iterator[RowViolation]:
    """Finds problems of preference pairs; see `inspect_records`."""
    yield from violations(table, "preference")
    pairs = table.to_struct_array().combine_chunks()
    sides = {name: pairs.field(f"{name}_provenance") for name in ("chosen", "rejected")}
    scores = [pairs.field(f"{name}_score") for name in sides]
    yield from _failed_checks(
        ("split", pc.not_equal(pairs.field("split"), shard.split), "is not the shard's"),
        ("pair_id", _have_other_ids(pairs), "is not the digest of the ids of its sides"),
        ("rejected_score", pc.equal(*scores), "equals that of the chosen side"),
        (
            "rejected_provenance.obligation_class",
            _have_another_class(sides["chosen"], sides["rejected"], shard.obligation_class),
            "and that of the chosen side do not combine to the shard's",
        ),
    )
    for name, provenance in sides.items():
        ids = pairs.field(f"{name}_id")
        yield from _provenance_violations(f"{name}_provenance", provenance, ids, manifest, state)


def _provenance_violations(
    path: str, provenance: pa.StructArray, ids: pa.Array, manifest: Manifest, state: InspectionState
) -> Iterator[RowViolation]:
    """Finds provenance that does not match its record, the manifest or other records."""
    decision, request = provenance.field("decision"), provenance.field("request")
    yield from _failed_checks(
        (
            f"{path}.request.id",
            pc.not_equal(request.field("id"), ids),
            "is not the record's id",
        ),
        (
            f"{path}.request.received_at",
            pc.less(request.field("received_at"), request.field("sent_at")),
            "is before sent_at",
        ),
        (
            f"{path}.decision.registry_digest",
            pc.not_equal(decision.field("registry_digest"), manifest.registry_digest),
            "is not the manifest's",
        ),
        (
            f"{path}.decision.decided_at",
            pc.not_equal(decision.field("decided_at"), request.field("sent_at")),
            "is not the moment of collection",
        ),
        (
            f"{path}.decision.use",
            pc.not_equal(decision.field("use"), manifest.purpose.use),
            f"is not the corpus's, {manifest.purpose.use}",
        ),
        (f"{path}.generators", _without_teacher(provenance), "name no teacher"),
        (f"{path}.terms", _unidentified_terms(provenance), "name no version or digest of the text"),
    )
    yield from _contradictions(path, provenance, state)
    yield from decision_violations(provenance, manifest, path)


def _failed_checks(*checks: tuple[str, pa.Array, str]) -> Iterator[RowViolation]:
    """Yields a violation for each check that marks a row.

    Args:
        checks: The path of a field, a boolean for each row that is true where it is wrong, and the
            text of the problem.
    """
    for path, broken, what in checks:
        rows = pc.indices_nonzero(broken).to_pylist()
        if rows:
            yield RowViolation(path, what, rows)


def inspect_rejected(
    table: pa.Table, manifest: Manifest, state: InspectionState
) -> Iterator[RowViolation]:
    """Finds problems of rejected rows; see `inspect_records`."""
    yield from violations(table, "rejected")
    kinds = table.column("kind").combine_chunks()
    without_id = pc.equal(table.column("record_id").combine_chunks(), "")
    without_witness = pc.equal(table.column("witness").combine_chunks(), "")
    yield from _failed_checks(
        (
            "record_id",
            pc.not_equal(pc.equal(kinds, RowKind.UNREAD), without_id),
            "must be empty for a prompt that was not read, and for no other row",
        ),
        (
            "witness",
            pc.and_(pc.equal(kinds, RowKind.DUPLICATE), without_witness),
            "is missing: a duplicate names the record that was kept",
        ),
        (
            "detail",
            pc.and_(pc.equal(kinds, RowKind.DUPLICATE), _unlisted_versions(table, manifest)),
            "is not that of a duplicate of this version, or of one that the manifest lists under "
            "`against`",
        ),
    )
    withdrawn = table.filter(pc.equal(table.column("reason"), Reason.WITHDRAWN))
    for row in withdrawn.select(["detail", "record_id"]).to_pylist():
        state.withdrawn.setdefault(row["detail"], []).append(row["record_id"])
    counts = table.group_by(["kind", "reason"]).aggregate([([], "count_all")])
    for row in counts.to_pylist():
        state.ends[row["kind"], row["reason"]] += row["count_all"]


def _unlisted_versions(table: pa.Table, manifest: Manifest) -> pa.Array:
    """Marks the rows without the detail of a duplicate of this version, or of a listed one.

    A row of a corpus that records were withdrawn from may have no detail.
    """
    details, witnesses = (table.column(name).combine_chunks() for name in ("detail", "witness"))
    known = pc.equal(details, "")
    for version in (None, *manifest.against):
        before, after = duplicate_detail(_WITNESS, version).split(_WITNESS, 1)
        expected = pc.binary_join_element_wise(before, witnesses, after, "")
        known = pc.or_(known, pc.equal(details, expected))
    return pc.invert(known)


def _completion_is_not_last(records: pa.StructArray) -> pa.Array:
    """Marks the records whose last message is not the completion, or not the assistant's."""
    messages = records.field("messages")
    ends = pc.subtract(messages.offsets[1:], 1)
    starts = messages.offsets[:-1]
    empty = pc.less(ends, starts)
    last = messages.values.take(pc.if_else(empty, None, ends))
    same = pc.and_(
        pc.equal(last.field("content"), records.field("completion")),
        pc.equal(last.field("role"), "assistant"),
    )
    return pc.invert(pc.fill_null(pc.and_(same, pc.invert(empty)), fill_value=False))


def _have_other_ids(pairs: pa.StructArray) -> pa.Array:
    columns = (pairs.field(name).to_pylist() for name in ("pair_id", "chosen_id", "rejected_id"))
    named = [pair_id(*sides) != name for name, *sides in zip(*columns, strict=True)]
    return pa.array(named, pa.bool_())


def _have_another_class(one: pa.StructArray, other: pa.StructArray, name: str) -> pa.Array:
    """Marks the pairs whose two sides do not combine to an obligation class.

    Args:
        one: Provenance of one side.
        other: Provenance of the other side.
        name: The obligation class.
    """
    names = [side.field("obligation_class").to_pylist() for side in (one, other)]
    known: dict[tuple[str, str], bool] = {}
    for row, classes in enumerate(zip(*names, strict=True)):
        if classes not in known:
            duties = [structure(s.field("duties")[row].as_py(), Duties) for s in (one, other)]
            known[classes] = combined_class(*zip(classes, duties, strict=True)) != name
    return pa.array([known[classes] for classes in zip(*names, strict=True)], pa.bool_())


def _without_teacher(provenance: pa.StructArray) -> pa.Array:
    generators = provenance.field("generators")
    parents = pc.list_parent_indices(generators)
    teachers = parents.filter(
        pc.equal(pc.list_flatten(generators).field("role"), ModelRole.TEACHER)
    )
    rows = pa.array(range(len(provenance)), parents.type)
    return pc.invert(pc.is_in(rows, value_set=teachers))


def _unidentified_terms(provenance: pa.StructArray) -> pa.Array:
    """Marks the records with terms of another status than `unknown` that lack version or digest.

    The licence of a prompt is exempt: it is an SPDX identifier, without version or text.
    """
    terms = provenance.field("terms")
    each = pc.list_flatten(terms)
    incomplete = pc.or_(pc.equal(each.field("version"), ""), pc.equal(each.field("sha256"), ""))
    exempt = pc.or_(
        pc.equal(each.field("layer"), "prompt_licence"), pc.equal(each.field("status"), "unknown")
    )
    parents = pc.list_parent_indices(terms).filter(pc.and_not(incomplete, exempt))
    return pc.is_in(pa.array(range(len(provenance)), parents.type), value_set=parents)


def _contradictions(
    path: str, provenance: pa.StructArray, state: InspectionState
) -> Iterator[RowViolation]:
    """Finds decisions and obligation classes that have other fields or duties elsewhere."""
    decision, duties = provenance.field("decision"), provenance.field("duties")
    generators = provenance.field("generators")
    fields = {
        "id": _joined(generators, ["decision_id"]),  # of all models, which decide the rest together
        "use": decision.field("use"),
        "registry": decision.field("registry_digest"),
        "authorisations": _joined(decision.field("authorisations")),
        "terms": _joined(provenance.field("terms")),
        "duties": _joined(duties),
        "class": provenance.field("obligation_class"),
    }
    table = pa.table({**fields, "row": pa.array(range(len(provenance)), pa.int64())})
    kinds = table.group_by(list(fields)).aggregate([("row", "min")]).sort_by("row_min")
    for kind in kinds.to_pylist():
        row, name = kind.pop("row_min"), kind["class"]
        if state.decisions.setdefault(kind["id"], kind) != kind:
            what = "names a decision that differs elsewhere"
            yield RowViolation(f"{path}.decision.id", what, [row])
        owed = {(duty["kind"], duty["text"], duty["due"]) for duty in duties[row].as_py()}
        if state.classes.setdefault(name, owed) != owed:
            what = "has other duties elsewhere"
            yield RowViolation(f"{path}.obligation_class", what, [row])


def _joined(lists: pa.ListArray, fields: Iterable[str] = ()) -> pa.Array:
    """Returns one text for each list, or for some fields of its items, to group lists by."""
    items = lists.values
    if pa.types.is_struct(items.type):
        parts = [items.field(name) for name in fields] or items.flatten()
        items = pc.binary_join_element_wise(*parts, _BETWEEN_FIELDS)
    return pc.binary_join(pa.ListArray.from_arrays(lists.offsets, items), _BETWEEN_ITEMS)
