"""Connections that are used again only if the server said nothing since the last answer.

A server, or a proxy before it, may send a response that nobody asked for. On a kept connection it
would be taken for the answer to the next request, and each later answer for the one after. aiohttp
queues such a response (https://github.com/aio-libs/aiohttp/issues/13656). Three things prevent it:

- A connection that receives a byte while it waits for its next request is closed.
- It waits for `REST_SECONDS` first, in which a late response comes. Meanwhile others are used, and
  opened if there is none: of a server that answers in a second, one in twenty more.
- Each request has an id, see `Identity`.
"""

from __future__ import annotations

import re
import select
from collections.abc import Iterable
from functools import partial
from itertools import count
from time import monotonic
from typing import Any
from zlib import crc32

import aiohttp
from aiohttp.client_proto import ResponseHandler

REST_SECONDS = 0.05
# uvicorn, which serves vLLM and SGLang, closes an idle connection after 5 s. A request sent into a
# connection that is just being closed is lost, and may have been paid for.
KEEPALIVE_SECONDS = 4.0
# Headers that name a request, and where they come back:
# - vLLM: in the answer's id, and as a header if its operator wants that
#   (https://github.com/vllm-project/vllm/pull/10968). Many gateways return the header.
# - LiteLLM's proxy, the second: common_request_processing.py in
#   https://github.com/BerriAI/litellm/tree/main/litellm/proxy
# SGLang takes an id only in the body, as `rid`, which other servers would refuse. No document says
# that OpenAI, Azure, Anthropic, Gemini, llama.cpp or TGI return one.
_ID_HEADERS = ("X-Request-Id", "x-litellm-call-id")


class Identity:
    """Names requests, and recognises a response that names another one.

    An id is a mark of this process, a hash of the question and a number. A cache may answer with
    the id of an earlier request of the same question, which is no mistake.

    Args:
        mark: 16 hex digits that no other text has by chance.
    """

    def __init__(self, mark: str) -> None:
        self._mark = mark.encode()
        self._ids = re.compile(rf"{mark}([0-9a-f]{{8}})[0-9a-f]{{8}}", re.IGNORECASE)
        self._numbers = count(1)

    def next(self, question: bytes) -> str:
        """Returns the id of the next request: 32 hex digits, as any proxy accepts."""
        return f"{self._mark.decode()}{crc32(question):08x}{next(self._numbers):08x}"

    def headers(self, request_id: str) -> dict[str, str]:
        """Returns the headers that tell a server the id of a request."""
        return dict.fromkeys(_ID_HEADERS, request_id)

    def names_another(self, request_id: str, headers: Iterable[str], body: bytes) -> bool:
        """Returns whether a response names a request of another question, and none of this one.

        Args:
            request_id: Id of the request that it came after.
            headers: The values of the response's headers.
            body: Its body. A response that names no request is not doubted.
        """
        text = "\n".join(headers)
        if self._mark in body:
            text += "\n" + body.decode("ascii", "replace")
        elif request_id[:16] not in text.lower():  # nearly always, so it is looked at first
            return False
        named = {each.lower() for each in self._ids.findall(text)}
        return bool(named) and request_id[16:24] not in named


class CleanConnector(aiohttp.TCPConnector):
    """aiohttp's pool of connections without those on which the server spoke out of turn."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(limit=0, keepalive_timeout=KEEPALIVE_SECONDS, **settings)
        # aiohttp has no setting for this; the tests of this module would notice a change there
        self._factory = partial(_Handler, loop=self._loop)  # type: ignore[assignment]
        # All that came before this moment was received: the event loop has read since.
        self._heard_until = 0.0
        self._turn_began: float | None = None

    async def connect(self, *args: Any, **settings: Any) -> Any:
        """Returns a connection on which nothing was received since its last answer."""
        connection = await super().connect(*args, **settings)
        handler = connection.protocol
        if isinstance(handler, _Handler) and not handler.begin():
            connection.close()
            raise aiohttp.ServerDisconnectedError("the server spoke before it was asked")
        return connection

    def close_idle(self) -> None:
        """Closes all connections that wait for a request."""
        for waiting in self._conns.values():
            for handler, _ in waiting:
                handler.close()

    async def _get(self, key: Any, traces: Any) -> Any:
        waiting = self._conns.get(key, ())
        now = monotonic()
        if self._turn_began is None:
            self._turn_began = now
            self._loop.call_soon(self._end_turn)
        busy = now - self._heard_until < REST_SECONDS
        while waiting and now - waiting[0][1] >= REST_SECONDS:
            handler, since = waiting[0]
            heard = since + REST_SECONDS <= self._heard_until
            if busy and not heard:
                break  # in the next turn of the event loop
            usable = handler.is_connected() and now - since <= KEEPALIVE_SECONDS
            if usable and isinstance(handler, _Handler) and handler.is_silent(heard=heard):
                return await super()._get(key, traces)  # takes this one, the first
            waiting.popleft()[0].close()
        if not waiting:
            self._conns.pop(key, None)
        return None

    def _end_turn(self) -> None:
        """Notes that the event loop has read from all connections since the turn began."""
        self._heard_until, self._turn_began = self._turn_began or 0.0, None

    def _release(self, key: Any, protocol: Any, *, should_close: bool = False) -> None:
        super()._release(key, protocol, should_close=should_close)
        if isinstance(protocol, _Handler):
            protocol.rest()


class _Handler(ResponseHandler):
    """A connection that closes itself if it receives something between two requests."""

    _asked = True  # while it is set up: a proxy is asked for a tunnel

    def begin(self) -> bool:
        """Expects an answer from now on; returns whether the connection can still be used."""
        self._asked = True
        return self.is_connected() and not self.should_close

    def rest(self) -> None:
        """Expects nothing until `begin`."""
        self._asked = False

    def is_silent(self, *, heard: bool) -> bool:
        """Returns whether nothing has come since the last answer, also nothing unread.

        Args:
            heard: Whether the event loop has read since the rest was over. If not, the operating
                system is asked, which takes as long as a tenth of a request.
        """
        if self.should_close or self.transport is None or self._holds_a_part():
            return False
        if heard:
            return True
        poll = select.poll()
        poll.register(self.transport.get_extra_info("socket").fileno(), select.POLLIN)
        return not poll.poll(0)

    def data_received(self, data: bytes) -> None:
        """Passes on what was asked for. aiohttp calls this without data to go on parsing."""
        if self._asked:
            super().data_received(data)
        elif data:
            self.close()

    def _holds_a_part(self) -> bool:
        """Returns whether the start of another response came with the end of the last one."""
        try:
            return self._parser is not None and self._parser.feed_eof() is not None
        except Exception:  # noqa: BLE001 - what such a part raises
            return True
