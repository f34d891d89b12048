"""The codes of findings. Rules with a table of kinds have their codes in it."""

from __future__ import annotations

from enum import StrEnum


class FindingCode(StrEnum):
    """What a built-in rule found."""

    ARGUMENTS_NOT_JSON = "arguments_not_json"
    CONTAMINATED = "contaminated"
    DUPLICATE_NGRAMS = "duplicate_ngrams"
    EMPTY = "empty"
    FENCE = "fence"
    GENERIC_SECRET = "generic_secret"  # noqa: S105 - a code, no password
    LEAKED_TOKEN = "leaked_token"  # noqa: S105 - a code, no password
    NOT_JSON = "not_json"
    NO_CALL = "no_call"
    NO_LOGPROBS = "no_logprobs"
    PASSWORD_IN_ADDRESS = "password_in_address"  # noqa: S105 - a code, no password
    PERIODIC_TAIL = "periodic_tail"
    PYTHON_SYNTAX = "python_syntax"
    REASONING_MARK = "reasoning_mark"
    REFUSAL = "refusal"
    RETURNED_KEY = "returned_key"
    SCHEMA_MISMATCH = "schema_mismatch"
    THINK = "think"
    TOO_LONG = "too_long"
    TOO_SHORT = "too_short"
    UNCHECKED = "unchecked"
    UNKNOWN_TOOL = "unknown_tool"
    WRONG_FORMAT = "wrong_format"
    WRONG_LANGUAGE = "wrong_language"
