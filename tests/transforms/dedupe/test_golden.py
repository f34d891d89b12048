"""The digest of fixed texts changes when sketches change."""

from __future__ import annotations

import pytest

from schemas.index import Unit
from transforms.dedupe import golden
from transforms.dedupe.golden import golden_digest
from transforms.dedupe.sketch import sketch


@pytest.mark.parametrize(
    ("unit", "expected"),
    [
        ("prompt", "95ab2ffe10fb7f200ba27d896e3269b36c441c68f0fa0706b61c42149ee911fe"),
        ("completion", "6141c4c069d05d0a9771da4468c54ef59f59e1f42f4907526b8c6a1e0e6a8e1e"),
        ("pair", "0ece31bc15e184e5016f52ae0ac48e314124e24b5d3e3f5dcecc0bca1eada089"),
    ],
)
def test_golden_digests(unit: Unit, expected: str) -> None:
    """Code with other digests refuses every index that was made with these."""
    assert golden_digest(unit) == expected


def test_the_golden_texts_cover_every_case_of_sketching() -> None:
    sizes = [
        sketch("0" * 64, golden._turns(asked), answered, "completion").shingles.values.size
        for asked, answered in golden._TEXTS
    ]
    assert sizes[-2:] == [0, 0]
    assert all(sizes[:-2])


@pytest.mark.parametrize("place", range(len(golden._TEXTS)))
def test_each_golden_text_counts(place: int, monkeypatch: pytest.MonkeyPatch) -> None:
    before = golden_digest("completion")
    texts = golden._TEXTS
    monkeypatch.setattr(golden, "_TEXTS", (*texts[:place], *texts[place + 1 :]))
    assert golden_digest("completion") != before
