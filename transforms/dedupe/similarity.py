"""Compares candidates exactly, by the Jaccard similarity of their whole sets of shingles."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from transforms.dedupe.candidates import distinct_pairs
from transforms.dedupe.keys import Shingles
from transforms.dedupe.rows import EDGE, Rows, buckets_of, join, pack, rows_of, split
from transforms.dedupe.sources import Sources

# Several answers to one prompt are wanted and similar by nature, so they must be more similar than
# other records to count as duplicates.
SAME_PROMPT_THRESHOLD = 0.9


def compare_pairs(pairs: Rows, threshold: float, sources: Sources) -> Rows:
    """Returns the candidates whose similarity reaches the threshold.

    Pairs are compared by their two buckets, so memory grows with the size of two buckets.

    Args:
        pairs: Rows of dtype `PAIR` whose better-ranked records are in one bucket; may repeat.
        threshold: Least Jaccard similarity of duplicates; between answers to one prompt it is at
            least 0.9.
        sources: Where the records are.

    Returns:
        Rows of dtype `EDGE`.
    """
    pairs = distinct_pairs(pairs)
    tiles = split(pairs, buckets_of(pairs["worse"]))
    return join((_compare_tile(tile, threshold, sources) for _, tile in tiles), EDGE)


def similarity(one: Shingles, other: Shingles, same_prompt: bool) -> float:
    """Returns the Jaccard similarity of two records.

    Between answers to one prompt, the shingles of the prompt do not count.

    Args:
        one: A record's shingles.
        other: Another's.
        same_prompt: Whether both answer the same prompt.

    Returns:
        From 0 to 1; 0 if no shingles are left to compare.
    """
    both = np.concatenate((one.values, other.values))
    both.sort()
    common = int(np.count_nonzero(both[1:] == both[:-1]))
    given = one.shared if same_prompt else 0
    union = both.size - common - given
    return (common - given) / union if union else 0.0


def _compare_tile(pairs: Rows, threshold: float, sources: Sources) -> Rows:
    """Compares pairs of which all better and all worse records are in one bucket each."""
    shingles, prompts = _load(pairs["better"], sources)
    others, other_prompts = _load(pairs["worse"], sources)
    same = prompts == other_prompts
    similarities = np.array(
        [similarity(*pair) for pair in zip(shingles, others, same, strict=True)]
    )
    keep = similarities >= np.where(same, max(threshold, SAME_PROMPT_THRESHOLD), threshold)
    kept = pairs[keep]
    return pack(EDGE, better=kept["better"], worse=kept["worse"], similarity=similarities[keep])


def _load(refs: NDArray[np.uint64], sources: Sources) -> tuple[list[Shingles], NDArray[np.uint64]]:
    """Returns shingles and prompt keys of records of one bucket; each is read once."""
    sidecar = sources.sidecar(int(buckets_of(refs[:1])[0]))
    rows, places = np.unique(rows_of(refs), return_inverse=True)
    shingles = sidecar.shingles(rows)
    return [shingles[place] for place in places], sidecar.prompts(rows)[places]
