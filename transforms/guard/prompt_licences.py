"""What the licence of a prompt permits and asks for, by families of SPDX licences."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from dataclasses import astuple, dataclass
from typing import TYPE_CHECKING

from schemas.errors import InputError
from schemas.purpose import Purpose
from schemas.spdx import parse_licence
from schemas.terms import ClauseStatus, Duty, DutyKind, Status
from transforms.guard.answer import Answer, deny

if TYPE_CHECKING:
    from license_expression import LicenseExpression

# Prompts that the organisation wrote itself or owns: no permission is needed.
OWN_WORK = "LicenseRef-own-work"

# SPDX licence list 3.27. A licence in none of these families is unknown.
_PERMISSIVE = frozenset({
    "0bsd", "apache-2.0", "bsd-2-clause", "bsd-3-clause", "bsl-1.0", "cc0-1.0",
    "cdla-permissive-1.0", "cdla-permissive-2.0", "isc", "mit", "mit-0", "pddl-1.0", "unlicense",
    "zlib", OWN_WORK.casefold(),
})  # fmt: skip
_ATTRIBUTION = frozenset({"odc-by-1.0"})
_SHARE_ALIKE = re.compile(
    r"(?:[AL]?GPL-[123]\.\d(?:-only|-or-later)?\+?|GFDL-1\.[123](?:-[a-z-]+)?|MPL-[12]\.[01]"
    r"|EUPL-1\.[12]|ODbL-1\.0|CDLA-Sharing-1\.0)",
    re.IGNORECASE,
)
_CREATIVE_COMMONS = re.compile(
    r"CC-BY(?P<non_commercial>-NC)?(?:-(?:(?P<share_alike>SA)|(?P<no_derivatives>ND)))?"
    r"-[1-4]\.\d(?:-[A-Z]{2,4})?",
    re.IGNORECASE,
)
# Summaries are part of a decision's id: a change renames decisions.
_UNKNOWN_FAMILY = (
    "Nobody knows what the licence of the prompts allows. For a yes: give the prompts' SPDX "
    f"licence, or {OWN_WORK} where your organisation wrote them."
)
_ASKS = "The prompts' licence permits it and asks for something."


@dataclass(frozen=True, order=True, slots=True)
class LicenceTerms:
    """What a licence asks for; the smaller in order, the freer.

    Attributes:
        unknown: It is in no known family.
        non_commercial: It forbids commercial use.
        no_derivatives: It forbids passing on derived works.
        share_alike: Derived works must be under the same licence.
        attribution: The author must be named.
    """

    unknown: bool = False
    non_commercial: bool = False
    no_derivatives: bool = False
    share_alike: bool = False
    attribution: bool = False


_UNKNOWN = LicenceTerms(unknown=True)


@functools.lru_cache(maxsize=4096)
def licence_terms(expression: str) -> LicenceTerms:
    """Returns what a licence expression asks for.

    Of `A OR B` the freer one counts, of `A AND B` both; an exception (`WITH`) only permits more.

    Args:
        expression: An SPDX licence expression.

    Returns:
        Its terms: `unknown` if it is not valid or names a licence of no known family.
    """
    try:
        return _terms(parse_licence(expression))
    except InputError:
        return _UNKNOWN


def _terms(tree: LicenseExpression) -> LicenceTerms:
    from license_expression import OR  # takes 30 ms to import

    if not tree.args:
        return _family(getattr(tree, "license_symbol", tree).key)
    terms = [_terms(arg) for arg in tree.args]
    if isinstance(tree, OR):
        return min(terms)
    return LicenceTerms(*map(any, zip(*map(astuple, terms), strict=True)))


def _family(name: str) -> LicenceTerms:
    folded = name.casefold()
    if folded in _PERMISSIVE:
        return LicenceTerms()
    if folded in _ATTRIBUTION:
        return LicenceTerms(attribution=True)
    if _SHARE_ALIKE.fullmatch(name):
        return LicenceTerms(share_alike=True)
    if match := _CREATIVE_COMMONS.fullmatch(name):
        barred = {key: bool(match[key]) for key in match.groupdict()}
        return LicenceTerms(attribution=True, **barred)
    return _UNKNOWN


def ask_licence(license: str, purpose: Purpose) -> Answer:
    """Returns what a prompt's licence answers about a declared use.

    Whether a completion inherits its prompt's licence is not settled in law; it is taken to.

    Args:
        license: The licence of the prompt, an SPDX expression.
        purpose: The declared use.

    Returns:
        The answer of the layer `prompt_licence`; its document is the licence itself.
    """
    terms = licence_terms(license)
    if terms.unknown:
        return deny(license, "", "prompt_licence", "unknown", _unknown(license))
    if terms.non_commercial and purpose.organisation.commercial is not False:
        return deny(license, "", "prompt_licence", "prohibited", _non_commercial(purpose))
    duties = tuple(_duties(license, terms))
    status: Status = "permitted_if" if duties else "permitted"
    summary = _ASKS if duties else "The prompts' licence leaves every use open."
    clause = ClauseStatus(
        document=license,
        version="",
        clause="",
        layer="prompt_licence",
        status=status,
        summary=summary,
    )
    return Answer(status, True, (clause,), duties)


def _unknown(license: str) -> str:
    """Returns why a licence is unknown: it is in no known family, or misspelt."""
    try:
        parse_licence(license)
    except InputError as error:
        problems = (f"{p.what}: {p.found}. {p.remedy}".rstrip() for p in error.problems)
        return " ".join((_UNKNOWN_FAMILY, *problems))
    return _UNKNOWN_FAMILY


def _non_commercial(purpose: Purpose) -> str:
    undeclared = purpose.organisation.commercial is None
    return (
        "The prompts' licence bars commercial use."
        + (" It counts because nobody declared organisation.commercial." if undeclared else "")
        + " For a yes: a use that is not commercial, or prompts under another licence."
    )


def _duties(license: str, terms: LicenceTerms) -> Iterator[Duty]:
    asked: tuple[tuple[bool, DutyKind, str], ...] = (
        (terms.attribution, "attribution", "Name the authors of the prompts, and their licence."),
        (terms.share_alike, "share_alike", f"Publish the records under {license}."),
        (terms.non_commercial, "flow_down", "Pass on that the records are not for commercial use."),
        (terms.no_derivatives, "keep_internal", "Do not pass on what was made from the prompts."),
    )
    for applies, kind, text in asked:
        if applies:
            yield Duty(kind=kind, text=text, due="publication", document=license)
