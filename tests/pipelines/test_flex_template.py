"""The parameters of a Flex Template become the run file that they describe."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.flex_template import main, run_file_text
from schemas.errors import InputError
from schemas.files import load_schema
from schemas.inputs.document import parse_yaml, read_yaml
from schemas.inputs.run import RunFile
from schemas.inputs.run_file import load_run

ROOT = Path(__file__).resolve().parents[2]
GOOD = {
    "name": "tutor",
    "purpose": '{"use": "train_generative", "student": {"distribution": "internal"}}',
    "prompts": '[{"files": "/mnt/p/*.jsonl", "text": "q", "license": "MIT", "source": "here"}]',
    "teachers": '[{"id": "a/b", "samples": 2, "parameters": {"temperature": 1e-1}}]',
    "corpus": "/mnt/corpus",
    "ledger": "/mnt/ledger",
}
STRUCTURED = ["purpose", "prompts", "teachers", "budget", "filters", "decontaminate", "splits"]

TEXTS = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0")
)  # YAML has no NUL
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=12,
)  # fmt: skip


class Recorder:
    """Takes what a launch hands over, and reads the run file while it is there."""

    def __init__(self) -> None:
        self.runs: list[RunFile] = []
        self.beam_options: Sequence[str] = ()
        self.slices = 0

    def __call__(self, path: Path, beam_options: Sequence[str], slices: int) -> None:
        self.runs.append(load_run(path)[0])
        self.beam_options, self.slices = beam_options, slices


def _arguments(parameters: dict[str, str]) -> list[str]:
    return [f"--{name}={value}" for name, value in parameters.items()]


def test_parameters_become_a_run_and_the_rest_is_beams() -> None:
    launched = Recorder()
    beam = ["--runner=DataflowRunner", "--project", "p", "--job_name=tutor", "--labels=a=b"]
    code = main([*beam[:3], *_arguments(GOOD), "--slices=3", *beam[3:]], launched)
    (run,) = launched.runs
    assert code == 0
    assert run.prompts[0].files == ("/mnt/p/*.jsonl",)
    assert run.teachers[0].parameters == {"temperature": 0.1}
    assert (run.corpus, run.ledger) == ("/mnt/corpus", "/mnt/ledger")
    assert (launched.beam_options, launched.slices) == (beam, 3)


def test_parameters_say_what_the_same_run_file_says() -> None:
    document = read_yaml(ROOT / "examples/demo/run.yaml")
    text = {
        name: value if isinstance(value, str) else json.dumps(value)
        for name, value in document.data.items()
    }
    assert parse_yaml(run_file_text(text), "parameters").data == document.data


def test_the_launch_that_the_page_shows_describes_a_run(capsys: pytest.CaptureFixture[str]) -> None:
    page = (ROOT / "infra/README.md").read_text("utf-8")
    (body,) = re.findall(r"```json\n(.*?)```", page, re.S)
    launched = Recorder()
    code = main(_arguments(json.loads(body)["launchParameter"]["parameters"]), launched)
    assert (code, capsys.readouterr().err) == (0, "")
    assert launched.runs[0].name == "gsm8k-tutor"


@given(value=JSON_VALUES)
def test_any_json_means_the_same_in_the_run_file(value: object) -> None:
    for ensure_ascii in (True, False):
        given = run_file_text({"budget": json.dumps(value, ensure_ascii=ensure_ascii)})
        assert parse_yaml(given, "parameters").data == {"budget": value}


@given(value=TEXTS)
def test_any_text_means_the_same_in_the_run_file(value: str) -> None:
    assert parse_yaml(run_file_text({"system": value}), "parameters").data == {"system": value}


@pytest.mark.parametrize("name", STRUCTURED)
@pytest.mark.parametrize("value", ["{use: x}", "", '{"a": 1, "a": 2}', '"\\ud800"', "[" * 100_000])
def test_a_value_that_is_not_json_is_an_input_error_that_names_it(name: str, value: str) -> None:
    with pytest.raises(InputError, match=f"^--{name}: the parameter cannot be read"):
        run_file_text({name: value})


def test_text_that_is_not_unicode_is_an_input_error_that_names_it() -> None:
    with pytest.raises(InputError, match=r"^--system: the parameter cannot be read"):
        run_file_text({"system": "\udcff"})


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("purpose", "{", "--purpose: the parameter cannot be read"),
        ("purpose", '{"use": "train"}', "parameters: purpose.use: not one of the known values"),
        ("purpose", None, "parameters: the field 'purpose' is missing"),
        ("corpus", "corpora/tutor", "--corpus: the path is not absolute"),
        ("ledger", "ledger", "--ledger: the path is not absolute"),
        ("corpus", "s3://bucket/corpus", "parameters: corpus: the address cannot be used"),
        ("registry", "teachers.yaml", "--registry: the path is not absolute"),
        ("prompts", GOOD["prompts"].replace("/mnt/", ""), "--prompts: the path is not abs"),
        (
            "decontaminate",
            '[{"files": ["/a", "b"], "text": "q"}]',
            "--decontaminate: the path is not absolute (found 'b'",
        ),
        (
            "dedupe",
            '{"against": ["/a", "b"]}',
            "--dedupe: the path is not absolute (found 'b'",
        ),
    ],
    ids=[
        "json",
        "value",
        "missing",
        "corpus",
        "ledger",
        "gs",
        "registry",
        "prompts",
        "evaluation",
        "dedupe",
    ],
)
def test_a_mistake_ends_with_code_2_before_anything_starts(
    name: str, value: str | None, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    launched = Recorder()
    changed = {**GOOD, name: value}
    code = main(_arguments({k: v for k, v in changed.items() if v is not None}), launched)
    assert code == 2
    assert capsys.readouterr().err.startswith(f"stillroom: {words}")
    assert not launched.runs


@pytest.mark.parametrize(("slices", "accepted"), [("1", True), ("16", True), ("0", False),
                                                  ("17", False), ("two", False)])  # fmt: skip
def test_slices_are_what_the_template_says(slices: str, accepted: bool) -> None:
    launched = Recorder()
    arguments = [*_arguments(GOOD), f"--slices={slices}"]
    if accepted:
        assert main(arguments, launched) == 0
        assert launched.slices == int(slices)
    else:
        with pytest.raises(SystemExit) as ended:
            main(arguments, launched)
        assert ended.value.code == 2
    metadata = json.loads((ROOT / "infra/flex_template.json").read_text("utf-8"))
    (pattern,) = next(p["regexes"] for p in metadata["parameters"] if p["name"] == "slices")
    assert bool(re.match(pattern, slices)) is accepted


def test_no_parameter_has_the_name_of_one_of_beams_options() -> None:
    from apache_beam.options.pipeline_options import PipelineOptions

    ours = {*load_schema("run")["properties"], "slices"}
    assert not ours & PipelineOptions([]).get_all_options().keys()
