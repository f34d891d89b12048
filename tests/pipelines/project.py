"""A project for tests: a run file, a registry with a route to the tests' teacher, and prompts."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.dataset as ds
import yaml
from rich.console import Console

from pipelines.launch import launch
from pipelines.results import Result
from tests.teacher import MODEL

ROUTE = "test/echo"


@dataclass(frozen=True)
class Project:
    """A folder with a run file.

    Attributes:
        path: The run file.
    """

    path: Path

    @property
    def folder(self) -> Path:
        """The project's folder."""
        return self.path.parent

    @property
    def corpus(self) -> Path:
        """The corpus's folder."""
        return self.folder / "corpora/test"

    def change(self, **fields: Any) -> None:
        """Changes top-level fields of the run file; None takes one out."""
        run = yaml.safe_load(self.path.read_text()) | fields
        self.path.write_text(yaml.safe_dump({k: v for k, v in run.items() if v is not None}))

    def run(self, *beam_options: str, slices: int = 1, asks: bool = True) -> Result:
        """Runs the run file in this process."""
        console = Console(quiet=True)
        return launch(self.path, beam_options, slices=slices, asks=asks, console=console)

    def shards(self, result: Result) -> dict[str, bytes]:
        """Returns the Parquet files that a run published, by path."""
        assert result.folder is not None
        folder = Path(result.folder)
        files = sorted(folder.rglob("*.parquet"))
        return {str(path.relative_to(folder)): path.read_bytes() for path in files}

    def rows(self, result: Result, kind: str = "data") -> list[dict[str, Any]]:
        """Returns the rows that a run published, accepted or `rejected`."""
        rows: list[dict[str, Any]] = ds.dataset(f"{result.folder}/{kind}").to_table().to_pylist()
        return rows


def make_project(
    folder: Path,
    endpoint: str,
    prompts: Sequence[str] | None = None,
    *,
    route: Mapping[str, Any] | None = None,
    **fields: Any,
) -> Project:
    """Makes a project that asks the teacher at an endpoint.

    Args:
        folder: Where; it is made.
        endpoint: The teacher's.
        prompts: What to ask; by default 40 distinct questions.
        route: Changes to the route.
        fields: Changes to the run file.
    """
    folder.mkdir(parents=True, exist_ok=True)
    write_prompts(folder / "prompts.jsonl", prompts if prompts is not None else questions(40))
    registry = {
        "routes": {
            ROUTE: {
                "api": "openai-chat",
                "endpoint": endpoint,
                "model": MODEL,
                "quota": {"concurrency": 8},
                "timeouts": {"response_seconds": 20, "patience_seconds": 20},
                "terms": ["spdx/apache-2.0"],
                **(route or {}),
            }
        }
    }
    (folder / "teachers.yaml").write_text(yaml.safe_dump(registry))
    run = {
        "name": "test",
        "registry": "teachers.yaml",
        "purpose": {"use": "train_generative"},
        "prompts": [
            {"files": "prompts.jsonl", "text": "q", "license": "CC0-1.0", "source": "tests"}
        ],
        "teachers": [{"id": ROUTE, "parameters": {"max_tokens": 50}}],
        "corpus": "corpora/test",
        "ledger": "ledger",
        **fields,
    }
    path = folder / "run.yaml"
    path.write_text(yaml.safe_dump(run))
    return Project(path)


def write_prompts(path: Path, prompts: Iterable[str]) -> None:
    """Writes prompts as JSONL, in the field `q`."""
    path.write_text("".join(json.dumps({"q": prompt}) + "\n" for prompt in prompts))


def questions(count: int) -> list[str]:
    """Returns so many questions that differ in every word that matters."""
    return [f"What is number {i:05d} times {i * 7919 % 1009}, and why {i:x}?" for i in range(count)]
