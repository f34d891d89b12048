"""Reads the catalogue of terms: documents by version, and the routes that they bind."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from itertools import groupby, pairwise
from pathlib import Path
from typing import Any

from schemas.canonical import digest
from schemas.errors import InputError, Problem, close_names, nearest
from schemas.inputs.check import read_model
from schemas.inputs.document import Document, read_yaml
from schemas.inputs.documents import TermsDocument, WrittenTerms
from schemas.inputs.registry import ExtendedRoute, Route, WrittenRegistry, WrittenRoute
from schemas.purpose import Student
from transforms.guard.catalogue.extend import extend, extension_problems

BUILT_IN = Path(__file__).parent

Documents = Mapping[str, tuple[TermsDocument, ...]]


@dataclass(frozen=True, slots=True)
class Catalogue:
    """The terms that stillroom ships, and the routes that they bind.

    Attributes:
        documents: Every version of a document, oldest first, by the document's id.
        routes: Built-in routes by id.
        digest: SHA-256 of the content.
    """

    documents: Documents
    routes: Mapping[str, Route]
    digest: str

    @property
    def providers(self) -> tuple[str, ...]:
        """Names that `competes_with` may use, sorted."""
        return tuple(sorted({name.partition("/")[0] for name in self.documents}))

    def competitor_problems(self, student: Student) -> Iterator[tuple[int, Problem]]:
        """Yields the names in `competes_with` that no clause can match, each with its index.

        A clause compares names: a misspelt one would permit what the right one forbids.

        Args:
            student: The declared student.
        """
        for index, name in enumerate(student.competes_with or ()):
            if name not in self.providers:
                yield (
                    index,
                    Problem(
                        "competes_with: the catalogue has no such provider",
                        found=repr(name),
                        expected=f"one of {', '.join(self.providers)}",
                        remedy=close_names(name, self.providers)
                        or "leave out a provider that the catalogue does not have: none of its"
                        " terms can bind a route",
                    ),
                )


@functools.cache
def load_catalogue(folder: Path = BUILT_IN) -> Catalogue:
    """Reads a catalogue: `documents/<provider>/<document>@<version>.yaml`, `routes/*.yaml`.

    Args:
        folder: Its folder.

    Returns:
        The catalogue, checked; the same object at each call.

    Raises:
        InputError: With every problem found, each with its file and line.
    """
    problems: list[Problem] = []
    contents: list[Any] = []
    versions: list[TermsDocument] = []
    for path in sorted(folder.glob("documents/**/*.yaml")):
        with _collecting(problems):
            file = _read(path, folder)
            versions.append(_document(file))
            contents.append(file.data)
    documents = _by_id(versions)
    routes: dict[str, Route] = {}
    for path in sorted(folder.glob("routes/*.yaml")):
        with _collecting(problems):
            file = _read(path, folder)
            written = read_model(file, WrittenRegistry)
            problems += _routes_alone(file)
            routes |= read_routes(written, file, documents, taken=routes)
            contents.append(file.data)
    problems += (problem for same in documents.values() for problem in _overlaps(same))
    if problems:
        raise InputError(problems)
    return Catalogue(documents, routes, digest(contents))


def read_routes(
    written: WrittenRegistry, file: Document, documents: Documents, *, taken: Mapping[str, Route]
) -> dict[str, Route]:
    """Returns the routes of a registry file, and checks what they refer to.

    Args:
        written: The registry.
        file: The file it was read from.
        documents: Every document that a route may name.
        taken: Routes whose ids are used already, and which others may extend.

    Returns:
        Its routes by id.

    Raises:
        InputError: A route names an unknown document or base, or has an id in use, or no address.
    """
    problems = [
        problem
        for name, route in written.routes.items()
        for problem in _route_problems(file, name, route, documents, taken)
    ]
    if problems:
        raise InputError(problems)
    return {
        name: _make_route(route, taken, name=name, where=file.where(("routes", name)))
        for name, route in written.routes.items()
    }


def _make_route(
    written: WrittenRoute | ExtendedRoute, taken: Mapping[str, Route], *, name: str, where: str
) -> Route:
    if isinstance(written, ExtendedRoute):
        return extend(taken[written.base], written, name=name, where=where)
    return Route(**dict(written), id=name, where=where)


def _route_problems(
    file: Document,
    name: str,
    route: WrittenRoute | ExtendedRoute,
    documents: Documents,
    taken: Mapping[str, Route],
) -> Iterator[Problem]:
    steps = ("routes", name)
    if name in taken:
        yield Problem(
            f"the route {name!r} is there already",
            where=file.where(steps),
            remedy=f"see {taken[name].where}; give yours a name of its own",
        )
    if isinstance(route, ExtendedRoute):
        yield from extension_problems(route, name, file, taken)
    elif route.api != "embedded" and not route.endpoint:
        yield Problem(f"the route {name!r} has no endpoint", where=file.where(steps))
    for index, terms in enumerate(route.terms):
        if terms.document not in documents:
            yield unknown_document(terms.document, file.where((*steps, "terms", index)), documents)


def unknown_document(name: str, where: str, documents: Documents) -> Problem:
    """Returns the problem of a document that the catalogue does not have."""
    return Problem(
        "no such document of terms", where=where, found=repr(name), remedy=nearest(name, documents)
    )


@contextmanager
def _collecting(problems: list[Problem]) -> Iterator[None]:
    """Keeps the problems of one file, so that the next is read all the same."""
    try:
        yield
    except InputError as error:
        problems += error.problems


def _read(path: Path, folder: Path) -> Document:
    return read_yaml(path, name=str(path.relative_to(folder.parent)))


def _document(file: Document) -> TermsDocument:
    written = read_model(file, WrittenTerms)
    document = TermsDocument(**dict(written), where=file.where(("effective",)))
    if not file.path.endswith(f"documents/{document.name}.yaml"):
        raise InputError(
            "the file's name does not say what it holds",
            where=file.where(("document",)),
            expected=f"documents/{document.name}.yaml",
        )
    return document


def _by_id(versions: Iterable[TermsDocument]) -> dict[str, tuple[TermsDocument, ...]]:
    ordered = sorted(versions, key=lambda version: (version.document, _first_day(version)))
    return {
        name: tuple(same) for name, same in groupby(ordered, key=lambda version: version.document)
    }


def _first_day(version: TermsDocument) -> date:
    return version.effective.from_ if version.effective else date.min


def _overlaps(versions: tuple[TermsDocument, ...]) -> Iterator[Problem]:
    for earlier, later in pairwise(versions):
        last = earlier.effective.to if earlier.effective else None
        if last is None or last >= _first_day(later):
            yield Problem(
                f"the dates of {earlier.name} and {later.name} overlap",
                where=earlier.where,
                found=f"in force {f'to {last}' if last else 'without an end'}",
                expected=f"an `effective.to` before {_first_day(later)}",
                remedy=f"the later version is in {later.where}",
            )


def _routes_alone(file: Document) -> Iterator[Problem]:
    """Sign-offs and limiters are an organisation's own: the catalogue has none."""
    for name in ("approvals", "authorisations", "limiter"):
        if name in file.data:
            yield Problem(
                f"a file of the catalogue has no {name}",
                where=file.where((name,)),
                remedy="write them in your own teachers.yaml",
            )
