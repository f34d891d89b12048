"""A team adds key, price and quota to a route of the catalogue; no document stops binding."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from schemas.errors import InputError
from schemas.inputs.registry import BindingTerms, Price, Quota, Registry
from schemas.purpose import Purpose
from tests.transforms.guard.terms_builder import DAY, PURPOSE, USES
from transforms.guard.catalogue import load_catalogue, load_registry
from transforms.guard.evaluate import Guard

OURS = "ours/it"
FULL = """\
    base: openai-api/gpt
    key: env:TEAM_KEY
    price: {input_usd_per_million: 2, output_usd_per_million: 8}
    quota: {requests_per_minute: 500}
    served_as: [gpt-4.1]
    terms: [spdx/apache-2.0, openai/usage-policies]
"""


def read(folder: Path, route: str) -> Registry:
    path = folder / "teachers.yaml"
    path.write_text(f"routes:\n  {OURS}:\n{route}", "utf-8")
    return load_registry(path, load_catalogue(), name="teachers.yaml")


def refusal(folder: Path, route: str) -> str:
    with pytest.raises(InputError) as refused:
        read(folder, route)
    return str(refused.value)


def verdict(guard: Guard, route: str, purpose: Purpose) -> dict[str, Any]:
    """Returns a verdict without the names of route, decision and registry."""
    found = asdict(guard.decide(route, purpose, DAY))
    return {key: found[key] for key in ("decision", "status", "clauses", "duties", "terms")}


def test_what_is_written_replaces_the_bases_and_the_rest_stays(tmp_path: Path) -> None:
    base = load_catalogue().routes["openai-api/gpt"]
    route = read(tmp_path, FULL).routes[OURS]
    assert (route.id, route.where, route.key) == (OURS, "teachers.yaml:2", "env:TEAM_KEY")
    assert (route.api, route.model, route.endpoint) == (base.api, base.model, base.endpoint)
    assert route.price == Price(input_usd_per_million=2, output_usd_per_million=8)
    assert route.quota == Quota(requests_per_minute=500)
    assert route.timeouts == base.timeouts
    assert route.served_as == ("gpt-4.1",)
    assert route.terms == (*base.terms, BindingTerms(document="spdx/apache-2.0"))


@pytest.mark.parametrize("name", sorted(load_catalogue().routes))
def test_a_price_changes_no_verdict(tmp_path: Path, name: str) -> None:
    registry = read(tmp_path, f"    base: {name}\n    price: {{input_usd_per_million: 1}}\n")
    guard = Guard(load_catalogue(), registry, unapproved="allow")
    for use in USES:
        purpose = PURPOSE.model_copy(update={"use": use})
        assert verdict(guard, OURS, purpose) == verdict(guard, name, purpose)


def test_further_terms_bind_and_never_permit_more(tmp_path: Path) -> None:
    base = "self-hosted/qwen3-8b"
    added = "    terms: [openai/terms-of-use]\n"
    guard = Guard(load_catalogue(), read(tmp_path, f"    base: {base}\n{added}"))
    assert guard.decide(base, PURPOSE, DAY).permits
    assert not guard.decide(OURS, PURPOSE, DAY).permits


@pytest.mark.parametrize(
    ("route", "line", "said"),
    [
        ("    base: openai-api/gtp\n", 3, "did you mean 'openai-api/gpt'"),
        ("    base: ours/it\n", 3, "is no route of the catalogue"),
        ("    base: openai-api/gpt\n    model: gpt-5\n", 4, "unknown field (found 'model'"),
        ("    base: openai-api/gpt\n    price: {input: 2}\n", 4, "input_usd_per_million"),
        ("    base: openai-api/gpt\n    terms: [no/such]\n", 4, "no such document of terms"),
        ("    base: embedded/smollm2-135m-instruct\n    key: env:K\n", 4, "has none"),
        ("    base: embedded/smollm2-135m-instruct\n    revision: abc\n", 4, "one revision"),
        (
            "    base: self-hosted/qwen3-8b\n    endpoint: http://vllm.internal/v1\n"
            "    key: google:default\n    terms: [qwen/apache-2.0]\n",
            4,
            "a token of Google would be sent unencrypted",
        ),
        (
            "    base: self-hosted/qwen3-8b\n    endpoint: 'http://[::1/v1'\n",
            4,
            "no server can have this address",
        ),
    ],
    ids=[
        "misspelt",
        "own",
        "model",
        "price",
        "document",
        "embedded",
        "revision",
        "open",
        "address",
    ],
)
def test_a_mistake_is_named_with_its_line(tmp_path: Path, route: str, line: int, said: str) -> None:
    message = refusal(tmp_path, route)
    assert f"teachers.yaml:{line}" in message
    assert said in message


def test_what_a_base_leaves_open_is_offered_and_nothing_else(tmp_path: Path) -> None:
    message = refusal(tmp_path, "    base: openai-api/gpt\n    quotas: {}\n")
    fields = "base, endpoint, revision, key, quota, price, timeouts, served_as, terms"
    assert f"one of {fields}" in message


def test_another_host_needs_its_documents_named(tmp_path: Path) -> None:
    moved = "    base: openai-api/gpt\n    endpoint: https://eu.api.openai.com/v1\n"
    message = refusal(tmp_path, moved)
    assert "teachers.yaml:4: 'ours/it' has another host than openai-api/gpt" in message
    assert "terms: [openai/services-agreement, openai/usage-policies" in message
    route = read(tmp_path, f"{moved}    terms: [openai/services-agreement]\n").routes[OURS]
    assert route.host == "eu.api.openai.com"
    assert route.terms == load_catalogue().routes["openai-api/gpt"].terms


def test_another_path_at_the_same_host_needs_nothing_more(tmp_path: Path) -> None:
    moved = "    base: openai-api/gpt\n    endpoint: https://api.openai.com/v2\n"
    assert read(tmp_path, moved).routes[OURS].endpoint == "https://api.openai.com/v2"
