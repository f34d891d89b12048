"""Whole runs against real servers: what they send is read as it is meant.

`make test-servers` installs the servers. All of them answer with the embedded teacher's model.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.pipelines.project import ROUTE, Project, make_project
from tests.servers.running import Server, litellm, llama_cpp_python, running
from transforms.providers.embedded import MODEL, EmbeddedServer

pytestmark = pytest.mark.servers

HI, STORY, TOO_LONG = "Say hi.", "Tell me a long story about a dragon.", "word " * 3000
QUESTIONS = [f"What is {count} and {count}?" for count in range(5)]
# Without rules: what a small model says need not be good.
_RULES = [{"rule": "finish_reason"}]


@dataclass(frozen=True)
class Running:
    """A server that runs, and what to ask it for.

    Attributes:
        endpoint: Its base address.
        model: The model's name there.
        served_as: The model's name in its answers.
    """

    endpoint: str
    model: str
    served_as: str = MODEL


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Running]]:
    """llama.cpp's server, LiteLLM in front of it, and llama-cpp-python's."""
    folder = tmp_path_factory.mktemp("servers")
    with (
        EmbeddedServer() as teacher,
        running(litellm(folder, teacher.endpoint)) as proxy,
        running(llama_cpp_python(folder)) as other,
    ):
        yield {
            "llama.cpp": Running(teacher.endpoint, MODEL),
            "litellm": Running(proxy.endpoint, "smollm2"),
            "llama-cpp-python": Running(other.endpoint, MODEL),
        }


def _project(
    folder: Path,
    server: Running,
    prompts: list[str],
    model: str = "",
    *,
    patience: float = 50,
    **parameters: Any,
) -> Project:
    route = {
        "endpoint": server.endpoint,
        "model": model or server.model,
        "served_as": [server.served_as],
        "key": "env:SERVER_KEY",
        "quota": {"concurrency": 1},
        "timeouts": {"response_seconds": 120, "patience_seconds": patience},
    }
    teacher = {"id": ROUTE, "parameters": {"max_tokens": 60, "temperature": 0, **parameters}}
    return make_project(folder, "", prompts, route=route, teachers=[teacher], filters=_RULES)


def _start(project: Project, key: str = "sk-good") -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "stillroom", "run", str(project.path), "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"SERVER_KEY": key},
    )


def _ended(process: subprocess.Popen[str]) -> tuple[int, dict[str, Any]]:
    out, log = process.communicate(timeout=170)
    assert "Traceback" not in log
    return process.returncode, json.loads(out)


def _run(project: Project, key: str = "sk-good") -> tuple[int, dict[str, Any]]:
    return _ended(_start(project, key))


@pytest.mark.parametrize("name", ["llama.cpp", "litellm", "llama-cpp-python"])
def test_an_answer_a_cut_answer_and_a_prompt_that_is_too_long(
    tmp_path: Path, servers: dict[str, Running], name: str
) -> None:
    project = _project(tmp_path, servers[name], [HI, STORY, TOO_LONG])
    code, result = _run(project)
    assert (code, result["stopped"], result["accepted"]) == (0, None, 1)
    assert (result["rejected"], result["failed"]) == ({"length": 1}, {"http_400": 1})
    assert result["prompt_tokens"] > 60
    assert result["completion_tokens"] > 60
    [error] = result["errors"]
    assert "context" in error
    [row] = project.rows(_as_result(result))
    assert MODEL in json.dumps(row["provenance"], default=str)
    code, again = _run(project)
    assert (code, again["asked"], again["version"]) == (0, 0, result["version"])


def test_log_probabilities_and_json_by_a_schema(
    tmp_path: Path, servers: dict[str, Running]
) -> None:
    fields = {"name": {"type": "string", "maxLength": 10}}
    schema = {"type": "object", "properties": fields, "required": ["name"]}
    form = {"type": "json_schema", "json_schema": {"name": "person", "schema": schema}}
    for name in ("llama.cpp", "litellm"):
        project = _project(
            tmp_path / name,
            servers[name],
            ["Give me the name of a person."],
            response_format=form,
            logprobs=True,
            top_logprobs=2,
        )
        code, result = _run(project)
        assert (code, result["accepted"]) == (0, 1), name
        [row] = project.rows(_as_result(result))
        assert isinstance(json.loads(row["completion"])["name"], str)
        assert len(row["logprobs"]) >= 5


@pytest.mark.parametrize("name", ["litellm", "llama-cpp-python"])
def test_a_wrong_key_stops_the_route_at_the_first_answer(
    tmp_path: Path, servers: dict[str, Running], name: str
) -> None:
    code, result = _run(_project(tmp_path, servers[name], QUESTIONS), "sk-wrong")
    assert (code, result["stopped"]) == (5, "access")
    assert (result["failed"], result["pending"]) == ({"http_401": 1}, 4)


def test_a_model_that_is_not_there(tmp_path: Path, servers: dict[str, Running]) -> None:
    code, result = _run(_project(tmp_path / "a", servers["litellm"], QUESTIONS[:2], "no-model"))
    assert (code, result["failed"]) == (1, {"http_400": 2})
    assert "Invalid model name passed in model=no-model" in result["errors"][0]
    # llama.cpp answers with the model that it has.
    other = Running(servers["llama.cpp"].endpoint, "no-model", served_as="no-model")
    code, result = _run(_project(tmp_path / "b", other, [HI]))
    assert (code, result["rejected"]) == (1, {"served_model_differs": 1})


def test_what_litellm_limits_stops_the_route_as_it_should(
    tmp_path: Path, servers: dict[str, Running]
) -> None:
    proxy = servers["litellm"]
    code, result = _run(_project(tmp_path / "budget", proxy, QUESTIONS), "sk-without-budget")
    assert (code, result["stopped"], result["pending"]) == (4, "money", 5)
    # A key's limit, with `retry-after`; a model's, with the header of a provider: 60 s.
    for model, key, most in (("", "sk-three-a-minute", 3), ("twice-a-minute", "sk-good", 2)):
        code, result = _run(_project(tmp_path / key, proxy, QUESTIONS, model), key)
        assert (code, result["stopped"], result["failed"]) == (4, "quota", {})
        assert 1 <= result["asked"] == 5 - result["pending"] <= most
        assert "longer wait" in result["stops"][0]


def test_a_provider_that_is_gone_behind_litellm_may_come_back(
    tmp_path: Path, servers: dict[str, Running]
) -> None:
    code, result = _run(_project(tmp_path, servers["litellm"], [HI], "unreachable", patience=2))
    assert (code, result["failed"]) == (1, {"http_500": 1})
    assert "Connection error" in result["errors"][0]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL], ids=["term", "kill"])
def test_a_server_that_ends_in_the_middle_and_starts_again_loses_nothing(
    tmp_path: Path, number: signal.Signals
) -> None:
    server = llama_cpp_python(tmp_path)
    with running(server):
        target = Running(server.endpoint, MODEL)
        project = _project(tmp_path / "run", target, QUESTIONS[:3], max_tokens=20)
        run = _start(project)
        _wait_for_answers(server, 1)
        server.stop(number)
        time.sleep(1)
        server.start()
        _, result = _ended(run)
    assert (result["stopped"], result["failed"], result["pending"]) == (None, {}, 0)
    assert result["accepted"] + sum(result["rejected"].values()) + result["duplicates"] == 3


def _wait_for_answers(server: Server, count: int) -> None:
    deadline = time.monotonic() + 60
    while server.log.read_text().count("200 OK") < count + 1:  # one for the question if it is ready
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _as_result(result: dict[str, Any]) -> Any:
    """Returns what `Project.rows` reads of a result."""

    @dataclass
    class Published:
        folder: str

    return Published(result["folder"])
