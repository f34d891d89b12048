"""Starts real servers of other projects, each as a process of its own, and stops them."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from transforms.providers.embedded import MODEL, weights_path

ROOT = Path(__file__).parents[2]
_START_SECONDS = 120.0
_STOP_SECONDS = 10.0


@dataclass
class Server:
    """A server's process, which can be killed and started again on the same port.

    Attributes:
        command: What to run.
        port: Where it listens.
        ready: A path that is answered once it is ready.
        log: Where its output goes.
        environment: Further variables.
    """

    command: Sequence[str]
    port: int
    ready: str
    log: Path
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def endpoint(self) -> str:
        """Base address of the API, as a route has it."""
        return f"http://127.0.0.1:{self.port}/v1"

    def start(self) -> None:
        """Starts it, and waits until it answers."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self.command,
                stdout=log,
                stderr=log,
                env=os.environ | self.environment,
                cwd=self.log.parent,
            )
        deadline = time.monotonic() + _START_SECONDS
        while not self._answers():
            starts = self._process.poll() is None
            assert starts, self.log.read_text()[-2000:]
            assert time.monotonic() < deadline, self.log.read_text()[-2000:]
            time.sleep(0.2)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        """Ends it with a signal."""
        self._process.send_signal(number)
        try:
            self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{self.ready}", timeout=5):
                return True
        except urllib.error.HTTPError:
            return False
        except OSError:
            return False


@contextmanager
def running(server: Server) -> Iterator[Server]:
    """Runs a server while the block lasts."""
    server.start()
    try:
        yield server
    finally:
        server.stop()


def llama_cpp_python(folder: Path) -> Server:
    """Returns llama-cpp-python's server of the embedded teacher's model."""
    settings = {
        "model": weights_path(),
        "model_alias": MODEL,
        "host": "127.0.0.1",
        "port": (port := _free_port()),
        "n_ctx": 2048,
        "api_key": "sk-good",
    }
    flags = [f"--{name}={value}" for name, value in settings.items()]
    return Server(
        [_python("llama-cpp-python"), "-m", "llama_cpp.server", *flags],
        port,
        "/docs",
        folder / "llama-cpp-python.log",
    )


def litellm(folder: Path, upstream: str) -> Server:
    """Returns LiteLLM's proxy in front of a server.

    Args:
        folder: For its configuration.
        upstream: The server's endpoint. `smollm2` is its model; `twice-a-minute` the same with a
            limit of LiteLLM's own; `unreachable` is behind a closed port.
    """
    shutil.copy(Path(__file__).with_name("litellm_auth.py"), folder)
    models: dict[str, dict[str, Any]] = {
        "smollm2": {"api_base": upstream},
        "twice-a-minute": {"api_base": upstream, "rpm": 2},
        "unreachable": {"api_base": "http://127.0.0.1:9/v1"},
    }
    common = {"model": f"openai/{MODEL}", "api_key": "none"}
    config = {
        "model_list": [
            {"model_name": name, "litellm_params": common | params}
            for name, params in models.items()
        ],
        "general_settings": {
            "master_key": "sk-master",
            "custom_auth": "litellm_auth.user_api_key_auth",
        },
        "router_settings": {
            "num_retries": 0,
            "disable_cooldowns": True,
            "routing_strategy": "usage-based-routing-v2",
            "enable_pre_call_checks": True,
        },
    }
    path = folder / "litellm.yaml"
    path.write_text(yaml.safe_dump(config))
    program = str(ROOT / ".servers/litellm/bin/litellm")
    port = _free_port()
    return Server(
        [program, "--config", str(path), "--host", "127.0.0.1", "--port", str(port)],
        port,
        "/health/liveliness",
        folder / "litellm.log",
        {"LITELLM_LOCAL_MODEL_COST_MAP": "True"},
    )


def _python(name: str) -> str:
    return str(ROOT / ".servers" / name / "bin/python")


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port
