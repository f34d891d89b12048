"""The evaluation sets of a run file: read whole, or not at all."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from schemas.errors import InputError
from schemas.inputs.quality import EvaluationSet
from schemas.inputs.run import RunFile
from schemas.purpose import Purpose
from transforms.filters.rules import Candidate
from transforms.prompts.evaluation import evaluation_index

ITEM = "Natalia sold clips to forty-eight of her friends in April, and half as many clips in May."


def run_file(folder: Path, *files: str) -> RunFile:
    """Returns a run file with evaluation sets in a folder, their texts in `question`."""
    sets = (EvaluationSet(files=files, text="question"),) if files else ()
    return RunFile(
        name="n",
        purpose=Purpose(use="select"),
        prompts=(),
        teachers=(),
        corpus="corpus",
        ledger="ledger",
        decontaminate=sets,
        base=str(folder),
    )


def test_a_run_without_evaluation_sets_has_no_index(tmp_path: Path) -> None:
    assert evaluation_index(run_file(tmp_path)) is None


def test_the_index_finds_an_item_of_the_set(tmp_path: Path) -> None:
    (tmp_path / "test.jsonl").write_text(json.dumps({"question": ITEM}) + "\n")
    index = evaluation_index(run_file(tmp_path, "*.jsonl"))
    assert index is not None
    assert index.check(Candidate((), f"Think of this. {ITEM} Now you.")) is not None
    assert index.check(Candidate((), "A text about something else entirely.")) is None


@pytest.mark.parametrize(
    "line", ["{broken", '{"qestion": "one"}', '{"question": 7}', '{"question": null}']
)
def test_a_record_without_a_text_is_an_error(tmp_path: Path, line: str) -> None:
    (tmp_path / "test.jsonl").write_text(json.dumps({"question": ITEM}) + f"\n{line}\n")
    with pytest.raises(InputError, match=r"test\.jsonl:2"):
        evaluation_index(run_file(tmp_path, "*.jsonl"))
