"""The best of the samples of a prompt, through whole runs against a real HTTP teacher."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest

from schemas.errors import InputError
from tests.pipelines.choosing import SEED, lengths, samples
from tests.pipelines.project import ROUTE, make_project, questions
from tests.teacher import Teacher
from transforms.auditing.verify import verify


def by_prompt(rows: Iterable[Mapping[str, Any]]) -> dict[str, list[int]]:
    """Returns the lengths of completions by prompt, in words."""
    found: dict[str, list[int]] = {}
    for row in rows:
        found.setdefault(row["prompt_id"], []).append(len(row["completion"].split()))
    return {name: sorted(counts) for name, counts in found.items()}


def test_the_best_sample_of_each_prompt_is_kept_and_the_others_name_it(tmp_path: Path) -> None:
    with Teacher(lengths(12, 7, 9)) as teacher:
        project = make_project(
            tmp_path,
            teacher.endpoint,
            questions(6),
            teachers=[samples(3)],
            filters=[{"rule": "length", "action": "tag", "max_words": 5}],
            best_of={"by": "length"},
        )
        result = project.run()
    assert (result.requests, result.accepted, result.rejected) == (18, 6, {"not_best": 12})
    assert set(map(tuple, by_prompt(project.rows(result)).values())) == {(7,)}
    best = {row["prompt_id"]: row["record_id"] for row in project.rows(result)}
    for row in project.rows(result, "rejected"):
        assert (row["stage"], row["kind"]) == ("choose", "rejected")
        assert row["witness"] == best[row["prompt_id"]]
        assert row["detail"] == f"scores {len(row['completion'].split())} by length"
    assert verify(project.corpus).ok


@pytest.mark.parametrize(
    ("best_of", "kept"),
    [
        ({"keep": 2, "by": "length"}, (7, 9)),
        ({"keep": 2, "by": "length", "prefer": "highest"}, (9, 12)),
        ({"keep": 5, "by": "length"}, (7, 9, 12)),
    ],
    ids=["two", "highest", "more-than-there-are"],
)
def test_as_many_are_kept_as_are_wanted(
    tmp_path: Path, best_of: dict[str, Any], kept: tuple[int, ...]
) -> None:
    with Teacher(lengths(12, 7, 9)) as teacher:
        project = make_project(
            tmp_path,
            teacher.endpoint,
            questions(3),
            teachers=[samples(3)],
            filters=[{"rule": "length", "action": "tag", "max_words": 5}],
            best_of=best_of,
        )
        result = project.run()
    assert set(map(tuple, by_prompt(project.rows(result)).values())) == {kept}
    assert result.requests == result.accepted + sum(result.rejected.values())


def test_samples_of_all_teachers_compete_for_a_prompt(tmp_path: Path) -> None:
    with Teacher(lengths(12, 7)) as teacher:
        project = make_project(
            tmp_path,
            teacher.endpoint,
            questions(4),
            teachers=[samples(2), {"id": ROUTE, "parameters": {"seed": SEED, "max_tokens": 7}}],
            filters=[{"rule": "length", "action": "tag", "max_words": 5}],
            best_of={"by": "length"},
        )
        result = project.run()
    assert (result.accepted, result.rejected) == (4, {"not_best": 8})


def test_duplicates_are_taken_out_among_those_kept(tmp_path: Path) -> None:
    with Teacher(lengths(7, 7, 9)) as teacher:
        project = make_project(
            tmp_path,
            teacher.endpoint,
            questions(3),
            teachers=[samples(3)],
            filters=[{"rule": "length", "action": "tag", "max_words": 5}],
            best_of={"keep": 2, "by": "length"},
        )
        result = project.run()
    assert (result.accepted, result.duplicates, result.rejected) == (3, 3, {"not_best": 3})


@pytest.mark.parametrize("section", ["best_of", "preferences"])
@pytest.mark.parametrize(
    ("by", "words"),
    [
        ("judge", ["add a `judge` section"]),
        ("lenght", ["did you mean 'length'"]),
        ("language", ["length, json_schema"]),
    ],
    ids=["no-judge", "typo", "rule-not-applied"],
)
def test_what_scores_nothing_in_this_run_is_told_with_its_line(
    tmp_path: Path, section: str, by: str, words: list[str]
) -> None:
    choice = {"by": by} | ({"gap": 1} if section == "preferences" else {})
    fields: dict[str, Any] = {section: choice, "filters": [{"rule": "length", "max_words": 5}]}
    project = make_project(tmp_path, "http://127.0.0.1:9/v1", **fields)
    with pytest.raises(InputError) as caught:
        project.run()
    line = project.path.read_text().splitlines().index(f"  by: {by}") + 1
    for word in (f"run.yaml:{line}", f"{section}.by", repr(by), *words):
        assert word in str(caught.value)
