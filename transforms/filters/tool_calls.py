"""Finds tool calls that the request did not allow, that are broken, or that are missing.

Models invent tools, stop in the middle of an argument, or answer instead of calling. So each call
is checked against the offered tools, and its arguments against their JSON Schema.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator, Mapping
from typing import Any

from schemas.canonical import canonical_json
from schemas.responses import ToolCall
from transforms.filters.codes import FindingCode
from transforms.filters.json_schema import violation
from transforms.filters.rules import Candidate, Finding, NoSettings, Rule

_ASKED = ("tools", "tool_choice")
_ANY_OBJECT = '{"type":"object"}'  # for a tool without parameters


def tools_asked_for(parameters: str) -> str:
    """Returns the tools that a request offers.

    Args:
        parameters: The request's parameters as canonical JSON.

    Returns:
        Its `tools` and `tool_choice` as canonical JSON, or "".
    """
    asked = {name: value for name, value in json.loads(parameters).items() if name in _ASKED}
    return canonical_json(asked) if asked else ""


def find_tool_calls(candidate: Candidate, settings: NoSettings) -> Iterator[Finding]:
    """Finds calls that are not allowed or broken, and a missing call."""
    allowed, must_call = _allowed(candidate.tools)
    if must_call and not candidate.tool_calls:
        yield Finding(FindingCode.NO_CALL, "no tool is called, though one had to be")
    for number, call in enumerate(candidate.tool_calls, 1):
        yield from _find_in_call(f"tool call {number}", call, allowed)


def _find_in_call(name: str, call: ToolCall, allowed: Mapping[str, str]) -> Iterator[Finding]:
    if call.name not in allowed:
        yield Finding(FindingCode.UNKNOWN_TOOL, f"{name} is of a tool that may not be called")
    found = violation(name, call.arguments, allowed.get(call.name, _ANY_OBJECT))
    if found and found.code == FindingCode.NOT_JSON:
        yield Finding(FindingCode.ARGUMENTS_NOT_JSON, f"the arguments of {name} are not JSON")
    elif found:
        yield Finding(found.code, found.finding)


@functools.lru_cache(maxsize=64)
def _allowed(tools: str) -> tuple[Mapping[str, str], bool]:
    """Returns the schema of each allowed tool, as JSON, and whether one must be called."""
    asked: dict[str, Any] = json.loads(tools) if tools else {}
    choice = asked.get("tool_choice", "auto")
    schemas = {
        tool["function"]["name"]: canonical_json(
            {"type": "object"} | tool["function"].get("parameters", {})
        )
        for tool in asked.get("tools", ())
    }
    if isinstance(choice, str):
        return ({} if choice == "none" else schemas), choice == "required"
    name = choice["function"]["name"]
    return {name: schemas[name]}, True


TOOL_CALLS = Rule(
    "tool_calls",
    1,
    "drop",
    (
        FindingCode.NO_CALL,
        FindingCode.UNKNOWN_TOOL,
        FindingCode.ARGUMENTS_NOT_JSON,
        FindingCode.SCHEMA_MISMATCH,
        FindingCode.UNCHECKED,
    ),
    find_tool_calls,
)
