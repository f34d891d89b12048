"""What a team relies on is compared with what the network holds, and lapses where that changed."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import pytest
import yaml

from pipelines.planning.terms_in_use import TermsInUse, read_terms_in_use
from schemas.errors import InputError
from schemas.inputs.documents import Reading
from schemas.inputs.registry import Registry
from tests.pipelines.project import make_project
from tests.teacher import Call, Reply, Teacher, raw
from tests.transforms.guard.terms_builder import (
    DAY,
    DOCUMENT,
    PERMIT,
    PURPOSE,
    UNREAD,
    catalogue,
    terms,
    write,
)
from transforms.guard.catalogue import Catalogue, load_catalogue, load_registry
from transforms.guard.evaluate import Guard
from transforms.guard.texts import text_digest

ASKED = DOCUMENT.partition("clauses:")[0]
TEXT = "<html><body><p>Output may be used to train.</p></body></html>"
REGISTRY = {
    "approvals": [{"document": "acme/terms", "version": "1", "by": "legal", "on": "2026-01-01"}]
}


class Site:
    """A page that can change; a script of the tests' own server."""

    def __init__(self) -> None:
        self.reply = raw(TEXT.encode(), content_type="text/html")

    def __call__(self, call: Call) -> Reply:
        assert call.path == "/v1"
        return self.reply


def files(folder: Path, endpoint: str) -> tuple[Path, Catalogue]:
    """Writes a catalogue whose one document is at an address, and a registry that approves it."""
    document = (
        ASKED.replace("confidence: high", f"confidence: high, sha256: {text_digest(TEXT.encode())}")
        + f"address: {endpoint}\n"
    )
    path = folder / "teachers.yaml"
    path.write_text(yaml.safe_dump(REGISTRY))
    return path, load_catalogue(write(folder / "catalogue", terms=document, policy=UNREAD))


def reliance(path: Path, known: Catalogue, today: date = DAY) -> TermsInUse:
    return TermsInUse(
        catalogue=known,
        registry=load_registry(path, known),
        path=str(path),
        routes=None,
        today=today,
        within_days=30,
    )


def permits(path: Path, known: Catalogue, on: date = DAY) -> bool:
    return Guard(known, load_registry(path, known)).decide("acme/model", PURPOSE, on).permits


def checked(path: Path, known: Catalogue, today: date = DAY) -> list[str]:
    relied = reliance(path, known, today)
    compared = relied.fetch()
    return [finding.what for finding in relied.note(compared).findings(compared)]


def test_a_changed_document_stops_being_approved_and_one_signed_again_is(tmp_path: Path) -> None:
    site = Site()
    with Teacher(site) as server:
        path, known = files(tmp_path, server.endpoint)
        assert checked(path, known) == []
        assert permits(path, known)

        site.reply = raw(TEXT.replace("<p>", "<p class='new'> ").encode())
        assert checked(path, known) == []

        site.reply = raw(TEXT.replace("may", "may not").encode())
        assert checked(path, known) == ["changed"]
        assert not permits(path, known)
        assert permits(path, known, DAY - timedelta(1))

        site.reply = raw(b"", status=503)
        assert checked(path, known, DAY + timedelta(1)) == ["changed", "unreachable"]
        assert not permits(path, known, DAY + timedelta(1))

        registry = yaml.safe_load(path.read_text())
        registry["approvals"][0]["on"] = (DAY + timedelta(1)).isoformat()
        path.write_text(yaml.safe_dump(registry))
        assert permits(path, known, DAY + timedelta(1))
        site.reply = raw(TEXT.replace("may", "may not").encode())
        assert checked(path, known, DAY + timedelta(1)) == []

        site.reply = raw(TEXT.replace("may", "must never").encode())
        assert checked(path, known, DAY + timedelta(2)) == ["changed"]
        assert not permits(path, known, DAY + timedelta(2))

        site.reply = raw(TEXT.encode())
        assert checked(path, known, DAY + timedelta(3)) == []
        assert permits(path, known, DAY + timedelta(3))


def test_without_a_registry_a_change_is_told_and_nothing_is_written(tmp_path: Path) -> None:
    reading = Reading(on=DAY, by="a reader", confidence="high", sha256="a" * 64)
    with Teacher(Site()) as server:
        known = catalogue(terms("acme/terms", PERMIT, reading=reading, address=server.endpoint))
        relied = TermsInUse(
            catalogue=known, registry=Registry(), path=None, routes=None, today=DAY, within_days=30
        )
        compared = relied.fetch()
    assert relied.note(compared) == relied
    assert [finding.what for finding in relied.findings(compared)] == ["changed"]
    assert not list(tmp_path.iterdir())


def test_a_run_relies_on_the_documents_of_its_teachers_alone(tmp_path: Path) -> None:
    project = make_project(
        tmp_path,
        "http://127.0.0.1:9/v1",
        route={"terms": ["spdx/apache-2.0", "meta/llama-3.1-license"]},
        max_reading_age_days=0,
    )
    relied = read_terms_in_use(project.path, None, DAY)
    assert [one.document for one in relied.document_states()] == [
        "meta/llama-3.1-license",
        "spdx/apache-2.0",
    ]
    assert {finding.what for finding in relied.findings()} == {"expired"}
    fresh = read_terms_in_use(project.path, None, DAY, max_age_days=10_000)
    assert [finding.what for finding in fresh.findings()] == ["unapproved"]
    project.change(unapproved="allow")
    assert not read_terms_in_use(project.path, None, DAY, max_age_days=10_000).findings()


def test_a_run_and_a_registry_are_not_given_both(tmp_path: Path) -> None:
    project = make_project(tmp_path, "http://127.0.0.1:9/v1")
    with pytest.raises(InputError, match="give one of"):
        read_terms_in_use(project.path, str(tmp_path / "teachers.yaml"), DAY)
