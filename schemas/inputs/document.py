"""Reads YAML 1.2 with line numbers. JSON is YAML, and is read the same way.

Plain scalars follow the core schema in its lower-case forms: `null`, `~`, `true`, `false` and
decimal numbers. All else is text, so `on`, `no` and dates stay as they are written. Keys are text.
A file that would not fit in memory, or would not end, is refused while it is read.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    CollectionEndEvent,
    CollectionStartEvent,
    DocumentStartEvent,
    Event,
    MappingStartEvent,
    NodeEvent,
    ScalarEvent,
)

from schemas.errors import InputError
from schemas.inputs.yaml_errors import not_yaml
from schemas.written import Step

_MAX_DEPTH = 100  # of nested lists and mappings
_MAX_ALIASED = 10_000  # values that aliases may add

_CONSTANTS = {"": None, "~": None, "null": None, "true": True, "false": False}
_INTEGER = re.compile(r"[-+]?[0-9]+")
_FLOAT = re.compile(r"[-+]?(?:[0-9]+\.[0-9]*|\.[0-9]+|[0-9]+(?=[eE]))(?:[eE][-+]?[0-9]+)?")
_UNUSABLE = re.compile("[\\x00\ud800-\udfff]")  # NUL, and half a surrogate pair
_TEXT_TAGS = ("tag:yaml.org,2002:str", "!")


@dataclass(frozen=True, slots=True)
class Document:
    """A file's content, with the line of each part of it.

    Attributes:
        data: Plain mappings, lists and scalars.
        lines: Line, from 1, by the path of keys and indices that leads there.
        path: The file.
    """

    data: Any
    lines: dict[tuple[Step, ...], int]
    path: str

    def line(self, steps: Iterable[Step] = ()) -> int:
        """Returns the line of a part, or of the nearest part around it."""
        steps = tuple(steps)
        while steps and steps not in self.lines:
            steps = steps[:-1]
        return self.lines.get(steps, 1)

    def where(self, steps: Iterable[Step] = ()) -> str:
        """Returns `file:line` of a part, or of the nearest part around it."""
        return f"{self.path}:{self.line(steps)}"


def read_yaml(path: Path, *, name: str | None = None) -> Document:
    """Reads a YAML file.

    Args:
        path: The file.
        name: How messages call it; by default its path.

    Returns:
        Its content with line numbers.

    Raises:
        InputError: It is missing, not UTF-8, not YAML, or names a key twice.
    """
    name = name or str(path)
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise InputError("no such file", where=name) from None
    except UnicodeDecodeError as error:
        raise InputError(
            "the file is not UTF-8", where=name, found=f"byte {error.start}: {error.reason}"
        ) from None
    except OSError as error:
        raise InputError("the file cannot be read", where=name, found=str(error.strerror)) from None
    return parse_yaml(text, name)


def parse_yaml(text: str, name: str) -> Document:
    """Parses YAML text; see `read_yaml`."""
    try:
        # libyaml is ten times faster, but refuses a colon within a plain scalar of a flow mapping,
        # as in `{key: env:NAME}`, and other things that YAML 1.2 allows.
        return _compose(text, name, pure=False)
    except YAMLError:
        return _compose_or_refuse(text, name)


def _compose_or_refuse(text: str, name: str) -> Document:
    try:
        return _compose(text, name, pure=True)
    except YAMLError as error:
        raise not_yaml(error, text, name) from None


def _compose(text: str, name: str, *, pure: bool) -> Document:
    composer = _Composer(name)
    for event in YAML(typ="safe", pure=pure).parse(text):
        composer.take(event)
    return Document(composer.data, composer.lines, name)


@dataclass(slots=True)
class _Open:
    """A list or a mapping whose end was not read yet."""

    value: Any
    steps: tuple[Step, ...]
    anchor: str | None
    key: str | None = None  # of a mapping: its value comes next
    size: int = 1  # values in it, and itself


@dataclass(slots=True)
class _Composer:
    """Builds a document from a parser's events, without recursion."""

    name: str
    data: Any = None
    lines: dict[tuple[Step, ...], int] = field(default_factory=dict)
    _open: list[_Open] = field(default_factory=list)
    _anchored: dict[str, tuple[Any, int]] = field(default_factory=dict)
    _aliased: int = 0
    _documents: int = 0

    def take(self, event: Event) -> None:
        """Takes the next event."""
        if isinstance(event, DocumentStartEvent):
            self._documents += 1
            if self._documents > 1:
                raise self._refused("the file holds more than one document", event)
        elif isinstance(event, CollectionEndEvent):
            ended = self._open.pop()
            self._keep(ended.anchor, ended.value, ended.size)
            if self._open:
                self._open[-1].size += ended.size
        elif isinstance(event, NodeEvent):
            self._take_node(event)

    def _take_node(self, event: NodeEvent) -> None:
        top = self._open[-1] if self._open else None
        if top and isinstance(top.value, dict) and top.key is None:
            top.key = self._key(event, top)
            return
        steps = self._steps(event, top)
        value, size = self._value(event)
        if top is None:
            self.data = value
        elif isinstance(top.value, list):
            top.value.append(value)
        else:
            top.value[top.key], top.key = value, None
        if isinstance(event, CollectionStartEvent):
            self._start(event, value, steps)
        elif top:
            top.size += size

    def _steps(self, event: NodeEvent, top: _Open | None) -> tuple[Step, ...]:
        """Returns the path of a value, and notes its line; a key's line is that of its value."""
        if top is None:
            steps: tuple[Step, ...] = ()
        elif isinstance(top.value, list):
            steps = (*top.steps, len(top.value))
        else:
            return (*top.steps, str(top.key))
        self.lines[steps] = event.start_mark.line + 1
        return steps

    def _key(self, event: NodeEvent, mapping: _Open) -> str:
        if not isinstance(event, ScalarEvent):
            raise self._refused("a key must be a text", event)
        key: str = event.value
        steps, line = (*mapping.steps, key), event.start_mark.line + 1
        if steps in self.lines:
            same = self.lines[steps] == line
            first = "the same line" if same else f"line {self.lines[steps]}"
            raise InputError(
                f"the key {key!r} is given twice in one mapping",
                where=f"{self.name}:{line}",
                found=f"the second at column {event.start_mark.column + 1}" if same else "",
                remedy=f"the first is on {first}; keep one",
            )
        self.lines[steps] = line
        return key

    def _value(self, event: NodeEvent) -> tuple[Any, int]:
        """Returns a node's value, a collection's still empty, and how many values it holds."""
        if isinstance(event, AliasEvent):
            return self._alias(event)
        if isinstance(event, ScalarEvent):
            value = self._scalar(event)
            self._keep(event.anchor, value, 1)
            return value, 1
        if isinstance(event, CollectionStartEvent) and event.tag not in (None, "!"):
            raise self._refused("a tag is not understood", event, found=event.tag)
        return ({} if isinstance(event, MappingStartEvent) else []), 1

    def _start(self, event: NodeEvent, value: Any, steps: tuple[Step, ...]) -> None:
        if len(self._open) == _MAX_DEPTH:
            raise self._refused(f"more than {_MAX_DEPTH} lists and mappings are nested", event)
        if event.anchor:
            self._anchored.pop(event.anchor, None)  # until its end it can not be used
        self._open.append(_Open(value, steps, event.anchor))

    def _keep(self, anchor: str | None, value: Any, size: int) -> None:
        if anchor:
            self._anchored[anchor] = value, size

    def _alias(self, event: AliasEvent) -> tuple[Any, int]:
        if event.anchor not in self._anchored:
            raise self._refused("the alias names no value that is complete before it", event)
        value, size = self._anchored[event.anchor]
        self._aliased += size
        if self._aliased > _MAX_ALIASED:
            raise self._refused(f"aliases add more than {_MAX_ALIASED} values", event)
        return value, size

    def _scalar(self, event: ScalarEvent) -> Any:
        text: str = event.value
        if unusable := _UNUSABLE.search(text):
            found = f"U+{ord(unusable[0]):04X} at character {unusable.start()}"
            raise self._refused("a text has a character that no file holds", event, found=found)
        quoted = event.tag is None and not event.implicit[0]
        if quoted or event.tag in _TEXT_TAGS:
            return text
        if event.tag is not None:
            raise self._refused("a tag is not understood", event, found=event.tag)
        if text in _CONSTANTS:
            return _CONSTANTS[text]
        return self._number(text, event)

    def _number(self, text: str, event: ScalarEvent) -> int | float | str:
        """Returns a plain scalar as the number that it is, or else as text."""
        kind = int if _INTEGER.fullmatch(text) else float if _FLOAT.fullmatch(text) else str
        try:
            value: int | float | str = kind(text)
        except ValueError:  # Python reads integers of up to 4,300 digits
            value = math.inf
        if value in (math.inf, -math.inf):
            raise self._refused("the number is too large", event, found=f"{len(text)} characters")
        return value

    def _refused(self, what: str, event: Event, *, found: str = "") -> InputError:
        return InputError(what, where=f"{self.name}:{event.start_mark.line + 1}", found=found)
