"""Says in plain words why a text is no YAML, and on which line."""

from __future__ import annotations

import re

from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.reader import ReaderError

from schemas.errors import InputError

_NOT_CLOSED = "{what} that begins here is not closed"
# The parser's words, and ours; the line is that of the mistake, or of where it begins.
_AT_MISTAKE = (
    (
        r"mapping values are not allowed here",
        "a second ': ' in one line, or a line that is indented too far; a text with ': ' in it"
        " needs quotes",
    ),
    (r"found character '\\t' that cannot", "a tab; indent with spaces"),
    (r"found character (?P<sign>'.') that cannot", "a text that begins with {sign} needs quotes"),
    (
        r"expected <block end>|did not find expected (key|'-' indicator)",
        "a line that is indented otherwise than those before it, or a list between keys",
    ),
    (r"expected the node content", "a value is missing, or a list or mapping is not closed"),
    (
        r"found unknown escape character (?P<sign>'.')",
        "{sign} after a backslash in double quotes; use single quotes",
    ),
)
_AT_BEGINNING = (
    (r"expected ',' or '\]'", _NOT_CLOSED.format(what="a list")),
    (r"expected ',' or '\}'", _NOT_CLOSED.format(what="a mapping")),
    (r"could not find expected ':'", "a line without ': ' after its key"),
    (r"unexpected end of stream", _NOT_CLOSED.format(what="a quoted text")),
)


def not_yaml(error: YAMLError, text: str, name: str) -> InputError:
    """Returns the error for a text that is no YAML.

    Args:
        error: What the parser raised.
        text: The text.
        name: How messages call the file.
    """
    if isinstance(error, ReaderError):
        line = text.count("\n", 0, error.position) + 1
        sign = f"U+{ord(text[error.position]):04X}"
        return _refusal("a control character", f"{name}:{line}", found=sign)
    if not isinstance(error, MarkedYAMLError) or error.problem_mark is None:
        return _refusal("it cannot be read as YAML", name)
    begins = error.context_mark or error.problem_mark
    said = str(error.problem)
    for rows, mark in ((_AT_BEGINNING, begins), (_AT_MISTAKE, error.problem_mark)):
        for words, ours in rows:
            if found := re.search(words, said):
                return _refusal(ours.format(**found.groupdict()), f"{name}:{mark.line + 1}")
    said = re.sub("<(document|stream) (end|start)>", r"the \2 of the \1", said)
    return _refusal(said, f"{name}:{error.problem_mark.line + 1}")


def _refusal(why: str, where: str, *, found: str = "") -> InputError:
    return InputError(f"the file is not valid YAML: {why}", where=where, found=found)
