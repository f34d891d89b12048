from __future__ import annotations

from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

from schemas.records import Record, Rejected
from tests.corpus_builder import make_record, make_rejected, publish_rows, publish_typical
from transforms.corpus.read import open_corpus

_VOID = {"meta", "link", "img", "br", "hr", "input"}
_ATTACK = "</pre><script>alert(1)</script><img src=x onerror=alert(2)>"


class Page(HTMLParser):
    """Parses a page: its tags, unclosed tags, text, and the addresses that it would load."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.open: list[str] = []
        self.text = ""
        self.loads: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.loads += [str(value) for name, value in attributes if name in ("src", "href")]
        if tag not in _VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def report(folder: Path) -> str:
    return (open_corpus(folder).folder / "report.html").read_text()


def publish(folder: Path, records: list[Record], rejected: list[Rejected]) -> Page:
    publish_rows(folder, records, rejected)
    return Page(report(folder))


def test_the_report_is_one_page_that_loads_nothing(tmp_path: Path) -> None:
    publish_typical(tmp_path)
    text = report(tmp_path)
    page = Page(text)
    assert page.open == []
    assert page.loads == []
    assert page.tags.isdisjoint({"script", "link", "img", "iframe"})
    assert "default-src 'none'" in text
    assert "url(" not in text
    assert "@import" not in text


def test_the_report_shows_funnel_spend_teachers_verdicts_and_duties(tmp_path: Path) -> None:
    publish_typical(tmp_path)
    page = Page(report(tmp_path))
    for part in (
        "73",
        "rejected: repetition",
        "failed: http_500",
        "broken_json 1",
        "0.0060",
        "our-vllm/llama",
        "Any use of the output.",
        "Keep the notice with every copy.",
        "What is",
        "and and and",
    ):
        assert part in page.text


def test_samples_of_rejected_records_show_each_reason(tmp_path: Path) -> None:
    rejected = [make_rejected(n, reason=f"reason_{n % 4}") for n in range(100, 140)]
    page = publish(tmp_path, [make_record(1)], rejected)
    assert all(page.text.count(f"rejected: reason_{n} (filter)") == 2 for n in range(4))


def test_the_text_of_a_model_is_escaped(tmp_path: Path) -> None:
    rejected = replace(make_rejected(2), completion=_ATTACK, detail=_ATTACK)
    page = publish(tmp_path, [make_record(1, text=_ATTACK)], [rejected])
    assert page.tags.isdisjoint({"script", "img"})
    assert page.text.count("<script>alert(1)</script>") == 3


def test_a_long_text_is_cut(tmp_path: Path) -> None:
    page = publish(tmp_path, [make_record(1, text="x" * 5_000 + "END")], [])
    assert "x" * 1_500 + "…" in page.text
    assert "END" not in page.text


def test_an_empty_corpus_has_a_report(tmp_path: Path) -> None:
    page = publish(tmp_path, [], [make_rejected(1)])
    assert "0.0%" in page.text
