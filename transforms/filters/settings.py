"""Reads a rule's settings from a run file: names and types are those of the rule's dataclass."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any, get_origin, get_type_hints

from pydantic import BeforeValidator, ConfigDict, TypeAdapter, ValidationError, with_config
from typing_extensions import TypedDict  # typing's own lacks what pydantic reads, up to 3.11

from schemas.errors import InputError
from schemas.inputs.check import problems
from schemas.written import as_sequence


def read_settings(rule: str, defaults: Any, written: Mapping[str, Any], where: str) -> Any:
    """Returns a rule's settings: its defaults, changed by what the run file says.

    Args:
        rule: Name of the rule, for messages.
        defaults: The rule's settings, a frozen dataclass.
        written: The settings in the run file.
        where: File and line of them.

    Returns:
        A settings object of the same class.

    Raises:
        InputError: Names are unknown, or values have the wrong type or make no sense.
    """
    types = get_type_hints(type(defaults), include_extras=True)
    try:
        values = _adapter(types).validate_json(json.dumps(written))
    except ValidationError as error:
        found = [problem for _, problem in problems(error, types, dict(written))]
        raise InputError(
            replace(problem, what=f"{rule}.{problem.what}", where=where) for problem in found
        ) from None
    try:
        return replace(defaults, **values)
    except ValueError as error:
        raise InputError(
            f"the settings of rule {rule!r} make no sense: {error}", where=where
        ) from None


def _adapter(types: Mapping[str, Any]) -> TypeAdapter[Any]:
    """Returns what checks any of the settings, as strictly as JSON can have them."""
    kinds = {name: _setting(kind) for name, kind in types.items()}
    settings = TypedDict("settings", kinds, total=False)  # type: ignore[misc] # known at run time
    return TypeAdapter(with_config(ConfigDict(strict=True, extra="forbid"))(settings))


def _setting(kind: Any) -> Any:
    """Returns the type of a setting; where a list is meant, one value may be written alone."""
    return Annotated[kind, BeforeValidator(as_sequence)] if get_origin(kind) is tuple else kind
