"""Inspects the rows of a shard: is each one whole, in its place, and of one mind with the rest?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc

from schemas.manifest import Manifest, Shard
from transforms.corpus.constraints import Violation, violations
from transforms.corpus.decisions import undecided
from transforms.corpus.tombstones import WITHDRAWN

_BETWEEN_FIELDS = "\x1f"
_BETWEEN_ITEMS = "\x1e"
_DUPLICATE_OF = "^duplicates [0-9a-f]{64} of (?P<version>.+)$"  # see `rows.make_duplicate`


@dataclass(slots=True)
class Seen:
    """What the shards inspected so far have said.

    Attributes:
        decisions: By decision: what it decided. One decision cannot say two things.
        classes: By obligation class: the duties it stands for.
        ends: Rejected rows by kind and reason.
        withdrawn: Ids of withdrawn records, by what their rows say of the withdrawal.
    """

    decisions: dict[str, dict[str, str]] = field(default_factory=dict)
    classes: dict[str, set[tuple[str, str, str]]] = field(default_factory=dict)
    ends: Counter[tuple[str, str]] = field(default_factory=Counter)
    withdrawn: dict[str, list[str]] = field(default_factory=dict)

    def reasons(self, kind: str) -> dict[str, int]:
        """Returns how many rejected rows of a kind have which reason."""
        return {reason: count for (of, reason), count in self.ends.items() if of == kind}


def inspect_records(
    table: pa.Table, shard: Shard, manifest: Manifest, seen: Seen
) -> Iterator[Violation]:
    """Finds what is wrong with accepted records.

    Args:
        table: A row group of the shard.
        shard: Where it is from.
        manifest: The corpus's manifest.
        seen: What other row groups have said; added to.

    Yields:
        Each problem once, with all rows that have it.
    """
    yield from violations(table, "record")
    records = table.to_struct_array().combine_chunks()
    provenance = records.field("provenance")
    decision, request = provenance.field("decision"), provenance.field("request")
    for path, broken, what in (
        (
            "provenance.request.id",
            pc.not_equal(request.field("id"), records.field("record_id")),
            "is not the record's id",
        ),
        (
            "provenance.request.received_at",
            pc.less(request.field("received_at"), request.field("sent_at")),
            "is before sent_at",
        ),
        ("split", pc.not_equal(records.field("split"), shard.split), "is not the shard's"),
        (
            "provenance.obligation_class",
            pc.not_equal(provenance.field("obligation_class"), shard.obligation_class),
            "is not the shard's",
        ),
        (
            "provenance.decision.registry_digest",
            pc.not_equal(decision.field("registry_digest"), manifest.registry_digest),
            "is not the manifest's",
        ),
        (
            "provenance.decision.decided_at",
            pc.not_equal(decision.field("decided_at"), request.field("sent_at")),
            "is not the moment of collection",
        ),
        (
            "provenance.decision.use",
            pc.not_equal(decision.field("use"), manifest.purpose.use),
            f"is not the corpus's, {manifest.purpose.use}",
        ),
        ("messages", _ends_otherwise(records), "do not end with the completion"),
        ("provenance.generators", _without_teacher(provenance), "name no teacher"),
        ("provenance.terms", _unread_terms(provenance), "name no version or text that was read"),
    ):
        rows = pc.indices_nonzero(broken).to_pylist()
        if rows:
            yield Violation(path, what, rows)
    yield from _contradictions(provenance, seen)
    yield from undecided(provenance, manifest)


def inspect_rejected(table: pa.Table, manifest: Manifest, seen: Seen) -> Iterator[Violation]:
    """Finds what is wrong with rejected rows; see `inspect_records`."""
    yield from violations(table, "rejected")
    kinds = table.column("kind").combine_chunks()
    without_id = pc.equal(table.column("record_id").combine_chunks(), "")
    without_witness = pc.equal(table.column("witness").combine_chunks(), "")
    for path, broken, what in (
        (
            "record_id",
            pc.not_equal(pc.equal(kinds, "unread"), without_id),
            "must be empty for a prompt that was not read, and for no other",
        ),
        (
            "witness",
            pc.and_(pc.equal(kinds, "duplicate"), without_witness),
            "is missing: a duplicate names the record that stays",
        ),
        (
            "detail",
            pc.and_(pc.equal(kinds, "duplicate"), _unlisted_versions(table, manifest)),
            "names a version that the manifest does not list under `against`",
        ),
    ):
        rows = pc.indices_nonzero(broken).to_pylist()
        if rows:
            yield Violation(path, what, rows)
    buried = table.filter(pc.equal(table.column("reason"), WITHDRAWN))
    for row in buried.select(["detail", "record_id"]).to_pylist():
        seen.withdrawn.setdefault(row["detail"], []).append(row["record_id"])
    counts = table.group_by(["kind", "reason"]).aggregate([([], "count_all")])
    for row in counts.to_pylist():
        seen.ends[row["kind"], row["reason"]] += row["count_all"]


def _unlisted_versions(table: pa.Table, manifest: Manifest) -> pa.Array:
    """Marks the rows that name another version than those that were compared with."""
    details = table.column("detail").combine_chunks()
    versions = pc.struct_field(pc.extract_regex(details, _DUPLICATE_OF), "version")
    listed = pa.array(
        [f"{one.name} version {one.version}" for one in manifest.against], pa.string()
    )
    return pc.and_(pc.is_valid(versions), pc.invert(pc.is_in(versions, value_set=listed)))


def _ends_otherwise(records: pa.StructArray) -> pa.Array:
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


def _without_teacher(provenance: pa.StructArray) -> pa.Array:
    generators = provenance.field("generators")
    parents = pc.list_parent_indices(generators)
    teachers = parents.filter(pc.equal(pc.list_flatten(generators).field("role"), "teacher"))
    rows = pa.array(range(len(provenance)), parents.type)
    return pc.invert(pc.is_in(rows, value_set=teachers))


def _unread_terms(provenance: pa.StructArray) -> pa.Array:
    """Marks the records with terms that nobody can look up, though they do not say `unknown`.

    The licence of a prompt is a name of the SPDX list, without version or text of its own.
    """
    terms = provenance.field("terms")
    each = pc.list_flatten(terms)
    vague = pc.or_(pc.equal(each.field("version"), ""), pc.equal(each.field("sha256"), ""))
    excused = pc.or_(
        pc.equal(each.field("layer"), "prompt_licence"), pc.equal(each.field("status"), "unknown")
    )
    parents = pc.list_parent_indices(terms).filter(pc.and_not(vague, excused))
    return pc.is_in(pa.array(range(len(provenance)), parents.type), value_set=parents)


def _contradictions(provenance: pa.StructArray, seen: Seen) -> Iterator[Violation]:
    """Finds decisions that say two things, and classes that stand for two sets of duties."""
    decision, duties = provenance.field("decision"), provenance.field("duties")
    generators = provenance.field("generators")
    said = {
        "id": _joined(generators, ["decision_id"]),  # of all models: together they say one thing
        "use": decision.field("use"),
        "registry": decision.field("registry_digest"),
        "authorisations": _joined(decision.field("authorisations")),
        "terms": _joined(provenance.field("terms")),
        "duties": _joined(duties),
        "class": provenance.field("obligation_class"),
    }
    table = pa.table({**said, "row": pa.array(range(len(provenance)), pa.int64())})
    kinds = table.group_by(list(said)).aggregate([("row", "min")]).sort_by("row_min")
    for kind in kinds.to_pylist():
        row, name = kind.pop("row_min"), kind["class"]
        if seen.decisions.setdefault(kind["id"], kind) != kind:
            what = "names a decision that says otherwise elsewhere"
            yield Violation("provenance.decision.id", what, [row])
        owed = {(duty["kind"], duty["text"], duty["due"]) for duty in duties[row].as_py()}
        if seen.classes.setdefault(name, owed) != owed:
            what = "stands for other duties elsewhere"
            yield Violation("provenance.obligation_class", what, [row])


def _joined(lists: pa.ListArray, fields: Iterable[str] = ()) -> pa.Array:
    """Makes one text of each list, or of some fields of its items, so that lists can be grouped."""
    items = lists.values
    if pa.types.is_struct(items.type):
        parts = [items.field(name) for name in fields] or items.flatten()
        items = pc.binary_join_element_wise(*parts, _BETWEEN_FIELDS)
    return pc.binary_join(pa.ListArray.from_arrays(lists.offsets, items), _BETWEEN_ITEMS)
