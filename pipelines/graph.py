"""The pipeline: which transforms a record passes, in which order."""

from __future__ import annotations

import apache_beam as beam
from apache_beam.pvalue import PCollection

from schemas.inputs.run import Judge
from schemas.stops import RouteErrors, Stop
from transforms.asking.ask_teachers import AskTeachers
from transforms.choosing.choose_samples import ChooseSamples
from transforms.choosing.pair_samples import PairSamples
from transforms.dedupe.deduplicate import Deduplicate
from transforms.job import Job
from transforms.judging.judge_bucket import JudgeBucket
from transforms.judging.stage_judgements import StageJudgements
from transforms.prompts.stage_requests import StageRequests
from transforms.publishing.write_shards import Publish, WriteShards
from transforms.records.make_records import MakeRecords
from transforms.records.sketch_buckets import SketchBuckets
from transforms.work import DEDUPE


def build_corpus(pipeline: beam.Pipeline, job: Job) -> None:
    """Adds the transforms that turn prompts into a published corpus.

    Ids, sketches and verdicts pass between the stages. Texts stay in the ledger and in the work
    folder of the job.

    Args:
        pipeline: The pipeline, still empty.
        job: The job. If it does not ask, only the ledger is read.
    """
    buckets = pipeline | "StageRequests" >> StageRequests(job)
    stops: list[PCollection[Stop | RouteErrors]] = []
    if job.asks:
        buckets, stopped = buckets | "AskTeachers" >> AskTeachers(job)
        stops.append(stopped)
    buckets = buckets | "MakeRecords" >> MakeRecords(job)
    if job.run.judge:
        buckets, more = _judge(buckets, job, job.run.judge)
        stops += more
    if job.run.best_of:
        buckets = buckets | "ChooseSamples" >> ChooseSamples(job, job.run.best_of)
    sketches = buckets | "SketchBuckets" >> SketchBuckets(job)
    deduplicate = Deduplicate(job.run.dedupe.near, job.work / DEDUPE, job.against)
    verdicts = sketches | "Deduplicate" >> deduplicate
    sides: PCollection[int] = pipeline | "NoSides" >> beam.Create([])
    if job.run.preferences:
        sides = verdicts | "PairSamples" >> PairSamples(job, job.run.preferences)
    written = verdicts | "WriteShards" >> WriteShards(job, sides)
    _ = written | "Publish" >> Publish(job, stops | "Stops" >> beam.Flatten(pipeline=pipeline))


def _judge(
    buckets: PCollection[int], job: Job, judge: Judge
) -> tuple[PCollection[int], list[PCollection[Stop | RouteErrors]]]:
    """Adds the transforms that ask the judge and apply its answers."""
    stops = []
    if job.asks:
        staged = buckets | "StageJudgements" >> StageJudgements(job, judge)
        buckets, stopped = staged | "AskJudge" >> AskTeachers(job.judging())
        stops.append(stopped)
    return buckets | "JudgeBucket" >> JudgeBucket(job, judge), stops
