"""What a corpus's records say of themselves: the source of its card, its report and its duties.

Nothing here is taken from a run file. Only provenance is read, a row group at a time, never text.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from schemas.files import structure
from schemas.terms import Duty, TermsVersion

# One combination of these is one line of a card; a corpus has few of them.
_KEYS = {
    "split": ("split",),
    "language": ("language",),
    "license": ("provenance", "prompt", "license"),
    "source": ("provenance", "prompt", "source"),
    "route": ("provenance", "teacher", "route"),
    "host": ("provenance", "teacher", "host"),
    "model": ("provenance", "teacher", "response_model"),
    "revision": ("provenance", "teacher", "revision"),
    "obligation_class": ("provenance", "obligation_class"),
}
_GENERATORS = "provenance.generators"
_COLUMNS = [*(".".join(path) for path in _KEYS.values()), _GENERATORS]
_OF_DECISIONS = [_GENERATORS, "provenance.terms", "provenance.duties"]

_BETWEEN_FIELDS = "\x1f"
_BETWEEN_MODELS = "\x1e"


@dataclass(frozen=True, slots=True)
class Teacher:
    """A model that wrote records, and how it was reached."""

    route: str
    host: str
    model: str
    revision: str


@dataclass(frozen=True, order=True, slots=True)
class OtherModel:
    """A model that touched records beside their teachers, and in which role."""

    role: str
    route: str
    model: str


@dataclass(slots=True)
class Facts:
    """Counts of records by what their provenance says.

    Attributes:
        records: All of them.
        partitions: By obligation class and split.
        languages: By language; "" where it could not be told.
        licenses: By the licence of the prompt.
        sources: By the source of the prompt.
        teachers: By teacher.
        others: By judge, or whatever else touched them.
        terms: By version of a document that binds them.
        duties: By duty that they owe.
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

    def owed(self) -> list[Duty]:
        """Returns the duties in the order in which they fall due."""
        return sorted(self.duties, key=lambda duty: (duty.due, duty.kind, duty.document, duty.text))


def gather(shards: Iterable[Path]) -> Facts:
    """Counts what the records of some shards say of themselves.

    Args:
        shards: Shards of accepted records.

    Returns:
        The counts.
    """
    facts = Facts()
    decisions: Counter[str] = Counter()
    bound: dict[str, tuple[tuple[TermsVersion, ...], tuple[Duty, ...]]] = {}
    for path in shards:
        with pq.ParquetFile(path) as file:
            for group in range(file.num_row_groups):
                table = file.read_row_group(group, columns=_COLUMNS)
                columns = {name: column(table, _KEYS[name]) for name in _KEYS}
                columns["decisions"] = generators_of(table, "decision_id")
                columns["models"] = generators_of(table, "role", "route", "model")
                for row in combinations(columns):
                    _add(facts, row)
                    decisions[row["decisions"]] += row["count"]
                if not decisions.keys() <= bound.keys():
                    _learn(file.read_row_group(group, columns=_OF_DECISIONS), bound)
    for named, count in decisions.items():
        terms, duties = bound[named]
        facts.terms.update(dict.fromkeys(terms, count))
        facts.duties.update(dict.fromkeys(duties, count))
    return facts


def column(table: pa.Table, path: Iterable[str]) -> pa.ChunkedArray:
    """Returns a column, or a field within it, by the names that lead there."""
    first, *rest = path
    values = table.column(first)
    return pa.chunked_array(
        [_within(chunk, rest) for chunk in values.chunks] or [_within(_empty(values.type), rest)]
    )


def generators_of(table: pa.Table, *fields: str) -> pa.ChunkedArray:
    """Returns what is said of each row's models, as one text a row; equal ones say the same.

    Args:
        table: Rows with the column `provenance.generators`.
        fields: What of them, by the names of `Generator`; read it again by `read_generators`.
    """
    chunks = [_joined(chunk, fields) for chunk in column(table, _GENERATORS.split(".")).chunks]
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
        columns: By name, all of one length.

    Returns:
        One row each, by the names of the columns, with its `count`.
    """
    counts = pa.table(dict(columns)).group_by(list(columns)).aggregate([([], "count_all")])
    rows: list[dict[str, Any]] = counts.rename_columns({"count_all": "count"}).to_pylist()
    return rows


def _add(facts: Facts, row: dict[str, Any]) -> None:
    count = row["count"]
    facts.records += count
    facts.partitions[row["obligation_class"], row["split"]] += count
    facts.languages[row["language"]] += count
    facts.licenses[row["license"]] += count
    facts.sources[row["source"]] += count
    teacher = Teacher(row["route"], row["host"], row["model"], row["revision"])
    facts.teachers[teacher] += count
    models = {tuple(model) for model in read_generators(row["models"]) if model[0] != "teacher"}
    facts.others.update({OtherModel(*model): count for model in models})


def _learn(
    group: pa.Table, bound: dict[str, tuple[tuple[TermsVersion, ...], tuple[Duty, ...]]]
) -> None:
    """Notes the terms and duties of all decisions that a row group is the first to name."""
    for index, decisions in enumerate(generators_of(group, "decision_id").to_pylist()):
        if decisions not in bound:
            row = group.slice(index, 1).to_pylist()[0]["provenance"]
            bound[decisions] = (
                structure(row["terms"], tuple[TermsVersion, ...]),
                structure(row["duties"], tuple[Duty, ...]),
            )
