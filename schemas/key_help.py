"""Descriptions of the run file's keys, for the help of the command line.

They are read from the generated JSON Schema: to import the models would take a fifth of a second.
"""

from __future__ import annotations

import functools
import json
from importlib.resources import files
from typing import Any


def key_help(model: str, key: str) -> str:
    """Returns the description of a key.

    Args:
        model: Name of the model that has the key, as `Student`.
        key: The key.
    """
    return str(_models()[model]["properties"][key]["description"])


@functools.cache
def _models() -> dict[str, Any]:
    text = files("schemas").joinpath("run.schema.json").read_text(encoding="utf-8")
    models: dict[str, Any] = json.loads(text)["$defs"]
    return models
