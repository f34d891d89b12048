"""What is wrong with the arguments of a command is said as everywhere: one sentence, no box."""

from __future__ import annotations

import pytest

from pipelines.cli import main


def ended(monkeypatch: pytest.MonkeyPatch, arguments: str) -> int:
    monkeypatch.setattr("sys.argv", ["stillroom", *arguments.split()])
    with pytest.raises(SystemExit) as exited:
        main()
    assert isinstance(exited.value.code, int)
    return exited.value.code


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("decide x --use nope", "invalid value for '--use': 'nope' is not one of"),
        ("decide x --on 31.12.2026", "invalid value for '--on': '31.12.2026' does not match"),
        ("serve --port x", "invalid value for '--port': "),
        ("run", "missing argument 'RUN'"),
        ("run run.yaml --nope", "no such option: --nope"),
        ("nosuch", "no such command 'nosuch'"),
        ("explain", "missing argument 'CORPUS'"),
    ],
)
def test_misuse_is_one_sentence_on_stderr_and_ends_with_2(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: str,
    words: str,
) -> None:
    assert ended(monkeypatch, arguments) == 2
    printed = capsys.readouterr()
    first, hint = printed.err.splitlines()
    assert first.startswith(f"stillroom: {words}")
    assert hint.startswith("  see `stillroom ")
    assert printed.out == ""


@pytest.mark.parametrize(("arguments", "code"), [("--version", 0), ("", 2), ("terms --help", 0)])
def test_help_and_version_are_no_errors(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: str,
    code: int,
) -> None:
    assert ended(monkeypatch, arguments) == code
    printed = capsys.readouterr()
    assert printed.out
    assert printed.err == ""


def test_an_exit_code_of_a_command_is_that_of_the_process(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ended(monkeypatch, "decide openai-api/gpt --use train_generative") == 3
    assert "deny" in capsys.readouterr().out
