from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from huggingface_hub import DatasetCard
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from schemas.manifest import Manifest
from schemas.records import Record
from tests.corpus_builder import LLAMA_CLASS, make_record, publish_rows, publish_typical
from transforms.corpus.card import card_data, render_card
from transforms.corpus.facts import Facts
from transforms.corpus.read import open_corpus


def card(folder: Path) -> tuple[dict[str, Any], str]:
    text = (open_corpus(folder).folder / "README.md").read_text()
    _, header, body = text.split("---\n", 2)
    return yaml.safe_load(header), body


@pytest.mark.parametrize(
    ("records", "license"),
    [
        pytest.param([make_record(1), make_record(2)], {"license": "mit"}, id="one licence"),
        pytest.param(
            [make_record(1, license="LicenseRef-own-work")],
            {"license": "other", "license_name": "LicenseRef-own-work"},
            id="a licence that the Hub does not list",
        ),
        pytest.param(
            [make_record(1), make_record(2, license="CC-BY-4.0")],
            {"license": "other", "license_name": "see-below"},
            id="two licences",
        ),
        pytest.param(
            [make_record(4, llama=True)],
            {"license": "other", "license_name": "see-below"},
            id="one licence and something owed besides",
        ),
    ],
)
def test_a_licence_is_named_only_if_all_records_have_it_and_owe_nothing_else(
    tmp_path: Path, records: list[Record], license: dict[str, str]
) -> None:
    publish_rows(tmp_path, records)
    header, _ = card(tmp_path)
    assert {key: header[key] for key in header if key.startswith("license")} == license


def test_each_obligation_class_is_a_configuration_with_its_splits(tmp_path: Path) -> None:
    publish_typical(tmp_path)
    header, _ = card(tmp_path)
    assert header["configs"] == [
        {
            "config_name": name,
            "data_files": [
                {"split": "train", "path": f"data/{name}/train-*.parquet"},
                {"split": "validation", "path": f"data/{name}/validation-*.parquet"},
            ],
        }
        for name in (LLAMA_CLASS, "none")
    ]


def test_the_header_names_language_size_and_sources(tmp_path: Path) -> None:
    publish_typical(tmp_path)
    header, _ = card(tmp_path)
    assert header["language"] == ["en"]
    assert header["size_categories"] == ["n<1K"]
    assert header["source_datasets"] == ["example/sums"]
    assert "synthetic" in header["tags"]


@pytest.mark.parametrize(
    ("records", "size"),
    [(999, "n<1K"), (1_000, "1K<n<10K"), (10**6, "1M<n<10M"), (10**9, "n>1B")],
)
def test_size_is_one_of_the_hubs_categories(tmp_path: Path, records: int, size: str) -> None:
    manifest = publish_rows(tmp_path, [make_record(1)])
    assert card_data(manifest, Facts(records=records))["size_categories"] == [size]


def test_the_card_shows_funnel_teachers_terms_and_duties(tmp_path: Path) -> None:
    publish_typical(tmp_path)
    _, body = card(tmp_path)
    for line in (
        "| our-vllm/llama | llama-3.1-8b | 9c925d6 | vllm.internal | 15 |",
        "| llama/license | 3.1 | weights_licence | permitted_if | 15 |",
        "| name_prefix | Llama | release | llama/license | 15 |",
        "| **requests** | 73 |",
        "| accepted | 60 |",
        "| rejected: repetition | 6 |",
        "| duplicates | 2 |",
        "| pending | 2 |",
    ):
        assert line in body.splitlines()


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    return publish_rows(tmp_path_factory.mktemp("corpus"), [make_record(1)])


def readings(text: str) -> list[Any]:
    """Returns a card's header as YAML 1.1, as YAML 1.2, and as the Hub's own package read it."""
    _, header, _ = text.split("---\n", 2)
    metadata: Any = DatasetCard(text).data.to_dict()  # type: ignore[no-untyped-call]
    return [yaml.safe_load(header), YAML(typ="safe").load(header), metadata]


# fmt: off
AMBIGUOUS = (
    "no", "Yes", "on", "y", "null", "true", "~", "=", "<<", "1e3", "1.e3", "010",
    "0o17", "0x1F", "0b1", "1_000", "1:30", ".5", ".inf", ".NaN",
    "-0", "2024-01-01", "2024-01-01T00:00:00Z", "-", "?", "---",
)
# fmt: on
HOSTILE = (
    "a\n---\ninjected: true\n---\n",
    "a\r\n---\r\nb",
    "x: y # z",
    "&a *a !!int 1 {b: c} [d] | > % @ `",
    "'\"\\\t",
    "\x1b[31m \x85 \u2028 \ufeff \U0001f600",
    " edge ",
    "long " * 60,
)


@pytest.mark.parametrize("text", [*AMBIGUOUS, *HOSTILE])
def test_every_reader_finds_each_text_of_the_header_as_it_is(manifest: Manifest, text: str) -> None:
    assert_read_alike(manifest, text)


@given(text=st.text(st.characters(codec="utf-8") | st.sampled_from("-:.0123456789eExo_+ \n\r#'")))
def test_every_reader_finds_any_text_of_the_header_as_it_is(manifest: Manifest, text: str) -> None:
    assert_read_alike(manifest, text)


def assert_read_alike(manifest: Manifest, text: str) -> None:
    named = replace(manifest, name=text)
    facts = Facts(
        records=1,
        sources=Counter([text]),
        licenses=Counter([text]),
        languages=Counter([text]),
        partitions=Counter([(text, text)]),
    )
    data = card_data(named, facts)
    for read in readings(render_card(named, facts)):
        assert read == data


def test_three_lines_load_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HF_DATASETS_OFFLINE", "1")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    publish_typical(tmp_path)
    _, body = card(tmp_path)
    code = body.split("```python\n")[1].split("```")[0]
    assert len(code.splitlines()) == 3
    monkeypatch.chdir(open_corpus(tmp_path).folder)
    cached = code.replace("data_files=", f"cache_dir={str(tmp_path / 'cache')!r}, data_files=")
    exec(cached, {})  # noqa: S102 - the very lines that a reader would paste
    assert "What is" in capsys.readouterr().out
