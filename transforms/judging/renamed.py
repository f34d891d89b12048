"""Judgements in a ledger of an older scheme: their questions carry the ids of judged records.

The mark around the material is a digest of the record's id and of the text, see `question.py`. In
another scheme the record has another id, so the judge would be asked another question. Here the
record is found by the text, and the mark is made again with its new id.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from schemas.canonical import canonical_json, digest
from schemas.prompts import Message, prompt_id
from transforms.judging.question import MARK_LENGTH, SYSTEM
from transforms.ledger.scheme import Asked, Ids

_OPENING = re.compile(rf"^=== conversation ([0-9a-f]{{{MARK_LENGTH}}}) ===\n", re.MULTILINE)
_CALL = re.compile(r"\n(?=[\w.-]+ \{)")  # where a call of a tool may begin in an answer


class _Marked(NamedTuple):
    """What a judge was shown.

    Attributes:
        mark: The mark around it.
        turns: The conversation, without the answer.
        answer: The answer.
    """

    mark: str
    turns: list[dict[str, str]]
    answer: str


class _WaitingJudgement(NamedTuple):
    """A judgement whose record is looked for.

    Attributes:
        request_id: The judgement's request.
        mark: Its mark.
        begun: Digests of all that the mark is made of, but for the record's id at the end.
    """

    request_id: str
    mark: str
    begun: tuple[Any, ...]


@dataclass(slots=True)
class Judgements:
    """The judgements of a ledger; a `transforms.ledger.migrate.DerivedRequests`."""

    _waiting: dict[str, list[_WaitingJudgement]] = field(
        default_factory=dict
    )  # by digest of conversation
    _marks: dict[str, str] = field(default_factory=dict)  # new ones, by id of the judgement

    def add(self, request_id: str, asked: Asked) -> bool:
        """Takes a judgement; returns False for any other request."""
        shown = _read(asked["messages"])
        if shown is None:
            return False
        waiting = _WaitingJudgement(request_id, shown.mark, tuple(_begun(shown)))
        self._waiting.setdefault(digest(shown.turns), []).append(waiting)
        return True

    def find_origin(self, ids: Ids, asked: Asked) -> None:
        """Finds the judgements of a request's answer."""
        for waiting in self._waiting.get(digest(asked["messages"]), ()):
            for begun in waiting.begun:
                marks = Ids(*(_mark(begun, each) for each in ids))
                if waiting.mark in marks:
                    self._marks[waiting.request_id] = marks.new

    def rewritten(self, request_id: str, asked: Asked) -> Asked | None:
        """Returns a judgement's request with its new mark; None where no record was found."""
        shown, mark = _read(asked["messages"]), self._marks.get(request_id)
        if shown is None or mark is None:
            return None
        system, question = asked["messages"]
        question = question | {"content": question["content"].replace(shown.mark, mark)}
        own = prompt_id([Message(**question)])
        return asked | {"messages": [system, question], "prompt_id": own}


def _read(messages: Sequence[Mapping[str, str]]) -> _Marked | None:
    """Returns what a judge was shown; None where a request asks no judge."""
    if len(messages) != 2 or messages[0] != {"role": "system", "content": SYSTEM}:
        return None
    _, *found = _OPENING.split(messages[1]["content"], maxsplit=1)
    if not found:
        return None
    mark, material = found
    asked, _, rest = material.partition(f"=== answer {mark} ===\n")
    _, *turns = re.split(rf"^--- (\w+) {mark} ---\n", asked, flags=re.MULTILINE)
    pairs = zip(turns[::2], turns[1::2], strict=True)
    conversation = [{"role": role, "content": text.removesuffix("\n")} for role, text in pairs]
    return _Marked(mark, conversation, rest.partition(f"\n=== end {mark} ===")[0])


def _begun(shown: _Marked) -> Iterator[Any]:
    """Yields what may lead to a mark: an answer's text ends where a call of a tool begins."""
    for end in (len(shown.answer), *(call.start() for call in _CALL.finditer(shown.answer))):
        turn = {"role": "assistant", "content": shown.answer[:end]}
        whole = {"record": "", "messages": [*shown.turns, turn], "answer": shown.answer}
        # The record's id is the last in the canonical form.
        yield hashlib.sha256(canonical_json(whole).removesuffix('"}').encode())


def _mark(begun: Any, record_id: str) -> str:
    whole = begun.copy()
    whole.update(record_id.encode() + b'"}')
    return str(whole.hexdigest()[:MARK_LENGTH])
