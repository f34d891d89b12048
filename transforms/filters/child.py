"""A child process that answers questions for a rule, and may be killed at any moment.

There is one a worker process, started when it is first needed. One that hangs or dies costs the
question that it was at: the next is asked of a new one. It lives no longer than its parent: it is
killed when the parent exits, and ends by itself once nobody holds the other end of its pipe.
"""

from __future__ import annotations

import atexit
import json
import os
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from typing import Any

from schemas.errors import StillroomError

READY_SECONDS = 120.0  # to import what it needs, on the busiest of machines


class ChildHung(Exception):
    """The child took too long over a question, and is no more."""


class ChildDied(Exception):
    """The child ended over a question."""


class Child:
    """A process that reads a line of JSON for each question and writes one as its answer.

    Threads may share it, and are answered one after the other. A process forked from the parent
    starts a child of its own.

    Args:
        command: Program and arguments. Its first line, before any question, is "ready" or what
            keeps it from being so.
    """

    def __init__(self, command: Sequence[str]) -> None:
        self._command = tuple(command)
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        os.register_at_fork(after_in_child=self._forget)
        atexit.register(self.stop)

    def ask(self, question: Any, seconds: float) -> Any:
        """Asks the child.

        Args:
            question: Anything that JSON can hold.
            seconds: How long to wait for the answer.

        Returns:
            What it answers.

        Raises:
            ChildHung: It took longer than that, or than the kernel lets it compute.
            ChildDied: It ended without an answer.
            StillroomError: It cannot be started.
        """
        with self._lock:
            process = self._running()
            try:
                _write(process, question)
                return _read(process, seconds)
            except BaseException:  # an answer that comes later must not meet another question
                self._stop()
                raise

    def stop(self) -> None:
        """Ends the child, if there is one."""
        with self._lock:
            self._stop()

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is not None and self._process.poll() is not None:
            self._stop()
        if self._process is None:
            self._process = self._start()
        return self._process

    def _start(self) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(  # noqa: S603 - a program of ours
            self._command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,  # nothing half written that a forked process could write again
            # Sets and mappings in one order, so that the same question has the same answer.
            env=os.environ | {"PYTHONHASHSEED": "0"},
            start_new_session=True,  # Ctrl-C is for the parent to answer
        )
        try:
            said = _read(process, READY_SECONDS)
        except (ChildHung, ChildDied) as error:
            said = type(error).__name__
        if said != "ready":
            _end(process)
            name = os.path.basename(self._command[-1])
            raise StillroomError(f"the process {name} does not start: {said}")
        return process

    def _stop(self) -> None:
        if self._process is not None:
            _end(self._process)
            self._process = None

    def _forget(self) -> None:
        """Lets go of a child that is the parent's, in a process forked from it."""
        self._lock = threading.Lock()
        if self._process is not None:
            _close(self._process)
            self._process = None


def python_script(path: str) -> tuple[str, ...]:
    """Returns the command that runs a script by this very interpreter.

    Its folder is left out of the path: its neighbours' names would hide the standard library's.
    """
    return (sys.executable, "-P", path)


def _write(process: subprocess.Popen[bytes], question: Any) -> None:
    assert process.stdin is not None  # noqa: S101 - so it was started
    line = json.dumps(question).encode() + b"\n"
    try:
        while line:
            line = line[process.stdin.write(line) :]
    except BrokenPipeError:
        raise ChildDied from None


def _read(process: subprocess.Popen[bytes], seconds: float) -> Any:
    assert process.stdout is not None  # noqa: S101 - so it was started
    waiting = select.poll()
    waiting.register(process.stdout, select.POLLIN)
    if not waiting.poll(seconds * 1000):
        raise ChildHung
    line = process.stdout.readline()
    if line:
        return json.loads(line)
    killed = process.wait() == -signal.SIGPROF
    raise ChildHung if killed else ChildDied


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    _close(process)
    process.wait()


def _close(process: subprocess.Popen[bytes]) -> None:
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()
