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
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from schemas.codes import TextState
from schemas.files import unstructure
from schemas.inputs.documents import TermsDocument
from schemas.inputs.registry import ChangedTerms
from transforms.guard.catalogue.team import CHANGED, read_changed
from transforms.guard.fetch import FetchedPage
from transforms.guard.texts import plain_text, text_digest
from transforms.storage.files import write_file

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
    registry: Path, compared: Iterable[TextComparison], today: date
) -> tuple[ChangedTerms, ...]:
    """Records changed texts beside a registry, and removes those that match their reading again.

    Args:
        registry: The registry's file.
        compared: The comparisons. Entries of other documents, and of documents that could not be
            fetched, stay as they are.
        today: The day, UTC.

    Returns:
        All entries now. A text that was found before keeps its day.
    """
    noted = {(entry.document, entry.version): entry for entry in read_changed(registry)}
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
            before = noted.get(key)
            known = before and (before.read, before.found) == (one.read, one.found)
            noted[key] = before if before and known else entry
    changed = tuple(noted[key] for key in sorted(noted))
    _write(registry.with_name(CHANGED), changed)
    return changed


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


def _write(path: Path, changed: tuple[ChangedTerms, ...]) -> None:
    """Writes the file atomically, or removes it if there are no entries."""
    if not changed:
        path.unlink(missing_ok=True)
        return
    text = json.dumps({"changed": unstructure(changed)}, indent=2, ensure_ascii=False) + "\n"
    write_file(path, text.encode())
