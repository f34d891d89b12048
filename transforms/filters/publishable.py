"""Decides which rejected answers may be published as the worse side of a pair.

An answer with a defect is a useful example. An answer in quarantine waits for a person. An answer
that was dropped to protect an evaluation set, a secret or personal data is not published.
"""

from __future__ import annotations

from collections.abc import Iterable

from schemas.records import RecordedFinding
from transforms.filters import decontaminate
from transforms.filters.personal import PERSONAL
from transforms.filters.secrets import GENERIC_SECRETS, SECRETS

_PROTECTIVE = frozenset({decontaminate.RULE, SECRETS.name, GENERIC_SECRETS.name, PERSONAL.name})


def is_publishable(findings: Iterable[RecordedFinding]) -> bool:
    """Returns whether an answer that a rule rejected may be published in a pair.

    Args:
        findings: All findings in it, not only the one for which it was rejected.
    """
    return not any(
        found.action == "quarantine" or (found.action == "drop" and found.rule in _PROTECTIVE)
        for found in findings
    )
