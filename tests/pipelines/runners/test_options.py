"""Options of Beam that nothing would obey are refused, and those that something would are not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import grpc
import pytest
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.portability.api import beam_job_api_pb2, beam_job_api_pb2_grpc

from pipelines.runners.local import make_pipeline
from pipelines.runners.options import FLINK_OPTIONS, check_job_server, check_options
from schemas.errors import InputError
from tests.pipelines.project import make_project, questions
from tests.teacher import Teacher


class _JobServer(beam_job_api_pb2_grpc.JobServiceServicer):
    def DescribePipelineOptions(self, request: Any, context: Any) -> Any:  # noqa: N802 - Beam's name
        option = beam_job_api_pb2.PipelineOptionDescriptor(name="bottle_size")
        return beam_job_api_pb2.DescribePipelineOptionsResponse(options=[option])


@contextmanager
def job_server() -> Iterator[str]:
    with ThreadPoolExecutor(1) as threads:
        server = grpc.server(threads)
        beam_job_api_pb2_grpc.add_JobServiceServicer_to_server(_JobServer(), server)
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        try:
            yield f"127.0.0.1:{port}"
        finally:
            server.stop(None)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--runer=FlinkRunner"], ["found --runer;", "'--runner'"]),
        (["--runer", "FlinkRunner"], ["found --runer;", "'--runner'"]),
        (["-runner=FlinkRunner"], ["found -runner", "'--runner'"]),
        (["FlinkRunner"], ["FnApiRunner knows no such option", "found FlinkRunner"]),
        (["--runner=Flnik"], ["no such runner", "found Flnik", "'FlinkRunner'"]),
        (["--runner=nowhere.Runner"], ["cannot be loaded", "No module named 'nowhere'"]),
        (["--runner=FlinkRunner", "--fastr_copy"], ["'--faster_copy'"]),
        (["--faster_copy"], ["FnApiRunner knows no such option"]),
        (["--runner=FlinkRunner", "--parallelism=many"], ["--parallelism", "'many'"]),
        (["--runner=FlinkRunner", "--flink_version=0.1"], ["--flink_version", "'0.1'", "2.0"]),
        (["--runner=SparkRunner", "--qqqqq=1"], ["found --qqqqq", "--job_endpoint"]),
    ],
)
def test_an_option_that_nothing_would_obey_is_refused(options: list[str], words: list[str]) -> None:
    with pytest.raises(InputError) as refused:
        check_options(options)
    assert all(word in str(refused.value) for word in words), str(refused.value)


@pytest.mark.parametrize(
    "options",
    [
        ["--runner=FlinkRunner", "--flink_master=h:1", "--parallelism=4", "--faster_copy"],
        ["--runner=flink", *(f"--{name}=1" for name in FLINK_OPTIONS)],
        ["--runner", "PortableRunner", "--environment_type", "LOOPBACK", "--job_endpoint=h:1"],
        ["--runner=DataflowRunner", "--project=p", "--region=r", "--num_workers=2"],
        ["--direct_num_workers=2", "--experiments=a", "--experiments=b"],
        ["--runner=apache_beam.runners.direct.direct_runner.BundleBasedDirectRunner"],
    ],
)
def test_an_option_of_beam_or_of_the_chosen_runner_is_accepted(options: list[str]) -> None:
    check_options(options)


def test_help_lists_the_options_that_beam_knows(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exited:
        check_options(["--runner=FlinkRunner", "--help"])
    assert exited.value.code == 0
    assert "--flink_master" in capsys.readouterr().out


def test_the_options_of_a_package_that_is_loaded_are_accepted() -> None:
    class Cellar(PipelineOptions):
        @classmethod
        def _add_argparse_args(cls, parser: Any) -> None:
            parser.add_argument("--cellar_depth", type=int)

    check_options(["--cellar_depth=3"])
    with pytest.raises(InputError, match="cellar_depth: invalid int value: 'deep'"):
        check_options(["--cellar_depth=deep"])


def test_a_job_server_is_asked_for_the_options_that_it_knows() -> None:
    with job_server() as endpoint:
        there: Sequence[str] = ["--runner=PortableRunner", f"--job_endpoint={endpoint}"]
        check_options([*there, "--bottle_size=3"])
        with pytest.raises(InputError, match="'--bottle_size'"):
            check_options([*there, "--botle_size=3"])


def test_a_job_server_that_does_not_answer_is_named() -> None:
    there = ["--runner=PortableRunner", "--job_endpoint=127.0.0.1:1", "--job_server_timeout=2"]
    with pytest.raises(InputError, match=r"does not say which options.*127\.0\.0\.1:1: "):
        check_options([*there, "--bottle_size=3"])


def test_a_run_with_an_unknown_option_sends_nothing(tmp_path: Any) -> None:
    with Teacher() as teacher:
        project = make_project(tmp_path, teacher.endpoint, questions(2))
        for asks in (True, False):
            with pytest.raises(InputError, match="runer"):
                project.run("--runer=FlinkRunner", asks=asks)
        assert teacher.count == 0
    assert not (tmp_path / "ledger").exists()


def test_a_job_server_that_takes_no_connection_is_named_before_anything_starts() -> None:
    options = ("--runner=PortableRunner", "--job_endpoint=localhost:1")
    with pytest.raises(InputError, match=r"cannot be reached .*--job_endpoint=localhost:1"):
        check_job_server(options, seconds=0.2)
    check_job_server(("--runner=PortableRunner",), seconds=0.2)


def test_options_that_a_runner_needs_are_named_without_a_traceback() -> None:
    with pytest.raises(InputError, match=r"DataflowRunner cannot use .*project"):
        make_pipeline(["--runner=DataflowRunner"])
