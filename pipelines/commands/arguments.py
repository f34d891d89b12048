"""Arguments and options that several commands share."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated

import typer

CorpusPath = Annotated[
    str, typer.Argument(metavar="CORPUS", help="The corpus's folder, or gs://bucket/folder.")
]
AsJson = Annotated[bool, typer.Option("--json", help="JSON on stdout, everything else on stderr.")]
RegistryPath = Annotated[
    str | None,
    typer.Option("--registry", metavar="FILE", help="Your teachers.yaml, with your approvals."),
]
MaxAge = Annotated[
    int | None, typer.Option(min=0, metavar="N", help="Maximum age of a reading, in days.")
]
On = Annotated[
    datetime | None,
    typer.Option(formats=["%Y-%m-%d"], help="The day to decide for, UTC; today by default."),
]


def day_of(on: datetime | None) -> date:
    """Returns the day that `--on` names, or today, UTC."""
    from transforms.clock import Clock

    return on.date() if on else Clock().today()
