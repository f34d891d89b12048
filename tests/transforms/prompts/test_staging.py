"""Requests come back from their stage as they went in."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from schemas.buckets import bucket_of
from schemas.prompts import Message, Prompt, prompt_id
from schemas.requests import Request, make_request
from transforms.prompts.staging import RequestStage, read_requests, write_requests

TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)


def _request(text: str) -> Request:
    turns = (Message("user", text),)
    prompt = Prompt(prompt_id(turns), turns, "here", "MIT", "p.jsonl", 3, "0" * 64, True)
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
