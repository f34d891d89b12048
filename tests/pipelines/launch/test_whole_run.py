"""A whole run on the local runner, against a real HTTP teacher that counts what it served."""

from __future__ import annotations

import json
import random
import shutil
import threading
from pathlib import Path
from typing import Any

import pytest

from schemas.errors import InputError, LedgerBusy, RefusedByTerms, StillroomError
from tests.gcs_server import GcsServer
from tests.pipelines.project import ROUTE, make_project, questions, write_prompts
from tests.teacher import Call, Reply, Teacher, always, answer, by_prompt, echo, failure, raw
from transforms.asking.progress import ACCESS_REFUSALS_IN_A_ROW
from transforms.auditing.verify import verify
from transforms.ledger import Ledger


def test_every_request_ends_in_exactly_one_place(tmp_path: Path) -> None:
    prompts = questions(12)
    script = by_prompt(
        {
            prompts[0]: answer("cut off", finish_reason="length"),
            prompts[1]: answer(""),
            prompts[2]: answer("again and again " * 60),
            prompts[3]: answer("other model", model="another-model"),
            prompts[4]: raw(
                b"<html>oops</html>", content_type="text/html", headers={"Retry-After": "0"}
            ),
            prompts[5]: failure(400),
        }
    )
    with Teacher(script) as teacher:
        project = make_project(tmp_path, teacher.endpoint, prompts)
        result = project.run()
    assert (result.requests, result.accepted, result.asked) == (12, 6, 10)
    assert result.rejected == {
        "length": 1,
        "empty": 1,
        "periodic_tail": 1,
        "served_model_differs": 1,
    }
    assert result.failed == {"html": 1, "http_400": 1}
    assert (result.duplicates, result.pending, result.exit_code) == (0, 0, 0)
    rejected = {row["reason"]: row for row in project.rows(result, "rejected")}
    assert rejected["length"]["completion"] == "cut off"
    assert rejected["http_400"]["stage"] == "ask"
    assert verify(project.corpus).ok


def test_a_second_run_asks_nobody_and_gives_the_same_bytes(tmp_path: Path) -> None:
    with Teacher() as teacher:
        project = make_project(tmp_path, teacher.endpoint)
        first = project.run()
        second = project.run()
        built = project.run(asks=False)
        assert teacher.count == 40
    assert (second.asked, second.from_ledger) == (0, 40)
    assert first.version == second.version == built.version
    assert project.shards(first) == project.shards(second) == project.shards(built)


def test_shuffled_prompts_more_slices_and_repeated_bundles_give_the_same_bytes(
    tmp_path: Path,
) -> None:
    prompts = questions(40)
    with Teacher(_slow_for_some) as teacher:
        project = make_project(tmp_path, teacher.endpoint, prompts)
        expected = project.shards(project.run())
        for seed, slices, options in (
            (1, 1, ()),
            (2, 3, ()),
            (3, 5, ("--direct_runner_bundle_repeat=2",)),
        ):
            other = make_project(tmp_path / str(seed), teacher.endpoint, prompts)
            _copy_ledger(project.folder, other.folder)
            random.Random(seed).shuffle(prompts)
            write_prompts(other.folder / "prompts.jsonl", prompts)
            assert other.shards(other.run(*options, slices=slices)) == expected
        assert teacher.count == 40


def _slow_for_some(call: Call) -> Reply:
    return echo(call).after(0.05 if call.number % 7 == 0 else 0)


def _copy_ledger(source: Path, target: Path) -> None:
    shutil.copytree(source / "ledger", target / "ledger")


@pytest.mark.parametrize("slices", [1, 4])
def test_repeated_bundles_ask_each_request_once(tmp_path: Path, slices: int) -> None:
    with Teacher() as teacher:
        project = make_project(tmp_path, teacher.endpoint, questions(30))
        result = project.run("--direct_runner_bundle_repeat=2", slices=slices)
        assert set(teacher.times_asked.values()) == {1}
        assert teacher.count == 30
    assert (result.asked, result.accepted) == (30, 30)


def test_samples_of_a_prompt_differ_and_stay_in_one_split(tmp_path: Path) -> None:
    with Teacher(lambda call: answer(f"{call.prompt} {call.body['seed']}")) as teacher:
        project = make_project(
            tmp_path,
            teacher.endpoint,
            teachers=[{"id": ROUTE, "samples": 3, "parameters": {"seed": 5}}],
            splits={"train": 0.5, "validation": 0.5},
        )
        result = project.run()
    rows = project.rows(result)
    assert len(rows) == 120
    assert {row["split"] for row in rows} == {"train", "validation"}
    splits: dict[str, set[str]] = {}
    for row in rows:
        splits.setdefault(row["prompt_id"], set()).add(row["split"])
    assert all(len(found) == 1 for found in splits.values())


def test_equal_answers_to_one_prompt_are_one_record(tmp_path: Path) -> None:
    with Teacher() as teacher:
        project = make_project(
            tmp_path,
            teacher.endpoint,
            questions(5),
            teachers=[{"id": ROUTE, "samples": 2, "parameters": {"seed": 5}}],
        )
        result = project.run()
    assert (result.requests, result.accepted, result.duplicates) == (10, 5, 5)
    kept = {row["record_id"]: row for row in project.rows(result)}
    for row in project.rows(result, "rejected"):
        assert row["reason"] == "exact_duplicate"
        assert kept[row["witness"]]["provenance"]["dedupe"]["size"] == 2


def test_a_record_explains_itself(tmp_path: Path) -> None:
    with Teacher() as teacher:
        project = make_project(tmp_path, teacher.endpoint, ["Why?"], system="Be brief.")
        result = project.run()
    (row,) = project.rows(result)
    provenance = row["provenance"]
    assert [turn["role"] for turn in row["messages"]] == ["system", "user", "assistant"]
    assert provenance["teacher"]["route"] == ROUTE
    assert provenance["teacher"]["host"] == "127.0.0.1"
    assert provenance["prompt"]["license"] == "CC0-1.0"
    assert provenance["decision"]["use"] == "train_generative"
    assert {terms["document"] for terms in provenance["terms"]} >= {"spdx/apache-2.0"}
    assert json.loads(provenance["request"]["parameters"]) == {"max_tokens": 50}
    assert provenance["pipeline"]["collected_run"] == result.run_id


def test_a_refused_plan_asks_nobody(tmp_path: Path) -> None:
    with Teacher() as teacher:
        route = {"terms": ["meta/llama-2-license"]}
        project = make_project(tmp_path, teacher.endpoint, route=route, unapproved="allow")
        with pytest.raises(RefusedByTerms, match="meta/llama-2-license") as refused:
            project.run()
        assert teacher.count == 0
    assert refused.value.exit_code == 3
    assert not project.corpus.exists()


def test_a_missing_key_is_told_before_anybody_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("STILLROOM_TEST_KEY", raising=False)
    with Teacher() as teacher:
        route = {"key": "env:STILLROOM_TEST_KEY"}
        project = make_project(tmp_path, teacher.endpoint, route=route)
        with pytest.raises(InputError, match="STILLROOM_TEST_KEY"):
            project.run()
        assert teacher.count == 0
        monkeypatch.setenv("STILLROOM_TEST_KEY", "k-123456789")
        assert project.run().accepted == 40
    assert teacher.calls[0].headers["authorization"] == "Bearer k-123456789"
    secret = b"k-123456789"
    kept = [path for path in tmp_path.rglob("*") if path.is_file() and secret in path.read_bytes()]
    assert kept == []


def test_a_budget_stops_the_run_and_a_larger_one_goes_on(tmp_path: Path) -> None:
    with Teacher() as teacher:
        project = make_project(tmp_path, teacher.endpoint, budget={"requests": 10})
        first = project.run("--direct_runner_bundle_repeat=2")
        assert teacher.count == 10
        assert (first.stopped, first.exit_code, first.pending) == ("budget", 4, 30)
        project.change(budget={"requests": 30})
        second = project.run()
        assert teacher.count == 40
    assert (second.asked, second.from_ledger, second.pending) == (30, 10, 0)
    assert set(teacher.times_asked.values()) == {1}


def test_withdrawn_access_stops_the_route_without_another_try(tmp_path: Path) -> None:
    def script(call: Call) -> Reply:
        return failure(403) if call.number > 10 else echo(call)

    with Teacher(script) as teacher:
        project = make_project(tmp_path, teacher.endpoint, route={"quota": {"concurrency": 2}})
        result = project.run()
        assert teacher.count <= 10 + ACCESS_REFUSALS_IN_A_ROW + 1
    assert (result.stopped, result.exit_code, result.accepted) == ("access", 5, 10)
    assert result.pending + sum(result.failed.values()) == 30


def test_a_rate_limit_that_outlasts_the_attempts_is_no_success(tmp_path: Path) -> None:
    busy = failure(429, retry_after="0")
    with Teacher(by_prompt({"Question 1?": busy})) as teacher:
        project = make_project(tmp_path, teacher.endpoint, ["Question 1?", "Question 2?"])
        result = project.run()
    assert (result.stopped, result.exit_code) == ("quota", 4)
    assert (result.accepted, result.pending) == (1, 1)
    assert "1 requests are pending" in result.stops[0]


def test_an_account_without_money_ends_the_run_with_its_reason(tmp_path: Path) -> None:
    with Teacher(always(failure(402))) as teacher:
        project = make_project(tmp_path, teacher.endpoint, ["one?", "two?"])
        result = project.run()
        url = f"{teacher.endpoint}/chat/completions"
    assert (result.stopped, result.exit_code, result.pending) == ("money", 4, 2)
    assert "the account's money is used up" in result.stops[0]
    assert [error.partition(" (")[0] for error in result.errors] == [f"{url}: http_402"]


def test_bad_prompt_records_are_kept_aside_and_the_rest_goes_on(tmp_path: Path) -> None:
    with Teacher() as teacher:
        project = make_project(tmp_path, teacher.endpoint, ["one?", "two?"])
        with (tmp_path / "prompts.jsonl").open("a") as file:
            file.write('{"q": "one?"}\n{"q": 5}\n{broken\n')
        result = project.run()
    assert result.unread == {"broken_json": 1, "duplicate_prompt": 1, "wrong_type": 1}
    assert (result.requests, result.accepted) == (2, 2)
    lines = {row["line"]: row["reason"] for row in project.rows(result, "rejected")}
    assert lines == {3: "duplicate_prompt", 4: "wrong_type", 5: "broken_json"}


def test_only_bad_prompts_are_a_mistake(tmp_path: Path) -> None:
    project = make_project(tmp_path, "http://127.0.0.1:9/v1", [])
    (tmp_path / "prompts.jsonl").write_text('{"q": ""}\n{"q": 5}\n')
    with pytest.raises(InputError, match="no prompt can be asked"):
        project.run()


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"teachers": [{"id": "test/ecco"}]}, ["run.yaml:", "'test/ecco'", "test/echo"]),
        ({"filters": [{"rule": "lenght"}]}, ["run.yaml:", "'lenght'", "length"]),
        ({"registry": "none.yaml"}, ["none.yaml", "no such file"]),
        ({"decontaminate": [{"files": "eval.jsonl", "text": "q"}]}, ["run.yaml:", "eval.jsonl"]),
    ],
    ids=["route", "rule", "registry", "evaluation-set"],
)
def test_an_unknown_name_is_told_with_its_line(
    tmp_path: Path, fields: dict[str, Any], words: list[str]
) -> None:
    project = make_project(tmp_path, "http://127.0.0.1:9/v1", **fields)
    with pytest.raises(InputError) as caught:
        project.run()
    for word in words:
        assert word in str(caught.value)


def test_a_ledger_in_use_is_told_before_anybody_is_asked(tmp_path: Path) -> None:
    with Teacher() as teacher:
        project = make_project(tmp_path, teacher.endpoint)
        with (
            Ledger(project.folder / "ledger").writer("7", "other-run"),
            pytest.raises(LedgerBusy, match="other-run"),
        ):
            project.run()
        assert teacher.count == 0


def test_a_corpus_that_cannot_be_written_is_told_before_anybody_is_asked(tmp_path: Path) -> None:
    with Teacher() as teacher:
        project = make_project(tmp_path, teacher.endpoint, corpus="prompts.jsonl/corpus")
        with pytest.raises(InputError, match="cannot be written"):
            project.run()
        assert teacher.count == 0


def test_nothing_accepted_publishes_nothing(tmp_path: Path) -> None:
    with Teacher(always(answer(""))) as teacher:
        project = make_project(tmp_path, teacher.endpoint, questions(3))
        result = project.run()
    assert (result.version, result.exit_code, result.rejected) == (None, 1, {"empty": 3})
    assert not (project.corpus / "LATEST.json").exists()


def test_the_work_folder_is_gone_afterwards_and_those_of_killed_runs_too(tmp_path: Path) -> None:
    with Teacher() as teacher:
        project = make_project(tmp_path, teacher.endpoint, questions(2))
        killed = project.corpus / ".work/20200101T000000-abcdef"
        killed.mkdir(parents=True)
        (killed / "alive").touch()
        project.run()
    assert not (project.corpus / ".work").exists()


def test_an_error_in_a_worker_comes_back_as_what_it_was(tmp_path: Path) -> None:
    with Teacher() as teacher:
        project = make_project(
            tmp_path, teacher.endpoint, decontaminate=[{"files": "eval.jsonl", "text": "q"}]
        )
        (tmp_path / "eval.jsonl").write_text('{"other": 1}\n')
        with pytest.raises(InputError, match=r"eval.jsonl:1: the evaluation item has no text"):
            project.run()


def test_other_uses_of_one_ledger_do_not_show(tmp_path: Path) -> None:
    """Answers of another run file in the same ledger are neither read nor counted."""
    with Teacher() as teacher:
        first = make_project(tmp_path / "a", teacher.endpoint, questions(5))
        first.run()
        second = make_project(
            tmp_path / "b", teacher.endpoint, ["Else?"], ledger=str(tmp_path / "a/ledger")
        )
        result = second.run()
    assert (result.requests, result.accepted, result.asked) == (1, 1, 1)


def test_a_ledger_in_a_bucket_serves_as_a_folder_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with GcsServer() as bucket, Teacher() as teacher:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", bucket.endpoint)
        project = make_project(
            tmp_path, teacher.endpoint, questions(8), ledger="gs://bucket/ledger"
        )
        first = project.run()
        second = project.run()
        assert teacher.count == 8
        assert sum(name.endswith("/answer.json") for name in bucket.names()) == 8
    assert (second.asked, second.from_ledger) == (0, 8)
    assert project.shards(first) == project.shards(second)


def test_a_ledger_in_a_bucket_is_read_side_by_side(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two answers wait for each other: read one by one, they would wait for ever."""
    both = threading.Barrier(2, timeout=20)
    with GcsServer() as bucket, Teacher() as teacher:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", bucket.endpoint)
        project = make_project(
            tmp_path, teacher.endpoint, questions(8), ledger="gs://bucket/ledger"
        )
        first = project.run()
        for _ in range(2):
            bucket.before("GET", "answer.json", both.wait)
        built = project.run(asks=False)
    assert project.shards(first) == project.shards(built)
    assert not both.broken


def test_a_run_that_does_not_balance_is_red(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Prompts that change between plan and pipeline are noticed, and nothing is published."""
    from pipelines import launch as launching

    with Teacher() as teacher:
        project = make_project(tmp_path, teacher.endpoint, questions(3))
        ready = launching.get_ready(project.path, slices=1, asks=True)
        write_prompts(tmp_path / "prompts.jsonl", questions(4))
        monkeypatch.setattr(launching, "get_ready", lambda *_, **__: ready)
        with pytest.raises(StillroomError, match="does not balance"):
            project.run()
    assert not (project.corpus / "LATEST.json").exists()
