"""The end of a run: duplicates leave, shards are written, and a version is published or not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from schemas.codes import DedupeMethod, Reason, StopReason
from schemas.errors import StillroomError
from schemas.inputs.quality import Preferences, Target
from schemas.records import DedupeProvenance, Record, Rejected
from schemas.stops import Stop
from tests.corpus_builder import make_record
from tests.transforms.records.run_builder import ask, fill_ledger, make_job, respond
from transforms.auditing.verify import verify
from transforms.choosing.rejected_sides import RejectedSide, write_sides
from transforms.dedupe.blocks import Removal, VerdictBlock
from transforms.job import Job
from transforms.ledger import Ledger
from transforms.prompts.staging import write_requests
from transforms.publishing.outcome import RunOutcome, apply_verdict, publish_run, write_shards
from transforms.records.filtered_bucket import FILTERED, FilteredBucket, write_filtered
from transforms.records.make_records import make_records
from transforms.work import REJECTED_SIDES, REQUESTS, SHARDS, UNREAD, write_staged

REQUESTS_OF_RUN = tuple(ask(f"Question {number}") for number in range(4))
NO_DUPLICATES = VerdictBlock(bucket=0, removed={}, clusters={})
STOP = Stop(route="acme/model", reason=StopReason.QUOTA, detail="spent")


def filtered_job(
    folder: Path, answers: int, *, target: int = 3, widens: bool = False
) -> tuple[Job, FilteredBucket]:
    """Returns a job of four requests with a filtered bucket, and that bucket.

    Args:
        folder: Holds the corpus and the ledger.
        answers: How many of the requests are answered; the others are pending.
        target: How many accepted records the run wants.
        widens: Whether the run may ask for more.
    """
    job = replace(make_job(folder, target=Target(accepted=target)), requests=4, widens=widens)
    write_requests(job.work / REQUESTS, 0, REQUESTS_OF_RUN)
    answered = REQUESTS_OF_RUN[:answers]
    texts = ("One.", "Two.", " ", "Four.")  # the third one is empty, and rejected
    fill_ledger(job, *((r, respond(r, text)) for r, text in zip(answered, texts, strict=False)))
    filtered = make_records(job, 0, None, Ledger(Path(job.run.ledger)).reader())
    write_filtered(job, FILTERED, 0, filtered)
    write_staged(job.work / UNREAD, [])
    return job, filtered


def finish(job: Job, verdicts: VerdictBlock = NO_DUPLICATES, *stops: Stop) -> RunOutcome:
    return publish_run(job, [write_shards(job, 0, verdicts)], stops)


def test_a_duplicate_becomes_a_rejected_row() -> None:
    record, witness = make_record(1), make_record(2).record_id
    removal = Removal(witness=witness, similarity=0.9, method=DedupeMethod.NEAR)
    block = replace(NO_DUPLICATES, removed={record.record_id: removal})
    row = apply_verdict(record, block)
    assert isinstance(row, Rejected)
    assert (row.reason, row.witness, row.similarity) == (Reason.NEAR_DUPLICATE, witness, 0.9)


def test_a_record_that_represents_others_gets_their_cluster() -> None:
    record = make_record(1)
    cluster = DedupeProvenance(record.record_id, 3, DedupeMethod.EXACT)
    row = apply_verdict(record, replace(NO_DUPLICATES, clusters={record.record_id: cluster}))
    assert isinstance(row, Record)
    assert row == replace(record, provenance=replace(record.provenance, dedupe=cluster))


def test_a_record_without_a_verdict_stays_as_it_is() -> None:
    assert apply_verdict(make_record(1), NO_DUPLICATES) == make_record(1)


def test_shards_hold_the_records_without_duplicates_and_the_same_again_on_a_retry(
    tmp_path: Path,
) -> None:
    job, filtered = filtered_job(tmp_path, 4)
    kept, removed, other = filtered.records
    removal = Removal(witness=kept.record_id, similarity=1.0, method=DedupeMethod.EXACT)
    block = replace(NO_DUPLICATES, removed={removed.record_id: removal})
    shards, counts = write_shards(job, 0, block)
    (part,) = shards.partitions
    ids = pq.read_table(part.shard.path).column("record_id").to_pylist()
    assert ids == sorted([kept.record_id, other.record_id])
    assert shards.counts == {"duplicate": {"exact_duplicate": 1}, "rejected": {"empty": 1}}
    assert counts == filtered.counts
    before = sorted((job.work / SHARDS).rglob("*.parquet"))
    assert write_shards(job, 0, block) == (shards, counts)
    assert sorted((job.work / SHARDS).rglob("*.parquet")) == before


def test_the_pairs_of_a_bucket_are_those_whose_chosen_side_it_holds(tmp_path: Path) -> None:
    job, filtered = filtered_job(tmp_path, 4)
    wanted = Preferences(by="length", gap=1.0)
    job = replace(job, run=job.run.model_copy(update={"preferences": wanted}))
    chosen, rejected, _ = filtered.records
    side = RejectedSide(
        chosen_id=chosen.record_id, chosen_score=1.0, rejected_score=3.0, record=rejected
    )
    write_sides(job.work / REJECTED_SIDES, 0, {0: [side]}, 1)
    (part,) = write_shards(job, 0, NO_DUPLICATES)[0].preferences
    (pair,) = pq.read_table(part.shard.path).to_pylist()
    assert (pair["chosen_id"], pair["rejected_id"]) == (chosen.record_id, rejected.record_id)
    assert (pair["chosen_score"], pair["rejected_score"], pair["chosen_by"]) == (1.0, 3.0, "length")


def test_a_published_run_verifies_and_counts_every_request(tmp_path: Path) -> None:
    job, _ = filtered_job(tmp_path, 3)
    outcome = finish(job, NO_DUPLICATES, STOP)
    assert outcome.manifest is not None
    assert outcome.funnel == outcome.manifest.funnel
    assert (outcome.funnel.accepted, outcome.funnel.rejected) == (2, {"empty": 1})
    assert (outcome.funnel.requests, outcome.funnel.pending) == (4, 1)
    assert outcome.spend.usd == pytest.approx(150e-6)
    assert (outcome.stops, outcome.falls_short) == ((STOP,), False)
    assert verify(Path(job.run.corpus)).ok


@pytest.mark.parametrize(
    ("widens", "answers", "target"),
    [(True, 4, 3), (True, 3, 3), (False, 4, 4)],
    ids=["reached", "pending", "cannot widen"],
)
def test_a_run_is_published_if_it_reached_its_target_or_cannot_ask_for_more(
    tmp_path: Path, widens: bool, answers: int, target: int
) -> None:
    job, _ = filtered_job(tmp_path, answers, target=target, widens=widens)
    outcome = finish(job)
    assert outcome.manifest is not None
    assert not outcome.falls_short


@pytest.mark.parametrize(("stops", "short"), [((), True), ((STOP,), False)])
def test_a_run_below_its_target_is_not_published_while_more_can_be_asked(
    tmp_path: Path, stops: tuple[Stop, ...], short: bool
) -> None:
    job, _ = filtered_job(tmp_path, 4, target=4, widens=True)
    outcome = finish(job, NO_DUPLICATES, *stops)
    assert (outcome.falls_short, outcome.manifest is None) == (short, short)


def test_a_run_without_accepted_records_publishes_nothing(tmp_path: Path) -> None:
    job, _ = filtered_job(tmp_path, 0)
    outcome = finish(job)
    assert (outcome.manifest, outcome.funnel.pending) == (None, 4)
    assert not (Path(job.run.corpus) / "LATEST.json").exists()


def test_requests_that_do_not_balance_publish_nothing(tmp_path: Path) -> None:
    job, _ = filtered_job(tmp_path, 4)
    with pytest.raises(StillroomError, match="does not balance"):
        finish(replace(job, requests=5))
    assert not (Path(job.run.corpus) / "LATEST.json").exists()
