"""Bodies of the API `openai-chat`, and what is read in them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from schemas.responses import Completion
from transforms.providers.apis.openai_chat import OpenAiChat

API = OpenAiChat()


def body(message: Mapping[str, Any] | None = None, finish: Any = "stop", **rest: Any) -> bytes:
    """Returns a body as a good server sends it, with changes."""
    whole = {
        "id": "chatcmpl-7",
        "model": "m-1",
        "system_fingerprint": "fp-1",
        "choices": [
            {"index": 0, "message": message or {"content": "Hi."}, "finish_reason": finish}
        ],
        "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5},
    }
    return json.dumps(whole | rest).encode()


def completed(data: bytes) -> Completion:
    found = API.parse(data)
    assert isinstance(found, Completion), found
    return found
