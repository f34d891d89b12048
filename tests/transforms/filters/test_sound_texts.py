"""Sound answers pass the default rules: Markdown with code, tables, formulas and lists.

Every language has the same few building blocks, every shape puts them together in another way.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import pytest

from schemas.inputs.quality import FilterChoice
from transforms.filters.language import detect_language
from transforms.filters.policy import DEFAULT_RULES, compile_filters, rejecting_finding
from transforms.filters.rules import Candidate


class Blocks(NamedTuple):
    title: str
    opening: str
    steps: tuple[str, str, str, str]
    closing: str
    columns: tuple[str, str, str]
    comment: str


BLOCKS = {
    "en": Blocks(
        "Average speed",
        "The average speed is the whole distance divided by the whole time. It is not the mean "
        "of the speeds, since the slow part of a journey takes longer than the fast one.",
        (
            "Add up the distances of all parts.",
            "Add up the times, the breaks included.",
            "Divide the first sum by the second.",
            "Check the unit of the result.",
        ),
        "With 120 kilometres in two hours the car was 60 kilometres an hour fast on average.",
        ("Part", "Distance", "Time"),
        "distance over time",
    ),
    "de": Blocks(
        "Durchschnittsgeschwindigkeit",
        "Die Durchschnittsgeschwindigkeit ist der gesamte Weg geteilt durch die gesamte Zeit. Sie "
        "ist nicht das Mittel der Geschwindigkeiten, denn der langsame Teil dauert länger.",
        (
            "Zähle die Strecken aller Abschnitte zusammen.",
            "Zähle die Zeiten zusammen, auch die Pausen.",
            "Teile die erste Summe durch die zweite.",
            "Prüfe am Ende die Einheit des Ergebnisses.",
        ),
        "Bei 120 Kilometern in zwei Stunden fuhr das Auto im Mittel 60 Kilometer in der Stunde.",
        ("Abschnitt", "Weg", "Zeit"),
        "Weg durch Zeit",
    ),
    "zh": Blocks(
        "平均速度",
        "平均速度等于总路程除以总时间。它不是各段速度的平均值，因为走得慢的那一段用的时间更长。",
        (
            "先把每一段的路程加起来。",
            "再把每一段的时间加起来，休息时间也算在内。",
            "用第一个和除以第二个和。",
            "最后检查结果的单位是否正确。",
        ),
        "汽车在两个小时里行驶了一百二十公里，所以它的平均速度是每小时六十公里。",
        ("路段", "路程", "时间"),
        "路程除以时间",
    ),
    "ja": Blocks(
        "平均の速さ",
        "平均の速さは、全体の道のりを全体の時間で割ったものです。それぞれの速さの平均ではありません。"
        "遅い区間のほうが長い時間がかかるからです。",
        (
            "まず、すべての区間の道のりを足します。",
            "次に、休憩も含めて時間を足します。",
            "最初の合計を二番目の合計で割ります。",
            "最後に、答えの単位を確かめます。",
        ),
        "車は二時間で百二十キロメートル進んだので、平均の速さは時速六十キロメートルです。",
        ("区間", "道のり", "時間"),
        "道のり割る時間",
    ),
    "ar": Blocks(
        "السرعة المتوسطة",
        "السرعة المتوسطة هي المسافة الكلية مقسومة على الزمن الكلي. وهي ليست متوسط السرعات، لأن "
        "الجزء البطيء من الرحلة يستغرق وقتا أطول من الجزء السريع.",
        (
            "اجمع مسافات كل الأجزاء.",
            "اجمع الأزمنة مع فترات الراحة.",
            "اقسم المجموع الأول على المجموع الثاني.",
            "تحقق من وحدة الناتج في النهاية.",
        ),
        "قطعت السيارة مئة وعشرين كيلومترا في ساعتين، فسرعتها المتوسطة ستون كيلومترا في الساعة.",
        ("الجزء", "المسافة", "الزمن"),
        "المسافة على الزمن",
    ),
}


def _plain(b: Blocks) -> str:
    return f"{b.opening} {' '.join(b.steps)} {b.closing}"


def _numbered(b: Blocks) -> str:
    steps = "\n".join(f"{n}. **{step}**" for n, step in enumerate(b.steps, 1))
    return f"## {b.title}\n\n{b.opening}\n\n{steps}\n\n{b.closing}\n"


def _nested_list(b: Blocks) -> str:
    return f"{b.opening}\n\n" + "\n".join(f"- {step}\n  - [ ] {b.comment}" for step in b.steps)


def _code(b: Blocks) -> str:
    body = (
        f"def speed(way: float, time: float) -> float:\n    # {b.comment}\n    return way / time\n"
    )
    return f"{b.opening}\n\n```python\n{body}```\n\n{b.closing}"


def _code_in_list(b: Blocks) -> str:
    first, second, third, last = b.steps
    return (
        f"1. {first}\n   ```bash\n   make speed\n   ```\n2. {second}\n"
        f"   ```bash\n   make speed  # {b.comment}\n   ```\n3. {third}\n\n{last} {b.closing}"
    )


def _nested_fence(b: Blocks) -> str:
    return f"{b.opening}\n\n```markdown\n# {b.title}\n```sh\nmake\n```\n```\n\n{b.closing}"


def _configuration(b: Blocks) -> str:
    inner = '{"a": {"b": {"c": {"d": 1\n' + "".join(" " * n + "}\n" for n in range(6, 0, -2)) + "}"
    return f"{b.opening}\n\n```json\n{inner}\n```"


def _table(b: Blocks) -> str:
    rows = "\n".join(f"| {n} | {n * 10} km | {n} h |" for n in range(1, 9))
    return f"### {b.title}\n\n| {' | '.join(b.columns)} |\n|---|---:|:---:|\n{rows}\n\n{b.closing}"


def _table_at_the_end(b: Blocks) -> str:
    rows = "\n".join(f"| {step} | 0 | 0 |" for step in b.steps)
    return f"{b.opening}\n\n| {' | '.join(b.columns)} |\n| --- | --- | --- |\n{rows}\n"


def _formulas(b: Blocks) -> str:
    return (
        f"{b.opening}\n\n$$v = \\frac{{s_1 + s_2}}{{t_1 + t_2}}$$\n\n{b.steps[0]} "
        f"\\(v = 60\\) {b.closing}\n\n\\[\\begin{{pmatrix}} 0 & 0 & 0 \\\\ 0 & 0 & 0 \\\\ "
        "0 & 0 & 0 \\end{pmatrix}\\]"
    )


def _worked_sum(b: Blocks) -> str:
    sums = "\n".join(f"{n} × 15 = {n * 15}" for n in range(1, 13))
    return f"{b.opening}\n\n{sums}\n\n{b.closing}\n\n#### 60"


def _quotation_and_ruler(b: Blocks) -> str:
    return f"> {b.opening}\n\n---\n\n{b.closing}\n\n" + "-" * 40


def _html(b: Blocks) -> str:
    return f"<details><summary>{b.title}</summary>\n\n{b.opening}\n\n</details>\n\n<s>50</s> 60"


def _short(b: Blocks) -> str:
    return b.steps[0]


SHAPES: tuple[Callable[[Blocks], str], ...] = (
    _plain,
    _numbered,
    _nested_list,
    _code,
    _code_in_list,
    _nested_fence,
    _configuration,
    _table,
    _table_at_the_end,
    _formulas,
    _worked_sum,
    _quotation_and_ruler,
    _html,
    _short,
)
FILTERS = compile_filters(
    (
        *(FilterChoice(rule=name) for name in DEFAULT_RULES),
        FilterChoice(rule="language", allow=list(BLOCKS)),
    ),
    str,
)


def _candidate(text: str) -> Candidate:
    language, score = detect_language(text)
    return Candidate((), text, language=language, language_score=score)


def test_there_are_as_many_as_promised() -> None:
    assert len({shape(blocks) for shape in SHAPES for blocks in BLOCKS.values()}) >= 40


@pytest.mark.parametrize("language", BLOCKS)
@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.__name__.strip("_"))
def test_a_sound_answer_stays(shape: Callable[[Blocks], str], language: str) -> None:
    candidate = _candidate(shape(BLOCKS[language]))
    findings = FILTERS.apply(candidate)
    assert rejecting_finding(findings) is None, findings
    assert findings == ()
    assert candidate.language in (language, "")


@pytest.mark.parametrize("language", BLOCKS)
def test_the_same_answer_caught_in_a_loop_is_dropped(language: str) -> None:
    for shape in SHAPES:
        for unit in (BLOCKS[language].closing, BLOCKS[language].comment + "\n", "ok "):
            text = shape(BLOCKS[language]) + "\n\n" + unit * (600 // len(unit) + 4)
            found = rejecting_finding(FILTERS.apply(_candidate(text)))
            assert found is not None, text
            assert found.action == "drop"
