"""Writes the report of a run: one HTML page that needs no other file."""

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
_SAMPLES_OF_EACH = 2  # of each class and split, and of each reason
_GROUPS_SEARCHED = 4  # row groups searched for reasons: about 16,000 rows
_SAMPLED = ["record_id", "messages", "split", "provenance"]
_SAMPLED_PAIRS = [
    "pair_id", "prompt", "chosen", "rejected", "chosen_score", "rejected_score", "chosen_by",
    "split", "chosen_provenance.teacher.route", "rejected_provenance.teacher.route",
]  # fmt: skip


def render_report(corpus: Corpus, facts: Facts) -> str:
    """Writes the report of a version.

    Args:
        corpus: The version.
        facts: Counts of its records by provenance.

    Returns:
        HTML. All values are escaped, and the page's policy forbids it to load anything.
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
    """Yields a CSS class, a name and a count for each place where requests ended."""
    yield "accepted", "accepted", funnel.accepted
    for reason, count in most_common(funnel.rejected):
        yield "rejected", f"rejected: {reason}", count
    yield "duplicates", "duplicates", funnel.duplicates
    for reason, count in most_common(funnel.failed):
        yield "failed", f"failed: {reason}", count
    yield "pending", "pending", funnel.pending


def _first(corpus: Corpus, kind: Kind, columns: list[str]) -> Iterator[dict[str, Any]]:
    """Yields the first rows of each class and split: arbitrary ones, since ids are digests."""
    for shard in corpus.shards(kind):
        if "-00000-of-" in shard.path:
            table = next(corpus.groups(shard, columns))
            yield from table.slice(0, _SAMPLES_OF_EACH).to_pylist()


def _rejected(corpus: Corpus) -> Iterator[dict[str, Any]]:
    """Yields the first rows of each reason."""
    seen: Counter[str] = Counter()
    for table in islice(corpus.tables("rejected"), _GROUPS_SEARCHED):
        for index, reason in enumerate(table.column("reason").to_pylist()):
            seen[reason] += 1
            if seen[reason] <= _SAMPLES_OF_EACH:
                yield table.slice(index, 1).to_pylist()[0]
