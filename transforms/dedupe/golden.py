"""The settings of sketches, and a digest that changes when sketches would change.

Sketches also depend on things without a version here: the tables of a tokeniser, the hash of a
library. So some fixed texts are sketched, in several scripts and for every case of sketching, and
the result is digested. If the digest differs, any sketch may differ.
"""

from __future__ import annotations

import hashlib

import numpy as np

from schemas.index import SketchSpec, Unit
from schemas.prompts import Message
from transforms.dedupe.keys import MAX_CHARACTERS, MIN_OWN_SHARE, MIN_TOKENS, SHINGLE_TOKENS
from transforms.dedupe.signature import BANDS, ROWS, SPEC
from transforms.dedupe.sketch import bands, sketch
from transforms.text import TEXT_VERSION

SKETCH_SPEC = SketchSpec(
    signature=SPEC,
    bands=BANDS,
    rows=ROWS,
    shingle_tokens=SHINGLE_TOKENS,
    min_tokens=MIN_TOKENS,
    min_own_share=MIN_OWN_SHARE,
    max_characters=MAX_CHARACTERS,
    normaliser=TEXT_VERSION,
)

_QUESTION = "Why does a still need a condenser, and what is lost when the water is too warm for it?"

# Prompts with their completions.
_TEXTS = (
    (
        "How is lavender distilled?",
        "Fill the still loosely, add water to a third, and heat it slowly. What comes over first is"
        " cloudy; keep it apart, and stop before the last tenth.",
    ),
    (
        "Écris une liste, s'il te plaît : où, quand, comment ?",
        "L'e\u0301te\u0301, on cueille les fleurs à midi ; l’hiver, on les sèche.\u200b Ｆｕｌｌ"
        " width, ﬁne ligatures, Straße and ΣΊΣΥΦΟΣ are folded; x² is not forgotten.",
    ),
    (
        "蒸馏需要多长时间？",
        "蒸馏的时间取决于火候和原料的多少，一般需要两到三个小时，中途不要加水。さらに、冷却水は冷たくしてください。",
    ),
    (
        "ใช้เวลานานเท่าไร",
        "การกลั่นใช้เวลาสองถึงสามชั่วโมง ขึ้นอยู่กับความร้อนและปริมาณของดอกไม้ที่ใส่ลงไปในหม้อ",
    ),
    (
        "كم من الوقت؟",
        "يَستغرق التقطير ساعتين أو ثلاث ساعات، حسب النار وكمية الزهور، ولا تُضِف الماء أثناء ذلك أبدًا"
        " إلا إذا كان القدر على وشك أن يجف تمامًا.",
    ),
    (
        "कितना समय लगता है?",
        "आसवन में दो से तीन घंटे लगते हैं; यह आँच और फूलों की मात्रा पर निर्भर करता है, और बीच में पानी नहीं"
        " डालना चाहिए, नहीं तो खुशबू कम हो जाती है।",
    ),
    (
        "Сколько времени? 얼마나 걸리나요?",
        "Перегонка занимает два-три часа; всё зависит от огня. 증류는 두세 시간이 걸리며 불의"
        " 세기에 따라 다릅니다. Wie lange es dauert, hängt vom Feuer ab.",
    ),
    (
        "Write it as code.",
        "```python\ndef yield_ml(kg: float, share=0.012) -> float:\n"
        "    return kg * share / 0.89  # g/ml\n"
        "assert yield_ml(2) != yield_ml(2, 0.02) and not yield_ml(0)\n``` 👩‍🔬 \ud800",
    ),
    (_QUESTION, f"{_QUESTION} Heat it and see."),  # quotes its prompt
    ("Is it safe?", "Not over an open flame."),  # too short to be compared
)


def golden_digest(unit: Unit) -> str:
    """Returns the SHA-256 of the sketches and bands of the fixed texts, in hex.

    Args:
        unit: What near-duplicates are compared by.
    """
    hasher = hashlib.sha256()
    turned = [(answered, asked) for asked, answered in _TEXTS]  # also as long prompts
    sketches = [
        sketch(f"{place:064x}", _turns(asked), answered, unit)
        for place, (asked, answered) in enumerate([*_TEXTS, *turned])
    ]
    for one in sketches:
        hasher.update(one.key)
        numbers = (one.prompt, one.shingles.shared, one.shingles.values.size)
        hasher.update(np.array(numbers, "<u8").tobytes())
        hasher.update(one.shingles.values.astype("<u8").tobytes())
    hasher.update(bands(sketches).astype("<u8").tobytes())
    return hasher.hexdigest()


def _turns(asked: str) -> tuple[Message, ...]:
    return Message("system", "Answer as a distiller would."), Message("user", asked)
