"""Finds answers that are empty or not complete."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import get_args

from schemas.codes import UsageDoubt
from schemas.responses import FinishReason
from transforms.dialects.reasoning import find_mark
from transforms.filters.codes import FindingCode
from transforms.filters.rules import Candidate, Finding, NoSettings, Rule, Span
from transforms.markdown import unclosed_fence, without_code
from transforms.text import DEFAULT_IGNORABLE

_REASONS: tuple[str, ...] = get_args(FinishReason)
_WORD = re.compile(r"[A-Za-z0-9_.:-]{1,64}")
_VISIBLE = re.compile(rf"[^\s{DEFAULT_IGNORABLE}]")
_THINK_TAG = re.compile(r"<(/?)(think|thinking|thought|reasoning|reflection)>", re.IGNORECASE)

_REASON_DETAILS = {
    "stop": "the answer ended by itself",
    "length": "the answer was cut at the limit of tokens",
    "content_filter": "the provider's content filter cut the answer",
    "tool_calls": "the answer is a call of a tool",
    "unknown": "the teacher did not say why the answer ended",
}

_DOUBT_DETAILS = {
    UsageDoubt.CONTRADICTORY: "the reported tokens contradict themselves; the dearer sum counts",
    UsageDoubt.IMPLAUSIBLE: "more tokens are reported than the request allows; the limit counts",
    UsageDoubt.ZERO: "no tokens are reported for a prompt or an answer; the cost is unknown",
}


@dataclass(frozen=True, slots=True)
class FinishReasonSettings:
    """Settings of `finish_reason`.

    Attributes:
        allow: Reasons that are accepted.
    """

    allow: tuple[str, ...] = ("stop",)

    def __post_init__(self) -> None:
        """Checks that the reasons exist."""
        unknown = sorted(set(self.allow) - set(_REASONS))
        if unknown:
            raise ValueError(f"allow: {unknown[0]!r} is none of {', '.join(_REASONS)}")


def find_finish_reason(candidate: Candidate, settings: FinishReasonSettings) -> Iterator[Finding]:
    """Finds an answer that ended for a reason that is not accepted.

    Tool calls are accepted if the request offered tools.
    """
    reason = candidate.finish_reason
    if reason == "tool_calls" and candidate.tools and candidate.tool_calls:
        return
    if reason not in settings.allow:
        yield Finding(reason, _reason_detail(candidate))


def _reason_detail(candidate: Candidate) -> str:
    """Returns the detail of a finish reason; of an unknown one with the server's own word."""
    word = candidate.finish_word
    if candidate.finish_reason == "unknown" and _WORD.fullmatch(word):
        return f"the answer ended with {word!r}, which no table of its API has"
    return _REASON_DETAILS[candidate.finish_reason]


def find_empty(candidate: Candidate, settings: NoSettings) -> Iterator[Finding]:
    """Finds an answer without visible characters and without tool calls."""
    if not candidate.tool_calls and not _VISIBLE.search(candidate.completion):
        yield Finding(FindingCode.EMPTY, "the answer holds no visible character")


def asks_for_logprobs(parameters: str) -> bool:
    """Returns whether a request's parameters, as JSON, ask for log probabilities."""
    return bool(json.loads(parameters).get("logprobs"))


def find_lost_logprobs(candidate: Candidate, settings: NoSettings) -> Iterator[Finding]:
    """Finds an answer without the log probabilities that were asked for."""
    if candidate.lacks_logprobs:
        yield Finding(
            FindingCode.NO_LOGPROBS,
            "no log probabilities could be read, though they were asked for",
        )


def find_doubtful_usage(candidate: Candidate, settings: NoSettings) -> Iterator[Finding]:
    """Finds an answer whose token counts are not as the server reports them."""
    if candidate.usage_doubt:
        yield Finding(candidate.usage_doubt, _DOUBT_DETAILS[candidate.usage_doubt])


def find_reasoning_marks(candidate: Candidate, settings: NoSettings) -> Iterator[Finding]:
    """Finds a mark of reasoning in the answer, which may hold reasoning or speak about the mark."""
    found = find_mark(candidate.completion)
    if found:
        detail = f"a mark of reasoning, {found.group().strip()!r}"
        yield Finding(FindingCode.REASONING_MARK, detail, span=_span(found))


def find_unclosed(candidate: Candidate, settings: NoSettings) -> Iterator[Finding]:
    """Finds a fence or a think block with only one end."""
    text = candidate.completion
    start = unclosed_fence(text)
    if start is not None:
        yield Finding(
            FindingCode.FENCE,
            "a fenced block is never closed",
            span=Span("completion", start, len(text)),
        )
    if "<" in text:
        yield from _find_half_think_block(text)


def _find_half_think_block(text: str) -> Iterator[Finding]:
    open_tags: list[re.Match[str]] = []
    for tag in _THINK_TAG.finditer(without_code(text)):
        if not tag[1]:
            open_tags.append(tag)
        elif open_tags:
            open_tags.pop()
        else:
            yield Finding(FindingCode.THINK, "a think block ends that never began", span=_span(tag))
            return
    if open_tags:
        yield Finding(FindingCode.THINK, "a think block is never closed", span=_span(open_tags[0]))


def _span(match: re.Match[str]) -> Span:
    return Span("completion", match.start(), match.end())


FINISH_REASON = Rule(
    "finish_reason", 1, "drop", _REASONS, find_finish_reason, FinishReasonSettings()
)
EMPTY = Rule("empty", 1, "drop", (FindingCode.EMPTY,), find_empty)
LOGPROBS = Rule("logprobs", 1, "tag", (FindingCode.NO_LOGPROBS,), find_lost_logprobs)
REASONING_MARKS = Rule(
    "reasoning_marks", 1, "tag", (FindingCode.REASONING_MARK,), find_reasoning_marks
)
USAGE = Rule("usage", 1, "tag", tuple(UsageDoubt), find_doubtful_usage)
UNCLOSED = Rule("unclosed", 1, "drop", (FindingCode.FENCE, FindingCode.THINK), find_unclosed)
