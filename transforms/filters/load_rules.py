"""Finds rules by name: those of this package, and those of other packages."""

from __future__ import annotations

import functools
import importlib
import pkgutil
from collections.abc import Mapping
from importlib.metadata import EntryPoint, entry_points
from types import MappingProxyType

import transforms.filters as package
from schemas.errors import InputError, nearest
from transforms.filters.rules import Rule

ENTRY_POINTS = "stillroom.filters"


@functools.cache
def built_in_rules() -> Mapping[str, Rule]:
    """Returns the rules of this package by name: every `Rule` in one of its modules."""
    rules: dict[str, Rule] = {}
    for module in sorted(entry.name for entry in pkgutil.iter_modules(package.__path__)):
        for value in vars(importlib.import_module(f"{package.__name__}.{module}")).values():
            if isinstance(value, Rule):
                rules[value.name] = value
    return MappingProxyType(rules)


def load_rule(name: str, where: str) -> Rule:
    """Returns a rule by its name. Rules of other packages are imported only when named.

    Args:
        name: The rule's name in the run file.
        where: File and line of the name, for messages.

    Raises:
        InputError: There is no such rule, or its package does not load.
    """
    if name in built_in_rules():
        return built_in_rules()[name]
    offered = entry_points(group=ENTRY_POINTS)
    if name in offered.names:
        return _load(offered[name], where)
    known = {*built_in_rules(), *offered.names}
    raise InputError("unknown rule", where=where, found=repr(name), remedy=nearest(name, known))


def _load(entry: EntryPoint, where: str) -> Rule:
    try:
        rule = entry.load()
    except Exception as error:  # an imported package may raise anything
        raise InputError(
            f"the rule {entry.name!r} does not load from {entry.value}",
            where=where,
            found=f"{type(error).__name__}: {error}",
        ) from error
    if not isinstance(rule, Rule):
        raise InputError(
            f"the entry point {entry.name!r} is not a rule",
            where=where,
            found=f"{entry.value}, a {type(rule).__name__}",
            expected="a transforms.filters.rules.Rule",
        )
    return rule
