"""The pipeline: which transforms a record passes, in which order (design, section 4)."""

from __future__ import annotations

import apache_beam as beam
from apache_beam.pvalue import PCollection

from transforms.buckets.sketch_buckets import SketchBuckets
from transforms.buckets.stage_bucket import StageBucket
from transforms.corpus.write_shards import Publish, WriteShards
from transforms.dedupe.deduplicate import Deduplicate
from transforms.job import Job
from transforms.prompts.stage_requests import StageRequests
from transforms.teachers.ask_teachers import AskTeachers
from transforms.teachers.progress import Stop
from transforms.work import DEDUPE


def build_corpus(pipeline: beam.Pipeline, job: Job) -> None:
    """Adds to a pipeline all that turns prompts into a published corpus.

    Ids, sketches and verdicts travel between the stages; texts stay in the ledger and in the
    execution's work folder.

    Args:
        pipeline: The pipeline, still empty.
        job: The execution. Where it does not ask, the ledger alone is read.
    """
    buckets = pipeline | "StageRequests" >> StageRequests(job)
    stops: PCollection[Stop] = pipeline | "NoStops" >> beam.Create([])
    if job.asks:
        buckets, stops = buckets | "AskTeachers" >> AskTeachers(job)
    buckets = buckets | "StageBucket" >> StageBucket(job)
    sketches = buckets | "SketchBuckets" >> SketchBuckets(job)
    deduplicate = Deduplicate(job.run.dedupe.near, job.work / DEDUPE, job.against)
    verdicts = sketches | "Deduplicate" >> deduplicate
    written = verdicts | "WriteShards" >> WriteShards(job)
    _ = written | "Publish" >> Publish(job, stops)
