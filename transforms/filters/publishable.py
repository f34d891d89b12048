"""Which rejected answers may be published as the worse side of a pair.

A defect that a rule found is what a pair is for. What was put into quarantine waits for a person;
and an answer is no example of anything if what kept it out protects somebody: an evaluation set,
the owner of a secret, a person who is named.
"""

from __future__ import annotations

from collections.abc import Iterable

from schemas.records import RecordedFinding
from transforms.filters import decontaminate
from transforms.filters.personal import PERSONAL
from transforms.filters.secrets import GENERIC_SECRETS, SECRETS

_PROTECTIVE = frozenset({decontaminate.RULE, SECRETS.name, GENERIC_SECRETS.name, PERSONAL.name})


def is_publishable(findings: Iterable[RecordedFinding]) -> bool:
    """Tells whether an answer that a filter rule rejected may stand in a pair.

    Args:
        findings: Everything found in it: what else was found counts too, whichever rule it was
            rejected by.
    """
    return not any(
        found.action == "quarantine" or (found.action == "drop" and found.rule in _PROTECTIVE)
        for found in findings
    )
