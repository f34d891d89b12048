"""The guard decides whether a route may be asked, for which use, on which day.

Every layer of terms that binds the route must permit the use. A prohibition wins over any
permission, duties add up, and a text that no one has read denies. The answer depends only on the
catalogue, the registry and the question, so it is the same on every worker and in later years.
"""

from __future__ import annotations

import functools
import pickle
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from datetime import date
from typing import Any

from schemas.canonical import digest
from schemas.errors import InputError, nearest
from schemas.files import unstructure
from schemas.inputs.documents import TermsDocument
from schemas.inputs.registry import BindingTerms, Registry, Route
from schemas.purpose import Purpose
from schemas.terms import ClauseStatus, Layer, Status, TermsVersion, Verdict
from transforms.guard.answer import Answer, ask_document, deny, severity
from transforms.guard.approvals import Approvals, UnapprovedPolicy
from transforms.guard.catalogue.load import Catalogue
from transforms.guard.obligations import merge_duties, obligation_class
from transforms.guard.prompt_licences import ask_licence, licence_terms

Question = tuple[str, Purpose, date, str | None, bool]

# A run has a few questions a day; a batch can have any number.
_CACHED_QUESTIONS = 65_536
# Layers whose providers see the prompts; the others are about weights and policies.
_SEE_PROMPTS: tuple[Layer, ...] = ("host", "aggregator", "service")

# Summaries are part of a decision's id: a change renames decisions.
_NO_VERSION = (
    "No version that we know of was in force that day. For a yes: add the version that was to the "
    "catalogue."
)
_USES_INPUTS = {
    "yes": "The host trains on what it is sent",
    "opt_out": "The host trains on what it is sent, unless its customer objects",
    "unstated": "What was read does not tell whether the host trains on what it is sent",
}
_ANOTHER_HOST = "For a yes: a host that says that it does not, or one's own."


class Guard:
    """Decides whether routes may be asked. It can be pickled, and remembers its answers.

    Args:
        catalogue: Documents and built-in routes.
        registry: The team's own routes, approvals, authorisations and changed texts.
        unapproved: Whether readings that the organisation has not approved may be used.
        max_age_days: How old a reading may be on the day in question; None for any age.

    Attributes:
        routes: All routes by id, built-in and the team's own.
        built_in: Ids of the catalogue's routes.
        registry_digest: Digest of catalogue and registry together.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        registry: Registry | None = None,
        *,
        unapproved: UnapprovedPolicy = "deny",
        max_age_days: int | None = None,
    ) -> None:
        registry = registry or Registry()
        self.routes: Mapping[str, Route] = {**catalogue.routes, **registry.routes}
        self.built_in = frozenset(catalogue.routes)
        self.registry_digest = registry_digest(catalogue, registry)
        self._documents = catalogue.documents
        self._authorisations = registry.authorisations
        self._approvals = Approvals(
            registry.approvals,
            unapproved=unapproved,
            max_age_days=max_age_days,
            changed=registry.changed,
        )
        self._cache: dict[Question, Verdict] = {}
        self._pickled: bytes | None = None

    def __reduce__(self) -> tuple[Callable[[bytes], Guard], tuple[bytes]]:
        if self._pickled is None:
            self._pickled = pickle.dumps(self.__dict__ | {"_cache": {}, "_pickled": None})
        return _unpickled, (self._pickled,)

    def route(self, route_id: str) -> Route:
        """Returns a route by its id.

        Raises:
            InputError: There is none; with the nearest names.
        """
        try:
            return self.routes[route_id]
        except KeyError:
            raise InputError(
                "no such route", found=repr(route_id), remedy=nearest(route_id, self.routes)
            ) from None

    def with_routes(self, routes: Iterable[Route]) -> Guard:
        """Returns a copy of the guard with further routes, whose ids it does not have yet.

        Args:
            routes: Routes that are no longer in any registry, as recorded in a corpus. A document
                that is in no catalogue any more counts as not in force.
        """
        added = {route.id: route for route in routes}
        return _from_state(self.__dict__ | {"routes": {**added, **self.routes}})

    def decide(
        self,
        route_id: str,
        purpose: Purpose,
        on: date,
        *,
        prompt_license: str | None = None,
        confidential: bool = False,
    ) -> Verdict:
        """Answers one question.

        Args:
            route_id: Id of the route.
            purpose: The declared use.
            on: The day, UTC.
            prompt_license: Licence of the prompt, an SPDX expression; None for a question about
                the route alone.
            confidential: Whether the prompt must not reach a host that trains on inputs.

        Returns:
            The verdict: the same object for the same question.

        Raises:
            InputError: There is no such route.
        """
        question = (route_id, purpose, on, prompt_license, confidential)
        verdict = self._cache.get(question)
        if verdict is None:
            if len(self._cache) >= _CACHED_QUESTIONS:
                self._cache.clear()
            verdict = self._cache[question] = self._judge(*question)
        return verdict

    def _judge(
        self, route_id: str, purpose: Purpose, on: date, license: str | None, confidential: bool
    ) -> Verdict:
        route = self.route(route_id)
        bound = [self._bound(terms, on) for terms in route.terms]
        answers = [self._ask(one, purpose, route.model, on) for one in bound]
        if license is not None:
            bound.append(_Bound(license, "prompt_licence", None))
            answers.append(ask_licence(license, purpose))
        terms = [_terms_version(*pair) for pair in zip(bound, answers, strict=True)]
        answers += _inputs(bound, license, confidential)
        return _verdict(route_id, purpose, on, answers, terms, self.registry_digest)

    def _bound(self, terms: BindingTerms, day: date) -> _Bound:
        versions = self._documents.get(terms.document, ())
        version = next((version for version in versions if version.in_force(day)), None)
        own: Layer = (version or versions[-1]).layer if versions else "service"
        return _Bound(terms.document, terms.layer or own, version)

    def _ask(self, bound: _Bound, purpose: Purpose, model: str, day: date) -> Answer:
        version = bound.version
        if version is None:
            return deny(bound.document, "", bound.layer, "not_in_force", _NO_VERSION)
        lifting = [
            given
            for given in self._authorisations
            if given.document == bound.document and given.from_ <= day <= given.to
        ]
        answer = ask_document(version, bound.layer, purpose, model, lifting)
        problem = self._approvals.problem(version, day) if answer.permits else None
        if problem is None:
            return answer
        clause = ClauseStatus(
            document=version.document,
            version=version.version,
            clause="",
            layer=bound.layer,
            status=problem.status,
            summary=problem.summary,
        )
        if problem.denies:
            return Answer(problem.status, False, (clause,))
        return replace(answer, clauses=(clause, *answer.clauses))


@dataclass(frozen=True, slots=True)
class _Bound:
    """A document that binds a route, at its version on the day; a prompt's licence has none."""

    document: str
    layer: Layer
    version: TermsDocument | None


def _from_state(state: dict[str, Any]) -> Guard:
    guard = object.__new__(Guard)
    guard.__dict__ |= state | {"_cache": {}, "_pickled": None}
    return guard


@functools.lru_cache(maxsize=8)
def _unpickled(state: bytes) -> Guard:
    """Returns a guard; the same one for the same bytes, since each stage of a pipeline holds it."""
    return _from_state(pickle.loads(state))  # noqa: S301 - our own pickle


def registry_digest(catalogue: Catalogue, registry: Registry) -> str:
    """Returns the digest of a catalogue and a registry together."""
    own = unstructure(registry)
    del own["limiter"]  # where quotas are counted does not affect decisions
    entries = (*own["routes"].values(), *own["approvals"], *own["authorisations"])
    for entry in entries:
        del entry["where"]
    for route in own["routes"].values():
        # As before prices could be unknown: another form would rename the decisions of records.
        route["price"] = {name: usd or 0.0 for name, usd in route["price"].items()}
    return digest({"catalogue": catalogue.digest, "registry": own})


def _terms_version(bound: _Bound, answer: Answer) -> TermsVersion:
    """Returns the version for the record, which shows whether the reading was approved."""
    version, sha256 = (bound.version.version, bound.version.sha256) if bound.version else ("", "")
    shown = answer.clauses[0].status
    status = shown if shown in ("unapproved", "expired") else answer.status
    return TermsVersion(
        document=bound.document, version=version, layer=bound.layer, sha256=sha256, status=status
    )


def _inputs(bound: list[_Bound], license: str | None, confidential: bool) -> Iterator[Answer]:
    """Denies hosts that may train on prompts which must not be trained on."""
    if not confidential and not (license and licence_terms(license).non_commercial):
        return
    what = "confidential" if confidential else f"under {license}"
    for one in bound:
        version = one.version
        if version and one.layer in _SEE_PROMPTS and version.provider_uses_inputs != "no":
            summary = f"{_USES_INPUTS[version.provider_uses_inputs]}, and the prompts are {what}."
            yield deny(
                one.document, version.version, one.layer, "prohibited", f"{summary} {_ANOTHER_HOST}"
            )


def _verdict(
    teacher: str,
    purpose: Purpose,
    on: date,
    answers: list[Answer],
    terms: list[TermsVersion],
    registry: str,
) -> Verdict:
    """Combines the answers of all layers: all must permit, and duties add up."""
    permits = all(answer.permits for answer in answers)
    deciding = [answer for answer in answers if permits or not answer.permits]
    clauses = [clause for answer in deciding for clause in answer.clauses]
    duties = merge_duties(duty for answer in answers for duty in answer.duties) if permits else ()
    content: dict[str, Any] = {
        "teacher": teacher,
        "decision": "permit" if permits else "deny",
        "status": _weakest(deciding),
        "clauses": tuple(sorted(clauses, key=lambda clause: severity(clause.status))),
        "duties": duties,
        "terms": tuple(terms),
        "use": purpose.use,
        "on": on.isoformat(),
        "registry_digest": registry,
        "authorisations": tuple(dict.fromkeys(r for a in deciding for r in a.authorisations)),
        "obligation_class": obligation_class(duties),
    }
    return Verdict(**content, decision_id=_digest(content))


def _weakest(answers: list[Answer]) -> Status:
    """Returns the most severe status. A use policy that is silent does not count."""
    counted = [a.status for a in answers if not (a.permits and a.status == "silent" and a.policy)]
    return min(counted or [answer.status for answer in answers], key=severity)


def decision_id(verdict: Verdict) -> str:
    """Returns the id computed from a verdict's content; a different id shows a change."""
    content = {field.name: getattr(verdict, field.name) for field in fields(verdict)}
    del content["decision_id"]
    return _digest(content)


def _digest(content: dict[str, Any]) -> str:
    """Returns the digest of a verdict's content."""
    return digest(unstructure(content))
