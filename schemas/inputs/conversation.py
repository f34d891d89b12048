"""A conversation in a prompt file: what the field named by `messages` holds."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, RootModel, model_validator

from schemas.written import Filled, Flaw, Text, Written, flawed


class Turn(Written):
    """One turn of a conversation."""

    role: Literal["system", "user", "assistant"] = Field(description="Who speaks.")
    content: Text = Field(description="A text that is not empty.")


class Conversation(RootModel[Filled[Turn]]):
    """A conversation in a prompt file. Its last turn is the user's."""

    @model_validator(mode="after")
    def _ends_with_the_user(self) -> Self:
        last = self.root[-1].role
        if last != "user":
            raise flawed(Flaw(what=f"expected the user's turn last, found the {last}'s"))
        return self
