"""The terms of a judge: they decide, oblige and are audited like those of a teacher."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest
import yaml
from rich.console import Console

from pipelines.launch import launch
from pipelines.planning.prepare import prepare
from pipelines.results import Result
from schemas.errors import InputError, RefusedByTerms
from tests.pipelines.judged import (
    INSIDE,
    JUDGE,
    LLAMA,
    OPEN,
    by_number,
    judging,
    make_judged,
)
from tests.pipelines.project import Project
from tests.teacher import Teacher
from transforms.auditing.audit import audit
from transforms.auditing.explain import explain
from transforms.auditing.select import select
from transforms.auditing.verify import verify
from transforms.auditing.withdraw import withdraw
from transforms.clock import Clock
from transforms.corpus.read import open_corpus
from transforms.guard.catalogue import load_catalogue
from transforms.guard.evaluate import Guard


def test_a_judge_that_the_terms_deny_refuses_the_run(tmp_path: Path) -> None:
    with Teacher(judging()) as teacher:
        route = {"terms": ["meta/llama-2-license"]}
        project = make_judged(tmp_path, teacher.endpoint, route=route)
        with pytest.raises(RefusedByTerms, match=JUDGE) as refused:
            project.run()
        assert teacher.count == 0
    assert refused.value.exit_code == 3


def test_what_the_judges_terms_ask_for_is_owed_too(tmp_path: Path) -> None:
    hosted = INSIDE | {"student": {"distribution": "hosted", "competes_with": []}}
    with Teacher(judging(by_number)) as teacher:
        project = make_judged(
            tmp_path,
            teacher.endpoint,
            route={"terms": LLAMA},
            purpose=hosted,
            unapproved="allow",
            judge={"action": "tag"},
        )
        result = project.run()
        project.change(judge=None)
        alone = project.run()
    for row in project.rows(result):
        provenance = row["provenance"]
        assert [(duty["kind"], duty["text"]) for duty in provenance["duties"]] == [
            ("name_prefix", "Llama")
        ]
        assert provenance["obligation_class"] == "name-prefix-llama"
        assert {terms["document"] for terms in provenance["terms"]} >= {*OPEN, *LLAMA}
    assert {path.split("/")[1] for path in project.shards(alone)} == {"none"}
    assert [verify(project.corpus, one.version).problems for one in (result, alone)] == [(), ()]


def test_the_judges_terms_must_permit_on_both_days(tmp_path: Path) -> None:
    noon = datetime(2026, 11, 22, 12, tzinfo=UTC)
    last_year = Clock(wall=partial(datetime.timestamp, noon - timedelta(days=365)))
    now = Clock(wall=partial(datetime.timestamp, noon))
    with Teacher(judging("4")) as teacher:
        project = make_judged(tmp_path, teacher.endpoint, 4, route={"terms": LLAMA}, purpose=INSIDE)
        approve_judge(project, on="2025-01-01")
        assert launch_at(project, last_year, asks=True).accepted == 4
        # Signed off today and not yet when it was asked: today's build cannot use it.
        approve_judge(project, on="2026-11-01")
        result = launch_at(project, now, asks=False)
    assert (result.rejected, result.accepted) == ({"terms_at_collection": 4}, 0)


def approve_judge(project: Project, on: str) -> None:
    path = project.folder / "teachers.yaml"
    signed = {"version": "2024-07-23", "by": "legal", "on": on}
    approvals = [{"document": name, **signed} for name in LLAMA]
    path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | {"approvals": approvals}))


def launch_at(project: Project, clock: Clock, *, asks: bool) -> Result:
    console = Console(quiet=True)
    return launch(project.path, (), slices=1, asks=asks, console=console, clock=clock)


def test_an_audit_finds_the_records_of_a_judge_that_is_permitted_no_longer(tmp_path: Path) -> None:
    with Teacher(judging(by_number)) as teacher:
        project = make_judged(tmp_path, teacher.endpoint)
        result = project.run()
    corpus = open_corpus(project.corpus)
    today = datetime.now(UTC).date()
    guard = prepare(project.path, today).guard
    assert audit(corpus, guard, today).denied == 0
    registry = yaml.safe_load((tmp_path / "teachers.yaml").read_text())
    registry["routes"][JUDGE]["terms"] = ["meta/llama-2-license"]
    (tmp_path / "teachers.yaml").write_text(yaml.safe_dump(registry))
    found = audit(corpus, prepare(project.path, today).guard, today)
    assert (found.records, found.denied) == (5, 5)
    assert {denial.teacher for denial in found.by_clause} == {JUDGE}
    # Where no registry knows the routes any longer, the manifest's decisions tell what bound them.
    assert audit(corpus, Guard(load_catalogue()), today).denied == 0
    selected = select(corpus, f"route={JUDGE}", lambda: found)
    with pytest.raises(InputError, match="no record would be left"):
        withdraw(corpus, selected, tmp_path / "other", datetime.now(UTC))
    record_id = project.rows(result)[0]["record_id"]
    story = explain(project.corpus, record_id)
    (judgement,) = (section for section in story.sections if section.title == "Judgement")
    assert dict(judgement.facts)["score"] == "4, from 1 to 5"
    assert dict(judgement.texts)["rationale"].startswith("Number ")
