"""Counts records by their provenance: the facts behind a corpus's card, report and duties.

Nothing here comes from a run file. Only provenance is read, a row group at a time, never text.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from schemas.codes import ModelRole
from schemas.files import structure
from schemas.terms import Duty, TermsVersion

# Columns of provenance: of a record, and of the rejected side of a pair. The chosen side is a
# record of the corpus and is counted there.
RECORD_PROVENANCE = "provenance"
REJECTED_PROVENANCE = "rejected_provenance"

# Records are counted by the combination of these values; a corpus has few combinations.
_KEYS = {
    "license": ("prompt", "license"),
    "source": ("prompt", "source"),
    "route": ("teacher", "route"),
    "host": ("teacher", "host"),
    "model": ("teacher", "response_model"),
    "revision": ("teacher", "revision"),
    "obligation_class": ("obligation_class",),
}
_GENERATORS = "generators"

_BETWEEN_FIELDS = "\x1f"
_BETWEEN_MODELS = "\x1e"


@dataclass(frozen=True, slots=True, kw_only=True)
class Teacher:
    """A model that wrote records, and the route and host that it was reached by."""

    route: str
    host: str
    model: str
    revision: str


@dataclass(frozen=True, order=True, slots=True)
class OtherModel:
    """A model other than the teacher that touched records, and its role, such as `judge`."""

    role: str
    route: str
    model: str


@dataclass(slots=True)
class Facts:
    """Numbers of records by their provenance.

    Attributes:
        records: All records.
        partitions: By obligation class and split.
        languages: By language; "" where it was not recognised.
        licenses: By the licence of the prompt.
        sources: By the source of the prompt.
        teachers: By teacher.
        others: By other model, such as a judge.
        terms: By version of a document that binds them.
        duties: By duty that they owe.
        rejected_sides: The same for the rejected sides of pairs; None where there are no pairs.
    """

    records: int = 0
    partitions: Counter[tuple[str, str]] = field(default_factory=Counter)
    languages: Counter[str] = field(default_factory=Counter)
    licenses: Counter[str] = field(default_factory=Counter)
    sources: Counter[str] = field(default_factory=Counter)
    teachers: Counter[Teacher] = field(default_factory=Counter)
    others: Counter[OtherModel] = field(default_factory=Counter)
    terms: Counter[TermsVersion] = field(default_factory=Counter)
    duties: Counter[Duty] = field(default_factory=Counter)
    rejected_sides: Facts | None = None

    def owed(self) -> list[Duty]:
        """Returns the duties of records and pairs, sorted by when they are due."""
        duties = {*self.duties, *(self.rejected_sides.duties if self.rejected_sides else ())}
        return sorted(duties, key=lambda duty: (duty.due, duty.kind, duty.document, duty.text))


def gather_facts(records: Iterable[Path], pairs: Iterable[Path] = ()) -> Facts:
    """Counts the records of some shards by their provenance.

    Args:
        records: Shards of accepted records.
        pairs: Shards of preference pairs.

    Returns:
        The counts.
    """
    sides = _gather(pairs, REJECTED_PROVENANCE)
    return replace(
        _gather(records, RECORD_PROVENANCE), rejected_sides=sides if sides.records else None
    )


def _gather(shards: Iterable[Path], provenance: str) -> Facts:
    keys = {name: (provenance, *path) for name, path in _KEYS.items()}
    keys |= {"split": ("split",)} | (
        {"language": ("language",)} if provenance == RECORD_PROVENANCE else {}
    )
    generators = f"{provenance}.{_GENERATORS}"
    names = [*(".".join(path) for path in keys.values()), generators]
    of_decisions = [generators, f"{provenance}.terms", f"{provenance}.duties"]
    facts = Facts()
    decisions: Counter[str] = Counter()
    bound: dict[str, tuple[tuple[TermsVersion, ...], tuple[Duty, ...]]] = {}
    for path in shards:
        with pq.ParquetFile(path) as file:
            for group in range(file.num_row_groups):
                table = file.read_row_group(group, columns=names)
                columns = {name: column(table, path) for name, path in keys.items()}
                columns["decisions"] = generators_of(table, "decision_id", provenance=provenance)
                columns["models"] = generators_of(
                    table, "role", "route", "model", provenance=provenance
                )
                for row in combinations(columns):
                    _add(facts, row)
                    decisions[row["decisions"]] += row["count"]
                if not decisions.keys() <= bound.keys():
                    rows = file.read_row_group(group, columns=of_decisions)
                    _add_decisions(rows, provenance, bound)
    for named, count in decisions.items():
        terms, duties = bound[named]
        facts.terms.update(dict.fromkeys(terms, count))
        facts.duties.update(dict.fromkeys(duties, count))
    return facts


def column(table: pa.Table, path: Iterable[str]) -> pa.ChunkedArray:
    """Returns a column, or a field within it, by its path of names."""
    first, *rest = path
    values = table.column(first)
    return pa.chunked_array(
        [_within(chunk, rest) for chunk in values.chunks] or [_within(_empty(values.type), rest)]
    )


def generators_of(
    table: pa.Table, *fields: str, provenance: str = RECORD_PROVENANCE
) -> pa.ChunkedArray:
    """Returns one text for each row that lists fields of its models, so that rows can be grouped.

    Args:
        table: Rows whose column of provenance has the field `generators`.
        fields: Names of fields of `Generator`. `read_generators` parses the text again.
        provenance: Name of the column of provenance.
    """
    chunks = [_joined(chunk, fields) for chunk in column(table, (provenance, _GENERATORS)).chunks]
    return pa.chunked_array(chunks, pa.string())


def read_generators(text: str) -> list[list[str]]:
    """Returns the fields of each model in a text of `generators_of`."""
    models = text.split(_BETWEEN_MODELS) if text else []
    return [model.split(_BETWEEN_FIELDS) for model in models]


def _joined(generators: pa.ListArray, fields: Iterable[str]) -> pa.Array:
    values = [generators.values.field(name) for name in fields]
    each = pc.binary_join_element_wise(*values, _BETWEEN_FIELDS)
    return pc.binary_join(pa.ListArray.from_arrays(generators.offsets, each), _BETWEEN_MODELS)


def _within(values: pa.Array, path: Iterable[str]) -> pa.Array:
    for name in path:
        values = values.field(name)
    return values


def _empty(kind: pa.DataType) -> pa.Array:
    return pa.array([], kind)


def combinations(columns: Mapping[str, pa.ChunkedArray]) -> list[dict[str, Any]]:
    """Counts the distinct combinations of values in some columns.

    Args:
        columns: The columns by name, all of one length.

    Returns:
        One row for each combination: its values by name of the column, and its `count`.
    """
    counts = pa.table(dict(columns)).group_by(list(columns)).aggregate([([], "count_all")])
    rows: list[dict[str, Any]] = counts.rename_columns({"count_all": "count"}).to_pylist()
    return rows


def _add(facts: Facts, row: dict[str, Any]) -> None:
    count = row["count"]
    facts.records += count
    facts.partitions[row["obligation_class"], row["split"]] += count
    facts.languages[row.get("language", "")] += count
    facts.licenses[row["license"]] += count
    facts.sources[row["source"]] += count
    teacher = Teacher(**{name: row[name] for name in ("route", "host", "model", "revision")})
    facts.teachers[teacher] += count
    models = {
        tuple(model) for model in read_generators(row["models"]) if model[0] != ModelRole.TEACHER
    }
    facts.others.update({OtherModel(*model): count for model in models})


def _add_decisions(
    group: pa.Table,
    provenance: str,
    bound: dict[str, tuple[tuple[TermsVersion, ...], tuple[Duty, ...]]],
) -> None:
    """Adds the terms and duties of decisions that no earlier row group named.

    Args:
        group: Rows with generators, terms and duties.
        provenance: Name of the column of provenance.
        bound: Terms and duties by the decisions of a row; added to.
    """
    named = generators_of(group, "decision_id", provenance=provenance).to_pylist()
    for index, decisions in enumerate(named):
        if decisions not in bound:
            row = group.slice(index, 1).to_pylist()[0][provenance]
            bound[decisions] = (
                structure(row["terms"], tuple[TermsVersion, ...]),
                structure(row["duties"], tuple[Duty, ...]),
            )
