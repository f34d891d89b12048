"""Makes the pipeline for a Beam runner and its options."""

from __future__ import annotations

from collections.abc import Sequence

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions, PortableOptions, StandardOptions

from schemas.errors import InputError

# By its own name: Beam's DirectRunner first tries to download another runner.
LOCAL_RUNNER = "FnApiRunner"


def make_pipeline(arguments: Sequence[str]) -> beam.Pipeline:
    """Makes an empty pipeline.

    Args:
        arguments: Options of Beam, such as `--runner=PortableRunner`.

    Returns:
        The pipeline, on the local runner unless the options name another.

    Raises:
        InputError: The runner needs options that are missing, or refuses one.
    """
    options = PipelineOptions(list(arguments))
    standard = options.view_as(StandardOptions)
    standard.runner = standard.runner or LOCAL_RUNNER
    try:
        return beam.Pipeline(options=options)
    except ValueError as error:
        raise InputError(
            f"{standard.runner} cannot use these options",
            where="the options after --",
            found=" ".join(str(error).split()),
        ) from error


def workers_are_here(arguments: Sequence[str]) -> bool:
    """Returns whether all workers run on this machine: in this process, or started by it.

    Args:
        arguments: Options of Beam.
    """
    options = PipelineOptions(list(arguments))
    runner = options.view_as(StandardOptions).runner or LOCAL_RUNNER
    loopback = options.view_as(PortableOptions).environment_type == "LOOPBACK"
    return loopback or runner in (LOCAL_RUNNER, "DirectRunner", "BundleBasedDirectRunner")
