"""Writes the dataset card: a README for people and for the Hugging Face Hub.

Licence and duties come from the records alone. The card names a licence if all records have the
same one and owe nothing else; otherwise it names `other` and lists licences and duties.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import Any

import yaml

from schemas.manifest import Kind, Manifest
from transforms.corpus.facts import Facts
from transforms.corpus.rendering import render

# Identifiers of the Hub's licence list that are an SPDX identifier in lower case
# (huggingface.co/docs/hub/repositories-licenses). Any other goes under `license_name`.
_HUB_LICENSES = frozenset(
    """
    afl-3.0 apache-2.0 artistic-2.0 bsd-2-clause bsd-3-clause bsd-3-clause-clear bsl-1.0
    cc-by-2.0 cc-by-2.5 cc-by-3.0 cc-by-4.0 cc-by-nc-2.0 cc-by-nc-3.0 cc-by-nc-4.0
    cc-by-nc-nd-3.0 cc-by-nc-nd-4.0 cc-by-nc-sa-2.0 cc-by-nc-sa-3.0 cc-by-nc-sa-4.0
    cc-by-nd-4.0 cc-by-sa-3.0 cc-by-sa-4.0 cc0-1.0 cdla-permissive-1.0 cdla-permissive-2.0
    cdla-sharing-1.0 ecl-2.0 epl-1.0 epl-2.0 etalab-2.0 eupl-1.1 eupl-1.2 isc lppl-1.3c
    mit mpl-2.0 ms-pl ncsa ofl-1.1 osl-3.0 postgresql unlicense wtfpl zlib
    """.split()  # noqa: SIM905 - forty lines would say no more
)

# The Hub's size categories, each with the first number of records beyond it.
_SIZES = (
    ("n<1K", 10**3),
    ("1K<n<10K", 10**4),
    ("10K<n<100K", 10**5),
    ("100K<n<1M", 10**6),
    ("1M<n<10M", 10**7),
    ("10M<n<100M", 10**8),
    ("100M<n<1B", 10**9),
)


class _Dumper(yaml.SafeDumper):
    """Quotes a text that readers of YAML 1.1 or of YAML 1.2 would take for something else.

    PyYAML writes for readers of 1.1, and reads by it on the Hub. The Hub's pages read 1.2, where
    1e3 and 0o7 are numbers too. Ends of lines, of which they know different ones, are escaped.
    """

    def represent_str(self, text: str) -> yaml.ScalarNode:
        """Makes a scalar, in double quotes if a character in it is not printable."""
        style = None if text.isprintable() else '"'
        return self.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _Dumper.represent_str)

# YAML 1.2.2, section 10.3.2: what its core schema adds to the numbers of YAML 1.1.
_Dumper.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$"),
    list("-+.0123456789"),
)
_Dumper.add_implicit_resolver("tag:yaml.org,2002:int", re.compile("0o[0-7]+$"), ["0"])

_PAIRS = "preferences"  # the configuration of pairs, and their folder

_HUB_DATASET = re.compile(r"https://huggingface\.co/datasets/([^/?#]+/[^/?#]+)/?")


def render_card(manifest: Manifest, facts: Facts) -> str:
    """Writes the card of a corpus.

    Args:
        manifest: Its manifest.
        facts: Counts of its records by provenance.

    Returns:
        Markdown with a YAML header.
    """
    data = card_data(manifest, facts)
    header = yaml.dump(data, Dumper=_Dumper, sort_keys=False, allow_unicode=True)
    splits, pair_splits = (_splits(manifest, kind) for kind in ("records", "preferences"))
    return render(
        "README.md.j2",
        header=header,
        manifest=manifest,
        facts=facts,
        data_files=json.dumps({split: f"data/*/{split}-*.parquet" for split in splits}),
        first_split=splits[0] if splits else "train",
        pairs=_pairs(manifest),
        pair_files=json.dumps({split: f"{_PAIRS}/*/{split}-*.parquet" for split in pair_splits}),
    )


def card_data(manifest: Manifest, facts: Facts) -> dict[str, Any]:
    """Returns the card's YAML header, which the Hub reads.

    Args:
        manifest: The corpus's manifest.
        facts: Counts of its records by provenance.

    Returns:
        Plain data, in the order of the header.
    """
    languages = sorted(filter(None, facts.languages))
    return {
        "pretty_name": manifest.name,
        **_license(facts),
        **({"language": languages} if languages else {}),
        "size_categories": [_size(facts.records)],
        "source_datasets": sorted({_source(source) for source in facts.sources}),
        "tags": ["synthetic", "distillation"],
        "configs": _configs(facts) + _pair_configs(manifest),
    }


def single_license(facts: Facts) -> str | None:
    """Returns the licence of all records, or None if there are several or duties are owed."""
    if len(facts.licenses) != 1 or facts.owed():
        return None
    return next(iter(facts.licenses))


def _license(facts: Facts) -> dict[str, str]:
    name = single_license(facts)
    if name is None:
        return {"license": "other", "license_name": "see-below"}
    if name.lower() in _HUB_LICENSES:
        return {"license": name.lower()}
    return {"license": "other", "license_name": name}


def _size(records: int) -> str:
    return next((name for name, beyond in _SIZES if records < beyond), "n>1B")


def _source(address: str) -> str:
    match = _HUB_DATASET.fullmatch(address)
    return match[1] if match else address


def _configs(facts: Facts) -> list[dict[str, Any]]:
    return [
        {
            "config_name": name,
            "data_files": [
                {"split": split, "path": f"data/{name}/{split}-*.parquet"}
                for of, split in sorted(facts.partitions)
                if of == name
            ],
        }
        for name in sorted({name for name, _ in facts.partitions})
    ]


def _splits(manifest: Manifest, kind: Kind) -> list[str]:
    """Returns the splits of rows of a kind, `train` first."""
    names = {shard.split for shard in manifest.shards if shard.kind == kind}
    return sorted(names, key=lambda name: (name != "train", name))


def _pair_configs(manifest: Manifest) -> list[dict[str, Any]]:
    splits = _splits(manifest, "preferences")
    files = [{"split": split, "path": f"{_PAIRS}/*/{split}-*.parquet"} for split in splits]
    return [{"config_name": _PAIRS, "data_files": files}] if files else []


def _pairs(manifest: Manifest) -> Counter[tuple[str, str]]:
    """Counts pairs by obligation class and split."""
    counts: Counter[tuple[str, str]] = Counter()
    for shard in manifest.shards:
        if shard.kind == "preferences":
            counts[shard.obligation_class, shard.split] += shard.records
    return counts
