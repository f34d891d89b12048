"""Finds keys, tokens and passwords.

There is a pattern for each format. If the format has a checksum, it is verified; otherwise entropy
separates keys from placeholders. A finding never quotes the secret, only its kind and place.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
import re
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from typing import NamedTuple

from transforms.filters.codes import FindingCode
from transforms.filters.rules import Candidate, Finding, NoSettings, Rule, Span

_BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_PLACEHOLDER = re.compile(
    r"example|sample|placeholder|your[-_ ]?|xxxx|dummy|redacted|changeme|replace|insert|"
    r"0123456|1234567|abcdefg|<[^>]*>|\.\.\.|\*\*\*",
    re.IGNORECASE,
)
_SAME_SIGN = re.compile(r"(.)\1{5}", re.IGNORECASE)
# Bits per character. Random hex has up to 4, random base62 up to 5.95; short keys have less.
_HEX_BITS = 3.0
_TEXT_BITS = 3.5
_GENERIC_BITS = 3.7
_JWT_SAMPLE = "eyJzdWIiOiIxMjM0NTY3ODkw"  # {"sub":"1234567890: jwt.io's sample, in every tutorial


class _Format(NamedTuple):
    """A format of keys: its code, a text that it contains, its pattern and its check.

    What matches `rest` after it belongs to the key too.
    """

    code: str
    keyword: str
    pattern: re.Pattern[str]
    holds: Callable[[str], bool]
    rest: re.Pattern[str] = re.compile("")


def entropy(text: str) -> float:
    """Returns Shannon's entropy of a text, in bits per character."""
    total = len(text)
    return -sum(n / total * math.log2(n / total) for n in Counter(text).values())


def has_github_checksum(token: str) -> bool:
    """Returns whether a token's last six characters are the CRC-32, in base 62, of the rest.

    GitHub's format since 2021: a prefix of four characters, thirty random ones, six of checksum.
    """
    body, check = token[4:-6], token[-6:]
    number = 0
    for sign in check:
        number = number * 62 + _BASE62.index(sign)
    return number == zlib.crc32(body.encode())


def find_secrets(candidate: Candidate, settings: NoSettings) -> Iterator[Finding]:
    """Finds keys of known formats in any part of the record."""
    for part, text in candidate.parts():
        for form in _FORMATS:
            if form.keyword in text:
                for match in form.pattern.finditer(text):
                    if not _PLACEHOLDER.search(match.group()) and form.holds(match.group()):
                        rest = form.rest.match(text, match.end())
                        yield _found(form.code, part, match.start(), (rest or match).end())


def find_generic_secrets(candidate: Candidate, settings: NoSettings) -> Iterator[Finding]:
    """Finds random texts that are named as a password or key, in any part of the record."""
    for part, text in candidate.parts():
        for match in _QUOTED.finditer(text):
            name = text[max(0, match.start() - _NAME_CHARACTERS) : match.start()]
            if _NAME.search(name) and _looks_random(match["value"]):
                yield _found(FindingCode.GENERIC_SECRET, part, *match.span("value"))
        for match in _LOGIN.finditer(text) if "://" in text and "@" in text else ():
            if _looks_random(match["value"]):
                yield _found(FindingCode.PASSWORD_IN_ADDRESS, part, *match.span("value"))


def _found(code: str, part: str, start: int, end: int) -> Finding:
    name = code.replace("_", " ")
    return Finding(code, f"looks like a secret: {name}", span=Span(part, start, end))


def _looks_random(value: str) -> bool:
    most = math.log2(len(value))  # the largest entropy of a text of that length
    return (
        not _PLACEHOLDER.search(value)
        and not _SAME_SIGN.search(value)
        and any(sign.isdigit() for sign in value)
        and any(sign.isalpha() for sign in value)
        and entropy(value) >= min(_GENERIC_BITS, 0.85 * most)
    )


def _random(bits: float) -> Callable[[str], bool]:
    return lambda text: not _SAME_SIGN.search(text) and entropy(text) >= bits


def _is_private_key(text: str) -> bool:
    return entropy(text) >= _TEXT_BITS  # binary headers are full of zeros, in base 64 of "A"


def _is_json_web_token(text: str) -> bool:
    header = text.split(".")[0]
    try:
        fields = json.loads(base64.urlsafe_b64decode(header + "=" * (-len(header) % 4)))
    except (binascii.Error, ValueError):
        return False
    return isinstance(fields, dict) and "alg" in fields and _JWT_SAMPLE not in text


# The further lines of a key, up to its last line or the first text that is not part of a key.
_KEY_REST = re.compile(
    r"(?:[A-Za-z0-9+/=\\]|[ \t]*\r?\n[ \t]*(?=\S))*(?:-----END [A-Z ]{1,40}-----)?"
)


def _format(code: str, keyword: str, pattern: str, holds: Callable[[str], bool]) -> _Format:
    return _Format(
        code, keyword, re.compile(rf"(?<![A-Za-z0-9])(?:{pattern})(?![A-Za-z0-9])"), holds
    )


_FORMATS = (
    *(
        _format("aws_access_key", prefix, rf"{prefix}[A-Z2-7]{{16}}", _random(_HEX_BITS))
        for prefix in ("AKIA", "ASIA", "ABIA", "ACCA")
    ),
    *(
        _format("github_token", prefix, rf"{prefix}[A-Za-z0-9]{{36}}", has_github_checksum)
        for prefix in ("ghp_", "gho_", "ghu_", "ghs_", "ghr_")
    ),
    _format(
        "github_token", "github_pat_", r"github_pat_[A-Za-z0-9]{22}_[A-Za-z0-9]{59}", _random(4.0)
    ),
    _format("npm_token", "npm_", r"npm_[A-Za-z0-9]{36}", _random(4.0)),
    _format("gitlab_token", "glpat-", r"glpat-[\w-]{20,64}", _random(_TEXT_BITS)),
    _format(
        "openai_key",
        "T3BlbkFJ",  # "OpenAI" in base 64, in the middle of every key
        r"sk-(?:proj-|svcacct-|admin-)?[\w-]{16,200}T3BlbkFJ[\w-]{16,200}",
        _random(_TEXT_BITS),
    ),
    _format("anthropic_key", "sk-ant-", r"sk-ant-[a-z]+\d\d-[\w-]{80,110}AA", _random(4.0)),
    _format("huggingface_token", "hf_", r"hf_[A-Za-z]{34}", _random(4.0)),
    _format("google_api_key", "AIza", r"AIza[\w-]{35}", _random(4.0)),
    _format("google_oauth_secret", "GOCSPX-", r"GOCSPX-[\w-]{28}", _random(_TEXT_BITS)),
    _format(
        "slack_token", "xox", r"xox[abeoprs]-(?:\d{9,13}-){1,3}[A-Za-z0-9]{16,40}", _random(3.0)
    ),
    _format(
        "slack_webhook",
        "hooks.slack.com",
        r"hooks\.slack\.com/services/T\w{8,12}/B\w{8,12}/\w{20,28}",
        _random(_TEXT_BITS),
    ),
    _format("stripe_key", "k_live_", r"[sr]k_live_[A-Za-z0-9]{20,120}", _random(_TEXT_BITS)),
    _format("sendgrid_key", "SG.", r"SG\.[\w-]{22}\.[\w-]{43}", _random(4.0)),
    _format("twilio_key", "SK", r"SK[0-9a-f]{32}", _random(_HEX_BITS)),
    _format("telegram_token", ":AA", r"\d{8,10}:AA[\w-]{33}", _random(4.0)),
    _format("pypi_token", "pypi-AgEI", r"pypi-AgEI[\w-]{70,250}", _random(4.0)),
    _format("digitalocean_token", "_v1_", r"do[opr]_v1_[0-9a-f]{64}", _random(_HEX_BITS)),
    _format("shopify_token", "shp", r"shp(?:at|ca|pa|ss)_[0-9a-fA-F]{32}", _random(_HEX_BITS)),
    _format("vault_token", "hvs.", r"hvs\.[\w-]{24,300}", _random(_TEXT_BITS)),
    _format("azure_storage_key", "AccountKey=", r"AccountKey=[A-Za-z0-9+/]{86}==", _random(4.0)),
    _format(
        "json_web_token",
        "eyJ",
        r"eyJ[\w-]{10,500}\.eyJ[\w-]{10,2000}\.[\w-]{20,700}",
        _is_json_web_token,
    ),
    _format("age_key", "AGE-SECRET-KEY-1", r"AGE-SECRET-KEY-1[0-9A-Z]{58}", _random(4.0)),
    _Format(
        "private_key",
        " PRIVATE KEY",
        re.compile(
            r"-----BEGIN (?:[A-Z]{2,9} ){0,2}PRIVATE KEY(?: BLOCK)?-----(?:\\n|\s){1,4}"
            r"(?:[A-Za-z-]{1,20}: [^\n]{1,100}\s{1,2}){0,3}[A-Za-z0-9+/=\s\\]{64}"
        ),
        _is_private_key,
        _KEY_REST,
    ),
)

_NAME = re.compile(r"(?:key|token|secret|password|passwd|pwd)[\"']?\s*$", re.IGNORECASE)
_NAME_CHARACTERS = 20
_QUOTED = re.compile(r"(?::=|=>|[:=])\s{0,3}[\"'](?P<value>[^\s\"'`$%{}()\[\]]{16,128})[\"']")
_LOGIN = re.compile(
    r"\b[a-z][a-z0-9+.-]{2,20}://[^\s:/@]{1,64}:(?P<value>[^\s:/@{}$<>]{8,128})@[\w.-]+"
)

SECRETS = Rule(
    "secrets",
    2,
    "quarantine",
    tuple(dict.fromkeys(form.code for form in _FORMATS)),
    find_secrets,
    redacts=True,
)
GENERIC_SECRETS = Rule(
    "generic_secrets",
    2,
    "tag",
    (FindingCode.GENERIC_SECRET, FindingCode.PASSWORD_IN_ADDRESS),
    find_generic_secrets,
    redacts=True,
)
