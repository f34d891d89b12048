"""Finds personal data: e-mail addresses, account, card and telephone numbers.

Patterns find possible places; checksums and reserved ranges exclude false ones. A finding never
quotes the data, only its kind and place.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

from transforms.filters.rules import Candidate, Finding, NoSettings, Rule, Span

_EMAIL = re.compile(
    r"(?<![\w.+-])[\w.+-]{1,64}@(?P<domain>(?:[a-zA-Z0-9-]{1,63}\.)+[a-zA-Z]{2,24})\b"
)
_IBAN = re.compile(r"\b[A-Z]{2}\d{2}(?:[ -]?[A-Z0-9]{4}){2,7}(?:[ -]?[A-Z0-9]{1,3})?\b")
_CARD = re.compile(
    r"(?<![\w.,-])(?:\d{4}([ -]?)\d{4}\1\d{4}\1\d{4}|3[47]\d\d([ -]?)\d{6}\2\d{5})(?![\w-]|[.,]\d)"
)
_PHONE = re.compile(
    r"(?<![\w+.,/=*^-])(?:"
    r"\+[1-9]\d{0,2}(?:[ .-]?\(?\d{1,5}\)?){2,6}"  # E.164, with the usual separators
    r"|(?:1[ .-])?(?:\([2-9]\d\d\) ?|[2-9]\d\d[.-])[2-9]\d\d[.-]\d{4}"  # North America
    r")(?![\w+*/^=%-]|[.,]\d)"
)

# Domains that RFC 2606 and RFC 6761 reserve for examples, and common placeholders.
_EXAMPLE_DOMAIN = re.compile(
    r"(?:^|\.)(?:example(?:\.[a-z]+)?|test|invalid|localhost|(?:your-?|my-?|some-?)?"
    r"(?:domain|company|website|email|mail|site)\.[a-z]+)$",
    re.IGNORECASE,
)
_PHONE_DIGITS = range(8, 16)  # E.164: at most 15
_FICTIONAL_PHONE = re.compile(r"555-?01\d\d$|^1?(\d)\1{6,}$|^1?2345678|12345678")
_TEST_CARDS = re.compile(
    r"4242(?:42){6}|41{15}|4012888888881881|5555555555554444|5105105105105100|378282246310005"
)
# Length of an IBAN by country, from SWIFT's IBAN registry.
_IBAN_LENGTHS = {
    "AD": 24, "AE": 23, "AL": 28, "AT": 20, "AZ": 28, "BA": 20, "BE": 16, "BG": 22, "BH": 22,
    "BR": 29, "BY": 28, "CH": 21, "CR": 22, "CY": 28, "CZ": 24, "DE": 22, "DK": 18, "DO": 28,
    "EE": 20, "EG": 29, "ES": 24, "FI": 18, "FO": 18, "FR": 27, "GB": 22, "GE": 22, "GI": 23,
    "GL": 18, "GR": 27, "GT": 28, "HR": 21, "HU": 28, "IE": 22, "IL": 23, "IQ": 23, "IS": 26,
    "IT": 27, "JO": 30, "KW": 30, "KZ": 20, "LB": 28, "LC": 32, "LI": 21, "LT": 20, "LU": 20,
    "LV": 21, "MC": 27, "MD": 24, "ME": 22, "MK": 19, "MR": 27, "MT": 31, "MU": 30, "NL": 18,
    "NO": 15, "PK": 24, "PL": 28, "PS": 29, "PT": 25, "QA": 29, "RO": 24, "RS": 22, "SA": 24,
    "SC": 31, "SE": 24, "SI": 19, "SK": 24, "SM": 27, "TN": 24, "TR": 26, "UA": 29, "VA": 22,
    "VG": 24, "XK": 20,
}  # fmt: skip


class _PersonalKind(NamedTuple):
    code: str
    name: str
    needs: str  # a text without it has no match: a quick first test
    pattern: re.Pattern[str]
    length: Callable[[re.Match[str]], int]  # of the data, in characters; 0 for a false match


def find_personal(candidate: Candidate, settings: NoSettings) -> Iterator[Finding]:
    """Finds personal data in any part of the record."""
    for part, text in candidate.parts():
        has_digits = _DIGITS.search(text) is not None
        for kind in _KINDS:
            if kind.needs in text if kind.needs else has_digits:
                for match in kind.pattern.finditer(text):
                    if length := kind.length(match):
                        span = Span(part, match.start(), match.start() + length)
                        yield Finding(kind.code, kind.name, span=span)


def passes_luhn(digits: str) -> bool:
    """Returns whether the last digit is the check digit of ISO/IEC 7812-1, annex B."""
    doubled = (int(digit) * 2 for digit in digits[-2::-2])
    return (sum(map(int, digits[-1::-2])) + sum(n - 9 if n > 9 else n for n in doubled)) % 10 == 0


def passes_mod_97(iban: str) -> bool:
    """Returns whether an IBAN, without spaces, has a valid length and passes ISO 7064 mod 97."""
    if len(iban) != _IBAN_LENGTHS.get(iban[:2]):
        return False
    return int("".join(str(int(sign, 36)) for sign in iban[4:] + iban[:4])) % 97 == 1


def _email(match: re.Match[str]) -> int:
    return 0 if _EXAMPLE_DOMAIN.search(match["domain"]) else len(match.group())


def _iban(match: re.Match[str]) -> int:
    places = [at for at, sign in enumerate(match.group()) if sign not in " -"]
    text = "".join(match.group()[at] for at in places)
    length = _IBAN_LENGTHS.get(text[:2], 0)  # the match may include capitals after the number
    return places[length - 1] + 1 if passes_mod_97(text[:length]) else 0


def _card(match: re.Match[str]) -> int:
    digits = _digits(match)
    issued = digits[0] in "456" or "51" <= digits[:2] <= "55" or digits[:2] in ("34", "37", "35")
    holds = issued and passes_luhn(digits) and not _TEST_CARDS.fullmatch(digits)
    return len(match.group()) if holds else 0


def _phone(match: re.Match[str]) -> int:
    digits = _digits(match)
    holds = len(digits) in _PHONE_DIGITS and not _FICTIONAL_PHONE.search(digits)
    return len(match.group()) if holds else 0


def _digits(match: re.Match[str]) -> str:
    return re.sub(r"\D", "", match.group())


_DIGITS = re.compile(r"\d{2}[\d() .-]{4,}\d")
_KINDS = (
    _PersonalKind("email", "an e-mail address", "@", _EMAIL, _email),
    _PersonalKind("iban", "an account number (IBAN)", "", _IBAN, _iban),
    _PersonalKind("card", "the number of a payment card", "", _CARD, _card),
    _PersonalKind("phone", "a telephone number", "", _PHONE, _phone),
)

PERSONAL = Rule(
    "personal", 2, "tag", tuple(kind.code for kind in _KINDS), find_personal, redacts=True
)
