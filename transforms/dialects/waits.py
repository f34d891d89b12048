"""Where servers name a wait: read by `providers/retry.py` and `providers/http_client.py`."""

from __future__ import annotations

from typing import NamedTuple

from transforms.dialects.source import Source


class Wait(NamedTuple):
    """A place where a server names a wait.

    Attributes:
        where: The header, or the field of the body.
        form: What its value is.
        source: Where that is said.
    """

    where: str
    form: str
    source: Source


WAITS = (
    Wait(
        "retry-after",
        "seconds, or a date",
        Source("HTTP", "https://www.rfc-editor.org/rfc/rfc9110#field.retry-after"),
    ),
    Wait(
        "retry-after-ms",
        "milliseconds",
        Source(
            "Azure",
            "https://github.com/openai/openai-python/issues/957",
        ),
    ),
    Wait(
        "x-ms-retry-after-ms",
        "milliseconds",
        Source("Azure", "https://github.com/microsoft/kernel-memory/pull/795"),
    ),
    Wait(
        "details[].retryDelay",
        "a span, in google.rpc.RetryInfo",
        Source("Gemini", "https://google.aip.dev/193"),
    ),
    Wait(
        "llm_provider-retry-after",
        "seconds, or a date; so are all headers of a provider named",
        Source("LiteLLM", "https://docs.litellm.ai/docs/proxy/response_headers"),
    ),
)
