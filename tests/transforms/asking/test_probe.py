"""A probe of routes: what each kind of server says when it is asked for its list of models."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any

import pytest

from tests.teacher import MODEL, Call, Reply, Teacher, always, error, failure, raw
from tests.transforms.asking.asking import make_route
from transforms.asking.probe import Probe, ProbeState, probe_routes
from transforms.clock import Clock
from transforms.providers import embedded
from transforms.providers.embedded import EmbeddedServer

KEY = "sk-a-key-of-the-tests"


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROBE_KEY", KEY)


def listing(*names: str) -> Reply:
    """Replies as OpenAI lists models."""
    return send({"object": "list", "data": [{"id": name, "object": "model"} for name in names]})


def send(value: Any, status: int = 200) -> Reply:
    return raw(json.dumps(value).encode(), status=status)


def probe(reply: Reply, **route: Any) -> Probe:
    """Probes a route to a server that replies the same to every call."""
    with Teacher(always(reply)) as teacher:
        settings = {"key": "env:PROBE_KEY", **route}
        [found] = probe_routes([make_route(teacher.endpoint, **settings)], Clock())
    return found


@pytest.mark.parametrize(
    ("reply", "state", "fails"),
    [
        (listing("other", MODEL), ProbeState.LISTED, False),
        (send([{"id": MODEL}]), ProbeState.LISTED, False),
        (send({"data": [{"id": "file.gguf", "aliases": [MODEL]}]}), ProbeState.LISTED, False),
        (send({"data": [None, 3, {"id": None, "aliases": 7}]}), ProbeState.NO_LIST, False),
        (listing("other"), ProbeState.NOT_LISTED, False),
        (listing(), ProbeState.NO_LIST, False),
        (send({"detail": "Not Found"}, 404), ProbeState.NO_LIST, False),
        (failure(405), ProbeState.NO_LIST, False),
        (raw(b"<html>sign in</html>", content_type="text/html"), ProbeState.ERROR, False),
        (failure(503), ProbeState.ERROR, False),
        (failure(429), ProbeState.ERROR, False),
        (error(401, {"message": "Incorrect API key provided"}), ProbeState.KEY_REFUSED, True),
        (error(403, {"code": "invalid_api_key"}), ProbeState.KEY_REFUSED, True),
        (error(401, {"message": "Missing scopes: api.model.read"}), ProbeState.ERROR, False),
        (error(403, {"message": "not for you"}), ProbeState.ERROR, False),
        (error(402, {"message": "no money"}), ProbeState.NO_MONEY, True),
        (Reply(then="close"), ProbeState.UNREACHABLE, True),
    ],
)
def test_what_a_server_says_decides_what_is_known(
    reply: Reply, state: ProbeState, fails: bool
) -> None:
    found = probe(reply)
    assert (found.state, found.fails) == (state, fails)


@pytest.mark.parametrize(
    ("api", "path", "header", "reply"),
    [
        ("openai-chat", "/v1/models", ("authorization", f"Bearer {KEY}"), listing(MODEL)),
        ("anthropic-messages", "/v1/v1/models", ("x-api-key", KEY), listing(MODEL)),
        (
            "gemini",
            "/v1/models",
            ("x-goog-api-key", KEY),
            send({"models": [{"name": f"models/{MODEL}"}]}),
        ),
    ],
)
def test_each_api_is_asked_at_its_own_path_with_its_own_header_for_the_key(
    api: str, path: str, header: tuple[str, str], reply: Reply
) -> None:
    calls: list[tuple[str, Mapping[str, str]]] = []

    def script(call: Call) -> Reply:
        calls.append((call.path, call.headers))
        return reply

    with Teacher(script) as teacher:
        route = make_route(teacher.endpoint, api=api, key="env:PROBE_KEY")
        [found] = probe_routes([route], Clock())
    [(asked, headers)] = calls
    assert (asked.partition("?")[0], headers[header[0]]) == (path, header[1])
    assert found.state is ProbeState.LISTED


def test_a_model_that_is_not_listed_comes_with_the_near_names() -> None:
    found = probe(listing("org/Test-Model", "test-modell", "another"))
    assert found.near == ("org/Test-Model", "test-modell")


def test_the_embedded_server_lists_its_model_as_any_server_does() -> None:
    with EmbeddedServer(slots=1) as server:
        names = (embedded.MODEL, "SmolLM2-135M-Instruct-GGUF")
        routes = [make_route(server.endpoint, model=name) for name in names]
        found = probe_routes(routes, Clock())
    assert [each.state for each in found] == [ProbeState.LISTED, ProbeState.NOT_LISTED]
    assert found[1].near == (embedded.MODEL,)


def test_the_servers_words_are_shown_without_the_key() -> None:
    found = probe(error(401, {"message": f"Incorrect API key provided: {KEY}"}))
    assert found.detail.startswith("HTTP 401 Unauthorized: Incorrect API key provided")
    assert KEY not in found.detail


def test_a_missing_key_is_named_and_nothing_is_sent() -> None:
    os.environ.pop("PROBE_KEY")
    found = probe(listing(MODEL))
    assert (found.state, found.url) == (ProbeState.KEY_MISSING, "")
    assert "the environment variable PROBE_KEY is not set" in found.detail


@pytest.mark.parametrize("endpoint", ["http://127.0.0.1:9/v1", "http://no-such-host.invalid/v1"])
def test_a_host_that_is_not_there_is_named(endpoint: str) -> None:
    [found] = probe_routes([make_route(endpoint)], Clock())
    assert (found.state, found.url) == (ProbeState.UNREACHABLE, f"{endpoint}/models")
    assert found.detail


def test_a_slow_server_does_not_hold_up_the_probe_of_another() -> None:
    with Teacher(always(listing(MODEL).after(0.3))) as slow, Teacher(always(listing())) as quick:
        routes = [make_route(slow.endpoint, "t/slow"), make_route(quick.endpoint, "t/quick")]
        found = probe_routes(routes, Clock())
    assert [(each.route, each.state) for each in found] == [
        ("t/slow", ProbeState.LISTED),
        ("t/quick", ProbeState.NO_LIST),
    ]
