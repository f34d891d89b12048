"""Laws of the guard, over random terms and random purposes.

"Adding a fact never removes a duty" needs care. To *declare* a fact may well remove one: a duty
that counted only because the student was not declared internal. What must never pay is
silence, so the law is the other way round: to forget a fact never wins a permission and never
loses a duty. And what is added to the *terms*, a document or a clause that asks for something,
never wins a permission and never loses a duty either; only an authorisation lifts a clause.
"""

from __future__ import annotations

from datetime import date
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from schemas.inputs.documents import Clause, ClauseDuty, Condition, TermsDocument
from schemas.inputs.registry import Approval, Authorisation, Registry
from schemas.purpose import CorpusPurpose, Organisation, Purpose, Student
from schemas.terms import Verdict
from tests.transforms.guard.terms_builder import DAY, READING, USES, catalogue, route, terms
from transforms.guard.evaluate import Guard

PROVIDERS = ("acme", "globex")
FACTS = {
    "student": ("distribution", "license", "competes_with"),
    "organisation": ("commercial", "domicile", "monthly_active_users", "annual_revenue_usd"),
    "corpus": ("distribution",),
}


def some(values: Any) -> st.SearchStrategy[tuple[Any, ...]]:
    """Draws a few of the values."""
    return st.lists(st.sampled_from(values), min_size=1, max_size=2, unique=True).map(tuple)


def optional(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional=fields)


simple_conditions = optional(
    competes_with=some(PROVIDERS),
    student_distribution=some(("internal", "hosted", "released")),
    corpus_distribution=some(("internal", "partners", "public")),
    student_license=some(("Apache-2.0", "CC-*")),
    commercial=st.booleans(),
    domicile_in=some(("EU", "US")),
    domicile_not_in=some(("EU", "US")),
    monthly_active_users_over=st.just(100),
    annual_revenue_usd_over=st.just(100),
).map(lambda fields: Condition(**fields))
conditions = st.one_of(
    st.none(),
    simple_conditions,
    st.lists(simple_conditions, min_size=2, max_size=2).map(lambda c: Condition(any_of=tuple(c))),
)
duties = st.builds(
    ClauseDuty,
    kind=st.sampled_from(("attribution", "flow_down", "name_prefix")),
    text=st.sampled_from(("Llama", "Name us.")),
    due=st.just("release"),
)


def clauses(*effects: str) -> st.SearchStrategy[Clause]:
    def with_duty(clause: Clause, duty: ClauseDuty) -> Clause:
        return clause.model_copy(update={"duty": duty if clause.effect == "duty" else None})

    plain = st.builds(
        Clause,
        clause=st.sampled_from(("1", "2")),
        uses=some(USES),
        effect=st.sampled_from(effects),
        summary=st.just("Says something."),
        when=conditions,
        yes_if=st.just("it did not."),
    )
    return st.builds(with_duty, plain, duties)


def documents(name: str) -> st.SearchStrategy[TermsDocument]:
    return st.builds(
        lambda written, fields: terms(name, *written, **fields),
        st.lists(clauses("permit", "forbid", "needs_authorisation", "duty"), max_size=3),
        st.fixed_dictionaries(
            {
                "layer": st.sampled_from(("service", "acceptable_use", "weights_licence")),
                "outputs": st.sampled_from(
                    ("customer_owns", "no_claim", "licensor_owns", "unstated")
                ),
                "reading": st.sampled_from((READING, READING, READING, None)),
                "open_licence": st.booleans(),
                "provider_uses_inputs": st.sampled_from(("no", "opt_out")),
            }
        ),
    )


purposes = st.builds(
    Purpose,
    use=st.sampled_from(USES),
    student=st.builds(
        Student,
        name=st.just("tutor"),
        distribution=st.sampled_from(("internal", "hosted", "released", None)),
        license=st.sampled_from(("Apache-2.0", "CC-BY-4.0", None)),
        competes_with=st.one_of(st.none(), st.just(()), some(PROVIDERS)),
    ),
    organisation=st.builds(
        Organisation,
        name=st.just("Example"),
        commercial=st.sampled_from((True, False, None)),
        domicile=st.sampled_from(("DE", "US", None)),
        monthly_active_users=st.sampled_from((10, 1000, None)),
        annual_revenue_usd=st.sampled_from((10.0, 1000.0, None)),
    ),
    corpus=st.builds(
        CorpusPurpose, distribution=st.sampled_from(("internal", "partners", "public", None))
    ),
)
questions = st.fixed_dictionaries(
    {
        "prompt_license": st.sampled_from((None, "MIT", "CC-BY-SA-4.0", "CC-BY-NC-4.0", "?")),
        "confidential": st.booleans(),
    }
)
A, B = "acme/terms", "globex/terms"


def decide(
    documents: tuple[TermsDocument, ...],
    purpose: Purpose,
    question: dict[str, Any],
    registry: Registry | None = None,
    *,
    allow: bool = True,
) -> Verdict:
    guard = Guard(catalogue(*documents), registry, unapproved="allow" if allow else "deny")
    return guard.decide("acme/model", purpose, DAY, **question)


def wins_nothing(before: Verdict, after: Verdict) -> bool:
    """Whether the second verdict grants no more, and asks for no less, than the first."""
    if not after.permits:
        return True
    return before.permits and set(before.duties) <= set(after.duties)


@given(documents(A), documents(B), purposes, questions)
def test_to_add_a_document_wins_nothing(
    one: TermsDocument, other: TermsDocument, purpose: Purpose, question: dict[str, Any]
) -> None:
    assert wins_nothing(decide((one,), purpose, question), decide((one, other), purpose, question))


@given(documents(A), clauses("forbid", "needs_authorisation", "duty"), purposes, questions)
def test_to_add_a_clause_that_does_not_permit_wins_nothing(
    document: TermsDocument, clause: Clause, purpose: Purpose, question: dict[str, Any]
) -> None:
    longer = document.model_copy(update={"clauses": (*document.clauses, clause)})
    assert wins_nothing(
        decide((document,), purpose, question), decide((longer,), purpose, question)
    )


@given(documents(A), purposes, questions, st.data())
def test_to_forget_a_fact_wins_nothing(
    document: TermsDocument, purpose: Purpose, question: dict[str, Any], data: st.DataObject
) -> None:
    section = data.draw(st.sampled_from(sorted(FACTS)))
    fact = data.draw(st.sampled_from(FACTS[section]))
    forgotten = purpose.model_copy(
        update={section: getattr(purpose, section).model_copy(update={fact: None})}
    )
    assert wins_nothing(
        decide((document,), purpose, question), decide((document,), forgotten, question)
    )


@given(documents(A), documents(B), purposes, questions)
def test_an_authorisation_lifts_its_clause_and_changes_nothing_else(
    one: TermsDocument, other: TermsDocument, purpose: Purpose, question: dict[str, Any]
) -> None:
    leave = Authorisation(
        document=A, clause="1", reference="MSA-1", from_=date(2020, 1, 1), to=date(2030, 1, 1)
    )
    before = decide((one, other), purpose, question)
    after = decide((one, other), purpose, question, Registry(authorisations=(leave,)))
    if before.permits:
        assert after.permits
        assert after.duties == before.duties
    elif after.permits:
        assert after.authorisations == ("MSA-1",)
        assert {(c.document, c.clause) for c in before.clauses} == {(A, "1")}
        assert before.status == "needs_authorisation"


@given(documents(A), purposes, questions)
def test_an_approval_wins_no_more_than_to_allow_the_unapproved(
    document: TermsDocument, purpose: Purpose, question: dict[str, Any]
) -> None:
    signed = Registry(
        approvals=(Approval(document=A, version="1", by="legal", on=date(2020, 1, 1)),)
    )
    denied = decide((document,), purpose, question, allow=False)
    approved = decide((document,), purpose, question, signed, allow=False)
    allowed = decide((document,), purpose, question)
    assert approved.decision == allowed.decision
    assert approved.duties == allowed.duties
    assert denied.permits <= approved.permits
    if denied.decision != approved.decision:
        assert denied.status == "unapproved"


@given(documents(A), documents(B), purposes, questions)
def test_a_route_is_permitted_where_each_of_its_documents_permits(
    one: TermsDocument, other: TermsDocument, purpose: Purpose, question: dict[str, Any]
) -> None:
    each = [decide((document,), purpose, question) for document in (one, other)]
    both = decide((one, other), purpose, question)
    assert both.permits == all(verdict.permits for verdict in each)


@given(documents(A), documents(B), purposes, questions)
def test_the_order_of_documents_does_not_matter(
    one: TermsDocument, other: TermsDocument, purpose: Purpose, question: dict[str, Any]
) -> None:
    guards = [
        Guard(catalogue(one, other, routes=[route(*names)]), unapproved="allow")
        for names in ((A, B), (B, A))
    ]
    first, second = (g.decide("acme/model", purpose, DAY, **question) for g in guards)
    assert (first.decision, first.status, first.duties, first.obligation_class) == (
        second.decision,
        second.status,
        second.duties,
        second.obligation_class,
    )


@given(documents(A), purposes, questions)
def test_a_permission_has_no_denying_clause_and_a_refusal_no_duty(
    document: TermsDocument, purpose: Purpose, question: dict[str, Any]
) -> None:
    verdict = decide((document,), purpose, question)
    denying = {"prohibited", "needs_authorisation", "unknown", "not_in_force"}
    statuses = {clause.status for clause in verdict.clauses}
    if verdict.permits:
        assert not statuses & denying
    else:
        assert not verdict.duties
        assert statuses <= denying | {"expired", "silent"}
