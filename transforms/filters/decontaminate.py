"""Finds records that contain an item of an evaluation set, and would teach the test.

A record is contaminated if the 8-grams that it shares with an item cover at least half of the
item's tokens, or if it shares any 13-gram. An item of fewer than 20 tokens must occur whole, and
one of fewer than 8 must be the whole text. Tokens are those of the keys of deduplication.

The index has 8 bytes for each 8-gram of the items, and no text. Each is a number: the upper bits
are the 8-gram's hash, the lower bits its position in the list of all 8-grams. Sorted, the numbers
are the index. The starts of the items give the item of a position. A shared 13-gram is a run of
six 8-grams.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from transforms.filters.codes import FindingCode
from transforms.filters.ngrams import Hashes, sequence_hash, token_hashes, window_hashes
from transforms.filters.rules import Candidate, Finding, Span
from transforms.text import NO_SPACE_SCRIPTS, tokens

RULE = "decontaminate"
VERSION = 1

# Sources: coverage by 8-grams from Tülu 3 (arXiv 2411.15124), 13-grams from GPT-3 (2005.14165).
NGRAM_TOKENS = 8
LONG_NGRAM_TOKENS = 13
SHORT_ITEM_TOKENS = 20
MIN_COVERAGE = 0.5
# An 8-gram of more items than this is common wording, and is evidence of none of them.
COMMON_ITEMS = 256

_RUN_OF_LONG_NGRAM = LONG_NGRAM_TOKENS - NGRAM_TOKENS + 1
_BATCH_ITEMS = 4_096
_SCAN = 1 << 20
# Pieces that normalising never joins: characters of scripts without spaces, and words.
_PIECE = re.compile(rf"[{NO_SPACE_SCRIPTS}]|[^\s{NO_SPACE_SCRIPTS}]+")

Positions = NDArray[np.int64]
_NOWHERE: Positions = np.empty(0, dtype=np.int64)


@dataclass(frozen=True, slots=True)
class EvaluationItem:
    """An item of an evaluation set.

    Attributes:
        name: Name of the set.
        number: Which item of it, from 1.
        text: The item's text.
    """

    name: str
    number: int
    text: str


@dataclass(frozen=True, slots=True)
class _Match:
    """An item that a text contains, and its tokens in the text."""

    item: int
    coverage: float
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class EvaluationIndex:
    """An index of evaluation items, made by `build_index`. It can be pickled.

    Attributes:
        names: Names of the sets.
        set_of: For each item, the position of its set in `names`.
        numbers: For each item, its number in its set.
        digests: For each item, the hash of all its tokens.
        by_digest: Items in the order of their digests.
        starts: For each item, the position of its first 8-gram; one more at the end.
        keys: Sorted: the upper bits of an 8-gram's hash, and its position in the lower bits.
        mask: The lower bits of a key.
    """

    names: tuple[str, ...]
    set_of: NDArray[np.uint16]
    numbers: NDArray[np.uint32]
    digests: Hashes
    by_digest: NDArray[np.int64]
    starts: Positions
    keys: Hashes
    mask: np.uint64

    def check(self, candidate: Candidate) -> Finding | None:
        """Searches for evaluation items in every part of a candidate.

        Args:
            candidate: A record that is being made.

        Returns:
            A finding for the item with the highest coverage, or None.
        """
        found = [
            (match, part, text) for part, text in candidate.parts() for match in self._matches(text)
        ]
        if not found:
            return None
        match, part, text = min(found, key=lambda it: (-it[0].coverage, it[0].item))
        return self._found(match, part, text)

    def _found(self, match: _Match, part: str, text: str) -> Finding:
        item = f"item {self.numbers[match.item]} of {self.names[self.set_of[match.item]]}"
        return Finding(
            FindingCode.CONTAMINATED,
            f"holds {match.coverage:.0%} of {item}",
            value=match.coverage,
            span=Span(part, *_characters(text, match.first, match.last)),
        )

    def _matches(self, text: str) -> Iterator[_Match]:
        hashes = token_hashes(text)
        if not hashes.size:
            return
        yield from self._equal_to(hashes)
        where, places = self._look_up(window_hashes(hashes, NGRAM_TOKENS))
        if not where.size:
            return
        items = np.searchsorted(self.starts, places, side="right") - 1
        grams = places - self.starts[items]
        for item in np.unique(items):
            mine = items == item
            yield from self._judge(int(item), where[mine], grams[mine], hashes)

    def _equal_to(self, hashes: Hashes) -> Iterator[_Match]:
        """Yields the item that equals the whole text, if there is one."""
        digest = np.uint64(sequence_hash(hashes))
        at = int(self.digests.searchsorted(digest, sorter=self.by_digest))
        if at < self.digests.size:
            item = int(self.by_digest[at])
            if self.digests[item] == digest:
                yield _Match(item, 1.0, 0, hashes.size)

    def _look_up(self, grams: Hashes) -> tuple[Positions, Positions]:
        """Returns pairs of positions of an 8-gram: in the text, and in the list of all 8-grams."""
        low = grams & ~self.mask
        first = self.keys.searchsorted(low)
        known = first < self.keys.size
        known[known] = (self.keys[first[known]] ^ low[known]) <= self.mask
        if not known.any():  # as in almost every text: the rest would take as long again
            return _NOWHERE, _NOWHERE
        first, low = first[known], low[known]
        counts = self.keys.searchsorted(low | self.mask, side="right") - first
        skipped = np.cumsum(counts) - counts
        at = np.arange(counts.sum()) + np.repeat(first - skipped, counts)
        return np.repeat(np.flatnonzero(known), counts), (self.keys[at] & self.mask).astype(
            np.int64
        )

    def _judge(
        self, item: int, where: Positions, grams: Positions, hashes: Hashes
    ) -> Iterator[_Match]:
        length = int(self.starts[item + 1] - self.starts[item]) + NGRAM_TOKENS - 1
        if length < SHORT_ITEM_TOKENS:
            yield from self._whole(item, length, where[grams == 0], hashes)
            return
        coverage = _covered(grams) / length
        if coverage >= MIN_COVERAGE or _longest_run(where, grams) >= _RUN_OF_LONG_NGRAM:
            yield _Match(item, coverage, int(where.min()), int(where.max()) + NGRAM_TOKENS)

    def _whole(self, item: int, length: int, starts: Positions, hashes: Hashes) -> Iterator[_Match]:
        for start in map(int, starts):
            if sequence_hash(hashes[start : start + length]) == self.digests[item]:
                yield _Match(item, 1.0, start, start + length)
                return


def build_index(items: Iterable[EvaluationItem]) -> EvaluationIndex:
    """Builds the index of evaluation items.

    Args:
        items: The items, read once. An item with the tokens of an earlier one is left out.

    Returns:
        The index; the same for the same items in the same order.
    """
    builder = _Builder([], {}, [], [], [], [], set())
    source = iter(items)
    while batch := list(islice(source, _BATCH_ITEMS)):
        builder.add(batch)
    return builder.finish()


@dataclass(frozen=True, slots=True)
class _Builder:
    grams: list[Hashes]  # of one batch each
    names: dict[str, int]
    set_of: list[int]
    numbers: list[int]
    digests: list[int]
    counts: list[int]
    seen: set[int]

    def add(self, batch: list[EvaluationItem]) -> None:
        hashed = [hashes for item in batch if (hashes := self._take(item)) is not None]
        if not hashed:
            return
        runs = window_hashes(np.concatenate(hashed), NGRAM_TOKENS)
        # Runs across the end of an item are not 8-grams of it.
        ends = np.cumsum([hashes.size for hashes in hashed])
        inside = np.ones(runs.size, dtype=bool)
        for offset in range(1, NGRAM_TOKENS):
            crossing = ends[:-1] - offset
            inside[crossing[(crossing >= 0) & (crossing < runs.size)]] = False
        self.grams.append(runs[inside])

    def _take(self, item: EvaluationItem) -> Hashes | None:
        hashes = token_hashes(item.text)
        digest = sequence_hash(hashes)
        if not hashes.size or digest in self.seen:
            return None
        self.seen.add(digest)
        self.set_of.append(self.names.setdefault(item.name, len(self.names)))
        self.numbers.append(item.number)
        self.digests.append(digest)
        self.counts.append(max(0, hashes.size - NGRAM_TOKENS + 1))
        return hashes

    def finish(self) -> EvaluationIndex:
        starts = np.concatenate(([0], np.cumsum(self.counts, dtype=np.int64))).astype(np.int64)
        mask = np.uint64((1 << max(1, int(starts[-1]).bit_length())) - 1)
        digests = np.array(self.digests, dtype=np.uint64)
        return EvaluationIndex(
            tuple(self.names),
            np.array(self.set_of, dtype=np.uint16),
            np.array(self.numbers, dtype=np.uint32),
            digests,
            np.argsort(digests, kind="stable"),
            starts,
            _without_common(self._sorted_keys(int(starts[-1]), mask), mask),
            mask,
        )

    def _sorted_keys(self, total: int, mask: np.uint64) -> Hashes:
        """Makes the keys, and frees the memory of each batch once it is copied."""
        keys = np.empty(total, dtype=np.uint64)
        end = total
        while self.grams:
            grams = self.grams.pop()
            start = end - grams.size
            keys[start:end] = (grams & ~mask) | np.arange(start, end, dtype=np.uint64)
            end = start
        keys.sort()
        return keys


def _without_common(keys: Hashes, mask: np.uint64) -> Hashes:
    """Returns the keys without 8-grams that have more than `COMMON_ITEMS` positions."""
    common: list[Hashes] = []
    for start in range(0, keys.size - COMMON_ITEMS, _SCAN):
        later = keys[start + COMMON_ITEMS : start + COMMON_ITEMS + _SCAN]
        here = keys[start : start + later.size]
        common.append(np.unique(here[(here ^ later) <= mask] & ~mask))
    low = np.unique(np.concatenate(common)) if common else keys[:0]
    if not low.size:
        return keys
    keep = np.ones(keys.size, dtype=bool)
    ends = np.searchsorted(keys, low | mask, side="right")
    for start, end in zip(np.searchsorted(keys, low), ends, strict=True):
        keep[start:end] = False
    return keys[keep]


def _covered(grams: Positions) -> int:
    """Returns how many tokens of an item its 8-grams at some positions cover."""
    steps = np.diff(np.unique(grams))
    return int(np.minimum(steps, NGRAM_TOKENS).sum()) + NGRAM_TOKENS


def _longest_run(where: Positions, grams: Positions) -> int:
    """Returns the length of the longest run of 8-grams in the same order in text and item."""
    shifts = where - grams
    order = np.lexsort((where, shifts))
    breaks = (np.diff(shifts[order]) != 0) | (np.diff(where[order]) != 1)
    ends = np.concatenate(([-1], np.flatnonzero(breaks), [where.size - 1]))
    return int(np.diff(ends).max())


def _characters(text: str, first: int, last: int) -> tuple[int, int]:
    """Returns start and end of some tokens in characters, extended to whole words."""
    start = count = 0
    for piece in _PIECE.finditer(text):
        if count <= first:
            start = piece.start()
        count += len(tokens(piece.group()))
        if count >= last:
            return start, piece.end()
    return start, len(text)
