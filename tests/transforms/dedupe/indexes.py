"""Makes sketches and indexes without texts."""

from __future__ import annotations

from pathlib import Path

from schemas.index import Index, IndexFile
from schemas.manifest import Compared
from transforms.dedupe.keys import NO_SHINGLES
from transforms.dedupe.sidecar import Sketch, sidecar_file
from transforms.dedupe.sketch import write_sketches


def sketches(*numbers: int, key: bytes = b"k") -> list[Sketch]:
    return [Sketch(bytes([number]) * 32, key * 16, 0, NO_SHINGLES) for number in numbers]


def index_of(folder: Path, *files: list[Sketch], own: bool = False) -> Index:
    """Writes an index with some files."""
    entries = []
    for place, held in enumerate(files):
        path = sidecar_file(folder, place)
        write_sketches(path, held)
        ids = [one.id.hex() for one in held]
        name = str(path.relative_to(folder))
        entries.append(
            IndexFile(
                path=name,
                records=len(held),
                first=min(ids),
                last=max(ids),
                bytes=path.stat().st_size,
                sha256="",
            )
        )
    version = Compared(name=folder.name, version="1" * 16, sha256="", own=own)
    return Index(folder=folder, files=tuple(entries), version=version)
