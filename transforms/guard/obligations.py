"""What a record owes: its obligation class, and whether all duties can be met together."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

from schemas.canonical import digest
from schemas.purpose import Purpose
from schemas.spdx import is_licence
from schemas.terms import Duty, DutyKind, TermsVersion, Verdict
from transforms.guard.prompt_licences import licence_terms

NOTHING_OWED = "none"
Owed = tuple[str, tuple[Duty, ...]]  # an obligation class and its duties
_DIGEST_LENGTH = 8
# A prefix that can be part of a folder's name and be read back from it.
_PLAIN = re.compile(r"[a-z][a-z0-9.]*(?: [a-z0-9.]+)*")


@dataclass(frozen=True, slots=True)
class Obligations:
    """What the terms of several models and of the prompt ask for together.

    Attributes:
        permits: Whether all of them permit their part.
        terms: The documents that bind them.
        duties: All their duties.
        distribution: Who may get the corpus, by the strictest of them.
        obligation_class: Name of the set of duties.
    """

    permits: bool
    terms: tuple[TermsVersion, ...]
    duties: tuple[Duty, ...]
    distribution: Literal["internal", "public"]
    obligation_class: str


def merge_duties(duties: Iterable[Duty]) -> tuple[Duty, ...]:
    """Returns duties without repetition, sorted."""
    return tuple(sorted(set(duties), key=lambda d: (d.kind, d.text, d.due, d.document)))


def obligation_class(duties: Iterable[Duty]) -> str:
    """Returns the name of a set of duties; equal sets have equal names.

    A single name prefix is named in full. Other names list the kinds and end in a digest, which
    separates sets of the same kinds. The documents that ask make no difference.

    Args:
        duties: The duties.

    Returns:
        A name for a folder: `none`, `name-prefix-llama`, `attribution+flow-down-1a2b3c4d`.
    """
    owed = sorted({_owed(duty) for duty in duties})
    if not owed:
        return NOTHING_OWED
    if len(owed) == 1 and owed[0][0] == "name_prefix" and _PLAIN.fullmatch(owed[0][1]):
        return f"name-prefix-{owed[0][1].replace(' ', '-')}"
    kinds = dict.fromkeys(kind.replace("_", "-") for kind, _, _ in owed)
    return f"{'+'.join(kinds)}-{digest(owed)[:_DIGEST_LENGTH]}"


def combined_class(one: Owed, other: Owed) -> str:
    """Returns the obligation class of two records together.

    Args:
        one: The obligation class of one record, and its duties.
        other: The same of the other record.
    """
    (name, duties), (other_name, other_duties) = one, other
    return name if name == other_name else obligation_class((*duties, *other_duties))


def _owed(duty: Duty) -> tuple[str, str, str]:
    """Returns what a duty asks for. The case of a name prefix makes no difference."""
    named = duty.kind == "name_prefix"
    text = duty.text.casefold() if named else duty.text
    return duty.kind, text, "" if named else duty.due


def combine_verdicts(verdicts: Iterable[Verdict]) -> Obligations:
    """Combines the verdicts on all models that touched a record.

    All must permit, duties add up, and the strictest distribution applies.

    Args:
        verdicts: The verdicts on its teacher, judges and rewriters.
    """
    verdicts = tuple(verdicts)
    duties = merge_duties(duty for verdict in verdicts for duty in verdict.duties)
    inside = any(duty.kind == "keep_internal" for duty in duties)
    return Obligations(
        bool(verdicts) and all(verdict.permits for verdict in verdicts),
        tuple(dict.fromkeys(terms for verdict in verdicts for terms in verdict.terms)),
        duties,
        "internal" if inside else "public",
        obligation_class(duties),
    )


def contradictions(verdicts: Iterable[Verdict], purpose: Purpose) -> list[str]:
    """Finds duties that the declared student and corpus cannot all meet.

    Args:
        verdicts: The verdicts on all models and prompt licences of a corpus.
        purpose: The declared use. An undeclared distribution counts as public.

    Returns:
        A sentence for each contradiction, with the documents.
    """
    duties = merge_duties(duty for verdict in verdicts for duty in verdict.duties)
    return [
        *_prefixes(duties),
        *_licences(duties, purpose),
        *_shared_and_restricted(duties, purpose),
        *_kept_and_passed_on(duties, purpose),
    ]


def _of(duties: Iterable[Duty], kind: DutyKind) -> list[Duty]:
    return [duty for duty in duties if duty.kind == kind]


def _prefixes(duties: tuple[Duty, ...]) -> Iterator[str]:
    for one, other in combinations(_of(duties, "name_prefix"), 2):
        short, long = sorted((one.text.casefold(), other.text.casefold()), key=len)
        if not long.startswith(short):
            yield (
                f"the student's name cannot begin with both {one.text!r} ({one.document}) "
                f"and {other.text!r} ({other.document})"
            )


def _licences(duties: tuple[Duty, ...], purpose: Purpose) -> Iterator[str]:
    license = purpose.student.license
    if license is None or purpose.student.distribution == "internal":
        return
    for duty in _of(duties, "flow_down"):
        if not can_pass_on(license, duty):
            yield (
                f"a student under {license} cannot pass on the restrictions that "
                f"{duty.document} asks for: {duty.text}"
            )


def can_pass_on(license: str, duty: Duty) -> bool:
    """Returns whether a licence can pass on a restriction: known licences only their own.

    Args:
        license: The licence, an SPDX expression; one that is not valid passes on nothing.
        duty: A duty to pass on a restriction.
    """
    if not is_licence(license):
        return False
    terms = licence_terms(license)
    bars_commerce = licence_terms(duty.document).non_commercial
    return terms.unknown or (bars_commerce and terms.non_commercial)


def _shared_and_restricted(duties: tuple[Duty, ...], purpose: Purpose) -> Iterator[str]:
    if purpose.student.distribution == purpose.corpus.distribution == "internal":
        return
    for shared in _of(duties, "share_alike"):
        for restricted in _of(duties, "flow_down"):
            if shared.document != restricted.document:
                yield (
                    f"what goes under {shared.document} alone cannot carry the restrictions "
                    f"of {restricted.document} as well"
                )


def _kept_and_passed_on(duties: tuple[Duty, ...], purpose: Purpose) -> Iterator[str]:
    for duty in _of(duties, "keep_internal"):
        subject, declared = (
            ("student", purpose.student.distribution)
            if duty.due == "release"
            else ("corpus", purpose.corpus.distribution)
        )
        if declared != "internal":
            yield (
                f"{duty.document} keeps the {subject} inside the organisation, and "
                f"{subject}.distribution is {declared or 'not declared'}"
            )
