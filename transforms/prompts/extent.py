"""Chooses the extent of a run: how many of its prompts are asked, and how often.

A run without a target asks all of its prompts. A run with a target begins with as few prompts as
would do if every answer were accepted. While too few are accepted it continues, first with more
samples of the same prompts, then with more prompts. Prompts are taken in the order of their ids, so
that the order of files and lines changes nothing. Each extent contains the one before it.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence

from schemas.extent import Extent
from schemas.inputs.quality import Target
from schemas.inputs.run import RunFile

_LEAST_GROWTH = 100  # at least a hundredth of the requests so far, so that rounds stay few


def widest_extent(run: RunFile) -> Extent:
    """Returns the extent with everything that a run may ask."""
    return Extent(extra=run.target.extra_samples if run.target else 0)


def first_extent(run: RunFile, ids: Sequence[str]) -> Extent:
    """Returns the first extent of a run.

    Args:
        run: The run file.
        ids: The ids of all its prompts, ascending.
    """
    if run.target is None:
        return widest_extent(run)
    return _first_prompts(ids, math.ceil(run.target.accepted / _samples(run)))


def requests_in(extent: Extent, run: RunFile, ids: Sequence[str]) -> int:
    """Returns the number of requests in an extent.

    Args:
        extent: The extent.
        run: The run file.
        ids: The ids of all its prompts, ascending.
    """
    teachers = len(run.teachers)
    each = _samples(run) + teachers * extent.extra
    return _prompts(extent, ids) * each + teachers * bisect_right(ids, extent.again)


def can_widen(extent: Extent, run: RunFile, ids: Sequence[str]) -> bool:
    """Returns whether a run with a target may ask more than an extent."""
    if run.target is None:
        return False
    return extent.extra < run.target.extra_samples or _prompts(extent, ids) < len(ids)


def wider_extent(extent: Extent, run: RunFile, ids: Sequence[str], accepted: int) -> Extent:
    """Returns the next extent of a run whose target is not reached.

    It is wider by as many requests as the accepted share so far calls for, and at most twice as
    wide: the share of few requests may be wrong, and each request is paid for.

    Args:
        extent: The last extent, all of it answered or failed for good; it can be widened.
        run: The run file; it has a target.
        ids: The ids of all its prompts, ascending.
        accepted: Accepted records so far: fewer than the target.
    """
    target = run.target or Target(accepted=accepted)
    asked = requests_in(extent, run, ids)
    missing = math.ceil((target.accepted - accepted) * asked / max(accepted, 1))
    wanted = min(asked, max(missing, asked // _LEAST_GROWTH, 1))
    if extent.extra < target.extra_samples:
        return _more_samples(extent, ids, math.ceil(wanted / len(run.teachers)))
    each = _samples(run) + len(run.teachers) * extent.extra
    return _first_prompts(ids, _prompts(extent, ids) + math.ceil(wanted / each), extent.extra)


def _first_prompts(ids: Sequence[str], prompts: int, extra: int = 0) -> Extent:
    """Returns an extent of the first prompts."""
    return Extent(ids[min(prompts, len(ids)) - 1], extra)


def _more_samples(extent: Extent, ids: Sequence[str], prompts: int) -> Extent:
    """Returns an extent in which more prompts are asked for one more sample."""
    again = bisect_right(ids, extent.again) + prompts
    if again < _prompts(extent, ids):
        return Extent(extent.last, extent.extra, ids[again - 1])
    return Extent(extent.last, extent.extra + 1)


def _prompts(extent: Extent, ids: Sequence[str]) -> int:
    return len(ids) if extent.last is None else bisect_right(ids, extent.last)


def _samples(run: RunFile) -> int:
    return sum(teacher.samples for teacher in run.teachers)
