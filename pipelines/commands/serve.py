"""`stillroom serve`: the embedded teacher as a server."""

from __future__ import annotations

from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Adds the command to the command line.

    Args:
        app: The whole command line.
    """
    app.command()(serve)


def serve(
    port: Annotated[int, typer.Option(help="The port; 0 takes a free one.")] = 8080,
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
) -> None:
    """Serve the embedded teacher as an OpenAI-compatible server, until Ctrl-C."""
    from transforms.providers.embedded import serve as serve_embedded

    serve_embedded(port, host)
