"""Made-up texts with a frozen seed: answers of 1,500 characters, and planted duplicates.

About 30,000 words are built of syllables, and few of them are frequent, so that caches of words
behave as with real texts. Most answers are prose; others have a list, a table or a block of code.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate, product
from random import Random
from typing import Literal

SEED = 20_261_122
CHARACTERS = 1_500

_PARTS = """
re un over under pre post inter sub super co counter fore mis out anti semi auto bi de en
act bank cast draw earth farm ground hand ice join kind light mark note open part quest read sand
time use view wind yield zone count form graph load meter number order plan rank scale test unit
value watch port press sign stand line turn work write field stone water
s ed ing er ers ness able ment ful less ly ward wise ship dom ist ism al ous ion ions
the of and to in a is that for it as with by on are this be from or which an at not
"""
_LINES = [line.split() for line in _PARTS.strip().splitlines()]
_STARTS, _ENDS, _SMALL = _LINES[0], _LINES[-2], _LINES[-1]
_STEMS = [stem for line in _LINES[1:-2] for stem in line]

Kind = Literal["pair", "decoy", "template", "chain"]


def _vocabulary() -> list[str]:
    built = ["".join(parts) for parts in product(("", *_STARTS), _STEMS, ("", *_ENDS))]
    words = sorted(set(built) - set(_SMALL))
    Random(SEED).shuffle(words)
    return [*_SMALL, *words]


_WORDS = _vocabulary()
_WEIGHTS = list(accumulate(1 / (rank + 3) for rank in range(len(_WORDS))))  # by Zipf's law


class Writer:
    """Writes texts, the same ones for the same seed.

    Args:
        seed: Any number.
    """

    def __init__(self, seed: int = SEED) -> None:
        self._random = Random(seed)
        self._new = 0

    def words(self, count: int) -> list[str]:
        """Returns words by their frequency."""
        return self._random.choices(_WORDS, cum_weights=_WEIGHTS, k=count)

    def answer(self, characters: int = CHARACTERS) -> str:
        """Returns an answer of about this many characters."""
        paragraphs = []
        length = 0
        while length < characters:
            paragraph = self._paragraph(self._random.randrange(12))
            paragraphs.append(paragraph)
            length += len(paragraph) + 2
        return "\n\n".join(paragraphs)

    def edited(self, words: list[str], similarity: float, *, block: bool) -> list[str]:
        """Returns a copy with changed words, scattered or in one block, at a given similarity.

        Args:
            words: The original.
            similarity: The least Jaccard similarity of the two, of runs of five words.
            block: Whether the changed words are next to each other.

        Returns:
            The changed words, at the similarity or just above it.
        """
        count = len(words)
        order = self._random.sample(range(count), count)
        if block:
            order = sorted(order, key=lambda place: (place - order[0]) % count)
        changed, before = list(words), runs(words)
        for place in order:
            attempt = list(changed)
            self._new += 1
            attempt[place] = f"new{self._new}"
            if jaccard(before, runs(attempt)) < similarity:
                break
            changed = attempt
        return changed

    def _paragraph(self, kind: int) -> str:
        if kind == 0:
            return "\n".join(f"{n}. **{self._sentence(9)}**" for n in range(1, 6))
        if kind == 1:
            rows = (f"| {' | '.join(self.words(3))} |" for _ in range(5))
            return "\n".join(["| what | how | why |", "|---|---|---|", *rows])
        if kind == 2:
            first, second, third = self.words(3)
            body = f"    total = {first} * {self._random.randrange(99)} + {second}\n"
            return f"```python\ndef {third}_of({first}, {second}):\n{body}    return total\n```"
        return " ".join(self._sentence(16) for _ in range(5))

    def _sentence(self, words: int) -> str:
        return " ".join(self.words(words)).capitalize() + "."


Runs = frozenset[tuple[str, ...]]


def runs(words: list[str]) -> Runs:
    """Returns a text's runs of five words, as strings, without the product's hashes."""
    return frozenset(zip(*(words[offset:] for offset in range(5)), strict=False))


def jaccard(one: Runs, other: Runs) -> float:
    """Returns the Jaccard similarity of two sets."""
    common = len(one & other)
    return common / (len(one) + len(other) - common)


@dataclass(frozen=True, slots=True)
class Planted:
    """A text of the planted corpus.

    Attributes:
        kind: `pair` at the similarity or just above, `decoy` just below the threshold, `template`
            for distinct texts that share most of their words, `chain` for a text that drifts.
        group: Which pair, template or chain.
        similarity: The intended similarity.
        text: The text.
    """

    kind: Kind
    group: int
    similarity: float
    text: str


def planted_corpus(pairs: int = 300, templates: int = 1_000, chains: int = 20) -> list[Planted]:
    """Returns the corpus of the quality gate: near-duplicates, and texts that are none.

    Args:
        pairs: Pairs at each similarity, half of them with scattered edits, half with a block.
        templates: Distinct texts that share 83 % of their words.
        chains: Chains of ten texts, each slightly changed from the one before.
    """
    writer = Writer()
    return [
        *_pairs(writer, pairs, 0.85, "pair"),
        *_pairs(writer, pairs, 0.80, "pair"),
        *_pairs(writer, pairs, 0.72, "decoy"),
        *_templates(writer, templates),
        *_chains(writer, chains),
    ]


def _pairs(writer: Writer, count: int, similarity: float, kind: Kind) -> Iterator[Planted]:
    for group in range(count):
        words = writer.words(230)
        other = writer.edited(words, similarity, block=group % 2 == 0)
        for text in (words, other):
            yield Planted(kind, group, similarity, " ".join(text))


def _templates(writer: Writer, count: int) -> Iterator[Planted]:
    """Yields texts of 200 common words and a block of 40 own ones, so that most runs are equal."""
    frame = writer.words(200)
    for group in range(count):
        text = [*frame[:100], *writer.words(40), *frame[100:]]
        yield Planted("template", group, 0.83, " ".join(text))


def _chains(writer: Writer, count: int) -> Iterator[Planted]:
    for group in range(count):
        words = writer.words(230)
        for _ in range(10):
            yield Planted("chain", group, 0.85, " ".join(words))
            words = writer.edited(words, 0.85, block=False)
