"""Reads the files that people write: YAML with line numbers, checked against a JSON Schema.

YAML is read by its 1.2 core rules, so `on`, `no` and a date are plain text, as their authors mean
them. The C parser does the reading; line numbers come from its nodes.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from importlib.resources import files as package_files
from pathlib import Path
from typing import Any, TypeVar

import cattrs
import yaml
from cattrs.gen import make_dict_structure_fn, override
from jsonschema import Draft202012Validator, FormatChecker
from jsonschema.exceptions import ValidationError, best_match
from referencing import Registry as SchemaRegistry
from referencing.jsonschema import DRAFT202012

from schemas.errors import InputError, Problem, nearest
from schemas.logprobs import Logprobs, TokenLogprob

# Fields into which people paste what must never reach a log: a key, an address with a password.
_MAY_BE_SECRET = ("key", "endpoint", "redis")

T = TypeVar("T")
Step = str | int

try:
    from yaml import CSafeLoader as _BaseLoader
except ImportError:  # a platform without libyaml: slower, the same result
    from yaml import SafeLoader as _BaseLoader  # type: ignore[assignment]


class _Loader(_BaseLoader):
    """YAML 1.2's core schema: only true/false are booleans, dates stay text."""


_Loader.yaml_implicit_resolvers = {}
for _tag, _pattern, _first in (
    ("null", r"^(?:null|~|)$", ["n", "~", ""]),
    ("bool", r"^(?:true|false)$", ["t", "f"]),
    ("int", r"^[-+]?[0-9]+$", list("-+0123456789")),
    (
        "float",
        r"^(?:[-+]?(?:[0-9][0-9]*\.[0-9]*|\.[0-9]+|[0-9]+(?=[eE]))(?:[eE][-+]?[0-9]+)?)$",
        list("-+.0123456789"),
    ),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(_pattern), _first)


@dataclass(frozen=True, slots=True)
class Document:
    """A file's content, with the line on which each part of it stands.

    Attributes:
        data: Plain mappings, lists and scalars.
        lines: Line, from 1, by the path of keys and indices that leads there.
        path: The file.
    """

    data: Any
    lines: dict[tuple[Step, ...], int]
    path: str

    def at(self, steps: Iterable[Step]) -> Any:
        """Returns the part of the content that a path of keys and indices leads to."""
        value = self.data
        for step in steps:
            value = value[step]
        return value

    def where(self, steps: Iterable[Step] = ()) -> str:
        """Returns `file:line` of a part, or of the nearest part around it."""
        steps = tuple(steps)
        while steps and steps not in self.lines:
            steps = steps[:-1]
        return f"{self.path}:{self.lines.get(steps, 1)}"


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
    loader = _Loader(text)
    try:
        node = loader.get_single_node()
        lines: dict[tuple[Step, ...], int] = {}
        if node is not None:
            _note_lines(node, (), lines, name)
        data = None if node is None else loader.construct_document(node)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise InputError(
            f"the file is not valid YAML: {error.problem}", where=f"{name}:{line}"
        ) from None
    except yaml.YAMLError as error:
        raise InputError(f"the file is not valid YAML: {error}", where=name) from None
    finally:
        loader.dispose()
    return Document(data, lines, name)


def check(document: Document, schema: str) -> None:
    """Checks a file's content against one of our JSON Schemas.

    Args:
        document: What was read.
        schema: Name of the schema: `run`, `registry`, `terms`, `prompt`, `manifest`, `record`.

    Raises:
        InputError: With every problem found, each with its line.
    """
    errors = sorted(_validator(schema).iter_errors(document.data), key=lambda e: str(e.json_path))
    if errors:
        raise InputError([_problem(document, error) for error in errors])


def problem_with(value: Any, schema: str) -> str:
    """Returns what is wrong with a value by one of our JSON Schemas, in a sentence, or ""."""
    error = best_match(_validator(schema).iter_errors(value))
    if error is None:
        return ""
    what, found, expected, _ = _describe(error)
    place = "".join(f"[{step!r}]" for step in error.absolute_path)
    details = [f"found {found}" if found else "", f"expected {expected}" if expected else ""]
    return f"{place} {what} ({'; '.join(filter(None, details))})".strip()


def load_schema(name: str) -> dict[str, Any]:
    """Returns one of our JSON Schemas by its short name."""
    text = package_files("schemas").joinpath(f"{name}.schema.json").read_text(encoding="utf-8")
    schema: dict[str, Any] = json.loads(text)
    return schema


def structure(data: Any, kind: type[T]) -> T:
    """Turns checked plain data into a frozen dataclass.

    Args:
        data: Plain mappings, lists and scalars, already checked against the schema.
        kind: The dataclass. A field `from_` stands for the key `from`.

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
    _rename_keywords(converter)
    return converter


def _rename_keywords(converter: cattrs.Converter) -> None:
    """Maps `from_` and its like to the key without the underscore."""
    from dataclasses import fields, is_dataclass

    def with_keyword(kind: Any) -> bool:
        return (
            isinstance(kind, type)
            and is_dataclass(kind)
            and any(field.name.endswith("_") for field in fields(kind))
        )

    def renames(kind: Any) -> dict[str, Any]:
        return {
            field.name: override(rename=field.name[:-1])
            for field in fields(kind)
            if field.name.endswith("_")
        }

    converter.register_structure_hook_factory(
        with_keyword, lambda kind: make_dict_structure_fn(kind, converter, **renames(kind))
    )
    converter.register_unstructure_hook_factory(
        with_keyword,
        lambda kind: cattrs.gen.make_dict_unstructure_fn(kind, converter, **renames(kind)),
    )


@functools.cache
def _validator(name: str) -> Draft202012Validator:
    def retrieve(uri: str) -> Any:
        return DRAFT202012.create_resource(load_schema(uri.removesuffix(".schema.json")))

    return Draft202012Validator(
        load_schema(name),
        registry=SchemaRegistry(retrieve=retrieve),  # type: ignore[call-arg]
        format_checker=FormatChecker(formats=("date",)),
    )


def _note_lines(
    node: yaml.Node, steps: tuple[Step, ...], lines: dict[tuple[Step, ...], int], name: str
) -> None:
    lines.setdefault(steps, node.start_mark.line + 1)
    for step, line, child in _children(node):
        if (*steps, step) in lines:
            raise InputError(
                f"the key {step!r} stands twice in one mapping",
                where=f"{name}:{line}",
                remedy=f"the first is on line {lines[(*steps, step)]}; keep one",
            )
        lines[(*steps, step)] = line
        _note_lines(child, (*steps, step), lines, name)


def _children(node: yaml.Node) -> Iterator[tuple[Step, int, yaml.Node]]:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield str(key.value), key.start_mark.line + 1, value
    elif isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            yield index, item.start_mark.line + 1, item


def _problem(document: Document, error: ValidationError) -> Problem:
    if error.validator in ("oneOf", "anyOf") and error.context:
        return _problem(document, best_match(error.context) or error)
    steps = tuple(error.absolute_path)
    if error.validator == "additionalProperties":
        return _unknown_key(document, error, steps)
    what, found, expected, remedy = _describe(error)
    name = ".".join(str(step) for step in steps)
    return Problem(
        f"{name}: {what}" if name else what,
        where=document.where(steps),
        found=found,
        expected=expected,
        remedy=remedy,
    )


def _unknown_key(document: Document, error: ValidationError, steps: tuple[Step, ...]) -> Problem:
    known = list(_schema(error).get("properties", ()))
    unknown = next(key for key in document.at(steps) if key not in known)
    return Problem(
        "unknown field",
        where=document.where((*steps, unknown)),
        found=repr(unknown),
        expected=f"one of {', '.join(known)}",
        remedy=nearest(str(unknown), known),
    )


def _schema(error: ValidationError) -> dict[str, Any]:
    return error.schema if isinstance(error.schema, dict) else {}


def _describe(error: ValidationError) -> tuple[str, str, str, str]:
    """Returns what is wrong, what was found, what was expected, and what to do."""
    rule: Any = error.validator_value
    found = _shown(error)
    match error.validator:
        case "required":
            missing = error.message.split("'")[1]
            return f"the field {missing!r} is missing", "", _expected_field(error, missing), ""
        case "enum":
            names = [str(value) for value in rule]
            return (
                "not one of the known values",
                found,
                f"one of {', '.join(names)}",
                nearest(str(error.instance), names),
            )
        case "type":
            kinds = rule if isinstance(rule, str) else " or ".join(rule)
            return "wrong type", found, f"a value of type {kinds}", ""
        case "format":
            return "wrong format", found, f"a {rule}, as 2026-11-22", ""
        case "pattern":
            hint = _schema(error).get("description", f"text like {rule}")
            return "wrong form", found, str(hint), ""
        case "not":
            return str(rule.get("description", "must not be so")), "", "", ""
        case _:
            return error.message, "", "", ""


def _expected_field(error: ValidationError, missing: str) -> str:
    properties = _schema(error).get("properties", {})
    return str(properties.get(missing, {}).get("description", ""))


def _shown(error: ValidationError) -> str:
    if error.absolute_path and error.absolute_path[-1] in _MAY_BE_SECRET:
        return f"{len(str(error.instance))} characters, not shown since they may be a secret"
    text = json.dumps(error.instance, ensure_ascii=False, default=str)
    return text if len(text) <= 80 else text[:77] + "…"


def as_sequence(value: str | Sequence[str]) -> tuple[str, ...]:
    """Returns one or several strings as a tuple of strings."""
    return (value,) if isinstance(value, str) else tuple(value)
