"""A run beside a healthy route of every hostile answer: the healthy one loses nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import ANY

import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
import yaml

from tests.hostile_server import (
    HOSTILE,
    PAID,
    UNUSABLE,
    USABLE,
    HostileServer,
    Received,
    completion,
    http,
    said,
)
from tests.pipelines.project import Project, make_project, questions
from tests.teacher import MODEL

pytestmark = pytest.mark.servers

KEY = "tok-4f9a2b7c81d6e35f"  # of no known form: only the process knows that it is a key
_IN_FLIGHT = 64
_MOST_BYTES = 2**30


@dataclass(frozen=True)
class Ended:
    """A run that has ended, in a process of its own.

    Attributes:
        code: Exit code.
        result: What it printed.
        log: What it wrote to stderr.
        peak: The most memory that it held, in bytes.
    """

    code: int
    result: Mapping[str, Any]
    log: str
    peak: int

    def answers(self, route: str) -> dict[str, str]:
        """Returns the accepted completions of a route, by prompt."""
        rows = ds.dataset(f"{self.result['folder']}/data").to_table().to_pylist()
        return {
            row["messages"][-2]["content"]: row["completion"]
            for row in rows
            if route in json.dumps(row["provenance"], default=str)
        }


def _healthy(call: Received) -> bytes:
    return http(completion(_healthy_answer(call.prompt)))


def _healthy_answer(prompt: str) -> str:
    return " ".join(f"{word}-{place}" for place, word in enumerate(reversed(prompt.split())))


def _project(folder: Path, hostile: str, healthy: str, prompts: list[str]) -> Project:
    ids = ("test/hostile", "test/healthy")
    teachers = [{"id": each, "parameters": {"max_tokens": 100}} for each in ids]
    project = make_project(folder, "", prompts, teachers=teachers)
    route = {
        "api": "openai-chat",
        "model": MODEL,
        "quota": {"concurrency": _IN_FLIGHT},
        # Shorter than any pause: what fails is not asked again in this run.
        "timeouts": {"connect_seconds": 5, "response_seconds": 5, "patience_seconds": 0.001},
        "terms": ["spdx/apache-2.0"],
    }
    routes = {
        "test/hostile": route | {"endpoint": hostile, "key": "env:HOSTILE_KEY"},
        "test/healthy": route | {"endpoint": healthy, "timeouts": {}},
    }
    (folder / "teachers.yaml").write_text(yaml.safe_dump({"routes": routes}))
    return project


def _run(project: Project) -> Ended:
    command = [sys.executable, "-m", "stillroom", "run", str(project.path), "--json"]
    out, log = project.folder / "out", project.folder / "log"
    environment = os.environ | {"HOSTILE_KEY": KEY}
    with out.open("w") as stdout, log.open("w") as stderr:
        process = subprocess.Popen(command, stdout=stdout, stderr=stderr, env=environment)
        _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    result = json.loads(out.read_text())
    return Ended(process.returncode, result, log.read_text(), used.ru_maxrss * 1024)


def test_every_hostile_answer_at_once_costs_a_healthy_route_nothing(tmp_path: Path) -> None:
    prompts = questions(_IN_FLIGHT)
    shapes = dict(zip(HOSTILE, prompts, strict=False))
    assert len(HOSTILE) <= _IN_FLIGHT
    with (
        HostileServer(
            {prompt: HOSTILE[name] for name, prompt in shapes.items()}, together=_IN_FLIGHT
        ) as hostile,
        HostileServer(dict.fromkeys(prompts, _healthy)) as healthy,
    ):
        project = _project(tmp_path, hostile.endpoint, healthy.endpoint, prompts)
        first = _run(project)
        in_flight = hostile.most_in_flight
        hostile.shapes = {}
        second = _run(project)
    assert in_flight == _IN_FLIGHT
    assert set(healthy.asked.values()) == {1}
    for run in (first, second):
        assert run.answers("test/healthy") == {each: _healthy_answer(each) for each in prompts}
        assert "Traceback" not in run.log
        assert run.peak < _MOST_BYTES
    # Nothing is left to ask, so no route is stopped.
    assert (first.code, first.result["stopped"], first.result["pending"]) == (0, None, 0)
    assert sum(first.result["failed"].values()) == len(UNUSABLE)
    usable = {**{name: said(shapes[name]) for name in USABLE}, "key in an answer": ANY}
    sound = {shapes[name]: answer for name, answer in usable.items()} | {
        each: said(each) for each in prompts[len(HOSTILE) :]
    }
    assert first.answers("test/hostile") == sound
    # What held no answer was asked again; what could not be read was paid for.
    assert second.code == 0
    assert second.result["pending"] == 0
    found = second.answers("test/hostile")
    assert found.items() >= {each: said(each) for each in found if each not in sound}.items()
    assert set(prompts) - set(found) == {shapes[name] for name in PAID}
    assert KEY not in _everything(project.folder)


def _everything(folder: Path) -> str:
    """Returns all that a run wrote, tables as text."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    tables = (path for path in files if path.suffix == ".parquet")
    texts = (path for path in files if path.suffix != ".parquet")
    return "".join(
        [str(pq.read_table(path).to_pylist()) for path in tables]
        + [path.read_bytes().decode(errors="replace") for path in texts]
    )


@pytest.mark.parametrize("shape", ["gzip bomb", "16 MiB of nul"])
def test_as_many_large_answers_as_are_in_flight_stay_below_the_limit_of_memory(
    tmp_path: Path, shape: str
) -> None:
    prompts = questions(_IN_FLIGHT)
    with (
        HostileServer(dict.fromkeys(prompts, HOSTILE[shape]), together=_IN_FLIGHT) as hostile,
        HostileServer(dict.fromkeys(prompts, _healthy)) as healthy,
    ):
        ended = _run(_project(tmp_path, hostile.endpoint, healthy.endpoint, prompts))
    assert ended.peak < _MOST_BYTES
    assert ended.answers("test/healthy") == {each: _healthy_answer(each) for each in prompts}
    assert ended.answers("test/hostile") == {}
    ledger = sum(path.stat().st_size for path in (tmp_path / "ledger").rglob("*"))
    assert ledger < _IN_FLIGHT * 2**20
