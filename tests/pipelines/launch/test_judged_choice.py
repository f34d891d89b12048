"""A judge's scores choose among the samples of a prompt, and pair them."""

from __future__ import annotations

import re
from pathlib import Path

import pyarrow.dataset as ds
import yaml

from tests.pipelines.choosing import sample_of, samples
from tests.pipelines.project import ROUTE, Project, make_project, questions
from tests.teacher import Call, Reply, Teacher, answer
from transforms.auditing.verify import verify
from transforms.corpus.read import open_corpus

JUDGE = "test/judge"
SCORES = (3, 1, 5, 4)  # by sample


def rate(call: Call) -> Reply:
    """Answers with a text that names its score; as the judge, returns that score."""
    if str(call.body["messages"][0]["content"]).startswith("You rate answers"):
        found = re.search(r"worth (\d) points", call.prompt)
        assert found is not None
        return answer(f"As it says.\nScore: {found[1]}")
    return answer(f"{call.prompt} That is worth {SCORES[sample_of(call)]} points.")


def make(folder: Path, teacher: Teacher, prompts: list[str]) -> Project:
    judge = {
        "teacher": {"id": JUDGE, "parameters": {"max_tokens": 40}},
        "criteria": "Is it worth much?",
        "minimum": 2,
        "action": "drop",
    }
    project = make_project(
        folder,
        teacher.endpoint,
        prompts,
        teachers=[samples(len(SCORES))],
        judge=judge,
        best_of={"by": "judge", "keep": 1},
        preferences={"by": "judge", "gap": 1},
    )
    registry = yaml.safe_load((folder / "teachers.yaml").read_text())
    registry["routes"][JUDGE] = registry["routes"][ROUTE]
    (folder / "teachers.yaml").write_text(yaml.safe_dump(registry))
    return project


def test_the_best_by_the_judge_stays_and_is_paired_with_the_worst(tmp_path: Path) -> None:
    with Teacher(rate) as teacher:
        project = make(tmp_path, teacher, questions(6))
        result = project.run()
        again = project.run(slices=3)
        assert teacher.count == 6 * len(SCORES) * 2
    assert project.shards(result) == project.shards(again)
    assert (result.accepted, result.preferences) == (6, 6)
    assert result.rejected == {"judged_low": 6, "not_best": 12}
    assert all("worth 5 points" in row["completion"] for row in project.rows(result))
    for pair in ds.dataset(f"{result.folder}/preferences").to_table().to_pylist():
        assert (pair["chosen_score"], pair["rejected_score"], pair["chosen_by"]) == (5, 1, "judge")
        (worse,) = pair["rejected_provenance"]["judgements"]
        assert (worse["score"], worse["verdict"]) == (1, "low")
        assert "judged_low" in {found["code"] for found in pair["rejected_provenance"]["filters"]}
        assert "worth 1 points" in pair["rejected"][0]["content"]
    assert verify(open_corpus(project.corpus).folder).ok
