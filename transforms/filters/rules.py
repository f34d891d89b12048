"""What a rule is: a pure function from a candidate to what it found there.

A rule of one's own is one file that makes a `Rule`, and one entry point that names it:

    # shouting.py
    from transforms.filters.rules import Candidate, Found, NoSettings, Rule

    def find_shouting(candidate: Candidate, settings: NoSettings) -> Iterator[Found]:
        if candidate.completion.isupper():
            yield Found("all_capitals", "the whole answer is in capitals")

    SHOUTING = Rule("shouting", 1, "tag", ("all_capitals",), find_shouting)

    # pyproject.toml
    [project.entry-points."stillroom.filters"]
    shouting = "shouting:SHOUTING"
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from schemas.codes import Severity
from schemas.errors import Problem
from schemas.inputs.run import Action
from schemas.prompts import Message
from schemas.records import Place, RecordedFinding
from schemas.responses import FinishReason, ToolCall


@dataclass(frozen=True, slots=True)
class Candidate:
    """A record in the making: all that a rule may look at.

    Attributes:
        messages: What was asked, the last turn the user's.
        completion: The answer.
        reasoning: What the model thought before it, kept apart; "" for nothing.
        finish_reason: Why the answer ended.
        refusal: A refusal that the API reports as such; "" for none.
        language: Code of the completion's language as `detect_language` gives it, or "".
        language_score: How sure that is, from 0 to 1.
        counted_tokens: Tokens of the completion by our own count.
        response_schema: The JSON Schema that the request asked for, as JSON; "" for none.
        tool_calls: The calls of tools that the answer asks for.
        tools: The request's tools, and its choice among them, as JSON; "" for none.
        lacks_logprobs: Whether log probabilities were asked for, and none could be read.
        gold: The right answer, where the prompt brought one; "" for none.
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
    gold: str = ""

    @property
    def only_calls(self) -> bool:
        """Whether the answer calls tools and says nothing: there is no text to judge."""
        return bool(self.tool_calls) and not self.completion.strip()

    def answer_parts(self) -> Iterator[tuple[str, str]]:
        """Yields name and text of each part that the teacher wrote."""
        yield "completion", self.completion
        if self.reasoning:
            yield "reasoning", self.reasoning
        for number, call in enumerate(self.tool_calls, 1):
            yield f"tool call {number}", call.arguments

    def parts(self) -> Iterator[tuple[str, str]]:
        """Yields name and text of each part that the record will hold."""
        for number, message in enumerate(self.messages, 1):
            yield f"message {number}", message.content
        yield from self.answer_parts()


class Span(NamedTuple):
    """Where something stands: characters `start` to `end`, the end excluded, of a part."""

    part: str
    start: int
    end: int

    def __str__(self) -> str:
        return f"{self.part} {self.start}:{self.end}"


@dataclass(frozen=True, slots=True)
class Finding:
    """What a rule found, before policy says what follows from it.

    Attributes:
        code: What it is, in a word: one of the rule's codes.
        detail: The same for a person. It is published: no secret, no personal data.
        value: The measured number, or None where there is nothing to measure.
        span: Where it stands, or None where it is the record as a whole.
    """

    code: str
    detail: str
    value: float | None = None
    span: Span | None = None

    def recorded(
        self, rule: str, version: int, action: Action, severity: Severity
    ) -> RecordedFinding:
        """Returns it as records keep it: under its rule, with what follows from it."""
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
    """The settings of a rule that has none."""


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
    """A rule, with what it does unless the run file says otherwise.

    Attributes:
        name: Its name in run files.
        version: Raised whenever it would find something else in the same candidate.
        action: What its findings lead to by default.
        codes: Everything it can find.
        find: The rule itself: pure, and total, whatever the candidate's texts hold. It is a
            module's own function, so that workers can import it.
        settings: A frozen dataclass with the default settings. Its `__post_init__` raises
            `ValueError` for values that make no sense.
        redacts: Whether `redact` may be its action: then each of its findings has a span, and
            together they point at every place of what it looks for.
        always_tag: Codes that tell of the check and not of the answer. They tag, whatever the run
            file's action, unless it names them under `codes`.
        check: What keeps the rule from being applied with such settings, if anything. It is
            looked for before anybody is asked.
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
        """Returns how grave a finding is, as its default action tells."""
        return Severity.REMARK if code in self.always_tag else _SEVERITIES[self.action]
