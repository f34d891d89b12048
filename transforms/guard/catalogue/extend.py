"""Makes a team's route from one of the catalogue: what is added never frees it from a document.

All documents of the base bind the new route. API and model stay, since they decide which documents
bind. Another host may have documents of its own, which the base cannot know. So a route with
another host names its documents, be it the base's again; else it is refused.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from urllib.parse import urlsplit

from schemas.errors import Problem, nearest
from schemas.inputs.document import Document
from schemas.inputs.registry import ExtendedRoute, Route

_REPLACED = ("endpoint", "revision", "key", "quota", "price", "timeouts")


def extend(base: Route, written: ExtendedRoute, *, name: str, where: str) -> Route:
    """Returns the route that a team makes from one of the catalogue.

    Args:
        base: The catalogue's route.
        written: What the team adds.
        name: The new route's id.
        where: File and line, for messages.
    """
    own = {field: getattr(written, field) for field in _REPLACED}
    return Route(
        **dict(base)
        | {field: value for field, value in own.items() if value is not None}
        | {
            "served_as": tuple(dict.fromkeys((*base.served_as, *written.served_as))),
            "terms": tuple(dict.fromkeys((*base.terms, *written.terms))),
            "id": name,
            "where": where,
        }
    )


def extension_problems(
    written: ExtendedRoute, name: str, file: Document, routes: Mapping[str, Route]
) -> Iterator[Problem]:
    """Yields what is wrong with a route that extends another.

    Args:
        written: The route.
        name: Its id.
        file: The file it was read from.
        routes: The catalogue's routes.
    """
    base = routes.get(written.base)
    if base is None:
        yield Problem(
            f"the base of {name!r} is no route of the catalogue",
            where=file.where(("routes", name, "base")),
            found=repr(written.base),
            remedy=nearest(written.base, routes),
        )
        return
    flaws = list(extend(base, written, name=name, where="").flaws())
    for flaw in flaws:
        place = ("routes", name, *flaw.at)
        what = f"{'.'.join(map(str, place))}: {flaw.what}"
        yield Problem(
            what,
            where=file.where(place),
            found=flaw.found,
            expected=flaw.expected,
            remedy=flaw.remedy,
        )
    if written.revision and base.revision and written.revision != base.revision:
        yield Problem(
            f"{base.id} is about one revision of the weights",
            where=file.where(("routes", name, "revision")),
            found=written.revision,
            expected=base.revision,
        )
    if not flaws:
        yield from _host_problems(base, written, name, file)


def _host_problems(
    base: Route, written: ExtendedRoute, name: str, file: Document
) -> Iterator[Problem]:
    host = urlsplit(written.endpoint or base.endpoint).hostname
    if base.api != "embedded" and host != base.host and not written.terms:
        known = ", ".join(terms.document for terms in base.terms)
        yield Problem(
            f"{name!r} has another host than {base.id}, whose documents may not be all that bind",
            where=file.where(("routes", name, "endpoint")),
            found=f"{host}; the base has {base.host}",
            expected="`terms` with each document that binds at this host",
            remedy=f"if no other binds there, write so: `terms: [{known}]`",
        )
