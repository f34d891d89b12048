"""SPDX licence expressions: `MIT`, `CC-BY-4.0 AND (MIT OR Apache-2.0)`, `LicenseRef-our-terms`.

The known names are those of the SPDX list in the package license-expression, in any case.
`LicenseRef-NAME` names a licence that is not on the list.
"""

from __future__ import annotations

import functools
import re
from difflib import get_close_matches
from typing import TYPE_CHECKING

from schemas.errors import InputError, Problem

if TYPE_CHECKING:
    from license_expression import LicenseExpression, Licensing

# SPDX 2.3, annex D.2.
_LICENSE_REF = re.compile(r"(?:DocumentRef-[a-z0-9.-]+:)?LicenseRef-[a-z0-9.-]+", re.IGNORECASE)
_EXPECTED = "names of the SPDX list (https://spdx.org/licenses) or LicenseRef-NAME"
# Aliases in the package's data that the SPDX list has never had.
_ALIASES = frozenset({"BSD-2", "GPL", "GPL 2.0", "GPL 2.0+", "Verbatim-man-pages"})


def parse_licence(expression: str) -> LicenseExpression:
    """Parses an SPDX licence expression.

    Args:
        expression: The expression.

    Returns:
        A tree of `AND` and `OR` over symbols, whose `key` is a name in the list's spelling. An
        exception (`WITH`) makes a symbol with a `license_symbol` and an `exception_symbol`.

    Raises:
        InputError: It is no expression, or names a licence or exception that is not on the list;
            with the nearest names.
    """
    from license_expression import ExpressionError  # takes 30 ms to import

    try:
        tree = _licensing().parse(expression, strict=True, simple=True)
    except (ExpressionError, IndexError, RecursionError) as error:  # IndexError: "()"
        raise InputError([_problem("not an SPDX licence expression", expression)]) from error
    names = _licensing().unknown_license_keys(tree) if tree is not None else [expression]
    unknown = [
        _problem("unknown licence", name) for name in names if not _LICENSE_REF.fullmatch(name)
    ]
    if unknown:
        raise InputError(unknown)
    return tree


def is_licence(expression: str) -> bool:
    """Whether a text is a valid SPDX licence expression."""
    try:
        parse_licence(expression)
    except InputError:
        return False
    return True


@functools.cache
def _licensing() -> Licensing:
    """Loads the SPDX list, deprecated names included.

    The package's own `get_spdx_licensing` will not do: it takes `LicenseRef-MIT-TC` for `MIT`,
    though only its author knows what a LicenseRef means.
    """
    from license_expression import LicenseSymbol, Licensing, get_license_index

    is_exception = {
        name: entry["is_exception"]
        for entry in get_license_index()
        for name in (entry.get("spdx_license_key"), *entry.get("other_spdx_license_keys", ()))
        if name and not name.startswith("LicenseRef-") and name not in _ALIASES
    }
    return Licensing([LicenseSymbol(name, is_exception=it) for name, it in is_exception.items()])


def _problem(what: str, written: str) -> Problem:
    known = {name.casefold(): name for name in _licensing().known_symbols}
    near = [repr(known[name]) for name in get_close_matches(written.casefold(), known, n=2)]
    remedy = f"did you mean {' or '.join(near)}?" if near else ""
    return Problem(what, found=repr(written), expected=_EXPECTED, remedy=remedy)
