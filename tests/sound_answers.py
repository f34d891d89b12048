"""Makes sound answers in Markdown: code, tables, formulas and lists, in five languages.

The sentences stand in `data/sound_answers.yaml`, four topics in each language. A shape puts them
together, and a draw that is fixed for each answer decides on what stands around it: headings,
quotations, footnotes, a second block of another kind.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

LANGUAGES = ("en", "de", "zh", "ja", "ar")
_DATA = Path(__file__).parent / "data" / "sound_answers.yaml"
_WIDE = {"zh": "", "ja": ""}  # no blanks between sentences


@dataclass(frozen=True, slots=True)
class SoundAnswer:
    """A sound answer.

    Attributes:
        name: Topic, language, kind and shape: what it is found again by.
        language: ISO 639-1 code.
        kind: `code`, `table`, `maths` or `list`.
        text: The answer.
    """

    name: str
    language: str
    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class Topic:
    """What there is to say, in one language, with the blocks that all languages share."""

    words: Mapping[str, Any]
    formulas: list[str]
    numbers: list[list[int]]
    source: str
    code_language: str
    blank: str

    def code(self) -> str:
        """Returns the code with its comments in the topic's language."""
        first, second = self.words["comments"]
        return self.source.replace("$0", first).replace("$1", second)

    def rows(self) -> list[list[str]]:
        """Returns the cells of the table, without its head."""
        uses = self.words["uses"]
        return [[str(a), str(b), use] for (a, b), use in zip(self.numbers, uses, strict=True)]

    def joined(self, sentences: list[str]) -> str:
        """Joins sentences as the language does."""
        return self.blank.join(sentences)


Shape = Callable[[Topic], str]


def _fence(topic: Topic, mark: str = "```", indent: str = "", code: str | None = None) -> str:
    lines = [f"{mark}{topic.code_language}", *(code or topic.code()).splitlines(), mark]
    return "\n".join(f"{indent}{line}".rstrip() for line in lines)


def _table(topic: Topic, rule: str = "---", cell: str = "{}") -> str:
    head = topic.words["header"]
    rows = [[*map(cell.format, row[:2]), row[2]] for row in topic.rows()]
    lines = [head, [rule] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _bullets(items: list[str], mark: str = "-", indent: str = "") -> str:
    return "\n".join(f"{indent}{mark} {item}" for item in items)


def _numbered(items: list[str], sign: str = ".") -> str:
    return "\n".join(f"{number}{sign} {item}" for number, item in enumerate(items, 1))


def _code_in_steps(topic: Topic) -> str:
    first, *rest = topic.words["steps"]
    return f"1. {first}\n\n{_fence(topic, indent='   ')}\n\n" + _numbered(["…", *rest])[5:]


def _code_with_output(topic: Topic) -> str:
    output = "\n".join(f"{a:>8} {b:>8}" for a, b in topic.numbers)
    return f"{_fence(topic)}\n\n{topic.words['comments'][1]}:\n\n```text\n{output}\n```"


def _code_in_markdown(topic: Topic) -> str:
    return f"````markdown\n## {topic.words['title']}\n\n{_fence(topic)}\n````"


def _quoted_code(topic: Topic) -> str:
    return "\n".join(f"> {line}".rstrip() for line in _fence(topic).splitlines())


def _table_of_formulas(topic: Topic) -> str:
    head = topic.words["header"]
    rows = zip(topic.formulas, topic.words["steps"], strict=True)
    lines = [f"| {head[0]} | {head[2]} |", "|:--|:--|", *(f"| ${f}$ | {s} |" for f, s in rows)]
    return "\n".join(lines)


def _sparse_table(topic: Topic) -> str:
    head = " | ".join(topic.words["header"] * 2)
    rows = [f"| {a} | – | – | – | {b} | – |" for a, b in topic.numbers]
    return "\n".join([f"| {head} |", "|---" * 6 + "|", *rows])


def _aligned(topic: Topic) -> str:
    lines = " \\\\\n".join(f"  & {formula}" for formula in topic.formulas)
    return f"$$\n\\begin{{aligned}}\n{lines}\n\\end{{aligned}}\n$$"


def _formulas_in_sentences(topic: Topic) -> str:
    pairs = zip(topic.words["steps"], topic.formulas, strict=True)
    return "\n\n".join(f"{step}{topic.blank}\\({formula}\\)" for step, formula in pairs)


def _worked(topic: Topic) -> str:
    sums = "\n".join(f"{a} × {b} = {a * b}" for a, b in topic.numbers)
    return f"{sums}\n\n{topic.words['closing'][0]}\n\n$$\\boxed{{{topic.numbers[-1][1]}}}$$"


def _matrix(topic: Topic) -> str:
    lines = " \\\\ ".join("0 & 0 & 0" for _ in range(4))
    return f"\\[\n\\begin{{pmatrix}} {lines} \\end{{pmatrix}}\n\\]\n\n$${topic.formulas[0]}$$"


def _nested(topic: Topic) -> str:
    facts = _bullets(topic.words["facts"], "*", "    ")
    return "\n".join(
        f"- {step}\n  + {topic.words['comments'][n % 2]}" + (f"\n{facts}" if n == 1 else "")
        for n, step in enumerate(topic.words["steps"])
    )


def _terms(topic: Topic) -> str:
    pairs = zip(topic.words["uses"], topic.words["steps"], strict=False)
    return "\n".join(f"* **{use}**: {step}" for use, step in pairs)


def _steps_and_code(topic: Topic) -> str:
    names = [f"`step_{n}`: {step}" for n, step in enumerate(topic.words["steps"])]
    return _numbered(names, ")")


SHAPES: dict[str, tuple[Shape, ...]] = {
    "code": (
        _fence,
        lambda topic: _fence(topic, "~~~"),
        _code_in_steps,
        _code_with_output,
        _code_in_markdown,
        _quoted_code,
    ),
    "table": (
        _table,
        lambda topic: _table(topic, ":---:", "`{}`"),
        lambda topic: _table(topic, "---:", "**{}**"),
        _table_of_formulas,
        _sparse_table,
        lambda topic: f"{_table(topic)}\n\n{_table_of_formulas(topic)}",
    ),
    "maths": (
        lambda topic: "\n\n".join(f"$$\n{formula}\n$$" for formula in topic.formulas),
        lambda topic: "\n\n".join(f"\\[ {formula} \\]" for formula in topic.formulas),
        _aligned,
        _formulas_in_sentences,
        _worked,
        _matrix,
    ),
    "list": (
        lambda topic: _numbered(topic.words["steps"]),
        _nested,
        lambda topic: _bullets(
            [f"[{' x'[n % 2]}] {it}" for n, it in enumerate(topic.words["steps"])]
        ),
        _terms,
        lambda topic: _bullets(topic.words["steps"] + topic.words["facts"], "•"),
        _steps_and_code,
    ),
}


def sound_answers() -> Iterator[SoundAnswer]:
    """Yields the answers, 480 of them, the same ones each time."""
    for topic_name, data in yaml.safe_load(_DATA.read_text(encoding="utf-8")).items():
        for language in LANGUAGES:
            topic = _topic(data, language)
            for kind, shapes in SHAPES.items():
                for number, shape in enumerate(shapes):
                    name = f"{topic_name}-{language}-{kind}-{number}"
                    text = _answer(topic, kind, shape, random.Random(name))
                    yield SoundAnswer(name, language, kind, text)


def _topic(data: Mapping[str, Any], language: str) -> Topic:
    return Topic(
        data[language],
        data["formulas"],
        data["numbers"],
        data["code"]["body"],
        data["code"]["language"],
        _WIDE.get(language, " "),
    )


def _answer(topic: Topic, kind: str, shape: Shape, draw: random.Random) -> str:
    words = topic.words
    title = draw.choice(["", "# {}", "## {}", "### 🔎 {}", "**{}**"]).format(words["title"])
    opening = topic.joined(words["intro"][: draw.randint(1, 3)])
    around = [
        f"> **{words['title']}**\n>\n> {words['warning']}",
        topic.joined(words["facts"]),
        f"---\n\n*{words['warning']}*",
        f"<details>\n<summary>{words['title']}</summary>\n\n{words['note']}\n\n</details>",
        draw.choice(SHAPES[draw.choice([other for other in SHAPES if other != kind])])(topic),
    ]
    blocks = [title, opening, shape(topic), *draw.sample(around, draw.randint(0, 2))]
    if draw.random() < 0.7:
        blocks.append(topic.joined(words["closing"]))
    if draw.random() < 0.3:
        blocks[1] += "[^1]"
        blocks.append(f"[^1]: {words['note']}")
    return "\n\n".join(block for block in blocks if block) + draw.choice(["", "\n"])
