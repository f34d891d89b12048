from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from schemas.files import check, structure, unstructure
from schemas.manifest import Compared, Manifest, version_of
from schemas.terms import Duty
from tests.corpus_builder import publish_typical


@pytest.fixture
def manifest(tmp_path: Path) -> Manifest:
    return publish_typical(tmp_path)


def test_manifest_survives_its_json_form(manifest: Manifest) -> None:
    data = unstructure(manifest)
    check(data, "manifest", "manifest.json")
    assert structure(data, Manifest) == manifest


def test_version_is_the_digest_of_the_content(manifest: Manifest) -> None:
    assert manifest.version == version_of(manifest)
    assert len(manifest.version) == 16


def test_how_a_version_came_about_does_not_change_its_name(manifest: Manifest) -> None:
    other = replace(
        manifest,
        name="another",
        run_id="run-2",
        created_at="2027-01-01T00:00:00Z",
        config_digest="0" * 64,
        verdicts=(),
        writer={},
        against=(Compared(name=manifest.name, version="0" * 16, sha256="0" * 64, own=True),),
    )
    assert version_of(other) == manifest.version


def test_what_a_reader_gets_and_owes_changes_the_name(manifest: Manifest) -> None:
    others = [
        replace(manifest, shards=manifest.shards[1:]),
        replace(manifest, purpose=manifest.purpose.model_copy(update={"use": "evaluate"})),
        replace(
            manifest,
            pending_duties=(Duty(kind="notice", text="Say so.", due="release", document="a/b"),),
        ),
        replace(manifest, funnel=replace(manifest.funnel, pending=3)),
        replace(manifest, unapproved="allow"),
        replace(
            manifest,
            against=(Compared(name="other", version="0" * 16, sha256="0" * 64, own=False),),
        ),
    ]
    assert len({version_of(other) for other in [manifest, *others]}) == len(others) + 1
