"""A teacher for tests: a real HTTP server on loopback that answers by a script.

    with Teacher() as teacher:
        ...                                    # ask teacher.endpoint
        assert teacher.count == 1
        assert teacher.calls[0].prompt == "Why is the sky blue?"

It serves OpenAI's chat completions from a thread of its own, to this process and to others. A
*script* decides what it does with each call; the default is an echo of the prompt. A script is any
function from a `Call` to a `Reply`:

    Teacher(always(failure(503)))                           # the same for everyone
    Teacher(in_turn(failure(429), answer("Because.")))      # by attempt at the same body
    Teacher(by_prompt({"a": answer(""), "b": hang()}))      # by the last message, else an echo
    Teacher(lambda call: answer(call.prompt.upper()))

Replies: `answer`, `failure`, `raw` (any bytes), `redirect`, `hang`, `cut` (closes in the middle),
`drip` (a byte at a time); `reply.after(seconds)` delays one. All calls are kept in `calls`, in the
order in which they arrived, with the time of arrival; `times_asked` counts by body.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Any, Literal, Self

from aiohttp import web

MODEL = "test-model"
_START_SECONDS = 10.0
_STOP_SECONDS = 0.1  # for calls that are still being answered


@dataclass(frozen=True, slots=True)
class Call:
    """One request as it arrived.

    Attributes:
        number: Which call to this teacher, from 1.
        attempt: Which call with this very body, from 1.
        at: Arrival, seconds by `time.monotonic` (one clock for all processes of a machine).
        path: Path asked.
        headers: Headers, names in lower case.
        body: The body, parsed; empty if it is no JSON object.
        raw: The body as received.
    """

    number: int
    attempt: int
    at: float
    path: str
    headers: Mapping[str, str]
    body: Mapping[str, Any]
    raw: bytes

    @property
    def prompt(self) -> str:
        """The last message's text; "" if there is none."""
        messages = self.body.get("messages") or [{}]
        return str(messages[-1].get("content", ""))


@dataclass(frozen=True, slots=True)
class Reply:
    """What the teacher does with a call.

    Attributes:
        status: HTTP status.
        body: The body.
        headers: Further headers.
        delay_seconds: How long it waits first.
        then: `send` the body; `hang` for ever; `close` the connection before any answer; `cut` it
            after half of the body; `drip` the body a byte at a time.
    """

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    delay_seconds: float = 0.0
    then: Literal["send", "hang", "close", "cut", "drip"] = "send"

    def after(self, seconds: float) -> Reply:
        """Returns the same reply with a delay."""
        return replace(self, delay_seconds=seconds)


Script = Callable[[Call], Reply]


def answer(
    text: str | None = "An answer.",
    *,
    reasoning: str | None = None,
    finish_reason: str = "stop",
    model: str = MODEL,
    usage: tuple[int, int] | None = (10, 5),
    headers: Mapping[str, str] | None = None,
) -> Reply:
    """Replies with a completion.

    Args:
        text: Its content.
        reasoning: Its `reasoning_content`, if any.
        finish_reason: Why it ended.
        model: The model named in the answer.
        usage: Tokens of prompt and completion; None leaves `usage` out.
        headers: Further headers.
    """
    message = {"role": "assistant", "content": text}
    if reasoning is not None:
        message["reasoning_content"] = reasoning
    body: dict[str, Any] = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "model": model,
        "choices": [{"index": 0, "message": message, "finish_reason": finish_reason}],
    }
    if usage is not None:
        body["usage"] = {
            "prompt_tokens": usage[0],
            "completion_tokens": usage[1],
            "total_tokens": sum(usage),
        }
    return raw(json.dumps(body).encode(), headers=headers)


def raw(
    body: bytes,
    *,
    status: int = 200,
    content_type: str = "application/json",
    headers: Mapping[str, str] | None = None,
) -> Reply:
    """Replies with any bytes."""
    return Reply(status, body, {"Content-Type": content_type, **(headers or {})})


def failure(status: int, *, retry_after: str | None = None) -> Reply:
    """Replies with an HTTP error as OpenAI words it; `retry_after` is the header's value."""
    headers = {} if retry_after is None else {"Retry-After": retry_after}
    error = {"error": {"message": "no", "type": "error", "code": str(status)}}
    return raw(json.dumps(error).encode(), status=status, headers=headers)


def error(status: int, error: Mapping[str, Any], **headers: str) -> Reply:
    """Replies with an error object of a server's own."""
    return raw(json.dumps({"error": error}).encode(), status=status, headers=headers)


def redirect(to: str) -> Reply:
    """Redirects elsewhere."""
    return Reply(307, b"", {"Location": to})


def hang() -> Reply:
    """Never answers."""
    return Reply(then="hang")


def close() -> Reply:
    """Closes the connection instead of answering."""
    return Reply(then="close")


def cut(reply: Reply) -> Reply:
    """Closes the connection after half of a reply's body."""
    return replace(reply, then="cut")


def drip(reply: Reply) -> Reply:
    """Sends a reply's body a byte at a time, ten a second."""
    return replace(reply, then="drip")


def echo(call: Call) -> Reply:
    """Answers with the prompt: the default script."""
    words = len(call.prompt.split())
    return answer(
        f"You said: {call.prompt}",
        model=call.body.get("model", MODEL),
        usage=(words + 8, words + 3),
    )


def always(reply: Reply) -> Script:
    """Replies the same to every call."""
    return lambda _: reply


def in_turn(*replies: Reply) -> Script:
    """Replies to the first, second, … call with the same body; the last reply is repeated."""
    return lambda call: replies[min(call.attempt, len(replies)) - 1]


def by_prompt(replies: Mapping[str, Reply | Script]) -> Script:
    """Replies by the last message's text; to any other with an echo."""

    def script(call: Call) -> Reply:
        found = replies.get(call.prompt, echo)
        return found if isinstance(found, Reply) else found(call)

    return script


class Teacher:
    """The server, which runs while the `with` block lasts.

    Args:
        script: What to do with each call; may be replaced at any time as `teacher.script`.
        port: Port to listen on; 0 takes a free one.
        tls: Serves HTTPS with this context.
        keep_calls: Whether to keep `calls` and `times_asked`; not for a million of them.

    Attributes:
        calls: All calls, in order of arrival.
        count: Number of calls.
        times_asked: Number of calls by body.
        in_flight: Calls being answered now.
        most_in_flight: The most that were answered at once.
    """

    def __init__(
        self,
        script: Script = echo,
        *,
        port: int = 0,
        tls: ssl.SSLContext | None = None,
        keep_calls: bool = True,
    ) -> None:
        self.script = script
        self.calls: list[Call] = []
        self.count = 0
        self.times_asked: Counter[bytes] = Counter()
        self.in_flight = 0
        self.most_in_flight = 0
        self._port = port
        self._tls = tls
        self._keep_calls = keep_calls
        self._ready: Future[int] = Future()
        self._thread = threading.Thread(target=self._run, name="teacher", daemon=True)

    @property
    def port(self) -> int:
        """The port it listens on."""
        return self._ready.result(_START_SECONDS)

    @property
    def endpoint(self) -> str:
        """Base address of the API, as a route has it."""
        return f"http{'s' if self._tls else ''}://127.0.0.1:{self.port}/v1"

    def __enter__(self) -> Self:
        self._thread.start()
        self._ready.result(_START_SECONDS)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._loop.call_soon_threadsafe(self._done.set)
        self._thread.join(_START_SECONDS)

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as error:
            if self._ready.done():
                raise
            self._ready.set_exception(error)

    async def _serve(self) -> None:
        self._loop, self._done = asyncio.get_running_loop(), asyncio.Event()
        runner = web.ServerRunner(web.Server(self._handle), shutdown_timeout=_STOP_SECONDS)
        await runner.setup()
        site = web.TCPSite(
            runner, "127.0.0.1", self._port, ssl_context=self._tls, backlog=1024, reuse_address=True
        )
        await site.start()
        self._ready.set_result(runner.addresses[0][1])
        await self._done.wait()
        await runner.cleanup()

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        call = self._note(request, time.monotonic(), await request.content.read())
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            reply = self.script(call)
            if reply.delay_seconds:
                await asyncio.sleep(reply.delay_seconds)
            return await self._reply(request, reply)
        finally:
            self.in_flight -= 1

    def _note(self, request: web.BaseRequest, at: float, body: bytes) -> Call:
        self.count += 1
        if self._keep_calls:
            self.times_asked[body] += 1
        headers = {name.lower(): value for name, value in request.headers.items()}
        try:
            parsed = json.loads(body)
        except ValueError:
            parsed = {}
        call = Call(
            self.count,
            self.times_asked[body],
            at,
            request.path,
            headers,
            parsed if isinstance(parsed, dict) else {},
            body,
        )
        if self._keep_calls:
            self.calls.append(call)
        return call

    async def _reply(self, request: web.BaseRequest, reply: Reply) -> web.StreamResponse:
        match reply.then:
            case "send":
                return web.Response(status=reply.status, body=reply.body, headers=reply.headers)
            case "hang":
                await self._done.wait()
            case "cut":
                response = await _begin(request, reply)
                await response.write(reply.body[: len(reply.body) // 2])
            case "drip":
                response = await _begin(request, reply)
                for byte in reply.body:
                    await response.write(bytes([byte]))
                    await asyncio.sleep(0.1)
                return response
        if request.transport is not None:
            request.transport.close()
        return web.Response(status=500)


async def _begin(request: web.BaseRequest, reply: Reply) -> web.StreamResponse:
    response = web.StreamResponse(status=reply.status, headers=reply.headers)
    response.content_length = len(reply.body)
    await response.prepare(request)
    return response
