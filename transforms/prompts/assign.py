"""Makes requests: one for each teacher and sample of a prompt."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from schemas.extent import Extent
from schemas.inputs.registry import Route
from schemas.inputs.run import RunFile
from schemas.prompts import Prompt
from schemas.requests import Request, make_request


def assign_teachers(
    prompt: Prompt, run: RunFile, routes: Mapping[str, Route], extent: Extent
) -> Iterator[Request]:
    """Yields the requests of one prompt.

    Args:
        prompt: The prompt.
        run: Gives teachers, samples and settings.
        routes: The routes of the run's teachers, by id.
        extent: How far the run goes.

    Yields:
        One request for each teacher and sample; none for a prompt beyond the extent.
    """
    extra = extent.extra_samples(prompt.prompt_id)
    if extra is None:
        return
    for teacher in run.teachers:
        route = routes[teacher.id]
        for sample in range(teacher.samples + extra):
            yield make_request(
                prompt,
                teacher=route.id,
                model=route.model,
                revision=route.revision,
                system=run.system,
                parameters=teacher.settings,
                sample_index=sample,
                repair=teacher.repair and teacher.mode == "live",
            )
