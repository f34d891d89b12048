"""Compares candidates exactly: by the Jaccard similarity of their whole sets of shingles."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from transforms.dedupe.candidates import distinct_pairs
from transforms.dedupe.keys import Shingles
from transforms.dedupe.rows import EDGE, Rows, buckets_of, join, pack, rows_of, split
from transforms.dedupe.sources import Sources

# Several answers to one prompt are asked for on purpose, and are alike by nature.
SAME_PROMPT_THRESHOLD = 0.9


def compare_pairs(pairs: Rows, threshold: float, sources: Sources) -> Rows:
    """Compares candidates and keeps those that are alike enough.

    They are taken by the two buckets they lie in, so that memory grows with two buckets.

    Args:
        pairs: Rows of dtype `PAIR` whose better-ranked records lie in one bucket; repeats do not
            matter.
        threshold: Jaccard similarity from which two records are the same; between answers to one
            prompt it is 0.9 at least.
        sources: Where the records are.

    Returns:
        Rows of dtype `EDGE`.
    """
    pairs = distinct_pairs(pairs)
    tiles = split(pairs, buckets_of(pairs["worse"]))
    return join((_compare_tile(tile, threshold, sources) for _, tile in tiles), EDGE)


def similarity(one: Shingles, other: Shingles, same_prompt: bool) -> float:
    """Returns the Jaccard similarity of two records.

    Between answers to one prompt, what they have of the prompt says nothing and does not count.

    Args:
        one: A record's shingles.
        other: Another's.
        same_prompt: Whether both answer one prompt.

    Returns:
        From 0 to 1; 0 where nothing is left to compare.
    """
    both = np.concatenate((one.values, other.values))
    both.sort()
    common = int(np.count_nonzero(both[1:] == both[:-1]))
    given = one.shared if same_prompt else 0
    union = both.size - common - given
    return (common - given) / union if union else 0.0


def _compare_tile(pairs: Rows, threshold: float, sources: Sources) -> Rows:
    """Compares pairs that lie in the same two buckets."""
    shingles, prompts = _load(pairs["better"], sources)
    others, other_prompts = _load(pairs["worse"], sources)
    same = prompts == other_prompts
    alike = np.array([similarity(*pair) for pair in zip(shingles, others, same, strict=True)])
    keep = alike >= np.where(same, max(threshold, SAME_PROMPT_THRESHOLD), threshold)
    kept = pairs[keep]
    return pack(EDGE, better=kept["better"], worse=kept["worse"], similarity=alike[keep])


def _load(refs: NDArray[np.uint64], sources: Sources) -> tuple[list[Shingles], NDArray[np.uint64]]:
    """Loads records of one bucket, each once however often it is referred to."""
    sidecar = sources.sidecar(int(buckets_of(refs[:1])[0]))
    rows, places = np.unique(rows_of(refs), return_inverse=True)
    shingles = sidecar.shingles(rows)
    return [shingles[place] for place in places], sidecar.prompts(rows)[places]
