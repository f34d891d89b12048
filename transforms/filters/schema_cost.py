"""Counts the subschemas of a JSON Schema that apply to one value."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from referencing import Registry
from referencing.exceptions import Unresolvable
from referencing.jsonschema import DRAFT202012

# Subschemas here apply to the same value as the schema that holds them.
_SAME_VALUE = frozenset({"allOf", "anyOf", "oneOf", "not", "if", "then", "else"})


def most_at_once(schema: Mapping[str, Any]) -> float:
    """Returns how many subschemas apply to one value at most; infinity for a `$ref` to itself.

    Args:
        schema: A valid schema whose references lead somewhere.
    """
    counter = _Counter(schema)
    return max((counter.count(inner) for inner in _objects(schema)), default=0)


class _Counter:
    """Counts the subschemas that apply to one value, each `$ref` written out.

    Args:
        root: The schema.
    """

    def __init__(self, root: Any) -> None:
        resource = DRAFT202012.create_resource(root)
        self._resolver = Registry[Any]().with_resource("", resource).resolver()
        self._known: dict[str, float] = {}

    def count(self, value: Any) -> float:
        """Returns the count of a part of the schema."""
        if isinstance(value, list):
            return sum(map(self.count, value))
        if not isinstance(value, Mapping):
            return 0
        return 1 + sum(
            self._referred(inner) if name == "$ref" else self.count(inner)
            for name, inner in value.items()
            if name == "$ref" or name in _SAME_VALUE
        )

    def _referred(self, reference: Any) -> float:
        if not isinstance(reference, str):
            return self.count(reference)
        if reference not in self._known:
            self._known[reference] = math.inf  # what leads back here has no end
            try:
                target = self._resolver.lookup(reference).contents
            except Unresolvable:
                return math.inf
            self._known[reference] = self.count(target)
        return self._known[reference]


def _objects(value: Any) -> Iterator[Mapping[str, Any]]:
    """Yields all objects in a schema."""
    if isinstance(value, Mapping):
        yield value
        value = list(value.values())
    if isinstance(value, list | tuple):
        for inner in value:
            yield from _objects(inner)
