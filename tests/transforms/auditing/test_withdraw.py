"""A withdrawal publishes a corpus again without some records, and never edits one in place."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.canonical import sha256
from schemas.errors import InputError, StillroomError
from schemas.manifest import Compared, Manifest
from tests.corpus_builder import (
    make_build,
    make_record,
    make_rejected,
    publish_rows,
    publish_typical,
    typical_rows,
)
from tests.money import known
from transforms.auditing.audit import Audit
from transforms.auditing.select import select
from transforms.auditing.verify import verify
from transforms.auditing.withdraw import withdraw
from transforms.corpus.read import Corpus, open_corpus

NOW = datetime(2027, 1, 2, 3, 4, 5, tzinfo=UTC)
LLAMA = {record.record_id for record in typical_rows()[0] if record.provenance.duties}


def no_audit() -> Audit:
    raise AssertionError("this selection needs no audit")


def without(corpus: Path, where: str, to: Path) -> Manifest:
    opened = open_corpus(corpus)
    return withdraw(opened, select(opened, where, no_audit), to, NOW)


def ids(corpus: Path, kind: Any = "records", version: str | None = None) -> list[str]:
    opened = open_corpus(corpus, version)
    return [i for t in opened.tables(kind, ["record_id"]) for i in t.column(0).to_pylist()]


def everything(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    "where", ["route=our-vllm/llama", "document=llama/license", "document=llama/license@3.1"]
)
def test_the_selected_records_and_no_others_are_gone(
    published: Path, tmp_path: Path, where: str
) -> None:
    before = everything(published)
    manifest = without(published, where, tmp_path / "new")
    assert everything(published) == before
    assert set(ids(tmp_path / "new")) == set(ids(published)) - LLAMA
    assert LLAMA.issubset(ids(tmp_path / "new", "rejected"))
    assert manifest.removed is not None
    assert (manifest.parent, manifest.removed.where) == (open_corpus(published).folder.name, where)
    assert manifest.removed.records == len(LLAMA) == 15
    assert manifest.removed.sha256 == sha256("".join(f"{i}\n" for i in sorted(LLAMA)).encode())
    found = verify(tmp_path / "new")
    assert (found.problems, found.records) == ((), 45)
    assert not (tmp_path / "new/.work").exists()


def test_every_request_still_ends_in_one_place_and_cost_what_it_cost(
    published: Path, tmp_path: Path
) -> None:
    before = open_corpus(published).manifest
    after = without(published, "route=our-vllm/llama", tmp_path)
    assert after.funnel.balances
    assert after.funnel.rejected == {**before.funnel.rejected, "withdrawn": 15}
    assert (after.funnel.requests, after.funnel.pending) == (73, 2)
    assert (after.funnel.duplicates, after.funnel.unread) == (2, {"broken_json": 1})
    assert after.spend.usd == pytest.approx(before.spend.usd)
    assert after.spend.usd_accepted == pytest.approx(known(before.spend.usd_accepted) * 45 / 60)
    assert after.pending_duties == ()
    assert (after.verdicts, after.decisions) == (before.verdicts, before.decisions)


def test_no_text_of_a_withdrawn_or_rejected_row_is_published_again(
    published: Path, tmp_path: Path
) -> None:
    without(published, "route=our-vllm/llama", tmp_path)
    opened = open_corpus(tmp_path)
    for table in opened.tables("rejected"):
        for row in table.to_pylist():
            assert (row["messages"], row["completion"], row["reasoning"]) == ([], "", "")
            assert row["findings"] == []
            assert row["reason"]
    for record_id in LLAMA:
        number = next(n for n in range(60) if make_record(n).record_id == record_id)
        text = f"{number} and {number} is".encode()
        assert not [path for path in tmp_path.rglob("*.html") if text in path.read_bytes()]


def test_a_shard_that_loses_nothing_keeps_its_bytes(published: Path, tmp_path: Path) -> None:
    without(published, "route=our-vllm/llama", tmp_path)
    before = {shard.sha256 for shard in open_corpus(published).shards("records")}
    after = {shard.sha256 for shard in open_corpus(tmp_path).shards("records")}
    assert after < before


def test_the_same_withdrawal_gives_the_same_version(published: Path, tmp_path: Path) -> None:
    versions = {
        without(published, "route=our-vllm/llama", tmp_path / name).version for name in "abb"
    }
    assert len(versions) == 1


def test_a_withdrawal_into_the_corpus_itself_adds_a_version(tmp_path: Path) -> None:
    first = publish_typical(tmp_path)
    before = everything(tmp_path / first.version)
    second = without(tmp_path, "route=our-vllm/llama", tmp_path)
    assert everything(tmp_path / first.version) == before
    assert open_corpus(tmp_path).manifest.version == second.version
    assert len(ids(tmp_path, version=first.version)) == 60
    assert verify(tmp_path, first.version).ok


def test_withdrawals_follow_one_another(published: Path, tmp_path: Path) -> None:
    without(published, "route=our-vllm/llama", tmp_path / "one")
    chosen = ids(tmp_path / "one")[:3]
    (tmp_path / "ids").write_text("\n".join(chosen))
    last = without(tmp_path / "one", f"records={tmp_path / 'ids'}", tmp_path / "two")
    assert last.removed is not None
    assert (last.removed.records, last.funnel.rejected["withdrawn"]) == (3, 18)
    assert verify(tmp_path / "two").problems == ()


def test_a_corpus_of_which_nothing_would_be_left_is_not_published(tmp_path: Path) -> None:
    publish_rows(tmp_path, [make_record(1), make_record(2)])
    with pytest.raises(InputError, match="every record is selected"):
        without(tmp_path, "source=https://huggingface.co/datasets/example/sums", tmp_path / "new")
    assert not (tmp_path / "new/LATEST.json").exists()


@settings(max_examples=15)
@given(chosen=st.sets(st.sampled_from(range(60)), min_size=1, max_size=59))
def test_any_list_of_records_can_be_withdrawn(
    published: Path, tmp_path_factory: pytest.TempPathFactory, chosen: set[int]
) -> None:
    folder = tmp_path_factory.mktemp("new")
    wanted = {make_record(number).record_id for number in chosen}
    (folder / "ids").write_text("\n".join(wanted))
    without(published, f"records={folder / 'ids'}", folder / "new")
    assert set(ids(folder / "new")) == set(ids(published)) - wanted
    assert verify(folder / "new").problems == ()


@pytest.mark.parametrize(
    ("where", "words"),
    [
        ("route=our-vllm/lama", ["this route", "did you mean 'our-vllm/llama'"]),
        ("document=llama/license@9", ["this document", "llama/license@3.1"]),
        ("source=elsewhere", ["this source"]),
        ("teacher=x", ["no such selection", "route=ID"]),
        ("route=", ["no such selection"]),
        ("records=none.txt", ["none.txt", "cannot be read"]),
    ],
)
def test_a_selection_that_selects_nothing_is_wrong_input(
    published: Path, tmp_path: Path, where: str, words: list[str]
) -> None:
    with pytest.raises(InputError) as caught:
        without(published, where, tmp_path / "new")
    for word in words:
        assert word in str(caught.value)


@pytest.mark.parametrize(
    ("text", "what"),
    [("0" * 64, "nothing to withdraw"), (f"{'0' * 64}\nabc\n", r"ids:2: not the id")],
)
def test_a_list_of_ids_is_checked(published: Path, tmp_path: Path, text: str, what: str) -> None:
    (tmp_path / "ids").write_text(text)
    with pytest.raises(InputError, match=what):
        without(published, f"records={tmp_path / 'ids'}", tmp_path / "new")
    assert not (tmp_path / "new").exists()


def _version(folder: Path) -> Path:
    return folder / publish_typical(folder).version


def _other(folder: Path) -> Path:
    publish_rows(folder, [make_record(1)], build=replace(make_build(1), name="another"))
    return folder


@pytest.mark.parametrize("target", [_version, _other], ids=["a-version", "another-corpus"])
def test_a_version_or_another_corpus_is_not_published_over(
    published: Path, tmp_path: Path, target: Callable[[Path], Path]
) -> None:
    folder = target(tmp_path / "there")
    before = everything(tmp_path)
    with pytest.raises(InputError, match="cannot be published here"):
        without(published, "route=our-vllm/llama", folder)
    assert everything(tmp_path) == before


def test_the_new_manifest_keeps_the_facts_of_its_parent(tmp_path: Path) -> None:
    compared = (Compared(name="earlier", version="0" * 16, sha256="1" * 64, own=False),)
    build = replace(make_build(2), usd_judge=0.5, usd_uncertain=0.25, against=compared)
    publish_rows(tmp_path, [make_record(1), make_record(2, llama=True)], build=build)
    before = open_corpus(tmp_path).manifest
    after = without(tmp_path, "route=our-vllm/llama", tmp_path / "new")
    changed = {"version", "shards", "funnel", "spend", "pending_duties", "run_id", "created_at"}
    for field in dataclasses.fields(before):
        if field.name not in changed | {"parent", "removed"}:
            assert getattr(after, field.name) == getattr(before, field.name)
    assert (after.spend.usd_judge, after.spend.usd_uncertain) == (0.5, 0.25)
    assert (after.run_id, after.created_at) == (
        "withdrawal-20270102T030405",
        "2027-01-02T03:04:05+00:00",
    )


def test_the_cost_of_truncated_answers_is_still_counted_apart(tmp_path: Path) -> None:
    cut = replace(make_rejected(5), finish_reason="length", usd=0.25)
    publish_rows(tmp_path, [make_record(1), make_record(2, llama=True)], [cut])
    after = without(tmp_path, "route=our-vllm/llama", tmp_path / "new").spend
    assert (after.usd_truncated, after.usd_rejected) == (0.25, 0.0001)


def test_a_damaged_corpus_is_not_published_again(tmp_path: Path) -> None:
    publish_typical(tmp_path)
    opened: Corpus = open_corpus(tmp_path)
    path = opened.path(opened.shards("rejected")[0])
    data = path.read_bytes()
    path.unlink()
    path.write_bytes(data[:-1] + b"x")
    with pytest.raises(StillroomError, match="differs from the published file"):
        without(tmp_path, "route=our-vllm/llama", tmp_path / "new")
    assert not (tmp_path / "new/LATEST.json").exists()


def test_a_corpus_with_nothing_rejected_gets_its_first_withdrawn_rows(tmp_path: Path) -> None:
    publish_rows(tmp_path, [make_record(1), make_record(2, llama=True)])
    manifest = without(tmp_path, "route=our-vllm/llama", tmp_path / "new")
    assert manifest.funnel.rejected == {"withdrawn": 1}
    assert verify(tmp_path / "new").ok


@pytest.mark.parametrize(
    ("change", "listed"),
    [
        ({"sha256": "0" * 64}, f"lists 1 withdrawn records with digest {'0' * 16}"),
        ({"records": 2}, "lists 2 withdrawn records with digest"),
    ],
    ids=["digest", "number"],
)
def test_a_removal_that_differs_from_the_files_is_found(
    tmp_path: Path, change: dict[str, Any], listed: str
) -> None:
    publish_rows(tmp_path, [make_record(1), make_record(2, llama=True)], [make_rejected(5)])
    manifest = without(tmp_path, "route=our-vllm/llama", tmp_path / "new")
    path = tmp_path / "new" / manifest.version / "manifest.json"
    data = json.loads(path.read_text())
    data["removed"].update(change)
    path.write_text(json.dumps(data))
    what = "\n".join(problem.what for problem in verify(path.parent).problems)
    assert listed in what
    assert "the files hold 1 with" in what
