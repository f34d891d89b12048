"""Pairs of a better and a worse answer, through whole runs against a real HTTP teacher."""

from __future__ import annotations

import json
import random
import shutil
import string
from pathlib import Path
from typing import Any

import datasets
import pytest
import yaml

from pipelines.results import Result
from tests.pipelines.choosing import lengths, sample_of, samples, words
from tests.pipelines.project import ROUTE, Project, make_project, questions, write_prompts
from tests.teacher import Call, Reply, Teacher, answer
from transforms.auditing.verify import verify

BASE32 = string.ascii_uppercase + "234567"


def rated(call: Call) -> Reply:
    """Answers with one good sample, one that tags, one that is dropped, and some of no use."""
    text = words(20, call)
    return {
        0: answer(words(6, call)),
        1: answer(text),
        2: answer(f"{text} <|im_end|>"),
        3: answer(f"{text} {'AK'}IA{''.join(random.Random(call.prompt).choices(BASE32, k=16))}"),
        4: answer(text, finish_reason="length"),
        5: answer(text, model="another-model"),
    }[sample_of(call)]


FILTERS = [
    {"rule": "length", "action": "tag", "max_words": 5},
    {"rule": "finish_reason"},
    {"rule": "leaked_tokens"},
    {"rule": "secrets", "action": "drop"},
]


def paired(tmp_path: Path, endpoint: str, **fields: Any) -> Project:
    return make_project(
        tmp_path,
        endpoint,
        questions(5),
        route={"price": {"input_usd_per_million": 1, "output_usd_per_million": 2}},
        **{
            "teachers": [samples(6)],
            "filters": FILTERS,
            "preferences": {"by": "length", "gap": 1, "pairs": "all"},
            **fields,
        },
    )


def pairs(project: Project, result: Result) -> list[dict[str, Any]]:
    return project.rows(result, "preferences") if result.preferences else []


def test_the_best_record_is_paired_with_worse_ones_and_with_what_rules_rejected(
    tmp_path: Path,
) -> None:
    with Teacher(rated) as teacher:
        project = paired(tmp_path, teacher.endpoint)
        result = project.run()
    # Of six samples: the good one, over the one that tags, the cut and the leaking one; never
    # over what holds a secret, or what another model wrote.
    assert result.preferences == 15
    reasons = {row["record_id"]: row["reason"] for row in project.rows(result, "rejected")}
    records = {row["record_id"]: row for row in project.rows(result)}
    found: dict[str, list[str]] = {}
    for pair in pairs(project, result):
        better = records[pair["chosen_id"]]
        assert pair["prompt"] + pair["chosen"] == better["messages"]
        assert pair["chosen_provenance"] == better["provenance"]
        assert pair["rejected_provenance"]["request"]["id"] == pair["rejected_id"]
        assert pair["chosen_score"] == 6
        assert pair["rejected_score"] in (20, 21)
        found.setdefault(pair["prompt_id"], []).append(reasons.get(pair["rejected_id"], "accepted"))
    assert {tuple(sorted(sides)) for sides in found.values()} == {
        ("accepted", "leaked_token", "length")
    }
    assert verify(project.corpus).ok


def test_one_pair_a_prompt_is_the_best_and_the_worst(tmp_path: Path) -> None:
    with Teacher(lengths(12, 7, 9)) as teacher:
        project = paired(
            tmp_path,
            teacher.endpoint,
            teachers=[samples(3)],
            preferences={"by": "length", "gap": 2},
        )
        result = project.run()
        project.change(preferences={"by": "length", "gap": 6})
        none = project.run()
    scores = {(pair["chosen_score"], pair["rejected_score"]) for pair in pairs(project, result)}
    assert (result.preferences, scores) == (5, {(7, 12)})
    assert (none.preferences, none.accepted) == (0, 15)


def test_what_was_not_the_best_stands_in_pairs(tmp_path: Path) -> None:
    with Teacher(lengths(12, 7, 9)) as teacher:
        project = paired(
            tmp_path,
            teacher.endpoint,
            teachers=[samples(3)],
            best_of={"by": "length"},
            preferences={"by": "length", "gap": 1},
        )
        result = project.run()
    assert (result.accepted, result.preferences) == (5, 5)
    scores = {(pair["chosen_score"], pair["rejected_score"]) for pair in pairs(project, result)}
    assert scores == {(7, 12)}
    assert verify(project.corpus).ok


def test_a_duplicate_stands_on_neither_side(tmp_path: Path) -> None:
    with Teacher(lengths(7, 7, 12, 12)) as teacher:
        project = paired(tmp_path, teacher.endpoint, teachers=[samples(4)])
        result = project.run()
    assert (result.accepted, result.duplicates, result.preferences) == (10, 10, 5)
    records = {row["record_id"]: row for row in project.rows(result)}
    for pair in pairs(project, result):
        for side in ("chosen", "rejected"):
            record = records[pair[f"{side}_id"]]
            assert record["provenance"]["dedupe"]["size"] == 2
            assert pair[f"{side}_provenance"] == record["provenance"]


def test_order_slices_and_repeated_bundles_do_not_change_a_byte(tmp_path: Path) -> None:
    prompts = questions(12)
    with Teacher(rated) as teacher:
        project = paired(tmp_path / "0", teacher.endpoint, best_of={"by": "length"})
        write_prompts(project.folder / "prompts.jsonl", prompts)
        expected = project.shards(project.run())
        assert any(path.startswith("preferences/none/train-") for path in expected)
        for seed, slices, options in (
            (1, 1, ()),
            (2, 3, ()),
            (3, 1, ("--direct_runner_bundle_repeat=2",)),
            (4, 3, ("--direct_runner_bundle_repeat=1",)),
        ):
            other = paired(tmp_path / str(seed), teacher.endpoint, best_of={"by": "length"})
            shutil.copytree(project.folder / "ledger", other.folder / "ledger")
            random.Random(seed).shuffle(prompts)
            write_prompts(other.folder / "prompts.jsonl", prompts)
            assert other.shards(other.run(*options, slices=slices)) == expected


def test_without_preferences_the_other_shards_are_the_same(tmp_path: Path) -> None:
    with Teacher(rated) as teacher:
        project = paired(tmp_path, teacher.endpoint)
        with_pairs = project.shards(project.run())
        project.change(preferences=None)
        without = project.shards(project.run(asks=False))
    # A record names the run file, so its digest is all that may differ.
    assert [path.rsplit("-", 1)[0] for path in with_pairs if "preferences/" not in path] == [
        path.rsplit("-", 1)[0] for path in without
    ]
    assert {p: b for p, b in with_pairs.items() if p.startswith("rejected/")} == {
        p: b for p, b in without.items() if p.startswith("rejected/")
    }


def test_many_buckets_give_the_pairs_that_one_gives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Teacher(rated) as teacher:
        project = paired(tmp_path, teacher.endpoint, best_of={"by": "length"})
        one = project.run()
        expected = sorted(map(str, pairs(project, one)))
        monkeypatch.setattr("schemas.buckets.REQUESTS_PER_BUCKET", 4)
        many = project.run(asks=False)
    files = [path for path in project.shards(many) if path.startswith("preferences/")]
    assert len(files) > 1
    assert many.accepted == one.accepted
    assert sorted(map(str, pairs(project, many))) == expected
    assert verify(project.corpus).ok


LLAMA = "test/llama"


def two_teachers(project: Project, endpoint: str) -> None:
    """Adds a teacher whose terms ask for something in return."""
    path = project.folder / "teachers.yaml"
    registry = yaml.safe_load(path.read_text())
    registry["routes"][LLAMA] = registry["routes"][ROUTE] | {
        "endpoint": endpoint,
        "terms": ["meta/llama-3.1-license"],
    }
    path.write_text(yaml.safe_dump(registry))


def test_a_pair_is_filed_under_what_both_sides_owe(tmp_path: Path) -> None:
    with Teacher(lengths(7)) as good, Teacher(lengths(12)) as bad:
        project = paired(
            tmp_path,
            good.endpoint,
            teachers=[samples(1), samples(1, LLAMA)],
            best_of={"by": "length"},
            preferences={"by": "length", "gap": 1},
            unapproved="allow",
            purpose={
                "use": "train_generative",
                "organisation": {"monthly_active_users": 1},
                "student": {"distribution": "released", "name": "Llama tutor"},
            },
        )
        two_teachers(project, bad.endpoint)
        result = project.run()
    assert (result.accepted, result.preferences) == (5, 5)
    assert result.folder is not None
    manifest = json.loads((Path(result.folder) / "manifest.json").read_text())
    classes = {shard["kind"]: shard["obligation_class"] for shard in manifest["shards"]}
    assert classes["records"] == "none"
    assert classes["preferences"] != "none"
    # No record owes it, but a rejected side does, so the corpus lists it.
    assert "name_prefix" in {duty["kind"] for duty in manifest["pending_duties"]}
    assert {verdict["teacher"] for verdict in manifest["decisions"]} == {ROUTE, LLAMA}
    assert verify(project.corpus).ok


def test_datasets_loads_the_pairs_in_trls_preference_format(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(datasets.config, "HF_DATASETS_OFFLINE", True)
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    with Teacher(rated) as teacher:
        project = paired(tmp_path, teacher.endpoint, system="Be brief.")
        result = project.run()
    assert result.folder is not None
    cache = str(tmp_path / "cache")
    loaded = datasets.load_dataset(str(result.folder), "preferences", cache_dir=cache)["train"]
    turns = datasets.List({"role": datasets.Value("string"), "content": datasets.Value("string")})
    assert {name: loaded.features[name] for name in ("prompt", "chosen", "rejected")} == {
        "prompt": turns,
        "chosen": turns,
        "rejected": turns,
    }
    assert len(loaded) == result.preferences
    for row in loaded:
        assert [turn["role"] for turn in row["prompt"]] == ["system", "user"]
        assert [turn["role"] for turn in row["chosen"] + row["rejected"]] == ["assistant"] * 2
    records = datasets.load_dataset(str(result.folder), "none", cache_dir=cache)["train"]
    assert len(records) == result.accepted
