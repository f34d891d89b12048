"""Detects the language of an answer, and finds answers in an unwanted one."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from schemas.errors import Problem
from transforms.filters.codes import FindingCode
from transforms.filters.rules import Candidate, Finding, Rule
from transforms.markdown import prose

if TYPE_CHECKING:
    from py3langid.langid import LanguageIdentifier

MIN_LETTERS = 40  # with fewer the result is a guess
_MIN_SCORE = 0.5  # below it another language is more likely
_MAX_CHARACTERS = 600  # of prose: more takes longer and is no more certain
_MAX_READ = 8_000
_LETTER = re.compile(r"[^\W\d_]")
_NO_LANGUAGE = "zxx"  # ISO 639-2 for no linguistic content

# The languages of py3langid 0.4, to find a misspelt code before anything is paid for.
# ISO 639-1 if there is a code, else ISO 639-3.
_CODES = """
ace af am an ar as az ba bcl be bg bn br bs ca crh cs cy da de dz el en eo es et eu ext fa fi fo fr
fuv fy ga gcf gcr gd gl gom grc gu gug guw ha hbo he hi hr ht hu hy id ig is it ja jv ka kab kik kk
km kn ko ku ky la lb lg lij ln lo lt ltg lv mg mk ml mn mr ms mt my ne nl no nso oc om or pa pcm pl
ps pt qu ro ru rw sa se si sk sl sn so sq sr st sv sw ta te tg th tk tl tr tt ug uk ur uz vec vi vo
wa xh yo zh zu
"""
LANGUAGES = frozenset(_CODES.split())

# Varieties that ISO 639-3 counts as one macrolanguage: `zh` allows them all.
MEMBERS = {
    "ary": "ar", "arz": "ar", "nn": "no", "sdh": "ku", "uzs": "uz", "wuu": "zh", "yue": "zh"
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class LanguageSettings:
    """Settings of `language`.

    Attributes:
        allow: Codes of the languages that are wanted: ISO 639-1, such as `en`; needed.
        min_score: Smallest score, 0 to 1, at which an unwanted language is a finding.
    """

    allow: tuple[str, ...] = ()
    min_score: float = 0.65

    def __post_init__(self) -> None:
        """Checks that the codes exist."""
        unknown = sorted(set(self.allow) - LANGUAGES)
        if unknown:
            raise ValueError(f"allow: {unknown[0]!r} is not a code of a language like 'en' or 'de'")
        if not 0 <= self.min_score <= 1:
            raise ValueError(f"min_score must be from 0 to 1, not {self.min_score}")


def detect_language(text: str) -> tuple[str, float]:
    """Returns the language of a text by its prose, without code, formulas and addresses.

    Args:
        text: Any text; its first 8,000 characters are read.

    Returns:
        The code, one of `LANGUAGES`, and its score from 0 to 1; ("", 0.0) if there are fewer than
        40 letters of prose or no language has a score of at least 0.5.
    """
    words = " ".join(prose(text[:_MAX_READ]).split())[:_MAX_CHARACTERS]
    if len(list(islice(_LETTER.finditer(words), MIN_LETTERS))) < MIN_LETTERS:
        return "", 0.0
    code, score = _classify(words)
    return ("", 0.0) if score < _MIN_SCORE or code == _NO_LANGUAGE else (code, min(score, 1.0))


def _classify(text: str) -> tuple[str, float]:
    code, score = _identifier().classify(text)
    whole = MEMBERS.get(code, code)
    if whole not in MEMBERS.values():
        return code, float(score)
    scores = _identifier().rank(text)
    return whole, float(sum(score for code, score in scores if MEMBERS.get(code, code) == whole))


def find_language(candidate: Candidate, settings: LanguageSettings) -> Iterator[Finding]:
    """Finds an answer in an unwanted language, if the score is high enough."""
    code, score = candidate.language, candidate.language_score
    if settings.allow and code and code not in settings.allow and score >= settings.min_score:
        yield Finding(
            FindingCode.WRONG_LANGUAGE,
            f"{code!r} with score {score:.2f}, where {', '.join(settings.allow)} is wanted",
            value=score,
        )


def _needs_a_language(settings: LanguageSettings) -> Problem | None:
    if settings.allow:
        return None
    return Problem(
        "the rule 'language' without `allow` finds nothing",
        expected="the codes of the languages that are wanted, such as allow: [en, de]",
    )


@functools.cache
def _identifier() -> LanguageIdentifier:
    """Loads the model, once per process and only if needed: about 0.5 s and 100 MB."""
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)


LANGUAGE = Rule(
    "language",
    1,
    "drop",
    (FindingCode.WRONG_LANGUAGE,),
    find_language,
    LanguageSettings(),
    check=_needs_a_language,
)
