"""Asking a slice of a run, without Beam: staged requests, a real teacher and a real ledger."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from pipelines.launch import get_ready
from schemas.buckets import Slice
from schemas.errors import InputError
from schemas.progress import StageFigures
from tests.money import known
from tests.pipelines.project import ROUTE, Project, make_project
from tests.teacher import Teacher, by_prompt, failure
from tests.transforms.asking.asking import ALL_DIGITS
from tests.transforms.asking.test_days_quota import lost_response
from transforms.asking.ask_teachers import ask_slice
from transforms.job import Job
from transforms.ledger import open_ledger
from transforms.prompts.stage_requests import stage_requests
from transforms.prompts.staging import read_requests
from transforms.work import PROGRESS, open_work_folder

WHOLE = Slice(index=0, count=1)


@contextmanager
def staged(project: Project, slices: int = 1) -> Iterator[tuple[Job, list[int]]]:
    """Yields an execution with its staged requests, and their buckets."""
    job = get_ready(project.path, slices=slices, asks=True)
    with open_work_folder(job.work):
        yield job, stage_requests(job)


def test_a_slice_asks_each_of_its_requests_once(tmp_path: Path) -> None:
    with Teacher() as teacher:
        with staged(make_project(tmp_path, teacher.endpoint)) as (job, buckets):
            done = ask_slice(job, WHOLE, buckets)[ROUTE]
            again = ask_slice(job, WHOLE, buckets)[ROUTE]
        assert set(teacher.times_asked.values()) == {1}
        assert teacher.count == 40
    assert (done.answered, done.from_ledger) == (40, 0)
    assert (again.answered, again.from_ledger) == (0, 40)


def test_slices_divide_the_requests(tmp_path: Path) -> None:
    with Teacher() as teacher:
        with staged(make_project(tmp_path, teacher.endpoint), slices=3) as (job, buckets):
            parts = [Slice(index=index, count=3) for index in range(3)]
            answered = [ask_slice(job, part, buckets)[ROUTE].answered for part in parts]
        assert set(teacher.times_asked.values()) == {1}
    assert sum(answered) == 40
    assert min(answered) > 0


def test_a_slice_reports_its_figures(tmp_path: Path) -> None:
    prompts = ["good", "bad", "better"]
    price = {"input_usd_per_million": 100.0, "output_usd_per_million": 100.0}
    with Teacher(by_prompt({"bad": failure(400)})) as teacher:
        project = make_project(tmp_path, teacher.endpoint, prompts, route={"price": price})
        with staged(project) as (job, buckets):
            done = ask_slice(job, WHOLE, buckets)[ROUTE]
            file = job.work / PROGRESS / "teacher-slice-0.json"
            figures = StageFigures.decode(file.read_bytes())
    assert figures == StageFigures(
        asked=2, failed=1, completion_tokens=done.completion_tokens, usd=done.usd
    )
    assert known(done.usd) > 0


def test_only_a_route_with_open_requests_needs_its_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STILLROOM_TEST_KEY", "a-key")
    with Teacher() as teacher:
        project = make_project(tmp_path, teacher.endpoint, route={"key": "env:STILLROOM_TEST_KEY"})
        with staged(project) as (job, buckets):
            monkeypatch.delenv("STILLROOM_TEST_KEY")
            with pytest.raises(InputError, match="STILLROOM_TEST_KEY"):
                ask_slice(job, WHOLE, buckets)
            assert teacher.count == 0
            monkeypatch.setenv("STILLROOM_TEST_KEY", "a-key")
            ask_slice(job, WHOLE, buckets)
            monkeypatch.delenv("STILLROOM_TEST_KEY")
            assert ask_slice(job, WHOLE, buckets)[ROUTE].from_ledger == 40


def test_two_tries_of_a_slice_share_its_part_of_a_days_quota(tmp_path: Path) -> None:
    quota = {"requests_per_day": 10, "concurrency": 8}
    with Teacher() as teacher:
        project = make_project(tmp_path, teacher.endpoint, route={"quota": quota})
        with staged(project, slices=2) as (job, buckets):
            for index in (0, 0, 1):
                ask_slice(job, Slice(index=index, count=2), buckets)
        assert teacher.count == 10


def test_what_was_lost_counts_against_the_days_quota(tmp_path: Path) -> None:
    quota = {"requests_per_day": 10, "concurrency": 8}
    with Teacher() as teacher:
        project = make_project(tmp_path, teacher.endpoint, route={"quota": quota})
        with staged(project) as (job, buckets):
            request = next(read_requests(job.staged, buckets[0]))
            lost = lost_response(request, "killed", job.clock.now())
            with open_ledger(job.run.ledger).writer(ALL_DIGITS, "killed") as ledger:
                asyncio.run(ledger.intend(replace(lost, route=ROUTE), request))
            ask_slice(job, WHOLE, buckets)
        assert teacher.count == 9
