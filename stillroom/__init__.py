"""stillroom in Python: plan, run, build and verify a corpus; write a rule.

    import stillroom

    result = stillroom.run("run.yaml")
    print(result.accepted, result.folder)

All of it is documented in docs/python.md. Names are imported when they are first used, so that
`import stillroom` is quick, and an error can name a folder that hides stillroom's own packages.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from stillroom.foreign import foreign_package

if TYPE_CHECKING:
    from pipelines.planning.plan import Plan
    from pipelines.results import Result
    from schemas.errors import (
        InputError,
        Interrupted,
        LedgerBusy,
        Problem,
        RefusedByTerms,
        StillroomError,
    )
    from schemas.responses import Completion
    from stillroom.runs import build, latest, plan, run, verify
    from transforms.auditing.verify import Verification
    from transforms.filters.rules import Candidate, Finding, NoSettings, Rule, Span

__all__ = [
    "Candidate",
    "Completion",
    "Finding",
    "InputError",
    "Interrupted",
    "LedgerBusy",
    "NoSettings",
    "Plan",
    "Problem",
    "RefusedByTerms",
    "Result",
    "Rule",
    "Span",
    "StillroomError",
    "Verification",
    "build",
    "latest",
    "plan",
    "run",
    "verify",
]

_MODULES = {
    "pipelines.planning.plan": ("Plan",),
    "pipelines.results": ("Result",),
    "schemas.errors": (
        "InputError",
        "Interrupted",
        "LedgerBusy",
        "Problem",
        "RefusedByTerms",
        "StillroomError",
    ),
    "schemas.responses": ("Completion",),
    "stillroom.runs": ("build", "latest", "plan", "run", "verify"),
    "transforms.auditing.verify": ("Verification",),
    "transforms.filters.rules": ("Candidate", "Finding", "NoSettings", "Rule", "Span"),
}
_MODULE_OF = {name: module for module, names in _MODULES.items() for name in names}


if not TYPE_CHECKING:  # a type checker reports unknown names by itself

    def __getattr__(name: str) -> Any:
        if name not in _MODULE_OF:
            raise AttributeError(f"module 'stillroom' has no attribute {name!r}")
        if foreign := foreign_package():
            raise ImportError(foreign)
        return getattr(import_module(_MODULE_OF[name]), name)


def __dir__() -> list[str]:
    return __all__
