"""An answer that a rule rejected is published in a pair only if that harms no one."""

from __future__ import annotations

import pytest

from schemas.inputs.quality import Action
from schemas.records import RecordedFinding
from transforms.filters.publishable import is_publishable


@pytest.mark.parametrize(
    ("findings", "publishable"),
    [
        ([("repetition", "drop")], True),
        ([("repetition", "drop"), ("secrets", "tag")], True),
        ([("repetition", "drop"), ("secrets", "drop")], False),
        ([("repetition", "drop"), ("generic_secrets", "quarantine")], False),
        ([("personal", "drop")], False),
        ([("generic_secrets", "drop")], False),
        ([("decontaminate", "drop")], False),
        ([("refusal", "quarantine")], False),
        ([("repetition", "drop"), ("decontaminate", "quarantine")], False),
    ],
)
def test_quarantined_and_protected_answers_are_not_published(
    findings: list[tuple[str, Action]], publishable: bool
) -> None:
    found = [
        RecordedFinding(rule=rule, version=1, code=rule, action=action, value=None, finding="")
        for rule, action in findings
    ]
    assert is_publishable(found) == publishable
