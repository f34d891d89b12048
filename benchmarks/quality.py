"""The quality gate: deduplication of a planted corpus, judged by code of its own."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow.dataset as ds
from rich.console import Console

from benchmarks.common import rating
from benchmarks.ledgers import make_project
from benchmarks.texts import Planted, jaccard, planted_corpus, runs
from pipelines.launch import launch

THRESHOLD = 0.8


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """The place of a text in a published corpus: accepted, or a duplicate of another.

    Attributes:
        id: Id of its record.
        witness: Id of the record that is kept for it; "" where it is kept itself.
    """

    id: str
    witness: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One figure of the gate, and whether it meets its target."""

    name: str
    value: float
    rating: str


def publish_planted(folder: Path) -> tuple[list[Planted], dict[str, Published]]:
    """Builds the planted corpus; returns it, and the place of each text."""
    planted = planted_corpus()
    project = make_project(folder, len(planted), [text.text for text in planted])
    result = launch(project.run, [], slices=1, asks=False, console=Console(quiet=True))
    rows = {}
    for kind, witness in (("data", False), ("rejected", True)):
        for row in _rows(f"{result.folder}/{kind}"):
            rows[row["completion"]] = Published(
                id=row["record_id"], witness=row["witness"] if witness else ""
            )
    return planted, rows


def _rows(folder: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = ds.dataset(folder).to_table().to_pylist()
    return rows


def judge(planted: list[Planted], rows: dict[str, Published]) -> Iterator[Figure]:
    """Compares the duplicates found with those planted.

    Args:
        planted: The corpus.
        rows: The place of each text.

    Yields:
        Recall by similarity, precision, witnesses, and texts removed by mistake.
    """
    missing = [text for text in planted if text.text not in rows]
    yield _figure("texts that are in no output", len(missing), 0, at_most=True)
    removed = [text for text in planted if rows[text.text].witness]
    yield Figure(name="texts removed", value=len(removed), rating=f"of {len(planted)}")
    for similarity, target in ((0.85, 0.995), (0.80, 0.98)):
        recall = _recall(planted, rows, similarity)
        yield _figure(f"recall of pairs at {similarity}", recall, target)
    texts = {rows[text.text].id: text for text in planted}
    kept = {row.id for row in rows.values() if not row.witness}
    true = [text for text in removed if _alike(text, texts[rows[text.text].witness])]
    yield _figure("precision", len(true) / len(removed), 1.0)
    orphans = [text for text in removed if rows[text.text].witness not in kept]
    yield _figure("removed without a surviving witness", len(orphans), 0, at_most=True)
    undecided = _undecided(planted, lambda text: rows[text.text].id in kept)
    yield _figure("survivors of one pair or chain still alike", undecided, 0, at_most=True)
    for kind in ("template", "decoy"):
        lost = sum(text.kind == kind for text in removed)
        yield _figure(f"distinct texts lost, {kind}", lost, 0, at_most=True)


def _figure(name: str, value: float, target: float, *, at_most: bool = False) -> Figure:
    return Figure(name=name, value=value, rating=rating(value, target, at_most=at_most))


def _alike(one: Planted, other: Planted) -> bool:
    return jaccard(runs(one.text.split()), runs(other.text.split())) >= THRESHOLD


def _recall(planted: list[Planted], rows: dict[str, Published], similarity: float) -> float:
    pairs = _groups(planted, lambda text: text.kind == "pair" and text.similarity == similarity)
    found = sum(any(rows[text.text].witness for text in pair) for pair in pairs)
    return found / len(pairs)


def _undecided(planted: list[Planted], kept: Callable[[Planted], bool]) -> int:
    """Counts neighbours in a chain that are both kept although they are similar enough."""
    chains = _groups(planted, lambda text: text.kind == "chain")
    return sum(
        kept(one) and kept(other) and _alike(one, other)
        for chain in chains
        for one, other in pairwise(chain)
    )


def _groups(planted: list[Planted], wanted: Callable[[Planted], bool]) -> list[list[Planted]]:
    groups: dict[int, list[Planted]] = defaultdict(list)
    for text in filter(wanted, planted):
        groups[text.group].append(text)
    return list(groups.values())
