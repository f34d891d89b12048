"""Sampling parameters, by the names of OpenAI's chat API. They are kept as they are written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, ValidationInfo
from pydantic.annotated_handlers import GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

from schemas.written import FROM_FILE, Absent, Flaw, Form, Many, OneOrMany, Text, Written

Penalty = Annotated[float, Field(ge=-2, le=2)]
JsonObject = dict[str, Any]
ToolName = Annotated[
    str, Form("^[A-Za-z0-9_-]{1,64}$", "up to 64 letters, digits, '_' and '-', as weigh")
]


class JsonSchema(Written):
    """A JSON Schema with a name."""

    name: ToolName = Field(description="Its name.", examples=["verdict"])
    description: Absent[str] = Field(
        default=None, description="What it is for: the model reads it."
    )
    strict: Absent[bool] = Field(
        default=None, description="Whether the provider is to enforce it.", examples=[True]
    )
    # `schema` is an older name of a method of pydantic's models.
    schema_: JsonObject = Field(
        validation_alias="schema",
        serialization_alias="schema",
        description="The schema, JSON Schema 2020-12.",
        examples=[{"type": "object"}],
    )


class ResponseFormat(Written):
    """Asks for JSON by a schema, and holds every answer to it."""

    type: Literal["json_schema"] = Field(description="The kind of format.")
    json_schema: JsonSchema = Field(description="The schema.")


class Function(Written):
    """A function that an answer may call."""

    name: ToolName = Field(description="Its name.", examples=["weigh"])
    description: Absent[str] = Field(
        default=None,
        description="What the tool does: the model reads it.",
        examples=["Weighs a parcel."],
    )
    parameters: Absent[JsonObject] = Field(
        default=None,
        description="A JSON Schema, 2020-12, of an object: calls are held to it.",
        examples=[{"type": "object"}],
    )
    strict: Absent[bool] = Field(
        default=None,
        description="Whether the provider is to hold calls to it too.",
        examples=[True],
    )


class Tool(Written):
    """A tool that an answer may call."""

    type: Literal["function"] = Field(description="The kind of tool.")
    function: Function = Field(description="The function.")


class ChosenFunction(Written):
    """The name of a function."""

    name: ToolName = Field(description="Its name.", examples=["weigh"])


class ChosenTool(Written):
    """The tool that an answer must call."""

    type: Literal["function"] = Field(description="The kind of tool.")
    function: ChosenFunction = Field(description="The function.")


def _form_of_choice(value: Any) -> str:
    return "tool" if isinstance(value, dict | ChosenTool) else "word"


ToolChoice = Annotated[
    Annotated[Literal["auto", "none", "required"], Tag("word")]
    | Annotated[ChosenTool, Tag("tool")],
    Discriminator(_form_of_choice),
]


class Parameters(Written):
    """Sampling parameters, by the names of OpenAI's chat API."""

    temperature: Absent[float] = Field(
        default=None, ge=0, le=2, description="How freely tokens are drawn.", examples=[0.7]
    )
    top_p: Absent[float] = Field(
        default=None,
        gt=0,
        le=1,
        description="Probability mass of the tokens drawn from.",
        examples=[0.95],
    )
    max_tokens: Absent[int] = Field(
        default=None, ge=1, description="Most tokens of an answer.", examples=[400]
    )
    seed: Absent[int] = Field(default=None, ge=0, description="Seed of the drawing.", examples=[7])
    stop: Absent[OneOrMany[Text]] = Field(
        default=None, min_length=1, description="Texts that end an answer.", examples=[["\n\n"]]
    )
    presence_penalty: Absent[Penalty] = Field(
        default=None, description="Penalty of tokens that have occurred.", examples=[0.5]
    )
    frequency_penalty: Absent[Penalty] = Field(
        default=None,
        description="Penalty of tokens by how often they have occurred.",
        examples=[0.5],
    )
    response_format: Absent[ResponseFormat] = Field(
        default=None, description="Asks for JSON by a schema, and holds every answer to it."
    )
    max_completion_tokens: Absent[int] = Field(
        default=None,
        ge=1,
        description="What OpenAI's reasoning models take in place of `max_tokens`.",
        examples=[2000],
    )
    reasoning_effort: Absent[Text] = Field(
        default=None,
        description="How much to think, in the model's words: low, medium, high.",
        examples=["low"],
    )
    logprobs: Absent[bool] = Field(
        default=None,
        description="Whether records keep the log probabilities of their tokens.",
        examples=[True],
    )
    top_logprobs: Absent[int] = Field(
        default=None,
        ge=0,
        le=20,
        description="How many of the likeliest tokens to keep in each place.",
        examples=[5],
    )
    tools: Absent[Many[Tool]] = Field(
        default=None,
        min_length=1,
        description="The tools that an answer may call, in the form of OpenAI's API.",
    )
    tool_choice: Absent[ToolChoice] = Field(
        default=None,
        description="Whether an answer may, must or must not call a tool, or which one it must.",
        examples=["auto"],
    )

    def flaws(self) -> Iterator[Flaw]:
        """Yields parameters that make no sense beside the others."""
        if self.max_tokens is not None and self.max_completion_tokens is not None:
            yield Flaw(
                what="max_tokens and max_completion_tokens are two names of one limit",
                at=("max_completion_tokens",),
                remedy="keep the one that the model takes",
            )
        if self.top_logprobs is not None and not self.logprobs:
            yield Flaw(
                what="no log probabilities are asked for",
                at=("top_logprobs",),
                expected="`logprobs: true` beside it",
            )
        yield from self._tool_flaws()

    def _tool_flaws(self) -> Iterator[Flaw]:
        tools = [tool.function.name for tool in self.tools or ()]
        for index, name in enumerate(tools):
            if name in tools[:index]:
                yield Flaw(
                    what=f"{name!r} is given twice",
                    at=("tools", index),
                    remedy="give each tool a name of its own",
                )
        choice = self.tool_choice
        wanted = choice.function.name if isinstance(choice, ChosenTool) else None
        if choice is not None and (not tools or wanted not in (None, *tools)):
            yield Flaw(
                what="no such tool is offered" if wanted else "there are no tools",
                at=("tool_choice",),
                found=repr(wanted or choice),
                expected=f"one of {', '.join(tools)}" if tools else "`tools` beside it",
            )


class _AsWritten:
    """Checks parameters and keeps them as they are: their bytes make a request's identity."""

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.with_info_wrap_validator_function(
            self._checked,
            handler(source),
            serialization=core_schema.simple_ser_schema("any"),
        )

    def _checked(
        self, value: Any, check: core_schema.ValidatorFunctionWrapHandler, info: ValidationInfo
    ) -> Any:
        if info.context == FROM_FILE:
            check(value)
        return value


if TYPE_CHECKING:
    WrittenParameters = Mapping[str, Any]
else:
    WrittenParameters = Annotated[Parameters, _AsWritten()]
