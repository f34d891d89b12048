"""Keys of known formats are found; placeholders, samples and broken checksums are not.

The keys here are drawn at random when the tests run, so that nothing in this file looks like one.
"""

from __future__ import annotations

import base64
import json
import random
import string
import zlib

import pytest

from schemas.prompts import Message
from transforms.filters.rules import Candidate, NoSettings
from transforms.filters.secrets import (
    SECRETS,
    entropy,
    find_generic_secrets,
    find_secrets,
    has_github_checksum,
)

BASE62 = string.digits + string.ascii_uppercase + string.ascii_lowercase
BASE32 = string.ascii_uppercase + "234567"
HEX = "0123456789abcdef"
URL = BASE62 + "-_"


def _draw(signs: str, count: int, seed: int) -> str:
    return "".join(random.Random(seed).choices(signs, k=count))


def _with_checksum(prefix: str, seed: int) -> str:
    body, rest = _draw(BASE62, 30, seed), ""
    number = zlib.crc32(body.encode())
    for _ in range(6):
        number, digit = divmod(number, 62)
        rest = BASE62[digit] + rest
    return prefix + body + rest


def _web_token(seed: int) -> str:
    header = base64.urlsafe_b64encode(json.dumps({"alg": "HS256", "typ": "JWT"}).encode()).decode()
    payload = base64.urlsafe_b64encode(json.dumps({"sub": _draw(HEX, 24, seed)}).encode()).decode()
    return f"{header.rstrip('=')}.{payload.rstrip('=')}.{_draw(URL, 42, seed)}A"


def _private_key(seed: int) -> str:
    lines = "\n".join(_draw(BASE62 + "+/", 64, seed + n) for n in range(12))
    return f"-----BEGIN RSA {'PRIVATE'} KEY-----\n{lines}\n-----END RSA {'PRIVATE'} KEY-----"


def _openssh_key(seed: int) -> str:
    """Every key without a passphrase begins with the same header, most of it zeros."""
    header = b"openssh-key-v1\x00" + b"".join(
        len(part).to_bytes(4, "big") + part for part in (b"none", b"none", b"")
    )
    body = base64.b64encode(header + b"\x00\x00\x00\x01" + random.Random(seed).randbytes(500))
    lines = "\n".join(body.decode()[at : at + 70] for at in range(0, len(body), 70))
    return (
        f"-----BEGIN OPENSSH {'PRIVATE'} KEY-----\n{lines}\n-----END OPENSSH {'PRIVATE'} KEY-----"
    )


def _keys(seed: int) -> dict[str, list[str]]:
    return {
        "aws_access_key": [f"{'AK'}IA" + _draw(BASE32, 16, seed)],
        "github_token": [
            *(_with_checksum(prefix, seed) for prefix in ("ghp_", "gho_", "ghs_", "ghu_", "ghr_")),
            "github" + "_pat_" + _draw(BASE62, 22, seed) + "_" + _draw(BASE62, 59, seed + 1),
        ],
        "npm_token": ["np" + "m_" + _draw(BASE62, 36, seed)],
        "gitlab_token": ["glp" + "at-" + _draw(BASE62, 20, seed)],
        "openai_key": [
            "s" + "k-proj-" + _draw(URL, 40, seed) + "T3Blbk" + "FJ" + _draw(BASE62, 40, seed),
            "s" + "k-" + _draw(BASE62, 20, seed) + "T3Blbk" + "FJ" + _draw(BASE62, 20, seed + 1),
        ],
        "anthropic_key": ["sk-" + "ant-api03-" + _draw(URL, 92, seed) + "xAA"],
        "huggingface_token": ["h" + "f_" + _draw(string.ascii_letters, 34, seed)],
        "google_api_key": ["AI" + "za" + _draw(BASE62, 35, seed)],
        "google_oauth_secret": ["GOC" + "SPX-" + _draw(BASE62, 28, seed)],
        "slack_token": [
            "xo" + f"xb-{_draw(string.digits, 12, seed)}-{_draw(string.digits, 12, seed + 1)}-"
            + _draw(BASE62, 24, seed)
        ],
        "slack_webhook": [
            "https://hooks.slack" + f".com/services/T{_draw(BASE32, 9, seed)}/"
            f"B{_draw(BASE32, 9, seed)}/{_draw(BASE62, 24, seed)}"
        ],
        "stripe_key": ["s" + "k_live_" + _draw(BASE62, 24, seed)],
        "sendgrid_key": ["S" + "G." + _draw(BASE62, 22, seed) + "." + _draw(BASE62, 43, seed)],
        "twilio_key": ["S" + "K" + _draw(HEX, 32, seed)],
        "telegram_token": [_draw("123456789", 9, seed) + ":" + "AA" + _draw(BASE62, 33, seed)],
        "pypi_token": ["pyp" + "i-AgEI" + _draw(BASE62, 120, seed)],
        "digitalocean_token": ["do" + "p_v1_" + _draw(HEX, 64, seed)],
        "shopify_token": ["shp" + "at_" + _draw(HEX, 32, seed)],
        "vault_token": ["hv" + "s." + _draw(BASE62, 90, seed)],
        "azure_storage_key": ["Account" + "Key=" + _draw(BASE62 + "+/", 86, seed) + "=="],
        "json_web_token": [_web_token(seed)],
        "age_key": ["AGE-SECRET" + "-KEY-1" + _draw("QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L", 58, seed)],
        "private_key": [
            _private_key(seed),
            _private_key(seed).replace("\n", "\\n"),
            _openssh_key(seed),
        ],
    }  # fmt: skip


def _codes(text: str) -> list[str]:
    return [found.code for found in find_secrets(Candidate((), text), NoSettings())]


def _generic(text: str) -> list[str]:
    return [found.code for found in find_generic_secrets(Candidate((), text), NoSettings())]


def test_there_is_a_key_of_every_format_in_these_tests() -> None:
    assert set(_keys(1)) == set(SECRETS.codes)


@pytest.mark.parametrize("code", SECRETS.codes)
def test_a_key_of_a_known_format_is_found_in_any_place(code: str) -> None:
    for seed in range(20):
        for key in _keys(seed * 100)[code]:
            assert _codes(f'Set it: KEY = "{key}"\nThen run.') == [code]
            assert _codes(f"{key}.") == [code]


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("AK" + "IAIOSFODNN7EXAMPLE", id="aws-documentation"),
        pytest.param("gh" + "p_" + "x" * 36, id="placeholder"),
        pytest.param("gh" + "p_" + _draw(BASE62, 36, 5), id="github-without-checksum"),
        pytest.param("s" + "k-proj-your-key-here", id="your-key-here"),
        pytest.param("h" + "f_" + "a" * 34, id="no-entropy"),
        pytest.param(_web_token(3).replace("eyJhbGci", "eyJ0eXAi"), id="header-without-algorithm"),
        pytest.param(
            "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0." + "A" * 43,
            id="the-sample-of-every-tutorial",
        ),
        pytest.param(f"-----BEGIN {'PRIVATE'} KEY-----\n...\n", id="private-key-left-out"),
        pytest.param("X" + "AK" + "IA" + _draw(BASE32, 16, 1) + "YZ", id="inside-a-longer-word"),
        pytest.param("The SKU is SK1234 and the do_v1_ flag is on.", id="prose"),
        pytest.param("sha256:" + _draw(HEX, 64, 9), id="digest"),
        pytest.param("", id="empty"),
    ],
)
def test_what_opens_nothing_is_no_secret(text: str) -> None:
    assert _codes(text) == []


def test_a_secret_in_any_part_has_a_span_and_is_not_quoted() -> None:
    key = _keys(7)["stripe_key"][0]
    candidate = Candidate((Message("user", "hi"), Message("user", key)), "ok", reasoning=key)
    found = list(find_secrets(candidate, NoSettings()))
    assert [it.span for it in found] == [("message 2", 0, len(key)), ("reasoning", 0, len(key))]
    assert key[8:] not in "".join(it.detail for it in found)


@pytest.mark.parametrize("code", SECRETS.codes)
def test_the_whole_of_a_secret_is_pointed_at(code: str) -> None:
    for key in _keys(300)[code]:
        text = f"My key:\n\n    {key}\n\nKeep it to yourself. It opens the house"
        (found,) = find_secrets(Candidate((), text), NoSettings())
        assert found.span is not None
        rest = text[: found.span.start] + text[found.span.end :]
        assert "Keep it to yourself." in rest
        assert key[-16:] not in rest


def test_a_private_key_that_was_cut_off_is_pointed_at_to_its_last_line() -> None:
    key = "\n".join(_private_key(4).splitlines()[:-1])
    text = f"{key}\n\nThat is all I have of it"
    (found,) = find_secrets(Candidate((), text), NoSettings())
    assert found.span == ("completion", 0, len(key))


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        (f'api_key = "{_draw(BASE62, 32, 1)}"', ["generic_secret"]),
        (f"'password': '{_draw(BASE62, 20, 2)}'", ["generic_secret"]),
        (f'SECRET_TOKEN := "{_draw(HEX, 40, 3)}"', ["generic_secret"]),
        (f"postgres://ada:{_draw(BASE62, 16, 4)}@db.kelp.net/x", ["password_in_address"]),
        ('api_key = "your-api-key-goes-here"', []),
        ('api_key = os.environ["API_KEY_FOR_PRODUCTION"]', []),
        ('password = "correcthorsebatterystaple"', []),
        ('token = "0123456789abcdef0123"', []),
        (f'checksum = "{_draw(HEX, 40, 5)}"', []),
        ("postgres://user:password@localhost:5432/db", []),
        ("postgres://user:${PASSWORD_2}@localhost/db", []),
        ("See https://example.org:8080/a@b", []),
    ],
)
def test_what_is_called_a_secret_and_looks_random_is_tagged(text: str, codes: list[str]) -> None:
    assert _generic(text) == codes


def test_the_checksum_is_that_of_the_published_format() -> None:
    # An expired token that was published to show the format, in parts.
    assert has_github_checksum("ghp_" + "zQWBuTSOoRi4A9spHcVY5ncnsDkxkJ" + "0mLq17")
    assert not has_github_checksum("ghp_" + "zQWBuTSOoRi4A9spHcVY5ncnsDkxkJ" + "0mLq18")


@pytest.mark.parametrize(("text", "bits"), [("", 0), ("aaaa", 0), ("abab", 1), ("abcd", 2)])
def test_entropy_is_in_bits_a_character(text: str, bits: float) -> None:
    assert entropy(text) == pytest.approx(bits)
