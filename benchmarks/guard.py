"""Measures the guard: loading the catalogue, cached verdicts, and a batch of questions.

    python -m benchmarks.guard

It prints figures and asserts none.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from schemas.purpose import Purpose
from schemas.terms import Use
from transforms.guard.catalogue.load import load_catalogue
from transforms.guard.evaluate import Guard

QUESTIONS = 10_000
VERDICTS = 100_000
_USES: tuple[Use, ...] = ("train_generative", "train_narrow", "select", "evaluate")


def main() -> None:
    """Runs and prints all measurements."""
    seconds = _timed(load_catalogue)
    catalogue = load_catalogue()
    versions = sum(len(found) for found in catalogue.documents.values())
    print(
        f"catalogue: {versions} document versions, {len(catalogue.routes)} routes, {seconds:.2f} s"
    )
    print(f"cached verdicts: {VERDICTS / _timed(lambda: _decide(Guard(catalogue))):,.0f} a second")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "questions.jsonl")
        path.write_text("\n".join(_questions(sorted(catalogue.routes))) + "\n")
        print(f"decide --batch, {QUESTIONS} questions: {_timed(lambda: _batch(path)):.2f} s in all")


def _timed(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def _decide(guard: Guard) -> None:
    today = datetime.now(UTC).date()
    for number in range(VERDICTS):
        guard.decide("deepseek-api/deepseek-chat", Purpose(use=_USES[number % 4]), today)


def _questions(routes: list[str]) -> list[str]:
    first = date(2026, 1, 1)
    return [
        json.dumps(
            {
                "route": routes[number % len(routes)],
                "on": (first + timedelta(number % 300)).isoformat(),
                "unapproved": "allow",
                "purpose": {
                    "use": _USES[number % 4],
                    "student": {"name": f"student-{number % 97}", "competes_with": []},
                    "organisation": {"commercial": number % 3 == 0, "domicile": "DE"},
                },
            }
        )
        for number in range(QUESTIONS)
    ]


def _batch(path: Path) -> None:
    command = [sys.executable, "-m", "stillroom", "decide", "--batch", str(path)]
    subprocess.run(command, check=True, capture_output=True)


if __name__ == "__main__":
    main()
