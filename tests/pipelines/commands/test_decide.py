"""`stillroom decide`: what it prints, and how it ends."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from typer.testing import CliRunner, Result

from pipelines.commands import decide as decide_command
from schemas.errors import InputError
from transforms.guard.catalogue import load_catalogue

LLAMA = "self-hosted/llama-3.1-70b-instruct"
LLAMA_DECLARED = (
    "--use", "train_generative",
    "--student-name", "tutor",
    "--student-distribution", "released",
    "--student-license", "Apache-2.0",
    "--competes-with", "none",
    "--organisation", "Example Ltd",
    "--commercial",
    "--domicile", "DE",
    "--monthly-active-users", "12000",
    "--annual-revenue-usd", "4000000",
    "--corpus-distribution", "internal",
    "--on", "2026-11-22",
)  # fmt: skip


def stillroom(*arguments: object, stdin: str | None = None) -> Result:
    app = typer.Typer()
    decide_command.register(app)
    texts = [str(argument) for argument in arguments]
    return CliRunner().invoke(app, texts, input=stdin, catch_exceptions=False)


def decide(*arguments: object) -> tuple[int, dict[str, Any]]:
    done = stillroom(*arguments, "--json")
    return done.exit_code, json.loads(done.stdout)


def test_a_permit_ends_with_0_and_tells_the_duties() -> None:
    code, verdict = decide(LLAMA, *LLAMA_DECLARED, "--unapproved", "allow")
    assert (code, verdict["decision"], verdict["status"]) == (0, "permit", "permitted_if")
    assert [(duty["kind"], duty["text"]) for duty in verdict["duties"]] == [
        ("name_prefix", "Llama")
    ]
    assert verdict["on"] == "2026-11-22"


def test_a_no_ends_with_3_and_names_clause_document_and_version() -> None:
    code, verdict = decide("openai-api/gpt", "--use", "train_generative")
    assert (code, verdict["decision"], verdict["status"]) == (3, "deny", "prohibited")
    clause = verdict["clauses"][0]
    assert clause["document"] == "openai/services-agreement"
    assert clause["version"]
    assert clause["clause"]
    assert "For a yes: " in clause["summary"]
    assert verdict["duties"] == []
    shown = stillroom("openai-api/gpt", "--use", "train_generative")
    assert shown.exit_code == 3
    for text in ("deny", clause["document"], clause["version"], clause["clause"]):
        assert text in shown.stdout


@pytest.mark.parametrize(
    ("declared", "decision"),
    [((), "deny"), (("openai",), "deny"), (("mistral", "cohere"), "permit"), (("none",), "permit")],
    ids=["undeclared", "with-it", "with-others", "with-nobody"],
)
def test_whom_the_student_competes_with_is_asked(declared: tuple[str, ...], decision: str) -> None:
    flags = [flag for name in declared for flag in ("--competes-with", name)]
    _, verdict = decide(
        "openai-api/gpt", "--use", "train_generative", "--unapproved", "allow", *flags
    )
    assert verdict["decision"] == decision


@pytest.mark.parametrize(
    ("flags", "status"),
    [
        (("--unapproved", "deny"), "unapproved"),
        (("--unapproved", "allow", "--monthly-active-users", "800000000"), "needs_authorisation"),
        (("--unapproved", "allow", "--prompt-license", "CC-BY-NC-4.0"), "prohibited"),
        (("--unapproved", "allow", "--max-age-days", "0", "--on", "2026-12-01"), "expired"),
        (("--unapproved", "allow", "--on", "2024-01-01"), "not_in_force"),
    ],
)
def test_each_flag_makes_a_difference(flags: tuple[str, ...], status: str) -> None:
    code, verdict = decide(LLAMA, *LLAMA_DECLARED, *flags)
    assert (code, verdict["status"]) == (3, status)


def test_a_registry_brings_routes_and_approvals(tmp_path: Path) -> None:
    path = tmp_path / "teachers.yaml"
    route = {
        "api": "openai-chat",
        "endpoint": "https://vllm.internal/v1",
        "model": "m",
        "terms": ["meta/llama-3.1-license"],
    }
    approval = {
        "document": "meta/llama-3.1-license",
        "version": "2024-07-23",
        "by": "legal",
        "on": "2026-10-01",
    }
    path.write_text(yaml.safe_dump({"routes": {"ours/llama": route}, "approvals": [approval]}))
    code, _ = decide("ours/llama", *LLAMA_DECLARED, "--registry", path)
    assert code == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("openai-api/gtp", "--use", "select"), "did you mean 'openai-api/gpt'"),
        (("openai-api/gpt",), "the field 'use' is missing"),
        (("openai-api/gpt", "--use", "select", "--domicile", "Germany"), "domicile"),
        ((), "needs a ROUTE or --batch"),
        (("openai-api/gpt", "--batch", "-"), "needs a ROUTE or --batch"),
        (("--batch", "none.jsonl"), "none.jsonl: the questions cannot be read"),
    ],
)
def test_a_wrong_question_is_wrong_input(arguments: tuple[str, ...], words: str) -> None:
    with pytest.raises(InputError, match=words) as caught:
        stillroom(*arguments)
    assert caught.value.exit_code == 2


def test_an_unknown_use_is_wrong_usage() -> None:
    assert stillroom("openai-api/gpt", "--use", "train").exit_code == 2


def question(**changes: Any) -> str:
    asked = {"route": LLAMA, "on": "2026-11-22", "unapproved": "allow"}
    purpose = {"use": "evaluate", "organisation": {"monthly_active_users": 5}}
    return json.dumps(asked | {"purpose": purpose} | changes) + "\n"


@pytest.mark.parametrize("way", ["file", "stdin"])
def test_a_batch_answers_every_line_and_ends_with_0_even_where_it_denies(
    tmp_path: Path, way: str
) -> None:
    lines = [question(), question(unapproved="deny"), "{broken\n", question(route="x/y")]
    (tmp_path / "batch.jsonl").write_text("".join(lines))
    batch = str(tmp_path / "batch.jsonl") if way == "file" else "-"
    done = stillroom("--batch", batch, stdin="".join(lines))
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.exit_code == 0
    assert [answer.get("decision") for answer in answers] == ["permit", "deny", None, None]
    assert set(answers[2]) == set(answers[3]) == {"route", "error"}
    assert (answers[2]["route"], answers[3]["route"]) == (None, "x/y")


def test_a_batch_answers_every_line(tmp_path: Path) -> None:
    routes = sorted(load_catalogue().routes)
    uses = ("train_generative", "train_narrow", "select", "evaluate")
    with (tmp_path / "batch.jsonl").open("w") as file:
        for number in range(2_000):
            purpose = {"use": uses[number % 4], "student": {"competes_with": []}}
            file.write(
                question(
                    route=routes[number % len(routes)],
                    on=f"2026-{number % 12 + 1:02d}-01",
                    purpose=purpose,
                )
            )
    command = [
        sys.executable,
        "-m",
        "stillroom",
        "decide",
        "--batch",
        str(tmp_path / "batch.jsonl"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.count("\n") == 2_000
    assert '"error"' not in done.stdout
