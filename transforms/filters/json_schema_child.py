"""The process that checks texts against JSON Schemas: run as a script, killed if it hangs.

A check may take seconds or for ever: a `pattern` that backtracks, `uniqueItems`, a `$ref` to many.
A question is (name, text, schema, CPU seconds); the answer is that of `check`. The kernel limits
the CPU time and kills the process, so the limit applies to the same questions however busy the
machine is. Nothing of stillroom is imported here.
"""

from __future__ import annotations

import functools
import json
import re
import resource
import signal
import sys
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Any, NoReturn

from jsonschema import Draft202012Validator
from referencing import Registry
from referencing.exceptions import Unresolvable

READY = "ready"
_MEMORY_BYTES = 2 << 30  # address space; the largest answer takes a quarter of that
_CANNOT_APPLY = (ArithmeticError, MemoryError, RecursionError, Unresolvable, re.error)


def check(name: str, text: str, schema: str) -> tuple[str, str, str] | None:
    """Returns how a text violates a JSON Schema, or None.

    Args:
        name: The name of the text in messages.
        text: What should be JSON.
        schema: The schema as canonical JSON.

    Returns:
        `not_json`, `schema_mismatch`, or `unchecked` if the schema cannot be applied; a description
        that names the schema only; and one that may quote the text.
    """
    try:
        value = read_json(text)
    except (ValueError, RecursionError) as error:
        finding = f"{name} is not JSON, though a JSON Schema was asked for"
        return "not_json", finding, f"it is not JSON: {error}"
    try:
        found = next(_validator(schema).iter_errors(value), None)
    except _CANNOT_APPLY as failure:
        return unchecked(type(failure).__name__)
    if found is None:
        return None
    # A finding is published: it may name the schema, but not quote the answer.
    place = "/".join(map(str, found.absolute_schema_path))
    finding = f"{name} does not keep to its JSON Schema at {place}"
    return "schema_mismatch", finding, f"at {found.json_path}: {found.message}"


def unchecked(reason: str) -> tuple[str, str, str]:
    """Returns that a schema cannot be applied, in the form of `check`."""
    finding = f"the schema cannot be applied: {reason}"
    return "unchecked", finding, finding


def read_json(text: str) -> Any:
    """Reads JSON that a teacher wrote.

    Raises:
        ValueError: It is not JSON.
        RecursionError: It is nested too deeply to be read.
    """
    return _DECODER.decode(text)


@functools.lru_cache(maxsize=64)
def _validator(schema: str) -> Draft202012Validator:
    return Draft202012Validator(json.loads(schema), registry=Registry())


def _refuse(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number that JSON knows")


_DECODER = json.JSONDecoder(parse_constant=_refuse)


def main(connection: Connection) -> None:
    """Answers questions until the parent closes the connection."""
    for kind, limit in ((resource.RLIMIT_AS, _MEMORY_BYTES), (resource.RLIMIT_CORE, 0)):
        with suppress(ValueError, OSError):  # a system without it, or with a lower limit
            resource.setrlimit(kind, (limit, limit))
    connection.send(READY)
    while True:
        name, text, schema, cpu_seconds = connection.recv()
        signal.setitimer(signal.ITIMER_PROF, cpu_seconds)
        found = check(name, text, schema)
        signal.setitimer(signal.ITIMER_PROF, 0)
        connection.send(found)


if __name__ == "__main__":
    with suppress(EOFError, OSError):  # the parent is gone
        main(Connection(int(sys.argv[1])))
