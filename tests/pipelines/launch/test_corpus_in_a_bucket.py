"""A corpus that is published to a bucket holds the same bytes as one in a folder."""

from __future__ import annotations

import io
import json
import random
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

import stillroom
from schemas.errors import InputError, StillroomError
from tests.gcs_server import GcsServer
from tests.pipelines.project import Project, make_project, questions
from tests.teacher import Teacher
from transforms.work import work_folder

CORPUS = "gs://bucket/corpora/test"
_PREFIX = "corpora/test/"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[GcsServer]:
    with GcsServer() as server:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", server.endpoint)
        yield server


def _in_bucket(server: GcsServer, version: str | None) -> dict[str, bytes]:
    """Returns the shards of a version, by their path in it."""
    prefix = f"{_PREFIX}{version}/"
    return {
        name.removeprefix(prefix): server.objects["bucket", name].data
        for name in server.names(prefix=prefix)
        if name.endswith(".parquet")
    }


def _rows(server: GcsServer, version: str | None) -> list[dict[str, Any]]:
    shards = _in_bucket(server, version)
    (shard,) = [data for name, data in shards.items() if name.startswith("data/")]
    rows: list[dict[str, Any]] = pq.read_table(io.BytesIO(shard)).to_pylist()
    return rows


def _texts(rows: list[dict[str, Any]]) -> list[str]:
    return sorted(str(row["messages"]) for row in rows)


def _run(project: Project, corpus: str) -> Any:
    project.change(corpus=corpus)
    return project.run()


def _stillroom(*arguments: object) -> subprocess.CompletedProcess[str]:
    program = Path(sys.executable).with_name("stillroom")
    return subprocess.run([program, *map(str, arguments)], capture_output=True, text=True)


def test_a_bucket_gets_the_shards_that_a_folder_gets(server: GcsServer, tmp_path: Path) -> None:
    with Teacher() as teacher:
        project = make_project(tmp_path, teacher.endpoint, questions(20), ledger="gs://bucket/led")
        local = project.run()
        remote = _run(project, CORPUS)
        again = _run(project, CORPUS)
        assert teacher.count == 20
    assert (remote.asked, remote.version) == (0, again.version)
    assert remote.folder == stillroom.latest(CORPUS) == f"{CORPUS}/{remote.version}"
    # Both name the run file, so its digest is all that may differ.
    assert _texts(_rows(server, remote.version)) == _texts(project.rows(local))
    names = [path.rsplit("-", 1)[0] for path in project.shards(local)]
    assert [path.rsplit("-", 1)[0] for path in _in_bucket(server, remote.version)] == names
    texts = server.names(prefix=f"{_PREFIX}{remote.version}/")
    assert {"README.md", "croissant.json", "manifest.json", "report.html"} <= {
        name.rsplit("/", 1)[1] for name in texts
    }
    assert stillroom.verify(CORPUS).ok


def test_every_command_reads_a_corpus_in_a_bucket(server: GcsServer, tmp_path: Path) -> None:
    with Teacher() as teacher:
        project = make_project(tmp_path, teacher.endpoint, questions(4))
        result = _run(project, CORPUS)
    one = _rows(server, result.version)[0]["record_id"]
    registry = ("--registry", tmp_path / "teachers.yaml")
    for arguments in (
        ("verify", CORPUS),
        ("verify", result.folder),
        ("explain", CORPUS, one[:12]),
        ("audit", CORPUS, *registry),
        ("report", CORPUS),
    ):
        done = _stillroom(*arguments)
        assert (done.returncode, done.stderr) == (0, ""), arguments
    assert done.stdout == f"{result.folder}/report.html\n"

    (tmp_path / "ids").write_text(f"{one}\n")
    where = f"records={tmp_path / 'ids'}"
    done = _stillroom("withdraw", CORPUS, "--where", where, "--to", CORPUS, "--json")
    withdrawn = json.loads(done.stdout)
    assert (withdrawn["records"], withdrawn["parent"]) == (3, result.version)
    assert stillroom.latest(CORPUS) == withdrawn["folder"]
    assert stillroom.verify(CORPUS).ok
    assert server.names(prefix=f"{_PREFIX}{result.version}/")  # no published version changes


def test_a_changed_object_does_not_verify(server: GcsServer, tmp_path: Path) -> None:
    with Teacher() as teacher:
        project = make_project(tmp_path, teacher.endpoint, questions(4))
        result = _run(project, CORPUS)
        (name,) = server.names(prefix=f"{_PREFIX}{result.version}/data/")
        server.put(name, server.objects["bucket", name].data[:-1])
        assert not stillroom.verify(CORPUS).ok
        with pytest.raises(StillroomError, match="differs from the published file"):
            project.run()


def test_a_failure_at_any_request_leaves_the_current_version_and_is_mended_by_the_next_run(
    server: GcsServer, tmp_path: Path
) -> None:
    with Teacher() as teacher:
        project = make_project(tmp_path, teacher.endpoint, questions(4))
        first = _run(project, CORPUS)
        project.change(filters=[{"rule": "length", "min_words": 1}])
        writes = ("manifest.json", "README.md", "report.html", "LATEST.json", "data/")
        for number, part in enumerate(random.Random(1).sample(writes, len(writes))):
            server.fail("POST", part, status=403, after=number % 2 == 0)
            with pytest.raises(StillroomError):
                project.run()
            if part != "LATEST.json":
                assert stillroom.latest(CORPUS) == first.folder
            server.faults.clear()
        second = project.run()
    assert second.version != first.version
    assert stillroom.latest(CORPUS) == second.folder
    assert stillroom.verify(CORPUS).ok
    assert stillroom.verify(str(first.folder)).ok


def test_another_publisher_meanwhile_is_not_overwritten(server: GcsServer, tmp_path: Path) -> None:
    with Teacher() as teacher:
        project = make_project(tmp_path, teacher.endpoint, questions(4))
        first = _run(project, CORPUS)
        pointer = server.objects["bucket", f"{_PREFIX}LATEST.json"].data
        project.change(filters=[{"rule": "length", "min_words": 1}])
        server.before("POST", "report.html", lambda: server.put(f"{_PREFIX}LATEST.json", pointer))
        with pytest.raises(StillroomError, match="another run published"):
            project.run()
        assert stillroom.latest(CORPUS) == first.folder
        assert project.run().folder == stillroom.latest(CORPUS) != first.folder


def test_a_bucket_that_cannot_be_used_is_an_error_before_anything_is_asked(
    server: GcsServer, tmp_path: Path
) -> None:
    with Teacher() as teacher:
        project = make_project(tmp_path, teacher.endpoint, questions(4))
        for verb in ("POST", "GET", "DELETE"):
            server.fail(verb, "corpora", status=403)
            with pytest.raises(InputError, match="the corpus cannot be used"):
                _run(project, CORPUS)
            server.faults.clear()
        with pytest.raises(InputError, match="the corpus cannot be used"):
            _run(project, "gs://missing/corpus")
        assert teacher.count == 0


@pytest.mark.parametrize("address", ["gs://bucket", "gs:///x", "s3://bucket/corpus"])
def test_an_address_that_is_no_folder_in_a_bucket_is_a_mistake_in_its_line(
    address: str, tmp_path: Path
) -> None:
    project = make_project(tmp_path, "http://127.0.0.1:9/v1")
    with pytest.raises(InputError, match=r"run\.yaml:\d+: corpus: the address cannot be used"):
        _run(project, address)


def test_nothing_is_left_on_this_machine(
    server: GcsServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    with Teacher() as teacher:
        project = make_project(tmp_path / "project", teacher.endpoint, questions(4))
        _run(project, CORPUS)
    stillroom.verify(CORPUS)
    assert list((tmp_path / "tmp").rglob("*")) == []


def test_workers_elsewhere_are_refused_before_anything_is_asked(
    server: GcsServer, tmp_path: Path
) -> None:
    with Teacher() as teacher:
        project = make_project(tmp_path, teacher.endpoint, questions(4), corpus=CORPUS)
        with pytest.raises(InputError, match="workers on other machines"):
            project.run("--runner=FlinkRunner")
        assert (teacher.count, server.names(prefix=_PREFIX)) == (0, [])


def test_a_corpus_of_another_name_is_not_published_onto_unless_told(
    server: GcsServer, tmp_path: Path
) -> None:
    with Teacher() as teacher:
        project = make_project(tmp_path, teacher.endpoint, questions(2))
        for corpus in (CORPUS, str(tmp_path / "corpus")):
            project.change(name="test", corpus=corpus)
            first = project.run()
            project.change(name="other")
            with pytest.raises(InputError, match="belongs to another run"):
                project.run()
            with pytest.raises(InputError, match="--take-over"):
                stillroom.build(project.path)
            assert stillroom.latest(corpus) == first.folder
            taken = stillroom.build(project.path, take_over=True)
            assert stillroom.latest(corpus) == taken.folder != first.folder
        assert teacher.count == 2


def test_old_versions_are_pruned(server: GcsServer, tmp_path: Path) -> None:
    with Teacher() as teacher:
        project = make_project(tmp_path, teacher.endpoint, questions(3), corpus=CORPUS)
        first = project.run()
        project.change(filters=[{"rule": "length", "min_words": 1}])
        second = project.run()
    done = _stillroom("prune", CORPUS, "--keep", 1, "--json")
    assert json.loads(done.stdout) == {"removed": [first.version], "dry_run": False}
    assert stillroom.latest(CORPUS) == second.folder
    assert not server.names(prefix=f"{_PREFIX}{first.version}/")


def test_a_slash_at_the_end_of_the_address_names_the_same_corpus(
    server: GcsServer, tmp_path: Path
) -> None:
    with Teacher() as teacher:
        project = make_project(tmp_path, teacher.endpoint, questions(2), corpus=f"{CORPUS}/")
        result = project.run()
    assert result.folder == f"{CORPUS}/{result.version}" == stillroom.latest(f"{CORPUS}/")
    assert server.names(prefix=_PREFIX) == server.names(prefix="corpora/")
    assert not [name for name in server.names() if "//" in name]
    assert stillroom.verify(f"{CORPUS}/").ok


def test_a_reader_gets_one_version_while_another_is_published(
    server: GcsServer, tmp_path: Path
) -> None:
    with Teacher() as teacher:
        project = make_project(tmp_path, teacher.endpoint, questions(2), corpus=CORPUS)
        first = project.run()
        old = server.objects["bucket", f"{_PREFIX}LATEST.json"].data
        project.change(filters=[{"rule": "length", "min_words": 1}])
        new = project.run()
    pointer = server.objects["bucket", f"{_PREFIX}LATEST.json"].data
    server.put(f"{_PREFIX}LATEST.json", old)
    server.before("GET", f"{first.version}/", lambda: server.put(f"{_PREFIX}LATEST.json", pointer))
    assert stillroom.verify(CORPUS).version == first.version
    assert stillroom.verify(CORPUS).version == new.version


def test_work_files_are_kept_from_other_users(
    server: GcsServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    folder = work_folder(CORPUS, "run-1").parent
    assert folder.stat().st_mode & 0o777 == 0o700
    folder.chmod(0o777)
    with pytest.raises(StillroomError, match="other users can write there"):
        work_folder(CORPUS, "run-1")
    folder.rmdir()
    folder.symlink_to(tmp_path)
    with pytest.raises(StillroomError, match="other users can write there"):
        work_folder(CORPUS, "run-1")
