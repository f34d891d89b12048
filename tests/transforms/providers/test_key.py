"""A key appears in no text, pickle or copy."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from transforms.providers.key import Key

SECRET = "sk-very-secret"


@dataclass(frozen=True, slots=True)
class Holder:
    key: Key


@pytest.mark.parametrize("show", [repr, str, "{}".format, "{!r}".format, "%s".__mod__])
@pytest.mark.parametrize("wrap", [lambda key: key, Holder, lambda key: [key]])
def test_no_text_made_of_a_key_holds_its_value(
    show: Callable[[Any], str], wrap: Callable[[Key], object]
) -> None:
    assert SECRET not in show((wrap(Key(SECRET)),) if show == "%s".__mod__ else wrap(Key(SECRET)))


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_key_cannot_be_pickled(protocol: int) -> None:
    with pytest.raises(TypeError, match="a key is never pickled") as caught:
        pickle.dumps({"held": Holder(Key(SECRET))}, protocol)
    assert SECRET not in str(caught.value)


def test_a_key_cannot_be_copied() -> None:
    with pytest.raises(TypeError):
        copy.deepcopy(Holder(Key(SECRET)))


def test_the_same_key_is_the_same_account() -> None:
    assert Key(SECRET) == Key(SECRET) != Key("sk-other")
    assert len({Key(SECRET), Key(SECRET), Key("sk-other")}) == 2
    assert Key(SECRET) != SECRET
