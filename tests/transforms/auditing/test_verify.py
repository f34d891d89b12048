from __future__ import annotations

import json
import random
import shutil
import tracemalloc
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.arrow import RECORDS
from schemas.canonical import sha256
from schemas.codes import JudgeVerdict, ModelRole, RowKind
from schemas.errors import InputError
from schemas.files import structure, unstructure
from schemas.manifest import Manifest, Shard, version_of
from schemas.records import Generator, Judgement, Provenance, Record, Rejected
from tests.corpus_builder import (
    COLLECTED,
    make_build,
    make_decision,
    make_record,
    make_rejected,
    publish_rows,
    publish_typical,
)
from transforms.auditing.verify import FileProblem, verify
from transforms.corpus.publish import publish
from transforms.corpus.shards import write_bucket
from transforms.guard.obligations import combine_verdicts


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("published")
    publish_typical(folder)
    return folder


@pytest.fixture
def corpus(published: Path, tmp_path: Path) -> Path:
    """A corpus of one's own, to be damaged."""
    shutil.copytree(published, tmp_path / "corpus")
    return tmp_path / "corpus"


def version_folder(corpus: Path) -> Path:
    version: str = json.loads((corpus / "LATEST.json").read_text())["version"]
    return corpus / version


def first_shard(corpus: Path) -> Path:
    return min((version_folder(corpus) / "data").rglob("*.parquet"))


def files(problems: Sequence[FileProblem]) -> set[str]:
    return {problem.file for problem in problems}


def said(problems: Sequence[FileProblem]) -> str:
    return "\n".join(f"{problem.file}: {problem.what}" for problem in problems)


def test_a_published_corpus_verifies(published: Path) -> None:
    found = verify(published)
    assert (found.ok, found.records, found.shards, found.problems) == (True, 60, 10, ())
    assert found.version == version_folder(published).name


def test_no_corpus_is_wrong_input_and_not_a_broken_corpus(tmp_path: Path) -> None:
    with pytest.raises(InputError):
        verify(tmp_path)


@settings(max_examples=25)
@given(data=st.data())
def test_one_changed_byte_of_any_file_is_found_and_named(published: Path, data: Any) -> None:
    folder = version_folder(published)
    shards = sorted(folder.rglob("*.parquet"))
    path = data.draw(st.sampled_from([*shards, folder / "manifest.json"]))
    before = path.read_bytes()
    place = data.draw(st.integers(0, len(before) - 1))
    changed = bytearray(before)
    changed[place] ^= data.draw(st.integers(1, 255))
    path.unlink()  # the staged file is the same one by another name
    path.write_bytes(changed)
    try:
        found = verify(published)
    finally:
        path.write_bytes(before)
    assert not found.ok
    assert files(found.problems) == {str(path.relative_to(folder))}


def test_a_missing_shard_is_named(corpus: Path) -> None:
    path = first_shard(corpus)
    path.unlink()
    assert (
        FileProblem(str(path.relative_to(version_folder(corpus))), "is missing")
        in verify(corpus).problems
    )


def test_a_file_that_is_not_listed_is_named(corpus: Path) -> None:
    stray = version_folder(corpus) / "data" / "none" / "train-00009.parquet"
    shutil.copy(first_shard(corpus), stray)
    assert files(verify(corpus).problems) == {"data/none/train-00009.parquet"}


def test_a_truncated_shard_is_named(corpus: Path) -> None:
    path = first_shard(corpus)
    data = path.read_bytes()
    path.unlink()
    path.write_bytes(data[:-1])
    assert "bytes, in the manifest" in said(verify(corpus).problems)


def test_a_missing_manifest_is_a_problem_of_the_corpus(corpus: Path) -> None:
    (version_folder(corpus) / "manifest.json").unlink()
    found = verify(corpus)
    assert (found.ok, files(found.problems)) == (False, {"manifest.json"})


def rewritten(corpus: Path, change: Callable[[dict[str, Any]], None]) -> Path:
    """Changes the manifest of a corpus and makes all digests of it right again."""
    folder = version_folder(corpus)
    data = json.loads((folder / "manifest.json").read_text())
    change(data)
    manifest = structure(data, Manifest)
    text = json.dumps(unstructure(replace(manifest, version=version_of(manifest))))
    renamed = folder.rename(corpus / version_of(manifest))
    (renamed / "manifest.json").write_text(text)
    (corpus / "LATEST.json").write_text(
        json.dumps(
            {
                "version": renamed.name,
                "manifest": f"{renamed.name}/manifest.json",
                "sha256": sha256(text.encode()),
            }
        )
    )
    return corpus


def test_a_manifest_with_all_its_digests_right_verifies(corpus: Path) -> None:
    assert verify(rewritten(corpus, lambda data: data.update(unapproved="allow"))).ok


@pytest.mark.parametrize(
    ("field", "value", "what"),
    [
        pytest.param("accepted", 61, "does not balance", id="balance"),
        pytest.param("rejected", {"repetition": 5, "refusal": 3}, "rejected", id="reasons"),
        pytest.param("failed", {"timeout": 1}, "failed", id="failures"),
        pytest.param("unread", {}, "unread", id="unread"),
    ],
)
def test_a_funnel_that_is_not_that_of_the_files_is_found(
    corpus: Path, field: str, value: object, what: str
) -> None:
    rewritten(corpus, lambda data: data["funnel"].update({field: value}))
    found = verify(corpus)
    assert files(found.problems) == {"manifest.json"}
    assert what in said(found.problems)


def test_a_version_in_a_folder_of_another_name_is_found(corpus: Path) -> None:
    renamed = version_folder(corpus).rename(corpus / "0123456789abcdef")
    assert "is in folder 0123456789abcdef" in said(verify(renamed).problems)


def test_a_copy_of_a_version_verifies_under_a_name_of_its_own(corpus: Path) -> None:
    assert verify(version_folder(corpus).rename(corpus / "copy")).ok


def test_a_manifest_that_lies_about_its_version_is_found(corpus: Path) -> None:
    folder = version_folder(corpus)
    data = json.loads((folder / "manifest.json").read_text())
    data["purpose"]["use"] = "evaluate"
    (folder / "manifest.json").write_text(json.dumps(data))
    assert "the digest of its content is" in said(verify(folder).problems)


def with_provenance(record: Record, **changes: Any) -> Record:
    """Changes parts of a record's provenance: `teacher={"host": ""}`, or a part as a whole."""
    provenance: Provenance = record.provenance
    for name, change in changes.items():
        if isinstance(change, dict):
            change = replace(getattr(provenance, name), **change)
        provenance = replace(provenance, **{name: change})
    return replace(record, provenance=provenance)


GOOD = make_record(1)
OTHER_DUTY = make_record(4, llama=True).provenance.duties[:1]
UNREAD = replace(GOOD.provenance.terms[0], sha256="")


@pytest.mark.parametrize(
    ("broken", "what"),
    [
        (with_provenance(GOOD, prompt={"license": ""}), "provenance.prompt.license is empty"),
        (with_provenance(GOOD, teacher={"host": ""}), "provenance.teacher.host is empty"),
        (with_provenance(GOOD, terms=()), "provenance.terms has too few entries"),
        (with_provenance(GOOD, terms=(UNREAD,)), "provenance.terms name no version or digest"),
        (with_provenance(GOOD, decision={"id": ""}), "provenance.decision.id is not of the form"),
        (with_provenance(GOOD, decision={"use": "evaluate"}), "decision.use is not the corpus's"),
        (with_provenance(GOOD, decision={"decided_at": 0}), "decided_at is less than 1"),
        (with_provenance(GOOD, generators=()), "provenance.generators name no teacher"),
        (with_provenance(GOOD, request={"id": "0" * 64}), "request.id is not the record's id"),
        (with_provenance(GOOD, request={"received_at": 1}), "received_at is before sent_at"),
        (with_provenance(GOOD, response={"finish_reason": ""}), "finish_reason is empty"),
        (with_provenance(GOOD, pipeline={"version": ""}), "pipeline.version is empty"),
        (with_provenance(GOOD, dedupe={"size": 0}), "dedupe.size is less than 1"),
        (replace(GOOD, messages=GOOD.messages[:1]), "messages do not end with the completion"),
        (replace(GOOD, messages=()), "messages do not end with the completion"),
        (replace(GOOD, completion="Another."), "messages do not end with the completion"),
        (replace(GOOD, language="English"), "language is not of the form"),
        (replace(GOOD, prompt_id="x"), "prompt_id is not of the form"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_record_that_does_not_explain_itself_is_found(
    tmp_path: Path, broken: Record, what: str
) -> None:
    publish_rows(tmp_path, [broken, make_record(2)])
    (problem,) = {(p.file, p.what) for p in verify(tmp_path).problems if what in p.what}
    assert problem[0].startswith("data/none/train-00000-of-")
    assert problem[1].endswith(f"record {GOOD.record_id}")


def test_problems_of_a_kind_are_counted_and_not_listed(tmp_path: Path) -> None:
    publish_rows(tmp_path, [with_provenance(make_record(n), teacher={"api": ""}) for n in range(9)])
    counts = [problem.what for problem in verify(tmp_path).problems]
    assert all("provenance.teacher.api is empty" in what for what in counts)
    assert sum(int(what.split()[-2]) + 1 for what in counts) == 9


def test_a_decision_that_says_two_things_is_found(tmp_path: Path) -> None:
    other = with_provenance(make_record(2), decision={"registry_digest": "0" * 64})
    publish_rows(tmp_path, [GOOD, make_record(3), other])
    assert "names a decision that differs elsewhere" in said(verify(tmp_path).problems)


def test_a_class_that_stands_for_two_sets_of_duties_is_found(tmp_path: Path) -> None:
    other = with_provenance(make_record(2), duties=OTHER_DUTY, decision={"id": "0" * 64})
    publish_rows(tmp_path, [GOOD, other])
    assert "has other duties elsewhere" in said(verify(tmp_path).problems)


SOMEWHERE: Any = "somewhere"  # no stage of ours
JUDGED_BY = make_decision(llama=True, use="select")


def judged(record: Record) -> Record:
    """Makes a record that another model rated, under terms that ask for something."""
    decision, model = JUDGED_BY, "llama-3.1-8b"
    before = record.provenance
    together = combine_verdicts((make_decision(), decision))
    judgement = Judgement(
        route=decision.teacher,
        model=model,
        request_id=sha256(b"rate it"),
        decision_id=decision.decision_id,
        judged_at=COLLECTED + 5_000,
        criteria="Is it right?",
        lowest=1,
        highest=5,
        score=4.0,
        verdict=JudgeVerdict.PASSED,
        rationale="It is.",
        usd=0.0001,
    )
    return with_provenance(
        record,
        terms=together.terms,
        duties=together.duties,
        obligation_class=together.obligation_class,
        generators=(
            *before.generators,
            Generator(
                role=ModelRole.JUDGE,
                route=decision.teacher,
                model=model,
                decision_id=decision.decision_id,
            ),
        ),
        judgements=(judgement,),
    )


JUDGED = judged(make_record(1))


@pytest.mark.parametrize(
    ("record", "what"),
    [
        (JUDGED, ""),
        (with_provenance(JUDGED, judgements=()), "differs in the manifest"),
        (with_provenance(JUDGED, generators=GOOD.provenance.generators), "differs in the manifest"),
        (with_provenance(JUDGED, terms=GOOD.provenance.terms), "differs in the manifest"),
        (
            with_provenance(
                JUDGED,
                judgements=(replace(JUDGED.provenance.judgements[0], judged_at=COLLECTED * 2),),
            ),
            "differs in the manifest",
        ),
        (
            with_provenance(
                JUDGED,
                judgements=(replace(JUDGED.provenance.judgements[0], decision_id="f" * 64),),
            ),
            "is not a decision of the manifest",
        ),
    ],
    ids=["whole", "judgement-gone", "judge-unnamed", "terms-gone", "another-day", "undecided"],
)
def test_a_record_tells_of_its_judge_what_the_decision_tells(
    tmp_path: Path, record: Record, what: str
) -> None:
    decisions = (*make_build(2).decisions, JUDGED_BY)
    build = replace(make_build(2), decisions=decisions)
    publish_rows(tmp_path, [record, make_record(2)], build=build)
    found = verify(tmp_path)
    assert found.ok == (not what)
    assert what in " ".join(problem.what for problem in found.problems)


def test_who_asks_for_a_duty_makes_no_other_class(tmp_path: Path) -> None:
    one = make_record(4, llama=True)
    duties = tuple(replace(duty, document="another/licence") for duty in one.provenance.duties)
    decision = make_decision(llama=True, duties=duties)
    other = with_provenance(
        make_record(8, llama=True),
        duties=duties,
        decision={"id": decision.decision_id},
        generators=(replace(one.provenance.generators[0], decision_id=decision.decision_id),),
    )
    build = replace(make_build(2), decisions=(make_decision(llama=True), decision))
    publish_rows(tmp_path, [one, other], build=build)
    assert verify(tmp_path).ok


@pytest.mark.parametrize(
    ("part", "change", "what"),
    [
        ("verdicts", {"status": "silent"}, "was changed: its digest is"),
        ("verdicts", {"decision_id": "0" * 64}, "was changed: its digest is"),
        ("decisions", {"terms": []}, "was changed: its digest is"),
        ("decisions", {"registry_digest": "0" * 64}, "was made by another registry"),
        ("decisions", {"use": "evaluate"}, "is for another use"),
        ("decisions", {"decision": "deny"}, "denies our-vllm/qwen"),
    ],
    ids=lambda value: str(value)[:24],
)
def test_a_changed_decision_is_found(
    corpus: Path, part: str, change: dict[str, Any], what: str
) -> None:
    found = verify(rewritten(corpus, lambda data: data[part][0].update(change)))
    assert "manifest.json" in files(found.problems)
    assert what in said(found.problems)


def test_another_registry_is_found(corpus: Path) -> None:
    found = verify(rewritten(corpus, lambda data: data.update(registry_digest="0" * 64)))
    assert "was made by another registry" in said(found.problems)
    assert "decision.registry_digest is not the manifest's" in said(found.problems)


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"decision": {"id": "0" * 64}}, "is not a decision of the manifest"),
        ({"teacher": {"route": "our-vllm/llama"}}, "differs in the manifest"),
        ({"terms": make_decision().terms[:1]}, "differs in the manifest"),
        ({"duties": OTHER_DUTY}, "differs in the manifest"),
        ({"decision": {"authorisations": ("MSA-1",)}}, "differs in the manifest"),
        ({"decision": {"decided_at": 1}}, "decided_at is not the moment of collection"),
    ],
    ids=["id", "teacher", "terms", "duties", "authorisations", "day"],
)
def test_a_record_that_says_otherwise_than_its_decision_is_found(
    tmp_path: Path, changes: dict[str, Any], what: str
) -> None:
    publish_rows(tmp_path, [with_provenance(GOOD, **changes)])
    assert what in said(verify(tmp_path).problems)


@pytest.mark.parametrize(
    ("broken", "what"),
    [
        (replace(make_rejected(5), reason=""), "reason is empty"),
        (replace(make_rejected(5), similarity=1.5), "similarity is more than 1"),
        (replace(make_rejected(5), stage=SOMEWHERE), "stage is none of"),
        (replace(make_rejected(5), record_id=""), "record_id must be empty for"),
        (replace(make_rejected(5, kind=RowKind.DUPLICATE), witness=""), "witness is missing"),
        (
            replace(make_rejected(5, kind=RowKind.DUPLICATE), detail="duplicates another"),
            "detail is not that of a duplicate",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_rejected_row_without_its_reason_is_found(
    tmp_path: Path, broken: Rejected, what: str
) -> None:
    publish_rows(tmp_path, [GOOD], [broken])
    assert what in said(verify(tmp_path).problems)


def test_a_record_in_two_shards_is_found(tmp_path: Path) -> None:
    buckets = [write_bucket([GOOD], [], tmp_path / "a", 0)]
    buckets += [write_bucket([replace(GOOD, split="validation")], [], tmp_path / "b", 1)]
    publish(buckets, tmp_path, make_build(2))
    assert f"record {GOOD.record_id} is in data/none/train-" in said(verify(tmp_path).problems)


def test_a_request_both_accepted_and_rejected_is_found(tmp_path: Path) -> None:
    buckets = [write_bucket([GOOD], [], tmp_path / "a", 0)]
    buckets += [write_bucket([], [make_rejected(1)], tmp_path / "b", 1)]
    publish(buckets, tmp_path, make_build(2))
    assert files(verify(tmp_path).problems) & {
        shard.path for shard in open_shards(tmp_path, "rejected")
    }


def test_shards_out_of_order_are_found(tmp_path: Path) -> None:
    low, high = sorted((make_record(1), make_record(2)), key=lambda record: record.record_id)
    buckets = [write_bucket([high], [], tmp_path, 0), write_bucket([low], [], tmp_path, 1)]
    publish(buckets, tmp_path, make_build(2))
    assert f"record {low.record_id} is out of order" in said(verify(tmp_path).problems)


def open_shards(corpus: Path, kind: str) -> list[Shard]:
    data = json.loads((version_folder(corpus) / "manifest.json").read_text())
    return [shard for shard in structure(data, Manifest).shards if shard.kind == kind]


@pytest.mark.parametrize(
    "schema",
    [
        pytest.param(RECORDS.with_metadata(None), id="no version"),
        pytest.param(RECORDS.append(pa.field("note", pa.string())), id="a column more"),
    ],
)
def test_a_shard_of_another_schema_is_found(corpus: Path, schema: pa.Schema) -> None:
    path = first_shard(corpus)
    table = pq.read_table(path)
    for field in list(schema)[len(RECORDS) :]:
        table = table.append_column(field, pa.nulls(len(table), field.type))
    path.unlink()
    pq.write_table(table.cast(schema), path)
    data = path.read_bytes()

    def follow(manifest: dict[str, Any]) -> None:
        for shard in manifest["shards"]:
            if shard["path"].endswith(path.name):
                shard.update(sha256=sha256(data), bytes=len(data))

    found = verify(rewritten(corpus, follow))
    assert "its schema is not stillroom's schema version 1" in said(found.problems)


def test_memory_does_not_grow_with_the_corpus(tmp_path: Path) -> None:
    """Python's own memory; what Arrow holds is one row group of at most 4,096 records."""

    def peak(records: int) -> int:
        folder = tmp_path / str(records)
        rows = [make_record(number) for number in range(records)]
        publish([write_bucket(rows, [], folder / ".work", 0)], folder, make_build(records))
        tracemalloc.start()
        assert verify(folder).ok
        used = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return used

    assert peak(15_000) < 1.5 * peak(5_000)  # both hold a whole row group


def test_random_garbage_in_place_of_a_shard_is_named(corpus: Path) -> None:
    path = first_shard(corpus)
    size = path.stat().st_size
    path.unlink()
    path.write_bytes(random.Random(1).randbytes(size))
    assert files(verify(corpus).problems) == {str(path.relative_to(version_folder(corpus)))}
