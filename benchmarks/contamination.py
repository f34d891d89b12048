"""Measures decontamination on real questions: planted items found, and other texts flagged.

    python -m benchmarks.contamination --train TRAIN.jsonl --test TEST.jsonl
    python -m benchmarks.contamination --only index --items 1000000

Both files are GSM8K's, with a `question` and an `answer` in each line. Each question of the test
set is planted in an answer between made-up paragraphs. Then the questions and answers of the
training set are checked unchanged. Flagged questions are printed for reading: a few problems are in
both sets, with other numbers or names.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path

from benchmarks.common import (
    heading,
    in_new_process,
    machine,
    memory,
    peak_bytes,
    print_figures,
    rating,
    timed,
)
from benchmarks.texts import Writer
from schemas.prompts import Message
from transforms.filters.decontaminate import EvaluationIndex, EvaluationItem, build_index
from transforms.filters.rules import Candidate

_DATA = Path(__file__).resolve().parents[2] / "shared/data"
_ITEM_CHARACTERS = 230  # the length of a question of GSM8K


def plant(index: EvaluationIndex, questions: list[str]) -> int:
    """Returns how many questions are found in the middle of another text."""
    writer = Writer()
    texts = (f"{writer.answer(600)}\n\n{text}\n\n{writer.answer(600)}" for text in questions)
    return sum(index.check(Candidate((), text)) is not None for text in texts)


def flag(index: EvaluationIndex, rows: list[dict[str, str]]) -> list[str]:
    """Returns the questions of the rows that are flagged, by their question or answer."""
    asked = [
        (row["question"], Candidate((Message("user", row["question"]),), row["answer"]))
        for row in rows
    ]
    return [question for question, candidate in asked if index.check(candidate)]


def measure_index(items: int) -> tuple[float, int]:
    """Returns the processor seconds and the memory of an index of made-up items."""
    writer = Writer()
    made = (EvaluationItem("made", n, writer.answer(_ITEM_CHARACTERS)) for n in range(items))
    _, cost = timed(lambda: build_index(made))
    return cost.cpu_seconds, peak_bytes()


def compare(train: Path, test: Path, printed: int) -> None:
    """Prints how much of the test set is found, planted and in the training set."""
    heading("GSM8K's training set against its test set")
    rows, questions = list(_rows(train)), [row["question"] for row in _rows(test)]
    items = (EvaluationItem("test", n, text) for n, text in enumerate(questions, 1))
    index = build_index(items)
    found = plant(index, questions)
    print_figures(
        "planted and found", f"{found} of {len(questions)}", rating(found / len(questions), 1.0)
    )
    flagged = flag(index, rows)
    share = len(flagged) / len(rows)
    print_figures("flagged unchanged", f"{len(flagged)} of {len(rows)}", f"{share:.3%}")
    for question in flagged[:printed]:
        print(f"  {question}")


def _rows(path: Path) -> Iterator[dict[str, str]]:
    with path.open(encoding="utf-8") as lines:
        yield from map(json.loads, lines)


def main() -> None:
    """Runs the parts that the command line names."""
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
        seconds, peak = in_new_process(measure_index, given.items)
        print_figures(
            "built at", f"{given.items / seconds:.0f} items/CPU s", f"peak {memory(peak)}"
        )


if __name__ == "__main__":
    main()
