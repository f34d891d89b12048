"""Reads everything that a run is made of, and checks it, before anybody is asked."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date
from os import fspath

from pipelines.planning.earlier_corpora import Pinned, pin
from pipelines.planning.prices import price_problems
from schemas.addresses import AnyPath, is_address
from schemas.errors import InputError, Problem, close_names
from schemas.inputs.document import Document
from schemas.inputs.quality import JUDGE
from schemas.inputs.registry import LimiterAddress, Registry, Route
from schemas.inputs.run import RunFile, TeacherChoice
from schemas.inputs.run_file import load_run
from transforms.asking.batch import has_batches
from transforms.filters.json_schema import schema_problem
from transforms.filters.maths import MATHS_ANSWER
from transforms.filters.policy import Filters, compile_filters
from transforms.guard.catalogue.load import load_catalogue
from transforms.guard.catalogue.team import load_registry
from transforms.guard.evaluate import Guard
from transforms.prompts.files import find_files
from transforms.providers.apis import unsendable_extra, unsupported_parameters
from transforms.storage.inputs import open_input

Place = tuple[str | int, ...]

_ADD_A_JUDGE = "add a `judge` section, or name one of the run's rules"


@dataclass(frozen=True, slots=True)
class Prepared:
    """A run file with all it refers to, checked.

    Attributes:
        run: The run file.
        guard: The catalogue and the team's registry, ready to decide.
        filters: The rules, ready to apply.
        limiter: Where quotas are counted; None where each run counts for itself.
        against: The versions that `dedupe.against` names.
    """

    run: RunFile
    guard: Guard
    filters: Filters
    limiter: LimiterAddress | None
    against: tuple[Pinned, ...]


def prepare(run_file: AnyPath, today: date, *, asks: bool = True) -> Prepared:
    """Reads a run file and all it refers to.

    Args:
        run_file: Its path, or its address in `gs://`.
        today: The day on which every authorisation must still run, UTC.
        asks: Whether teachers are to be asked: then a budget in dollars needs their prices.

    Returns:
        The run, checked.

    Raises:
        InputError: Something in it is wrong; every message has file and line.
    """
    run, document = read_run(run_file)
    registry = _registry(run, today)
    guard = _guard(run, registry)
    _check_competitors(run, document)
    _check_routes(run, guard, document)
    if asks and (problems := list(price_problems(run, guard, document))):
        raise InputError(problems)
    for section in ("prompts", "decontaminate"):
        for index, source in enumerate(getattr(run, section)):
            find_files(source.files, run.base, document.where((section, index, "files")))
    filters = compile_filters(run.filters, lambda index: document.where(("filters", index)))
    _check_golds(run, document)
    _check_scores(run, filters, document)
    return Prepared(run, guard, filters, registry.limiter, pin(run, document))


def read_run(run_file: AnyPath) -> tuple[RunFile, Document]:
    """Reads a run file, also one in `gs://`; see `load_run`."""
    address = fspath(run_file)
    with open_input(address) as path:
        return load_run(path, address if is_address(address) else "")


def _registry(run: RunFile, today: date) -> Registry:
    if not run.registry:
        return Registry()
    return load_registry(run.registry, load_catalogue(), today=today)


def _guard(run: RunFile, registry: Registry) -> Guard:
    """Makes the guard of a run: the built-in catalogue with the team's registry on top."""
    return Guard(
        load_catalogue(), registry, unapproved=run.unapproved, max_age_days=run.max_reading_age_days
    )


def _check_competitors(run: RunFile, document: Document) -> None:
    place = ("purpose", "student", "competes_with")
    problems = [
        problem.at(document.where((*place, index)))
        for index, problem in load_catalogue().competitor_problems(run.purpose.student)
    ]
    if problems:
        raise InputError(problems)


def _check_golds(run: RunFile, document: Document) -> None:
    """A rule that holds answers to the right ones needs some: else it would find nothing."""
    for index, choice in enumerate(run.filters or ()):
        if choice.rule == MATHS_ANSWER.name and not any(source.answer for source in run.prompts):
            raise InputError(
                f"the rule {choice.rule!r} needs the right answers, and no prompts have any",
                where=document.where(("filters", index)),
                expected="`answer:` in an entry of prompts, naming the field of the right answer",
            )


def _check_routes(run: RunFile, guard: Guard, document: Document) -> None:
    asked: list[tuple[TeacherChoice, Place]] = [
        (teacher, ("teachers", index)) for index, teacher in enumerate(run.teachers)
    ]
    if run.judge:
        asked.append((run.judge.teacher, ("judge", "teacher")))
    problems = []
    for teacher, place in asked:
        try:
            route = guard.route(teacher.id)
        except InputError as error:
            where = document.where((*place, "id"))
            problems += [problem.at(where) for problem in error.problems]
        else:
            problems += _parameter_problems(route, teacher, document, place)
            problems += _extra_problems(route, teacher, document, place)
            problems += _mode_problems(route, teacher, document.where((*place, "mode")))
    if problems:
        raise InputError(problems)


def _mode_problems(route: Route, teacher: TeacherChoice, where: str) -> Iterator[Problem]:
    if teacher.mode == "batch" and not has_batches(route.api):
        yield Problem(
            f"the API of {route.id} has no batches",
            where=where,
            found=f"mode batch with {route.api}",
            expected="a route that speaks openai-chat or anthropic-messages",
            remedy="leave `mode` out: the teacher is then asked live",
        )
    elif teacher.mode == "batch" and route.key.startswith("google:"):
        yield Problem(
            f"a job outlives the tokens of {route.id}",
            where=where,
            found=f"mode batch with the key {route.key}",
            expected="a key that lasts",
            remedy="leave `mode` out: the teacher is then asked live",
        )


def _check_scores(run: RunFile, filters: Filters, document: Document) -> None:
    """Makes sure that whatever compares samples is there to score them."""
    rules = dict.fromkeys(applied.rule.name for applied in filters.rules)
    known = [*([JUDGE] if run.judge else []), *rules]
    problems = [
        Problem(
            f"{section}.by: nothing of that name scores the answers of this run",
            where=document.where((section, "by")),
            found=repr(choice.by),
            expected=f"one of {', '.join(known)}",
            remedy=_ADD_A_JUDGE if choice.by == JUDGE else close_names(choice.by, known),
        )
        for section, choice in (("best_of", run.best_of), ("preferences", run.preferences))
        if choice and choice.by not in known
    ]
    if problems:
        raise InputError(problems)


def _extra_problems(
    route: Route, teacher: TeacherChoice, document: Document, place: Place
) -> Iterator[Problem]:
    for steps, problem in unsendable_extra(route.api, teacher.extra):
        where = document.where((*place, "extra", *steps))
        yield replace(
            problem, what=f"extra.{'.'.join(map(str, steps))}: {problem.what}", where=where
        )


def _parameter_problems(
    route: Route, teacher: TeacherChoice, document: Document, place: Place
) -> Iterator[Problem]:
    """Yields the parameters that the route's API cannot carry out: none is dropped in silence."""
    for name in unsupported_parameters(route.api, teacher.parameters):
        yield Problem(
            f"the API of {route.id} has no such parameter",
            where=document.where((*place, "parameters", name)),
            found=name,
            expected=f"parameters that {route.api} has",
        )
    wanted = teacher.parameters.get("response_format", {}).get("json_schema", {})
    if wanted and (problem := schema_problem(wanted["schema"])):
        where = document.where((*place, "parameters", "response_format", "json_schema", "schema"))
        yield Problem(f"response_format: the schema cannot be used: {problem}", where=where)
    for index, tool in enumerate(teacher.parameters.get("tools", ())):
        function = tool["function"]
        if problem := schema_problem({"type": "object"} | function.get("parameters", {})):
            steps = (*place, "parameters", "tools", index, "function", "parameters")
            what = f"tool {function['name']!r}: the schema of its parameters cannot be used"
            yield Problem(f"{what}: {problem}", where=document.where(steps))
