"""Texts that are no longer what was read are found, noted beside the registry, and forgotten."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from schemas.errors import InputError
from schemas.inputs.documents import Archive, Reading, TermsDocument
from schemas.inputs.registry import ChangedTerms
from tests.transforms.guard.terms_builder import DAY, terms, write
from transforms.guard.catalogue import load_catalogue, load_registry
from transforms.guard.changes import TextComparison, compare_texts, newest_address, record_changes
from transforms.guard.fetch import FetchedPage
from transforms.guard.texts import text_digest

TEXT = b"<html><body><p>You may <b>train</b>.</p></body></html>"
MARKDOWN = b"You may **train**.\n"
OTHER = b"You may not train."
ADDRESS = "https://acme.example/terms"


def read(text: bytes = TEXT, **changes: Any) -> TermsDocument:
    reading = Reading(
        on=date(2026, 11, 1), by="a reader", confidence="high", sha256=text_digest(text)
    )
    return terms("acme/terms", **({"reading": reading, "address": ADDRESS} | changes))


def serving(**pages: bytes | str) -> Any:
    """Returns a fake network: `at` is the page, or why there is none."""

    def fetch(addresses: Iterable[str]) -> Mapping[str, FetchedPage]:
        page = pages["at"]
        given = FetchedPage(problem=page) if isinstance(page, str) else FetchedPage(page)
        return dict.fromkeys(addresses, given)

    return fetch


@pytest.mark.parametrize(
    ("page", "state"),
    [
        (TEXT, "same"),
        (MARKDOWN, "same"),
        (OTHER, "changed"),
        ("status 404", "unreachable"),
        (b"<script>only()</script>", "unreachable"),
    ],
    ids=["same", "other-markup", "other-words", "gone", "empty"],
)
def test_the_words_are_compared_and_not_the_markup(page: bytes | str, state: str) -> None:
    (found,) = compare_texts([read()], serving(at=page))
    assert (found.document, found.version, found.address, found.state) == (
        "acme/terms",
        "1",
        ADDRESS,
        state,
    )


@pytest.mark.parametrize(
    "document",
    [
        read(reading=None),
        read(address=""),
        read(reading=Reading(on=DAY, by="a reader", confidence="low", quote_sha256="a" * 64)),
    ],
    ids=["unread", "no-address", "passages-only"],
)
def test_what_cannot_be_compared_says_so_and_is_not_fetched(document: TermsDocument) -> None:
    def fetch(addresses: Iterable[str]) -> Mapping[str, FetchedPage]:
        assert not set(addresses)
        return {}

    (found,) = compare_texts([document], fetch)
    assert found.state == "not_compared"
    assert found.detail


def test_an_archived_reading_is_compared_with_the_newest_copy_in_the_archive() -> None:
    archive = Archive(
        repository="terms/archive",
        path="Acme/Terms of Use.md",
        commit="a" * 40,
        recorded=date(2026, 10, 1),
    )
    reading = Reading(
        on=DAY, by="a reader", confidence="high", archive=archive, sha256=text_digest(TEXT)
    )
    newest = "https://raw.githubusercontent.com/terms/archive/HEAD/Acme/Terms%20of%20Use.md"
    assert newest_address(read(reading=reading)) == newest
    assert newest_address(read()) == ADDRESS


def found(state: Any = "changed", digest: str = "b" * 64, document: str = "acme/terms") -> Any:
    return [TextComparison(document, "1", ADDRESS, state, "a" * 64, digest)]


@pytest.fixture
def registry(tmp_path: Path) -> Path:
    path = tmp_path / "teachers.yaml"
    path.write_text("{}\n")
    return path


def noted(registry: Path) -> list[tuple[str, str, date]]:
    loaded = load_registry(registry, load_catalogue(write(registry.parent / "catalogue")))
    return [(entry.document, entry.found[:1], entry.on) for entry in loaded.changed]


def test_a_change_is_noted_beside_the_registry_with_the_day_it_was_found(registry: Path) -> None:
    record_changes(registry, found(), DAY)
    assert noted(registry) == [("acme/terms", "b", DAY)]
    assert json.loads((registry.parent / "terms-changed.json").read_text()) == {
        "changed": [
            {
                "document": "acme/terms",
                "version": "1",
                "address": ADDRESS,
                "read": "a" * 64,
                "found": "b" * 64,
                "on": "2026-11-22",
            }
        ]
    }


def test_the_same_text_found_again_keeps_its_day_and_another_has_its_own(registry: Path) -> None:
    later = DAY + timedelta(5)
    record_changes(registry, found(), DAY)
    record_changes(registry, found(), later)
    assert noted(registry) == [("acme/terms", "b", DAY)]
    record_changes(registry, found(digest="c" * 64), later)
    assert noted(registry) == [("acme/terms", "c", later)]


def test_the_old_text_found_again_is_forgotten_and_an_outage_changes_nothing(
    registry: Path,
) -> None:
    record_changes(registry, found(), DAY)
    record_changes(registry, found("unreachable"), DAY)
    record_changes(registry, found("same", document="acme/policy"), DAY)
    assert noted(registry) == [("acme/terms", "b", DAY)]
    record_changes(registry, found("same"), DAY)
    assert noted(registry) == []
    assert not (registry.parent / "terms-changed.json").exists()


def test_a_note_that_breaks_its_schema_is_wrong_input_with_file_and_line(registry: Path) -> None:
    entry: tuple[ChangedTerms, ...] = record_changes(registry, found(), DAY)
    assert len(entry) == 1
    path = registry.parent / "terms-changed.json"
    path.write_text(path.read_text().replace("2026-11-22", "yesterday"))
    with pytest.raises(InputError, match=r"terms-changed\.json:9: changed\.0\.on: wrong format"):
        noted(registry)
