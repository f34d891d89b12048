"""Checks published files by their JSON Schemas, and turns dataclasses into plain data and back."""

from __future__ import annotations

import functools
import json
from enum import StrEnum
from importlib.resources import files as package_files
from typing import Any, TypeVar

import cattrs
from jsonschema import Draft202012Validator, FormatChecker
from jsonschema.exceptions import ValidationError, best_match
from pydantic import BaseModel
from referencing import Registry as SchemaRegistry
from referencing.jsonschema import DRAFT202012

from schemas.errors import InputError, Problem
from schemas.logprobs import Logprobs, TokenLogprob

T = TypeVar("T")


def check(data: Any, schema: str, where: str) -> None:
    """Checks the content of a published file against its JSON Schema.

    Args:
        data: Plain mappings, lists and scalars.
        schema: Name of the schema: `index`, `latest`, `manifest`, `record`.
        where: The file, for messages.

    Raises:
        InputError: With every problem found.
    """
    errors = sorted(_validator(schema).iter_errors(data), key=lambda error: error.json_path)
    if errors:
        raise InputError(Problem(_sentence(error), where=where) for error in errors)


def problem_with(value: Any, schema: str) -> str:
    """Returns what is wrong with a value by one of our JSON Schemas, in a sentence, or ""."""
    error = best_match(_validator(schema).iter_errors(value))
    return _sentence(error) if error else ""


def _sentence(error: ValidationError) -> str:
    """Returns where in the file an error is, and what it is."""
    if error.validator in ("oneOf", "anyOf") and error.context:
        return _sentence(best_match(error.context))
    text = error.message if len(error.message) <= 300 else f"{error.message[:299]}…"
    place = error.json_path.removeprefix("$").removeprefix(".")
    return f"{place}: {text}" if place else text


def load_schema(name: str) -> dict[str, Any]:
    """Returns one of our JSON Schemas by its short name."""
    text = package_files("schemas").joinpath(f"{name}.schema.json").read_text(encoding="utf-8")
    schema: dict[str, Any] = json.loads(text)
    return schema


def structure(data: Any, kind: type[T]) -> T:
    """Turns checked plain data into a frozen dataclass.

    Args:
        data: Plain mappings, lists and scalars, already checked against the schema.
        kind: The dataclass; models may be nested in it.

    Returns:
        The dataclass, its nested ones included.
    """
    return _converter().structure(data, kind)


def unstructure(value: Any) -> Any:
    """Turns dataclasses into plain mappings, lists and scalars, ready for JSON."""
    return _converter().unstructure(value)


@functools.cache
def _converter() -> cattrs.Converter:
    from datetime import date

    converter = cattrs.Converter(forbid_extra_keys=True)
    converter.register_structure_hook(date, lambda value, _: date.fromisoformat(value))
    converter.register_unstructure_hook(date, date.isoformat)
    converter.register_unstructure_hook(StrEnum, str)
    # JSON numbers: an int is as good as a float, and the other way is checked by the schema.
    converter.register_structure_hook(float, lambda value, _: float(value))
    plain = list[TokenLogprob]
    converter.register_unstructure_hook(
        Logprobs, lambda value: converter.unstructure(list(value), plain)
    )
    converter.register_structure_hook(
        Logprobs, lambda value, _: Logprobs.pack(converter.structure(value, plain))
    )
    converter.register_structure_hook_func(
        _is_model, lambda value, kind: kind.model_validate(value)
    )
    converter.register_unstructure_hook_func(
        _is_model, lambda model: model.model_dump(mode="json", by_alias=True)
    )
    return converter


def _is_model(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


@functools.cache
def _validator(name: str) -> Draft202012Validator:
    def retrieve(uri: str) -> Any:
        return DRAFT202012.create_resource(load_schema(uri.removesuffix(".schema.json")))

    return Draft202012Validator(
        load_schema(name),
        registry=SchemaRegistry(retrieve=retrieve),  # type: ignore[call-arg]
        format_checker=FormatChecker(formats=("date",)),
    )
