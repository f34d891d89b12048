"""What a rule is: a pure function that returns findings for a candidate record.

An own rule is one file that makes a `Rule`, and one entry point that names it:

    # shouting.py
    from collections.abc import Iterator
    from stillroom import Candidate, Finding, NoSettings, Rule

    def find_shouting(candidate: Candidate, settings: NoSettings) -> Iterator[Finding]:
        if candidate.completion.isupper():
            yield Finding("all_capitals", "the whole answer is in capitals")

    SHOUTING = Rule("shouting", 1, "tag", ("all_capitals",), find_shouting)

    # pyproject.toml
    [project.entry-points."stillroom.filters"]
    shouting = "shouting:SHOUTING"
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from schemas.codes import Severity, UsageDoubt
from schemas.errors import Problem
from schemas.inputs.quality import Action
from schemas.prompts import Message
from schemas.records import Place, RecordedFinding
from schemas.responses import FinishReason, ToolCall


@dataclass(frozen=True, slots=True)
class Candidate:
    """A record that is being made: all that a rule may read.

    Attributes:
        messages: The prompt; the last turn is the user's.
        completion: The text of the answer.
        reasoning: What the model thought before it, if the API returned that; else "".
        finish_reason: Why the answer ended.
        finish_word: The server's own word for why it ended, or "".
        refusal: A refusal that the API reports as such, or "".
        language: The completion's language, a code from `detect_language`, or "".
        language_score: How certain the language is, from 0 to 1.
        counted_tokens: Tokens of the completion, counted by stillroom.
        response_schema: The JSON Schema that the request asked for, as JSON, or "".
        tool_calls: The tool calls in the answer.
        tools: The request's `tools` and `tool_choice`, as JSON, or "".
        lacks_logprobs: Whether log probabilities were asked for and could not be read.
        usage_doubt: Why its token counts are not as the server reports them, or None.
        gold: The right answer if the prompt has one, or "".
    """

    messages: tuple[Message, ...]
    completion: str
    reasoning: str = ""
    finish_reason: FinishReason = "stop"
    refusal: str = ""
    language: str = ""
    language_score: float = 0.0
    counted_tokens: int = 0
    response_schema: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    tools: str = ""
    lacks_logprobs: bool = False
    usage_doubt: UsageDoubt | None = None
    finish_word: str = ""
    gold: str = ""

    @property
    def only_calls(self) -> bool:
        """Whether the answer is tool calls without text."""
        return bool(self.tool_calls) and not self.completion.strip()

    def answer_parts(self) -> Iterator[tuple[str, str]]:
        """Yields name and text of each part that the teacher wrote."""
        yield "completion", self.completion
        if self.reasoning:
            yield "reasoning", self.reasoning
        for number, call in enumerate(self.tool_calls, 1):
            yield f"tool call {number}", call.arguments

    def parts(self) -> Iterator[tuple[str, str]]:
        """Yields name and text of each part of the record, the prompt included."""
        for number, message in enumerate(self.messages, 1):
            yield f"message {number}", message.content
        yield from self.answer_parts()


class Span(NamedTuple):
    """A place in a part of a record: characters from `start` up to, not including, `end`."""

    part: str
    start: int
    end: int

    def __str__(self) -> str:
        return f"{self.part} {self.start}:{self.end}"


@dataclass(frozen=True, slots=True)
class Finding:
    """What a rule found. The run file decides what happens to the record.

    Attributes:
        code: One of the rule's codes.
        detail: A description for a person. It is published in the record, so it must not quote
            secrets or personal data, and its wording is part of the corpus's bytes.
        value: The measured number, or None.
        span: Where it is, or None for the record as a whole.
    """

    code: str
    detail: str
    value: float | None = None
    span: Span | None = None

    def recorded(
        self, rule: str, version: int, action: Action, severity: Severity
    ) -> RecordedFinding:
        """Returns the finding in the form that records keep, with its rule and action."""
        text = f"{self.detail} ({self.span})" if self.span else self.detail
        place = Place(**self.span._asdict()) if self.span else None
        return RecordedFinding(
            rule=rule,
            version=version,
            code=self.code,
            action=action,
            value=self.value,
            finding=text,
            severity=severity,
            span=place,
        )


@dataclass(frozen=True, slots=True)
class NoSettings:
    """The settings of a rule without settings."""


_SEVERITIES: dict[Action, Severity] = {
    "drop": Severity.DEFECT,
    "quarantine": Severity.RISK,
    "redact": Severity.RISK,
    "tag": Severity.REMARK,
}


def _no_check(settings: Any) -> Problem | None:
    return None


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule with its defaults.

    Attributes:
        name: Its name in run files.
        version: To be raised with every change of what it finds.
        action: What happens to a record with a finding, unless the run file says otherwise.
        codes: The codes of all its findings.
        find: The function. It takes a candidate and the settings and returns findings. It must be
            pure and must not raise, for any text. Define it at the top of a module, so that
            workers can import it.
        settings: A frozen dataclass with the default settings. Its `__post_init__` raises
            `ValueError` for values that are not valid.
        redacts: Whether `redact` may be its action. Then every finding has a span, and the
            findings cover every place of what the rule looks for.
        always_tag: Codes about the check and not about the answer. They tag, whatever the action
            in the run file, unless it names them under `codes`.
        check: Returns why the rule cannot be applied with some settings, or None. It is called
            before any request is sent.
    """

    name: str
    version: int
    action: Action
    codes: tuple[str, ...]
    find: Callable[[Candidate, Any], Iterable[Finding]]
    settings: Any = NoSettings()
    redacts: bool = False
    always_tag: tuple[str, ...] = ()
    check: Callable[[Any], Problem | None] = _no_check

    def severity(self, code: str) -> Severity:
        """Returns the severity of a finding, which follows from the default action."""
        return Severity.REMARK if code in self.always_tag else _SEVERITIES[self.action]
