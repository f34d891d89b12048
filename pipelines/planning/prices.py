"""Refuses a budget in dollars if the price of a route is unknown: unknown is not zero."""

from __future__ import annotations

from collections.abc import Iterator

from schemas.errors import Problem
from schemas.inputs.budget import Budget
from schemas.inputs.document import Document
from schemas.inputs.registry import Price, Route
from schemas.inputs.run import RunFile
from transforms.guard.evaluate import Guard

_BOTH = "price: {input_usd_per_million: …, output_usd_per_million: …}"
_OWN_MACHINES = (
    "for machines of your own write `price: {input_usd_per_million: 0, output_usd_per_million: 0}`"
)


def price_problems(run: RunFile, guard: Guard, document: Document) -> Iterator[Problem]:
    """Yields each route of a run whose price is unknown, if the run's budget counts money.

    Args:
        run: The run file; its routes are known.
        guard: Has the routes.
        document: The run file as read, for lines.
    """
    caps = _money_caps(run.budget)
    if not caps:
        return
    places: dict[str, tuple[str | int, ...]] = {
        teacher.id: ("teachers", index, "id") for index, teacher in enumerate(run.teachers)
    }
    if run.judge:
        places.setdefault(run.judge.teacher.id, ("judge", "teacher", "id"))
    for name, place in places.items():
        route = guard.route(name)
        if not route.price.known:
            where = document.where(place)
            yield _problem(route, where, caps, own=name not in guard.built_in)


def _money_caps(budget: Budget) -> str:
    caps = {"budget.usd": budget.usd, "budget.usd_per_month": budget.usd_per_month}
    return " and ".join(name for name, cap in caps.items() if cap is not None)


def _problem(route: Route, where: str, caps: str, *, own: bool) -> Problem:
    return Problem(
        f"the price of {route.id!r} is unknown, so {caps} cannot be kept",
        where=route.where if own else where,
        found=_found(route.price),
        expected=f"`{_BOTH}`, from the provider's price list",
        remedy=f"{_remedy(route, own=own)}; {_OWN_MACHINES}; or leave {caps} out",
    )


def _found(price: Price) -> str:
    for name in ("input_usd_per_million", "output_usd_per_million"):
        if getattr(price, name) is not None:
            return f"only {name}"
    return "no price"


def _remedy(route: Route, *, own: bool) -> str:
    if own:
        return "complete the route"
    return (
        "the catalogue has no prices: write a route of your own in teachers.yaml, as "
        f"`our/{route.id.partition('/')[2]}: {{base: {route.id}, {_BOTH}}}`, and name that one here"
    )
