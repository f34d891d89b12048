"""Reads the JSON object of a response's body, or says why there is none.

Bodies come from servers, proxies and their error pages, so nothing in them is trusted. Each API's
client reads its own fields of the object. What cannot be read raises `Unreadable` with the reason
that the record is rejected for.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NoReturn, TypeVar

import orjson

from schemas.codes import MalformedReason
from schemas.logprobs import Logprobs, TokenLogprob, TopLogprob
from schemas.responses import FinishReason, Malformed, ToolCall

# More than any model writes, and within the corpus's 64-bit columns.
_MOST_TOKENS = 10**9
_MOST_LABEL_CHARACTERS = 256
_CODE = re.compile(r"[A-Za-z0-9_.:-]{1,64}\Z")

_T = TypeVar("_T")


class Unreadable(Exception):
    """A body holds no readable answer.

    Args:
        reason: Why.
        detail: What was found and expected, for a person; without text of the answer.
    """

    def __init__(self, reason: MalformedReason, detail: str) -> None:
        self.malformed = Malformed(reason, detail)
        super().__init__(reason, detail)


def read_object(body: bytes) -> dict[str, Any]:
    """Returns the JSON object of a body.

    What is not needed spoils nothing: numbers that JSON does not know, such as `NaN`, are read as
    floats, and a key named twice with different values is `Ambiguous`.

    Args:
        body: As received.

    Returns:
        The object.

    Raises:
        Unreadable: `empty_body`, `invalid_utf8`, `html`, `truncated_json`, `not_json`,
            `number_too_long`, `too_deep` or `wrong_type`.
    """
    text = _decode(body).strip()
    if not text:
        raise Unreadable(MalformedReason.EMPTY_BODY, f"{len(body)} bytes, none of them JSON")
    if text.startswith("<"):
        raise Unreadable(
            MalformedReason.HTML,
            "a page of markup instead of JSON: a proxy's or gateway's?",
        )
    value = _parse(text)
    if not isinstance(value, dict):
        raise wrong_type("the body", "an object", value)
    return value


def read_field(body: bytes, name: str, keys: re.Pattern[bytes] | None = None) -> object:
    """Returns one field of a body; None if it cannot be read.

    Args:
        body: As received.
        name: The field.
        keys: The field's key and those within it that are needed, in quotes. With them a usual body
            is read in a fifth of the time.
    """
    try:
        if keys is not None and _names_once(body, keys):
            value = orjson.loads(body)
            return value.get(name) if isinstance(value, dict) else None
    except orjson.JSONDecodeError:
        pass  # such as NaN, which spoils nothing if it is elsewhere
    try:
        return read_object(body).get(name)
    except Unreadable:
        return None


def _names_once(body: bytes, keys: re.Pattern[bytes]) -> bool:
    """Returns whether a body surely names none of the keys twice: orjson would take the last."""
    found = keys.findall(body)
    return len(found) == len(set(found)) and b"\\u" not in body


def raise_error_object(data: Mapping[str, Any]) -> None:
    """Raises an error if a response with a status of success holds an error object.

    Args:
        data: The body.

    Raises:
        Unreadable: `error_object`, with the error's code and without its message, which may quote
            the prompt.
    """
    error = data.get("error")
    if not error:
        return
    named = error if isinstance(error, dict) else {}
    codes = [str(named.get(name)) for name in ("type", "code", "status") if named.get(name)]
    shown = " ".join(code for code in codes if _CODE.match(code))
    raise Unreadable(
        MalformedReason.ERROR_OBJECT, f"an error with status 200: {shown or 'no code given'}"
    )


def read_text(value: object, name: str) -> str:
    """Returns a text that the corpus can hold, "" for null.

    Args:
        value: The value in the body.
        name: Its name, for messages.

    Raises:
        Unreadable: `wrong_type`, `lone_surrogate` or `nul_character`.
    """
    if value is None:
        return ""
    if not isinstance(value, str):
        raise wrong_type(name, "a text", value)
    if "\x00" in value:
        raise Unreadable(
            MalformedReason.NUL_CHARACTER, f"{name} holds U+0000 at {value.index(chr(0))}"
        )
    try:
        value.encode()
    except UnicodeEncodeError as error:
        where = f"at character {error.start} of {len(value)}"
        raise Unreadable(
            MalformedReason.LONE_SURROGATE, f"{name} holds half a surrogate pair {where}"
        ) from None
    return value


def read_label(value: object) -> str:
    """Returns a short text such as an id, cut to 256 characters; "" if it is no text."""
    try:
        return read_text(value, "")[:_MOST_LABEL_CHARACTERS]
    except Unreadable:
        return ""


def read_token_count(value: object) -> int | None:
    """Returns a number of tokens; None if there is none, or an impossible one."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _MOST_TOKENS:
        return value
    return None


def sum_counts(*counts: int | None) -> int | None:
    """Returns the sum of numbers of tokens; None if one of them is None."""
    known = [count for count in counts if count is not None]
    return sum(known) if len(known) == len(counts) else None


def read_objects(value: object, name: str) -> list[Mapping[str, Any]]:
    """Returns a list of objects: the form in which APIs return an answer in parts.

    Args:
        value: The value in the body.
        name: Its name, for messages.

    Raises:
        Unreadable: `wrong_type`.
    """
    if not isinstance(value, list):
        raise wrong_type(name, "a list", value)
    for part in value:
        if not isinstance(part, dict):
            raise wrong_type(f"a part of {name}", "an object", part)
    return value


def object_or_empty(value: object) -> Mapping[str, Any]:
    """Returns an object that is not essential; an empty one if it is no object."""
    return value if isinstance(value, dict) else {}


def read_tool_call(call_id: object, name: object, arguments: object) -> ToolCall:
    """Returns a call of a tool.

    Args:
        call_id: Its id in the body.
        name: The tool's name in the body.
        arguments: Its arguments in the body: JSON as text (OpenAI) or as an object (others).

    Raises:
        Unreadable: `wrong_type`, `lone_surrogate` or `nul_character`.
    """
    if arguments is None or (isinstance(arguments, str) and not arguments.strip()):
        arguments = {}  # a call without arguments: "" at vLLM and others
    if isinstance(arguments, dict):
        arguments = _arguments(arguments)
    return ToolCall(
        id=read_label(call_id),
        name=read_text(name, "a tool's name"),
        arguments=read_text(arguments, "a tool's arguments"),
    )


def _arguments(value: dict[str, Any]) -> str:
    try:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    except TypeError:
        raise _named_twice("a tool's argument") from None
    except ValueError:
        raise Unreadable(
            MalformedReason.NOT_FINITE, "a tool's argument is no number that JSON knows"
        ) from None


def finish_with_calls(finish: FinishReason, calls: tuple[ToolCall, ...]) -> FinishReason:
    """Returns why an answer ended, `tool_calls` if it ended by itself and calls tools.

    Servers differ: Gemini reports `stop`, and so does OpenAI if a tool had to be called.
    """
    return "tool_calls" if calls and finish in ("stop", "unknown") else finish


def read_logprobs(
    value: object, read: Callable[[object], Iterator[TokenLogprob]]
) -> Logprobs | None:
    """Returns log probabilities; None if there are none or they are unreadable.

    Unreadable ones do not reject the answer: its text is paid for, and as good without them.

    Args:
        value: The value in the body.
        read: Reads it; may raise `Unreadable`.
    """
    if value is None:
        return None
    try:
        return Logprobs.pack(read(value))
    except (Unreadable, ValueError):
        return None


def read_logprob(token: object, value: object) -> TopLogprob:
    """Returns a token with its log probability.

    Raises:
        Unreadable: `wrong_type`, `not_finite`, `lone_surrogate` or `nul_character`.
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise wrong_type("a log probability", "a number", value)
    if not math.isfinite(value):
        raise Unreadable(MalformedReason.NOT_FINITE, "a log probability is no finite number")
    return TopLogprob(read_text(token, "a token"), value)


def wrong_type(name: str, expected: str, value: object) -> Unreadable:
    """Returns the error for a part of the body of the wrong type, or named twice."""
    if isinstance(value, Ambiguous):
        return _named_twice(name)
    return Unreadable(
        MalformedReason.WRONG_TYPE, f"{name}: found {_json_type(value)}, expected {expected}"
    )


def _decode(body: bytes) -> str:
    try:
        return body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        where = f"at byte {error.start} of {len(body)}"
        raise Unreadable(MalformedReason.INVALID_UTF8, f"{error.reason} {where}") from None


def _parse(text: str) -> Any:
    try:
        return _DECODER.decode(text)
    except json.JSONDecodeError as error:
        reason = (
            MalformedReason.TRUNCATED_JSON if _is_cut(text, error) else MalformedReason.NOT_JSON
        )
        where = f"at character {error.pos} of {len(text)}"
        raise Unreadable(reason, f"{error.msg} {where}") from None
    except RecursionError:
        raise Unreadable(
            MalformedReason.TOO_DEEP, "more levels of nesting than any answer has"
        ) from None
    except ValueError:  # Python refuses to read integers of more than 4300 digits
        raise Unreadable(
            MalformedReason.NUMBER_TOO_LONG, "an integer of thousands of digits"
        ) from None


def _is_cut(text: str, error: json.JSONDecodeError) -> bool:
    """Returns whether a body was cut off; if not, it never was JSON."""
    if text[0] not in "{[":
        return False
    at_end = error.pos >= len(text) or error.msg.startswith("Unterminated string")
    return at_end or text[-1] not in "}]"


class Ambiguous:
    """The value of a key that an object names twice, with different values.

    It spoils nothing until something needs it: it is of no type that is expected, and a comparison
    raises `Unreadable`.
    """

    def __bool__(self) -> NoReturn:
        """Raises `Unreadable`: either value may be meant."""
        raise _named_twice("a key")

    def __eq__(self, other: object) -> NoReturn:
        """Raises `Unreadable`: either value may be meant."""
        raise _named_twice("a key")

    __hash__ = None  # type: ignore[assignment]


def _named_twice(name: str) -> Unreadable:
    return Unreadable(
        MalformedReason.DUPLICATE_KEY, f"{name} is named twice with different values; which counts?"
    )


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        for name, value in pairs:
            if found[name] is not value and repr(found[name]) != repr(value):
                found[name] = Ambiguous()
    return found


_DECODER = json.JSONDecoder(object_pairs_hook=_distinct)


def _json_type(value: object) -> str:
    for kind, name in (
        (dict, "an object"),
        (list, "a list"),
        (str, "a text"),
        (bool, "a boolean"),
        ((int, float), "a number"),
    ):
        if isinstance(value, kind):
            return name
    return "nothing"
