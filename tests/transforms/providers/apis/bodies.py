"""Bodies that the tests of all APIs share: recorded answers, and bodies without an answer."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from schemas.logprobs import Logprobs, TokenLogprob, TopLogprob
from schemas.prompts import Message
from schemas.requests import Request, make_request
from schemas.responses import Completion, Malformed
from tests.transforms.asking.asking import MODEL, ROUTE, make_requests

_DATA = Path(__file__).parents[3] / "data" / "apis"

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec=None)),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)

# Bodies that no API takes for an answer, with the reason.
NO_OBJECT = {
    "nothing": (b"", "empty_body"),
    "words": (b"upstream error", "not_json"),
    "events": (b"data: {}\n\n", "not_json"),
    "a page": (b"<!DOCTYPE html><html><body>502</body></html>", "html"),
    "Latin-1": ('{"a": "é"}'.encode("latin-1"), "invalid_utf8"),
    "a list": (b"[{}]", "wrong_type"),
    "a huge integer": (b'{"x": ' + b"7" * 5000 + b"}", "number_too_long"),
    "a tower": (b'{"x":' * 100_000 + b"1" + b"}" * 100_000, "too_deep"),
}


# A tool with parameters and one without, as a run file offers them.
PARAMETERS = {
    "type": "object",
    "properties": {"liquid": {"type": "string"}, "unit": {"enum": ["°C", "K"]}},
    "required": ["liquid"],
}
TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "boiling_point",
            "description": "Looks up at what temperature a liquid boils.",
            "parameters": PARAMETERS,
            "strict": True,
        },
    },
    {"type": "function", "function": {"name": "now"}},
]
NAMED = {"type": "function", "function": {"name": "now"}}

# What the fixtures `logprobs` of all APIs hold.
LOGPROBS = Logprobs.pack(
    [
        TokenLogprob("Yes", -0.125, (TopLogprob("Yes", -0.125), TopLogprob("Ja✓", -2.5))),
        TokenLogprob(".", 0.0, ()),
    ]
)


def body_of(api: str, name: str, **changes: Any) -> bytes:
    """Returns the body of an answer that an API gives, its top-level fields changed."""
    whole = json.loads((_DATA / api / f"{name}.json").read_text(encoding="utf-8"))
    return json.dumps(whole | changes).encode()


def conversation(*turns: tuple[str, str], system: str = "", **parameters: Any) -> Request:
    """Returns the request that asks a conversation, given as pairs of role and text."""
    [asked] = make_requests(["any"])
    messages = tuple(Message(role, content) for role, content in turns)
    return make_request(
        replace(asked.prompt, messages=messages),
        teacher=ROUTE,
        model=MODEL,
        revision="",
        system=system,
        parameters=parameters,
        sample_index=0,
    )


def texts_of(found: Completion | Malformed) -> str:
    """Returns all that came out of a body and will be stored, one after the other."""
    if isinstance(found, Malformed):
        return found.reason + found.detail
    labels = found.response_model + found.response_id
    calls = "".join(call.id + call.name + call.arguments for call in found.tool_calls)
    tokens = found.logprobs.texts.decode() if found.logprobs else ""
    return found.text + found.reasoning + found.refusal + labels + calls + tokens


def gemini_candidate(parts: Any = None, finish: Any = "STOP", **rest: Any) -> bytes:
    """Returns an answer of Gemini with one candidate of the given parts."""
    content = {"role": "model"} | ({} if parts is None else {"parts": parts})
    return body_of(
        "gemini", "answer", candidates=[{"content": content, "finishReason": finish, **rest}]
    )
