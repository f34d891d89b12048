"""Writes the report of a run: one HTML page that needs nothing beside it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import islice
from typing import Any

from schemas.manifest import Funnel, Kind
from transforms.corpus.facts import Facts
from transforms.corpus.read import Corpus
from transforms.corpus.rendering import most_common, render

_SAMPLES = 8
_OF_EACH_SORT = 2
_GROUPS_LOOKED_AT = 4  # row groups searched for reasons: some 16,000 rows
_SAMPLED = ["record_id", "messages", "split", "provenance"]
_SAMPLED_PAIRS = [
    "pair_id", "prompt", "chosen", "rejected", "chosen_score", "rejected_score", "chosen_by",
    "split", "chosen_provenance.teacher.route", "rejected_provenance.teacher.route",
]  # fmt: skip


def render_report(corpus: Corpus, facts: Facts) -> str:
    """Writes the report of a version.

    Args:
        corpus: The version.
        facts: What its records say of themselves.

    Returns:
        HTML. What others wrote is escaped, and the page may load nothing.
    """
    return render(
        "report.html.j2",
        manifest=corpus.manifest,
        facts=facts,
        ends=list(_ends(corpus.manifest.funnel)),
        accepted=list(islice(_first(corpus, "records", _SAMPLED), _SAMPLES)),
        pairs=list(islice(_first(corpus, "preferences", _SAMPLED_PAIRS), _SAMPLES)),
        rejected=list(islice(_rejected(corpus), _SAMPLES)),
    )


def _ends(funnel: Funnel) -> Iterator[tuple[str, str, int]]:
    """Yields a class for the colour, a name and a count for each place where requests ended."""
    yield "accepted", "accepted", funnel.accepted
    for reason, count in most_common(funnel.rejected):
        yield "rejected", f"rejected: {reason}", count
    yield "duplicates", "duplicates", funnel.duplicates
    for reason, count in most_common(funnel.failed):
        yield "failed", f"failed: {reason}", count
    yield "pending", "pending", funnel.pending


def _first(corpus: Corpus, kind: Kind, columns: list[str]) -> Iterator[dict[str, Any]]:
    """Yields the first rows of each class and split: ids are digests, so the first are any."""
    for shard in corpus.shards(kind):
        if "-00000-of-" in shard.path:
            table = next(corpus.groups(shard, columns))
            yield from table.slice(0, _OF_EACH_SORT).to_pylist()


def _rejected(corpus: Corpus) -> Iterator[dict[str, Any]]:
    """Yields the first rows of each reason."""
    seen: Counter[str] = Counter()
    for table in islice(corpus.tables("rejected"), _GROUPS_LOOKED_AT):
        for index, reason in enumerate(table.column("reason").to_pylist()):
            seen[reason] += 1
            if seen[reason] <= _OF_EACH_SORT:
                yield table.slice(index, 1).to_pylist()[0]
