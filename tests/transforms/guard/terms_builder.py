"""Small catalogues for the tests of the guard."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from pathlib import Path
from typing import Any

from schemas.documents import Clause, ClauseDuty, Condition, Effective, Reading, TermsDocument
from schemas.registry import BindingTerms, Route
from schemas.run import CorpusPurpose, Organisation, Purpose, Student
from schemas.terms import Use
from transforms.guard.catalogue import Catalogue

DAY = date(2026, 11, 22)
USES: tuple[Use, ...] = ("train_generative", "train_narrow", "select", "evaluate")
READING = Reading(date(2026, 11, 1), "a reader", "high", sha256="a" * 64)

PERMIT = Clause("1", USES, "permit", "Anything may be done with output.")
FORBID = Clause("2", USES, "forbid", "Output is not for training.", yes_if="other terms.")
ASK = Clause("3", USES, "needs_authorisation", "Not without leave.", yes_if="leave is given.")
OWE = Clause(
    "4", USES, "duty", "The name is shown.", duty=ClauseDuty("attribution", "Name us.", "release")
)

PURPOSE = Purpose(
    "train_generative",
    Student("tutor", "internal", "Apache-2.0", ()),
    Organisation("Example", True, "DE", 12_000, 4_000_000.0),
    CorpusPurpose("internal"),
)
UNDECLARED = Purpose("train_generative")


def terms(name: str = "acme/terms", *clauses: Clause, **changes: Any) -> TermsDocument:
    """Makes a document of terms that was read and leaves the output to the customer."""
    fields: dict[str, Any] = {
        "version": "1",
        "title": "Terms",
        "publisher": "Acme",
        "layer": "service",
        "effective": Effective(date(2020, 1, 1)),
        "outputs": "customer_owns",
        "provider_uses_inputs": "no",
        "reading": READING,
        "open_licence": True,
    }
    return TermsDocument(document=name, clauses=clauses, **(fields | changes))


def route(*documents: str, id: str = "acme/model", model: str = "model-1") -> Route:
    """Makes a route that documents bind."""
    bound = tuple(BindingTerms(name) for name in documents)
    return Route(id, "openai-chat", model, bound, endpoint="https://acme.example/v1")


def catalogue(*documents: TermsDocument, routes: Iterable[Route] | None = None) -> Catalogue:
    """Makes a catalogue; by default with one route that all its documents bind."""
    versions: dict[str, tuple[TermsDocument, ...]] = {}
    for document in documents:
        versions[document.document] = (*versions.get(document.document, ()), document)
    chosen = [route(*versions)] if routes is None else routes
    return Catalogue(versions, {one.id: one for one in chosen}, digest="0" * 64)


def when(**facts: Any) -> Condition:
    """Makes a condition."""
    return Condition(**facts)


DOCUMENT = """\
document: acme/terms
version: "1"
title: Terms
publisher: Acme
layer: service
effective: {from: 2024-01-01}
outputs: customer_owns
reading: {on: 2026-11-01, by: a reader, confidence: high}
clauses:
  - clause: "2"
    uses: [train_generative]
    effect: needs_authorisation
    summary: Not without leave.
    yes_if: leave is given.
  - clause: "3"
    uses: [train_generative]
    effect: forbid
    summary: Not at all.
    yes_if: other terms.
"""
UNREAD = """\
document: acme/policy
version: unread
title: Policy
publisher: Acme
layer: acceptable_use
"""
ROUTES = """\
routes:
  acme/model:
    api: openai-chat
    endpoint: https://acme.example/v1
    model: model-1
    terms: [acme/terms]
"""


def write(folder: Path, **files: str) -> Path:
    """Writes a catalogue's files; `terms`, `policy`, `routes` by default as above.

    A further file's key is its path under the folder, as in `**{"documents/acme/x@1.yaml": …}`.
    """
    contents = {
        "documents/acme/terms@1.yaml": files.pop("terms", DOCUMENT),
        "documents/acme/policy@unread.yaml": files.pop("policy", UNREAD),
        "routes/acme.yaml": files.pop("routes", ROUTES),
        **files,
    }
    for name, text in contents.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    return folder
