"""A run with right answers finds the wrong ones, on any thread."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from schemas.errors import InputError
from tests.pipelines.project import Project, make_project
from tests.teacher import Teacher, answer

PROMPTS = {"files": "sums.jsonl", "text": "q", "license": "MIT", "source": "us"}
THREADS = ("--direct_running_mode=multi_threading", "--direct_num_workers=2")


def _project(folder: Path, endpoint: str, **fields: Any) -> Project:
    project = make_project(folder, endpoint, filters=[{"rule": "maths_answer"}])
    project.change(prompts=[PROMPTS | fields])
    rows = [{"q": f"What is {n} and {n}?", "a": f"Add them.\n#### {2 * n}"} for n in range(8)]
    rows.append({"q": "What is love?", "a": "baby"})
    (folder / "sums.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return project


def test_wrong_answers_are_told_and_the_right_ones_never_sent(tmp_path: Path) -> None:
    with Teacher(lambda call: answer(f"{call.prompt} That is 6, I think.")) as teacher:
        project = _project(tmp_path, teacher.endpoint, answer="a")
        result = project.run()
        threads = project.run(*THREADS)
        assert not any(b"####" in call.raw for call in teacher.calls)
    tags = {row["messages"][0]["content"]: row["tags"] for row in project.rows(result)}
    assert tags.pop("What is love?") == ["gold_unreadable"]
    assert tags.pop("What is 3 and 3?") == []
    assert list(tags.values()) == [["wrong_answer"]] * 7
    assert project.shards(threads) == project.shards(result)


def test_the_rule_without_right_answers_is_refused_before_anybody_is_asked(tmp_path: Path) -> None:
    with Teacher() as teacher:
        project = _project(tmp_path, teacher.endpoint)
        with pytest.raises(InputError, match=r"run\.yaml:\d+: .* needs the right answers"):
            project.run()
        assert teacher.count == 0
