"""A run that redacts publishes no address anywhere: not in records, not in what was rejected."""

from __future__ import annotations

from pathlib import Path

import pyarrow.dataset as ds
import pytest

from schemas.errors import InputError
from schemas.prompts import Message, prompt_id
from tests.pipelines.project import make_project
from tests.teacher import Teacher, answer, by_prompt, failure, raw
from transforms.auditing.verify import verify
from transforms.ledger import open_ledger
from transforms.providers.tokens import count_tokens

ADDRESS = "ada.lovelace@kelp-farm.org"
PROMPTS = {
    f"1: My address is {ADDRESS}. What is yours?": answer(
        f"Mine is bob@kelp-farm.org. Yours is {ADDRESS}.", reasoning=f"They said {ADDRESS}."
    ),
    f"2: Greet {ADDRESS}.": answer(f"Hello {ADDRESS}, and", finish_reason="length"),
    f"3: Greet {ADDRESS}.": raw(
        b"<html>oops</html>", content_type="text/html", headers={"Retry-After": "0"}
    ),
    f"4: Greet {ADDRESS}.": failure(400),
    f"5: Greet {ADDRESS}.": answer(f"Hi {ADDRESS}!", model="another-model"),
    "6: Greet me.": answer("Hello!"),
}


def test_redacted_text_is_all_that_is_published_and_the_ledger_keeps_what_was_paid_for(
    tmp_path: Path,
) -> None:
    with Teacher(by_prompt(PROMPTS)) as teacher:
        project = make_project(
            tmp_path,
            teacher.endpoint,
            list(PROMPTS),
            system="Be kind.",
            filters=[{"rule": "finish_reason"}, {"rule": "personal", "action": "redact"}],
        )
        result = project.run()
        again = project.run()
    assert (result.accepted, len(result.rejected), len(result.failed)) == (2, 2, 2)
    assert project.shards(again) == project.shards(result)
    assert verify(project.corpus).ok

    everything = [str(project.rows(result)), str(project.rows(result, "rejected"))]
    assert all("@" not in rows for rows in everything)
    (record,) = [row for row in project.rows(result) if row["reasoning"]]
    asked = next(iter(PROMPTS))
    assert record["messages"] == [
        {"role": "system", "content": "Be kind."},
        {"role": "user", "content": "1: My address is [EMAIL]. What is yours?"},
        {"role": "assistant", "content": "Mine is [EMAIL_2]. Yours is [EMAIL]."},
    ]
    assert record["completion"] == record["messages"][-1]["content"]
    assert record["reasoning"] == "They said [EMAIL]."
    assert record["counted_tokens"] == count_tokens(record["completion"])
    assert record["prompt_id"] == prompt_id([Message("user", asked)])
    found = [(it["code"], it["action"]) for it in record["provenance"]["filters"]]
    assert found == [("email", "redact")] * 4
    ledger = open_ledger(str(project.folder / "ledger")).reader()
    response = ledger.read(record["record_id"])
    assert response is not None
    assert ADDRESS.encode() in response.body


def test_redacted_records_are_compared_as_they_are_published(tmp_path: Path) -> None:
    prompts = [f"Greet {name}@kelp-farm.org." for name in ("ada", "bob", "eve")]
    with Teacher() as teacher:  # its echo holds the address
        project = make_project(
            tmp_path, teacher.endpoint, prompts, filters=[{"rule": "personal", "action": "redact"}]
        )
        result = project.run()
    assert (result.accepted, result.duplicates) == (1, 2)
    folder = f"{result.folder}/rejected"
    texts = ds.dataset(folder).to_table().column("completion").to_pylist()
    assert texts == ["You said: Greet [EMAIL]."] * 2


def test_a_run_that_cannot_redact_is_refused_before_anybody_is_asked(tmp_path: Path) -> None:
    with Teacher() as teacher:
        project = make_project(
            tmp_path, teacher.endpoint, filters=[{"rule": "length", "action": "redact"}]
        )
        with pytest.raises(InputError, match=r"run\.yaml:\d+: the rule 'length' .* redact"):
            project.run()
        assert teacher.count == 0
