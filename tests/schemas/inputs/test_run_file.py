"""A run file is checked whole: each problem with its line, what was found, what was expected."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from schemas.errors import InputError
from schemas.inputs.run_file import load_run

GOOD = """\
name: tutor
purpose: {use: train_generative}
prompts:
  - files: "prompts/*.jsonl"
    text: question
    license: MIT
    source: https://example.org/prompts
teachers:
  - {id: embedded/smollm2-135m-instruct, samples: 2, parameters: {temperature: 0.7}}
corpus: corpora/tutor
ledger: ledger
"""


def _load(tmp_path: Path, text: str) -> InputError:
    path = tmp_path / "run.yaml"
    path.write_text(text)
    with pytest.raises(InputError) as caught:
        load_run(path)
    return caught.value


def test_a_good_file_becomes_a_run_with_absolute_folders(tmp_path: Path) -> None:
    path = tmp_path / "run.yaml"
    path.write_text(GOOD)
    run, _ = load_run(path)
    assert run.prompts[0].files == ("prompts/*.jsonl",)
    assert run.teachers[0].samples == 2
    assert run.corpus == str(tmp_path / "corpora/tutor")
    assert run.splits == {"train": 1.0}


@pytest.mark.parametrize(
    ("old", "new", "line", "words"),
    [
        ("samples: 2", "sampels: 2", 9, ["unknown field", "'sampels'", "did you mean 'samples'"]),
        (
            "train_generative",
            "train",
            2,
            ["not one of the known values", '"train"', "train_narrow"],
        ),
        ("samples: 2", "samples: two", 9, ["wrong type", '"two"', "a whole number"]),
        ("    license: MIT\n", "", 4, ["'license' is missing", "unknown licence is refused"]),
        ("name: tutor", "name: tutor\nname: again", 2, ["'name' is given twice", "line 1"]),
        ("name: tutor", "name: a/b", 1, ["wrong form", '"a/b"', "letters, digits"]),
        (
            "ledger: ledger",
            "ledger: s3://bucket/ledger",
            11,
            ["the address cannot be used", "s3://b"],
        ),
        ("corpora/tutor", "s3://bucket/tutor", 10, ["the address cannot be used", "s3://b"]),
        ("ledger: ledger", "ledger: ledger\nsplits: {train: 0.5}", 12, ["do not sum to 1", "0.5"]),
        ("text: question", "text: question\n    messages: m", 4, ["not both"]),
        ("name: tutor", "name: [", 1, ["not valid YAML"]),
        (
            "temperature: 0.7",
            "seed: 1152921504606846976",
            9,
            ["teachers.0.parameters.seed", "too large for a JSON number", "9007199254740991"],
        ),
        ("MIT", "MIT OR Apache2", 6, ["unknown licence", "'Apache2'", "did you mean 'Apache-2.0'"]),
        (
            "train_generative",
            "evaluate, student: {license: Llama}",
            2,
            ["unknown licence", "'Llama'", "LicenseRef-NAME"],
        ),
    ],
    ids=[
        "unknown-field",
        "enum",
        "type",
        "missing-licence",
        "twice",
        "pattern",
        "s3-ledger",
        "s3-corpus",
        "splits",
        "text-and-messages",
        "yaml",
        "large-integer",
        "licence",
        "student-licence",
    ],
)
def test_a_mistake_is_told_with_its_line(
    tmp_path: Path, old: str, new: str, line: int, words: list[str]
) -> None:
    error = _load(tmp_path, GOOD.replace(old, new))
    assert error.exit_code == 2
    assert f"run.yaml:{line}:" in str(error)
    for word in words:
        assert word in str(error)


TOOL = "{type: function, function: {name: weigh}}"


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ("tool_choice: auto", ["there are no tools", "`tools` beside it"]),
        (
            f"tools: [{TOOL}], tool_choice: {{type: function, function: {{name: now}}}}",
            ["no such tool is offered", "'now'", "one of weigh"],
        ),
        (f"tools: [{TOOL}], tool_choice: sometimes", ["sometimes", "auto, none, required"]),
        (f"tools: [{TOOL}, {TOOL}]", ["'weigh' is given twice"]),
        ("tools: []", ["tools"]),
        ("tools: [{type: function, function: {name: a b}}]", ["wrong form", "up to 64 letters"]),
        ("tools: [{type: retrieval, function: {name: a}}]", ['"retrieval"', "one of function"]),
        ("top_logprobs: 5", ["top_logprobs", "`logprobs: true`"]),
        ("logprobs: true, top_logprobs: 21", ["21"]),
        ("max_tokens: 5, max_completion_tokens: 9", ["two names of one limit"]),
        ("reasoning_effort: 3", ["wrong type", "found 3", "a text"]),
    ],
)
def test_parameters_that_make_no_sense_are_told_with_their_line(
    tmp_path: Path, parameters: str, words: list[str]
) -> None:
    error = _load(tmp_path, GOOD.replace("temperature: 0.7", parameters))
    assert "run.yaml:9:" in str(error)
    for word in words:
        assert word in str(error)


def test_tools_and_log_probabilities_can_be_asked_for(tmp_path: Path) -> None:
    asked = (
        f"tools: [{TOOL}], tool_choice: {{type: function, function: {{name: weigh}}}},"
        " logprobs: true, top_logprobs: 5, max_completion_tokens: 9, reasoning_effort: low"
    )
    path = tmp_path / "run.yaml"
    path.write_text(GOOD.replace("temperature: 0.7", asked))
    [teacher] = load_run(path)[0].teachers
    assert teacher.parameters["tools"] == [{"type": "function", "function": {"name": "weigh"}}]
    assert teacher.parameters["top_logprobs"] == 5


def test_every_problem_is_told_at_once(tmp_path: Path) -> None:
    error = _load(tmp_path, GOOD.replace("use: train_generative", "use: x").replace("MIT", "1"))
    assert len(error.problems) == 2


def test_a_missing_file_is_an_input_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        load_run(tmp_path / "none.yaml")


def test_words_that_yaml_1_1_takes_for_booleans_and_dates_stay_text(tmp_path: Path) -> None:
    path = tmp_path / "run.yaml"
    path.write_text(GOOD + "filters:\n  - {rule: language, allow: [no, on, 2026-01-02]}\n")
    run, _ = load_run(path)
    assert run.filters is not None
    assert run.filters[0].settings == {"allow": ["no", "on", "2026-01-02"]}


def test_the_same_teacher_twice_with_the_same_parameters_is_refused(tmp_path: Path) -> None:
    twice = "teachers:\n  - {id: a/b}\n  - {id: a/b, samples: 3}\n"
    error = _load(tmp_path, GOOD.split("teachers:")[0] + twice + "corpus: c\nledger: l\n")
    assert "run.yaml:10:" in str(error)
    assert "is given twice" in str(error)


def test_the_config_digest_does_not_depend_on_where_the_file_lies(tmp_path: Path) -> None:
    digests = set()
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        path = tmp_path / folder / "run.yaml"
        path.write_text(GOOD)
        digests.add(load_run(path)[0].config_digest)
    assert len(digests) == 1


def test_an_input_error_survives_pickling(tmp_path: Path) -> None:
    error = _load(tmp_path, "name: 1\n")
    again = pickle.loads(pickle.dumps(error))  # noqa: S301
    assert again.problems == error.problems
    assert str(again) == str(error)


def test_a_licence_and_a_source_by_record_stand_for_those_of_the_file(tmp_path: Path) -> None:
    by_file = "    license: MIT\n    source: https://example.org/prompts\n"
    path = tmp_path / "run.yaml"
    path.write_text(GOOD.replace(by_file, "    license_field: terms\n    source_field: from\n"))
    (source,) = load_run(path)[0].prompts
    assert (source.license, source.license_field) == (None, "terms")
    assert (source.source, source.source_field) == (None, "from")
    error = _load(tmp_path, GOOD.replace(by_file, "    license_field: terms\n"))
    assert "run.yaml:4:" in str(error)
    assert "'source' is missing" in str(error)


@pytest.mark.parametrize("age", ["-1", "1.5", "ninety"])
def test_the_age_of_a_reading_is_a_number_of_days(tmp_path: Path, age: str) -> None:
    error = _load(tmp_path, GOOD + f"max_reading_age_days: {age}\n")
    assert "run.yaml:12: max_reading_age_days" in str(error)
