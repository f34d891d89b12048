"""A bucket's sidecar: what deduplication knows of its records, left on disk where it was made.

Row i belongs to the i-th record by id. Keys and bands are read once, by the bucket itself; ids and
shingles, some 1.6 kB a record, are read of those records alone that have a duplicate or a
candidate, straight from the mapped file. The format is an Arrow IPC file with one record batch.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from transforms.dedupe.keys import KEY_BYTES, Shingles
from transforms.dedupe.signature import BANDS, SPEC
from transforms.storage.files import partial_file

_ID_BYTES = 32
_SCHEMA = pa.schema(
    [
        pa.field("id", pa.binary(_ID_BYTES)),
        pa.field("key", pa.binary(KEY_BYTES)),
        pa.field("prompt", pa.uint64()),
        pa.field("shared", pa.uint32()),
        pa.field("shingles", pa.large_list(pa.uint64())),
        pa.field("bands", pa.list_(pa.uint64(), BANDS)),
    ],
    metadata={"signature": SPEC},
)


@dataclass(frozen=True, slots=True)
class Sketch:
    """What deduplication knows of one record.

    Attributes:
        id: SHA-256 that names it.
        key: Exact key.
        prompt: Key of its prompt.
        shingles: What it is compared by; empty where it is compared exactly alone.
    """

    id: bytes
    key: bytes
    prompt: int
    shingles: Shingles


def sidecar_file(folder: Path, bucket: int) -> Path:
    """Returns the path of a bucket's sidecar."""
    return folder / "sidecars" / f"{bucket:04d}.arrow"


def write_sidecar(path: Path, sketches: list[Sketch], bands: NDArray[np.uint64]) -> None:
    """Writes a sidecar, all or nothing.

    Args:
        path: Where to.
        sketches: The bucket's records, ascending by id.
        bands: Band keys of those that have shingles, in their order: m by 20.
    """
    batch = pa.record_batch(_columns(sketches, bands), schema=_SCHEMA)
    with partial_file(path.parent) as hidden:
        with pa.OSFile(str(hidden), "wb") as file, pa.ipc.new_file(file, _SCHEMA) as writer:
            writer.write_batch(batch)
        hidden.replace(path)


class Sidecar:
    """Reads a sidecar.

    Args:
        path: Which.
    """

    def __init__(self, path: Path) -> None:
        self._batch = pa.ipc.open_file(pa.memory_map(str(path))).get_batch(0)

    @property
    def records(self) -> int:
        """How many records it holds."""
        return int(self._batch.num_rows)

    def keys(self) -> NDArray[np.uint8]:
        """Returns the exact keys of all records: n by 16 bytes."""
        return self._bytes("key", KEY_BYTES)

    def identities(self) -> NDArray[np.bytes_]:
        """Returns the ids of all records joined with their exact keys: n of 48 bytes."""
        joined = np.hstack((self._bytes("id", _ID_BYTES), self.keys()))
        return joined.view(f"S{_ID_BYTES + KEY_BYTES}").ravel()

    def bands(self) -> tuple[NDArray[np.int64], NDArray[np.uint64]]:
        """Returns the rows of the records that have bands, and their band keys: m, and m by 20."""
        column = self._batch["bands"]
        rows = np.flatnonzero(column.is_valid().to_numpy(zero_copy_only=False))
        return rows, column.flatten().to_numpy().reshape(-1, BANDS)

    def ids(self, rows: NDArray[np.int64]) -> list[str]:
        """Returns the ids of some records, in hex."""
        return [name.hex() for name in self._batch["id"].take(pa.array(rows)).to_pylist()]

    def prompts(self, rows: NDArray[np.int64]) -> NDArray[np.uint64]:
        """Returns the keys of some records' prompts."""
        prompts: NDArray[np.uint64] = self._batch["prompt"].take(pa.array(rows)).to_numpy()
        return prompts

    def shingles(self, rows: NDArray[np.int64]) -> list[Shingles]:
        """Returns the shingles of some records."""
        places = pa.array(rows)
        values = self._batch["shingles"].take(places)
        shared = self._batch["shared"].take(places).to_pylist()
        pieces = np.split(values.flatten().to_numpy(), values.offsets.to_numpy()[1:-1])
        return [Shingles(*pair) for pair in zip(pieces, shared, strict=True)]

    def _bytes(self, column: str, width: int) -> NDArray[np.uint8]:
        data = b"".join(self._batch[column].to_pylist())
        return np.frombuffer(data, np.uint8).reshape(-1, width)


def _columns(sketches: list[Sketch], bands: NDArray[np.uint64]) -> list[pa.Array]:
    shingles = [sketch.shingles.values for sketch in sketches]
    sizes = np.array([values.size for values in shingles], np.int64)
    return [
        pa.array([sketch.id for sketch in sketches], pa.binary(_ID_BYTES)),
        pa.array([sketch.key for sketch in sketches], pa.binary(KEY_BYTES)),
        pa.array([sketch.prompt for sketch in sketches], pa.uint64()),
        pa.array([sketch.shingles.shared for sketch in sketches], pa.uint32()),
        pa.LargeListArray.from_arrays(
            np.concatenate(([0], np.cumsum(sizes))),
            np.concatenate([np.empty(0, np.uint64), *shingles]),
        ),
        _band_column(sizes > 0, bands),
    ]


def _band_column(has_bands: NDArray[np.bool_], bands: NDArray[np.uint64]) -> pa.Array:
    every = np.zeros((has_bands.size, BANDS), np.uint64)
    every[has_bands] = bands
    return pa.FixedSizeListArray.from_arrays(every.ravel(), BANDS, mask=pa.array(~has_bands))
