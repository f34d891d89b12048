"""The language is that of the prose, and a wrong one is found only where it is sure."""

from __future__ import annotations

import pytest
from py3langid.langid import MODEL_FILE, LanguageIdentifier

from transforms.filters.language import (
    LANGUAGES,
    MEMBERS,
    LanguageSettings,
    detect_language,
    find_language,
)
from transforms.filters.rules import Candidate

CODE = "\n```python\ndef read_the_file(name):\n    return open(name).read()  # return it\n```\n" * 3
SENTENCES = {
    "en": "The train leaves the station at noon and reaches the coast three hours later.",
    "de": "Der Zug verlässt den Bahnhof am Mittag und erreicht die Küste drei Stunden später.",
    "fr": "Le train quitte la gare à midi et arrive sur la côte environ trois heures plus tard.",
    "es": "El tren sale de la estación al mediodía y llega a la costa tres horas más tarde.",
    "it": "Il treno lascia la stazione a mezzogiorno e raggiunge la costa tre ore più tardi.",
    "pt": "O comboio sai da estação ao meio-dia e chega à costa cerca de três horas depois.",
    "nl": "De trein vertrekt om twaalf uur van het station en bereikt drie uur later de kust.",
    "pl": "Pociąg odjeżdża ze stacji w południe i dociera na wybrzeże trzy godziny później.",
    "sv": "Tåget lämnar stationen klockan tolv och når kusten ungefär tre timmar senare.",
    "no": "Toget forlater stasjonen klokken tolv og kommer fram til kysten tre timer senere.",
    "ru": "Поезд отправляется со станции в полдень и прибывает на побережье через три часа.",
    "tr": "Tren öğlen istasyondan ayrılır ve yaklaşık üç saat sonra sahile ulaşır, sonra döner.",
    "ar": "يغادر القطار المحطة عند الظهر ويصل إلى الساحل بعد ثلاث ساعات تقريبا كما هو مقرر.",
    "zh": "火车中午离开车站，大约三个小时以后到达海边。我们在那里吃了午饭，"
    "然后沿着沙滩走了很久，直到太阳下山。",
    "ja": "電車は正午に駅を出て、およそ三時間後に海岸に着きます。"
    "私たちはそこで昼ご飯を食べて、浜辺を長い間歩きました。",
    "ko": "기차는 정오에 역을 떠나 약 세 시간 뒤에 해안에 도착합니다. "
    "우리는 그곳에서 점심을 먹고 바닷가를 오래 걸었습니다.",
    "hi": "रेलगाड़ी दोपहर को स्टेशन से निकलती है और लगभग तीन घंटे बाद समुद्र के किनारे पहुँचती है।",
}


@pytest.mark.parametrize(("code", "text"), SENTENCES.items(), ids=SENTENCES.keys())
def test_the_language_is_that_of_the_prose_with_code_and_without(code: str, text: str) -> None:
    assert detect_language(text)[0] == code
    assert (
        detect_language(CODE + text + CODE + " $x^2 + y$ https://example.org/the/train")[0] == code
    )


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="empty"),
        pytest.param("Too short to tell.", id="few-letters"),
        pytest.param(CODE, id="code-alone"),
        pytest.param("1 + 2 = 3; " * 50, id="numbers-alone"),
        pytest.param("\ud800" * 100, id="lone-surrogates"),
    ],
)
def test_too_little_prose_has_no_language(text: str) -> None:
    assert detect_language(text) == ("", 0.0)


def _codes(language: str, score: float, settings: LanguageSettings) -> list[str]:
    candidate = Candidate((), "text", language=language, language_score=score)
    return [found.code for found in find_language(candidate, settings)]


@pytest.mark.parametrize(
    ("language", "score", "settings", "expected"),
    [
        pytest.param("fr", 0.9, LanguageSettings(("en",)), ["wrong_language"], id="another"),
        pytest.param("en", 0.9, LanguageSettings(("en", "de")), [], id="allowed"),
        pytest.param("fr", 0.64, LanguageSettings(("en",)), [], id="not-sure"),
        pytest.param("fr", 0.65, LanguageSettings(("en",)), ["wrong_language"], id="just-sure"),
        pytest.param("", 0.0, LanguageSettings(("en",), 0.0), [], id="unknown"),
        pytest.param("fr", 0.9, LanguageSettings(), [], id="all-allowed"),
    ],
)
def test_a_wrong_language_counts_only_where_it_is_sure(
    language: str, score: float, settings: LanguageSettings, expected: list[str]
) -> None:
    assert _codes(language, score, settings) == expected


@pytest.mark.parametrize("code", ["english", "eng", "yue", ""])
def test_a_code_that_is_never_detected_cannot_be_allowed(code: str) -> None:
    with pytest.raises(ValueError, match="is not a code of a language"):
        LanguageSettings((code,))


def test_the_known_codes_are_those_of_the_model() -> None:
    labels = LanguageIdentifier.from_model_file(MODEL_FILE).labels
    codes = {MEMBERS.get(code, code) for code in labels} - {"zxx"}
    assert codes == LANGUAGES
