"""The quality gate: what deduplication finds of a planted corpus, judged independently of it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow.dataset as ds
from rich.console import Console

from benchmarks.common import verdict
from benchmarks.ledgers import make_project
from benchmarks.texts import Planted, jaccard, planted_corpus, runs
from pipelines.launch import launch

THRESHOLD = 0.8


@dataclass(frozen=True, slots=True)
class Published:
    """What a build made of a text: accepted, or a duplicate of another.

    Attributes:
        id: The record's.
        witness: Id of the record that stays for it; "" where it stays itself.
    """

    id: str
    witness: str


@dataclass(frozen=True, slots=True)
class Finding:
    """One figure of the gate, and whether it is good enough."""

    name: str
    value: float
    verdict: str


def publish_planted(folder: Path) -> tuple[list[Planted], dict[str, Published]]:
    """Builds the planted corpus; returns it, and what became of each text."""
    planted = planted_corpus()
    project = make_project(folder, len(planted), [text.text for text in planted])
    result = launch(project.run, [], slices=1, asks=False, console=Console(quiet=True))
    rows = {}
    for kind, witness in (("data", False), ("rejected", True)):
        for row in _rows(f"{result.folder}/{kind}"):
            rows[row["completion"]] = Published(row["record_id"], row["witness"] if witness else "")
    return planted, rows


def _rows(folder: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = ds.dataset(folder).to_table().to_pylist()
    return rows


def judge(planted: list[Planted], rows: dict[str, Published]) -> Iterator[Finding]:
    """Compares what was found with what was planted.

    Args:
        planted: The corpus.
        rows: What became of each text.

    Yields:
        Recall by similarity, precision, witnesses, and what was lost without being planted.
    """
    missing = [text for text in planted if text.text not in rows]
    yield _finding("texts that are in no output", len(missing), 0, at_most=True)
    removed = [text for text in planted if rows[text.text].witness]
    yield Finding("texts removed", len(removed), f"of {len(planted)}")
    for similarity, target in ((0.85, 0.995), (0.80, 0.98)):
        recall = _recall(planted, rows, similarity)
        yield _finding(f"recall of pairs at {similarity}", recall, target)
    texts = {rows[text.text].id: text for text in planted}
    stays = {row.id for row in rows.values() if not row.witness}
    true = [text for text in removed if _alike(text, texts[rows[text.text].witness])]
    yield _finding("precision", len(true) / len(removed), 1.0)
    orphans = [text for text in removed if rows[text.text].witness not in stays]
    yield _finding("removed without a surviving witness", len(orphans), 0, at_most=True)
    undecided = _undecided(planted, lambda text: rows[text.text].id in stays)
    yield _finding("survivors of one pair or chain still alike", undecided, 0, at_most=True)
    for kind in ("template", "decoy"):
        lost = sum(text.kind == kind for text in removed)
        yield _finding(f"distinct texts lost, {kind}", lost, 0, at_most=True)


def _finding(name: str, value: float, target: float, *, at_most: bool = False) -> Finding:
    return Finding(name, value, verdict(value, target, at_most=at_most))


def _alike(one: Planted, other: Planted) -> bool:
    return jaccard(runs(one.text.split()), runs(other.text.split())) >= THRESHOLD


def _recall(planted: list[Planted], rows: dict[str, Published], similarity: float) -> float:
    pairs = _groups(planted, lambda text: text.kind == "pair" and text.similarity == similarity)
    found = sum(any(rows[text.text].witness for text in pair) for pair in pairs)
    return found / len(pairs)


def _undecided(planted: list[Planted], stays: Callable[[Planted], bool]) -> int:
    """Counts neighbours in a chain that both stay although they are alike enough."""
    chains = _groups(planted, lambda text: text.kind == "chain")
    return sum(
        stays(one) and stays(other) and _alike(one, other)
        for chain in chains
        for one, other in pairwise(chain)
    )


def _groups(planted: list[Planted], wanted: Callable[[Planted], bool]) -> list[list[Planted]]:
    groups: dict[int, list[Planted]] = defaultdict(list)
    for text in filter(wanted, planted):
        groups[text.group].append(text)
    return list(groups.values())
