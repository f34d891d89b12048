"""Each record of the prompt files becomes a prompt or a rejection."""

from __future__ import annotations

import gzip
import json
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from schemas.errors import InputError
from schemas.inputs.run import PromptSource
from schemas.prompts import Message, Prompt
from schemas.records import Rejected
from transforms.prompts.read import read_prompts

SOURCE = PromptSource(files=("*.jsonl",), license="MIT", source="here", text="question")


def _read(folder: Path, source: PromptSource = SOURCE) -> list[Prompt | Rejected]:
    return list(read_prompts([source], str(folder)))


def _good(items: list[Prompt | Rejected]) -> list[str]:
    return [item.messages[-1].content for item in items if isinstance(item, Prompt)]


def _bad(items: list[Prompt | Rejected]) -> list[tuple[int | None, str]]:
    return [(item.line, item.reason) for item in items if isinstance(item, Rejected)]


def test_every_bad_record_is_rejected_with_its_line_and_the_rest_is_read(tmp_path: Path) -> None:
    (tmp_path / "p.jsonl").write_bytes(
        b'{"question": "one"}\n'
        b"{broken\n"
        b'{"question": 3}\n'
        b'{"question": "\xff"}\n'
        b'{"question": "  "}\n'
        b"\n"
        b'{"question": "one"}\n'
        b'{"question": "half \\ud83d"}\n'
        b'["question"]\n'
        b'{"other": "x"}\n'
        b'{"question": "two"}\n'
    )
    items = _read(tmp_path)
    assert _good(items) == ["one", "two"]
    assert _bad(items) == [
        (2, "broken_json"),
        (3, "wrong_type"),
        (4, "invalid_utf8"),
        (5, "empty_prompt"),
        (7, "duplicate_prompt"),
        (8, "lone_surrogate"),
        (9, "wrong_type"),
        (10, "missing_field"),
    ]
    assert all(
        item.stage == "read" and item.kind == "unread"
        for item in items
        if isinstance(item, Rejected)
    )


def test_all_kinds_of_files_give_the_same_prompts(tmp_path: Path) -> None:
    texts = ["What is 2 + 2?", "Was ist, bitte, ein „Destillat“?", "蒸留とは何ですか"]
    rows = [{"question": text} for text in texts]
    lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    (tmp_path / "a.jsonl").write_text(lines)
    (tmp_path / "b.jsonl.gz").write_bytes(gzip.compress(lines.encode()))
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "c.parquet")
    (tmp_path / "d.csv").write_text("question\n" + "".join(f'"{text}"\n' for text in texts))
    (tmp_path / "e.txt").write_text("\n\n".join(texts) + "\n")
    for name in ("a.jsonl", "b.jsonl.gz", "c.parquet", "d.csv"):
        assert _good(_read(tmp_path, SOURCE.model_copy(update={"files": (name,)}))) == texts
    assert (
        _good(_read(tmp_path, SOURCE.model_copy(update={"files": ("e.txt",), "text": None})))
        == texts
    )


def test_a_conversation_keeps_its_turns_and_ends_with_the_user(tmp_path: Path) -> None:
    turns = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]
    good = {"chat": [*turns, {"role": "user", "content": "Bye"}]}
    bad = {"chat": turns}
    (tmp_path / "p.jsonl").write_text(f"{json.dumps(good)}\n{json.dumps(bad)}\n")
    items = _read(tmp_path, SOURCE.model_copy(update={"text": None, "messages": "chat"}))
    assert isinstance(items[0], Prompt)
    assert items[0].messages == (
        Message("user", "Hi"),
        Message("assistant", "Hello"),
        Message("user", "Bye"),
    )
    assert _bad(items) == [(2, "wrong_type")]


def test_files_are_read_in_order_of_their_names_and_the_limit_spans_them(tmp_path: Path) -> None:
    for name in ("b", "a"):
        text = "".join(json.dumps({"question": f"{name}{i}"}) + "\n" for i in range(3))
        (tmp_path / f"{name}.jsonl").write_text(text)
    assert _good(_read(tmp_path, SOURCE.model_copy(update={"limit": 4}))) == [
        "a0",
        "a1",
        "a2",
        "b0",
    ]


def test_provenance_names_the_file_as_the_run_file_does(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub/p.jsonl").write_text('{"question": "one"}\n')
    (item,) = _read(tmp_path, SOURCE.model_copy(update={"files": ("sub/*.jsonl",)}))
    assert isinstance(item, Prompt)
    assert (item.file, item.line, item.source, item.license) == ("sub/p.jsonl", 1, "here", "MIT")


def test_a_field_that_no_record_has_is_an_error_of_the_run_file(tmp_path: Path) -> None:
    (tmp_path / "p.jsonl").write_text('{"question": "one"}\n{"question": "two"}\n')
    with pytest.raises(InputError, match="did you mean 'question'"):
        _read(tmp_path, SOURCE.model_copy(update={"text": "qestion"}))


GOLD = SOURCE.model_copy(update={"answer": "answer"})


def test_a_right_answer_is_kept_but_does_not_change_the_prompts_id(tmp_path: Path) -> None:
    rows = [
        {"question": "one", "answer": "2 + 2 = 4\n#### 4"},
        {"question": "two", "answer": 4},
        {"question": "three", "answer": 0.5},
        {"question": "four", "answer": None},
        {"question": "five"},
    ]
    (tmp_path / "p.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    prompts = [item for item in _read(tmp_path, GOLD) if isinstance(item, Prompt)]
    assert [prompt.gold for prompt in prompts] == ["2 + 2 = 4\n#### 4", "4", "0.5", "", ""]
    without = [item for item in _read(tmp_path, SOURCE) if isinstance(item, Prompt)]
    assert [replace(prompt, gold="") for prompt in prompts] == without


def test_a_wrong_type_of_answer_is_rejected(tmp_path: Path) -> None:
    rows = [
        {"question": "one", "answer": ["4"]},
        {"question": "two", "answer": True},
        {"question": "three", "answer": "\ud800"},
        {"question": "four", "answer": "4"},
    ]
    (tmp_path / "p.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    items = _read(tmp_path, GOLD)
    assert _bad(items) == [(1, "wrong_type"), (2, "wrong_type"), (3, "lone_surrogate")]


def test_an_answer_field_that_no_record_has_is_an_error_of_the_run_file(tmp_path: Path) -> None:
    (tmp_path / "p.jsonl").write_text('{"question": "one", "answers": "1"}\n')
    with pytest.raises(InputError, match="did you mean 'answers'"):
        _read(tmp_path, GOLD)


BY_RECORD = SOURCE.model_copy(update={"license_field": "terms", "source_field": "from"})


def test_a_records_own_licence_and_source_come_before_those_of_its_file(
    tmp_path: Path,
) -> None:
    rows = [
        {"question": "one", "terms": " CC-BY-4.0 ", "from": "there"},
        {"question": "two", "terms": None},
        {"question": "three", "terms": "  ", "from": ""},
    ]
    (tmp_path / "p.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    prompts = [item for item in _read(tmp_path, BY_RECORD) if isinstance(item, Prompt)]
    assert [(prompt.license, prompt.source) for prompt in prompts] == [
        ("CC-BY-4.0", "there"),
        ("MIT", "here"),
        ("MIT", "here"),
    ]


def test_a_record_without_licence_or_source_is_rejected(tmp_path: Path) -> None:
    rows = [
        {"question": "one", "terms": "MIT", "from": "there"},
        {"question": "two", "from": "there"},
        {"question": "three", "terms": ["MIT"], "from": "there"},
        {"question": "four", "terms": "MIT"},
    ]
    (tmp_path / "p.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    items = _read(tmp_path, BY_RECORD.model_copy(update={"license": None, "source": None}))
    assert _good(items) == ["one"]
    assert _bad(items) == [(2, "no_licence"), (3, "no_licence"), (4, "no_source")]


@pytest.mark.parametrize("last", ["assistant", "system"])
def test_a_conversation_that_does_not_end_with_the_user_is_rejected(
    tmp_path: Path, last: str
) -> None:
    turns = [{"role": "user", "content": "Hi"}, {"role": last, "content": "Hello"}]
    (tmp_path / "p.jsonl").write_text(
        json.dumps({"chat": turns}) + "\n" + json.dumps({"chat": turns[:1]}) + "\n"
    )
    items = _read(tmp_path, SOURCE.model_copy(update={"text": None, "messages": "chat"}))
    assert _bad(items) == [(1, "wrong_type")]
    assert _good(items) == ["Hi"]
