"""Runs with the embedded teacher: a real model over real HTTP, and real readers of the corpus."""

from __future__ import annotations

import json
from pathlib import Path

import duckdb
import pyarrow.dataset as ds
import pytest
from rich.console import Console

from pipelines.launch import launch
from pipelines.results import Result
from transforms.auditing.verify import verify

ROOT = Path(__file__).parents[3]
DEMO = ROOT / "examples/demo/prompts.jsonl"
GSM8K = ROOT.parent / "shared/data/gsm8k_train.jsonl"

RUN = """\
name: embedded
purpose: {{use: train_generative, student: {{distribution: internal}}}}
prompts:
  - {{files: "{files}", text: {field}, license: {license}, source: tests, limit: {limit}}}
system: Answer briefly.
teachers:
  - id: embedded/smollm2-135m-instruct
    samples: 2
    parameters: {{temperature: 0.7, max_tokens: 40, seed: 7}}
corpus: corpus
ledger: ledger
"""


def _run(path: Path) -> Result:
    return launch(path, (), slices=1, asks=True, console=Console(quiet=True))


def _shards(result: Result) -> dict[str, bytes]:
    files = Path(str(result.folder)).rglob("*.parquet")
    return {path.name: path.read_bytes() for path in files}


@pytest.mark.timeout(900)  # the model is as fast as the machine lets it be
@pytest.mark.parametrize(
    ("files", "field", "license_", "limit"),
    [
        pytest.param(DEMO, "prompt", "CC0-1.0", 10, id="demo"),
        # A minute of two processors: with the runs against other real servers.
        pytest.param(GSM8K, "question", "MIT", 40, id="gsm8k", marks=pytest.mark.servers),
    ],
)
def test_a_real_model_writes_a_corpus_that_balances_and_rebuilds(
    tmp_path: Path, files: Path, field: str, license_: str, limit: int
) -> None:
    if not files.exists():
        pytest.skip(f"the data set {files.name} is not beside the repository")
    path = tmp_path / "run.yaml"
    path.write_text(RUN.format(files=files, field=field, license=license_, limit=limit))
    first = _run(path)
    assert (first.requests, first.asked, first.pending) == (2 * limit, 2 * limit, 0)
    assert first.requests == first.accepted + first.duplicates + sum(
        (*first.rejected.values(), *first.failed.values())
    )
    assert first.accepted > 0
    assert verify(Path(first.corpus)).ok
    second = _run(path)
    assert (second.asked, second.from_ledger) == (0, 2 * limit)
    assert _shards(second) == _shards(first)
    _check_readers(Path(str(first.folder)), first.accepted)


@pytest.mark.timeout(900)
def test_a_real_model_judges_what_it_wrote(tmp_path: Path) -> None:
    path = tmp_path / "run.yaml"
    judge = (
        "judge:\n"
        "  teacher: {id: embedded/smollm2-135m-instruct, parameters: "
        "{temperature: 0, max_tokens: 40, seed: 1}}\n"
        "  criteria: Is the answer correct, complete and clear?\n"
        "  unreadable: tag\n"
        "filters: []\n"
    )
    run = RUN.replace("samples: 2", "samples: 1")
    path.write_text(run.format(files=DEMO, field="prompt", license="CC0-1.0", limit=3) + judge)
    first = _run(path)
    assert (first.asked, first.judged, first.accepted, first.pending) == (3, 3, 3, 0)
    for row in ds.dataset(f"{first.folder}/data").to_table().to_pylist():
        (judgement,) = row["provenance"]["judgements"]
        assert judgement["model"] == "smollm2-135m-instruct"
        assert judgement["score"] is not None or judgement["rationale"]
        unread = "judge_unreadable" in row["tags"]
        assert unread == (judgement["score"] is None) == (judgement["verdict"] == "unreadable")
    assert verify(Path(first.corpus)).ok
    second = _run(path)
    assert (second.asked, second.judged) == (0, 0)
    assert _shards(second) == _shards(first)


def _check_readers(folder: Path, records: int) -> None:
    pattern = str(folder / "data/**/*.parquet")
    row = ds.dataset(folder / "data").to_table().to_pylist()[0]
    assert row["provenance"]["teacher"]["response_model"] == "smollm2-135m-instruct"
    assert json.loads(row["provenance"]["request"]["parameters"])["max_tokens"] == 40
    query = f"select count(*), any_value(provenance.teacher.route) from '{pattern}'"  # noqa: S608
    found = duckdb.connect().execute(query).fetchall()
    assert found == [(records, "embedded/smollm2-135m-instruct")]


@pytest.mark.timeout(300)
def test_extra_reaches_a_real_server_and_binds_its_answers(tmp_path: Path) -> None:
    path = tmp_path / "run.yaml"
    run = RUN.replace("samples: 2", "samples: 1")
    text = run.format(files=DEMO, field="prompt", license="CC0-1.0", limit=1)
    grammar = """    extra: {top_k: 5, grammar: 'root ::= "yes" | "no"'}\n"""
    path.write_text(text.replace("corpus: corpus", f"{grammar}filters: []\ncorpus: corpus"))
    result = _run(path)
    assert (result.accepted, result.duplicates) == (1, 0)
    rows = ds.dataset(f"{result.folder}/data").to_table().to_pylist()
    assert [row["messages"][-1]["content"] in ("yes", "no") for row in rows] == [True]
