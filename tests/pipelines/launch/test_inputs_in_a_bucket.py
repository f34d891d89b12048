"""Prompts and evaluation sets in a bucket give the records that those on a disk give."""

from __future__ import annotations

import gzip
import json
from datetime import date
from pathlib import Path

import pytest

import stillroom
from pipelines.planning.terms_in_use import read_terms_in_use
from schemas.errors import InputError
from tests.gcs_server import GcsServer
from tests.pipelines.project import make_project, questions
from tests.teacher import Teacher

DAY = date(2026, 11, 28)
_CHANGED = {
    "document": "spdx/apache-2.0",
    "version": "2004-01",
    "address": "https://www.apache.org/licenses/LICENSE-2.0",
    "read": "0" * 64,
    "found": "1" * 64,
    "on": "2026-11-01",
}


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


def test_run_file_and_registry_in_a_bucket_start_the_run_that_those_on_a_disk_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with GcsServer() as server, Teacher() as teacher:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", server.endpoint)
        project = make_project(tmp_path, teacher.endpoint, questions(5))
        project.change(corpus=str(project.corpus), ledger=str(tmp_path / "ledger"))
        local = project.run()
        for path in tmp_path.glob("*.*"):
            server.put(f"team/{path.name}", path.read_bytes())
            path.unlink()
        remote = stillroom.run("gs://bucket/team/run.yaml")
        assert (remote.asked, remote.from_ledger) == (0, 5)
        assert project.shards(remote) == project.shards(local)

        note = {"changed": [_CHANGED]}  # as `terms check --fetch` writes it
        server.put("team/terms-changed.json", json.dumps(note).encode())
        in_use = read_terms_in_use("gs://bucket/team/run.yaml", None, DAY)
        assert [change.document for change in in_use.registry.changed] == ["spdx/apache-2.0"]
        server.put("team/terms-changed.json", b"{")
        with pytest.raises(InputError, match=r"gs://bucket/team/terms-changed\.json"):
            stillroom.plan("gs://bucket/team/run.yaml")


def test_a_run_file_in_a_bucket_needs_earlier_corpora_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with GcsServer() as server:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", server.endpoint)
        project = make_project(tmp_path, "http://127.0.0.1:9/v1", dedupe={"against": ["old"]})
        server.put("team/run.yaml", project.path.read_bytes())
        with pytest.raises(InputError, match=r"gs://bucket/team/run\.yaml:\d+: a relative path"):
            stillroom.plan("gs://bucket/team/run.yaml")
        with pytest.raises(InputError, match=r"gs://bucket/team/none\.yaml: no such file"):
            stillroom.plan("gs://bucket/team/none.yaml")
