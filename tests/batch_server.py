"""A provider of batches for the tests: OpenAI's and Anthropic's protocols, on loopback.

    with BatchServer() as server:
        ...                                    # ask server.endpoint("openai-chat") in batches
        assert server.charged[request_id] == 1

It answers each request as a `Teacher` does, and counts the answers that it charges for. Tests make
it misbehave:

    server.ends_after = 3                      a job ends when it is polled the third time
    server.expired = lambda n: n % 3 == 0      the requests, by place in their job, that expire
    server.lines = reversed                    changes the lines of the results
    server.fail("POST", "/batches", after=True)       makes the job, then closes the connection
    server.fail("POST", "/batches", status=429)       answers 429 and makes no job
    server.on_call = lambda number, done: …    called when each call comes, and when it is done

Lists come in pages of two jobs, the newest first.
"""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self

from aiohttp import web

USAGE = (10, 5)  # tokens of each prompt and answer
PAGE = 2
_START_SECONDS = 10.0


@dataclass
class Job:
    """A job in the server.

    Attributes:
        id: Its id.
        requests: The requests by custom id, in order of arrival.
        created: Seconds since 1970 UTC.
        metadata: The metadata of its creation.
        input: Id of its input file, or "".
        polls: How often it was polled.
        refused: The code with which it fails, or "".
    """

    id: str
    requests: dict[str, Mapping[str, Any]]
    created: float
    metadata: Mapping[str, str] = field(default_factory=dict)
    input: str = ""
    polls: int = 0
    refused: str = ""


@dataclass
class _Fault:
    method: str
    path: str
    after: bool
    status: int | None
    headers: Mapping[str, str]
    body: Mapping[str, Any]


class BatchServer:
    """The server; it runs as long as the `with` block.

    Attributes:
        jobs: All jobs, in order of creation.
        charged: How often each request was answered and charged.
        calls: Method and path of every call.
        headers: Headers of every call, names in lower case.
        uploads: The files that were uploaded, by id.
        ends_after: A job ends after this many polls; None: never.
        expired: Whether a request expires, by its place in its job.
        broken: Whether a request gets HTTP 400, by its place in its job.
        lines: Changes the lines of the results.
        refuse_jobs: The code with which jobs fail, or "".
    """

    def __init__(self) -> None:
        self.jobs: list[Job] = []
        self.charged: Counter[str] = Counter()
        self.calls: list[tuple[str, str]] = []
        self.headers: list[Mapping[str, str]] = []
        self.uploads: dict[str, bytes] = {}
        self.ends_after: int | None = 1
        self.expired: Callable[[int], bool] = lambda _: False
        self.broken: Callable[[int], bool] = lambda _: False
        self.lines: Callable[[list[str]], Iterable[str]] = lambda lines: lines
        self.refuse_jobs = ""
        self.on_call: Callable[[int, bool], None] = lambda number, done: None
        self._faults: list[_Fault] = []
        self._ready: Future[int] = Future()
        self._thread = threading.Thread(target=self._run, name="batches", daemon=True)

    def endpoint(self, api: str) -> str:
        """Returns the base address for routes of an API."""
        root = f"http://127.0.0.1:{self._ready.result(_START_SECONDS)}"
        return f"{root}/v1" if api == "openai-chat" else root

    def fail(
        self,
        method: str,
        path: str,
        *,
        after: bool = False,
        status: int | None = None,
        headers: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
    ) -> None:
        """Makes one call fail.

        Args:
            method: Its method.
            path: The end of its path.
            after: Whether the call has its effect all the same.
            status: The status of the answer; None closes the connection without one.
            headers: Further headers of the answer.
            body: The answer.
        """
        self._faults.append(_Fault(method, path, after, status, headers or {}, body or {}))

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
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        self._loop, self._done = asyncio.get_running_loop(), asyncio.Event()
        runner = web.ServerRunner(web.Server(self._handle), shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self._ready.set_result(runner.addresses[0][1])
        await self._done.wait()
        await runner.cleanup()

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        number = len(self.calls)
        self.calls.append((request.method, request.path))
        self.headers.append({name.lower(): value for name, value in request.headers.items()})
        self.on_call(number, False)
        fault = self._fault(request)
        response = web.Response(status=500)
        if fault is None or fault.after:
            response = await self._answer(request)
            self.on_call(number, True)
        if fault is None:
            return response
        if fault.status is None and request.transport is not None:
            await request.content.read()
            request.transport.close()
        return web.json_response(fault.body, status=fault.status or 500, headers=fault.headers)

    def _fault(self, request: web.BaseRequest) -> _Fault | None:
        for fault in self._faults:
            if request.method == fault.method and request.path.endswith(fault.path):
                self._faults.remove(fault)
                return fault
        return None

    async def _answer(self, request: web.BaseRequest) -> web.Response:
        anthropic = request.path.startswith("/v1/messages")
        path = request.path.removeprefix("/v1").removeprefix("/messages").split("/")[1:]
        match request.method, path:
            case "POST", ["files"]:
                return await self._upload(request)
            case "POST", ["batches"]:
                return self._job_response(self._make(json.loads(await request.read())), anthropic)
            case "GET", ["batches"]:
                return self._list(request, anthropic)
            case "GET", ["batches", name]:
                job = self._find(name)
                job.polls += 1
                return self._job_response(job, anthropic)
            case "GET", ["batches", name, "results"]:
                return self._results(self._find(name), anthropic, errors=None)
            case "GET", ["files", name, "content"]:
                kind, _, job_id = name.partition("-")
                return self._results(self._find(job_id), anthropic, errors=kind == "error")
        return web.json_response({"error": "no such thing"}, status=404)

    async def _upload(self, request: web.BaseRequest) -> web.Response:
        parts = {}
        async for part in await request.multipart():
            parts[part.name] = await part.read()  # type: ignore[union-attr]
        assert parts["purpose"] == b"batch"
        name = f"file-{len(self.uploads)}"
        self.uploads[name] = bytes(parts["file"])
        return web.json_response({"id": name, "object": "file", "purpose": "batch"})

    def _make(self, wanted: Mapping[str, Any]) -> Job:
        if "requests" in wanted:
            requests = {each["custom_id"]: each["params"] for each in wanted["requests"]}
            assert len(requests) == len(wanted["requests"])
        else:
            assert wanted["endpoint"] == "/v1/chat/completions"
            assert wanted["completion_window"] == "24h"
            lines = map(json.loads, self.uploads[wanted["input_file_id"]].splitlines())
            requests = {line["custom_id"]: line["body"] for line in lines}
        job = Job(
            f"batch_{len(self.jobs)}",
            requests,
            time.time(),
            wanted.get("metadata", {}),
            wanted.get("input_file_id", ""),
            refused=self.refuse_jobs,
        )
        self.jobs.append(job)
        for place, name in enumerate(requests):
            answered = not (self.expired(place) or self.broken(place) or job.refused)
            self.charged[name] += answered
        return job

    def _find(self, name: str) -> Job:
        for job in self.jobs:
            if job.id == name:
                return job
        raise web.HTTPNotFound

    def _list(self, request: web.BaseRequest, anthropic: bool) -> web.Response:
        newest = self.jobs[::-1]
        after = request.query.get("after_id" if anthropic else "after")
        start = [job.id for job in newest].index(after) + 1 if after else 0
        page = newest[start : start + PAGE]
        for job in page:
            job.polls += 1
        return web.json_response(
            {
                "data": [self._describe(job, anthropic) for job in page],
                "has_more": start + PAGE < len(newest),
            }
        )

    def _job_response(self, job: Job, anthropic: bool) -> web.Response:
        return web.json_response(self._describe(job, anthropic))

    def _ended(self, job: Job) -> bool:
        return self.ends_after is not None and job.polls >= self.ends_after

    def _describe(self, job: Job, anthropic: bool) -> dict[str, Any]:
        ended = self._ended(job)
        if anthropic:
            created = datetime.fromtimestamp(job.created, UTC).isoformat()
            return {
                "id": job.id,
                "type": "message_batch",
                "processing_status": "ended" if ended else "in_progress",
                "request_counts": {"processing": 0, "succeeded": len(job.requests)},
                "created_at": created.replace("+00:00", "Z"),
                "results_url": "http://elsewhere.invalid/results" if ended else None,
            }
        expired = any(self.expired(place) for place in range(len(job.requests)))
        status = "failed" if job.refused else "expired" if expired else "completed"
        said: dict[str, Any] = {
            "id": job.id,
            "object": "batch",
            "status": status if ended else "in_progress",
            "created_at": int(job.created),
            "metadata": job.metadata or None,
            "input_file_id": job.input,
        }
        if ended and job.refused:
            said["errors"] = {"object": "list", "data": [{"code": job.refused}]}
        elif ended:
            said |= {"output_file_id": f"output-{job.id}", "error_file_id": f"error-{job.id}"}
        return said

    def _results(self, job: Job, anthropic: bool, errors: bool | None) -> web.Response:
        lines = [
            json.dumps(self._line(name, place, body, anthropic))
            for place, (name, body) in enumerate(job.requests.items())
            if errors in (None, self.expired(place) or self.broken(place))
        ]
        return web.Response(body="\n".join(self.lines(lines) if lines else ()).encode())

    def _line(
        self, name: str, place: int, body: Mapping[str, Any], anthropic: bool
    ) -> dict[str, Any]:
        text = f"You said: {body['messages'][-1]['content']}"
        if anthropic:
            return {"custom_id": name, "result": self._anthropic(place, text)}
        if self.expired(place):
            return {"custom_id": name, "response": None, "error": {"code": "batch_expired"}}
        status, answer = 200, _completion(body["model"], text)
        if self.broken(place):
            status, answer = 400, {"error": {"type": "invalid_request_error"}}
        return {
            "id": f"batch_req_{place}",
            "custom_id": name,
            "response": {"status_code": status, "request_id": "r", "body": answer},
            "error": None,
        }

    def _anthropic(self, place: int, text: str) -> dict[str, Any]:
        if self.expired(place):
            return {"type": "expired"}
        if self.broken(place):
            error = {"type": "invalid_request_error", "message": "no"}
            return {"type": "errored", "error": {"type": "error", "error": error}}
        message = {
            "id": "msg_1",
            "type": "message",
            "role": "assistant",
            "model": "test-model",
            "content": [{"type": "text", "text": text}],
            "stop_reason": "end_turn",
            "usage": {"input_tokens": USAGE[0], "output_tokens": USAGE[1]},
        }
        return {"type": "succeeded", "message": message}


def _completion(model: str, text: str) -> dict[str, Any]:
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "model": model,
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": text},
                "finish_reason": "stop",
            }
        ],
        "usage": {"prompt_tokens": USAGE[0], "completion_tokens": USAGE[1]},
    }
