"""The help of every command: plain words, nothing left without a sentence."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
import typer.main
from typer.testing import CliRunner

from pipelines.cli import app

ODD_WORDS = re.compile(r"\b(tells?|told|stands?|nobody|whoever|thereof|shall)\b", re.IGNORECASE)


def _commands(command: Any, *names: str) -> Iterator[tuple[str, ...]]:
    yield names
    for name, each in getattr(command, "commands", {}).items():  # only groups have them
        yield from _commands(each, *names, name)


COMMANDS = list(_commands(typer.main.get_command(app)))


@pytest.mark.parametrize("names", COMMANDS, ids=" ".join)
def test_the_help_of_every_command_is_in_plain_words(names: tuple[str, ...]) -> None:
    shown = CliRunner().invoke(app, [*names, "--help"], catch_exceptions=False)
    assert shown.exit_code == 0
    assert ODD_WORDS.findall(shown.stdout) == []


def test_all_commands_were_seen() -> None:
    assert {("plan",), ("terms", "check"), ("ledger", "migrate")} <= set(COMMANDS)
    assert len(COMMANDS) >= 20
