"""A run against earlier corpora, from the run file to the published corpus."""

from __future__ import annotations

import json
import random
import shutil
from io import StringIO
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from rich.console import Console
from typer.testing import CliRunner

from pipelines import launch as launching
from pipelines.cli import app
from pipelines.planning.plan_run import plan_run
from pipelines.results import Result
from schemas.errors import InputError
from tests.pipelines.project import Project, make_project, write_prompts
from tests.teacher import Call, Reply, Teacher, answer
from transforms.auditing.explain import explain
from transforms.auditing.verify import verify
from transforms.corpus.read import open_corpus

NEAR = {"threshold": 0.8}


def prompts(*families: str, windows: range = range(1)) -> list[str]:
    """Returns prompts that name what `lecture` answers: a family, and how far into it."""
    return [f"{family} {window}" for family in families for window in windows]


def lecture(call: Call) -> Reply:
    """Answers with 60 words of a family: two answers a window apart are 0.87 alike, two 0.75."""
    family, window = call.prompt.split()
    start = 4 * int(window)
    return answer(" ".join(f"{family}{place}" for place in range(start, start + 60)))


def _against(project: Project, *folders: Path | str, near: bool = True) -> None:
    dedupe: dict[str, Any] = {"against": [str(folder) for folder in folders]}
    project.change(dedupe=dedupe | ({"near": NEAR} if near else {}))


def _ids(project: Project, result: Result) -> set[str]:
    return {row["record_id"] for row in project.rows(result)}


def _manifest(result: Result) -> dict[str, Any]:
    manifest: dict[str, Any] = json.loads(Path(result.folder or "", "manifest.json").read_text())
    return manifest


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a project with a published corpus of three records, `a`, `b` and `c`."""
    folder = tmp_path_factory.mktemp("template") / "old"
    with Teacher(lecture) as teacher:
        make_project(folder, teacher.endpoint, prompts("a", "b", "c"), name="old").run()
    return folder


@pytest.fixture
def old(template: Path, tmp_path: Path) -> Project:
    """A copy of it, with its corpus."""
    return Project(shutil.copytree(template, tmp_path / "old") / "run.yaml")


def test_a_record_like_one_of_an_earlier_corpus_goes_and_says_which(
    old: Project, tmp_path: Path
) -> None:
    with Teacher(lecture) as teacher:
        project = make_project(tmp_path / "new", teacher.endpoint, [*prompts("b", "d"), "a 1"])
        _against(project, "../old/corpora/test")
        result = project.run()
    version = open_corpus(old.corpus).manifest.version
    known = pq.read_table(old.corpus / version / "data")["record_id"].to_pylist()
    assert (result.accepted, result.duplicates) == (1, 2)
    rows = {row["reason"]: row for row in project.rows(result, "rejected")}
    for reason, similarity in (("exact_duplicate", 1.0), ("near_duplicate", 52 / 60)):
        row = rows[reason]
        assert row["witness"] in known
        assert row["similarity"] == similarity
        assert row["detail"] == f"duplicates {row['witness']} of old version {version}"
    (compared,) = _manifest(result)["against"]
    assert (compared["name"], compared["version"], compared["own"]) == ("old", version, False)
    assert verify(project.corpus).ok
    story = explain(project.corpus, rows["near_duplicate"]["record_id"])
    assert ("found", rows["near_duplicate"]["detail"]) in story.sections[0].facts


def test_exact_duplicates_are_found_without_near_ones(old: Project, tmp_path: Path) -> None:
    with Teacher(lecture) as teacher:
        project = make_project(tmp_path / "new", teacher.endpoint, [*prompts("b", "d"), "a 1"])
        _against(project, old.corpus / open_corpus(old.corpus).manifest.version, near=False)
        result = project.run()
    assert (result.accepted, result.duplicates) == (2, 1)


def test_neither_order_nor_slices_change_a_byte(old: Project, tmp_path: Path) -> None:
    asked = prompts("a", "d", "e", windows=range(6))
    with Teacher(lecture) as teacher:
        first = make_project(tmp_path / "first", teacher.endpoint, asked)
        _against(first, "../old/corpora/test")
        expected = first.shards(first.run())
        for seed in range(5):
            other = Project(tmp_path / str(seed) / "run.yaml")
            shutil.copytree(first.folder, other.folder, ignore=shutil.ignore_patterns("corpora"))
            random.Random(seed).shuffle(asked)
            write_prompts(other.folder / "prompts.jsonl", asked)
            assert other.shards(other.run(slices=3 if seed % 2 else 1)) == expected
        assert teacher.count == len(asked)


def test_a_corpus_grows_against_its_own_last_version(tmp_path: Path) -> None:
    """What was published stays, whatever new ids come; new records are held to it."""
    with Teacher(lecture) as teacher:
        project = make_project(tmp_path, teacher.endpoint, prompts("a", "b", "c", "d"))
        _against(project, "corpora/test")
        first = project.run()
        assert _manifest(first)["against"] == []
        more = prompts("a", "b", "c", "d", windows=range(2)) + prompts("e", "f")
        write_prompts(tmp_path / "prompts.jsonl", more)
        second = project.run()
        again = project.run()
        built = project.run(asks=False)
    assert (first.accepted, second.accepted, second.duplicates) == (4, 6, 4)
    assert _ids(project, first) < _ids(project, second)
    kept = {row["record_id"]: row for row in project.rows(second)}
    for row in project.rows(second, "rejected"):
        assert row["detail"] == f"duplicates {row['witness']}"
        assert row["witness"] in _ids(project, first)
        assert kept[row["witness"]]["provenance"]["dedupe"]["size"] == 2
    assert _manifest(second)["against"][0]["version"] == first.version
    assert _manifest(second)["against"][0]["own"]
    assert second.version == again.version == built.version != first.version
    assert verify(project.corpus).ok


def test_records_of_an_own_version_that_the_run_no_longer_makes_still_go_first(
    tmp_path: Path,
) -> None:
    with Teacher(lecture) as teacher:
        project = make_project(tmp_path, teacher.endpoint, prompts("a", "b"))
        _against(project, "corpora/test")
        first = project.run()
        write_prompts(tmp_path / "prompts.jsonl", ["a 1", "c 0"])
        second = project.run()
    (row,) = project.rows(second, "rejected")
    assert row["witness"] in _ids(project, first)
    assert row["detail"].endswith(f" of test version {first.version}")
    assert verify(project.corpus).ok


def test_what_is_published_after_the_launch_changes_nothing(
    old: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Teacher(lecture) as teacher:
        project = make_project(tmp_path / "new", teacher.endpoint, prompts("a", "d"))
        _against(project, old.corpus)
        ready = launching.get_ready(project.path, slices=1, asks=True)
        version = open_corpus(old.corpus).manifest.version
        monkeypatch.setattr(launching, "get_ready", lambda *_, **__: ready)
        (old.corpus / "LATEST.json").write_text("{}")
        result = project.run()
    assert result.duplicates == 1
    assert _manifest(result)["against"][0]["version"] == version


def test_a_missing_index_is_made_and_told_once(old: Project, tmp_path: Path) -> None:
    with Teacher(lecture) as teacher:
        project = make_project(tmp_path / "new", teacher.endpoint, prompts("a", "d"))
        _against(project, old.corpus)
        out = StringIO()
        console = Console(file=out, width=500)
        launching.launch(project.path, [], slices=1, asks=True, console=console)
        assert f"making the index of {old.corpus}" in out.getvalue()
        messages: list[str] = []
        launching.get_ready(project.path, slices=1, asks=True, notify=messages.append)
    assert messages == []


def test_an_index_that_does_not_fit_is_refused_before_anybody_is_asked(
    old: Project, tmp_path: Path
) -> None:
    made = CliRunner().invoke(app, ["index", str(old.corpus), "--json"], catch_exceptions=False)
    index_made = json.loads(made.stdout)
    assert (index_made["made"], index_made["records"], index_made["unit"]) == (
        True,
        3,
        "completion",
    )
    index = Path(index_made["folder"], "index.json")
    index.write_text(index.read_text().replace('"bands": 20', '"bands": 16'))
    with Teacher(lecture) as teacher:
        project = make_project(tmp_path / "new", teacher.endpoint, prompts("a", "d"))
        _against(project, old.corpus)
        with pytest.raises(InputError, match=r"bands differs \(found 16; expected 20\)") as refused:
            project.run()
        assert teacher.count == 0
        assert '"bands": 16' in index.read_text()
        remedy = str(refused.value).split("stillroom ")[-1].split()
        again = CliRunner().invoke(app, remedy, catch_exceptions=False)
        assert again.exit_code == 0
        assert "made" in again.stdout
        assert project.run().duplicates == 1
    there = CliRunner().invoke(app, ["index", str(old.corpus)], catch_exceptions=False)
    assert "exists and is complete" in there.stdout


@pytest.mark.parametrize(
    ("against", "words"),
    [
        (["none"], ["there is no corpus here", "/none", "LATEST.json"]),
        (["gs://bucket/corpus"], ["only folders", "gs://bucket/corpus"]),
        (["../old/corpora/test", "../old/corpora/test"], ["named twice", "../old/corpora/test"]),
    ],
    ids=["missing", "address", "twice"],
)
def test_a_corpus_that_cannot_be_compared_with_is_told_with_its_line(
    old: Project, tmp_path: Path, against: list[str], words: list[str]
) -> None:
    with Teacher(lecture) as teacher:
        project = make_project(tmp_path / "new", teacher.endpoint, prompts("a"))
        _against(project, *against)
        with pytest.raises(InputError) as refused:
            plan_run(project.path)
        with pytest.raises(InputError):
            project.run()
        assert teacher.count == 0
    lines = project.path.read_text().splitlines()
    place = max(place for place, line in enumerate(lines, 1) if against[-1] in line)
    for word in ["dedupe.against", f"run.yaml:{place}:", *words]:
        assert word in str(refused.value)


def test_a_plan_makes_no_index(old: Project, tmp_path: Path) -> None:
    with Teacher(lecture) as teacher:
        project = make_project(tmp_path / "new", teacher.endpoint, prompts("a"))
        _against(project, old.corpus)
        assert plan_run(project.path).permitted
    assert not (old.corpus / ".index").exists()


def test_a_duplicate_of_a_version_that_is_not_listed_does_not_verify(
    old: Project, tmp_path: Path
) -> None:
    with Teacher(lecture) as teacher:
        project = make_project(tmp_path / "new", teacher.endpoint, prompts("a", "d"))
        _against(project, old.corpus)
        result = project.run()
    path = Path(result.folder or "", "manifest.json")
    path.write_text(json.dumps(_manifest(result) | {"against": []}))
    problems = [problem.what for problem in verify(path).problems]
    assert any(what.startswith("the digest of its content is") for what in problems)
    assert any("that the manifest lists under `against`" in what for what in problems)
