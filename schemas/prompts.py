"""A prompt, with its source and licence."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from schemas.canonical import digest


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation.

    Attributes:
        role: `system`, `user` or `assistant`.
        content: The text.
    """

    role: str
    content: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """One prompt, as read from a prompt file.

    Attributes:
        prompt_id: SHA-256 of the canonical messages; the same prompt has one id in every file.
        messages: The conversation, a user's turn last.
        source: Where the prompt comes from: an address or a name.
        license: Its licence, an SPDX expression or `LicenseRef-…`.
        file: Path of the prompt file as the run file writes it, not made absolute.
        line: Line, or record number where a file has no lines; from 1.
        sha256: SHA-256 of the prompt's last turn as UTF-8, for looking it up in its source.
        confidential: Whether it must not be sent to a host that trains on inputs.
        gold: The right answer, if its file has one, else "". It is never sent.
    """

    prompt_id: str
    messages: tuple[Message, ...]
    source: str
    license: str
    file: str
    line: int
    sha256: str
    confidential: bool = False
    gold: str = ""


def prompt_id(messages: Iterable[Message]) -> str:
    """Returns the id of a conversation: SHA-256 of its canonical messages, in hex."""
    return digest([{"role": turn.role, "content": turn.content} for turn in messages])
