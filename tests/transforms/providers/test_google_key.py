"""A Google access token: got with google-auth, sent to Google alone, renewed in time."""

from __future__ import annotations

import copy
import json
import logging
import pickle
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import parse_qs

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from schemas.errors import InputError
from schemas.inputs.check import check_value
from schemas.inputs.registry import Route, Timeouts, WrittenRegistry
from tests.teacher import Call, Reply, Script, Teacher, failure, raw
from tests.transforms.asking.asking import (
    Naps,
    make_requests,
    make_route,
    responses,
    run_engine,
)
from tests.transforms.providers.apis.bodies import body_of
from transforms.clock import Clock
from transforms.limits.route_work import RouteWork
from transforms.providers.key import Key
from transforms.providers.keys import resolve_keys

KEY = "google:default"
PATIENT = Timeouts(connect_seconds=2.0, response_seconds=5.0, patience_seconds=20_000.0)


@dataclass
class Google:
    """The token endpoint on loopback. It issues `ya29.secret-1`, `ya29.secret-2`, …

    Attributes:
        lasts: Lifetimes of the tokens in seconds; the last entry is repeated.
        refusals: How many of the next calls are refused.
        given: Tokens issued.
        asked: Forms received.
    """

    lasts: list[int] = field(default_factory=lambda: [3600])
    refusals: int = 0
    given: list[str] = field(default_factory=list)
    asked: list[dict[str, list[str]]] = field(default_factory=list)

    def answer(self, form: dict[str, list[str]]) -> tuple[int, dict[str, Any]]:
        self.asked.append(form)
        if self.refusals:
            self.refusals -= 1
            return 400, {"error": "invalid_grant"}
        seconds = self.lasts[min(len(self.given), len(self.lasts) - 1)]
        self.given.append(f"ya29.secret-{len(self.given) + 1}")
        return 200, {"access_token": self.given[-1], "expires_in": seconds, "token_type": "Bearer"}


@pytest.fixture(scope="module")
def private_key() -> str:
    """A key made for this test run."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()


@pytest.fixture
def google(tmp_path: Path, private_key: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Google]:
    """Runs the token endpoint, which the application default credentials name."""
    tokens = Google()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
            status, said = tokens.answer(form)
            body = json.dumps(said).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Logs nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        account = {
            "type": "service_account",
            "project_id": "p",
            "private_key_id": "1",
            "private_key": private_key,
            "client_email": "stillroom@p.iam.gserviceaccount.com",
            "client_id": "1",
            "token_uri": f"http://127.0.0.1:{server.server_port}/token",
        }
        path = tmp_path / "account.json"
        path.write_text(json.dumps(account))
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(path))
        yield tokens
        server.shutdown()


def route(endpoint: str, name: str = "google/gemini", **settings: Any) -> Route:
    made = make_route(endpoint, name, api="gemini", key=KEY, timeouts=PATIENT, **settings)
    return made.model_copy(update={"where": "teachers.yaml:4"})


def at(teacher: Teacher) -> str:
    """Returns a teacher's endpoint with the path of Vertex AI."""
    return teacher.endpoint + "/projects/p/locations/europe-west4/publishers/google"


def tokens_sent(teacher: Teacher) -> list[str]:
    return [call.headers["authorization"].removeprefix("Bearer ") for call in teacher.calls]


def good(_: Call) -> Reply:
    return raw(body_of("gemini", "answer"))


def late(calls: int) -> Script:
    """Answers. The first calls must come again after more than an hour."""
    return lambda call: failure(429, retry_after="4000") if call.number <= calls else good(call)


def work(route: Route, count: int, clock: Clock) -> RouteWork:
    key = resolve_keys([route], wall=clock.wall)[route.id]
    return RouteWork(route, make_requests(count, route.id), key)


def test_a_token_is_sent_as_a_bearer_token_and_not_as_a_key(tmp_path: Path, google: Google) -> None:
    with Teacher(good) as teacher:
        clock = Naps().clock()
        done = run_engine(tmp_path / "l", work(route(at(teacher)), 3, clock), clock=clock)
        [call, *_] = teacher.calls
    assert done["google/gemini"].answered == 3
    assert tokens_sent(teacher) == google.given * 3 == ["ya29.secret-1"] * 3
    assert "x-goog-api-key" not in call.headers
    models = "/v1/projects/p/locations/europe-west4/publishers/google/models"
    assert call.path == f"{models}/test-model:generateContent"
    [asked] = google.asked
    assert asked["grant_type"] == ["urn:ietf:params:oauth:grant-type:jwt-bearer"]


def test_a_token_that_ends_during_a_run_is_renewed_once_for_all_routes(
    tmp_path: Path, google: Google
) -> None:
    google.lasts = [3600, 1_000_000]
    with Teacher(late(8)) as teacher:  # all that both routes have in flight
        clock = Naps().clock()
        routes = [route(at(teacher)), route(at(teacher), "google/other")]
        keys = resolve_keys(routes, wall=clock.wall)
        works = [RouteWork(each, make_requests(8, each.id), keys[each.id]) for each in routes]
        assert works[0].account == works[1].account
        done = run_engine(tmp_path / "l", *works, clock=clock)
    assert [each.answered for each in done.values()] == [8, 8]
    assert google.given == ["ya29.secret-1", "ya29.secret-2"]
    sent = tokens_sent(teacher)
    assert sent[0] == "ya29.secret-1"
    assert sent.count("ya29.secret-1") <= 8
    assert sent[-1] == "ya29.secret-2"


def test_a_short_token_is_not_renewed_with_every_request(tmp_path: Path, google: Google) -> None:
    google.lasts = [100]
    with Teacher(good) as teacher:
        clock = Naps().clock()
        run_engine(tmp_path / "l", work(route(at(teacher)), 20, clock), clock=clock)
    assert google.given == ["ya29.secret-1"]


def test_requests_wait_while_a_token_cannot_be_renewed(tmp_path: Path, google: Google) -> None:
    google.lasts = [3600, 1_000_000]

    def script(call: Call) -> Reply:
        google.refusals = 2 if call.number == 1 else 0
        return late(1)(call)

    with Teacher(script) as teacher:
        clock = Naps().clock()
        done = run_engine(tmp_path / "l", work(route(at(teacher)), 1, clock), clock=clock)
    assert tokens_sent(teacher) == ["ya29.secret-1", "ya29.secret-2"]
    progress = done["google/gemini"]
    assert (progress.answered, progress.attempts, progress.usd_uncertain) == (1, 4, 0)
    [[_, second, third, _]] = responses(tmp_path / "l").values()
    assert (second.outcome, second.body) == ("key_not_renewed", b"")
    assert third.detail == "no new Google access token: RefreshError"


def test_a_token_is_used_until_it_ends_while_there_is_no_new_one(
    tmp_path: Path, google: Google
) -> None:
    def script(call: Call) -> Reply:
        google.refusals = 99
        return failure(429, retry_after="3500") if call.number == 1 else good(call)

    with Teacher(script) as teacher:
        clock = Naps().clock()
        done = run_engine(tmp_path / "l", work(route(at(teacher)), 20, clock), clock=clock)
    assert done["google/gemini"].answered == 20
    assert set(tokens_sent(teacher)) == {"ya29.secret-1"}
    assert len(google.asked) == 2  # not once for each request


def test_without_a_new_token_nothing_is_sent_or_paid(tmp_path: Path, google: Google) -> None:
    with Teacher(late(1)) as teacher:
        clock = Naps().clock()
        one = work(route(at(teacher)), 1, clock)
        google.refusals = 99
        done = run_engine(tmp_path / "l", one, clock=clock)["google/gemini"]
        assert teacher.count == 1
    assert done.failed == {"key_not_renewed": 1}
    assert (done.usd, done.usd_uncertain, done.uncertain) == (0, 0, 0)


def test_a_token_is_in_no_log_ledger_or_pickle(
    tmp_path: Path, google: Google, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG), Teacher(late(1)) as teacher:
        google.lasts = [3600, 1_000_000]
        clock = Naps().clock()
        one = work(route(at(teacher)), 2, clock)
        done = run_engine(tmp_path / "ledger", one, clock=clock)
    assert len(google.given) == 2
    assert "secret" not in caplog.text + repr(one) + repr(done)
    for path in (tmp_path / "ledger").rglob("*"):
        assert path.is_dir() or b"secret-" not in path.read_bytes()
    for show in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="never pickled"):
            show(one.key)


@pytest.mark.parametrize(
    "endpoint",
    [
        "https://example.org/v1",
        "http://europe-west4-aiplatform.googleapis.com/v1",
        "https://aiplatform.googleapis.com.example.org/v1",
        "https://notgoogleapis.com/v1",
    ],
)
def test_a_token_is_never_sent_to_another_host_or_unencrypted(
    endpoint: str, google: Google
) -> None:
    with pytest.raises(InputError, match=r"teachers\.yaml:4: route google/gemini.*would send"):
        resolve_keys([route(endpoint)])
    assert google.asked == []


def test_a_token_may_be_sent_to_google(google: Google) -> None:
    at = "https://europe-west4-aiplatform.googleapis.com/v1/projects/p/locations/europe-west4"
    key = resolve_keys([route(at)])["google/gemini"]
    assert key.reveal() == "ya29.secret-1"
    assert key != Key("ya29.secret-1") != key


def test_credentials_that_give_no_token_are_named_with_the_route(google: Google) -> None:
    google.refusals = 9
    with pytest.raises(InputError, match=r"teachers\.yaml:4.*RefreshError") as caught:
        resolve_keys([route("http://127.0.0.1:9")])
    assert "gcloud auth" in str(caught.value)
    assert caught.value.__cause__ is None


def test_missing_credentials_are_named_with_the_route(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "none.json"))
    with pytest.raises(InputError, match=r"teachers\.yaml:4.*DefaultCredentialsError"):
        resolve_keys([route("http://127.0.0.1:9")])


@pytest.mark.parametrize(("key", "fits"), [(KEY, True), ("google:other", False), ("google", False)])
def test_a_registry_can_name_only_the_default_credentials(key: str, fits: bool) -> None:
    registry = {"routes": {"a/b": {"api": "gemini", "model": "m", "terms": ["t"], "key": key}}}
    with nullcontext() if fits else pytest.raises(InputError, match="google:default"):
        check_value(registry, WrittenRegistry, "registry")
