"""Finds answers in which the teacher speaks of itself, which a student would learn to repeat.

Only the first person counts: an answer about a model names it too.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from transforms.filters.rules import Candidate, Finding, NoSettings, Rule, Span
from transforms.markdown import without_code

# Names that belong to models only.
_MODELS = (
    "chatgpt", "chat-gpt", "gpt-3", "gpt-4", "gpt-5", "deepseek", "deep seek", "qwen", "smollm",
    "meta ai", "mixtral", "nemotron", "olmo", "chatglm", "ernie bot",
)  # fmt: skip
# Names that people or animals have too: they count only with a maker or "assistant".
_SHARED_NAMES = (
    "claude", "gemini", "bard", "llama", "mistral", "grok", "copilot", "phi", "gemma", "granite",
    "nova", "command", "kimi",
)  # fmt: skip
_MAKERS = (
    "openai", "open ai", "anthropic", "google", "deepmind", "meta", "microsoft", "mistral", "xai",
    "alibaba", "deepseek", "cohere", "huggingface", "hugging face", "nvidia", "ibm", "amazon",
    "apple", "baidu", "moonshot", "zhipu",
)  # fmt: skip
_NAMES = (*_MODELS, *_SHARED_NAMES, *_MAKERS)
_MODEL, _SHARED_NAME, _MAKER = (
    f"(?:{'|'.join(names)})" for names in (_MODELS, _SHARED_NAMES, _MAKERS)
)
_MAKING = r"(?:created|developed|made|built|trained|designed)"
_MADE_BY = rf"{_MAKING}(?: and \w+)? by (?:the \w+(?: team)? at )?{_MAKER}\b"
_MACHINE_NAME = (
    r"(?:(?:large )?language model|ai(?: language)?(?: model| assistant| chatbot| system)?|"
    r"artificial intelligence|chatbot|llm|virtual assistant)"
)
_I_AM = r"\b(?:i am|i'm)"

_IDENTITY = re.compile(
    rf"(?:{_I_AM}|\bmy name is|\bcall me) {_MODEL}\b"
    rf"|(?:{_I_AM}|\bmy name is) {_SHARED_NAME},? "
    rf"(?:an? (?:[\w-]+ ){{0,3}}?(?:{_MACHINE_NAME}|assistant)\b|{_MADE_BY})"
    rf"|(?:{_I_AM}|\bi was) (?:\w+ )?{_MADE_BY}"
    rf"|(?:{_I_AM}|\bas) an? (?:[\w-]+ ){{0,3}}?(?:{_MACHINE_NAME}|assistant),? "
    rf"(?:that was |which was )?{_MADE_BY}"
    rf"|\b{_MAKER} {_MAKING} me\b"
)
_MACHINE = re.compile(
    rf"\bas an? (?:[\w-]+ ){{0,2}}?{_MACHINE_NAME}(?:,? (?:i|i'm|my)\b| {_MAKING}\b)"
    rf"|{_I_AM} (?:just |only |merely |simply )?an? (?:[\w-]+ ){{0,2}}?{_MACHINE_NAME}"
    rf"(?=[,.!;]| and | that | without | {_MAKING}|\Z)"
)
_CUTOFF = re.compile(
    r"\bmy (?:knowledge|training|information)(?: data)?(?: \w+)? cut-?(?: )?off\b"
    r"|\bmy (?:knowledge|training data|training|information|data) (?:\w+ )?(?:only )?"
    r"(?:goes|extends|ends|ended|stops|is current|is limited|is up to date|was last updated)\b"
    r"[^.!?\n]{0,40}\b(?:19|20)\d\d\b"
    r"|\b(?:as of|since|until|up to) my (?:last|latest|most recent|final)?\s?"
    r"(?:knowledge |training |data )?(?:update|training|cut-?off)\b"
    r"|\bi (?:was|have been) (?:last )?(?:trained|updated) (?:on data )?"
    r"(?:up to|until|through|in)\b[^.!?\n]{0,30}\b(?:19|20)\d\d\b"
)


class _ClaimKind(NamedTuple):
    code: str
    detail: str
    needs: tuple[str, ...]  # a text with none of them has no match: a quick first test
    pattern: re.Pattern[str]


_KINDS = (
    _ClaimKind("identity", "the answer says which model wrote it", _NAMES, _IDENTITY),
    _ClaimKind(
        "machine",
        "the answer speaks as a machine",
        ("language model", "artificial intelligence", "chatbot", "llm", "virtual assistant", " ai"),
        _MACHINE,
    ),
    _ClaimKind(
        "cutoff_date",
        "the answer speaks of its own cut-off date",
        ("my knowledge", "my training", "my information", "my data", "update", "cut", "train"),
        _CUTOFF,
    ),
)


def find_self_identity(candidate: Candidate, settings: NoSettings) -> Iterator[Finding]:
    """Finds the first place of each kind in which the teacher speaks of itself."""
    text = without_code(candidate.completion).replace("’", "'")
    text = text.replace("İ", "I").lower()  # İ is the only letter that is longer in lower case
    for kind in _KINDS:
        match = kind.pattern.search(text) if any(word in text for word in kind.needs) else None
        if match:
            span = Span("completion", match.start(), match.end())
            yield Finding(kind.code, kind.detail, span=span)


SELF_IDENTITY = Rule(
    "self_identity", 1, "tag", tuple(kind.code for kind in _KINDS), find_self_identity
)
