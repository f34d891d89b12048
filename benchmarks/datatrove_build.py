"""Builds a corpus with datatrove from a folder with `texts.jsonl`; processor seconds on stdout.

It runs in an interpreter that has datatrove, perhaps not ours, and imports nothing else of ours. It
reads, runs the Gopher filters and MinHash in four stages, and writes Parquet: datatrove's defaults,
one task at a time.
"""

from __future__ import annotations

import json
import resource
import sys
from importlib import import_module
from pathlib import Path
from typing import Any


def _pipelines(folder: Path) -> list[list[Any]]:
    """Returns the stages in order; datatrove runs each as a pipeline of its own."""
    dedup: Any = import_module("datatrove.pipeline.dedup")
    filters: Any = import_module("datatrove.pipeline.filters")
    readers: Any = import_module("datatrove.pipeline.readers")
    writers: Any = import_module("datatrove.pipeline.writers")
    kept, signatures = str(folder / "kept"), str(folder / "signatures")
    buckets, removed = str(folder / "buckets"), str(folder / "removed")
    return [
        [
            readers.JsonlReader(str(folder), glob_pattern="texts.jsonl"),
            filters.GopherRepetitionFilter(),
            filters.GopherQualityFilter(),
            writers.JsonlWriter(kept),
        ],
        [readers.JsonlReader(kept), dedup.MinhashDedupSignature(signatures)],
        [dedup.MinhashDedupBuckets(signatures, buckets)],
        [dedup.MinhashDedupCluster(buckets, removed)],
        [
            readers.JsonlReader(kept),
            dedup.MinhashDedupFilter(removed),
            writers.ParquetWriter(str(folder / "out")),
        ],
    ]


def main() -> None:
    """Prints the processor time of the build, and how many documents its filters kept."""
    executor: Any = import_module("datatrove.executor").LocalPipelineExecutor
    folder = Path(sys.argv[1])
    stages, before = _pipelines(folder), _used()
    for number, stage in enumerate(stages):
        # Buckets are one task each; every other stage is one task.
        tasks = 14 if number == 2 else 1
        executor(stage, tasks=tasks, workers=1, logging_dir=str(folder / f"log-{number}")).run()
    rows = import_module("pyarrow.dataset").dataset(str(folder / "out")).count_rows()
    sys.stdout.write(json.dumps({"cpu_seconds": _used() - before, "kept": rows}))


def _used() -> float:
    """Returns the processor seconds of this process and its finished children."""
    mine = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in mine)


if __name__ == "__main__":
    main()
