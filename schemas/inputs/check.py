"""Checks what people write against the models, and reports every problem with file and line."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, Discriminator, RootModel, Tag, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from schemas.errors import InputError, Problem, close_names
from schemas.inputs.document import Document
from schemas.written import FROM_FILE, Flaw, Step

M = TypeVar("M", bound=BaseModel)

# Keys into which people paste what must never reach a log: a key, an address with a password.
_MAY_BE_SECRET = ("key", "endpoint", "redis")

_KINDS = {
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "string": "a text",
    "tuple": "a list",
    "list": "a list",
    "dict": "a mapping",
    "mapping": "a mapping",
    "model": "a mapping",
    "model_attributes": "a mapping",
    "date": "a date, as 2026-11-22",
}
_BOUNDS = {
    "greater_than_equal": ("ge", "at least {}"),
    "greater_than": ("gt", "more than {}"),
    "less_than_equal": ("le", "at most {}"),
    "too_short": ("min_length", "at least {}"),
    "too_long": ("max_length", "at most {}"),
    "string_too_short": ("min_length", "a text of at least {}"),
}


def read_model(document: Document, kind: type[M]) -> M:
    """Makes a model of a file's content.

    Args:
        document: What was read.
        kind: The model.

    Returns:
        The model.

    Raises:
        InputError: With every problem found, each with its line.
    """
    try:
        return kind.model_validate(document.data, context=FROM_FILE, by_alias=True, by_name=False)
    except ValidationError as error:
        found = [
            (document.line(steps), problem.at(document.where(steps)))
            for steps, problem in problems(error, kind, document.data)
        ]
    raise InputError(problem for _, problem in sorted(found, key=lambda pair: pair[0]))


def check_value(value: Any, kind: type[M], name: str) -> M:
    """Makes a model of plain data that did not come from a file of its own.

    Args:
        value: The data.
        kind: The model.
        name: How messages call it.

    Returns:
        The model.

    Raises:
        InputError: With every problem found.
    """
    try:
        return kind.model_validate(value, context=FROM_FILE, by_alias=True, by_name=False)
    except ValidationError as error:
        found = [
            replace(problem, what=f"{name}{'.' if steps else ': '}{problem.what}")
            for steps, problem in problems(error, kind, value)
        ]
    raise InputError(found)


def problems(
    error: ValidationError, kind: Any, data: Any
) -> Iterator[tuple[tuple[Step, ...], Problem]]:
    """Yields what is wrong by a validation, with the keys and indices that lead to the place.

    Args:
        error: What pydantic found.
        kind: The type that it checked by: a model, or a mapping from keys to types.
        data: What it checked.
    """
    for details in error.errors(include_url=False):
        steps = _steps(details, data)
        for flaw in _flaws(details, kind, data, steps):
            place = (*steps, *flaw.at)
            what = f"{'.'.join(map(str, place))}: {flaw.what}" if place else flaw.what
            secret = bool(place) and place[-1] in _MAY_BE_SECRET
            found = _hidden(details["input"]) if secret and flaw.found else flaw.found
            yield place, Problem(what, found=found, expected=flaw.expected, remedy=flaw.remedy)


def _steps(details: ErrorDetails, data: Any) -> tuple[Step, ...]:
    """Returns where an error is, without the steps that pydantic adds: tags, `[key]`."""
    steps: list[Step] = []
    for step in details["loc"]:
        known = step in data if isinstance(data, dict) else isinstance(data, list)
        if known:
            data = data[step]
            steps.append(step)
    return tuple(steps)


def _flaws(details: ErrorDetails, kind: Any, data: Any, steps: tuple[Step, ...]) -> Iterable[Flaw]:
    """Returns what is wrong at one place, by pydantic's code of the error."""
    code, context, found = details["type"], details.get("ctx", {}), _text(details["input"])
    if code == "flaws":
        found = "" if isinstance(details["input"], dict | list | BaseModel) else found
        return [replace(flaw, found=flaw.found or found) for flaw in context["flaws"]]
    if code == "extra_forbidden":
        return [_unknown_key(str(steps[-1]), _fields(_plain(_kind_at(kind, data, steps[:-1]))))]
    if code == "missing":
        return [_missing_key(str(details["loc"][-1]), _fields(_plain(_kind_at(kind, data, steps))))]
    if code == "literal_error":
        return [_unknown_value(details["input"], _names(_kind_at(kind, data, steps)))]
    if code in _BOUNDS:
        bound, words = _BOUNDS[code]
        if code == "too_short" and len(details["input"]) >= context[bound]:
            return []  # its items are wrong, of which pydantic counts none
        return [Flaw(what="out of bounds", found=found, expected=words.format(context[bound]))]
    if code.removesuffix("_type") in _KINDS:
        # A rule's settings may be null; keys of files that may be left out are not null.
        null = isinstance(kind, Mapping) and NoneType in get_args(_kind_at(kind, data, steps))
        expected = _KINDS[code.removesuffix("_type")] + (" or null" if null else "")
        return [Flaw(what="wrong type", found=found, expected=expected)]
    return [Flaw(what=details["msg"], found=found)]


def _unknown_key(key: str, fields: Mapping[str, Any]) -> Flaw:
    return Flaw(
        what="unknown field",
        found=repr(key),
        expected=f"one of {', '.join(fields)}" if fields else "none",
        remedy=close_names(key, fields),
    )


def _missing_key(key: str, fields: Mapping[str, Any]) -> Flaw:
    expected = fields[key].description or ""
    return Flaw(what=f"the field {key!r} is missing", expected=expected.rstrip("."))


def _unknown_value(value: Any, names: list[str]) -> Flaw:
    return Flaw(
        what="not one of the known values",
        found=_text(value),
        expected=f"one of {', '.join(names)}",
        remedy=close_names(str(value), names),
    )


def _kind_at(kind: Any, data: Any, steps: Iterable[Step]) -> Any:
    """Returns the type at the end of a path of keys and indices."""
    for step in steps:
        data = data[step]
        kind = _plain(kind)
        fields, items = _fields(kind), get_args(kind)
        if step in fields:
            field = fields[str(step)]
            kind = field.annotation if isinstance(field, FieldInfo) else field
        else:
            kind = items[issubclass(get_origin(kind) or object, Mapping)] if items else Any
        kind = _chosen(kind, data)
    return kind


def _chosen(kind: Any, data: Any) -> Any:
    """Returns the type that pydantic chose for data, of several between which the data decide."""
    marks = getattr(kind, "__metadata__", ())
    decide = next((mark.discriminator for mark in marks if isinstance(mark, Discriminator)), None)
    if not callable(decide):
        return kind
    tag = Tag(str(decide(data)))
    return next(one for one in get_args(get_args(kind)[0]) if tag in one.__metadata__)


def _fields(kind: Any) -> Mapping[str, Any]:
    """Returns the fields of a model by the keys of a file; of any other type none."""
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        known = kind.model_fields.items()
        return {str(field.validation_alias or name): field for name, field in known}
    return kind if isinstance(kind, Mapping) else {}


def _plain(kind: Any) -> Any:
    """Returns a type without its annotations; of several types the one that has fields."""
    if get_origin(kind) is Annotated:
        return _plain(get_args(kind)[0])
    if isinstance(kind, type) and issubclass(kind, RootModel):
        return _plain(kind.model_fields["root"].annotation)
    if get_origin(kind) in (Union, UnionType):
        kinds = [_plain(one) for one in get_args(kind) if one is not NoneType]
        return next((one for one in kinds if _fields(one)), kinds[0])
    return kind


def _names(kind: Any) -> list[str]:
    """Returns the words that a type allows."""
    if get_origin(kind) is Literal:
        return [str(name) for name in get_args(kind)]
    return [name for inner in get_args(kind) for name in _names(inner)]


def _text(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 80 else text[:77] + "…"


def _hidden(value: Any) -> str:
    return f"{len(str(value))} characters, not shown since they may be a secret"
