"""`stillroom init` makes a project that is ready to run, and overwrites nothing."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pipelines.cli import app
from pipelines.commands.init import make_starter
from pipelines.planning.plan_run import plan_run
from schemas.errors import InputError


def test_a_starter_project_can_be_run_at_once(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "project"
    result = CliRunner().invoke(app, ["init", str(folder)])
    assert result.exit_code == 0
    assert f"stillroom plan {folder / 'run.yaml'}" in result.stdout
    plan = plan_run(folder / "run.yaml")
    assert plan.permitted
    assert (plan.prompts, plan.unread, plan.usd_max) == (10, {}, 0)


def test_the_example_route_of_the_registry_is_one_once_it_is_let_in(tmp_path: Path) -> None:
    make_starter(tmp_path)
    registry = (tmp_path / "teachers.yaml").read_text()
    lines = registry.replace("routes: {}", "routes:").replace("approvals: []", "approvals:")
    (tmp_path / "teachers.yaml").write_text(re.sub(r"(?m)^  # ", "  ", lines))
    run = (tmp_path / "run.yaml").read_text()
    (tmp_path / "run.yaml").write_text(
        run.replace("embedded/smollm2-135m-instruct", "our-vllm/qwen3-8b")
    )
    assert plan_run(tmp_path / "run.yaml").verdicts[0].teacher == "our-vllm/qwen3-8b"


def test_nothing_is_written_over(tmp_path: Path) -> None:
    (tmp_path / "teachers.yaml").write_text("mine")
    with pytest.raises(InputError, match=r"teachers\.yaml"):
        make_starter(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["teachers.yaml"]


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        make_starter(tmp_path / "file" / "project")
