"""How far a run goes: how many of its prompts are asked, and how often.

A run without a target asks all of its prompts. One with a target begins with as few as could do if
every answer were accepted, and goes on while too few were: first with more samples of the same
prompts, then with more prompts. Prompts come in the order of their ids, whatever files they stand
in, so that the same prompts in another order are asked the same. Each extent holds all that the
one before it held: what was asked is never left out again.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence

from schemas.extent import Extent
from schemas.inputs.run import RunFile, Target

_LEAST_GROWTH = 100  # at least a hundredth of what was asked, so that rounds stay few


def widest_extent(run: RunFile) -> Extent:
    """Returns the extent that asks all that a run may ever ask."""
    return Extent(extra=run.target.extra_samples if run.target else 0)


def first_extent(run: RunFile, ids: Sequence[str]) -> Extent:
    """Returns the extent that a run begins with.

    Args:
        run: The run file.
        ids: The ids of all its prompts, ascending.
    """
    if run.target is None:
        return widest_extent(run)
    return _asking(ids, math.ceil(run.target.accepted / _samples(run)))


def requests_in(extent: Extent, run: RunFile, ids: Sequence[str]) -> int:
    """Returns how many requests an extent makes.

    Args:
        extent: The extent.
        run: The run file.
        ids: The ids of all its prompts, ascending.
    """
    teachers = len(run.teachers)
    each = _samples(run) + teachers * extent.extra
    return _prompts(extent, ids) * each + teachers * bisect_right(ids, extent.again)


def can_widen(extent: Extent, run: RunFile, ids: Sequence[str]) -> bool:
    """Tells whether a run with a target may ask for more than an extent."""
    if run.target is None:
        return False
    return extent.extra < run.target.extra_samples or _prompts(extent, ids) < len(ids)


def wider_extent(extent: Extent, run: RunFile, ids: Sequence[str], accepted: int) -> Extent:
    """Returns the next extent of a run whose target is not reached.

    It is as much wider as it should take by the share that was accepted so far, and at most twice
    as wide: a share of few requests may be far from true, and what is asked is paid for.

    Args:
        extent: What was asked, all of it answered or failed for good; it can widen.
        run: The run file; it has a target.
        ids: The ids of all its prompts, ascending.
        accepted: Records of it that were accepted: fewer than the target.
    """
    target = run.target or Target(accepted=accepted)
    asked = requests_in(extent, run, ids)
    missing = math.ceil((target.accepted - accepted) * asked / max(accepted, 1))
    wanted = min(asked, max(missing, asked // _LEAST_GROWTH, 1))
    if extent.extra < target.extra_samples:
        return _asking_again(extent, ids, math.ceil(wanted / len(run.teachers)))
    each = _samples(run) + len(run.teachers) * extent.extra
    return _asking(ids, _prompts(extent, ids) + math.ceil(wanted / each), extent.extra)


def _asking(ids: Sequence[str], prompts: int, extra: int = 0) -> Extent:
    """Asks the first so many prompts."""
    return Extent(ids[min(prompts, len(ids)) - 1], extra)


def _asking_again(extent: Extent, ids: Sequence[str], prompts: int) -> Extent:
    """Asks so many more of the prompts that are asked for one sample more."""
    again = bisect_right(ids, extent.again) + prompts
    if again < _prompts(extent, ids):
        return Extent(extent.last, extent.extra, ids[again - 1])
    return Extent(extent.last, extent.extra + 1)


def _prompts(extent: Extent, ids: Sequence[str]) -> int:
    return len(ids) if extent.last is None else bisect_right(ids, extent.last)


def _samples(run: RunFile) -> int:
    return sum(teacher.samples for teacher in run.teachers)
