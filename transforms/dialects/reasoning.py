"""Separates reasoning from the answer where a server leaves both in one text.

A server that does not know a model's marks returns them in the content. `docs/dialects.md` is made
from the table of marks. Marks in code are a topic of the answer. So are tags inside a line of
prose: they stay, and the rule `reasoning_marks` tags the record.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from transforms.dialects.source import Source
from transforms.markdown import without_code


@dataclass(frozen=True, slots=True)
class Marks:
    """The marks of reasoning of some model families.

    Attributes:
        source: The families that write them, and where that is said.
        start: Pattern of the mark before the reasoning.
        end: Pattern of the mark after it.
        hint: A text that each of both contains.
        special: Whether they are special tokens, which no prose holds. Others count only at the
            start of a line.
        models: Pattern of the models' names; "" for any, as servers rename models.
    """

    source: Source
    start: str
    end: str
    hint: str
    special: bool = False
    models: str = ""


_VLLM = "https://github.com/vllm-project/vllm/blob/main/vllm/reasoning"
_DEEPSEEK = Source(
    "DeepSeek R1, Qwen 3, GLM 4.5, MiniMax M2, Hunyuan, Step 3, OLMo 3",
    f"{_VLLM}/deepseek_r1_reasoning_parser.py",
)
_PROMPTED = Source(
    "prompted chains of thought",
    "https://docs.anthropic.com/en/docs/build-with-claude/prompt-engineering/chain-of-thought",
)
_GEMINI = Source("Gemini", "https://github.com/wyeeeee/hajimi/pull/292")
_MAGISTRAL = Source("Magistral", f"{_VLLM}/mistral_reasoning_parser.py")
_SEED = Source("Seed-OSS", f"{_VLLM}/seedoss_reasoning_parser.py")
_OPEN_THINKER = Source(
    "OpenThinker", "https://huggingface.co/datasets/open-thoughts/OpenThoughts-114k"
)
_KIMI_VL = Source("Kimi-VL", "https://huggingface.co/moonshotai/Kimi-VL-A3B-Thinking")
_COMMAND = Source("Command A", f"{_VLLM}/cohere_command_reasoning_parser.py")
_GEMMA = Source("Gemma 4", f"{_VLLM}/gemma4_reasoning_parser.py")
_GRANITE = Source("Granite 3.2", f"{_VLLM}/granite_reasoning_parser.py")
HARMONY_SOURCE = Source("gpt-oss", "https://github.com/openai/harmony")

MARKS = (
    Marks(_DEEPSEEK, "<think>", "</think>", "think>"),
    Marks(_PROMPTED, "<thinking>", "</thinking>", "thinking>"),
    Marks(_GEMINI, "<thought>", "</thought>", "thought>"),
    Marks(_MAGISTRAL, r"\[THINK\]", r"\[/THINK\]", "THINK]"),
    Marks(_SEED, "<seed:think>", "</seed:think>", "seed:think>", special=True),
    Marks(
        _OPEN_THINKER,
        r"<\|begin_of_thought\|>",
        r"<\|end_of_thought\|>",
        "_of_thought|>",
        special=True,
    ),
    Marks(_KIMI_VL, "◁think▷", "◁/think▷", "think▷", special=True),
    Marks(_COMMAND, r"<\|START_THINKING\|>", r"<\|END_THINKING\|>", "_THINKING|>", special=True),
    # The channel's name is no part of the reasoning.
    Marks(_GEMMA, r"<\|channel>(?:thought\n)?", r"<channel\|>", "channel", special=True),
    # Sentences, which other models may write as an answer.
    Marks(
        _GRANITE,
        r"Here(?:'s| is) my thought process:",
        r"Here(?:'s| is) my response:",
        "Here",
        models="granite",
    ),
)
# What some of them put around the answer.
_AROUND_ANSWER = re.compile(
    r"\s*<\|(?:begin|end)_of_solution\|>\s*|\s*<\|(?:START|END)_(?:RESPONSE|TEXT)\|>\s*"
)
_HUNYUAN_ANSWER = re.compile(
    r"\s*<answer>\s*(.*?)\s*(?:</answer>\s*)?\Z", re.DOTALL
)  # hunyuan_a13b
# gpt-oss: messages on channels.
_HARMONY = re.compile(
    r"<\|channel\|>\s*(?P<channel>\w+)[^<]*(?:<\|constrain\|>[^<]*)?<\|message\|>"
    r"(?P<text>.*?)(?=<\|(?:start|end|return|call|channel)\|>|\Z)",
    re.DOTALL,
)
# The same without its special tokens: the names of role and channel stick to the texts.
_STRIPPED_HARMONY = re.compile(
    r"\s*analysis(?P<reasoning>.*?)assistant(?:<\|channel\|>)?final(?P<text>.*)\Z", re.DOTALL
)
_CUT_HARMONY = re.compile(r"\s*analysis(?P<reasoning>(?=[A-Z\"']).*)\Z", re.DOTALL)
_GPT_OSS = re.compile(r"gpt-?oss", re.IGNORECASE)


def separate_reasoning(text: str, model: str) -> tuple[str, str]:
    """Returns the answer and the reasoning of a text; all of it as the answer if it has no marks.

    Args:
        text: The content of an answer.
        model: The model that the server names, which decides about marks that are plain words.
    """
    harmony = _from_harmony(text, model)
    if harmony is not None:
        return harmony
    for marks in MARKS:
        if marks.hint in text and re.search(marks.models, model, re.IGNORECASE):
            answer, reasoning = _from_marks(text, marks)
            if answer != text:
                return _without_frame(answer, model), reasoning
    return text, ""


def find_mark(text: str) -> re.Match[str] | None:
    """Returns the first mark in a text outside code, other than plain words; None without."""
    if not any(marks.hint in text for marks in MARKS if not marks.models):
        return None
    return _ANY_MARK.search(without_code(text))


_ANY_MARK = re.compile(
    "|".join(f"{marks.start}|{marks.end}" for marks in MARKS if not marks.models)
)


def _from_marks(text: str, marks: Marks) -> tuple[str, str]:
    """Takes all blocks out of a text; returns it unchanged if it has none that is certain."""
    answers, reasoning, at = [], [], 0
    code = without_code(text)
    while block := _next_block(text, code, at, marks):
        start, inner, inner_end, end = block
        answers.append(text[at:start])
        reasoning.append(text[inner:inner_end].strip())
        at = end
    if not reasoning:
        return text, ""
    answers.append(text[at:])
    first, *rest = [part for part in answers if part.strip()] or [""]
    kept = [first.lstrip() if not answers[0].strip() else first, *(part.lstrip() for part in rest)]
    kept[:-1] = [part.rstrip() for part in kept[:-1]]
    if len(answers) > 1 and not answers[-1].strip():
        kept[-1] = kept[-1].rstrip()
    return "\n\n".join(kept), "\n".join(filter(None, reasoning))


def _next_block(text: str, code: str, at: int, marks: Marks) -> tuple[int, int, int, int] | None:
    """Returns where the next block and its content start and end; None without one."""
    start, end = re.compile(marks.start), re.compile(marks.end)
    opened = _next_start(code, at, marks)
    if opened is None or end.search(code, at, opened.start()):
        return None if at else _prefilled_block(code, start, end, marks)
    closed = end.search(code, opened.end()) or end.search(text, opened.end())
    if closed:
        return opened.start(), opened.end(), closed.start(), closed.end()
    if text[at : opened.start()].strip() and not marks.special:
        return None  # in the middle, without an end: a block that was cut, or prose
    return opened.start(), opened.end(), len(text), len(text)


def _next_start(code: str, at: int, marks: Marks) -> re.Match[str] | None:
    """Returns the next mark that begins a block: special tokens anywhere, others a line."""
    if marks.special:
        return re.compile(marks.start).search(code, at)
    here = re.compile(rf"\s*(?:{marks.start})").match(code, at)
    return here or re.compile(rf"^[^\S\n]*(?:{marks.start})", re.MULTILINE).search(code, at)


def _prefilled_block(
    code: str, start: re.Pattern[str], end: re.Pattern[str], marks: Marks
) -> tuple[int, int, int, int] | None:
    """Returns the block of a text whose opening mark the chat template wrote."""
    ends = [*end.finditer(code)]
    if len(ends) != 1 or marks.models:
        return None
    [closed] = ends
    if start.search(code, 0, closed.start()):
        return None
    before, after = code[: closed.start()], code[closed.end() :]
    in_prose = before.endswith((" ", "'", '"', "(")) and bool(after.split("\n", 1)[0].strip())
    if in_prose and not marks.special:
        return None
    return 0, 0, closed.start(), closed.end()


def _without_frame(answer: str, model: str) -> str:
    """Returns an answer without what a family puts around it."""
    if "<|" in answer:
        answer = _AROUND_ANSWER.sub("", answer)
    found = _HUNYUAN_ANSWER.match(answer) if "hunyuan" in model.lower() else None
    return found[1] if found else answer


def _from_harmony(text: str, model: str) -> tuple[str, str] | None:
    """Returns answer and reasoning of messages on channels; None if there are none."""
    if "<|message|>" in text and _HARMONY.search(without_code(text)):
        found = [(each["channel"], each["text"]) for each in _HARMONY.finditer(text)]
        final = "".join(said for channel, said in found if channel == "final")
        other = (said.strip() for channel, said in found if channel != "final")
        return final, "\n".join(filter(None, other))
    if not text.lstrip().startswith("analysis"):
        return None
    stripped = _STRIPPED_HARMONY.match(text)
    if stripped is None and _GPT_OSS.search(model):
        stripped = _CUT_HARMONY.match(text)
    if stripped is None:
        return None
    parts = stripped["reasoning"].replace("assistantanalysis", "\n").strip()
    return stripped.groupdict().get("text") or "", parts
