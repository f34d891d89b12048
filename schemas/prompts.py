"""A prompt: what is asked, where it came from and under which licence."""

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
        source: Where the prompt was taken from: an address or a name.
        license: Its licence, an SPDX expression or `LicenseRef-…`.
        file: Path as the run file names it (never a machine's absolute path, unless so written).
        line: Line, or record number where a file has no lines; from 1.
        sha256: SHA-256 of the prompt's last turn as UTF-8, for looking it up in its source.
        confidential: Whether it may not reach a host that trains on inputs.
        gold: The right answer, where its file has one; "" for none. It is never sent.
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
