"""Small catalogues for the tests of the guard."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from pathlib import Path
from typing import Any

from schemas.inputs.documents import (
    Clause,
    ClauseDuty,
    Condition,
    Effective,
    Reading,
    TermsDocument,
)
from schemas.inputs.registry import BindingTerms, Route
from schemas.purpose import CorpusPurpose, Organisation, Purpose, Student
from schemas.terms import Use
from transforms.guard.catalogue import Catalogue

DAY = date(2026, 11, 22)
USES: tuple[Use, ...] = ("train_generative", "train_narrow", "select", "evaluate")
READING = Reading(on=date(2026, 11, 1), by="a reader", confidence="high", sha256="a" * 64)

PERMIT = Clause(clause="1", uses=USES, effect="permit", summary="Anything may be done with output.")
FORBID = Clause(
    clause="2",
    uses=USES,
    effect="forbid",
    summary="Output is not for training.",
    yes_if="other terms.",
)
ASK = Clause(
    clause="3",
    uses=USES,
    effect="needs_authorisation",
    summary="Not without leave.",
    yes_if="leave is given.",
)
OWE = Clause(
    clause="4",
    uses=USES,
    effect="duty",
    summary="The name is shown.",
    duty=ClauseDuty(kind="attribution", text="Name us.", due="release"),
)

PURPOSE = Purpose(
    use="train_generative",
    student=Student(name="tutor", distribution="internal", license="Apache-2.0", competes_with=()),
    organisation=Organisation(
        name="Example",
        commercial=True,
        domicile="DE",
        monthly_active_users=12_000,
        annual_revenue_usd=4_000_000.0,
    ),
    corpus=CorpusPurpose(distribution="internal"),
)
UNDECLARED = Purpose(use="train_generative")


def terms(name: str = "acme/terms", *clauses: Clause, **changes: Any) -> TermsDocument:
    """Makes a document of terms that was read and leaves the output to the customer."""
    fields: dict[str, Any] = {
        "version": "1",
        "title": "Terms",
        "publisher": "Acme",
        "layer": "service",
        "effective": Effective(from_=date(2020, 1, 1)),
        "outputs": "customer_owns",
        "provider_uses_inputs": "no",
        "reading": READING,
        "open_licence": True,
    }
    return TermsDocument(document=name, clauses=clauses, **(fields | changes))


def route(*documents: str, id: str = "acme/model", model: str = "model-1") -> Route:
    """Makes a route that documents bind."""
    bound = tuple(BindingTerms(document=name) for name in documents)
    return Route(
        id=id, api="openai-chat", model=model, terms=bound, endpoint="https://acme.example/v1"
    )


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
