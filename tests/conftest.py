"""What holds for all tests."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, settings

# How long an example takes is the machine's affair: what else runs on it, what is imported first.
settings.register_profile(
    "any-machine", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("any-machine")

# What asks the embedded model: two of them at once would slow each other down, and all else.
_OF_THE_MODEL = "test_embedded.py"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keeps the tests of a module in one process: what they share is set up once."""
    for item in items:
        group = "model" if item.path.name == _OF_THE_MODEL else str(item.path)
        item.add_marker(pytest.mark.xdist_group(group))
