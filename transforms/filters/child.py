"""A child process that answers questions for a rule and can be killed at any moment.

Each worker process starts one when it first needs it, and uses it again. A child that hangs or dies
costs one question: the next goes to a new child. A child ends with its parent, also when that is
killed: its end of the connection then closes.

Pebble's and the standard library's process pools do not fit: their workers import the parent's main
module again (in a Beam worker that is Beam), outlive a killed parent while any process forked from
it lives, and take no environment of their own.
"""

from __future__ import annotations

import atexit
import os
import signal
import subprocess
import sys
import threading
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from schemas.errors import StillroomError

READY_SECONDS = 120.0  # to import what it needs, on the busiest of machines


class ChildHung(Exception):
    """The child took too long over a question and was killed."""


class ChildDied(Exception):
    """The child ended over a question."""


class Child:
    """A process that receives questions over a connection and sends an answer to each.

    Threads may share it: questions are answered one after the other. A process forked from the
    parent starts a child of its own.

    Args:
        script: Path of the Python script to run. Its argument is the file descriptor of the
            connection. It first sends "ready", or what prevents it from working.
    """

    def __init__(self, script: Path) -> None:
        self._script = script
        self._lock = threading.Lock()
        self._running: tuple[subprocess.Popen[bytes], Connection] | None = None
        os.register_at_fork(after_in_child=self._forget)
        atexit.register(self.stop)

    def ask(self, question: Any, seconds: float) -> Any:
        """Returns the child's answer to a question.

        Args:
            question: Anything that can be pickled.
            seconds: How long to wait for the answer.

        Raises:
            ChildHung: It took longer than that, or more CPU time than the kernel allows it.
            ChildDied: It ended without an answer.
            StillroomError: It does not start.
        """
        with self._lock:
            if self._running is not None and self._running[0].poll() is not None:
                self._stop()
            process, connection = self._running = self._running or self._start()
            try:
                return _exchange(process, connection, question, seconds)
            except BaseException:  # a late answer must not meet the next question
                self._stop()
                raise

    def stop(self) -> None:
        """Kills the child, if there is one."""
        with self._lock:
            self._stop()

    def _start(self) -> tuple[subprocess.Popen[bytes], Connection]:
        connection, theirs = Pipe()
        with theirs:
            process = subprocess.Popen(  # noqa: S603 - our own script
                # -P: names of modules beside the script must not hide the standard library's
                (sys.executable, "-P", str(self._script), str(theirs.fileno())),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=(theirs.fileno(),),
                # One order of sets, so that the same question has the same answer
                env=os.environ | {"PYTHONHASHSEED": "0"},
                start_new_session=True,  # Ctrl-C is for the parent to handle
            )
        try:
            said = _receive(process, connection, READY_SECONDS)
        except (ChildHung, ChildDied) as error:
            said = type(error).__name__
        if said != "ready":
            _end(process, connection)
            raise StillroomError(f"the process {self._script.name} does not start: {said}")
        return process, connection

    def _stop(self) -> None:
        if self._running is not None:
            _end(*self._running)
            self._running = None

    def _forget(self) -> None:
        """Drops the parent's child in a process forked from it, and leaves it running."""
        self._lock = threading.Lock()
        if self._running is not None:
            self._running[1].close()
            self._running = None


def _exchange(
    process: subprocess.Popen[bytes], connection: Connection, question: Any, seconds: float
) -> Any:
    try:
        connection.send(question)
    except OSError:
        raise ChildDied from None
    return _receive(process, connection, seconds)


def _receive(process: subprocess.Popen[bytes], connection: Connection, seconds: float) -> Any:
    if not connection.poll(seconds):
        raise ChildHung
    try:
        return connection.recv()
    except (EOFError, OSError):
        killed = process.wait() == -signal.SIGPROF
        raise (ChildHung if killed else ChildDied) from None


def _end(process: subprocess.Popen[bytes], connection: Connection) -> None:
    process.kill()
    connection.close()
    process.wait()
