"""How a pipeline is run: which Beam runner, with which of Beam's own options."""

from __future__ import annotations

from collections.abc import Sequence

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions, StandardOptions

# Named outright: Beam's DirectRunner first tries to download another runner from the network.
LOCAL_RUNNER = "FnApiRunner"


def make_pipeline(arguments: Sequence[str]) -> beam.Pipeline:
    """Makes an empty pipeline with what stands after `--` on the command line.

    Args:
        arguments: Beam's own flags, such as `--runner=PortableRunner`.

    Returns:
        The pipeline, on the local runner where none is named.
    """
    options = PipelineOptions(list(arguments))
    standard = options.view_as(StandardOptions)
    standard.runner = standard.runner or LOCAL_RUNNER
    return beam.Pipeline(options=options)
