"""The digest of a document follows its words, not its markup."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from transforms.guard.texts import plain_text, text_digest

ROOT = Path(__file__).resolve().parents[3]
MARKDOWN = """\
Terms of Use
============

**1. Use.** You may use the “Output” - see [the policy](https://a.example/p "Policy"):

*   for research;
*   to train _other_ models.

* * *
"""
PAGE = """\
<!doctype html><html><head><title>Terms</title><style>p {color: red}</style></head>
<body><nav><a href="/">Home</a></nav>
<h1>Terms of Use</h1>
<p><strong>1. Use.</strong> You may use the &ldquo;Output&rdquo; – see
<a href="https://b.example/p">the policy</a>:</p>
<ul><li>for research;</li><li>to train <em>other</em> models.</li></ul>
<script>track("page")</script></body></html>
"""
WORDS = (
    'Terms of Use 1. Use. You may use the "Output" - see the policy: for research; to train '
    "other models."
)


@pytest.mark.parametrize("text", [MARKDOWN, PAGE, WORDS], ids=["markdown", "html", "plain"])
def test_a_page_and_its_markdown_have_the_same_words(text: str) -> None:
    assert plain_text(text.encode()) == WORDS


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("<h1>Terms of Use</h1>", '<h2 class="big">Terms  of\n Use</h2>'),
        ("https://b.example/p", "https://c.example/q"),
        ("<em>other</em>", "other"),
        ("</body>", '<script src="new.js"></script></body>'),
        ("Terms of Use", "Terms\u00a0of\u200b Use"),
    ],
)
def test_markup_alone_changes_nothing(old: str, new: str) -> None:
    assert old in PAGE
    assert text_digest(PAGE.replace(old, new).encode()) == text_digest(PAGE.encode())


@pytest.mark.parametrize(
    ("old", "new"),
    [("You may use", "You may not use"), ("research;", "research,"), ("other", "Other")],
)
def test_another_word_or_sign_changes_the_digest(old: str, new: str) -> None:
    assert text_digest(PAGE.replace(old, new).encode()) != text_digest(PAGE.encode())


def test_bytes_that_are_no_text_are_read_all_the_same() -> None:
    assert plain_text(b"caf\xe9 <b>") == "caf\ufffd"


def test_the_digests_of_files_are_printed(tmp_path: Path) -> None:
    path = tmp_path / "terms.md"
    path.write_text(MARKDOWN, "utf-8")
    printed = subprocess.run(
        [sys.executable, "-m", "transforms.guard.texts", str(path)],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    ).stdout
    assert printed == f"{text_digest(PAGE.encode())}  {path}\n"
