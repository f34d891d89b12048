"""One entry of the ledger: eight hex digits, a blank, a JSON object, a newline.

The digits are the CRC-32 of the JSON text's bytes, so a half-written or damaged line is recognised.
JSON escapes newlines, so a newline always ends an entry: after a damaged line the next one is found
again.

    {"kind": "header", …}      first in each segment: who wrote it, and when
    {"kind": "decision", …}    a verdict of the guard, once in each segment that refers to it
    {"kind": "response", …}    every field of a `Response`; its body as `body` where it is UTF-8,
                               else as `body_base64`; and `request`, what was asked, with the first
                               response to that request in the segment; `judged` where the outcome
                               says whether it holds an answer
"""

from __future__ import annotations

import base64
import codecs
import json
import logging
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, fields
from operator import attrgetter
from typing import Any

import orjson

from schemas.codes import Outcome
from schemas.requests import Request
from schemas.responses import Response
from schemas.terms import Verdict
from transforms.providers.meaning import lacks_answer
from transforms.transport.masking import SECRET_HEADERS

_log = logging.getLogger(__name__)

# A body is encoded in pieces, so that a large one does not hold the interpreter's lock for long.
# A multiple of three, so that the base64 of the pieces joins to that of the whole.
PIECE_BYTES = 3 * 2**15

_CHECKSUM_BYTES = 8
_JUDGED = 1  # by `providers.meaning`, before it was written: its outcome says whether it answers
_RESPONSE_FIELDS = tuple(
    field.name for field in fields(Response) if field.name not in {"headers", "body"}
)
_fields_of = attrgetter(*_RESPONSE_FIELDS)


def encode_response(response: Response, request: Request | None) -> Iterator[bytes]:
    """Writes a response as JSON.

    Args:
        response: What came over the wire.
        request: What was asked, if the entry is to include it.

    Yields:
        Pieces of one JSON object. A large body is encoded as the pieces are drawn.
    """
    entry: dict[str, Any] = {"kind": "response", "judged": _JUDGED}
    entry.update(zip(_RESPONSE_FIELDS, _fields_of(response), strict=True))
    entry["headers"] = _without_secrets(response.headers)
    if request is not None:
        entry["request"] = asked(request)
    if len(response.body) <= PIECE_BYTES:
        yield encode(entry | _small_body(response.body))
        return
    yield encode(entry)[:-1] + b","
    yield from _encode_body(response.body)
    yield b"}"


def encode_decision(verdict: Verdict) -> bytes:
    """Writes a verdict of the guard as JSON."""
    return encode({"kind": "decision", "verdict": asdict(verdict)})


def encode(value: Mapping[str, Any]) -> bytes:
    """Writes a JSON object; text with a lone surrogate, which UTF-8 cannot hold, is escaped."""
    try:
        return orjson.dumps(value)  # a tenth of the time, and each response is encoded in passing
    except orjson.JSONEncodeError:
        return json.dumps(value, separators=(",", ":")).encode()


def make_line(pieces: Iterable[bytes]) -> bytes:
    """Returns the line of a segment for the pieces of a JSON object."""
    text = b"".join(pieces)
    return b"".join((_checksum(text), b" ", text, b"\n"))


def is_intact(line: bytes) -> bool:
    """Returns whether a line of a segment is whole and as it was written."""
    if len(line) <= _CHECKSUM_BYTES + 1 or line[-1:] != b"\n":
        return False
    return line[: _CHECKSUM_BYTES + 1] == _checksum(memoryview(line)[9:-1]) + b" "


def read_line(line: bytes) -> dict[str, Any]:
    """Reads the JSON object of a line that is intact."""
    entry: dict[str, Any] = json.loads(line[_CHECKSUM_BYTES + 1 :])
    return entry


def decode_response(entry: Mapping[str, Any]) -> Response:
    """Returns the response of an entry, its body byte for byte as received.

    Older versions wrote any response with status 2xx as an answer. One without an answer gets the
    outcome that this version writes.
    """
    known = {name: entry[name] for name in (*_RESPONSE_FIELDS, "headers") if name in entry}
    return Response(**known | {"outcome": judged_outcome(entry)}, body=_decode_body(entry))


def judged_outcome(entry: Mapping[str, Any]) -> str:
    """Returns the outcome of a response's entry; see `decode_response`."""
    outcome: str = entry["outcome"]
    if outcome != Outcome.ANSWER or "judged" in entry:
        return outcome
    return lacks_answer(_decode_body(entry)) or outcome


def _checksum(text: bytes | memoryview) -> bytes:
    return b"%08x" % zlib.crc32(text)


def _without_secrets(headers: dict[str, str]) -> dict[str, str]:
    """Returns the headers that cannot hold a key, as a second check after the client's.

    The answer was paid for, so it is kept.
    """
    secret = [name for name in headers if name.lower() in SECRET_HEADERS]
    if not secret:
        return headers
    _log.error("kept out of the ledger, as they may hold a key: headers %s", secret)
    return {name: value for name, value in headers.items() if name not in secret}


def asked(request: Request) -> dict[str, Any]:
    """Returns what an entry keeps of a request: what was asked, of which teacher."""
    return {
        "prompt_id": request.prompt.prompt_id,
        "teacher": request.teacher,
        "model": request.model,
        "revision": request.revision,
        "messages": [{"role": turn.role, "content": turn.content} for turn in request.messages],
        "parameters": request.parameters,
        "sample_index": request.sample_index,
    }


def _small_body(body: bytes) -> dict[str, str]:
    try:
        return {"body": body.decode()}
    except UnicodeDecodeError:
        return {"body_base64": base64.b64encode(body).decode()}


def _encode_body(body: bytes) -> Iterator[bytes]:
    try:
        text = list(_as_text(body))
    except UnicodeDecodeError:
        yield b'"body_base64":"'
        yield from (base64.b64encode(piece) for piece in _pieces(body))
    else:
        yield b'"body":"'
        yield from text
    yield b'"'


def _as_text(body: bytes) -> Iterator[bytes]:
    """Yields the inside of a JSON string, piece by piece."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    for piece in _pieces(body):
        yield orjson.dumps(decoder.decode(piece))[1:-1]
    decoder.decode(b"", final=True)  # raises where the body ends within a character


def _pieces(body: bytes) -> Iterator[bytes]:
    return (body[start : start + PIECE_BYTES] for start in range(0, len(body), PIECE_BYTES))


def _decode_body(entry: Mapping[str, Any]) -> bytes:
    if "body_base64" in entry:
        return base64.b64decode(entry["body_base64"])
    body: str = entry["body"]
    return body.encode()
