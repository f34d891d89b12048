"""Makes records, and runs `Deduplicate` over them."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterable, Iterator, Sequence
from hashlib import sha256
from pathlib import Path
from random import Random

import apache_beam as beam
import pytest
from apache_beam.options.pipeline_options import PipelineOptions

from schemas.buckets import bucket_of
from schemas.codes import DedupeMethod
from schemas.index import Index
from schemas.inputs.quality import NearDedupe
from schemas.logprobs import Logprobs
from schemas.prompts import Message
from schemas.records import (
    DecisionProvenance,
    DedupeProvenance,
    PipelineProvenance,
    PromptProvenance,
    Provenance,
    Record,
    RequestProvenance,
    ResponseProvenance,
    TeacherProvenance,
)
from schemas.responses import ToolCall
from transforms.dedupe.blocks import Removal, VerdictBlock
from transforms.dedupe.deduplicate import Deduplicate
from transforms.dedupe.sketch import sketch_bucket

PROVENANCE = Provenance(
    prompt=PromptProvenance(source="own", license="CC0-1.0", file="prompts.jsonl", sha256=""),
    teacher=TeacherProvenance(
        route="t/m",
        api="openai-chat",
        host="localhost",
        requested_model="m",
        response_model="m",
        revision="",
        system_fingerprint="",
    ),
    request=RequestProvenance(
        id="", sample_index=0, parameters="{}", sent_at=0, received_at=0, attempts=1
    ),
    response=ResponseProvenance(
        id="",
        finish_reason="stop",
        prompt_tokens=1,
        completion_tokens=1,
        cached_tokens=None,
        reasoning_tokens=None,
        usd=0.0,
        sha256="",
        repair_of="",
    ),
    terms=(),
    decision=DecisionProvenance(
        id="", use="train_generative", registry_digest="", decided_at=0, authorisations=()
    ),
    duties=(),
    obligation_class="none",
    generators=(),
    pipeline=PipelineProvenance(version="0", config_digest="", collected_run=""),
    filters=(),
    judgements=(),
    dedupe=DedupeProvenance("", 1, DedupeMethod.NONE),
)


def _record(
    name: object,
    completion: str,
    prompt: str | None = None,
    system: str = "",
    tool_calls: tuple[ToolCall, ...] = (),
) -> Record:
    turns = [Message("user", f"question {name}" if prompt is None else prompt)]
    if system:
        turns.insert(0, Message("system", system))
    return Record(
        record_id=sha256(str(name).encode()).hexdigest(),
        prompt_id="",
        messages=(*turns, Message("assistant", completion)),
        completion=completion,
        reasoning="",
        tool_calls=tool_calls,
        language="",
        split="train",
        tags=(),
        counted_tokens=0,
        logprobs=Logprobs(),
        provenance=PROVENANCE,
    )


class Verdicts:
    """The verdicts of all buckets.

    Args:
        blocks: One block a bucket.
        counters: What the run counted, by name.
    """

    def __init__(self, blocks: list[VerdictBlock], counters: dict[str, int]) -> None:
        self.buckets = sorted(block.bucket for block in blocks)
        self.removed: dict[str, Removal] = {}
        self.clusters: dict[str, DedupeProvenance] = {}
        self.counters = counters
        for block in blocks:
            self.removed |= block.removed
            self.clusters |= block.clusters


class _Keep(beam.DoFn):
    """Writes each block to a file, since Beam runs a copy of this object."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def process(self, element: tuple[int, VerdictBlock]) -> Iterator[None]:
        bucket, block = element
        assert bucket == block.bucket
        (self._folder / f"{bucket}.pickle").write_bytes(pickle.dumps(block))
        yield from ()


def _deduplicate(
    folder: Path,
    records: Iterable[Record],
    near: NearDedupe | None,
    bits: int,
    options: Sequence[str],
    against: tuple[Index, ...],
) -> Verdicts:
    folder.mkdir()
    buckets: dict[int, list[Record]] = {bucket: [] for bucket in range(1 << bits)}
    for record in records:
        buckets[bucket_of(record.record_id, bits)].append(record)
    sketches = [sketch_bucket(bucket, found, near, folder) for bucket, found in buckets.items()]
    pipeline = beam.Pipeline(options=PipelineOptions(["--runner=FnApiRunner", *options]))
    verdicts = pipeline | beam.Create(sketches) | Deduplicate(near, folder, against)
    _ = verdicts | "Keep" >> beam.ParDo(_Keep(folder))
    result = pipeline.run()
    result.wait_until_finish()
    counted = result.metrics().query()["counters"]
    blocks = [pickle.loads(path.read_bytes()) for path in folder.glob("*.pickle")]  # noqa: S301
    return Verdicts(blocks, {counter.key.metric.name: counter.committed for counter in counted})


@pytest.fixture(scope="session")
def make_record() -> Callable[..., Record]:
    """Makes a record: `make_record(name, completion, prompt=None, system="")`."""
    return _record


@pytest.fixture(scope="session")
def deduplicate(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Verdicts]:
    """Runs `Deduplicate`: `deduplicate(records, near=None, bits=2, *options, against=())`."""

    def run(
        records: Iterable[Record],
        near: NearDedupe | None = None,
        bits: int = 2,
        *options: str,
        against: tuple[Index, ...] = (),
    ) -> Verdicts:
        folder = tmp_path_factory.mktemp("dedupe") / "work"
        return _deduplicate(folder, records, near, bits, options, against)

    return run


class Writer:
    """Writes texts with a known similarity.

    Args:
        seed: Fixed, so that a test gets the same texts every time.
    """

    def __init__(self, seed: int) -> None:
        self._random = Random(seed)
        self._words = 0

    def words(self, count: int) -> list[str]:
        """Returns words drawn from a vocabulary of 20,000."""
        return [f"w{self._random.randrange(20_000)}" for _ in range(count)]

    def edited(self, words: list[str], jaccard: float, block: bool) -> list[str]:
        """Changes words, scattered or in one block, as far as a similarity allows.

        Args:
            words: The original.
            jaccard: Least similarity of the two.
            block: Whether the changed words stand together.

        Returns:
            The changed words: at the similarity or just above it.
        """
        count = len(words)
        order = list(range(self._random.randrange(count), count)) if block else []
        order += self._random.sample(range(count), count)
        changed = list(words)
        for place in order:
            attempt = list(changed)
            self._words += 1
            attempt[place] = f"new{self._words}"
            if true_jaccard(words, attempt) < jaccard:
                return changed
            changed = attempt
        return changed


def true_jaccard(one: list[str], other: list[str]) -> float:
    """Returns the Jaccard similarity of two texts' runs of five words, by sets of strings."""
    runs, others = (
        {tuple(words[i : i + 5]) for i in range(len(words) - 4)} for words in (one, other)
    )
    return len(runs & others) / len(runs | others)


@pytest.fixture
def writer() -> Writer:
    """A writer with a fixed seed."""
    return Writer(20_260_131)


@pytest.fixture(scope="session")
def jaccard() -> Callable[[list[str], list[str]], float]:
    """Returns the Jaccard similarity of words, independently of our code."""
    return true_jaccard
