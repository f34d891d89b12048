"""Staged requests: what is read equals what was written."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.buckets import bucket_of
from schemas.prompts import Message, Prompt, prompt_id
from schemas.requests import Request, make_request
from transforms.prompts.staging import (
    RequestStage,
    bucket_file,
    read_requests,
    requests_to_ask,
    write_requests,
)

TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)


def _request(text: str) -> Request:
    turns = (Message("user", text),)
    prompt = Prompt(
        prompt_id=prompt_id(turns),
        messages=turns,
        source="here",
        license="MIT",
        file="p.jsonl",
        line=3,
        sha256="0" * 64,
        confidential=True,
    )
    return make_request(
        prompt,
        teacher="a/b",
        model="m",
        revision="",
        system="s",
        parameters={"temperature": 0.5},
        sample_index=0,
    )


@given(st.lists(TEXT, min_size=1, unique=True), st.integers(0, 3))
def test_requests_survive_staging_each_in_its_bucket(
    tmp_path_factory: object, texts: list[str], bits: int
) -> None:
    folder = Path(tmp_path_factory.mktemp("stage"))  # type: ignore[attr-defined]
    requests = [_request(text) for text in texts]
    with RequestStage(folder, bits) as stage:
        for request in requests:
            stage.add(request)
        buckets = stage.buckets()
    for bucket in buckets:
        expected = [r for r in requests if bucket_of(r.request_id, bits) == bucket]
        assert list(read_requests(folder, bucket)) == expected


@given(st.lists(TEXT, unique=True))
def test_a_bucket_written_again_is_the_same_file(
    tmp_path_factory: object, texts: list[str]
) -> None:
    folder = Path(tmp_path_factory.mktemp("bucket"))  # type: ignore[attr-defined]
    requests = [_request(text) for text in texts]
    write_requests(folder, 7, requests)
    (file,) = folder.iterdir()
    before = file.read_bytes()
    write_requests(folder, 7, requests)
    assert file.read_bytes() == before
    assert list(folder.iterdir()) == [file]
    assert list(read_requests(folder, 7)) == requests


def test_reading_for_one_teacher_skips_the_others_before_they_are_decoded(tmp_path: Path) -> None:
    requests = [replace(_request(f"Question {n}"), teacher=f"t/{n % 3}") for n in range(2000)]
    write_requests(tmp_path, 7, requests)
    for teacher in ("t/0", "t/1", "t/2"):
        expected = [each for each in requests if each.teacher == teacher]
        assert list(requests_to_ask(tmp_path, 7, teacher)) == expected
    assert list(requests_to_ask(tmp_path, 7, "t/3")) == []
    break_prompts(bucket_file(tmp_path, 7), "t/1")
    assert len(list(requests_to_ask(tmp_path, 7, "t/0"))) == 667
    with pytest.raises(ValueError, match="Expecting"):
        list(requests_to_ask(tmp_path, 7, "t/1"))


def test_requests_that_are_withheld_are_read_but_not_asked(tmp_path: Path) -> None:
    requests = [_request(f"Question {n}") for n in range(9)]
    with RequestStage(tmp_path, 0) as stage:
        for number, request in enumerate(requests):
            stage.add(request, withheld=number % 3 == 0)
    assert list(read_requests(tmp_path, 0)) == requests
    asked = [each for number, each in enumerate(requests) if number % 3]
    assert list(requests_to_ask(tmp_path, 0, "a/b")) == asked


def break_prompts(path: Path, teacher: str) -> None:
    """Makes the requests to one teacher impossible to decode."""
    with pa.ipc.open_stream(path.read_bytes()) as stream:
        table = stream.read_all()
    prompts = pc.if_else(pc.equal(table["teacher"], teacher), "{", table["prompt"])
    table = table.set_column(table.schema.get_field_index("prompt"), "prompt", prompts)
    with pa.ipc.new_stream(str(path), table.schema) as stream:
        stream.write_table(table)
