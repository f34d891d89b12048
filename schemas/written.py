"""The base of what people write: frozen, strict models, of which each key has a description.

The models are the one source of the JSON Schemas beside them, of the reference pages in `docs/`,
and of the checks: `schemas.inputs.check` turns pydantic's errors into problems with file and line.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Any, Self, TypeVar

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    Strict,
    ValidationInfo,
    model_validator,
)
from pydantic.annotated_handlers import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

T = TypeVar("T")
Step = str | int

FROM_FILE = {"from_file": True}  # pydantic's context while a file is read


@dataclass(frozen=True, slots=True, kw_only=True)
class Flaw:
    """What is wrong with fields that are each right by themselves.

    Attributes:
        what: What is wrong, in a sentence.
        at: Keys and indices that lead to the place, from the model on.
        found: What is there.
        expected: What would have been right.
        remedy: What to do.
    """

    what: str
    at: tuple[Step, ...] = ()
    found: str = ""
    expected: str = ""
    remedy: str = ""


class Written(BaseModel):
    """A mapping in a file that people write.

    Types and bounds always hold. What a text looks like, and what fields mean together, is checked
    where a file is read, and not where code makes or copies a model.
    """

    model_config = ConfigDict(
        frozen=True, strict=True, extra="forbid", validate_by_name=True, hide_input_in_errors=True
    )

    def flaws(self) -> Iterator[Flaw]:
        """Yields what is wrong with the fields together; models with such rules override it."""
        yield from ()

    @model_validator(mode="after")
    def _refuse_flaws(self, info: ValidationInfo) -> Self:
        if info.context == FROM_FILE and (flaws := tuple(self.flaws())):
            raise flawed(*flaws)
        return self


def flawed(*flaws: Flaw) -> PydanticCustomError:
    """Returns the error that carries flaws from a validator to `schemas.inputs.check`."""
    text = "; ".join(flaw.what for flaw in flaws)
    return PydanticCustomError("flaws", "{text}", {"text": text, "flaws": flaws})


class _MayBeAbsent:
    """Marks a key that may be left out, and is then None, but may not be written as null."""

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.with_info_before_validator_function(_refuse_null, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        written = handler(schema)
        (kind,) = (kind for kind in written["anyOf"] if kind != {"type": "null"})
        return dict(kind)


def _refuse_null(value: Any, info: ValidationInfo) -> Any:
    if value is None and info.context == FROM_FILE:
        raise flawed(Flaw(what="nothing is written", found="null", remedy="leave the key out"))
    return value


@dataclass(frozen=True, slots=True)
class Form:
    """Marks a text that must match a pattern, which `words` describe to its author."""

    pattern: str
    words: str

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.with_info_after_validator_function(self._matched, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return {**handler(schema), "pattern": self.pattern}

    def _matched(self, value: str, info: ValidationInfo) -> str:
        if info.context == FROM_FILE and not re.search(f"{self.pattern[:-1]}\\Z", value):
            raise flawed(Flaw(what="wrong form", expected=self.words))
        return value


class _Filled:
    """Marks a list that a file may not leave empty."""

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.with_info_after_validator_function(_refuse_empty, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return {**handler(schema), "minItems": 1}


def _refuse_empty(value: tuple[Any, ...], info: ValidationInfo) -> tuple[Any, ...]:
    if info.context == FROM_FILE and not value:
        raise flawed(Flaw(what="out of bounds", found="[]", expected="at least 1"))
    return value


def _as_day(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    with suppress(ValueError):
        if re.fullmatch(r"\d{4}-\d\d-\d\d", value):
            return date.fromisoformat(value)
    raise flawed(Flaw(what="wrong format", expected="a date, as 2026-11-22"))


def as_sequence(value: Any) -> Any:
    """Returns one text, or a list, as a tuple; anything else as it is."""
    if isinstance(value, str):
        return (value,)
    return tuple(value) if isinstance(value, list) else value


Text = Annotated[str, Field(min_length=1)]
Absent = Annotated[T | None, _MayBeAbsent()]
Many = Annotated[tuple[T, ...], Strict(False)]  # YAML and JSON have lists
Filled = Annotated[Many[T], _Filled()]
Day = Annotated[date, BeforeValidator(_as_day)]
OneOrMany = Annotated[
    Many[T], BeforeValidator(as_sequence, json_schema_input_type=str | tuple[str, ...])
]
