"""Writes `docs/dialects.md` from the tables: `make schemas`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain
from pathlib import Path

from transforms.dialects.error_codes import (
    ANTHROPIC_CODES,
    ANTHROPIC_PHRASES,
    CLARIFYING_PHRASES,
    GEMINI_CODES,
    GEMINI_PHRASES,
    OPENAI_CHAT_CODES,
    OPENAI_CHAT_PHRASES,
)
from transforms.dialects.finish_reasons import ANTHROPIC_WORDS, GEMINI_WORDS, OPENAI_CHAT_WORDS
from transforms.dialects.reasoning import HARMONY_SOURCE, MARKS
from transforms.dialects.server_limits import LIMITS
from transforms.dialects.source import Source
from transforms.dialects.usage import USAGE
from transforms.dialects.waits import WAITS

PATH = Path(__file__).parents[2] / "docs/dialects.md"
_INTRODUCTION = """\
<!-- Written by `make schemas` from the tables in transforms/dialects: edit those. -->

# Dialects

What stillroom knows of each server's dialect, each row with its source. A code or word that is not
listed is `unknown`: its status decides, and the server's own word is kept.
[asking.md](asking.md#what-each-outcome-means) says what each meaning leads to. What LiteLLM,
llama.cpp and llama-cpp-python send is also tested on the real servers (`make test-servers`)."""


def page() -> str:
    """Returns the page."""
    parts = [
        _INTRODUCTION,
        "## Errors",
        "Codes are compared without regard to case, whatever field holds them. A phrase is a part"
        " of a message, looked for with its statuses.",
        _errors(),
        "## Ends of an answer",
        _table(
            ("word", "means", "server", "source"),
            (
                (_code(word.text), word.means, *_cells(word.source))
                for word in dict.fromkeys((*OPENAI_CHAT_WORDS, *ANTHROPIC_WORDS, *GEMINI_WORDS))
            ),
        ),
        "## Reasoning inside the answer",
        _reasoning(),
        "## Usage",
        _table(
            ("server", "counts", "read as", "source"),
            ((each.source.server, each.counts, each.read, _link(each.source)) for each in USAGE),
        ),
        "## Waits and limits",
        "A wait that a server asks for, then the headers of limits that it says are used up.",
        _table(
            ("where", "form", "server", "source"),
            ((_code(each.where), each.form, *_cells(each.source)) for each in WAITS),
        ),
        _table(
            ("what remains", "when it resets", "form", "server", "source"),
            (
                (_code(each.remaining), _code(each.reset), each.form, *_cells(each.source))
                for each in LIMITS
            ),
        ),
    ]
    return "\n\n".join(parts) + "\n"


def _errors() -> str:
    codes = chain(OPENAI_CHAT_CODES, ANTHROPIC_CODES, GEMINI_CODES)
    phrases = chain(CLARIFYING_PHRASES, OPENAI_CHAT_PHRASES, ANTHROPIC_PHRASES, GEMINI_PHRASES)
    rows = [
        *((_code(row.text), row, "code") for row in codes),
        *((f"“{row.text}”", row, "phrase") for row in phrases),
    ]
    ordered = sorted(rows, key=lambda each: each[1].source.server.lower())
    return _table(
        ("server", "code or phrase", "statuses", "means", "source"),
        (
            (
                row.source.server,
                text,
                ", ".join(map(str, row.statuses)) or "any",
                row.meaning,
                _link(row.source),
            )
            for text, row, _ in ordered
        ),
    )


def _reasoning() -> str:
    harmony = ("`<|channel|>analysis<|message|>`", "the next channel", *_cells(HARMONY_SOURCE))
    marks = ((_code(each.start), _code(each.end), *_cells(each.source)) for each in MARKS)
    return _table(("begins with", "ends with", "families", "source"), (*marks, harmony))


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(map(_cell, line))} |" for line in lines)


def _cell(text: str) -> str:
    return text.replace("|", r"\|")


def _cells(source: Source) -> tuple[str, str]:
    return source.server, _link(source)


def _link(source: Source) -> str:
    return f"<{source.address}>"


def _code(text: str) -> str:
    return f"`` {text} ``" if "`" in text else f"`{text}`"


if __name__ == "__main__":
    PATH.write_text(page(), encoding="utf-8")
