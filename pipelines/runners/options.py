"""Checks the options of Beam: Beam itself drops in silence what it does not know.

`--runer=FlinkRunner` would run on this machine. Known is what Beam's option classes declare, those
of the chosen runner's module too, and what the runner's job server declares when it is asked.
"""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NoReturn

import grpc
from apache_beam.options.pipeline_options import PipelineOptions, PortableOptions, StandardOptions
from apache_beam.portability.api import beam_job_api_pb2, beam_job_api_pb2_grpc
from apache_beam.runners.portability.flink_runner import FlinkRunner
from apache_beam.runners.portability.portable_runner import PortableRunner
from apache_beam.runners.runner import PipelineRunner, create_runner

from pipelines.runners.local import LOCAL_RUNNER
from schemas.errors import InputError, close_names

_CONNECT_SECONDS = 20.0
_WHERE = "the options after --"

# What a job server of Flink knows beyond `FlinkRunnerOptions`, for one that is only started by the
# run: https://beam.apache.org/documentation/runners/flink/, "Pipeline options", the Python table.
FLINK_OPTIONS = (
    "allow_non_restored_state",
    "auto_balance_write_files_sharding_enabled",
    "auto_watermark_interval",
    "checkpoint_timeout_millis",
    "checkpointing_interval",
    "checkpointing_mode",
    "disable_metrics",
    "execution_mode_for_batch",
    "execution_retry_delay",
    "externalized_checkpoints_enabled",
    "fail_on_checkpointing_errors",
    "faster_copy",
    "finish_bundle_before_checkpointing",
    "flink_conf_dir",
    "latency_tracking_interval",
    "max_bundle_size",
    "max_bundle_time_mills",
    "min_pause_between_checkpoints",
    "num_concurrent_checkpoints",
    "number_of_execution_retries",
    "object_reuse",
    "operator_chaining",
    "re_iterable_group_by_key_result",
    "report_checkpoint_duration",
    "retain_externalized_checkpoints_on_cancellation",
    "savepoint_path",
    "shutdown_sources_after_idle_ms",
    "state_backend",
    "state_backend_factory",
    "state_backend_storage_path",
)


def check_options(arguments: Sequence[str]) -> None:
    """Refuses what Beam would not understand. With `--help` it lists what Beam knows, and exits.

    Args:
        arguments: Options of Beam, such as `--runner=PortableRunner`.

    Raises:
        InputError: An option or a value is unknown, the runner cannot be loaded, or the job server
            that would know an option does not answer.
    """
    wanted = [each for each in arguments if each not in ("-h", "--help")]
    options = PipelineOptions(wanted)
    runner = _load_runner(options.view_as(StandardOptions).runner or LOCAL_RUNNER)

    def check(parser: ArgumentParser) -> None:
        parser.error = _refuse_value  # type: ignore[method-assign]
        if len(wanted) < len(arguments):
            parser.print_help()
            raise SystemExit(0)
        _, unknown = parser.parse_known_args(wanted)
        if unknown:
            _add(parser, _job_server_options(runner, options))
            _, unknown = parser.parse_known_args(wanted)
        if unknown:
            raise _unknown(unknown, parser, runner)

    options.get_all_options(add_extra_args_fn=check)


def check_job_server(arguments: Sequence[str], seconds: float = _CONNECT_SECONDS) -> None:
    """Connects to the job server, if one is named: Beam would try for minutes, without a word.

    Args:
        arguments: Options of Beam.
        seconds: How long to try.

    Raises:
        InputError: It cannot be reached.
    """
    endpoint = PipelineOptions(list(arguments)).view_as(PortableOptions).job_endpoint
    if endpoint is None or endpoint == "embed":
        return
    with grpc.insecure_channel(endpoint) as channel:
        try:
            grpc.channel_ready_future(channel).result(timeout=seconds)
        except grpc.FutureTimeoutError:
            raise InputError(
                "the job server cannot be reached",
                where=_WHERE,
                found=f"--job_endpoint={endpoint}, which took no connection in {seconds:g} s",
                expected="a Beam job server at --job_endpoint",
            ) from None


def _load_runner(name: str) -> PipelineRunner:
    """Loads a runner, by which the option classes of its module become known."""
    known = StandardOptions.KNOWN_RUNNER_NAMES
    try:
        return create_runner(name)
    except ValueError:
        raise InputError(
            "Beam has no such runner",
            where=_WHERE,
            found=name,
            expected=f"one of {', '.join(known)}, or a class with its module's full name",
            remedy=close_names(name, known),
        ) from None
    except (ImportError, AttributeError) as error:
        raise InputError(
            f"the runner {name} cannot be loaded",
            where=_WHERE,
            found=str(error),
            expected="a runner whose packages are installed",
        ) from None


def _job_server_options(runner: PipelineRunner, options: PipelineOptions) -> Iterator[str]:
    """Yields the names of the options that the runner's job server takes."""
    portable = options.view_as(PortableOptions)
    if not isinstance(runner, PortableRunner):
        return
    if portable.job_endpoint:
        yield from _described(portable.job_endpoint, portable.job_server_timeout)
    elif isinstance(runner, FlinkRunner):
        yield from FLINK_OPTIONS


def _described(endpoint: str, timeout: float) -> Iterator[str]:
    with grpc.insecure_channel(endpoint) as channel:
        service = beam_job_api_pb2_grpc.JobServiceStub(channel)
        wanted = beam_job_api_pb2.DescribePipelineOptionsRequest()
        try:
            answer = service.DescribePipelineOptions(wanted, timeout=timeout)
        except grpc.RpcError as error:
            raise InputError(
                "the job server does not say which options it knows",
                where=_WHERE,
                found=f"{endpoint}: {_words(error)}",
                expected="a Beam job server at --job_endpoint",
            ) from None
    yield from (option.name for option in answer.options)


def _words(error: Any) -> str:
    return str(error.details() or error.code().name)


def _add(parser: ArgumentParser, names: Iterable[str]) -> None:
    known = _names(parser)
    for name in names:
        if f"--{name}" not in known:
            parser.add_argument(f"--{name}", nargs="?")


def _refuse_value(message: str) -> NoReturn:
    raise InputError(f"Beam does not take a value: {message}", where=_WHERE)


def _unknown(unknown: Sequence[str], parser: ArgumentParser, runner: PipelineRunner) -> InputError:
    """Returns the error that names the unknown options, or else what belongs to no option."""
    names = [each.partition("=")[0] for each in unknown if each.startswith("-")] or unknown
    close = [close_names(f"--{name.lstrip('-')}", _names(parser)) for name in names]
    cannot_ask = isinstance(runner, PortableRunner) and not any(close)
    return InputError(
        f"{type(runner).__name__} knows no such option",
        where=_WHERE,
        found=", ".join(names),
        expected="options of Beam and of the chosen runner, as --runner=FlinkRunner",
        remedy=" ".join(filter(None, close))
        or ("a job server is asked for its options: --job_endpoint" if cannot_ask else ""),
    )


def _names(parser: ArgumentParser) -> list[str]:
    return list(parser._option_string_actions)
