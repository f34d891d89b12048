"""Warnings of our packages reach the terminal; messages of other libraries do not."""

from __future__ import annotations

import logging
from io import StringIO

from rich.console import Console

from pipelines.display.log import warnings_on


def test_a_warning_is_printed_once_and_other_libraries_are_silent() -> None:
    console = Console(file=StringIO(), width=500)
    with warnings_on(console):
        for name in ("transforms.ledger", "transforms.ledger", "apache_beam.runners", "asyncio"):
            logging.getLogger(name).warning("%s: [odd] thing", name.split(".")[0])
        logging.getLogger("pipelines").info("not a warning")
    assert isinstance(console.file, StringIO)
    assert console.file.getvalue() == "warning: transforms: [odd] thing\n"
