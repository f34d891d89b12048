"""The command line: what it prints, and the exit codes that it ends with."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.pipelines.project import ROUTE, make_project, questions
from tests.teacher import Teacher

_PLAN = {
    "verdicts",
    "prompts",
    "requests",
    "in_ledger",
    "to_ask",
    "prompt_tokens",
    "max_completion_tokens",
    "usd_max",
    "seconds_min",
}
_RUN = {
    "run_id",
    "version",
    "corpus",
    "requests",
    "asked",
    "from_ledger",
    "accepted",
    "rejected",
    "duplicates",
    "failed",
    "pending",
    "usd",
    "spend",
    "prompt_tokens",
    "completion_tokens",
    "seconds",
    "stopped",
}


def _stillroom(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "stillroom", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)


def _json(*arguments: str | Path) -> dict[str, Any]:
    done = _stillroom(*arguments, "--json")
    value: dict[str, Any] = json.loads(done.stdout)
    return value


def test_plan_run_verify_explain_and_build(tmp_path: Path) -> None:
    with Teacher() as teacher:
        project = make_project(
            tmp_path,
            teacher.endpoint,
            questions(5),
            route={
                "price": {"input_usd_per_million": 1, "output_usd_per_million": 2},
                "quota": {"requests_per_minute": 600},
            },
        )
        plan = _json("plan", project.path)
        assert teacher.count == 0
        result = _json("run", project.path)
        assert teacher.count == 5
    assert plan.keys() >= _PLAN
    assert (plan["prompts"], plan["requests"], plan["to_ask"]) == (5, 5, 5)
    assert plan["verdicts"][0]["teacher"] == ROUTE
    assert plan["verdicts"][0]["decision"] == "permit"
    assert plan["usd_max"] == (plan["prompt_tokens"] + 2 * plan["max_completion_tokens"]) / 1e6
    assert plan["seconds_min"] == 0.5
    assert result.keys() >= _RUN
    assert (result["accepted"], result["stopped"]) == (5, None)
    assert result["usd"] > 0
    assert _json("plan", project.path)["in_ledger"] == 5
    assert _json("build", project.path)["version"] == result["version"]
    assert _json("verify", project.corpus) == {
        "ok": True,
        "version": result["version"],
        "records": 5,
        "shards": 1,
        "problems": [],
    }
    (shard,) = Path(result["folder"]).rglob("*.parquet")
    import pyarrow.parquet as pq

    record_id = pq.read_table(shard)["record_id"][0].as_py()
    story = _stillroom("explain", project.corpus, record_id[:12])
    assert story.returncode == 0
    assert record_id in story.stdout
    assert ROUTE in story.stdout


def test_one_changed_byte_does_not_verify(tmp_path: Path) -> None:
    with Teacher() as teacher:
        project = make_project(tmp_path, teacher.endpoint, questions(5))
        result = project.run()
    (shard,) = Path(str(result.folder)).rglob("*.parquet")
    content = bytearray(shard.read_bytes())
    content[len(content) // 2] ^= 1
    shard.write_bytes(content)
    done = _stillroom("verify", project.corpus)
    assert done.returncode == 1
    assert shard.name in done.stdout


def test_a_mistake_ends_with_exit_code_2_and_no_traceback(tmp_path: Path) -> None:
    project = make_project(tmp_path, "http://127.0.0.1:9/v1", teachers=[{"id": "test/ecco"}])
    for command in ("plan", "run", "build"):
        done = _stillroom(command, project.path)
        assert done.returncode == 2
        assert "run.yaml:" in done.stderr
        assert "did you mean 'test/echo'" in done.stderr
        assert "Traceback" not in done.stderr


def test_a_refusal_ends_with_exit_code_3_and_names_the_clause(tmp_path: Path) -> None:
    route = {"terms": ["meta/llama-2-license"]}
    project = make_project(tmp_path, "http://127.0.0.1:9/v1", route=route, unapproved="allow")
    for command in ("plan", "run"):
        done = _stillroom(command, project.path)
        assert done.returncode == 3
        assert "meta/llama-2-license" in done.stdout + done.stderr
        assert "prohibited" in done.stdout + done.stderr


def test_commands_that_need_no_beam_do_not_import_it(tmp_path: Path) -> None:
    project = make_project(tmp_path, "http://127.0.0.1:9/v1", questions(2))
    for arguments in (["--help"], ["plan", str(project.path)], ["verify", str(tmp_path)]):
        code = (
            "import sys; from pipelines.cli import app\n"
            f"sys.argv[1:] = {arguments!r}\n"
            "try: app()\n"
            "except BaseException: pass\n"
            "assert 'apache_beam' not in sys.modules"
        )
        subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, timeout=60)


def test_unknown_beam_options_are_left_to_beam_and_unknown_flags_are_not(tmp_path: Path) -> None:
    project = make_project(tmp_path, "http://127.0.0.1:9/v1")
    done = _stillroom("run", project.path, "--no-such-flag")
    assert done.returncode == 2
    assert "no-such-flag" in done.stderr


@pytest.mark.parametrize("flags", [(), ("--json",)], ids=["text", "json"])
def test_damage_in_the_ledger_stops_a_run_until_its_loss_is_accepted(
    tmp_path: Path, flags: tuple[str, ...]
) -> None:
    with Teacher() as teacher:
        project = make_project(tmp_path, teacher.endpoint, questions(5))
        project.run()
        (segment,) = (tmp_path / "ledger/segments").glob("*.jsonl")
        content = bytearray(segment.read_bytes())
        content[len(content) // 2] ^= 1
        segment.write_bytes(content)
        for index in (tmp_path / "ledger").rglob("*.idx"):
            index.unlink()
        refused = _stillroom("run", project.path, *flags)
        assert teacher.count == 5
        done = _stillroom("run", project.path, "--accept-loss", *flags)
        assert teacher.count == 6
        again = _stillroom("run", project.path, *flags)
        assert teacher.count == 6
    damage = rf"{segment}: damaged: \d+ bytes from byte \d+ are not read"
    assert refused.returncode == 2
    assert re.search(damage, refused.stderr)
    assert "--accept-loss" in refused.stderr
    assert (done.returncode, again.returncode) == (0, 0)
    # Between them there may be lines of progress.
    (warning,) = [line for line in done.stderr.splitlines() if line.startswith("warning")]
    assert re.fullmatch(f"warning: accepted as lost: {damage}", warning)
    assert "are not read" not in done.stdout + again.stderr


def test_a_misspelt_competitor_ends_the_plan_with_its_line(tmp_path: Path) -> None:
    with Teacher() as teacher:
        project = make_project(tmp_path, teacher.endpoint, questions(1))
        student = {"distribution": "internal", "competes_with": ["mistral", "openia"]}
        project.change(purpose={"use": "train_generative", "student": student})
        done = _stillroom("plan", project.path)
    assert done.returncode == 2
    assert "competes_with: the catalogue has no such provider (found 'openia'" in done.stderr
    assert "did you mean 'openai'" in done.stderr
    assert f"{project.path}:" in done.stderr
