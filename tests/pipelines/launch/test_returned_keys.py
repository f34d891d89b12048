"""A server that returns the key: no file that a run writes holds it, and the user is told."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from tests.pipelines.project import Project, make_project
from tests.teacher import MODEL, Call, Reply, answer, failure, raw
from tests.teacher import Teacher as Server
from transforms.transport.masking import MASK

KEY = "sk-test-4f9a8b7c6d5e"
PROMPTS = ["answer", "reasoning", "model", "id", "header", "tool", "code", "page", "base64"]


def return_key(call: Call) -> Reply:
    """Returns the key in the place that the prompt names."""
    key = call.headers["authorization"].removeprefix("Bearer ")
    body: dict[str, Any] = json.loads(answer("An answer of some words.").body)
    match call.prompt:
        case "answer":
            return answer(f"You sent {key}.")
        case "reasoning":
            return answer("An answer with thoughts.", reasoning=f"The key is {key}")
        case "base64":
            return answer(base64.b64encode(f"Bearer {key}".encode()).decode())
        case "model":
            return answer("An answer of another.", model=f"{MODEL}-{key}")
        case "header":
            return answer("An answer with headers.", headers={"x-request-id": key})
        case "id":
            return raw(json.dumps(body | {"id": key, "system_fingerprint": key}).encode())
        case "code":
            error = {"message": f"bad key {key}", "code": key, "type": key}
            return raw(json.dumps({"error": error}).encode(), status=400)
        case "page":
            return raw(f"<html>{key}</html>".encode(), status=404)
        case _:
            return failure(400)


def project(folder: Path, endpoint: str, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.setenv("TEACHER_KEY", KEY)
    return make_project(folder, endpoint, PROMPTS, route={"key": "env:TEACHER_KEY"})


def test_no_file_of_a_run_holds_a_key_that_the_server_returned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Server(return_key) as teacher:
        here = project(tmp_path, teacher.endpoint, monkeypatch)
        result = here.run()
    assert result.asked > 0
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    texts = {str(path): path.read_bytes() for path in files}
    texts |= {
        f"{path} read": str(pq.read_table(path).to_pylist()).encode()
        for path in files
        if path.suffix == ".parquet"
    }
    secret = base64.b64encode(f"Bearer {KEY}".encode())[12:24]
    assert [name for name, text in texts.items() if KEY.encode() in text or secret in text] == []
    ledger = b"".join(text for name, text in texts.items() if "/ledger/" in name)
    assert ledger.count(MASK.encode()) >= 8
    rows = {row["messages"][0]["content"]: row for row in here.rows(result)}
    assert rows["answer"]["messages"][-1]["content"] == f"You sent {MASK}."
    assert {name for name, row in rows.items() if "returned_key" in row["tags"]} == {
        "answer",
        "base64",
        "reasoning",
    }
    assert any("the server returned your key" in error for error in result.errors)
    assert KEY not in repr(result)
