"""What choosing knows of a sample: which prompt it answers, what it scores, never its text.

The samples of a prompt lie in different buckets. So their rows travel packed, by `RowFiles`, to one
of 64 partitions by the prompt's id: 89 bytes a sample on the way, some 400 in the memory of the
worker that chooses among the samples of a partition.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from itertools import groupby
from operator import attrgetter
from typing import NamedTuple

import numpy as np

from schemas.inputs.run import JUDGE, BestOf, Preferences
from schemas.records import Record
from transforms.dedupe.keys import answer_text, exact_key
from transforms.dedupe.rows import PARTITION_BITS, Rows, pack, split

SAMPLE = np.dtype(
    [("prompt", "V32"), ("id", "V32"), ("text", "V16"), ("score", "<f8"), ("accepted", "?")]
)


class Sample(NamedTuple):
    """One answer to a prompt.

    Attributes:
        prompt: The prompt's id, as bytes.
        id: The record's, the same.
        text: Key of the completion: equal for two that read alike.
        score: What it scores; None where nothing scored it.
        accepted: Whether it is a record of the corpus.
    """

    prompt: bytes
    id: bytes
    text: bytes
    score: float | None
    accepted: bool


def score_of(record: Record, by: str) -> float | None:
    """Returns what a record scores.

    Args:
        record: The record, with all that was found in it.
        by: `judge`, or the name of a rule.

    Returns:
        For a rule, the sum of the values that it found, 1 for a finding without a value; 0 where
        it found nothing. For the judge, its score. None where nothing scored the record.
    """
    if by == JUDGE:
        judgements = record.provenance.judgements
        return judgements[-1].score if judgements else None
    found = (finding for finding in record.provenance.filters if finding.rule == by)
    score = sum(1.0 if finding.value is None else finding.value for finding in found)
    return None if math.isnan(score) else float(score)


def lowest_is_best(choice: BestOf | Preferences) -> bool:
    """Tells which way scores go: by default a judge's up, a rule's down, as it finds defects."""
    if choice.prefer:
        return choice.prefer == "lowest"
    return choice.by != JUDGE


def make_sample(record: Record, by: str, *, accepted: bool = True) -> Sample:
    """Makes what choosing knows of a record."""
    return Sample(
        prompt=bytes.fromhex(record.prompt_id),
        id=bytes.fromhex(record.record_id),
        text=exact_key(b"", answer_text(record.completion, record.tool_calls)),
        score=score_of(record, by),
        accepted=accepted,
    )


def split_samples(samples: Iterable[Sample]) -> Iterator[tuple[int, Rows]]:
    """Spreads samples over the partitions by their prompts, packed.

    Yields:
        Partition, and its rows of dtype `SAMPLE`.
    """
    columns = list(zip(*samples, strict=True)) or [()] * len(Sample._fields)
    prompts, ids, texts, scores, accepted = columns
    rows = pack(
        SAMPLE,
        prompt=np.array(prompts, "V32"),
        id=np.array(ids, "V32"),
        text=np.array(texts, "V16"),
        score=np.array([math.nan if score is None else score for score in scores], "<f8"),
        accepted=np.array(accepted, "?"),
    )
    leading = np.array([prompt[0] for prompt in prompts], np.uint8)
    return split(rows, leading >> np.uint8(8 - PARTITION_BITS))


def by_prompt(rows: Rows) -> Iterator[list[Sample]]:
    """Yields the samples of each prompt in some rows, in whatever order they come."""
    samples = sorted(_unpack(rows), key=attrgetter("prompt", "id"))
    for _, group in groupby(samples, key=attrgetter("prompt")):
        yield list(group)


def _unpack(rows: Rows) -> Iterator[Sample]:
    for prompt, name, text, score, accepted in rows.tolist():
        yield Sample(prompt, name, text, None if math.isnan(score) else score, accepted)
