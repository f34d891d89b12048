"""Damage is never taken for a crash: no answer is silently forgotten."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import pytest

from schemas.errors import InputError, StillroomError
from tests.transforms.ledger.samples import answer, name, segments, write
from transforms.ledger import Ledger, verify_ledger
from transforms.ledger.damage import accept_loss, refuse_damage, verify_folder

ANSWERS = 40


@pytest.fixture
def ledger(folder_ledger: Ledger) -> Ledger:
    for first in range(0, ANSWERS, 20):
        write(folder_ledger, *(answer(name(i)) for i in range(first, first + 20)))
    return folder_ledger


def _copy(ledger: Ledger, to: Path) -> Ledger:
    shutil.copytree(ledger.path, to)
    return Ledger(to)


def _found(ledger: Ledger) -> tuple[int, list[str]]:
    """Returns how many answers can be read, and all that is said about the rest."""
    words: list[str] = []
    try:
        reader = ledger.reader()
    except StillroomError as error:
        return 0, [str(error)]
    read = 0
    for number in range(ANSWERS):
        try:
            found = reader.read(name(number))
        except StillroomError as error:
            words.append(str(error))
        else:
            assert found in (None, answer(name(number)))
            read += found is not None
    return read, words + reader.damage()


@pytest.mark.parametrize("suffix", [".idx", ".jsonl"])
def test_a_flipped_bit_anywhere_hides_no_answer(
    ledger: Ledger, tmp_path: Path, suffix: str
) -> None:
    chance = random.Random(suffix)
    for number in range(50):
        other = _copy(ledger, tmp_path / str(number))
        file = chance.choice(segments(other)).with_suffix(suffix)
        content = bytearray(file.read_bytes())
        header = content.index(b"\n")
        place = chance.randrange(len(content))
        content[place] ^= 1 << chance.randrange(8)
        file.write_bytes(content)
        read, words = _found(other)
        if suffix == ".idx":
            assert (read, words) == (ANSWERS, [])  # it is made again
        elif read < ANSWERS:
            assert len(words) >= ANSWERS - read
            assert verify_folder(other)[1]
        else:  # the segment's header, which holds nothing that was paid for
            assert place < header


def test_without_an_index_a_flipped_bit_in_the_last_line_is_damage_too(
    ledger: Ledger, tmp_path: Path
) -> None:
    chance = random.Random(1)
    for number in range(50):
        other = _copy(ledger, tmp_path / str(number))
        file = segments(other)[-1]
        file.with_suffix(".idx").unlink()
        content = bytearray(file.read_bytes())
        last = content[:-1].rindex(b"\n") + 1
        content[chance.randrange(last, len(content))] ^= 1 << chance.randrange(8)
        file.write_bytes(content)
        read, words = _found(other)
        assert read == ANSWERS - 1
        assert words
        with pytest.raises(InputError, match="accept-loss"):
            refuse_damage(other.reader(), str(other.path))


def test_a_segment_that_was_cut_anywhere_is_damage_with_a_count(
    ledger: Ledger, tmp_path: Path
) -> None:
    chance = random.Random(1)
    whole = segments(ledger)[0].read_bytes()
    ends = [place + 1 for place, byte in enumerate(whole[:-1]) if byte == ord("\n")]
    cuts = [*chance.sample(ends, 10), *(chance.randrange(len(whole)) for _ in range(10))]
    for number, length in enumerate(cuts):
        other = _copy(ledger, tmp_path / str(number))
        file = segments(other)[0]
        index = file.with_suffix(".idx").read_bytes()
        file.write_bytes(whole[:length])
        for _ in range(2):
            read, words = _found(other)
            missing = ANSWERS - read
            assert missing > 0
            assert [f"{missing} responses are missing" in each for each in words] == [True]
        assert file.read_bytes() == whole[:length]
        assert file.with_suffix(".idx").read_bytes() == index  # all that is known of them


def test_an_accepted_loss_is_said_once_and_asked_again(ledger: Ledger) -> None:
    file = segments(ledger)[0]
    whole = file.read_bytes()
    file.write_bytes(whole[: whole.index(b"\n", len(whole) // 2) + 1])
    lost = [i for i in range(ANSWERS) if ledger.reader().outcome(name(i)) is None]
    assert 0 < len(lost) < 20
    with pytest.raises(InputError, match=f"{len(lost)} responses are missing"):
        refuse_damage(ledger.reader(), str(ledger.path))
    assert len(accept_loss(ledger, "run-1")) == 1
    assert accept_loss(ledger, "run-1") == []
    refuse_damage(ledger.reader(), str(ledger.path))
    write(ledger, *(answer(name(i)) for i in lost))
    assert _found(ledger) == (ANSWERS, [])


def test_a_damaged_entry_under_a_sound_index_is_found_by_verify_and_can_be_accepted(
    ledger: Ledger,
) -> None:
    file = segments(ledger)[0]
    file.write_bytes(file.read_bytes().replace(b"choices", b"CHOICES", 1))
    assert ledger.reader().damage() == []
    intact, damage = verify_ledger(str(ledger.path))
    assert (intact, len(damage)) == (ANSWERS - 1, 1)
    assert accept_loss(ledger, "run-1") == damage
    assert verify_ledger(str(ledger.path)) == (ANSWERS - 1, [])
    assert _found(ledger) == (ANSWERS - 1, [])


def test_a_sound_ledger_has_no_damage(ledger: Ledger) -> None:
    assert verify_ledger(str(ledger.path)) == (ANSWERS, [])
    assert accept_loss(ledger, "run-1") == []
