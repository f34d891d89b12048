"""The documents of terms that a run, a registry or a whole team relies on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date

from pipelines.planning.prepare import read_run
from schemas.addresses import AnyPath
from schemas.codes import TermsProblemKind
from schemas.errors import InputError
from schemas.inputs.registry import Registry, Route
from transforms.guard.approvals import DocumentState, UnapprovedPolicy, document_states
from transforms.guard.catalogue import Catalogue, load_catalogue, load_registry
from transforms.guard.changes import Fetch, TextComparison, compare_texts, record_changes
from transforms.guard.evaluate import Guard
from transforms.guard.fetch import fetch_pages
from transforms.guard.terms_problems import TermsProblem, find_terms_problems, select_relied_on


@dataclass(frozen=True, slots=True, kw_only=True)
class TermsInUse:
    """The terms that a team relies on, on a day.

    Attributes:
        catalogue: Every document.
        registry: The team's own.
        path: The registry's file, or None.
        routes: The routes in use; None for all that the registry mentions.
        today: The day, UTC.
        within_days: A document that ends within so many days is expiring.
        unapproved: Whether unapproved readings are allowed.
        max_age_days: Maximum age of a reading; None for any age.
    """

    catalogue: Catalogue
    registry: Registry
    path: str | None
    routes: tuple[Route, ...] | None
    today: date
    within_days: int
    unapproved: UnapprovedPolicy = "deny"
    max_age_days: int | None = None

    def document_states(self) -> list[DocumentState]:
        """Returns the state of every document in use."""
        known = (*self.catalogue.routes.values(), *self.registry.routes.values())
        found = document_states(
            self.catalogue,
            self.registry,
            known if self.routes is None else self.routes,
            self.today,
            within_days=self.within_days,
            max_age_days=self.max_age_days,
        )
        return (
            select_relied_on(found, self.registry, self.catalogue) if self.routes is None else found
        )

    def findings(self, compared: Sequence[TextComparison] = ()) -> list[TermsProblem]:
        """Returns what needs attention.

        Args:
            compared: Comparisons with the newest texts. A change that is on record shows in the
                state of its document until the document is approved again.
        """
        flaws = find_terms_problems(
            self.document_states(),
            self.registry,
            self.today,
            within_days=self.within_days,
            unapproved=self.unapproved,
        )
        noted = {(change.document, change.version) for change in self.registry.changed}
        details = {"changed": "its text is no longer the one that was read", "unreachable": ""}
        return flaws + [
            TermsProblem(
                one.document,
                one.version,
                TermsProblemKind(one.state),
                details[one.state] or one.detail,
            )
            for one in compared
            if one.state in details
            and not (one.state == "changed" and (one.document, one.version) in noted)
        ]

    def fetch(self, fetch: Fetch = fetch_pages) -> list[TextComparison]:
        """Compares the documents in force today with the newest texts.

        Args:
            fetch: Fetches pages.
        """
        documents = [
            version
            for standing in self.document_states()
            for version in self.catalogue.documents[standing.document]
            if version.version == standing.version
        ]
        return compare_texts(documents, fetch)

    def note(self, compared: Sequence[TextComparison]) -> TermsInUse:
        """Records changed texts beside the registry, and returns the terms in use afterwards.

        Args:
            compared: The comparisons. Without a registry nothing is recorded, since no approval
                can lapse.
        """
        if self.path is None:
            return self
        changed = record_changes(self.path, compared, self.today)
        return replace(self, registry=replace(self.registry, changed=changed))


def read_terms_in_use(
    run: AnyPath | None,
    registry: str | None,
    today: date,
    *,
    within_days: int = 30,
    max_age_days: int | None = None,
) -> TermsInUse:
    """Reads the terms in use.

    Args:
        run: A run file: its registry and the routes of its teachers; or None.
        registry: A registry; or None. Not both.
        today: The day, UTC.
        within_days: A document that ends within so many days is expiring.
        max_age_days: Maximum age of a reading; by default that of the run file.

    Returns:
        The terms in use: without a file, the whole catalogue.

    Raises:
        InputError: A file is wrong, or both were given.
    """
    catalogue = load_catalogue()
    if run is None:
        own = load_registry(registry, catalogue) if registry else Registry()
        return TermsInUse(
            catalogue=catalogue,
            registry=own,
            path=registry,
            routes=None,
            today=today,
            within_days=within_days,
            max_age_days=max_age_days,
        )
    if registry:
        raise InputError("--run brings its own registry: give one of --run and --registry")
    file, _ = read_run(run)
    path = file.registry
    own = load_registry(path, catalogue) if path else Registry()
    guard = Guard(catalogue, own)
    asked = (*file.teachers, *((file.judge.teacher,) if file.judge else ()))
    used = tuple(guard.route(teacher.id) for teacher in asked)
    age = file.max_reading_age_days if max_age_days is None else max_age_days
    return TermsInUse(
        catalogue=catalogue,
        registry=own,
        path=path,
        routes=used,
        today=today,
        within_days=within_days,
        unapproved=file.unapproved,
        max_age_days=age,
    )
