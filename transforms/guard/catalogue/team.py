"""Reads a team's registry: its own routes, approvals and authorisations, and its limiter."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any, TypeVar

from schemas import files
from schemas.errors import InputError, Problem, nearest
from schemas.inputs.registry import Approval, Authorisation, ChangedTerms, LimiterAddress, Registry
from transforms.guard.catalogue.load import Catalogue, read_routes, unknown_document

CHANGED = "terms-changed.json"  # beside the registry; written by `terms check --fetch`

Entry = TypeVar("Entry", Approval, Authorisation)


def load_registry(
    path: Path, catalogue: Catalogue, *, name: str | None = None, today: date | None = None
) -> Registry:
    """Reads a team's own routes, approvals and authorisations, and what changed since.

    Args:
        path: The file, `teachers.yaml`.
        catalogue: What they refer to.
        name: How messages call the file; by default its path.
        today: The day on which every authorisation must still run, UTC; None for any day, as for
            a question about the past.

    Returns:
        The registry, checked against its schema and the catalogue.

    Raises:
        InputError: With the problems found, each with its file and line.
    """
    file = files.read_yaml(path, name=name)
    changed = read_changed(path)
    if file.data is None:
        return Registry(changed=changed)
    files.check(file, "registry")
    routes = read_routes(file, catalogue.documents, taken=catalogue.routes)
    approvals = _entries(file, "approvals", Approval)
    authorisations = _entries(file, "authorisations", Authorisation)
    problems = [p for entry in approvals for p in _approval_problems(entry, catalogue)]
    problems += (
        p for entry in authorisations for p in _authorisation_problems(entry, catalogue, today)
    )
    if problems:
        raise InputError(problems)
    return Registry(
        routes=routes,
        approvals=approvals,
        authorisations=authorisations,
        changed=changed,
        limiter=_limiter(file),
    )


def read_changed(registry: Path) -> tuple[ChangedTerms, ...]:
    """Reads which texts were found changed since they were read, as noted beside a registry.

    Args:
        registry: The registry's own file.

    Returns:
        The changes; none where nothing is noted.

    Raises:
        InputError: The note breaks its schema.
    """
    path = registry.with_name(CHANGED)
    if not path.exists():
        return ()
    file = files.read_yaml(path)  # JSON is YAML, and so has lines for messages
    files.check(file, "terms_changed")
    return files.structure(file.data["changed"], tuple[ChangedTerms, ...])


def _entries(file: files.Document, key: str, kind: type[Entry]) -> tuple[Entry, ...]:
    written: list[dict[str, Any]] = file.data.get(key, [])
    return tuple(
        files.structure({**data, "where": file.where((key, index))}, kind)
        for index, data in enumerate(written)
    )


def _limiter(file: files.Document) -> LimiterAddress | None:
    data = file.data.get("limiter")
    return data and LimiterAddress(redis=data["redis"], where=file.where(("limiter", "redis")))


def _approval_problems(approval: Approval, catalogue: Catalogue) -> Iterator[Problem]:
    versions = catalogue.documents.get(approval.document)
    if versions is None:
        yield unknown_document(approval.document, approval.where, catalogue.documents)
        return
    version = next((v for v in versions if v.version == approval.version), None)
    if version is None:
        yield Problem(
            f"{approval.document} has no such version",
            where=approval.where,
            found=repr(approval.version),
            remedy=nearest(approval.version, [v.version for v in versions]),
        )
    elif version.reading is None:
        yield Problem(
            f"nobody has read {version.name}: there is no reading to approve",
            where=approval.where,
            remedy="read the document and add it to the catalogue first",
        )
    if approval.expires and approval.expires < approval.on:
        yield Problem(
            "the approval expires before it is given",
            where=approval.where,
            found=f"on {approval.on}, expires {approval.expires}",
        )


def _authorisation_problems(
    given: Authorisation, catalogue: Catalogue, today: date | None
) -> Iterator[Problem]:
    versions = catalogue.documents.get(given.document)
    if versions is None:
        yield unknown_document(given.document, given.where, catalogue.documents)
        return
    effects = {(clause.clause, clause.effect) for version in versions for clause in version.clauses}
    names = {name for name, _ in effects}
    if given.clause not in names:
        yield Problem(
            f"{given.document} has no such clause",
            where=given.where,
            found=repr(given.clause),
            remedy=nearest(given.clause, names),
        )
    elif (given.clause, "needs_authorisation") not in effects:
        yield Problem(
            f"{given.document} {given.clause} is no clause that an authorisation lifts",
            where=given.where,
            expected="one that asks for it: "
            + (", ".join(sorted(n for n, e in effects if e == "needs_authorisation")) or "none"),
            remedy="terms negotiated apart are a document of their own, of the layer order_form",
        )
    if given.to < given.from_:
        yield Problem(
            "the authorisation ends before it begins",
            where=given.where,
            found=f"from {given.from_} to {given.to}",
        )
    elif today and given.to < today:
        yield Problem(
            "the authorisation is past its end",
            where=given.where,
            found=f"to {given.to}",
            expected=f"{today} or later",
            remedy="renew it, or take it out",
        )
