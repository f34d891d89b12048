"""Plans a run file and asks its open routes for their lists of models."""

from __future__ import annotations

from pipelines.planning.plan import Plan
from pipelines.planning.plan_run import plan_prepared
from pipelines.planning.prepare import prepare
from schemas.addresses import AnyPath
from transforms.asking.probe import Probe, ProbeState, probe_routes
from transforms.clock import Clock

_CLOCK = Clock()


def plan_and_probe(path: AnyPath, clock: Clock = _CLOCK) -> tuple[Plan, list[Probe]]:
    """Plans a run, and probes each route that it would ask. No request is sent.

    A route that the terms refuse is not probed: nothing at all is sent to its host.

    Args:
        path: The run file.
        clock: Gives the day to decide for.

    Returns:
        The plan, and what is known of each route, sorted by id.

    Raises:
        InputError: Something in the run file or what it refers to is wrong.
    """
    today = clock.today()
    prepared = prepare(path, today)
    plan = plan_prepared(prepared, today)
    denied = {verdict.teacher for verdict in plan.verdicts if not verdict.permits}
    routes = [prepared.guard.route(name) for name in plan.open_routes]
    probes = probe_routes((route for route in routes if route.id not in denied), clock)
    refused = [
        Probe(route=route.id, model=route.model, state=ProbeState.DENIED)
        for route in routes
        if route.id in denied
    ]
    return plan, sorted([*probes, *refused], key=lambda probe: probe.route)
