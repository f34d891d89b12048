"""Reads a run file: checked against its schema, then for what a schema cannot say."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from schemas.canonical import canonical_json, digest, inexact_integers, integer_problem
from schemas.errors import InputError, Problem
from schemas.files import Document, as_sequence, check, read_yaml, structure
from schemas.inputs.run import DEFAULT_SCALE, RunFile
from schemas.spdx import parse_licence

_LISTS = ("prompts", "decontaminate")


def load_run(path: Path) -> tuple[RunFile, Document]:
    """Reads and checks a run file.

    Args:
        path: The file; paths in it are relative to its folder.

    Returns:
        The run, and the document it was read from, which knows the lines.

    Raises:
        InputError: With every problem, its line, what was found and what was expected.
    """
    document = read_yaml(path)
    check(document, "run")
    too_large = inexact_integers(document.data)
    problems = [
        integer_problem(path, number).at(document.where(path)) for path, number in too_large
    ]
    problems = problems or list(_problems(document))
    if problems:
        raise InputError(problems)
    return structure(_plain(document.data, path), RunFile), document


def _plain(data: dict[str, Any], path: Path) -> dict[str, Any]:
    """Returns the file's data in the form of the dataclass."""
    base = path.resolve().parent
    plain = dict(data)
    for section in _LISTS:
        plain[section] = [
            {**entry, "files": as_sequence(entry["files"])} for entry in data.get(section, ())
        ]
    if "filters" in data:
        plain["filters"] = [_filter(entry) for entry in data["filters"]]
    for name in ("corpus", "ledger", "registry"):
        if name in data:
            plain[name] = data[name] if _is_address(data[name]) else str(base / data[name])
    if "against" in data.get("dedupe", {}):
        against = [str(base / folder) for folder in data["dedupe"]["against"]]
        plain["dedupe"] = {**data["dedupe"], "against": against}
    return plain | {"base": str(base), "path": str(path), "config_digest": digest(data)}


def _filter(entry: dict[str, Any]) -> dict[str, Any]:
    settings = {key: value for key, value in entry.items() if key not in ("rule", "action")}
    return {"rule": entry["rule"], "action": entry.get("action"), "settings": settings}


def _problems(document: Document) -> Iterator[Problem]:
    data = document.data
    shares = data.get("splits", {"train": 1})
    if not math.isclose(sum(shares.values()), 1, abs_tol=1e-9):
        yield Problem(
            "splits: the shares do not sum to 1",
            where=document.where(("splits",)),
            found=f"{sum(shares.values()):g}",
            expected="1",
        )
    yield from _repeated_teachers(document)
    for index, folder in enumerate(data.get("dedupe", {}).get("against", ())):
        if _is_address(folder):
            yield Problem(
                "dedupe.against: only folders are supported so far",
                where=document.where(("dedupe", "against", index)),
                found=folder,
                expected="a folder on this machine or on a file system that all workers share",
            )
    for index, teacher in enumerate(data["teachers"]):
        steps = ("teachers", index, "parameters")
        yield from _contradictions(teacher.get("parameters", {}), document, steps)
    yield from _mixed_modes(document)
    if "judge" in data:
        yield from _judge_problems(document)
    yield from _licence_problems(document)
    if _is_address(data["corpus"]):
        yield Problem(
            "corpus: only folders are supported so far",
            where=document.where(("corpus",)),
            found=data["corpus"],
            expected="a path on this machine or on a file system that all workers share",
        )
    if _is_address(data["ledger"]) and not data["ledger"].startswith("gs://"):
        yield Problem(
            "ledger: unknown kind of address",
            where=document.where(("ledger",)),
            found=data["ledger"],
            expected="a path, or gs://bucket/folder",
        )


def _licence_problems(document: Document) -> Iterator[Problem]:
    student = document.data["purpose"].get("student", {}).get("license")
    written = {("purpose", "student", "license"): student} | {
        ("prompts", index, "license"): entry.get("license")
        for index, entry in enumerate(document.data["prompts"])
    }
    for steps, expression in written.items():
        try:
            if expression is not None:
                parse_licence(expression)
        except InputError as error:
            yield from (problem.at(document.where(steps)) for problem in error.problems)


def _is_address(path: str) -> bool:
    return "://" in path


def _contradictions(
    parameters: dict[str, Any], document: Document, steps: tuple[str | int, ...]
) -> Iterator[Problem]:
    """Yields parameters that make no sense beside the others."""
    if "max_tokens" in parameters and "max_completion_tokens" in parameters:
        yield Problem(
            "max_tokens and max_completion_tokens are two names of one limit",
            where=document.where((*steps, "max_completion_tokens")),
            remedy="keep the one that the model takes",
        )
    if "top_logprobs" in parameters and not parameters.get("logprobs"):
        yield Problem(
            "top_logprobs: no log probabilities are asked for",
            where=document.where((*steps, "top_logprobs")),
            expected="`logprobs: true` beside it",
        )
    tools = [tool["function"]["name"] for tool in parameters.get("tools", ())]
    for index, name in enumerate(tools):
        if name in tools[:index]:
            yield Problem(
                f"tools: {name!r} stands twice",
                where=document.where((*steps, "tools", index)),
                remedy="give each tool a name of its own",
            )
    choice = parameters.get("tool_choice")
    wanted = choice["function"]["name"] if isinstance(choice, dict) else None
    if choice is not None and (not tools or wanted not in (None, *tools)):
        yield Problem(
            "tool_choice: no such tool is offered" if wanted else "tool_choice: there are no tools",
            where=document.where((*steps, "tool_choice")),
            found=repr(wanted or choice),
            expected=f"one of {', '.join(tools)}" if tools else "`tools` beside it",
        )


def _mixed_modes(document: Document) -> Iterator[Problem]:
    """Yields teachers that are to be asked in both ways: a route has one queue only."""
    first: dict[str, str] = {}
    for index, teacher in enumerate(document.data["teachers"]):
        mode = teacher.get("mode", "live")
        if first.setdefault(teacher["id"], mode) != mode:
            yield Problem(
                f"teachers: {teacher['id']!r} stands with two modes",
                where=document.where(("teachers", index)),
                found=f"{first[teacher['id']]} and {mode}",
                expected="one mode for each route",
            )


def _repeated_teachers(document: Document) -> Iterator[Problem]:
    seen: dict[str, int] = {}
    for index, teacher in enumerate(document.data["teachers"]):
        question = canonical_json([teacher["id"], teacher.get("parameters", {})])
        if question in seen:
            yield Problem(
                f"teachers: {teacher['id']!r} stands twice with the same parameters",
                where=document.where(("teachers", index)),
                found=f"the same as entry {seen[question] + 1}",
                expected="each teacher and set of parameters once",
                remedy="ask for more samples instead: `samples: 2`",
            )
        seen.setdefault(question, index)


def _judge_problems(document: Document) -> Iterator[Problem]:
    judge = document.data["judge"]
    lowest, highest = judge.get("scale", DEFAULT_SCALE)
    minimum = judge.get("minimum", lowest)
    if lowest >= highest:
        yield Problem(
            "judge.scale: the best score is not above the worst",
            where=document.where(("judge", "scale")),
            found=f"[{lowest}, {highest}]",
            expected="the worst score, then the best, as [1, 5]",
        )
    elif not lowest <= minimum <= highest:
        yield Problem(
            "judge.minimum: not a score of the scale",
            where=document.where(("judge", "minimum")),
            found=f"{minimum:g}",
            expected=f"a number from {lowest} to {highest}",
        )
    if judge["teacher"].get("samples", 1) != 1:
        yield Problem(
            "judge.teacher: a judge is asked once a record",
            where=document.where(("judge", "teacher", "samples")),
            found=f"{judge['teacher']['samples']} samples",
            remedy="leave `samples` out",
        )
