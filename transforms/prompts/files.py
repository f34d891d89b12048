"""Reads the records of prompt files: JSONL, Parquet, CSV and text, one record at a time.

A broken record does not end the file: it is yielded with its line and a reason, and reading
continues.
"""

from __future__ import annotations

import csv
import gzip
import json
from collections.abc import Iterator
from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import IO, Any, cast

import pyarrow.parquet as pq

from schemas.addresses import is_address, join_address
from schemas.codes import UnreadReason
from schemas.errors import InputError
from transforms.storage.inputs import find_inputs, open_input

ENDINGS = (".jsonl", ".ndjson", ".parquet", ".csv", ".txt")
TEXT_FIELD = "text"  # the one field of a text file's records


@dataclass(frozen=True, slots=True)
class RawRecord:
    """One record of a prompt file.

    Attributes:
        file: Name of the file, relative to the run file.
        line: Line, or record number where a file has no lines; from 1.
        fields: Its fields; None where it could not be read.
        reason: Why not: `invalid_utf8`, `broken_json`, `wrong_type`; "" where it could.
        detail: The same for a person.
    """

    file: str
    line: int
    _: KW_ONLY
    fields: dict[str, Any] | None = None
    reason: str = ""
    detail: str = ""


def find_files(patterns: tuple[str, ...], base: str, where: str) -> list[tuple[str, str]]:
    """Returns the files that match patterns, in an order that does not depend on the machine.

    Args:
        patterns: Paths, relative to `base`, or addresses in gs://; with or without wildcards.
        base: Folder of the run file.
        where: The run file's line, for messages.

    Returns:
        The name in provenance and the address of each file, sorted by name.

    Raises:
        InputError: A pattern matches nothing, or a file has an unknown ending.
    """
    found: dict[str, str] = {}
    for pattern in patterns:
        if is_address(pattern) and not pattern.startswith("gs://"):
            raise InputError(
                "unknown kind of address",
                where=where,
                found=pattern,
                expected="a path, or gs://bucket/name",
            )
        names = find_inputs(pattern, base)
        if not names:
            raise InputError(
                "no such file",
                where=where,
                found=pattern,
                expected="an object that matches"
                if is_address(pattern)
                else f"a file below {base}",
            )
        for name in names:
            if not name.removesuffix(".gz").endswith(ENDINGS):
                raise InputError(
                    "unknown kind of prompt file",
                    where=where,
                    found=name,
                    expected=f"a name that ends with {', '.join(ENDINGS)}, or these with .gz",
                )
            found[name] = join_address(base, name)
    return sorted(found.items())


def read_records(name: str, address: str) -> Iterator[RawRecord]:
    """Yields the records of one file, in order.

    Args:
        name: The file's name in provenance.
        address: Its path, or its address in gs://.

    Yields:
        Its records. Blank lines are skipped.

    Raises:
        InputError: The file cannot be opened, or its content does not match its ending.
    """
    try:
        with open_input(address) as path:
            yield from _read(name, path)
    except (OSError, EOFError, ValueError) as error:
        raise InputError("the prompt file cannot be read", where=name, found=str(error)) from error


def _read(name: str, path: Path) -> Iterator[RawRecord]:
    kind = path.name.removesuffix(".gz").rpartition(".")[2]
    if kind == "parquet":
        yield from _read_parquet(name, path)
    else:
        with _open(path) as lines:
            yield from {"csv": _read_csv, "txt": _read_text}.get(kind, _read_jsonl)(name, lines)


def _open(path: Path) -> IO[bytes]:
    if path.name.endswith(".gz"):
        return cast(IO[bytes], gzip.open(path, "rb"))
    return path.open("rb")


def _read_jsonl(name: str, lines: IO[bytes]) -> Iterator[RawRecord]:
    for number, line in enumerate(lines, 1):
        if line.strip():
            yield _json_record(name, number, line)


def _json_record(name: str, number: int, line: bytes) -> RawRecord:
    try:
        value = json.loads(line.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        return RawRecord(
            name, number, reason=UnreadReason.INVALID_UTF8, detail=f"byte {error.start} of the line"
        )
    except (json.JSONDecodeError, RecursionError) as error:
        detail = getattr(error, "msg", "nested too deep")
        return RawRecord(
            name,
            number,
            reason=UnreadReason.BROKEN_JSON,
            detail=f"{detail}, column {_column(error)}",
        )
    if not isinstance(value, dict):
        return RawRecord(
            name,
            number,
            reason=UnreadReason.WRONG_TYPE,
            detail=f"expected an object, found {type(value).__name__}",
        )
    return RawRecord(name, number, fields=value)


def _column(error: Exception) -> int:
    return int(getattr(error, "colno", 1))


def _read_text(name: str, lines: IO[bytes]) -> Iterator[RawRecord]:
    for number, line in enumerate(lines, 1):
        if line.strip():
            try:
                text = line.decode("utf-8-sig").rstrip("\r\n")
            except UnicodeDecodeError as error:
                detail = f"byte {error.start} of the line"
                yield RawRecord(name, number, reason=UnreadReason.INVALID_UTF8, detail=detail)
            else:
                yield RawRecord(name, number, fields={TEXT_FIELD: text})


def _read_csv(name: str, lines: IO[bytes]) -> Iterator[RawRecord]:
    # Bytes that are not UTF-8 become lone surrogates, which are then reported as invalid.
    text = (line.decode("utf-8-sig", "surrogateescape") for line in lines)
    try:
        reader = csv.DictReader(text, strict=True)
        for row in reader:
            fields = {str(key): value for key, value in row.items()}
            if _has_surrogate("".join(str(value) for value in fields.values())):
                yield RawRecord(
                    name,
                    reader.line_num,
                    reason=UnreadReason.INVALID_UTF8,
                    detail="a byte of the record",
                )
            else:
                yield RawRecord(name, reader.line_num, fields=fields)
    except csv.Error as error:
        raise InputError(
            "the prompt file is not valid CSV", where=f"{name}:{reader.line_num}", found=str(error)
        ) from None


def _has_surrogate(text: str) -> bool:
    return any("\ud800" <= char <= "\udfff" for char in text)


def _read_parquet(name: str, path: Path) -> Iterator[RawRecord]:
    number = 0
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(1024):
            for row in batch.to_pylist():
                number += 1
                yield RawRecord(name, number, fields=row)
