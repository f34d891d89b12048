"""Reads a team's registry: its own routes, approvals and authorisations, and its limiter."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import date
from os import fspath

from schemas.addresses import AnyPath, join_address, parent_address
from schemas.errors import InputError, Problem, nearest
from schemas.inputs.check import read_model
from schemas.inputs.document import parse_yaml, read_yaml
from schemas.inputs.registry import (
    Approval,
    Authorisation,
    ChangedTerms,
    LimiterAddress,
    Registry,
    WrittenChanges,
    WrittenRegistry,
)
from transforms.guard.catalogue.load import Catalogue, read_routes, unknown_document
from transforms.storage.home import open_home
from transforms.storage.inputs import open_input

CHANGED = "terms-changed.json"  # beside the registry; written by `terms check --fetch`


def load_registry(
    registry: AnyPath,
    catalogue: Catalogue,
    *,
    name: str | None = None,
    today: date | None = None,
) -> Registry:
    """Reads a team's own routes, approvals and authorisations, and what changed since.

    Args:
        registry: The file, `teachers.yaml`; also one in `gs://`.
        catalogue: What they refer to.
        name: How messages call the file; by default its address.
        today: The day on which every authorisation must still run, UTC; None for any day, as for
            a question about the past.

    Returns:
        The registry, checked against its schema and the catalogue.

    Raises:
        InputError: With the problems found, each with its file and line.
    """
    address = fspath(registry)
    with open_input(address) as path:
        file = read_yaml(path, name=name or address)
    changed = read_changed(address)
    if file.data is None:
        return Registry(changed=changed)
    written = read_model(file, WrittenRegistry)
    routes = read_routes(written, file, catalogue.documents, taken=catalogue.routes)
    approvals = tuple(
        Approval(**dict(entry), where=file.where(("approvals", index)))
        for index, entry in enumerate(written.approvals)
    )
    authorisations = tuple(
        Authorisation(**dict(entry), where=file.where(("authorisations", index)))
        for index, entry in enumerate(written.authorisations)
    )
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
        limiter=(
            LimiterAddress(**dict(written.limiter), where=file.where(("limiter", "redis")))
            if written.limiter
            else None
        ),
    )


def read_changed(registry: str) -> tuple[ChangedTerms, ...]:
    """Reads which texts were found changed since they were read, as noted beside a registry.

    Args:
        registry: The address of the registry's own file.

    Returns:
        The changes; none where nothing is noted.

    Raises:
        InputError: The note breaks its schema.
        StillroomError: The disk or the bucket cannot be read.
    """
    with closing(open_home(parent_address(registry)[0], "the registry")) as home:
        return parse_changed(home.get_with_generation(CHANGED), join_address(home.address, CHANGED))


def parse_changed(found: tuple[bytes, int] | None, name: str) -> tuple[ChangedTerms, ...]:
    """Returns the changes in a note; see `read_changed`.

    Args:
        found: The file's bytes and generation; None where there is no file.
        name: The file's address, for messages.
    """
    if found is None:
        return ()
    try:
        text = found[0].decode()
    except UnicodeDecodeError as error:
        raise InputError("the file is not UTF-8", where=name, found=f"byte {error.start}") from None
    return read_model(parse_yaml(text, name), WrittenChanges).changed


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
            f"{version.name} was not read: there is no reading to approve",
            where=approval.where,
            remedy="read the document and add it to the catalogue first",
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
    if today and given.to < today:
        yield Problem(
            "the authorisation is past its end",
            where=given.where,
            found=f"to {given.to}",
            expected=f"{today} or later",
            remedy="renew it, or take it out",
        )
