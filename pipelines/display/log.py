"""Prints the warnings that our packages log, and hides what other libraries log."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console

_OURS = ("schemas", "transforms", "pipelines", "stillroom")


class _Warnings(logging.Handler):
    """Prints each warning once, above a live display of the same console."""

    def __init__(self, console: Console) -> None:
        super().__init__(logging.WARNING)
        self._console = console
        self._printed: set[str] = set()

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        if text not in self._printed:
            self._printed.add(text)
            self._console.print(f"warning: {text}", markup=False)


@contextmanager
def warnings_on(console: Console) -> Iterator[None]:
    """Prints our packages' warnings on a console while it lasts; other libraries are silent.

    For a process that is the command line's own: it changes the level of the root logger.
    """
    handler = _Warnings(console)
    root, ours = logging.getLogger(), [logging.getLogger(name) for name in _OURS]
    level = root.level
    root.setLevel(logging.CRITICAL)
    for logger in ours:
        logger.setLevel(logging.WARNING)
        logger.addHandler(handler)
        logger.propagate = False  # a library may have given the root logger a handler
    try:
        yield
    finally:
        root.setLevel(level)
        for logger in ours:
            logger.setLevel(logging.NOTSET)
            logger.removeHandler(handler)
            logger.propagate = True
