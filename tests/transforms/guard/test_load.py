"""A catalogue is read whole, or every mistake in it is reported with file and line."""

from __future__ import annotations

import pickle
from datetime import date
from pathlib import Path

import pytest

from schemas.errors import InputError
from schemas.inputs.documents import ClauseDuty, Condition, Effective
from tests.transforms.guard.terms_builder import DOCUMENT, ROUTES, UNREAD, write
from transforms.guard.catalogue import load_catalogue

TERMS = "documents/acme/terms@1.yaml"
SECOND = DOCUMENT.replace('version: "1"', 'version: "2"').replace("2024-01-01", "2025-01-01")


def test_a_catalogue_is_read_into_documents_and_routes(tmp_path: Path) -> None:
    catalogue = load_catalogue(write(tmp_path))
    (document,) = catalogue.documents["acme/terms"]
    assert document.effective == Effective(from_=date(2024, 1, 1))
    assert [clause.effect for clause in document.clauses] == ["needs_authorisation", "forbid"]
    assert catalogue.documents["acme/policy"][0].reading is None
    assert catalogue.routes["acme/model"].terms[0].document == "acme/terms"
    assert catalogue.providers == ("acme",)


def test_every_field_of_a_clause_is_read(tmp_path: Path) -> None:
    clause = (
        "  - clause: naming\n"
        "    section: Names\n"
        "    uses: [select, evaluate]\n"
        "    when:\n"
        "      any_of:\n"
        "        - {competes_with: [acme], monthly_active_users_over: 7}\n"
        "        - {commercial: false, model_not: ['*-3B']}\n"
        "    effect: duty\n"
        "    duty: {kind: name_prefix, text: Acme, due: release}\n"
        "    summary: The name begins with Acme.\n"
    )
    document = load_catalogue(write(tmp_path, terms=DOCUMENT + clause)).documents["acme/terms"][0]
    read = document.clauses[-1]
    assert (read.clause, read.section, read.uses) == ("naming", "Names", ("select", "evaluate"))
    assert read.duty == ClauseDuty(kind="name_prefix", text="Acme", due="release")
    assert read.when == Condition(
        any_of=(
            Condition(competes_with=("acme",), monthly_active_users_over=7),
            Condition(commercial=False, model_not=("*-3B",)),
        )
    )


def test_versions_come_in_the_order_of_their_dates(tmp_path: Path) -> None:
    first = DOCUMENT.replace("2024-01-01}", "2024-01-01, to: 2024-12-31}")
    folder = write(tmp_path, terms=SECOND.replace('"2"', '"1"').replace("2025-01-01", "2026-01-01"))
    write(
        tmp_path,
        terms=first,
        **{
            "documents/acme/terms@0.yaml": SECOND.replace('"2"', '"0"').replace(
                "2025-01-01}", "2025-01-01, to: 2025-12-31}"
            ),
            "documents/acme/terms@2.yaml": SECOND.replace("2025-01-01", "2026-01-01"),
        },
    )
    versions = load_catalogue(folder).documents["acme/terms"]
    assert [version.version for version in versions] == ["1", "0", "2"]


@pytest.mark.parametrize(
    ("files", "where", "message"),
    [
        (
            {"terms": DOCUMENT.replace("layer: service\n", "")},
            f"{TERMS}:1",
            "'layer' is missing",
        ),
        (
            {"terms": DOCUMENT.replace("layer: service", "layer: servise")},
            f"{TERMS}:5",
            "did you mean 'service'",
        ),
        (
            {"terms": DOCUMENT.replace("outputs:", "output:")},
            f"{TERMS}:7",
            "did you mean 'outputs'",
        ),
        (
            {"terms": DOCUMENT.replace("[train_generative]", "[train_generativ]", 1)},
            f"{TERMS}:11",
            "train_generativ",
        ),
        (
            {"terms": DOCUMENT.replace("    yes_if: other terms.\n", "")},
            f"{TERMS}:15",
            "'yes_if' is missing",
        ),
        (
            {"terms": DOCUMENT.replace("effect: forbid", "effect: duty")},
            f"{TERMS}:15",
            "'duty' is missing",
        ),
        (
            {"terms": DOCUMENT.replace("2024-01-01", "2024-02-30")},
            f"{TERMS}:6",
            "expected a date",
        ),
        (
            {"terms": DOCUMENT.replace("confidence: high}", "confidence: high, sha256: abc}")},
            f"{TERMS}:8",
            "64 hex digits",
        ),
        ({"terms": "document: [\n"}, f"{TERMS}:2", "not valid YAML"),
        (
            {"terms": DOCUMENT + "layer: host\n"},
            f"{TERMS}:20",
            "given twice",
        ),
        (
            {"policy": UNREAD + "clauses: []\n"},
            "documents/acme/policy@unread.yaml:1",
            "'reading' is missing (expected it beside 'clauses')",
        ),
        (
            {"terms": DOCUMENT.replace("2024-01-01}", "2024-01-01, to: 2023-01-01}")},
            f"{TERMS}:6",
            "ends before it begins",
        ),
        (
            {"documents/acme/terms@2.yaml": SECOND},
            f"{TERMS}:6",
            "overlap (found in force without an end; expected an `effective.to` before 2025-01-01",
        ),
        (
            {
                "terms": DOCUMENT.replace("2024-01-01}", "2024-01-01, to: 2025-01-01}"),
                "documents/acme/terms@2.yaml": SECOND,
            },
            f"{TERMS}:6",
            "overlap (found in force to 2025-01-01",
        ),
        (
            {"documents/acme/policy@2.yaml": UNREAD.replace("unread", '"2"')},
            "documents/acme/policy@2.yaml:1",
            "overlap",
        ),
        (
            {"documents/acme/other@1.yaml": DOCUMENT},
            "documents/acme/other@1.yaml:1",
            "expected documents/acme/terms@1.yaml",
        ),
        (
            {"routes": ROUTES.replace("acme/terms", "acme/term")},
            "routes/acme.yaml:6",
            "did you mean 'acme/terms'",
        ),
        (
            {"routes": ROUTES.replace("    endpoint: https://acme.example/v1\n", "")},
            "routes/acme.yaml:2",
            "no endpoint",
        ),
        (
            {"routes/twice.yaml": ROUTES},
            "routes/twice.yaml:2",
            "is there already",
        ),
        (
            {"routes": ROUTES + "approvals: []\n"},
            "routes/acme.yaml:7",
            "a file of the catalogue has no approvals",
        ),
        (
            {"routes": ROUTES + "limiter: {redis: env:REDIS_URL}\n"},
            "routes/acme.yaml:7",
            "a file of the catalogue has no limiter",
        ),
    ],
)
def test_a_mistake_is_reported_with_file_and_line(
    tmp_path: Path, files: dict[str, str], where: str, message: str
) -> None:
    with pytest.raises(InputError) as caught:
        load_catalogue(write(tmp_path / "catalogue", **files))
    text = str(caught.value)
    assert f"catalogue/{where}: " in text
    assert message in text


def test_the_mistakes_of_all_files_are_reported_at_once(tmp_path: Path) -> None:
    folder = write(
        tmp_path,
        terms=DOCUMENT.replace("layer: service", "layer: servise"),
        policy=UNREAD.replace("layer: acceptable_use", "layer: policy"),
    )
    with pytest.raises(InputError) as caught:
        load_catalogue(folder)
    assert {problem.where.rsplit("/", 1)[1] for problem in caught.value.problems} >= {
        "terms@1.yaml:5",
        "policy@unread.yaml:5",
    }


def test_the_digest_follows_the_content_and_not_the_place(tmp_path: Path) -> None:
    one = load_catalogue(write(tmp_path / "one")).digest
    commented = load_catalogue(write(tmp_path / "two", terms="# a comment\n" + DOCUMENT)).digest
    changed = load_catalogue(
        write(tmp_path / "three", terms=DOCUMENT.replace("Not at all.", "Not in any case."))
    ).digest
    rerouted = load_catalogue(
        write(tmp_path / "four", routes=ROUTES.replace("model-1", "model-2"))
    ).digest
    assert one == commented
    assert len({one, changed, rerouted}) == 3


def test_a_catalogue_survives_pickling(tmp_path: Path) -> None:
    catalogue = load_catalogue(write(tmp_path))
    assert pickle.loads(pickle.dumps(catalogue)) == catalogue  # noqa: S301 - our own bytes
