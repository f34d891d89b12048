"""Runs that share a quota through Redis, from the registry to the corpus."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from schemas.errors import InputError
from tests.pipelines.project import Project, make_project, questions
from tests.redis_server import RedisServer
from tests.teacher import Call, Reply, Teacher, echo

PASSWORD = "correct-horse"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[RedisServer]:
    with RedisServer(PASSWORD) as server:
        monkeypatch.setenv("LIMITER", server.url)
        yield server


def project(folder: Path, teacher: Teacher, prompts: int = 40, **quota: Any) -> Project:
    """Makes a project whose registry names the limiter."""
    made = make_project(folder, teacher.endpoint, questions(prompts), route={"quota": quota})
    registry = made.folder / "teachers.yaml"
    data = yaml.safe_load(registry.read_text()) | {"limiter": {"redis": "env:LIMITER"}}
    registry.write_text(yaml.safe_dump(data))
    return made


def test_slices_and_runs_together_keep_to_one_quota(tmp_path: Path, server: RedisServer) -> None:
    quota = {"requests_per_day": 30, "concurrency": 6}
    with Teacher() as teacher:
        first = project(tmp_path / "a", teacher, **quota).run(slices=3)
        other = project(tmp_path / "b", teacher, **quota).run()
        assert teacher.count == 30
    assert (first.asked, first.pending, first.stopped, first.exit_code) == (30, 10, "quota", 4)
    assert (other.asked, other.pending, other.stopped) == (0, 40, "quota")


def test_a_limiter_changes_no_byte_and_leaves_its_password_nowhere(
    tmp_path: Path, server: RedisServer
) -> None:
    with Teacher() as teacher:
        made = project(tmp_path, teacher, requests_per_minute=60_000)
        shards = made.shards(made.run(slices=3))
        registry = made.folder / "teachers.yaml"
        routes = {"routes": yaml.safe_load(registry.read_text())["routes"]}
        registry.write_text(yaml.safe_dump(routes))
        assert made.shards(made.run()) == shards
    kept = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert kept
    assert not any(PASSWORD.encode() in path.read_bytes() for path in kept)


def test_a_limiter_that_refuses_us_stops_a_run_before_anybody_is_asked(
    tmp_path: Path, server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LIMITER", server.url.replace(PASSWORD, "battery-staple"))
    with Teacher() as teacher:
        made = project(tmp_path, teacher, requests_per_minute=60_000)
        with pytest.raises(InputError, match=r"teachers\.yaml:2: the limiter cannot be used") as e:
            made.run()
        assert teacher.count == 0
        assert "battery-staple" not in str(e.value)
        made.run(asks=False)  # building sends nothing, so it needs no limiter


def test_a_limiter_lost_in_mid_run_leaves_the_rest_pending(
    tmp_path: Path, server: RedisServer
) -> None:
    def script(call: Call) -> Reply:
        if teacher.count == 10:
            server.kill()
        return echo(call)

    with Teacher(script) as teacher:
        made = project(tmp_path, teacher, requests_per_minute=60_000, concurrency=4)
        result = made.run()
        asked = teacher.count
        assert 10 <= asked <= 14
        assert (result.asked, result.pending) == (asked, 40 - asked)
        assert (result.stopped, result.exit_code) == ("quota", 4)
        teacher.script = echo
        server.start()
        again = made.run()
        assert set(teacher.times_asked.values()) == {1}
    assert (again.from_ledger, again.accepted, again.exit_code) == (asked, 40, 0)
