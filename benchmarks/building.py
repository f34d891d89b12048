"""Measures building beside other libraries: signatures, rules, whole builds, memory, quality.

    python -m benchmarks.building                                  everything, about ten minutes
    python -m benchmarks.building --others-python PATH             interpreter of the others
    python -m benchmarks.building --only build --sizes 20000 100000
    python -m benchmarks.building --only quality

Rates are per second of processor time on one core, which other work on the machine disturbs least.
Each measurement has a process of its own, and the best of the repeats counts. Texts are made up,
with a frozen seed.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from rich.console import Console

from benchmarks import datasketch_signature, datatrove_build
from benchmarks.common import (
    Cost,
    heading,
    in_new_process,
    machine,
    memory,
    peak_bytes,
    print_figures,
    rating,
    timed,
)
from benchmarks.ledgers import Project, make_project
from benchmarks.quality import judge, publish_planted
from benchmarks.texts import CHARACTERS, Writer
from pipelines.launch import launch
from schemas.prompts import Message
from transforms.dedupe.keys import unit_shingles
from transforms.dedupe.signature import band_keys, signature
from transforms.filters.language import detect_language
from transforms.filters.policy import compile_filters
from transforms.filters.rules import Candidate
from transforms.providers.tokens import count_tokens

_SIGNED = 4_000
_RULED = 4_000
_PROMPT = (Message("user", "How is number 1 put?"),)


def _texts(count: int) -> list[str]:
    writer = Writer()
    return [writer.answer() for _ in range(count)]


def sign(count: int) -> float:
    """Returns how many texts a second become bands."""
    texts = _texts(count)

    def work() -> None:
        signatures = [signature(unit_shingles(_PROMPT, t, "completion").values) for t in texts]
        band_keys(np.array(signatures))

    return count / timed(work)[1].cpu_seconds


def apply_rules(count: int) -> tuple[float, float]:
    """Returns records a second: the default rules alone, then with language and token count."""
    filters = compile_filters(None, str)
    texts = _texts(count)
    candidates = [Candidate(_PROMPT, text) for text in texts]
    detect_language(texts[0]), count_tokens(texts[0])  # load the models

    def prepare() -> None:
        for text in texts:
            detect_language(text)
            count_tokens(text)

    rules = timed(lambda: [filters.apply(candidate) for candidate in candidates])[1].cpu_seconds
    return count / rules, count / (rules + timed(prepare)[1].cpu_seconds)


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """What a build made and took.

    Attributes:
        records: Records accepted.
        cost: Time, from the run file to the published corpus.
        peak: Most memory held, bytes.
    """

    records: int
    cost: Cost
    peak: int

    @property
    def per_cpu_second(self) -> float:
        """Records a second of processor time."""
        return self.records / self.cost.cpu_seconds


def build(project: Project) -> Built:
    """Builds a project on the local runner from its ledger alone; returns what it took."""
    quiet = Console(quiet=True)
    result, cost = timed(lambda: launch(project.run, [], slices=1, asks=False, console=quiet))
    return Built(records=result.accepted, cost=cost, peak=peak_bytes())


def fill(folder: Path, count: int) -> Project:
    """Makes a project with a number of answers."""
    writer = Writer()
    return make_project(folder, count, (writer.answer() for _ in range(count)))


def _best(repeats: int, function: Callable[..., float], *arguments: object) -> float:
    return max(in_new_process(function, *arguments) for _ in range(repeats))


def compare_signatures(python: str | None, repeats: int) -> None:
    """Prints the rate of signatures, and datasketch's if there is an interpreter with it."""
    heading(f"Text to signature, {CHARACTERS} characters")
    ours = _best(repeats, sign, _SIGNED)
    print_figures("stillroom", f"{ours:.0f} texts/CPU s")
    if python is None:
        print_figures("datasketch", "not found")
        return
    theirs = max(_run_datasketch(python) for _ in range(repeats))
    print_figures("datasketch", f"{theirs:.0f} texts/CPU s")
    print_figures("stillroom / datasketch", f"{ours / theirs:.2f}", rating(ours / theirs, 2.0))


def _run_datasketch(python: str) -> float:
    done = subprocess.run(
        [python, datasketch_signature.__file__],
        input=json.dumps(_texts(_SIGNED)),
        capture_output=True,
        text=True,
        check=True,
    )
    return _SIGNED / float(done.stdout)


def measure_rules(repeats: int) -> None:
    """Prints the rate of the default rules."""
    heading(f"All default rules, {CHARACTERS} characters")
    rules, whole = max(in_new_process(apply_rules, _RULED) for _ in range(repeats))
    print_figures("rules", f"{rules:.0f} records/CPU s", rating(rules, 1_200))
    print_figures("rules, language and tokens", f"{whole:.0f} records/CPU s", rating(whole, 1_200))


def measure_builds(sizes: list[int], repeats: int) -> None:
    """Prints the rate of whole builds, and how memory grows with the corpus."""
    heading(f"The whole build, {CHARACTERS} characters, local runner")
    peaks: dict[int, int] = {}
    for size in sizes:
        best = _best_build(size, repeats)
        peaks[size] = best.peak
        print_figures(
            f"{size:,} records",
            f"{best.per_cpu_second:.0f} records/CPU s",
            rating(best.per_cpu_second, 500),
            f"{best.records / best.cost.seconds:.0f} records/s",
        )
        print_figures(
            "  peak memory", memory(best.peak), rating(best.peak / 2**30, 4.0, at_most=True)
        )
    for one, other in pairwise(sizes):
        growth = peaks[other] / peaks[one]
        print_figures(
            f"memory, {one:,} to {other:,}",
            f"{growth:.2f} times",
            rating(growth, other / one, at_most=True),
        )


def _best_build(size: int, repeats: int) -> Built:
    with TemporaryDirectory(prefix="stillroom-bench-") as folder:
        project = in_new_process(fill, Path(folder) / "project", size)
        built = []
        for _ in range(repeats):
            shutil.rmtree(project.corpus, ignore_errors=True)
            built.append(in_new_process(build, project))
    assert all(one.records == size for one in built)
    return max(built, key=lambda one: one.per_cpu_second)


def compare_builds(python: str | None, size: int, repeats: int) -> None:
    """Prints the rate of whole builds, and datatrove's on the same texts."""
    heading(f"The whole build of {size:,} texts, {CHARACTERS} characters")
    ours = _best_build(size, repeats).per_cpu_second
    print_figures("stillroom", f"{ours:.0f} records/CPU s")
    if python is None:
        print_figures("datatrove", "not found")
        return
    done = min((_run_datatrove(python, size) for _ in range(repeats)), key=_cpu_seconds)
    theirs = size / _cpu_seconds(done)
    print_figures(
        "datatrove", f"{theirs:.0f} documents/CPU s", f"its filters kept {done['kept']:,}"
    )
    print_figures("stillroom / datatrove", f"{ours / theirs:.2f}")


def _run_datatrove(python: str, size: int) -> dict[str, float]:
    with TemporaryDirectory(prefix="stillroom-bench-") as folder:
        with (Path(folder) / "texts.jsonl").open("w") as texts:
            texts.writelines(json.dumps({"text": text}) + "\n" for text in _texts(size))
        command = [python, datatrove_build.__file__, folder]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def _cpu_seconds(done: dict[str, float]) -> float:
    return done["cpu_seconds"]


def measure_quality() -> None:
    """Prints which planted duplicates are found, and which texts are removed by mistake."""
    heading("Near-duplicates planted with a frozen seed, through the whole build")
    with TemporaryDirectory(prefix="stillroom-bench-") as folder:
        texts, rows = in_new_process(publish_planted, Path(folder) / "project")
    for figure in judge(texts, rows):
        print_figures(figure.name, f"{figure.value:g}", figure.rating)


def main() -> None:
    """Runs the parts that the command line names."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.building", description=__doc__)
    parser.add_argument("--only", choices=("signature", "rules", "build", "compare", "quality"))
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--sizes", type=int, nargs="+", default=[20_000, 40_000])
    parser.add_argument("--compared", type=int, default=10_000, help="texts built by both")
    parser.add_argument("--others-python", help="an interpreter with datasketch and datatrove")
    given = parser.parse_args()
    print(machine())
    if given.only in (None, "signature"):
        compare_signatures(given.others_python, given.repeats)
    if given.only in (None, "rules"):
        measure_rules(given.repeats)
    if given.only in (None, "quality"):
        measure_quality()
    if given.only in (None, "compare"):
        compare_builds(given.others_python, given.compared, given.repeats)
    if given.only in (None, "build"):
        measure_builds(given.sizes, given.repeats)


if __name__ == "__main__":
    main()
