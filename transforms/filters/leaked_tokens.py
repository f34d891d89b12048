"""Finds control tokens of a chat template in an answer."""

from __future__ import annotations

import re
from collections.abc import Iterator

from transforms.filters.codes import FindingCode
from transforms.filters.rules import Candidate, Finding, NoSettings, Rule, Span
from transforms.markdown import without_code

# Control tokens of the chat templates in use. In code they are a topic of the answer, not a leak.
_LEAKED = re.compile(
    r"<\|[A-Za-z][A-Za-z0-9_ ]{2,40}\|>"  # ChatML, Llama 3, Phi, Cohere, gpt-oss
    r"|<｜[^｜<>]{2,40}｜>"  # DeepSeek: full-width bars
    r"|\[/?INST\]|<</?SYS>>"  # Llama 2, Mistral
    r"|\[(?:/?AVAILABLE_TOOLS|TOOL_CALLS|/?TOOL_RESULTS)\]"  # Mistral
    r"|</?(?:start|end)_of_turn>"  # Gemma
    r"|\[gMASK\]|<sop>|<eop>"  # GLM
    r"|\A\s*<(?:s|bos)>|(?:</s>|<eos>|<pad>)\s*\Z"  # SentencePiece; <s> is HTML's strike-through
)


def find_leaked_tokens(candidate: Candidate, settings: NoSettings) -> Iterator[Finding]:
    """Finds the first control token of a chat template in each part outside code."""
    for part, text in candidate.answer_parts():
        if "<" not in text and "[" not in text:
            continue
        leaked = _LEAKED.search(without_code(text))
        if leaked:
            span = Span(part, leaked.start(), leaked.end())
            yield Finding(
                FindingCode.LEAKED_TOKEN, f"a chat template's {leaked.group().strip()!r}", span=span
            )


LEAKED_TOKENS = Rule("leaked_tokens", 1, "drop", (FindingCode.LEAKED_TOKEN,), find_leaked_tokens)
