"""What the tests of the batch protocols share: both protocols, and a job of each."""

from __future__ import annotations

import json
from typing import Any

from transforms.asking.batch.protocols import BatchProtocol, find_protocol

ID = "ab" * 32


OPENAI_JOB = {"id": "batch_1", "status": "in_progress", "created_at": 1_795_000_000}


ANTHROPIC_JOB = {
    "id": "msgbatch_1",
    "processing_status": "in_progress",
    "created_at": "2026-11-22T12:00:00.5Z",
    "request_counts": {"processing": 3, "succeeded": 1, "errored": 0},
}


def protocol(api: str) -> BatchProtocol:
    found = find_protocol(api)
    assert found is not None
    return found


OPENAI = protocol("openai-chat")


ANTHROPIC = protocol("anthropic-messages")


def encoded(value: Any) -> bytes:
    return json.dumps(value).encode()
