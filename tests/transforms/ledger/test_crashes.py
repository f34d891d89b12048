"""What the ledger holds after processes were killed, disks filled up and two ran at once."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from schemas.errors import LedgerBusy
from transforms.ledger import Ledger

ALL = "0123456789abcdef"
PROGRAM = Path(__file__).with_name("ledger_process.py")


@contextmanager
def writing(folder: Path, digits: str, seed: str, *more: str) -> Iterator[subprocess.Popen[str]]:
    """Runs a process that appends to the ledger; it holds its locks when this is entered."""
    command = [sys.executable, str(PROGRAM), str(folder), digits, seed, *more]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            yield process
        finally:
            process.kill()


def read_ids(process: subprocess.Popen[str], count: int) -> list[str]:
    """Reads the ids of the next appends that returned."""
    assert process.stdout is not None
    return [process.stdout.readline().strip() for _ in range(count)]


def kill(process: subprocess.Popen[str]) -> list[str]:
    """Kills the process at once; returns the ids that it had still printed."""
    assert process.stdout is not None
    process.send_signal(signal.SIGKILL)
    # The last line may be cut short by the kill: that id was not printed.
    return [line[:64] for line in process.stdout if line.endswith("\n")]


@pytest.mark.parametrize("seed", range(6))
def test_what_was_appended_before_a_kill_at_any_moment_is_there_after_it(
    tmp_path: Path, seed: int
) -> None:
    chance = random.Random(seed)
    ledger = Ledger(tmp_path / "ledger")
    promised: list[str] = []
    for again in range(2):
        with writing(tmp_path / "ledger", ALL, f"{seed}-{again}") as process:
            promised += read_ids(process, chance.randrange(1, 400))
            promised += kill(process)

    reader = ledger.reader()
    assert len(promised) == len(set(promised)) > 1
    for key in promised:
        response = reader.read(key)
        assert response is not None
        assert response.body == key.encode() * 20
    assert reader.damaged() == []
    # At most what was in flight is there without having been promised.
    assert len(promised) <= len(reader) <= len(promised) + 2 * 8


def test_two_processes_append_at_once_to_different_digits(tmp_path: Path) -> None:
    folder = tmp_path / "ledger"
    with writing(folder, "01234567", "low") as low, writing(folder, "89abcdef", "high") as high:
        promised = read_ids(low, 200) + read_ids(high, 200)
        seen_while_writing = Ledger(folder).reader()
        promised_later = kill(low) + kill(high)

    assert all(seen_while_writing.outcome(key) for key in promised)
    reader = Ledger(folder).reader()
    assert all(reader.outcome(key) for key in promised + promised_later)
    assert reader.damaged() == []


def test_a_second_run_on_the_same_digits_is_told_who_holds_them(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger")
    with writing(tmp_path / "ledger", "0123", "first") as process:
        with pytest.raises(LedgerBusy) as busy, ledger.writer("3456", "second"):
            pass
        with pytest.raises(LedgerBusy, match="run-first"):
            ledger.preflight("second")
        with ledger.writer("456789abcdef", "second"):  # the digits it did not get are free
            pass

    message = str(busy.value)
    assert f"run run-first (process {process.pid} on " in message
    assert "since 20" in message
    assert "wait" in message


def test_a_killed_process_holds_no_locks(tmp_path: Path) -> None:
    with writing(tmp_path / "ledger", ALL, "killed") as process:
        read_ids(process, 1)
        kill(process)

    Ledger(tmp_path / "ledger").preflight("next")


def test_a_full_disk_stops_appends_and_keeps_all_that_was_promised(tmp_path: Path) -> None:
    folder = tmp_path / "ledger"
    with writing(folder, ALL, "full", "200000") as process:
        assert process.stdout is not None
        lines = process.stdout.read().splitlines()

    promised = [line for line in lines if not line.startswith("failed")]
    failures = [line for line in lines if line.startswith("failed")]
    # Every task failed once with what it had in its hands, and again at once when it went on.
    assert len(failures) == 16
    assert all(f"the ledger {folder} cannot be written" in line for line in failures)
    assert all("File too large" in line for line in failures)

    (segment,) = (folder / "segments").glob("*.jsonl")
    assert segment.read_bytes().endswith(b"}\n")  # nothing half written is left
    reader = Ledger(folder).reader()
    assert len(reader) == len(promised) > 50
    assert all(reader.outcome(key) for key in promised)


def test_the_lock_of_a_living_writer_names_it(tmp_path: Path) -> None:
    with writing(tmp_path / "ledger", "7", "named") as process:
        holder = json.loads((tmp_path / "ledger" / "locks" / "7.lock").read_text())
    assert holder["pid"] == process.pid
    assert holder["run_id"] == "run-named"
