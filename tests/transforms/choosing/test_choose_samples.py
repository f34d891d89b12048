"""Applying a choice to a bucket."""

from __future__ import annotations

import numpy as np
import pytest

from schemas.codes import Reason, Stage
from schemas.inputs.quality import BestOf
from tests.corpus_builder import make_record, make_rejected
from transforms.choosing.choose_samples import LOSS, apply_choice
from transforms.dedupe.rows import pack
from transforms.records.filtered_bucket import FilteredBucket, RequestCounts

BEST = BestOf(by="length")


@pytest.mark.parametrize("pairs", [True, False])
def test_samples_that_were_not_chosen_move_to_the_rejected_rows(pairs: bool) -> None:
    best, lost, other = (make_record(number) for number in (1, 2, 3))
    bucket = FilteredBucket(
        records=[best, lost, other],
        rejected=[make_rejected(4)],
        pair_candidates=[make_record(4)],
        counts=RequestCounts(requests=4),
    )
    losses = pack(
        LOSS,
        id=np.array([bytes.fromhex(lost.record_id)], "V32"),
        best=np.array([bytes.fromhex(best.record_id)], "V32"),
    )
    chosen = apply_choice(bucket, losses, BEST, pairs=pairs)
    assert chosen.records == [best, other]
    assert chosen.rejected[0] == make_rejected(4)
    row = chosen.rejected[1]
    assert (row.record_id, row.witness) == (lost.record_id, best.record_id)
    assert (row.stage, row.reason) == (Stage.CHOOSE, Reason.NOT_BEST)
    assert row.detail == "scores 8 by length"
    assert chosen.pair_candidates == [make_record(4), *([lost] if pairs else [])]
    assert chosen.counts == bucket.counts


def test_a_sample_without_a_score_is_said_to_have_none() -> None:
    lost = make_record(2)
    losses = pack(
        LOSS,
        id=np.array([bytes.fromhex(lost.record_id)], "V32"),
        best=np.array([bytes(32)], "V32"),
    )
    chosen = apply_choice(FilteredBucket(records=[lost]), losses, BestOf(by="judge"), pairs=False)
    assert chosen.rejected[0].detail == "was not scored by judge"
