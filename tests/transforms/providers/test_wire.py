"""The quick way to read usage gives what the careful way gives, whatever the body."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from transforms.providers.apis.openai_chat import API, _usage
from transforms.providers.wire import read_field

_COUNTS = st.sampled_from(["prompt_tokens", "completion_tokens", "total_tokens"])
_NUMBER = st.sampled_from(
    ["0", "7", "7.0", "1e3", "-1", "NaN", "1e400", "10000000000", "null", '"7"']
)
_PAIRS = st.lists(st.tuples(_COUNTS, _NUMBER), max_size=4)
_NAME = st.sampled_from(['"usage"', '"us\\u0061ge"', '"choices"', '"id"'])


@given(
    parts=st.lists(st.tuples(_NAME, _PAIRS), max_size=3),
    text=st.text(max_size=9),
    cut=st.booleans(),
)
def test_usage_is_read_alike_both_ways(
    parts: list[tuple[str, list[tuple[str, str]]]], text: str, cut: bool
) -> None:
    members = [f'"model":{json.dumps(text)}']
    for name, pairs in parts:
        inner = ",".join(f'"{key}":{number}' for key, number in pairs)
        members.append(f"{name}:{{{inner}}}")
    body = ("{" + ",".join(members) + "}").encode()[: -1 if cut else None]
    careful = _usage(read_field(body, "usage"), silent=True)
    assert API.usage(body) in (careful, _usage(read_field(body, "usage"), silent=False))
    if careful.completion_tokens != 0:
        assert API.usage(body) == careful
