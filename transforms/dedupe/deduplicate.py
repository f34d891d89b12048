"""`Deduplicate`: turns the sketches of all records into verdicts on duplicates.

Records of earlier corpora are read from their indexes. They rank above all new records, are never
removed, and are not compared with one another.

    SplitKeys ─partition→ FindExact ─┬─bucket→ SplitBands ─partition→ FindCandidates
                                     │                                     │ bucket
                                     └───→ FormClusters ←──────────── ComparePairs
                                                └─bucket→ JoinVerdicts

Beam passes on neither text nor sketches, only the places of packed rows on disk (`RowFiles`). So
memory grows with the largest bucket and the largest partition: a partition is a sixty-fourth of all
bands, which are 240 bytes for each record, indexed ones included. One worker forms all clusters; it
needs about 150 bytes for each verified edge. For a record and a hot key there are at most 16 edges
to new records and 16 to indexed ones.

Only content decides. So a repeated bundle, another order of arrival, or another number of buckets
or workers gives the same verdicts.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import apache_beam as beam
import numpy as np
from apache_beam.metrics.metric import Metrics
from apache_beam.pvalue import PCollection

from schemas.index import Index
from schemas.inputs.quality import NearDedupe
from transforms.dedupe.blocks import SketchBlock, VerdictBlock
from transforms.dedupe.candidates import BAND, PAIR, find_candidates, split_bands, split_pairs
from transforms.dedupe.clusters import MEMBER, form_clusters, split_members
from transforms.dedupe.exact import KEY, find_exact, split_keys, split_removed
from transforms.dedupe.row_files import RowFiles, RowSlice
from transforms.dedupe.rows import EDGE, are_indexed, are_new, rows_of
from transforms.dedupe.similarity import compare_pairs
from transforms.dedupe.sources import Sources
from transforms.dedupe.verdicts import verdict_block

EXACT_DUPLICATES = "exact_duplicates"
NEAR_DUPLICATES = "near_duplicates"
CAPPED_KEYS = "capped_keys"

_NAMESPACE = "dedupe"
_ONE_KEY = 0  # brings all edges to one worker; also the number of its file

_Placed = tuple[int, RowSlice]
_Grouped = tuple[int, Iterable[RowSlice]]
_Joined = tuple[int, dict[str, Iterable[RowSlice]]]
_Sketches = PCollection[SketchBlock]
_Verdicts = PCollection[tuple[int, VerdictBlock]]


@dataclass(eq=False)
class Deduplicate(beam.PTransform[_Sketches, _Verdicts]):
    """Finds duplicates and decides which record of each cluster is kept.

    Input, bounded: a `SketchBlock` for each bucket, empty ones included, from `sketch_bucket`.
    Output: a `VerdictBlock` for each bucket, keyed by its number. Counters: `exact_duplicates` and
    `near_duplicates` (removed records), and `capped_keys` (bands that too many records share for
    all of them to be compared).

    Attributes:
        near: How near-duplicates are compared, or None to find exact duplicates alone.
        folder: Work folder of deduplication, the same as for `sketch_bucket`.
        against: Indexes of earlier corpora, for the unit that `near` compares.
    """

    near: NearDedupe | None
    folder: Path
    against: tuple[Index, ...] = ()

    def __post_init__(self) -> None:
        super().__init__()

    def expand(self, sketches: _Sketches) -> _Verdicts:
        """Builds the graph in the drawing of this module."""
        sources = Sources(self.folder, self.against)
        every = sketches
        if self.against:
            indexed = sketches.pipeline | "Indexed" >> beam.Create(sources.indexed())
            every = (sketches, indexed) | "WithIndexed" >> beam.Flatten()
        exact: PCollection[_Placed] = (
            every
            | "SplitKeys" >> beam.FlatMap(_split_keys, sources)
            | "GroupKeys" >> beam.GroupByKey()  # partition, slices of keys
            | "FindExact" >> beam.FlatMap(_find_exact, self.folder)
        )
        found = {"exact": exact | "ExactToOneKey" >> beam.Map(_to_one_key)}
        if self.near:
            near = (every, exact) | "FindNear" >> _FindNear(self.near, sources)
            found["near"] = near
        clustered = (
            found
            | "GroupEdges" >> beam.CoGroupByKey()  # one element: slices of all edges
            | "FormClusters" >> beam.FlatMap(_form_clusters, self.folder)
        )
        verdicts: _Verdicts = (
            {"buckets": sketches | "Buckets" >> beam.Map(_bucket), "clustered": clustered}
            | "GroupVerdicts" >> beam.CoGroupByKey()  # bucket, slices of members
            | "JoinVerdicts" >> beam.ParDo(_JoinVerdictsFn(sources))
        )
        return verdicts


@dataclass(eq=False)
class _FindNear(beam.PTransform[tuple[_Sketches, PCollection[_Placed]], PCollection[_Placed]]):
    """Finds near-duplicates among the records that were not removed as exact duplicates."""

    near: NearDedupe
    sources: Sources

    def __post_init__(self) -> None:
        super().__init__()

    def expand(self, found: tuple[_Sketches, PCollection[_Placed]]) -> PCollection[_Placed]:
        sketches, exact = found
        edges: PCollection[_Placed] = (
            {"buckets": sketches | "Buckets" >> beam.Map(_bucket), "exact": exact}
            | "GroupRemoved" >> beam.CoGroupByKey()  # bucket, slices of its exact duplicates
            | "SplitBands" >> beam.FlatMap(_split_bands, self.sources)
            | "GroupBands" >> beam.GroupByKey()  # partition, slices of bands
            | "FindCandidates" >> beam.ParDo(_FindCandidatesFn(self.sources.folder))
            | "GroupPairs" >> beam.GroupByKey()  # bucket, slices of pairs
            | "ComparePairs" >> beam.FlatMap(_compare_pairs, self.near.threshold, self.sources)
        )
        return edges


class _FindCandidatesFn(beam.DoFn):
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._capped = Metrics.counter(_NAMESPACE, CAPPED_KEYS)

    def process(self, element: _Grouped) -> Iterator[_Placed]:
        partition, slices = element
        pairs, hot = find_candidates(_bands(self._folder).read(slices))
        self._capped.inc(hot)
        yield from _pairs(self._folder).write(partition, split_pairs(pairs))


class _JoinVerdictsFn(beam.DoFn):
    def __init__(self, sources: Sources) -> None:
        self._sources = sources
        self._counters = {
            "exact": Metrics.counter(_NAMESPACE, EXACT_DUPLICATES),
            "near": Metrics.counter(_NAMESPACE, NEAR_DUPLICATES),
        }

    def process(self, element: _Joined) -> Iterator[tuple[int, VerdictBlock]]:
        bucket, joined = element
        members = _members(self._sources.folder).read(joined["clustered"])
        block = verdict_block(bucket, members, self._sources)
        for removal in block.removed.values():
            self._counters[removal.method].inc()
        yield bucket, block


def _split_keys(block: SketchBlock, sources: Sources) -> Iterator[_Placed]:
    keys = sources.sidecar(block.bucket).keys()
    parts = split_keys(sources.references(block.bucket), keys)
    return _keys(sources.folder).write(block.bucket, parts)


def _find_exact(element: _Grouped, folder: Path) -> Iterator[_Placed]:
    partition, slices = element
    edges = find_exact(_keys(folder).read(slices))
    return _exact(folder).write(partition, split_removed(edges))


def _split_bands(element: _Joined, sources: Sources) -> Iterator[_Placed]:
    bucket, joined = element
    removed = rows_of(_exact(sources.folder).read(joined["exact"])["worse"])
    rows, bands = sources.sidecar(bucket).bands()
    stay = ~np.isin(rows, removed)
    refs = sources.references(bucket)[rows[stay]]
    return _bands(sources.folder).write(bucket, split_bands(refs, bands[stay]))


def _compare_pairs(element: _Grouped, threshold: float, sources: Sources) -> Iterator[_Placed]:
    bucket, slices = element
    edges = compare_pairs(_pairs(sources.folder).read(slices), threshold, sources)
    return _near(sources.folder).write(bucket, [(_ONE_KEY, edges)])


def _form_clusters(element: _Joined, folder: Path) -> Iterator[_Placed]:
    place, found = element
    exact = _exact(folder).read(found["exact"])
    near = _near(folder).read(found.get("near", ()))
    members = form_clusters(exact[are_new(exact["worse"])], near)
    return _members(folder).write(place, split_members(members[~are_indexed(members["ref"])]))


def _bucket(block: SketchBlock) -> tuple[int, int]:
    return block.bucket, block.records


def _to_one_key(placed: _Placed) -> _Placed:
    return _ONE_KEY, placed[1]


def _keys(folder: Path) -> RowFiles:
    return RowFiles(folder / "keys", KEY)


def _exact(folder: Path) -> RowFiles:
    return RowFiles(folder / "exact", EDGE)


def _bands(folder: Path) -> RowFiles:
    return RowFiles(folder / "bands", BAND)


def _pairs(folder: Path) -> RowFiles:
    return RowFiles(folder / "pairs", PAIR)


def _near(folder: Path) -> RowFiles:
    return RowFiles(folder / "near", EDGE)


def _members(folder: Path) -> RowFiles:
    return RowFiles(folder / "members", MEMBER)
