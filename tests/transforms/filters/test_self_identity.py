"""First-person claims to be a model are found; sentences about models are not."""

from __future__ import annotations

import pytest

from transforms.filters.rules import Candidate, NoSettings
from transforms.filters.self_identity import find_self_identity


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("I am ChatGPT, here to help.", ["identity"]),
        ("Hi! I'm Claude, an AI assistant made by Anthropic.", ["identity"]),
        ("My name is Gemini, a large language model.", ["identity"]),
        ("I'm DeepSeek-V3.", ["identity"]),
        ("I’m Qwen, created by Alibaba Cloud.", ["identity"]),
        ("I was trained by Google.", ["identity"]),
        ("OpenAI created me in 2022.", ["identity"]),
        ("As an AI language model developed by OpenAI, I cannot taste.", ["identity", "machine"]),
        ("As an AI, I have no favourite colour.", ["machine"]),
        ("As a large language model I do not sleep.", ["machine"]),
        ("I'm just an AI assistant, but I like the idea.", ["machine"]),
        ("I am a language model trained on text.", ["machine"]),
        ("My knowledge cutoff is September 2021.", ["cutoff_date"]),
        ("As of my last update in 2023, it had 3 members.", ["cutoff_date"]),
        ("My training data only goes up to April 2023.", ["cutoff_date"]),
        ("I was last updated in January 2022.", ["cutoff_date"]),
        ("It was so as of my last training.", ["cutoff_date"]),
        ("ChatGPT is a chatbot made by OpenAI.", []),
        ("Qwen is a family of models that Alibaba Cloud trained.", []),
        ("DeepSeek wrote that its model was trained on 14.8 trillion tokens.", []),
        ("I am Claude, the baker of this village.", []),
        ("I am a Gemini, and my sister is a Leo.", []),
        ("I'm using a library developed by Google.", []),
        ("Frameworks such as Angular, created by Google, have a command line.", []),
        ("As an AI researcher, I read many papers.", []),
        ("I am an AI researcher.", []),
        ("As an assistant manager, I plan the shifts.", []),
        ("A language model is a function from text to probabilities.", []),
        ("Use `I am ChatGPT` as the system prompt.", []),
        ("My knowledge of French ends at ordering coffee.", []),
        ("The cutoff date for applications is 1 May.", []),
        ("", []),
    ],
)
def test_only_the_first_person_is_an_identity(text: str, codes: list[str]) -> None:
    assert [it.code for it in find_self_identity(Candidate((), text), NoSettings())] == codes


def test_the_span_points_at_the_words() -> None:
    text = "İİİ: well — I’m ChatGPT."
    (found,) = find_self_identity(Candidate((), text), NoSettings())
    assert found.span is not None
    assert text[found.span.start : found.span.end] == "I’m ChatGPT"
