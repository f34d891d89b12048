"""Finds terms whose text has changed since it was read, and records the change.

The newest text is fetched from where the reading was made: the archive if an archived copy was
read, else the document's address. Only words are compared, not markup (`transforms.guard.texts`).

Changes are recorded in `terms-changed.json` beside a team's registry. `load_registry` reads both
files: from the day a change was found, approvals given until that day no longer count. An entry is
removed when the old text is found again, and has no effect once the catalogue has a new reading.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import date
from os import fspath

from schemas.addresses import AnyPath, join_address, parent_address
from schemas.codes import TextState
from schemas.errors import StillroomError
from schemas.files import unstructure
from schemas.inputs.documents import TermsDocument
from schemas.inputs.registry import ChangedTerms
from transforms.guard.catalogue.team import CHANGED, parse_changed
from transforms.guard.fetch import FetchedPage
from transforms.guard.texts import plain_text, text_digest
from transforms.storage.home import Home, open_home

Fetch = Callable[[Iterable[str]], Mapping[str, FetchedPage]]


@dataclass(frozen=True, slots=True)
class TextComparison:
    """A document's newest text compared with the text that was read.

    Attributes:
        document: Its id.
        version: The version whose reading is compared.
        address: Where the newest text was fetched, or "" if it was not.
        state: The result; `not_compared` if no digest of a whole text or no address is known.
        read: SHA-256 of the text that was read, or "".
        found: SHA-256 of the newest text, or "".
        detail: The reason for one of the last two states.
    """

    document: str
    version: str
    address: str
    state: TextState
    read: str = ""
    found: str = ""
    detail: str = ""


def compare_texts(documents: Iterable[TermsDocument], fetch: Fetch) -> list[TextComparison]:
    """Compares readings with the newest texts.

    Args:
        documents: The versions to compare.
        fetch: Fetches pages; called once, with every address once.

    Returns:
        One comparison for each document.
    """
    chosen = list(documents)
    pages = fetch({newest_address(one) for one in chosen if _comparable(one)})
    return [_compare(one, pages) for one in chosen]


def newest_address(document: TermsDocument) -> str:
    """Returns the address of a document's newest text, in the form that was read."""
    archive = document.reading.archive if document.reading else None
    return archive.newest if archive else document.address


def record_changes(
    registry: AnyPath, compared: Iterable[TextComparison], today: date
) -> tuple[ChangedTerms, ...]:
    """Records changed texts beside a registry, and removes those that match their reading again.

    Args:
        registry: The address of the registry's file.
        compared: The comparisons. Entries of other documents, and of documents that could not be
            fetched, stay as they are.
        today: The day, UTC.

    Returns:
        All entries now. A text that was found before keeps its day.

    Raises:
        StillroomError: They cannot be written, or another process writes them now.
    """
    with closing(open_home(parent_address(fspath(registry))[0], "the registry")) as home:
        found = home.get_with_generation(CHANGED)
        noted = parse_changed(found, join_address(home.address, CHANGED))
        changed = _merge(noted, compared, today)
        _write(home, changed, found[1] if found else 0)
    return changed


def _merge(
    before: Iterable[ChangedTerms], compared: Iterable[TextComparison], today: date
) -> tuple[ChangedTerms, ...]:
    noted = {(entry.document, entry.version): entry for entry in before}
    for one in compared:
        key = (one.document, one.version)
        if one.state == TextState.SAME:
            noted.pop(key, None)
        elif one.state == TextState.CHANGED:
            entry = ChangedTerms(
                document=one.document,
                version=one.version,
                address=one.address,
                read=one.read,
                found=one.found,
                on=today,
            )
            old = noted.get(key)
            known = old and (old.read, old.found) == (one.read, one.found)
            noted[key] = old if old and known else entry
    return tuple(noted[key] for key in sorted(noted))


def _comparable(document: TermsDocument) -> bool:
    return bool(document.reading and document.reading.sha256 and newest_address(document))


def _compare(document: TermsDocument, pages: Mapping[str, FetchedPage]) -> TextComparison:
    name = (document.document, document.version)
    if not _comparable(document):
        return TextComparison(*name, "", TextState.NOT_COMPARED, detail=_why_not(document))
    address = newest_address(document)
    page, read = pages[address], document.sha256
    if page.problem or not plain_text(page.data):
        problem = page.problem or "the page has no text"
        return TextComparison(*name, address, TextState.UNREACHABLE, read, detail=problem)
    found = text_digest(page.data)
    state = TextState.SAME if found == read else TextState.CHANGED
    return TextComparison(*name, address, state, read, found)


def _why_not(document: TermsDocument) -> str:
    if document.reading is None:
        return "no one has read it"
    if not document.reading.sha256:
        return "only passages of it were read: compare them by hand"
    return "it has no address"


def _write(home: Home, changed: tuple[ChangedTerms, ...], generation: int) -> None:
    """Writes the file, or removes it if there are no entries."""
    if not changed:
        home.delete(CHANGED, generation)
        return
    text = json.dumps({"changed": unstructure(changed)}, indent=2, ensure_ascii=False) + "\n"
    if home.put(CHANGED, text.encode(), generation) is None:
        raise StillroomError(
            f"{join_address(home.address, CHANGED)} was changed meanwhile; check once more"
        )
