"""What is damaged or missing in a ledger's folder: found, and accepted as lost.

A crash leaves at most an unfinished line at the end of a segment. All else is damage: a line whose
checksum does not match, or fewer bytes than an index vouches for. What it held was paid for, so
nothing is asked again before a person has said so.
"""

from __future__ import annotations

import numpy as np

from schemas.errors import InputError, Problem
from transforms.ledger.entries import is_intact
from transforms.ledger.folder import Ledger
from transforms.ledger.index import ACCEPTED, DAMAGED, DECISION, Segment, write_index
from transforms.ledger.protocol import ReaderLike
from transforms.ledger.segments import open_segments
from transforms.storage.locks import ALL_DIGITS


def refuse_damage(reader: ReaderLike, where: str) -> None:
    """Raises an `InputError` if a ledger has damage that no one has accepted.

    Args:
        reader: The ledger.
        where: Its address.
    """
    if found := reader.damage():
        raise InputError(
            Problem(
                sentence,
                where=where,
                remedy="restore the file from a copy; or run with --accept-loss: what is missing "
                "counts as never asked, and is bought again",
            )
            for sentence in found
        )


def verify_folder(ledger: Ledger) -> tuple[int, list[str]]:
    """Reads every entry of a ledger in a folder, and compares its checksum.

    Args:
        ledger: The ledger.

    Returns:
        How many responses are intact, and every damage in words.
    """
    with ledger.explain_os_errors():
        checked = [_checked(segment) for segment in open_segments(ledger.segments)]
    intact = sum(
        int(np.count_nonzero(each.rows["flags"] & (DECISION | DAMAGED) == 0)) for each in checked
    )
    return intact, [sentence for each in checked for sentence in each.damage()]


def accept_loss(ledger: Ledger, run_id: str) -> list[str]:
    """Marks all damage as accepted: what is missing counts as never asked from now on.

    Args:
        ledger: The ledger.
        run_id: The run, for those who find the ledger locked.

    Returns:
        Every damage that was accepted, in words.

    Raises:
        LedgerBusy: A run is writing to the ledger.
        InputError: The ledger cannot be used.
    """
    found: list[str] = []
    ledger.prepare(any_scheme=True)
    with ledger.explain_os_errors(), ledger.locked(ALL_DIGITS, run_id):
        for segment in map(_checked, open_segments(ledger.segments)):
            found += segment.damage()
            _accept(segment)
    return found


def _checked(segment: Segment) -> Segment:
    """Returns a segment with each entry flagged that is not intact."""
    rows = np.array(segment.rows)
    with segment.path.open("rb") as file:
        for place in np.argsort(rows["offset"], kind="stable"):
            if not rows["flags"][place] & DAMAGED:
                file.seek(int(rows["offset"][place]))
                if not is_intact(file.read(int(rows["length"][place]))):
                    rows["flags"][place] |= DAMAGED
    return Segment.of(segment.path, rows)


def _accept(segment: Segment) -> None:
    rows = np.array(segment.rows)
    spoiled = rows["flags"] & (DAMAGED | ACCEPTED) == DAMAGED
    if spoiled.any():
        rows["flags"][spoiled] |= ACCEPTED
        write_index(segment.path, segment.path.stat().st_size, [rows.tobytes()])
