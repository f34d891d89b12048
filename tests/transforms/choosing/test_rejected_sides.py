"""Rejected sides are found again by the bucket of their chosen sides."""

from __future__ import annotations

from pathlib import Path

from schemas.records import pair_id
from tests.corpus_builder import make_record
from transforms.choosing.rejected_sides import (
    RejectedSide,
    make_preference,
    read_sides,
    write_sides,
)


def side(chosen: int, rejected: int) -> RejectedSide:
    return RejectedSide(
        chosen_id=make_record(chosen).record_id,
        chosen_score=1.0,
        rejected_score=3.0,
        record=make_record(rejected),
    )


def test_each_bucket_reads_its_part_of_every_file(tmp_path: Path) -> None:
    write_sides(tmp_path, 0, {0: [side(1, 2)], 2: [side(3, 4), side(3, 5)]}, 4)
    write_sides(tmp_path, 1, {}, 4)
    write_sides(tmp_path, 2, {2: [side(3, 6)]}, 4)
    write_sides(tmp_path, 3, {0: [side(1, 7)]}, 4)
    assert list(read_sides(tmp_path, 0, 4)) == [side(1, 2), side(1, 7)]
    assert list(read_sides(tmp_path, 1, 4)) == []
    assert list(read_sides(tmp_path, 2, 4)) == [side(3, 4), side(3, 5), side(3, 6)]
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        f"{bucket:04d}.sides" for bucket in range(4)
    ]


def test_a_pair_has_the_prompt_and_the_last_turn_of_both_sides() -> None:
    chosen, rejected = make_record(1), make_record(2)
    pair = make_preference(chosen, side(1, 2), "length")
    assert pair.pair_id == pair_id(chosen.record_id, rejected.record_id)
    assert (pair.prompt, pair.chosen) == (chosen.messages[:-1], chosen.messages[-1:])
    assert (pair.rejected, pair.rejected_id) == (rejected.messages[-1:], rejected.record_id)
    assert (pair.chosen_score, pair.rejected_score, pair.chosen_by) == (1.0, 3.0, "length")
    assert pair.chosen_provenance == chosen.provenance
    assert pair.rejected_provenance == rejected.provenance
