"""Finds answers in the ledger that a run does not use, since it asks with other settings.

A request's id is a digest of prompt and settings, so no index leads from a prompt to its answers
under other settings. A sample of the ledger shows which settings it holds. With each of them the
ids of the requests that are still to be asked are made again and looked up.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from schemas.canonical import canonical_json, digest
from schemas.prompts import Message
from schemas.requests import EXTRA, Request, identity, request_settings
from transforms.ledger import ReaderLike

MOST_REQUESTS = 4000  # of those to be asked: each costs some 40 us for each of the settings
_SAMPLE = 200  # entries of the ledger that are read
_MOST_SETTINGS = 5
_MOST_SHOWN = 3
_MOST_CHARACTERS = 40


@dataclass(frozen=True, slots=True)
class Difference:
    """A setting that differs, in words.

    Attributes:
        name: The parameter, or `teacher`, `model`, `revision`, `system`.
        before: Its value with the answers that are in the ledger; "none" without one.
        now: Its value in this run.
    """

    name: str
    before: str
    now: str


@dataclass(frozen=True, slots=True)
class OtherAnswers:
    """Answers to requests of this run, given under other settings.

    Attributes:
        teacher: The teacher that this run would ask.
        answers: Requests that have such an answer, of the first 4,000 that are to be asked.
        differences: What differs.
    """

    teacher: str
    answers: int
    differences: tuple[Difference, ...]


@dataclass(frozen=True, slots=True)
class _Settings:
    teacher: str
    model: str
    revision: str
    system: str
    parameters: str  # canonical JSON, with the seed of the first sample

    def request_id(self, request: Request, own: _Settings) -> str:
        """Returns the id that a request of this run has with these settings."""
        turns = request.messages[1:] if own.system else request.messages
        messages = (Message("system", self.system), *turns) if self.system else turns
        settings = _with_seed(request_settings(self.parameters), request.sample_index)
        return digest(
            identity(
                teacher=self.teacher,
                model=self.model,
                revision=self.revision,
                messages=[{"role": turn.role, "content": turn.content} for turn in messages],
                settings=settings,
                sample_index=request.sample_index,
            )
        )

    def named(self) -> dict[str, Any]:
        """Returns each setting by its name; what a route's `extra` holds, one by one."""
        settings = dict(request_settings(self.parameters))
        extra = settings.pop(EXTRA, {})
        return {
            "teacher": self.teacher,
            "model": self.model,
            "revision": self.revision or None,
            "system": self.system or None,
            **settings,
            **{f"{EXTRA}.{name}": value for name, value in extra.items()},
        }


def other_answers(
    requests: Sequence[Request], system: str, ledger: ReaderLike
) -> tuple[OtherAnswers, ...]:
    """Finds answers to requests of this run under other settings.

    Args:
        requests: Requests that are to be asked, 4,000 at most.
        system: The run's system prompt, or "".
        ledger: The answers of earlier runs; 200 of them are read.

    Returns:
        The settings with the most answers first, three at most.
    """
    if not requests:
        return ()
    held = Counter(each for asked in ledger.sample(_SAMPLE) for each in _settings_of(asked))
    found: Counter[tuple[_Settings, _Settings]] = Counter()
    for own, mine in _by_settings(requests, system).items():
        alike = (each for each, _ in held.most_common() if _may_answer(each, own))
        for other in list(alike)[:_MOST_SETTINGS]:
            found[own, other] = sum(_answered(ledger, other, own, each) for each in mine)
    return tuple(
        OtherAnswers(own.teacher, answers, tuple(_differences(other, own)))
        for (own, other), answers in found.most_common(_MOST_SHOWN)
        if answers
    )


def _answered(ledger: ReaderLike, other: _Settings, own: _Settings, request: Request) -> bool:
    known = ledger.outcome(other.request_id(request, own))
    return known is not None and known.answered


def _may_answer(other: _Settings, own: _Settings) -> bool:
    """Whether answers under other settings are of the same teacher, perhaps by another name."""
    return other != own and (other.teacher == own.teacher or other.model == own.model)


def _by_settings(requests: Iterable[Request], system: str) -> dict[_Settings, list[Request]]:
    grouped: dict[_Settings, list[Request]] = {}
    for request in requests:
        parameters = _first_seed(request.parameters, request.sample_index)
        own = _Settings(request.teacher, request.model, request.revision, system, parameters)
        grouped.setdefault(own, []).append(request)
    return grouped


def _settings_of(asked: Mapping[str, Any]) -> Iterator[_Settings]:
    """Yields the settings of a request in the ledger: its system turn may be the prompt's own."""
    first = asked["messages"][0] if asked["messages"] else {}
    parameters = _first_seed(asked["parameters"], asked["sample_index"])
    plain = _Settings(asked["teacher"], asked["model"], asked["revision"], "", parameters)
    if first.get("role") == "system":
        yield replace(plain, system=first["content"])
    yield plain


def _first_seed(parameters: str, sample_index: int) -> str:
    """Returns parameters with the seed of the first sample."""
    return canonical_json(_with_seed(json.loads(parameters), -sample_index))


def _with_seed(settings: Mapping[str, Any], raised: int) -> dict[str, Any]:
    seed = settings.get("seed")
    return {**settings, **({} if seed is None else {"seed": seed + raised})}


def _differences(other: _Settings, own: _Settings) -> Iterator[Difference]:
    before, now = other.named(), own.named()
    for name in dict.fromkeys([*now, *before]):
        if before.get(name) != now.get(name):
            yield Difference(name, _shown(before.get(name)), _shown(now.get(name)))


def _shown(value: Any) -> str:
    if value is None:
        return "none"
    text = value if isinstance(value, str) else canonical_json(value)
    return text if len(text) <= _MOST_CHARACTERS else f"{text[: _MOST_CHARACTERS - 1]}…"
