"""The command `stillroom`, also started by `python -m stillroom`."""

from __future__ import annotations

import sys
from typing import NoReturn

from stillroom.foreign import foreign_package


def main() -> NoReturn:
    """Runs the command line, unless another package hides one of ours."""
    if foreign := foreign_package():
        sys.stderr.write(f"stillroom: {foreign}\n")
        sys.exit(2)
    from pipelines.cli import main as run_command_line

    run_command_line()


if __name__ == "__main__":
    main()
