"""Plans a run file as it is: without Beam, and without what only a run needs."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

from pipelines.planning.plan import Plan, make_plan
from pipelines.planning.prepare import Prepared, prepare
from schemas.addresses import AnyPath
from transforms.clock import Clock
from transforms.ledger import open_ledger

_CLOCK = Clock()


def plan_run(
    path: AnyPath, clock: Clock = _CLOCK, counted: Callable[[int], object] = lambda _: None
) -> Plan:
    """Plans a run. Sends nothing and writes nothing.

    Args:
        path: The run file.
        clock: Gives the day to decide for.
        counted: Called now and then with how many prompts are planned.

    Returns:
        The plan, also where terms refuse.

    Raises:
        InputError: Something in the run file or what it refers to is wrong.
    """
    today = clock.today()
    return plan_prepared(prepare(path, today), today, counted)


def plan_prepared(
    prepared: Prepared, today: date, counted: Callable[[int], object] = lambda _: None
) -> Plan:
    """Plans a run that has been read and checked.

    Args:
        prepared: The run.
        today: The day to decide for, UTC.
        counted: As for `plan_run`.
    """
    reader = open_ledger(prepared.run.ledger).reader()
    return make_plan(prepared.run, prepared.guard, reader, today, counted)
