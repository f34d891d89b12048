"""Personal data is found by pattern and checksum, and never quoted."""

from __future__ import annotations

import pytest

from schemas.prompts import Message
from transforms.filters.personal import find_personal, passes_luhn, passes_mod_97
from transforms.filters.rules import Candidate, Finding, NoSettings


def _find(text: str) -> list[Finding]:
    return list(find_personal(Candidate((), text), NoSettings()))


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("Write to jane.doe+news@mail.kelp-farm.co.uk today.", ["email"]),
        ("Write to jane@example.com.", []),
        ("Write to jane@shop.example or root@localhost.", []),
        ("Write to you@yourcompany.com.", []),
        ("The decorator @app.route and a@b are none.", []),
        ("Pay to DE89 3704 0044 0532 0130 00.", ["iban"]),
        ("Pay to GB29NWBK60161331926819.", ["iban"]),
        ("PAY AT61 1904 3002 3457 3201 SOON", ["iban"]),
        ("Pay to DE89 3704 0044 0532 0130 01.", []),
        ("The code AB12 3456 7890 1234 is none.", []),
        ("Card 4539 1488 0343 6467, please.", ["card"]),
        ("Card 4539-1488-0343-6467.", ["card"]),
        ("Card 371449635398431.", ["card"]),
        ("Card 4539 1488 0343 6468.", []),
        ("The test card 4242 4242 4242 4242 works.", []),
        ("Pi is 3.1415926535897932 or so.", []),
        ("The id is 9999888877776666.", []),
        ("Call +49 30 90182 4410.", ["phone"]),
        ("Call +44 (0)20 7946 1958.", ["phone"]),
        ("Call (415) 832-7741 or 415-832-7742.", ["phone", "phone"]),
        ("Call 555-0123 or (212) 555-0199.", []),
        ("Call +1 234 567 8901.", []),
        ("12 + 4930 9018 2441 = 49309018 2453", []),
        ("2024-01-15 10:30:45, 192.168.100.200, 1,234,567,890", []),
        ("x = 415-832-7741*2", []),
        ("", []),
    ],
)
def test_data_of_persons_is_found(text: str, codes: list[str]) -> None:
    assert [found.code for found in _find(text)] == codes


def test_a_finding_has_a_span_and_quotes_nothing() -> None:
    text = "Write to jane@kelp-farm.org."
    (found,) = _find(text)
    assert found.span is not None
    assert text[found.span.start : found.span.end] == "jane@kelp-farm.org"
    assert "jane" not in found.detail


@pytest.mark.parametrize("iban", ["AT611904300234573201", "BE68 5390 0754 7034"])
def test_the_span_of_an_account_number_ends_with_it(iban: str) -> None:
    text = f"Pay {iban} EUR 7."
    (found,) = _find(text)
    assert found.span is not None
    assert text[found.span.start : found.span.end] == iban


def test_every_part_of_the_record_is_looked_at() -> None:
    address = "jane@kelp-farm.org"
    candidate = Candidate((Message("user", address),), address, reasoning=address)
    found = find_personal(candidate, NoSettings())
    assert [it.span.part for it in found if it.span] == ["message 1", "completion", "reasoning"]


@pytest.mark.parametrize("digits", ["79927398713", "4539148803436467", "0"])
def test_luhn_accepts_one_check_digit(digits: str) -> None:
    others = [digits[:-1] + check for check in "0123456789" if check != digits[-1]]
    assert passes_luhn(digits)
    assert not any(map(passes_luhn, others))


@pytest.mark.parametrize(
    ("iban", "valid"),
    [
        ("NO9386011117947", True),
        ("FR1420041010050500013M02606", True),
        ("FR1420041010050500013M02607", False),
        ("NO93860111179470", False),
        ("ZZ9386011117947", False),
    ],
)
def test_an_iban_has_its_countrys_length_and_its_check_digits(iban: str, valid: bool) -> None:
    assert passes_mod_97(iban) is valid
