"""Finds terms whose text is no longer the one that was read, and keeps note of them.

A text is compared in the form in which it was read: the newest copy in the archive, where the
reading was of an archived copy, else the page at the document's address. Of either, the words
count and not the markup (`transforms.guard.texts`).

The note is `terms-changed.json` beside a team's registry. `load_registry` reads it with the
registry, so that from the day on which a text was found changed, no approval given by then counts,
on any machine that has the two files. An entry goes when the old text is found again; it means
nothing any more once the catalogue has a new reading.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Literal

from schemas.files import unstructure
from schemas.inputs.documents import TermsDocument
from schemas.inputs.registry import ChangedTerms
from transforms.guard.catalogue.team import CHANGED, read_changed
from transforms.guard.fetch import FetchedPage
from transforms.guard.texts import plain_text, text_digest

Fetch = Callable[[Iterable[str]], Mapping[str, FetchedPage]]


@dataclass(frozen=True, slots=True)
class TextComparison:
    """A document's newest text beside the one that was read.

    Attributes:
        document: Its id.
        version: The version whose reading is compared.
        address: Where the newest text was fetched; "" where it was not.
        state: `same`, `changed`, `unreachable`, or `not_compared` where no digest of a whole text
            or no address is known.
        read: Digest of the text that was read, or "".
        found: Digest of the newest text, or "".
        detail: Why not, for the last two states.
    """

    document: str
    version: str
    address: str
    state: Literal["same", "changed", "unreachable", "not_compared"]
    read: str = ""
    found: str = ""
    detail: str = ""


def compare_texts(documents: Iterable[TermsDocument], fetch: Fetch) -> list[TextComparison]:
    """Compares readings with the newest texts.

    Args:
        documents: The versions to compare.
        fetch: Fetches pages; called once, with each address once.

    Returns:
        One comparison each.
    """
    chosen = list(documents)
    pages = fetch({newest_address(one) for one in chosen if _comparable(one)})
    return [_compare(one, pages) for one in chosen]


def newest_address(document: TermsDocument) -> str:
    """Returns where the newest text of a document is, in the form in which it was read."""
    archive = document.reading.archive if document.reading else None
    return archive.newest if archive else document.address


def record_changes(
    registry: Path, compared: Iterable[TextComparison], today: date
) -> tuple[ChangedTerms, ...]:
    """Notes beside a registry what was found changed, and forgets what is as it was read.

    Args:
        registry: The registry's file.
        compared: What was compared; of other documents, and of those that could not be reached,
            the note stays as it is.
        today: The day, UTC.

    Returns:
        All that is noted now. A text found before keeps its day.
    """
    noted = {(entry.document, entry.version): entry for entry in read_changed(registry)}
    for one in compared:
        key = (one.document, one.version)
        if one.state == "same":
            noted.pop(key, None)
        elif one.state == "changed":
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
        return TextComparison(*name, "", "not_compared", detail=_why_not(document))
    address = newest_address(document)
    page, read = pages[address], document.sha256
    if page.problem or not plain_text(page.data):
        problem = page.problem or "the page has no text"
        return TextComparison(*name, address, "unreachable", read, detail=problem)
    found = text_digest(page.data)
    return TextComparison(*name, address, "same" if found == read else "changed", read, found)


def _why_not(document: TermsDocument) -> str:
    if document.reading is None:
        return "nobody has read it"
    if not document.reading.sha256:
        return "only passages of it were read: compare them by hand"
    return "it has no address"


def _write(path: Path, changed: tuple[ChangedTerms, ...]) -> None:
    """Writes the note, all or nothing; none where there is nothing to note."""
    if not changed:
        path.unlink(missing_ok=True)
        return
    text = json.dumps({"changed": unstructure(changed)}, indent=2, ensure_ascii=False) + "\n"
    hidden = path.with_name(f".{path.name}.{os.getpid()}.partial")
    hidden.write_text(text, encoding="utf-8")
    os.replace(hidden, path)
