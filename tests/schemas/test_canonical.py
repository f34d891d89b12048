"""Canonical JSON: RFC 8785 to the letter, and a clear error for what JSON numbers do not hold."""

from __future__ import annotations

import json
from typing import Any

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from schemas.canonical import canonical_json, digest, inexact_integers
from schemas.errors import InputError

# RFC 8785, section 3.2.3 and appendix B.
SORTED = {"\u20ac": 1, "\r": 2, "\ufb33": 3, "1": 4, "\U0001f600": 5, "\u0080": 6, "\u00f6": 7}
NUMBERS = [
    (0.00001, "0.00001"),
    (1e-7, "1e-7"),
    (-0.0, "0"),
    (1.0, "1"),
    (333333333.33333329, "333333333.3333333"),
    (1e30, "1e+30"),
    (1e21, "1e+21"),
    (9007199254740994.0, "9007199254740994"),
    (295147905179352830000.0, "295147905179352830000"),
    (2**53 - 1, "9007199254740991"),
]


def test_keys_are_sorted_by_utf_16() -> None:
    assert list(json.loads(canonical_json(SORTED)).values()) == [2, 4, 6, 7, 1, 5, 3]


@pytest.mark.parametrize(("number", "text"), NUMBERS, ids=[text for _, text in NUMBERS])
def test_numbers_are_written_as_ecmascript_does(number: float, text: str) -> None:
    assert canonical_json(number) == text
    assert canonical_json(json.loads(text)) == text


@pytest.mark.parametrize("number", [2**53 + 1, -(2**53) - 1, 2**63 - 1, 2**60, 10**400])
def test_an_integer_that_json_numbers_do_not_hold_is_named(number: int) -> None:
    value = {"tools": [{"maximum": 1}, {"maximum": number}]}
    with pytest.raises(InputError, match=r"^tools\.1\.maximum: the integer is too large"):
        digest(value)
    assert [*inexact_integers(value)] == [(("tools", 1, "maximum"), number)]


def test_a_large_integer_that_a_double_holds_is_written_as_it_is() -> None:
    assert (
        canonical_json({"a": 9223372036854776000, "b": True})
        == '{"a":9223372036854776000,"b":true}'
    )


def test_tuples_are_lists_and_whole_floats_are_integers() -> None:
    assert canonical_json((1.0, [2])) == canonical_json([1, (2.0,)]) == "[1,[2]]"


@pytest.mark.parametrize("value", [float("nan"), float("inf"), {1: 2}, {3}], ids=str)
def test_what_has_no_json_form_is_an_error(value: object) -> None:
    with pytest.raises(ValueError, match=r"JCS|strings|unsupported"):
        canonical_json(value)


def test_half_a_surrogate_pair_is_named_by_its_place() -> None:
    with pytest.raises(UnicodeEncodeError) as error:
        digest({"content": "ab\ud800"})
    assert error.value.start == 2


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**6), 10**6)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)


def _number(digits: str) -> float:
    return float(digits) if abs(int(digits)) >= 2**53 else int(digits)


@given(JSON)
def test_canonical_json_is_a_fixed_point_and_keeps_the_value(value: Any) -> None:
    text = canonical_json(value)
    assert json.loads(text, parse_int=_number) == value
    assert canonical_json(json.loads(text)) == text


_FLOATS = (
    st.floats(allow_nan=False, allow_infinity=False) | st.floats(1e-4, 1e-2) | st.floats(1, 99)
)


@given(value=JSON | _FLOATS | st.dictionaries(st.sampled_from("abé\ufb33\U0001f600"), _FLOATS))
def test_the_quick_way_writes_what_rfc_8785_asks_for(value: Any) -> None:
    assert canonical_json(value) == rfc8785.dumps(value).decode()


@pytest.mark.parametrize("text", [chr(code) for code in [*range(0x21), 0x7F, 0x85, 0x2028, 0xFFFF]])
def test_each_control_character_is_escaped_as_rfc_8785_asks(text: str) -> None:
    assert canonical_json({"a": text + '"\\/'}) == rfc8785.dumps({"a": text + '"\\/'}).decode()
