"""Finds packages of others that Python imports in place of stillroom's own.

stillroom's code lies in three packages with common names. A folder of one of these names with an
`__init__.py`, earlier on Python's path, hides them.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

PACKAGES = ("schemas", "transforms", "pipelines")
_HOME = Path(__file__).resolve().parents[1]


def foreign_package() -> str | None:
    """Returns a sentence that names a folder which hides one of our packages, or None.

    It imports none of them.
    """
    for name in PACKAGES:
        found = _location(name)
        if found and found.resolve().parent != _HOME:
            return (
                f"Python finds {found} before stillroom's own package {name!r}:"
                f" rename it, or take {found.parent} off Python's path"
                " (PYTHONPATH, or the folder you start from)"
            )
    return None


def _location(name: str) -> Path | None:
    """Returns the folder or file that an import of a top-level name finds; None for a namespace."""
    spec = find_spec(name)
    if spec is None or spec.origin is None:
        return None
    origin = Path(spec.origin)
    return origin.parent if origin.name == "__init__.py" else origin
