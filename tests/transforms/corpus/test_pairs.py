"""Preference pairs in a published corpus are verified, audited, withdrawn and explained."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from schemas.arrow import PREFERENCES
from schemas.canonical import sha256
from schemas.errors import InputError
from schemas.files import structure, unstructure
from schemas.manifest import Manifest, version_of
from schemas.records import Preference, Record, Rejected
from tests.corpus_builder import (
    PREFIX,
    make_pair,
    make_record,
    make_rejected,
    publish_rows,
    shuffled,
)
from tests.transforms.guard.terms_builder import FORBID, PERMIT, catalogue, terms
from transforms.auditing.audit import audit, denied_ids
from transforms.auditing.explain import explain
from transforms.auditing.select import select
from transforms.auditing.verify import verify
from transforms.auditing.withdraw import withdraw
from transforms.corpus.read import open_corpus
from transforms.guard.evaluate import Guard

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


def rows() -> tuple[list[Record], list[Rejected], list[Preference]]:
    """Makes eight records, each with a worse answer to its prompt; half of those owe something.

    The worse answers to the first two are records themselves.
    """
    better = [make_record(n, split="validation" if n == 3 else "train") for n in range(8)]
    worse = [
        replace(make_record(100 + n, llama=n % 2 == 1), prompt_id=record.prompt_id)
        for n, record in enumerate(better)
    ]
    rejected = [
        replace(make_rejected(100 + n), record_id=side.record_id, prompt_id=side.prompt_id)
        for n, side in enumerate(worse)
        if n > 1
    ]
    pairs = [make_pair(*sides) for sides in zip(better, worse, strict=True)]
    return better + worse[:2], rejected, pairs


def worse_rows(records: list[Record]) -> list[Rejected]:
    return [
        replace(make_rejected(n), record_id=record.record_id, prompt_id=record.prompt_id)
        for n, record in enumerate(records, 100)
    ]


def publish(folder: Path, change: Callable[[Preference], Preference] | None = None) -> Manifest:
    records, rejected, pairs = rows()
    if change:
        pairs[4] = change(pairs[4])
    return publish_rows(folder, records, rejected, pairs=pairs)


def pair_files(manifest: Manifest) -> dict[tuple[str, str], int]:
    return {
        (shard.obligation_class, shard.split): shard.records
        for shard in manifest.shards
        if shard.kind == "preferences"
    }


def read_pairs(folder: Path) -> list[dict[str, Any]]:
    corpus = open_corpus(folder)
    return [row for table in corpus.tables("preferences") for row in table.to_pylist()]


def test_pairs_are_filed_by_what_both_sides_owe_and_verify(tmp_path: Path) -> None:
    manifest = publish(tmp_path)
    assert verify(tmp_path).problems == ()
    classes = {name for name, _ in pair_files(manifest)}
    assert len(classes) == 2
    assert "none" in classes
    assert manifest.rows("preferences") == 8
    assert PREFIX in manifest.pending_duties


def test_the_order_of_pairs_does_not_show(tmp_path: Path) -> None:
    records, rejected, pairs = rows()
    manifests = [
        publish_rows(
            tmp_path / str(seed),
            shuffled(records, seed),
            shuffled(rejected, seed),
            pairs=shuffled(pairs, seed),
        )
        for seed in range(3)
    ]
    assert len({manifest.version for manifest in manifests}) == 1


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda pair: replace(pair, pair_id=sha256(b"")), "pair_id is not the digest"),
        (lambda pair: replace(pair, chosen_id=make_record(7).record_id), "is not the record's id"),
        (lambda pair: replace(pair, rejected_score=1.0), "equals that of the chosen side"),
        (lambda pair: replace(pair, prompt=()), "prompt has too few entries"),
        (lambda pair: replace(pair, chosen_by=""), "chosen_by is empty"),
        (
            lambda pair: replace(
                pair, rejected_provenance=replace(pair.rejected_provenance, generators=())
            ),
            "rejected_provenance.generators",
        ),
        (
            lambda pair: replace(
                pair,
                rejected_provenance=replace(pair.rejected_provenance, duties=(PREFIX,)),
            ),
            "rejected_provenance",
        ),
        (lambda pair: make_pair(make_record(4), make_record(300)), "the rejected side"),
        (lambda pair: make_pair(make_record(104), make_record(4)), "the chosen side"),
        (
            lambda pair: replace(pair, prompt_id=make_record(5).prompt_id),
            "is not in the corpus",
        ),
    ],
    ids=[
        "pair-id",
        "side-of-another",
        "no-difference",
        "no-prompt",
        "no-scorer",
        "no-generator",
        "other-duties",
        "unknown-side",
        "rejected-as-chosen",
        "other-prompt",
    ],
)
def test_an_incomplete_pair_does_not_verify(
    tmp_path: Path, change: Callable[[Preference], Preference], said: str
) -> None:
    publish(tmp_path, change)
    found = verify(tmp_path)
    assert not found.ok
    assert said in "\n".join(problem.what for problem in found.problems)
    assert {problem.file.split("/")[0] for problem in found.problems} == {"preferences"}


def rewrite(folder: Path, change: Callable[[pa.Table], pa.Table]) -> None:
    """Changes a shard of pairs, and its entry in the manifest."""
    corpus = open_corpus(folder)
    shard = max(corpus.shards("preferences"), key=lambda shard: shard.records)
    pq.write_table(change(pq.read_table(corpus.path(shard))), corpus.path(shard))
    data = corpus.path(shard).read_bytes()
    table = pq.read_table(corpus.path(shard))
    changed = replace(shard, sha256=sha256(data), bytes=len(data), records=table.num_rows)
    others = tuple(changed if one == shard else one for one in corpus.manifest.shards)
    manifest = replace(corpus.manifest, shards=others)
    manifest = replace(manifest, version=version_of(manifest))
    (folder / "bad").mkdir()
    corpus.folder.rename(folder / "bad" / manifest.version)
    path = folder / "bad" / manifest.version / "manifest.json"
    path.write_text(json.dumps(unstructure(manifest)))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda table: table.drop_columns(["chosen_by"]), "its schema is not"),
        (lambda table: pa.concat_tables([table, table.slice(0, 1)]), "out of order"),
        (lambda table: pa.concat_tables([table.slice(0, 1), table]), "is in preferences/"),
    ],
    ids=["schema", "order", "twice"],
)
def test_a_shard_of_pairs_is_verified_like_other_shards(
    tmp_path: Path, change: Callable[[pa.Table], pa.Table], said: str
) -> None:
    publish(tmp_path)
    rewrite(tmp_path, change)
    (manifest,) = (tmp_path / "bad").glob("*/manifest.json")
    found = verify(manifest)
    assert said in "\n".join(problem.what for problem in found.problems)


def test_a_stray_file_of_pairs_is_noticed(tmp_path: Path) -> None:
    manifest = publish(tmp_path)
    stray = tmp_path / manifest.version / "preferences" / "none" / "train-1.parquet"
    stray.write_bytes(b"")
    assert [problem.what for problem in verify(tmp_path).problems] == [
        "is not listed in the manifest"
    ]


def ids_file(tmp_path: Path, *ids: str) -> str:
    path = tmp_path / "ids.txt"
    path.write_text("".join(f"{name}\n" for name in ids))
    return f"records={path}"


def take_out(tmp_path: Path, where: str) -> Manifest:
    corpus = open_corpus(tmp_path / "corpus")

    def audited() -> Any:
        raise AssertionError

    manifest = withdraw(corpus, select(corpus, where, audited), tmp_path / "corpus", NOW)
    assert verify(tmp_path / "corpus").problems == ()
    return manifest


def test_a_withdrawn_record_takes_its_pair_with_it(tmp_path: Path) -> None:
    publish(tmp_path / "corpus")
    manifest = take_out(tmp_path, ids_file(tmp_path, make_record(4).record_id))
    assert manifest.removed is not None
    assert (manifest.removed.records, manifest.removed.preferences) == (1, 1)
    left = {row["chosen_id"] for row in read_pairs(tmp_path / "corpus")}
    assert left == {make_record(n).record_id for n in range(8) if n != 4}


def test_a_withdrawn_worse_side_takes_the_pair_and_leaves_the_better_record(
    tmp_path: Path,
) -> None:
    publish(tmp_path / "corpus")
    manifest = take_out(tmp_path, "route=our-vllm/llama")
    assert manifest.removed is not None
    # One of the four was a record too; of the other three the pairs alone are left to take out.
    assert (manifest.removed.records, manifest.removed.preferences) == (1, 4)
    for row in read_pairs(tmp_path / "corpus"):
        assert row["rejected_provenance"]["teacher"]["route"] == "our-vllm/qwen"
    assert manifest.pending_duties == ()


def test_pairs_alone_can_be_withdrawn(tmp_path: Path) -> None:
    records, rejected, pairs = rows()
    publish_rows(tmp_path / "corpus", records, rejected, pairs=pairs[4:6])
    before = {shard.path for shard in open_corpus(tmp_path / "corpus").shards("records")}
    manifest = take_out(tmp_path, ids_file(tmp_path, pairs[5].rejected_id))
    assert manifest.removed is not None
    assert (manifest.removed.records, manifest.removed.preferences) == (0, 1)
    assert {shard.path for shard in manifest.shards if shard.kind == "records"} == before
    with pytest.raises(InputError, match="nothing to withdraw"):
        take_out(tmp_path, ids_file(tmp_path, pairs[5].rejected_id))


def test_shards_of_pairs_that_lose_nothing_stay_as_they_are(tmp_path: Path) -> None:
    first = publish(tmp_path / "corpus")
    second = take_out(tmp_path, ids_file(tmp_path, make_record(3).record_id))
    kept, before = (
        {shard.sha256 for shard in manifest.shards if shard.kind == "preferences"}
        for manifest in (second, first)
    )
    assert kept < before


def test_an_audit_sees_worse_sides_that_are_no_records(tmp_path: Path) -> None:
    records, rejected, pairs = rows()
    folder = tmp_path / "corpus"
    publish_rows(folder, records[:8], rejected + worse_rows(records[8:]), pairs=pairs)
    corpus = open_corpus(folder)
    # No route is known any longer: what the sides themselves say of theirs counts.
    forbidding = terms("llama/license", FORBID, version="3.1")
    guard = Guard(catalogue(terms("apache/license", PERMIT, version="2.0"), forbidding, routes=[]))
    found = audit(corpus, guard, date(2026, 11, 22))
    assert (found.records, found.denied) == (8, 0)
    assert (found.preferences, found.preferences_denied) == (8, 4)
    assert {(denial.teacher, denial.records, denial.sides) for denial in found.by_clause} == {
        ("our-vllm/llama", 0, 4)
    }
    worse = {pair.rejected_id for pair in pairs if pair.rejected_provenance.duties}
    assert set(denied_ids(corpus, found)) == worse
    selection = select(corpus, "audit", lambda: found)
    manifest = withdraw(corpus, selection, folder, NOW)
    assert (manifest.funnel.accepted, manifest.rows("preferences")) == (8, 4)
    assert audit(open_corpus(folder), guard, date(2026, 11, 22)).preferences_denied == 0


def test_a_story_tells_the_pairs_of_a_record_and_of_a_rejected_answer(tmp_path: Path) -> None:
    publish(tmp_path)
    _, _, pairs = rows()
    better = explain(tmp_path, pairs[4].chosen_id).sections
    worse = explain(tmp_path, pairs[4].rejected_id).sections
    facts = [section.facts for section in (*better, *worse) if section.title == "Preferences"]
    said = "1 over 3 by length"
    assert facts == [
        (("chosen over", f"{pairs[4].rejected_id}, {said}"),),
        (("rejected for", f"{pairs[4].chosen_id}, {said}"),),
    ]


def test_card_croissant_and_report_tell_of_the_pairs(tmp_path: Path) -> None:
    manifest = publish(tmp_path)
    folder = tmp_path / manifest.version
    card = (folder / "README.md").read_text()
    header = yaml.safe_load(card.split("---")[1])
    assert header["configs"][-1] == {
        "config_name": "preferences",
        "data_files": [
            {"split": "train", "path": "preferences/*/train-*.parquet"},
            {"split": "validation", "path": "preferences/*/validation-*.parquet"},
        ],
    }
    assert header["license"] == "other"
    assert "8 pairs of a chosen and a rejected answer" in card
    assert "Users of the pairs owe:" in card
    croissant = json.loads((folder / "croissant.json").read_text())
    names = {
        one["@id"]: [field["name"] for field in one["field"]] for one in croissant["recordSet"]
    }
    assert names["preferences"] == PREFERENCES.names
    report = (folder / "report.html").read_text()
    assert "Some preference pairs" in report


def test_a_corpus_without_pairs_does_not_speak_of_them(tmp_path: Path) -> None:
    records, rejected, _ = rows()
    manifest = publish_rows(tmp_path, records, rejected)
    for name in ("README.md", "croissant.json", "report.html"):
        assert "preference" not in (tmp_path / manifest.version / name).read_text().lower()


def test_a_manifest_of_pairs_reads_back(tmp_path: Path) -> None:
    manifest = publish(tmp_path)
    data = json.loads((tmp_path / manifest.version / "manifest.json").read_text())
    assert structure(data, Manifest) == manifest
