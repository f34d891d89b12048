"""Sidecars: one file for each bucket with the sketches of its records.

Row i belongs to the i-th record by id. Keys and bands are read once, by the step of the bucket. Ids
and shingles, about 1.6 kB for each record, are read from the mapped file, and only for records that
have a duplicate or a candidate. The format is an Arrow IPC file with one record batch.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from transforms.dedupe.keys import KEY_BYTES, Shingles
from transforms.dedupe.signature import BANDS, SPEC
from transforms.storage.files import commit, partial_file

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
    """What one record is compared by.

    Attributes:
        id: The record's id, 32 bytes.
        key: Its exact key, 16 bytes.
        prompt: The first 8 bytes of its prompt's key.
        shingles: Its shingles; empty if it can only be an exact duplicate.
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
        path: Path of the sidecar.
        sketches: The bucket's records, ascending by id.
        bands: Band keys of the records that have shingles, in the same order: m by 20.
    """
    batch = pa.record_batch(_columns(sketches, bands), schema=_SCHEMA)
    with partial_file(path.parent) as hidden:
        with pa.OSFile(str(hidden), "wb") as file, pa.ipc.new_file(file, _SCHEMA) as writer:
            writer.write_batch(batch)
        commit(hidden, path, durable=False)


class Sidecar:
    """Reads a sidecar.

    Args:
        path: Path of the sidecar.
    """

    def __init__(self, path: Path) -> None:
        self._batch = pa.ipc.open_file(pa.memory_map(str(path))).get_batch(0)

    @property
    def records(self) -> int:
        """Number of records."""
        return int(self._batch.num_rows)

    def keys(self) -> NDArray[np.uint8]:
        """Returns the exact keys of all records: n by 16 bytes."""
        return self._bytes("key", KEY_BYTES)

    def identities(self) -> NDArray[np.bytes_]:
        """Returns the id and exact key of each record as one value of 48 bytes: n."""
        joined = np.hstack((self._bytes("id", _ID_BYTES), self.keys()))
        return joined.view(f"S{_ID_BYTES + KEY_BYTES}").ravel()

    def bands(self) -> tuple[NDArray[np.int64], NDArray[np.uint64]]:
        """Returns the rows of records with shingles (m), and their band keys (m by 20)."""
        column = self._batch["bands"]
        rows = np.flatnonzero(column.is_valid().to_numpy(zero_copy_only=False))
        return rows, column.flatten().to_numpy().reshape(-1, BANDS)

    def ids(self, rows: NDArray[np.int64]) -> list[str]:
        """Returns the ids of some rows, in hex."""
        return [name.hex() for name in self._batch["id"].take(pa.array(rows)).to_pylist()]

    def prompts(self, rows: NDArray[np.int64]) -> NDArray[np.uint64]:
        """Returns the prompt keys of some rows."""
        prompts: NDArray[np.uint64] = self._batch["prompt"].take(pa.array(rows)).to_numpy()
        return prompts

    def shingles(self, rows: NDArray[np.int64]) -> list[Shingles]:
        """Returns the shingles of some rows."""
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
