"""Answers questions to the guard that are written as JSON, one object each."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

from schemas.errors import InputError, nearest
from schemas.files import unstructure
from schemas.inputs.check import check_value
from schemas.inputs.registry import Registry
from schemas.purpose import Purpose
from schemas.terms import Verdict
from transforms.guard.approvals import UnapprovedPolicy
from transforms.guard.catalogue import Catalogue
from transforms.guard.evaluate import Guard

_FIELDS = ("route", "on", "unapproved", "purpose", "prompt_license", "confidential")


class BatchAnswerer:
    """Answers questions, each of which may set its day and how unapproved readings count.

    Args:
        catalogue: Documents and built-in routes.
        registry: The team's own routes, approvals and authorisations.
        today: The day of a question without `on`, UTC.
        unapproved: Used by a question without `unapproved`.
        max_age_days: How old a reading may be; None for any age.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        registry: Registry | None,
        today: date,
        *,
        unapproved: UnapprovedPolicy = "deny",
        max_age_days: int | None = None,
    ) -> None:
        self.today = today
        self._catalogue = catalogue
        self.unapproved = unapproved
        self._guards = {
            "deny": Guard(catalogue, registry, unapproved="deny", max_age_days=max_age_days),
            "allow": Guard(catalogue, registry, unapproved="allow", max_age_days=max_age_days),
        }

    def answer_line(self, line: str) -> dict[str, Any]:
        """Answers one line of JSON; a mistake in it is returned, not raised.

        Args:
            line: An object with `route` and `purpose`, and optionally `on`, `unapproved`,
                `prompt_license` and `confidential`.

        Returns:
            The verdict, or `{"route", "error"}`.
        """
        try:
            question = json.loads(line)
        except (ValueError, RecursionError) as error:
            return {"route": None, "error": f"the line is not JSON: {error}"}
        if not isinstance(question, dict):
            return {"route": None, "error": "the line is not a JSON object"}
        try:
            return verdict_json(self.answer(question))
        except InputError as error:
            return {"route": question.get("route"), "error": str(error)}

    def answer(self, question: Mapping[str, Any]) -> Verdict:
        """Answers one question; see `answer_line`.

        Raises:
            InputError: A field is unknown, missing or wrong.
        """
        for field in question:
            if field not in _FIELDS:
                raise InputError("unknown field", found=repr(field), remedy=nearest(field, _FIELDS))
        unapproved = question.get("unapproved", self.unapproved)
        if unapproved not in ("deny", "allow"):
            raise _wrong("unapproved", unapproved, "deny or allow")
        confidential = question.get("confidential", False)
        if not isinstance(confidential, bool):
            raise _wrong("confidential", confidential, "true or false")
        purpose = read_purpose(question.get("purpose"))
        if problems := [each for _, each in self._catalogue.competitor_problems(purpose.student)]:
            raise InputError(problems)
        return self._guards[unapproved].decide(
            _text(question, "route"),
            purpose,
            self._day(question),
            prompt_license=(
                _text(question, "prompt_license") if "prompt_license" in question else None
            ),
            confidential=confidential,
        )

    def _day(self, question: Mapping[str, Any]) -> date:
        written = question.get("on")
        if written is None:
            return self.today
        try:
            return _read_day(written)
        except (TypeError, ValueError):
            raise _wrong("on", written, "a date, as 2026-11-22") from None


@functools.lru_cache(maxsize=4096)
def _read_day(written: str) -> date:
    return datetime.strptime(written, "%Y-%m-%d").date()  # noqa: DTZ007 - a day alone


def verdict_json(verdict: Verdict) -> dict[str, Any]:
    """Returns a verdict as JSON data, with the route's id first."""
    return {"route": verdict.teacher, **unstructure(verdict)}


def read_purpose(declared: object) -> Purpose:
    """Reads a declared use.

    Args:
        declared: The object, in the form of a run file's `purpose`.

    Returns:
        The purpose; missing fields are undeclared.

    Raises:
        InputError: It is missing or does not match the schema.
    """
    if not isinstance(declared, dict):
        raise InputError("no purpose is declared", expected="an object with at least `use`")
    return _purpose(json.dumps(declared))


@functools.lru_cache(maxsize=4096)
def _purpose(text: str) -> Purpose:
    """Reads a purpose as JSON: the same few come back through a whole batch."""
    return check_value(json.loads(text), Purpose, "purpose")


def _text(question: Mapping[str, Any], field: str) -> str:
    value = question.get(field)
    if not isinstance(value, str) or not value:
        raise _wrong(field, value, "a text")
    return value


def _wrong(field: str, found: object, expected: str) -> InputError:
    return InputError(f"{field}: wrong value", found=json.dumps(found), expected=expected)
