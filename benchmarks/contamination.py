"""Decontamination on real questions: what it finds of what was planted, and what it flags besides.

    python -m benchmarks.contamination --train TRAIN.jsonl --test TEST.jsonl
    python -m benchmarks.contamination --only index --items 1000000

Both files are GSM8K's: a `question` and an `answer` a line. Each question of the test set is
planted in an answer between paragraphs of our own; then the training set's own questions and
answers are checked as they are. What is flagged among those is printed to be read: a few problems
are in both sets, in other numbers or with other names.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path

from benchmarks.common import apart, heading, machine, memory, peak_bytes, tell, timed, verdict
from benchmarks.texts import Writer
from schemas.prompts import Message
from transforms.filters.decontaminate import EvaluationIndex, EvaluationItem, build_index
from transforms.filters.rules import Candidate

_DATA = Path(__file__).resolve().parents[2] / "shared/data"
_ITEM_CHARACTERS = 230  # as long as a question of GSM8K


def plant(index: EvaluationIndex, questions: list[str]) -> int:
    """Returns how many questions are found that stand in the middle of another text."""
    writer = Writer()
    texts = (f"{writer.answer(600)}\n\n{text}\n\n{writer.answer(600)}" for text in questions)
    return sum(index.check(Candidate((), text)) is not None for text in texts)


def flag(index: EvaluationIndex, rows: list[dict[str, str]]) -> list[str]:
    """Returns the questions of rows that are flagged as they are, in question or answer."""
    asked = [
        (row["question"], Candidate((Message("user", row["question"]),), row["answer"]))
        for row in rows
    ]
    return [question for question, candidate in asked if index.check(candidate)]


def measure_index(items: int) -> tuple[float, int]:
    """Returns the processor seconds and the memory that an index of made-up items takes."""
    writer = Writer()
    made = (EvaluationItem("made", n, writer.answer(_ITEM_CHARACTERS)) for n in range(items))
    _, cost = timed(lambda: build_index(made))
    return cost.cpu_seconds, peak_bytes()


def compare(train: Path, test: Path, shown: int) -> None:
    """Prints what is found of the test set in the training set."""
    heading("GSM8K's training set against its test set")
    rows, questions = list(_rows(train)), [row["question"] for row in _rows(test)]
    items = (EvaluationItem("test", n, text) for n, text in enumerate(questions, 1))
    index = build_index(items)
    found = plant(index, questions)
    tell("planted and found", f"{found} of {len(questions)}", verdict(found / len(questions), 1.0))
    flagged = flag(index, rows)
    share = len(flagged) / len(rows)
    tell("flagged as it is", f"{len(flagged)} of {len(rows)}", f"{share:.3%}")
    for question in flagged[:shown]:
        print(f"  {question}")


def _rows(path: Path) -> Iterator[dict[str, str]]:
    with path.open(encoding="utf-8") as lines:
        yield from map(json.loads, lines)


def main() -> None:
    """Runs what the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.contamination", description=__doc__)
    parser.add_argument("--only", choices=("gsm8k", "index"))
    parser.add_argument("--train", type=Path, default=_DATA / "gsm8k_train.jsonl")
    parser.add_argument("--test", type=Path, default=_DATA / "gsm8k_test.jsonl")
    parser.add_argument("--items", type=int, default=1_000_000)
    parser.add_argument("--shown", type=int, default=10, help="flagged questions to print")
    given = parser.parse_args()
    print(machine())
    if given.only in (None, "gsm8k"):
        compare(given.train, given.test, given.shown)
    if given.only in (None, "index"):
        heading(f"An index of {given.items:,} evaluation items")
        seconds, peak = apart(measure_index, given.items)
        tell("built at", f"{given.items / seconds:.0f} items/CPU s", f"peak {memory(peak)}")


if __name__ == "__main__":
    main()
