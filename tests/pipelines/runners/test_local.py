"""The same run on Beam's portable runner, with workers in processes of their own."""

from __future__ import annotations

import os
import random
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from schemas.canonical import sha256
from tests.pipelines.choosing import lengths, samples
from tests.pipelines.project import make_project, questions, write_prompts
from tests.teacher import Call, Reply, Teacher, answer

_START_SECONDS = 60.0


@pytest.fixture(scope="module")
def job_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("jobs")
    port = _free_port()
    module = "apache_beam.runners.portability.local_job_service_main"
    with _running(module, f"--port={port}", f"--staging_dir={folder}", port=port):
        yield f"localhost:{port}"


@pytest.fixture(scope="module")
def worker_pool() -> Iterator[str]:
    port = _free_port()
    module = "apache_beam.runners.worker.worker_pool_main"
    with _running(module, f"--service_port={port}", port=port):
        yield f"localhost:{port}"


@contextmanager
def _running(module: str, *arguments: str, port: int) -> Iterator[None]:
    # The pool starts its workers with whatever `python` comes first on the path.
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    process = subprocess.Popen(
        [sys.executable, "-m", module, *arguments],
        env=os.environ | {"PATH": path},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _await_port(port)
        yield
    finally:
        process.terminate()
        process.wait(30)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _await_port(port: int) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while True:
        try:
            socket.create_connection(("localhost", port), 1).close()
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            return


def _varied(call: Call) -> Reply:
    """Answers with texts of which some are empty, some repeated, and many nearly the same."""
    number = int(sha256(call.prompt.encode())[:6], 16)
    words = [f"term{number % 3 * 100 + place}" for place in range(60)]
    words[number % 7] = f"other{number % 5}"
    return answer("" if number % 6 == 0 else " ".join(words))


def test_five_orders_give_the_same_bytes_on_every_runner(
    tmp_path: Path, job_service: str, worker_pool: str
) -> None:
    portable = ("--runner=PortableRunner", f"--job_endpoint={job_service}")
    loopback = (*portable, "--environment_type=LOOPBACK")
    pool = (*portable, "--environment_type=EXTERNAL", f"--environment_config={worker_pool}")
    prompts = questions(60)
    with Teacher(_varied) as teacher:
        project = make_project(tmp_path, teacher.endpoint, prompts, dedupe={"near": {}})
        first = project.run()
        expected = project.shards(first)
        assert min(first.accepted, first.duplicates, first.rejected["empty"]) > 0
        for order in range(5):
            random.Random(order).shuffle(prompts)
            write_prompts(tmp_path / "prompts.jsonl", prompts)
            for options, slices in (((), 1), ((), 3), (pool if order else loopback, 3 - order % 2)):
                assert project.shards(project.run(*options, slices=slices)) == expected
        assert teacher.count == len(prompts)


def test_workers_of_their_own_ask_each_request_once(
    tmp_path: Path, job_service: str, worker_pool: str
) -> None:
    with Teacher() as teacher:
        project = make_project(tmp_path, teacher.endpoint, questions(30))
        result = project.run(
            "--runner=PortableRunner",
            f"--job_endpoint={job_service}",
            "--environment_type=EXTERNAL",
            f"--environment_config={worker_pool}",
            slices=3,
        )
        assert set(teacher.times_asked.values()) == {1}
    assert (result.asked, result.accepted) == (30, 30)


def test_workers_of_their_own_choose_the_same_samples_and_pairs(
    tmp_path: Path, job_service: str, worker_pool: str
) -> None:
    with Teacher(lengths(12, 7, 9)) as teacher:
        local, other = (
            make_project(
                tmp_path / name,
                teacher.endpoint,
                questions(10),
                teachers=[samples(3)],
                filters=[{"rule": "length", "action": "tag", "max_words": 5}],
                best_of={"by": "length", "keep": 2},
                preferences={"by": "length", "gap": 1},
            )
            for name in ("local", "pool")
        )
        first = local.run()
        shutil.copytree(local.folder / "ledger", other.folder / "ledger")
        second = other.run(
            "--runner=PortableRunner",
            f"--job_endpoint={job_service}",
            "--environment_type=EXTERNAL",
            f"--environment_config={worker_pool}",
            slices=3,
        )
    assert (first.accepted, first.preferences) == (20, 10)
    assert other.shards(second) == local.shards(first)
