"""A registry is checked against the catalogue; mistakes are reported with file and line."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from schemas.errors import InputError
from schemas.inputs.registry import Approval, Authorisation, LimiterAddress, Registry
from tests.transforms.guard.terms_builder import write
from transforms.guard.catalogue import Catalogue, load_catalogue, load_registry
from transforms.guard.evaluate import registry_digest

GOOD = """\
routes:
  ours/model:
    api: openai-chat
    endpoint: https://vllm.example/v1
    model: model-1
    key: env:VLLM_KEY
    served_as: [model-1-fp8]
    terms: [acme/policy, {document: acme/terms, layer: base_model_licence}]
approvals:
  - {document: acme/terms, version: "1", by: legal, on: 2026-01-01, expires: 2027-01-01}
authorisations:
  - {document: acme/terms, clause: "2", reference: MSA-1, from: 2026-01-01, to: 2026-12-31}
"""


@pytest.fixture
def catalogue(tmp_path: Path) -> Catalogue:
    return load_catalogue(write(tmp_path / "catalogue"))


def read(tmp_path: Path, catalogue: Catalogue, text: str) -> Registry:
    path = tmp_path / "teachers.yaml"
    path.write_text(text, "utf-8")
    return load_registry(path, catalogue, name="teachers.yaml")


def test_a_registry_is_read_with_its_lines(tmp_path: Path, catalogue: Catalogue) -> None:
    registry = read(tmp_path, catalogue, GOOD)
    route = registry.routes["ours/model"]
    assert (route.id, route.host, route.key) == ("ours/model", "vllm.example", "env:VLLM_KEY")
    assert [(bound.document, bound.layer) for bound in route.terms] == [
        ("acme/policy", None),
        ("acme/terms", "base_model_licence"),
    ]
    assert route.where == "teachers.yaml:2"
    assert registry.approvals == (
        Approval(
            document="acme/terms",
            version="1",
            by="legal",
            on=date(2026, 1, 1),
            expires=date(2027, 1, 1),
            where="teachers.yaml:10",
        ),
    )
    assert registry.authorisations == (
        Authorisation(
            document="acme/terms",
            clause="2",
            reference="MSA-1",
            from_=date(2026, 1, 1),
            to=date(2026, 12, 31),
            where="teachers.yaml:12",
        ),
    )


def test_a_limiter_is_read_with_its_line(tmp_path: Path, catalogue: Catalogue) -> None:
    text = GOOD + "limiter:\n  redis: env:REDIS_URL\n"
    registry = read(tmp_path, catalogue, text)
    assert registry.limiter == LimiterAddress(redis="env:REDIS_URL", where="teachers.yaml:14")
    without = read(tmp_path, catalogue, GOOD)
    assert without.limiter is None
    assert registry_digest(catalogue, registry) == registry_digest(catalogue, without)


@pytest.mark.parametrize(
    ("limiter", "message"),
    [
        ("{redis: 'redis://:hunter@host/0'}", "not shown"),
        ("{redis: REDIS_URL}", "env:NAME, secret:projects"),
        ("{}", "'redis' is missing"),
        ("{redis: env:A, database: 1}", "unknown field"),
        ("env:REDIS_URL", "wrong type"),
    ],
)
def test_a_mistaken_limiter_is_reported_without_its_value(
    tmp_path: Path, catalogue: Catalogue, limiter: str, message: str
) -> None:
    with pytest.raises(InputError, match=message) as caught:
        read(tmp_path, catalogue, f"limiter: {limiter}\n")
    assert "teachers.yaml:1" in str(caught.value)
    assert "hunter" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "# nothing yet\n", "{}\n"])
def test_an_empty_registry_is_one(tmp_path: Path, catalogue: Catalogue, text: str) -> None:
    assert read(tmp_path, catalogue, text) == Registry()


@pytest.mark.parametrize(
    ("old", "new", "line", "message"),
    [
        ("ours/model:", "acme/model:", 2, "'acme/model' is there already"),
        ("[acme/policy,", "[acme/polcy,", 8, "did you mean 'acme/policy'"),
        ("    endpoint: https://vllm.example/v1\n", "", 2, "no endpoint"),
        ("https://vllm.example/v1", "vllm.example", 4, "not shown"),
        ("env:VLLM_KEY", "sk-secret", 6, "not shown"),
        ("document: acme/terms, version", "document: acme/trems, version", 10, "did you mean"),
        ('version: "1"', 'version: "2"', 10, "acme/terms has no such version"),
        (
            'acme/terms, version: "1"',
            "acme/policy, version: unread",
            10,
            "acme/policy@unread was not read",
        ),
        ("expires: 2027-01-01", "expires: 2025-01-01", 10, "expires before it is given"),
        ("by: legal, ", "", 10, "'by' is missing"),
        ('acme/terms, clause: "2"', 'acme/trems, clause: "2"', 12, "did you mean"),
        ('clause: "2"', 'clause: "9"', 12, "no such clause"),
        ('clause: "2"', 'clause: "3"', 12, "no clause that an authorisation lifts"),
        ("reference: MSA-1, ", "", 12, "'reference' is missing"),
        ("reference: MSA-1", 'reference: ""', 12, "reference"),
        ("to: 2026-12-31", "to: 2025-12-31", 12, "ends before it begins"),
        (", to: 2026-12-31", "", 12, "'to' is missing"),
        ("from: 2026-01-01", "from: 2026-13-01", 12, "expected a date"),
        ("approvals:", "aprovals:", 9, "did you mean 'approvals'"),
    ],
)
def test_a_mistake_is_reported_with_its_line(
    tmp_path: Path, catalogue: Catalogue, old: str, new: str, line: int, message: str
) -> None:
    assert GOOD.count(old) >= 1
    with pytest.raises(InputError) as caught:
        read(tmp_path, catalogue, GOOD.replace(old, new))
    text = str(caught.value)
    assert f"teachers.yaml:{line}: " in text
    assert message in text


def test_a_key_written_into_the_file_is_not_repeated(tmp_path: Path, catalogue: Catalogue) -> None:
    with pytest.raises(InputError) as caught:
        read(tmp_path, catalogue, GOOD.replace("env:VLLM_KEY", "sk-secret"))
    assert "sk-secret" not in str(caught.value)


def test_several_mistakes_are_reported_at_once(tmp_path: Path, catalogue: Catalogue) -> None:
    text = GOOD.replace('version: "1"', 'version: "2"').replace('clause: "2"', 'clause: "9"')
    with pytest.raises(InputError) as caught:
        read(tmp_path, catalogue, text)
    assert [problem.where for problem in caught.value.problems] == [
        "teachers.yaml:10",
        "teachers.yaml:12",
    ]


@pytest.mark.parametrize(("today", "runs"), [(date(2026, 12, 31), True), (date(2027, 1, 1), False)])
def test_an_authorisation_past_its_end_is_reported_if_a_day_is_given(
    tmp_path: Path, catalogue: Catalogue, today: date, runs: bool
) -> None:
    path = tmp_path / "teachers.yaml"
    path.write_text(GOOD, "utf-8")
    if runs:
        assert load_registry(path, catalogue, today=today).authorisations
    else:
        with pytest.raises(InputError, match=r"teachers.yaml:12: .* past its end"):
            load_registry(path, catalogue, today=today)


def test_a_missing_registry_is_reported(tmp_path: Path, catalogue: Catalogue) -> None:
    with pytest.raises(InputError, match="no such file"):
        load_registry(tmp_path / "missing.yaml", catalogue)


def test_a_price_left_out_has_the_digest_it_had_when_it_was_zero(
    tmp_path: Path, catalogue: Catalogue
) -> None:
    """Records name the decisions, whose ids hold the digest: an update renames none of them."""
    free = "    price: {input_usd_per_million: 0, output_usd_per_million: 0}\n"
    unknown = read(tmp_path, catalogue, GOOD)
    known = read(tmp_path, catalogue, GOOD.replace("    key:", f"{free}    key:"))
    assert not unknown.routes["ours/model"].price.known
    assert known.routes["ours/model"].price.known
    assert registry_digest(catalogue, unknown) == registry_digest(catalogue, known)
