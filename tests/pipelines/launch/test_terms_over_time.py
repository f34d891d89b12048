"""Terms change: in the middle of a run, between two builds, and after a corpus was published."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow.dataset as ds
import pytest
import typer
import yaml
from rich.console import Console
from typer.testing import CliRunner

from pipelines.commands import corpus as corpus_commands
from pipelines.commands import terms as terms_commands
from pipelines.display.plan import print_plan
from pipelines.launch import launch
from pipelines.planning.plan_run import plan_run
from pipelines.results import Result
from schemas.errors import InputError, RefusedByTerms
from tests.pipelines.project import Project, make_project, questions
from tests.teacher import Call, Reply, Teacher, answer, echo
from transforms.auditing.verify import verify
from transforms.clock import Clock

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
LAST_YEAR = NOON - timedelta(days=365)
LICENCE = "meta/llama-3.1-license"
POLICY = "meta/llama-3.1-use-policy"
PURPOSE = {
    "use": "train_generative",
    "student": {"distribution": "internal", "competes_with": []},
    "organisation": {"commercial": True, "monthly_active_users": 10},
    "corpus": {"distribution": "internal"},
}


def at(moment: datetime) -> Clock:
    """Returns a clock that always shows one moment."""
    return Clock(wall=partial(datetime.timestamp, moment))


def wall(midnight: Path) -> float:
    """Returns noon until a file exists, then the next noon."""
    return (NOON + timedelta(days=1) if midnight.exists() else NOON).timestamp()


def run(project: Project, clock: Clock, *, asks: bool = True) -> Result:
    console = Console(quiet=True)
    return launch(project.path, (), slices=1, asks=asks, console=console, clock=clock)


def approve(project: Project, expires: str | None, *, on: str = "2025-01-01") -> None:
    """Signs both documents of the route `test/llama` off."""
    registry = yaml.safe_load((project.folder / "teachers.yaml").read_text())
    entry = {"version": "2024-07-23", "by": "legal", "on": on}
    ends = {"expires": expires} if expires else {}
    registry["approvals"] = [{"document": name, **entry, **ends} for name in (LICENCE, POLICY)]
    (project.folder / "teachers.yaml").write_text(yaml.safe_dump(registry))


def two_routes(folder: Path, endpoint: str, prompts: Sequence[str]) -> Project:
    """Makes a project that asks one route under an open licence and one that needs a signature."""
    project = make_project(folder, endpoint, prompts, purpose=PURPOSE)
    registry = yaml.safe_load((folder / "teachers.yaml").read_text())
    open_route = registry["routes"]["test/echo"] | {"quota": {"concurrency": 2}}
    registry["routes"] = {
        "test/open": open_route,
        "test/llama": open_route | {"terms": [LICENCE, POLICY]},
    }
    (folder / "teachers.yaml").write_text(yaml.safe_dump(registry))
    # Answers of two teachers to one prompt would be duplicates: one asks for other parameters.
    project.change(
        teachers=[
            {"id": "test/open", "parameters": {"max_tokens": 50}},
            {"id": "test/llama", "parameters": {"max_tokens": 60}},
        ]
    )
    return project


def by_teacher(call: Call) -> Reply:
    """Answers so that the two teachers' answers to a prompt differ."""
    return answer(f"{call.body['max_tokens']} tokens about {call.prompt}")


def test_terms_that_end_during_a_run_stop_their_route_and_no_other(tmp_path: Path) -> None:
    midnight = tmp_path / "midnight"

    def script(call: Call) -> Reply:
        if call.number == 12:
            midnight.touch()
        return by_teacher(call)

    with Teacher(script) as teacher:
        project = two_routes(tmp_path, teacher.endpoint, questions(20))
        approve(project, "2026-11-22")
        result = run(project, Clock(wall=partial(wall, midnight)))
        asked = [call.body["max_tokens"] for call in teacher.calls]
    assert (result.stopped, result.exit_code) == ("terms", 3)
    assert asked.count(50) == 20
    assert 0 < asked.count(60) < 14
    assert result.pending == 20 - asked.count(60)
    assert result.accepted == len(asked)
    assert [stop.partition(":")[0] for stop in result.stops] == ["test/llama"]
    assert verify(project.corpus).ok


def test_a_run_after_the_end_is_refused_and_one_after_a_new_approval_goes_on(
    tmp_path: Path,
) -> None:
    midnight = tmp_path / "midnight"

    def script(call: Call) -> Reply:
        if call.number == 12:
            midnight.touch()
        return by_teacher(call)

    clock = Clock(wall=partial(wall, midnight))
    with Teacher(script) as teacher:
        project = two_routes(tmp_path, teacher.endpoint, questions(20))
        approve(project, "2026-11-22")
        first = run(project, clock)
        before = teacher.count
        with pytest.raises(RefusedByTerms, match=r"approval ended on 2026-11-22"):
            run(project, clock)
        assert teacher.count == before
        approve(project, None)
        second = run(project, clock)
    assert set(teacher.times_asked.values()) == {1}
    assert (second.asked, second.pending, second.accepted) == (first.pending, 0, 40)


def test_a_build_rejects_what_one_of_the_two_clocks_forbids(tmp_path: Path) -> None:
    with Teacher(by_teacher) as teacher:
        project = two_routes(tmp_path, teacher.endpoint, questions(5))
        approve(project, None)
        assert run(project, at(LAST_YEAR)).accepted == 10
        # Signed off today and not yet when it was collected: today's build cannot use it.
        approve(project, None, on="2026-11-01")
        result = run(project, at(NOON), asks=False)
    assert result.rejected == {"terms_at_collection": 5}
    assert result.accepted == 5


def test_the_day_of_collection_is_the_records_and_the_day_of_the_build_the_manifests(
    tmp_path: Path,
) -> None:
    with Teacher(by_teacher) as teacher:
        project = two_routes(tmp_path, teacher.endpoint, questions(5))
        approve(project, None)
        run(project, at(LAST_YEAR))
        project.change(corpus="corpora/later")
        result = run(project, at(NOON), asks=False)
    manifest = json.loads((Path(str(result.folder)) / "manifest.json").read_text())
    assert {verdict["on"] for verdict in manifest["verdicts"]} == {"2026-11-22"}
    assert {verdict["on"] for verdict in manifest["decisions"]} == {"2025-11-22"}
    collected = {
        row["provenance"]["decision"]["decided_at"].date().isoformat()
        for row in project.rows(result)
    }
    assert collected == {"2025-11-22"}


def stillroom(*arguments: object) -> Any:
    """Runs one of the commands and returns its exit code and its JSON."""
    app = typer.Typer()
    terms_commands.register(app)
    corpus_commands.register(app)
    done = CliRunner().invoke(app, [*map(str, arguments), "--json"], catch_exceptions=False)
    return done.exit_code, json.loads(done.stdout)


def rows(folder: str, kind: str = "data") -> list[dict[str, Any]]:
    return ds.dataset(f"{folder}/{kind}").to_table().to_pylist()  # type: ignore[no-any-return]


@pytest.fixture
def last_years(tmp_path: Path) -> Project:
    """A corpus built last year, half of it under an approval that has ended since."""
    with Teacher(by_teacher) as teacher:
        project = two_routes(tmp_path, teacher.endpoint, questions(30))
        approve(project, "2026-06-30")
        assert run(project, at(LAST_YEAR)).accepted == 60
    return project


def test_a_corpus_of_last_year_is_audited_and_withdrawn_under_todays_terms(
    last_years: Project,
) -> None:
    registry = last_years.folder / "teachers.yaml"
    asked = (last_years.corpus, "--on", "2026-11-22", "--registry", registry)
    ids = last_years.folder / "denied.txt"
    code, audit = stillroom("audit", *asked, "--ids", ids)
    assert code == 3
    assert (audit["records"], audit["permitted"], audit["denied"]) == (60, 30, 30)
    assert {
        (clause["document"], clause["version"], clause["teacher"], clause["records"])
        for clause in audit["by_clause"]
    } == {(name, "2024-07-23", "test/llama", 30) for name in (LICENCE, POLICY)}

    before = {p: p.read_bytes() for p in last_years.corpus.rglob("*") if p.is_file()}
    new = last_years.folder / "corpora/new"
    code, done = stillroom("withdraw", *asked, "--where", "audit", "--to", new)
    assert (code, done["records"], done["removed"]["records"]) == (0, 30, 30)
    assert before == {p: p.read_bytes() for p in last_years.corpus.rglob("*") if p.is_file()}

    removed = {row["record_id"] for row in rows(done["folder"], "rejected")}
    assert removed == set(ids.read_text().split())
    kept = rows(done["folder"])
    assert {row["provenance"]["teacher"]["route"] for row in kept} == {"test/open"}
    assert verify(new).ok
    code, again = stillroom("audit", new, *asked[1:])
    assert (code, again["denied"], again["records"]) == (0, 0, 30)


def test_on_the_day_it_was_built_nothing_was_to_withdraw(last_years: Project) -> None:
    registry = last_years.folder / "teachers.yaml"
    asked = (last_years.corpus, "--on", "2025-11-22", "--registry", registry)
    assert stillroom("audit", *asked)[0] == 0
    with pytest.raises(InputError, match="nothing to withdraw"):
        stillroom("withdraw", *asked, "--where", "audit", "--to", last_years.folder / "corpora/new")


def test_a_route_that_no_registry_knows_is_judged_by_the_documents_of_its_records(
    last_years: Project,
) -> None:
    code, audit = stillroom("audit", last_years.corpus, "--on", "2026-11-22")
    assert (code, audit["permitted"], audit["denied"]) == (3, 30, 30)
    assert {clause["status"] for clause in audit["by_clause"]} == {"unapproved"}


def test_a_refused_plan_tells_clause_document_version_and_what_a_yes_would_take(
    tmp_path: Path,
) -> None:
    with Teacher() as teacher:
        route = {"terms": ["meta/llama-2-license"]}
        project = make_project(tmp_path, teacher.endpoint, route=route, unapproved="allow")
        plan = plan_run(project.path, at(NOON))
        with pytest.raises(RefusedByTerms) as refused:
            run(project, at(NOON))
        assert teacher.count == 0
    (verdict,) = plan.verdicts
    clause = verdict.clauses[0]
    assert (clause.document, clause.status) == ("meta/llama-2-license", "prohibited")
    message = str(refused.value)
    assert "test/echo may not be asked for train_generative on 2026-11-22: prohibited" in message
    assert f"{clause.document}@{clause.version} {clause.clause} " in message
    shown = Console(record=True, file=io.StringIO(), width=400)
    print_plan(plan, shown)
    printed = shown.export_text()
    assert f"{clause.document} {clause.version} section {clause.clause} " in printed
    for text in (message, printed):
        assert clause.summary in text
        assert "For a yes: " in text


def test_an_authorisation_past_its_end_is_wrong_input(tmp_path: Path) -> None:
    with Teacher(echo) as teacher:
        project = make_project(tmp_path, teacher.endpoint, questions(2))
        registry = yaml.safe_load((tmp_path / "teachers.yaml").read_text())
        registry["authorisations"] = [
            {
                "document": LICENCE,
                "clause": "2",
                "reference": "MSA-1",
                "from": "2025-01-01",
                "to": "2026-11-21",
            }
        ]
        (tmp_path / "teachers.yaml").write_text(yaml.safe_dump(registry))
        with pytest.raises(InputError, match=r"teachers\.yaml:\d+: the authorisation is past"):
            run(project, at(NOON))
        assert run(project, at(NOON - timedelta(days=1))).accepted == 2


def test_a_reading_that_is_too_old_is_not_relied_on(tmp_path: Path) -> None:
    with Teacher() as teacher:
        project = make_project(tmp_path, teacher.endpoint, max_reading_age_days=7)
        assert plan_run(project.path, at(NOON)).permitted
        later = plan_run(project.path, at(NOON + timedelta(days=7)))
    assert [verdict.status for verdict in later.verdicts] == ["expired"]


def test_each_licence_that_the_prompts_have_gets_a_verdict(tmp_path: Path) -> None:
    with Teacher() as teacher:
        project = make_project(tmp_path, teacher.endpoint, purpose=PURPOSE)
        project.change(
            prompts=[
                {
                    "files": "prompts.jsonl",
                    "text": "q",
                    "license_field": "terms",
                    "source_field": "from",
                    "source": "here",
                }
            ]
        )
        records = [
            {"q": "one?", "terms": "MIT", "from": "there"},
            {"q": "two?", "terms": "CC-BY-4.0"},
            {"q": "three?"},
            {"q": "four?", "terms": "MIT"},
        ]
        lines = "".join(json.dumps(record) + "\n" for record in records)
        (tmp_path / "prompts.jsonl").write_text(lines)
        plan = plan_run(project.path, at(NOON))
        result = run(project, at(NOON))
    licenses = [verdict.terms[-1].document for verdict in plan.verdicts]
    assert licenses == ["MIT", "CC-BY-4.0"]
    assert (plan.prompts, plan.unread) == (3, {"no_licence": 1})
    found = {
        (row["provenance"]["prompt"]["license"], row["provenance"]["prompt"]["source"])
        for row in project.rows(result)
    }
    assert found == {("MIT", "there"), ("CC-BY-4.0", "here"), ("MIT", "here")}
    classes = {row["provenance"]["obligation_class"] for row in project.rows(result)}
    assert len(classes) == 2
