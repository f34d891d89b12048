"""Rules are found by themselves: ours in this package, others' through an entry point."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from schemas.errors import InputError
from schemas.inputs.quality import FilterChoice
from transforms.filters.load_rules import built_in_rules
from transforms.filters.policy import DEFAULT_RULES, compile_filters
from transforms.filters.rules import Candidate

SHOUTING = """
from collections.abc import Iterator
from dataclasses import dataclass

from transforms.filters.rules import Candidate, Finding, Rule


@dataclass(frozen=True)
class Settings:
    min_characters: int = 5


def find_shouting(candidate: Candidate, settings: Settings) -> Iterator[Finding]:
    text = candidate.completion
    if text.isupper() and len(text) >= settings.min_characters:
        yield Finding("all_capitals", "the whole answer is in capitals")


SHOUTING = Rule("shouting", 3, "quarantine", ("all_capitals",), find_shouting, Settings())
"""


EXAMPLE = Path(__file__).parents[3] / "examples" / "own_rule"
DOCUMENTED = Path(__file__).parents[3] / "docs" / "rules.md"


@pytest.fixture
def other_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Installs a package of somebody else's that offers rules: one sound, two broken."""
    (tmp_path / "loudness_rules.py").write_text(SHOUTING)
    (tmp_path / "broken_rules.py").write_text("import a_module_that_is_not_there\n")
    meta = tmp_path / "loudness-1.0.dist-info"
    meta.mkdir()
    (meta / "METADATA").write_text("Metadata-Version: 2.1\nName: loudness\nVersion: 1.0\n")
    (meta / "entry_points.txt").write_text(
        "[stillroom.filters]\n"
        "shouting = loudness_rules:SHOUTING\n"
        "whispering = broken_rules:RULE\n"
        "mumbling = loudness_rules:Settings\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def _where(index: int) -> str:
    return "run.yaml:7"


def test_every_rule_of_the_package_is_known_by_its_name() -> None:
    rules = built_in_rules()
    assert set(rules) >= {*DEFAULT_RULES, "language", "length", "python_syntax"}
    assert all(rule.name == name for name, rule in rules.items())
    assert all(rule.codes and rule.version >= 1 for rule in rules.values())


@pytest.mark.usefixtures("other_package")
def test_a_rule_of_another_package_is_one_file_and_one_entry_point() -> None:
    filters = compile_filters((FilterChoice(rule="shouting", min_characters=3),), _where)
    (found,) = filters.apply(Candidate((), "HEY"))
    assert (found.rule, found.version, found.action) == ("shouting", 3, "quarantine")
    assert filters.apply(Candidate((), "HI")) == ()


@pytest.mark.usefixtures("other_package")
def test_the_settings_of_another_packages_rule_are_checked_as_ours() -> None:
    with pytest.raises(InputError, match="did you mean 'min_characters'"):
        compile_filters((FilterChoice(rule="shouting", min_character=3),), _where)


@pytest.mark.usefixtures("other_package")
@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("whispering", "does not load from broken_rules:RULE"),
        ("mumbling", "the entry point 'mumbling' is not a rule"),
        ("shoutin", "did you mean 'shouting'"),
    ],
)
def test_a_rule_that_does_not_load_is_reported_with_its_line(name: str, says: str) -> None:
    with pytest.raises(InputError, match=r"run\.yaml:7") as caught:
        compile_filters((FilterChoice(rule=name),), _where)
    assert says in str(caught.value)


@pytest.mark.usefixtures("other_package")
def test_a_broken_package_does_no_harm_unless_it_is_used() -> None:
    assert compile_filters(None, _where).rules


def test_the_example_of_an_own_rule_works_unchanged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = tomllib.loads((EXAMPLE / "pyproject.toml").read_text())["project"]
    meta = tmp_path / f"{project['name']}-{project['version']}.dist-info"
    meta.mkdir()
    (meta / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
    )
    offered = project["entry-points"]["stillroom.filters"].items()
    points = "\n".join(f"{name} = {value}" for name, value in offered)
    (meta / "entry_points.txt").write_text(f"[stillroom.filters]\n{points}\n")
    monkeypatch.syspath_prepend(str(EXAMPLE))
    monkeypatch.syspath_prepend(str(tmp_path))
    choice = FilterChoice(rule="shouting", action="drop", min_letters=3)
    (found,) = compile_filters((choice,), _where).apply(Candidate((), "HEY YOU"))
    assert (found.rule, found.code, found.action) == ("shouting", "all_capitals", "drop")


def test_every_rule_is_documented_with_its_default_and_its_codes() -> None:
    rows = re.findall(r"^\| (\**)`(\w+)`\** \|.*\| (.*) \| (\w+) \|$", DOCUMENTED.read_text(), re.M)
    documented = {name: (bool(bold), codes, action) for bold, name, codes, action in rows}
    assert set(documented) == set(built_in_rules())
    for name, rule in built_in_rules().items():
        bold, codes, action = documented[name]
        assert (bold, action) == (name in DEFAULT_RULES, rule.action), name
        if name not in ("secrets", "finish_reason"):  # too many codes; one of them is no finding
            assert tuple(re.findall(r"`(\w+)`", codes)) == rule.codes, name
