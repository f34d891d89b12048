"""Finds Python code that does not parse."""

from __future__ import annotations

import ast
import re
import textwrap
import warnings
from collections.abc import Iterator

from transforms.filters.codes import FindingCode
from transforms.filters.rules import Candidate, Finding, NoSettings, Rule, Span
from transforms.markdown import Fence, fences

_PYTHON = frozenset({"python", "python3", "py"})
_QUOTED = re.compile(r"(?:[ \t]*>)+")
_CONSOLE = re.compile(r"^\s*(?:>>>|In \[\d+\]:|[%!$]\s*\w)", re.MULTILINE)
_MAX_CHARACTERS = 100_000  # CPython's parser may run out of stack on very long code


def find_python_syntax(candidate: Candidate, settings: NoSettings) -> Iterator[Finding]:
    """Finds fenced blocks that are marked as Python and do not parse.

    Interactive sessions and notebook commands are not checked.
    """
    for block in fences(candidate.completion):
        body = _body(candidate.completion, block)
        if _is_python(block) and len(body) <= _MAX_CHARACTERS and not _CONSOLE.search(body):
            problem = _syntax_problem(textwrap.dedent(body))
            if problem:
                span = Span("completion", block.start, block.end)
                yield Finding(
                    FindingCode.PYTHON_SYNTAX,
                    f"the Python code does not parse: {problem}",
                    span=span,
                )


def _body(text: str, block: Fence) -> str:
    """Returns a block's lines, without the `>` of a quotation around it."""
    body = text[block.body_start : block.body_end]
    quoted = _QUOTED.match(text, block.start)
    if quoted is None:
        return body
    return re.sub(rf"^(?:[ \t]*>){{0,{quoted.group().count('>')}}}", "", body, flags=re.MULTILINE)


def _is_python(block: Fence) -> bool:
    return block.info.lower().split(" ")[0].strip("{.}") in _PYTHON


def _syntax_problem(source: str) -> str:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # an invalid escape in the answer is no problem of ours
            ast.parse(source)
    except SyntaxError as error:
        return f"line {error.lineno}, {error.msg}"
    except (ValueError, MemoryError, RecursionError) as error:
        return type(error).__name__
    return ""


PYTHON_SYNTAX = Rule("python_syntax", 2, "tag", (FindingCode.PYTHON_SYNTAX,), find_python_syntax)
