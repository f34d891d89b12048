"""What a record owes together: the name of the class, the fold, the contradictions."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.purpose import Purpose
from schemas.terms import Duty, DutyKind, Verdict
from tests.transforms.guard.terms_builder import PURPOSE
from transforms.guard.obligations import (
    combine_verdicts,
    combined_class,
    contradictions,
    obligation_class,
)

LLAMA = Duty(kind="name_prefix", text="Llama", due="release", document="meta/llama-3.1-license")
LLAMA_3 = Duty(kind="name_prefix", text="Llama 3", due="release", document="meta/other")
QWEN = Duty(kind="name_prefix", text="Qwen", due="release", document="qwen/license")
GEMMA = Duty(
    kind="flow_down",
    text="Pass the use restrictions on.",
    due="release",
    document="google/gemma-terms",
)
NAMED = Duty(kind="attribution", text="Name us.", due="publication", document="acme/terms")
SHARED = Duty(
    kind="share_alike",
    text="Publish the records alike.",
    due="publication",
    document="CC-BY-SA-4.0",
)
NC = Duty(kind="flow_down", text="Not for commerce.", due="publication", document="CC-BY-NC-4.0")
NC_SA = Duty(
    kind="share_alike",
    text="Publish the records alike.",
    due="publication",
    document="CC-BY-NC-SA-4.0",
)
NC_SA_FLOW = replace(NC, document="CC-BY-NC-SA-4.0")
KEPT = Duty(
    kind="keep_internal", text="Do not disclose.", due="publication", document="google/preview"
)
KEPT_STUDENT = replace(KEPT, due="release")

duties = st.builds(
    Duty,
    kind=st.sampled_from(("name_prefix", "attribution", "flow_down", "notice", "keep_internal")),
    text=st.text(max_size=30),
    due=st.sampled_from(("release", "publication")),
    document=st.sampled_from(("a/t", "b/t")),
)


def verdict(*owed: Duty, decision: Any = "permit") -> Verdict:
    return Verdict(
        teacher="acme/model",
        decision=decision,
        status="permitted_if",
        clauses=(),
        duties=owed,
        terms=(),
        use="train_generative",
        on="2026-11-22",
        registry_digest="0" * 64,
        authorisations=(),
        obligation_class=obligation_class(owed),
        decision_id="",
    )


def purpose(student: Any = "released", corpus: Any = "public", license: Any = None) -> Purpose:
    return PURPOSE.model_copy(
        update={
            "student": PURPOSE.student.model_copy(
                update={"distribution": student, "license": license}
            ),
            "corpus": PURPOSE.corpus.model_copy(update={"distribution": corpus}),
        }
    )


@pytest.mark.parametrize(
    ("owed", "name"),
    [
        ((), r"none"),
        ((LLAMA,), r"name-prefix-llama"),
        ((LLAMA_3,), r"name-prefix-llama-3"),
        ((replace(LLAMA, text="LLAMA"),), r"name-prefix-llama"),
        ((replace(LLAMA, text="Llama!"),), r"name-prefix-[0-9a-f]{8}"),
        ((LLAMA, LLAMA_3), r"name-prefix-[0-9a-f]{8}"),
        ((NAMED,), r"attribution-[0-9a-f]{8}"),
        ((GEMMA, NAMED), r"attribution\+flow-down-[0-9a-f]{8}"),
        ((GEMMA, LLAMA), r"flow-down\+name-prefix-[0-9a-f]{8}"),
        ((NAMED, replace(NAMED, text="Name them.")), r"attribution-[0-9a-f]{8}"),
    ],
)
def test_a_class_is_named_for_its_duties(owed: tuple[Duty, ...], name: str) -> None:
    assert re.fullmatch(name, obligation_class(owed))


def test_the_name_of_a_class_does_not_change_from_one_release_to_the_next() -> None:
    assert obligation_class((GEMMA, LLAMA)) == "flow-down+name-prefix-7767b458"


def test_two_sets_of_the_same_kinds_have_different_names() -> None:
    assert obligation_class([NAMED]) != obligation_class([replace(NAMED, text="Name them.")])


def test_which_document_asks_makes_no_other_class() -> None:
    assert obligation_class([LLAMA]) == obligation_class([replace(LLAMA, document="meta/4")])


@pytest.mark.parametrize(
    ("one", "other"),
    [((), ()), ((LLAMA,), ()), ((), (NAMED,)), ((LLAMA,), (LLAMA,)), ((GEMMA,), (LLAMA, NAMED))],
)
def test_two_records_owe_the_duties_of_both(one: tuple[Duty, ...], other: tuple[Duty, ...]) -> None:
    combined = combined_class((obligation_class(one), one), (obligation_class(other), other))
    assert combined == obligation_class((*one, *other))


@given(st.lists(duties, max_size=6), st.randoms())
def test_a_class_has_one_name_that_fits_a_folder(owed: list[Duty], random: Any) -> None:
    name = obligation_class(owed)
    shuffled = [*owed, *owed]
    random.shuffle(shuffled)
    assert obligation_class(shuffled) == name
    assert re.fullmatch(r"[a-z0-9.+-]{1,120}", name)


@given(st.lists(duties, max_size=4), st.lists(duties, max_size=4))
def test_two_sets_share_a_name_only_if_they_owe_the_same(
    one: list[Duty], other: list[Duty]
) -> None:
    def owed(listed: list[Duty]) -> set[tuple[str, ...]]:
        return {
            (d.kind, d.text.casefold()) if d.kind == "name_prefix" else (d.kind, d.text, d.due)
            for d in listed
        }

    assert (obligation_class(one) == obligation_class(other)) == (owed(one) == owed(other))


def test_a_record_owes_what_all_its_models_ask_for() -> None:
    folded = combine_verdicts([verdict(LLAMA, NAMED), verdict(NAMED, GEMMA)])
    assert folded.permits
    assert set(folded.duties) == {LLAMA, NAMED, GEMMA}
    assert folded.obligation_class == obligation_class([LLAMA, NAMED, GEMMA])
    assert folded.distribution == "public"


def test_one_refusal_refuses_the_record() -> None:
    assert not combine_verdicts([verdict(), verdict(decision="deny")]).permits
    assert not combine_verdicts([]).permits


def test_the_strictest_distribution_holds() -> None:
    assert combine_verdicts([verdict(), verdict(KEPT)]).distribution == "internal"


@given(st.lists(st.lists(duties, max_size=3), max_size=4), st.randoms())
def test_the_fold_does_not_depend_on_the_order(parts: list[list[Duty]], random: Any) -> None:
    verdicts = [verdict(*owed) for owed in parts]
    shuffled = list(verdicts)
    random.shuffle(shuffled)
    assert combine_verdicts(shuffled) == combine_verdicts(verdicts)


@pytest.mark.parametrize(
    ("owed", "declared", "found"),
    [
        ((), purpose(), []),
        ((LLAMA, LLAMA_3), purpose(), []),
        ((LLAMA, QWEN), purpose(), ["cannot begin with both 'Llama'"]),
        ((LLAMA, LLAMA_3, QWEN), purpose(), ["'Llama' (meta/l", "'Llama 3' (meta/other)"]),
        ((GEMMA,), purpose(license="Apache-2.0"), ["Apache-2.0 cannot pass on"]),
        ((GEMMA,), purpose(license="CC-BY-NC-4.0"), ["CC-BY-NC-4.0 cannot pass on"]),
        ((GEMMA,), purpose(license="LicenseRef-gemma-derivative"), []),
        ((GEMMA,), purpose(license="Gemma derivative"), ["Gemma derivative cannot pass on"]),
        ((GEMMA,), purpose(license="Apache2"), ["Apache2 cannot pass on"]),
        ((GEMMA,), purpose(license=None), []),
        ((GEMMA,), purpose(student="internal", license="Apache-2.0"), []),
        ((GEMMA,), purpose(student=None, license="Apache-2.0"), ["Apache-2.0 cannot pass on"]),
        ((NC,), purpose(license="MIT"), ["MIT cannot pass on"]),
        ((NC,), purpose(license="CC-BY-NC-4.0"), []),
        ((SHARED, GEMMA), purpose(), ["under CC-BY-SA-4.0 alone cannot carry"]),
        ((SHARED, GEMMA), purpose("internal", "internal"), []),
        ((NC_SA, NC_SA_FLOW), purpose(), []),
        ((KEPT,), purpose(corpus="public"), ["corpus.distribution is public"]),
        ((KEPT,), purpose(corpus="partners"), ["corpus.distribution is partners"]),
        ((KEPT,), purpose(corpus=None), ["corpus.distribution is not declared"]),
        ((KEPT,), purpose(corpus="internal"), []),
        ((KEPT_STUDENT,), purpose(student="hosted"), ["student.distribution is hosted"]),
        ((KEPT_STUDENT,), purpose(student="internal"), []),
    ],
)
def test_duties_that_cannot_all_be_met_are_found(
    owed: tuple[Duty, ...], declared: Purpose, found: list[str]
) -> None:
    sentences = contradictions([verdict(duty) for duty in owed], declared)
    assert len(sentences) == len(found)
    assert all(part in text for part, text in zip(found, sentences, strict=True))


def test_every_kind_of_duty_has_a_class() -> None:
    kinds: tuple[DutyKind, ...] = ("notice", "disclose", "delete_on_request", "share_alike")
    names = {obligation_class([replace(NAMED, kind=kind)]).rsplit("-", 1)[0] for kind in kinds}
    assert names == {"notice", "disclose", "delete-on-request", "share-alike"}
