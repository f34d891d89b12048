"""A sample as it is compared with others: its prompt, score and ids, without its text.

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

from schemas.inputs.quality import JUDGE, BestOf, Preferences
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
        id: The record's id, as bytes.
        text: Key of the completion; equal for equal texts.
        score: Its score; None if nothing scored it.
        accepted: Whether it is a record of the corpus.
    """

    prompt: bytes
    id: bytes
    text: bytes
    score: float | None
    accepted: bool


def score_of(record: Record, by: str) -> float | None:
    """Returns the score of a record.

    Args:
        record: The record with its findings and judgements.
        by: `judge`, or the name of a rule.

    Returns:
        For a rule, the sum of the values of its findings, 1 for a finding without a value and 0
        without findings. For the judge, its score. None if nothing scored the record.
    """
    if by == JUDGE:
        judgements = record.provenance.judgements
        return judgements[-1].score if judgements else None
    found = (finding for finding in record.provenance.filters if finding.rule == by)
    score = sum(1.0 if finding.value is None else finding.value for finding in found)
    return None if math.isnan(score) else float(score)


def lowest_is_best(choice: BestOf | Preferences) -> bool:
    """Returns whether lower scores are better: by default a rule's, as rules find defects."""
    if choice.prefer:
        return choice.prefer == "lowest"
    return choice.by != JUDGE


def make_sample(record: Record, by: str, *, accepted: bool = True) -> Sample:
    """Returns the sample of a record."""
    return Sample(
        prompt=bytes.fromhex(record.prompt_id),
        id=bytes.fromhex(record.record_id),
        text=exact_key(b"", answer_text(record.completion, record.tool_calls)),
        score=score_of(record, by),
        accepted=accepted,
    )


def split_samples(samples: Iterable[Sample]) -> Iterator[tuple[int, Rows]]:
    """Packs samples, by the partition of their prompt.

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
    """Yields the samples of each prompt in packed rows; their order does not matter."""
    samples = sorted(_unpack(rows), key=attrgetter("prompt", "id"))
    for _, group in groupby(samples, key=attrgetter("prompt")):
        yield list(group)


def _unpack(rows: Rows) -> Iterator[Sample]:
    for prompt, name, text, score, accepted in rows.tolist():
        yield Sample(prompt, name, text, None if math.isnan(score) else score, accepted)
