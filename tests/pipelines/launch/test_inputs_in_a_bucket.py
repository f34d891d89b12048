"""Prompts and evaluation sets in a bucket give the records that those on a disk give."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from schemas.errors import InputError
from tests.gcs_server import GcsServer
from tests.pipelines.project import make_project, questions
from tests.teacher import Teacher


def _lines(texts: list[str]) -> bytes:
    return "".join(json.dumps({"q": text}) + "\n" for text in texts).encode()


def test_prompts_and_evaluation_sets_in_a_bucket_are_read_as_on_a_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = questions(6)
    source = {"text": "q", "license": "CC0-1.0", "source": "tests"}
    with GcsServer() as server, Teacher() as teacher:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", server.endpoint)
        server.put("data/a.jsonl", _lines(asked[:3]))
        server.put("data/more/b.jsonl.gz", gzip.compress(_lines(asked[3:])))
        server.put("held-out/e.jsonl", _lines(["Quite another question, on the colour of kelp?"]))
        project = make_project(
            tmp_path,
            teacher.endpoint,
            asked,
            decontaminate=[{"files": "gs://bucket/held-out/*", "text": "q"}],
        )
        local = project.rows(project.run())
        project.change(prompts=[{**source, "files": "gs://bucket/data/**/*"}])
        result = project.run()
        remote = project.rows(result)
    assert (result.asked, result.from_ledger, result.accepted) == (0, 6, 6)
    assert {row["completion"] for row in remote} == {row["completion"] for row in local}
    assert {row["provenance"]["prompt"]["file"] for row in remote} == {
        "gs://bucket/data/a.jsonl",
        "gs://bucket/data/more/b.jsonl.gz",
    }


def test_a_pattern_that_matches_no_object_is_a_mistake_in_its_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = {"text": "q", "license": "CC0-1.0", "source": "tests"}
    with GcsServer() as server:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", server.endpoint)
        project = make_project(tmp_path, "http://127.0.0.1:9/v1")
        project.change(prompts=[{**source, "files": "gs://bucket/no/*"}])
        with pytest.raises(InputError, match=r"run\.yaml:\d+: .*gs://bucket/no/\*"):
            project.run()
