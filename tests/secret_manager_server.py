"""A Secret Manager on loopback, and its official client connected to it."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

from google.auth.credentials import AnonymousCredentials
from google.cloud.secretmanager import SecretManagerServiceClient

from transforms.providers.secret_manager import SecretClient


@dataclass
class SecretManagerServer:
    """A running server.

    Attributes:
        address: Its base address.
        asked: Paths of the requests it received.
    """

    address: str
    asked: list[str] = field(default_factory=list)

    def connect(self) -> SecretClient:
        """Returns the official client, connected to this server without credentials."""
        client: SecretClient = SecretManagerServiceClient(
            transport="rest",
            credentials=AnonymousCredentials(),
            client_options={"api_endpoint": self.address},
        )
        return client


@contextmanager
def secret_manager(status: int, body: bytes) -> Iterator[SecretManagerServer]:
    """Runs a server that gives every request the same answer.

    Args:
        status: HTTP status.
        body: As `payload` or `failure` returns it.
    """

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            running.asked.append(self.path.partition("?")[0])
            self.send_response(status)
            self.send_header("Location", "/elsewhere")
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Logs nothing."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        running = SecretManagerServer(f"http://127.0.0.1:{server.server_port}")
        Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield running
        server.shutdown()


def payload(data: bytes) -> bytes:
    """Returns the answer that holds a version's bytes."""
    return json.dumps({"payload": {"data": base64.b64encode(data).decode()}}).encode()


def failure(code: int, status: str, message: str) -> bytes:
    """Returns the answer that holds an error, in the form of Google's APIs."""
    return json.dumps({"error": {"code": code, "status": status, "message": message}}).encode()
