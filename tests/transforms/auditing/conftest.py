"""Published corpora for the tests of this room."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.corpus_builder import (
    publish_typical,
)


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("published")
    publish_typical(folder)
    return folder


@pytest.fixture
def corpus(published: Path, tmp_path: Path) -> Path:
    """A corpus of one's own, to be damaged."""
    shutil.copytree(published, tmp_path / "corpus")
    return tmp_path / "corpus"
