"""An index of a published corpus, with which later runs compare their records."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from schemas.manifest import Compared

FORMAT = 1

Unit = Literal["prompt", "completion", "pair"]  # what near-duplicates are compared by


@dataclass(frozen=True, slots=True, kw_only=True)
class SketchSpec:
    """How sketches are made. Only sketches with equal specifications can be compared.

    Attributes:
        signature: Name of the signatures' constants.
        bands: Bands of a signature.
        rows: Slots of a band.
        shingle_tokens: Tokens of a shingle.
        min_tokens: Texts with fewer tokens are only compared exactly.
        min_own_share: A completion quotes its prompt if fewer of its shingles are its own.
        max_characters: Of a longer text, this many characters are compared.
        normaliser: Version of the normalisation of texts.
    """

    signature: str
    bands: int
    rows: int
    shingle_tokens: int
    min_tokens: int
    min_own_share: float
    max_characters: int
    normaliser: int


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexFile:
    """The sketches of one shard's records.

    Attributes:
        path: Relative to the index's folder.
        records: How many records.
        first: The least of their ids.
        last: The greatest.
        bytes: Size.
        sha256: Digest of the file.
    """

    path: str
    records: int
    first: str
    last: str
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexManifest:
    """What an index was made of, and how.

    Attributes:
        format: Version of the index's format.
        name: Name of the corpus.
        version: The corpus's version.
        manifest_sha256: Digest of that version's manifest.
        unit: What near-duplicates are compared by.
        spec: How the sketches were made.
        golden: Digest of what the code that made them makes of a few fixed texts.
        records: Accepted records of the version.
        files: One file a shard of accepted records, by the shard's path.
    """

    format: int
    name: str
    version: str
    manifest_sha256: str
    unit: Unit
    spec: SketchSpec
    golden: str
    records: int
    files: tuple[IndexFile, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Index:
    """An index that was checked, of a version that stays the same for the whole run.

    Attributes:
        folder: Its folder.
        files: Its files, a sidecar each.
        version: The version of a corpus that it was made of.
    """

    folder: Path
    files: tuple[IndexFile, ...]
    version: Compared
