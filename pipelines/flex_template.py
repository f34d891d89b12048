"""Starts a run from a Dataflow Flex Template: its parameters are the fields of a run file.

The template's launcher calls this file with `--name=… --purpose='{…}' …`, one parameter for each
top-level key, and with Beam's own options. Plain text is passed unchanged, any other value as JSON.
The template has no folder for relative paths to start from, so every path is absolute.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from pipelines.display.console import print_error
from schemas.addresses import is_address
from schemas.errors import InputError, Problem, StillroomError
from schemas.files import load_schema
from schemas.inputs.run_file import load_run
from schemas.written import as_sequence

_MAX_SLICES = 16  # as on the command line

# Characters that JSON writes as they are and YAML does not take, or takes for line breaks.
_NOT_IN_YAML = re.compile(r"[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")

Start = Callable[[Path, Sequence[str], int], None]


def run_file_text(parameters: Mapping[str, str]) -> str:
    """Makes a run file of a template's parameters.

    Args:
        parameters: Top-level fields of the run file; JSON where the schema asks for more than text.

    Returns:
        The run file, YAML, a field a line, not yet checked against its schema.

    Raises:
        InputError: A value is not JSON, names a key twice, or is not Unicode text.
    """
    fields = load_schema("run")["properties"]
    return "".join(
        f"{name}: {_as_yaml(name, value, plain=_is_text(fields[name]))}\n"
        for name, value in parameters.items()
    )


def main(argv: Sequence[str] | None = None, start: Start | None = None) -> int:
    """Starts the run that the parameters describe, without waiting for it.

    Args:
        argv: The template's parameters and Beam's options; by default the process's.
        start: Takes the run file, Beam's options and the slices; by default submits the pipeline.

    Returns:
        Exit code: 0, or that of the error printed on stderr.
    """
    names = list(load_schema("run")["properties"])
    given, beam_options = _parser(names).parse_known_args(argv)
    parameters = {name: value for name in names if (value := getattr(given, name)) is not None}
    try:
        # The run file is read while the pipeline is built; workers get what was read from it.
        with TemporaryDirectory(prefix="stillroom-") as folder:
            path = Path(folder, "run.yaml")
            path.write_text(run_file_text(parameters), encoding="utf-8")
            _check(path)
            (start or _submit)(path, beam_options, given.slices)
    except StillroomError as error:
        print_error(error)
        return error.exit_code
    return 0


def _submit(path: Path, beam_options: Sequence[str], slices: int) -> None:
    from pipelines.launch import launch_template  # imports Beam: only for a file that is right

    launch_template(path, list(beam_options), slices)


def _parser(names: Sequence[str]) -> argparse.ArgumentParser:
    # Without abbreviations: `--project` and its like are Beam's.
    parser = argparse.ArgumentParser(prog="stillroom", allow_abbrev=False)
    for name in names:
        parser.add_argument(f"--{name}")
    parser.add_argument("--slices", type=int, choices=range(1, _MAX_SLICES + 1), default=1)
    return parser


def _is_text(field: Mapping[str, Any]) -> bool:
    return field.get("type") == "string" or "enum" in field


def _as_yaml(name: str, text: str, *, plain: bool) -> str:
    """Returns a value as JSON that YAML reads the same way."""
    try:
        value = text if plain else json.loads(text, object_pairs_hook=_mapping)
        result = json.dumps(value, ensure_ascii=False)
        result.encode("utf-8")
    except (ValueError, RecursionError) as error:
        raise InputError(
            "the parameter cannot be read",
            where=f"--{name}",
            found=str(error),
            expected="text" if plain else "JSON that says what the field of a run file would",
        ) from None
    return _NOT_IN_YAML.sub(lambda match: f"\\u{ord(match[0]):04x}", result)


def _mapping(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    mapping = dict(pairs)
    if len(mapping) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"the key {twice!r} appears twice in one mapping")
    return mapping


def _check(path: Path) -> None:
    """Checks the run file, and that no path in it starts from the temporary folder."""
    try:
        _, document = load_run(path)
    except InputError as error:
        # Its writer has never seen the file: each message names the field.
        raise InputError(problem.at("parameters") for problem in error.problems) from None
    problems = [
        Problem(
            "the path is not absolute",
            where=f"--{field}",
            found=repr(found),
            expected="an absolute path on a file system that all workers share",
        )
        for field, found in _paths(document.data)
        if not (Path(found).is_absolute() or is_address(found))
    ]
    if problems:
        raise InputError(problems)


def _paths(data: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yields every path in a run file, with its key."""
    for name in ("registry", "corpus", "ledger"):
        if name in data:
            yield name, data[name]
    for section in ("prompts", "decontaminate"):
        for entry in data.get(section, ()):
            for pattern in as_sequence(entry["files"]):
                yield section, pattern
    for folder in data.get("dedupe", {}).get("against", ()):
        yield "dedupe", folder


if __name__ == "__main__":
    sys.exit(main())
