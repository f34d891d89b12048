"""Indexes of published corpora: made of Parquet alone, used only where they are whole and fit."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from schemas.errors import InputError, StillroomError
from schemas.index import Unit
from schemas.inputs.quality import NearDedupe
from schemas.manifest import Compared
from tests.corpus_builder import make_record, publish_rows
from transforms.auditing.verify import verify
from transforms.corpus.read import Corpus, open_corpus
from transforms.dedupe import golden
from transforms.dedupe.index import INDEX, index_folder, make_index, open_index
from transforms.dedupe.sidecar import Sidecar
from transforms.dedupe.sketch import sketch_bucket
from transforms.storage.files import sha256_of

UNITS: tuple[Unit, ...] = ("prompt", "completion", "pair")


def _text(number: int) -> str:
    return " ".join(f"word{number * place % 997}" for place in range(1, 60))


RECORDS = [
    make_record(n, split="validation" if n % 7 == 0 else "train", llama=n % 4 == 0, text=_text(n))
    for n in range(1, 41)
]


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    publish_rows(tmp_path / "corpus", RECORDS)
    return open_corpus(tmp_path / "corpus")


@pytest.fixture
def indexed(corpus: Corpus) -> Corpus:
    make_index(corpus, "completion")
    return corpus


def _change(corpus: Corpus, change: Callable[[dict[str, Any]], object]) -> None:
    path = index_folder(corpus, "completion") / INDEX
    manifest = json.loads(path.read_text())
    change(manifest)
    path.write_text(json.dumps(manifest))


@pytest.mark.parametrize("unit", UNITS)
def test_an_index_holds_the_sketches_of_the_run(unit: Unit, corpus: Corpus, tmp_path: Path) -> None:
    make_index(corpus, unit)
    index = open_index(corpus, unit)
    assert index is not None
    found = {}
    for file in index.files:
        sidecar = Sidecar(index.folder / file.path)
        every = np.arange(sidecar.records)
        rows, bands = sidecar.bands()
        own_bands = dict(zip(rows.tolist(), bands.tolist(), strict=True))
        ids, shingles = sidecar.ids(every), sidecar.shingles(every)
        assert (min(ids), max(ids)) == (file.first, file.last)
        for row, name in enumerate(ids):
            values = shingles[row].values.tolist()
            key, prompt = sidecar.keys()[row].tobytes(), int(sidecar.prompts(every)[row])
            found[name] = (key, prompt, shingles[row].shared, values, own_bands.get(row))
    sketch_bucket(0, RECORDS, NearDedupe(unit=unit), tmp_path)
    sidecar = Sidecar(tmp_path / "sidecars/0000.arrow")
    every = np.arange(sidecar.records)
    expected = sidecar.shingles(every)
    assert sorted(found) == sidecar.ids(every)
    for row, name in enumerate(sorted(found)):
        key, prompt, shared, values, _ = found[name]
        assert key == sidecar.keys()[row].tobytes()
        assert prompt == sidecar.prompts(every)[row]
        assert (shared, values) == (expected[row].shared, expected[row].values.tolist())
    rows, bands = sidecar.bands()
    assert {row: found[sidecar.ids(rows)[n]][-1] for n, row in enumerate(rows.tolist())} == dict(
        zip(rows.tolist(), bands.tolist(), strict=True)
    )


def test_an_index_lies_beside_the_versions_and_changes_none(corpus: Corpus) -> None:
    before = {path: sha256_of(path) for path in corpus.folder.rglob("*") if path.is_file()}
    make_index(corpus, "completion")
    after = {path: sha256_of(path) for path in corpus.folder.rglob("*") if path.is_file()}
    assert before == after
    assert verify(corpus.folder.parent).ok
    assert index_folder(corpus, "completion").parent == corpus.folder.parent / ".index"
    assert not list(corpus.folder.parent.glob(".work/*index*"))


def test_an_opened_index_names_the_version_it_was_made_of(indexed: Corpus) -> None:
    index = open_index(indexed, "completion", own=True)
    digest = sha256_of(indexed.folder / "manifest.json")
    assert index is not None
    assert index.version == Compared(
        name="sums-tutor", version=indexed.manifest.version, sha256=digest, own=True
    )
    assert sum(file.records for file in index.files) == len(RECORDS)


def test_an_index_is_made_twice_to_the_same_bytes(indexed: Corpus) -> None:
    folder = index_folder(indexed, "completion")
    first = {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    make_index(indexed, "completion")
    second = {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert first == second


def test_without_an_index_nothing_is_opened(corpus: Corpus) -> None:
    assert open_index(corpus, "completion") is None


def test_an_index_for_another_unit_is_not_opened(indexed: Corpus) -> None:
    assert open_index(indexed, "pair") is None


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda m: m["spec"].update(bands=16), ["bands differs", "found 16", "expected 20"]),
        (lambda m: m["spec"].update(signature="other 2"), ["signature differs", "other 2"]),
        (lambda m: m["spec"].update(normaliser=0), ["normaliser differs", "found 0"]),
        (lambda m: m["spec"].update(min_tokens=5), ["min_tokens differs"]),
        (lambda m: m.update(golden="0" * 64), ["golden differs", "found " + "0" * 64]),
        (lambda m: m.update(unit="pair"), ["unit differs", "found pair"]),
        (lambda m: m.update(version="0" * 16), ["version differs"]),
        (lambda m: m.update(manifest_sha256="0" * 64), ["manifest_sha256 differs"]),
        (lambda m: m.update(records=7), ["records differs", "found 7"]),
        (lambda m: m.update(format=2), ["format", "2"]),
        (lambda m: m.pop("golden"), ["'golden' is a required property"]),
        (lambda m: m["files"].pop(), ["another number of records"]),
    ],
    ids=[
        "bands", "signature", "normaliser", "tokens", "golden", "unit", "version", "manifest",
        "records", "format", "field", "files",
    ],
)  # fmt: skip
def test_an_index_that_does_not_fit_is_refused_with_what_differs(
    indexed: Corpus, change: Callable[[dict[str, Any]], object], words: list[str]
) -> None:
    _change(indexed, change)
    with pytest.raises(InputError) as refused:
        open_index(indexed, "completion")
    remedy = f"stillroom index {indexed.folder} --unit completion --rebuild"
    for word in [*words, str(index_folder(indexed, "completion")), remedy]:
        assert word in str(refused.value)
    make_index(indexed, "completion")
    assert open_index(indexed, "completion") is not None


def test_a_damaged_file_is_refused(indexed: Corpus) -> None:
    path = sorted(index_folder(indexed, "completion").rglob("*.arrow"))[1]
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(InputError, match="a file was changed") as refused:
        open_index(indexed, "completion")
    assert str(path) in str(refused.value)
    assert "--rebuild" in str(refused.value)
    path.unlink()
    with pytest.raises(InputError, match="a file is missing"):
        open_index(indexed, "completion")


@pytest.mark.parametrize("text", [None, "", "{broken"], ids=["missing", "empty", "broken"])
def test_an_index_without_its_manifest_is_refused(indexed: Corpus, text: str | None) -> None:
    path = index_folder(indexed, "completion") / INDEX
    path.unlink() if text is None else path.write_text(text)
    with pytest.raises(InputError, match="--rebuild"):
        open_index(indexed, "completion")


def test_code_with_other_results_is_noticed(
    indexed: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(golden, "_TEXTS", golden._TEXTS[::-1])
    with pytest.raises(InputError, match="golden differs"):
        open_index(indexed, "completion")


def test_no_index_is_made_of_a_damaged_corpus(corpus: Corpus) -> None:
    path = corpus.path(corpus.shards("records")[-1])
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(StillroomError, match="differs from the published file"):
        make_index(corpus, "completion")
    assert open_index(corpus, "completion") is None
    assert not list(corpus.folder.parent.glob(".work/*index*"))


def test_a_version_that_was_copied_elsewhere_can_be_indexed(corpus: Corpus, tmp_path: Path) -> None:
    copy = tmp_path / "copies/anything"
    copy.parent.mkdir()
    corpus.folder.rename(copy)
    moved = open_corpus(copy)
    make_index(moved, "completion")
    assert open_index(moved, "completion") is not None


def test_an_index_with_other_settings_is_refused(indexed: Corpus) -> None:
    with pytest.MonkeyPatch.context() as patch:
        other = replace(golden.SKETCH_SPEC, min_own_share=0.3)
        patch.setattr("transforms.dedupe.index.SKETCH_SPEC", other)
        with pytest.raises(InputError, match="min_own_share differs"):
            open_index(indexed, "completion")
