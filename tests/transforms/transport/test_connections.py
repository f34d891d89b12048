"""An answer belongs to its request, whatever else a server writes to the connection."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress

import pytest
import uvloop
from yarl import URL

from schemas.inputs.registry import Timeouts
from tests.raw_server import RawRequest, RawServer, Talk, chat_answer, http_response
from transforms.providers.http_client import Exchange, HttpClient, HttpTarget, make_timeout
from transforms.transport.connections import REST_SECONDS, Identity

_TIMEOUT = make_timeout(Timeouts(connect_seconds=5, response_seconds=5))
_MARK = "0123456789abcdef"


def answer_to(request: RawRequest, *headers: str) -> bytes:
    return http_response(chat_answer(f"re {request.prompt}"), *headers)


def ask_all(
    talk: Callable[[Talk], Awaitable[None]], prompts: list[str], *, at_once: int = 1
) -> tuple[list[Exchange], int]:
    """Returns the exchange of each prompt, and how many connections were opened."""

    async def run() -> tuple[list[Exchange], int]:
        found: dict[int, Exchange] = {}
        left = iter(enumerate(prompts))
        async with RawServer(talk) as server, HttpClient() as client:
            target = HttpTarget(URL(f"{server.endpoint}/chat/completions"), {}, _TIMEOUT)

            async def work() -> None:
                for number, prompt in left:
                    body = json.dumps({"messages": [{"content": prompt}]}).encode()
                    found[number] = await client.post(target, body)

            await asyncio.gather(*(work() for _ in range(at_once)))
            return [found[number] for number in range(len(prompts))], server.connections

    return uvloop.run(run())


def texts(exchanges: list[Exchange]) -> list[str]:
    return [
        json.loads(each.body)["choices"][0]["message"]["content"] if each.answered else each.outcome
        for each in exchanges
    ]


@pytest.mark.parametrize("at_once", [1, 16])
@pytest.mark.parametrize("late_seconds", [0.0, 0.001, 0.02])
@pytest.mark.parametrize("extra", ["whole", "half"])
def test_a_response_that_nobody_asked_for_answers_no_request(
    at_once: int, late_seconds: float, extra: str
) -> None:
    async def talk(talk: Talk) -> None:
        first = await talk.request()
        data = answer_to(first)
        unasked, rest = (data, b"") if extra == "whole" else (data[:40], data[40:])
        if late_seconds:
            await talk.write(data)
            await asyncio.sleep(late_seconds)
            await talk.write(unasked)
        else:
            await talk.write(data + unasked)
        while True:
            answer = answer_to(await talk.request())
            await talk.write(rest + answer)
            rest = b""

    prompts = [f"p{number}" for number in range(30)]
    found, _ = ask_all(talk, prompts, at_once=at_once)
    assert texts(found) == [f"re {prompt}" for prompt in prompts]


def test_what_a_server_says_before_the_first_request_answers_nothing() -> None:
    async def talk(talk: Talk) -> None:
        await talk.write(http_response(chat_answer("hello")))
        await asyncio.sleep(0.01)
        await talk.write(answer_to(await talk.request()))

    found, _ = ask_all(talk, ["a", "b"])
    assert "hello" not in " ".join(texts(found))


def test_a_connection_is_used_again_after_a_rest() -> None:
    async def talk(talk: Talk) -> None:
        while True:
            request = await talk.request()
            await asyncio.sleep(0.03)
            await talk.write(answer_to(request))

    found, connections = ask_all(talk, [f"p{number}" for number in range(20)])
    assert all(each.answered for each in found)
    assert connections <= 4


@pytest.mark.parametrize("header", ["x-request-id", "x-litellm-call-id", "id"])
def test_a_response_that_names_another_request_answers_none(header: str) -> None:
    """The extra response comes too late for the rest; the server returns the request's id."""

    async def talk(talk: Talk) -> None:
        before = b""
        while True:
            request = await talk.request()
            name = request.headers["x-request-id"]
            if header == "id":
                body = chat_answer(f"re {request.prompt}", id=f"chatcmpl-{name}")
                data = http_response(body)
            else:
                data = answer_to(request, f"{header}: {name}")
            await talk.write(before or data)
            before = data

    found, _ = ask_all(talk, ["a", "b", "c"])
    assert texts(found[:1]) == ["re a"]
    assert {each.outcome for each in found[1:]} <= {"other_answer", "answer"}
    right = [
        text in ("other_answer", f"re {prompt}")
        for text, prompt in zip(texts(found), "abc", strict=True)
    ]
    assert all(right)


def test_an_id_is_32_hex_digits_and_never_the_same() -> None:
    identity = Identity(_MARK)
    ids = [identity.next(b"a") for _ in range(100)]
    assert len(set(ids)) == 100
    assert all(len(each) == 32 and int(each, 16) for each in ids)


def test_a_response_that_names_no_request_is_not_doubted() -> None:
    identity = Identity(_MARK)
    mine = identity.next(b"a")
    assert not identity.names_another(mine, ["req_011CQ"], b'{"id":"chatcmpl-7"}')
    assert not identity.names_another(mine, [mine], b"{}")
    assert not identity.names_another(mine, [f"chatcmpl-{mine}".upper()], b"{}")
    assert not identity.names_another(mine, [mine[:20]], mine[:20].encode())


def test_a_cache_may_answer_with_an_earlier_id_of_the_same_question() -> None:
    identity = Identity(_MARK)
    earlier, other, mine = (identity.next(body) for body in (b"a", b"b", b"a"))
    assert not identity.names_another(mine, [], f'{{"id":"chatcmpl-{earlier}"}}'.encode())
    assert identity.names_another(mine, [], f'{{"id":"chatcmpl-{other}"}}'.encode())


def test_what_came_while_the_event_loop_was_blocked_answers_no_request() -> None:
    came = threading.Event()

    def serve(listening: socket.socket) -> None:
        for stray in (True, False):
            connection, _ = listening.accept()
            with connection:
                prompt = json.loads(connection.recv(2**16).partition(b"\r\n\r\n")[2])["prompt"]
                connection.sendall(http_response(chat_answer(f"re {prompt}")))
                if stray:
                    time.sleep(0.02)
                    connection.sendall(http_response(chat_answer("stray")))
                    came.set()
                    with suppress(ConnectionResetError):  # closed with the stray one unread
                        connection.recv(1)

    async def run(port: int) -> list[Exchange]:
        async with HttpClient() as client:
            target = HttpTarget(URL(f"http://127.0.0.1:{port}/"), {}, _TIMEOUT)
            first = await client.post(target, b'{"prompt": "1"}')
            came.wait(5)  # no other task runs, and nothing is read
            time.sleep(2 * REST_SECONDS)
            return [first, await client.post(target, b'{"prompt": "2"}')]

    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = threading.Thread(target=serve, args=(listening,), daemon=True)
        server.start()
        assert texts(uvloop.run(run(listening.getsockname()[1]))) == ["re 1", "re 2"]
        server.join(5)
