"""Describes a corpus in Croissant 1.1, the JSON-LD format of MLCommons for data sets.

Source of names and shapes: docs.mlcommons.org/croissant/docs/croissant-spec-1.1.html.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from schemas.arrow import PREFERENCES, RECORDS
from schemas.manifest import Manifest
from transforms.corpus.facts import Facts

CONFORMS_TO = "http://mlcommons.org/croissant/1.1"

# The context of the specification's appendix 1; readers expect all of it.
_TERMS = """
    annotation arrayShape citeAs column containedIn equivalentProperty excludes extract field
    fileObject fileProperty fileSet format includes isArray isLiveDataset jsonPath key md5
    parentField path readLines recordSet references regex repeated replace samplingRate sdVersion
    separator source subField transform unArchive value
    """.split()  # noqa: SIM905 - forty lines would say no more
_CONTEXT: dict[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "sc": "https://schema.org/",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "dct": "http://purl.org/dc/terms/",
    "conformsTo": "dct:conformsTo",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "examples": {"@id": "cr:examples", "@type": "@json"},
    **{term: f"cr:{term}" for term in _TERMS},
}
_PARQUET = "application/x-parquet"
_FILES = "shards"
_PAIRS = "preferences"
_SPLIT_URLS = {
    "train": "cr:TrainingSplit",
    "validation": "cr:ValidationSplit",
    "test": "cr:TestSplit",
}


def render_croissant(manifest: Manifest, facts: Facts) -> dict[str, Any]:
    """Returns a description of a corpus: files with digests, fields, licence, use and duties.

    Args:
        manifest: The corpus's manifest.
        facts: Counts of its records by provenance.

    Returns:
        JSON-LD as plain data. Addresses are relative to the version's folder, since the address
        that it will be served from is unknown.
    """
    organisation = manifest.purpose.organisation.name
    creator = {"@type": "sc:Organization", "name": organisation} if organisation else None
    description = {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": CONFORMS_TO,
        "name": manifest.name,
        "description": (
            f"{facts.records} prompts with completions by {len(facts.teachers)} teacher models,"
            f" collected for the use {manifest.purpose.use}, each with its provenance."
        ),
        "url": "README.md",
        "creator": creator,
        "license": [_license(name) for name in sorted(facts.licenses)],
        "usageInfo": [f"{duty.kind}: {duty.text} ({duty.document})" for duty in facts.owed()],
        "datePublished": manifest.created_at,
        "version": manifest.version,
        "keywords": ["synthetic", "distillation"],
        "inLanguage": sorted(filter(None, facts.languages)),
        "distribution": [*_file_objects(manifest), *_file_sets(manifest)],
        "recordSet": [_splits(facts), *_record_sets(manifest)],
    }
    return {key: value for key, value in description.items() if value}


def _license(name: str) -> str:
    """Returns the address of an SPDX identifier; other licence texts are returned unchanged."""
    known = name.replace("-", "").replace(".", "").isalnum() and not name.startswith("LicenseRef")
    return f"https://spdx.org/licenses/{name}" if known else name


def _file_objects(manifest: Manifest) -> list[dict[str, Any]]:
    return [
        {
            "@type": "cr:FileObject",
            "@id": shard.path,
            "name": shard.path.rsplit("/", 1)[-1],
            "contentUrl": shard.path,
            "contentSize": f"{shard.bytes} B",
            "encodingFormat": _PARQUET,
            "sha256": shard.sha256,
        }
        for shard in manifest.shards
    ]


def _file_sets(manifest: Manifest) -> Iterator[dict[str, Any]]:
    what = "one folder an obligation class, one stem a split."
    yield _file_set(_FILES, f"The accepted records: {what}", "data/*/*.parquet")
    if manifest.rows("preferences"):
        yield _file_set(f"{_PAIRS}-{_FILES}", f"Pairs of answers: {what}", f"{_PAIRS}/*/*.parquet")


def _file_set(name: str, description: str, includes: str) -> dict[str, Any]:
    return {
        "@type": "cr:FileSet",
        "@id": name,
        "name": name,
        "description": description,
        "encodingFormat": _PARQUET,
        "includes": includes,
    }


def _splits(facts: Facts) -> dict[str, Any]:
    names = sorted({split for _, split in facts.partitions})
    return {
        "@type": "cr:RecordSet",
        "@id": "splits",
        "name": "splits",
        "dataType": "cr:Split",
        "key": {"@id": "splits/name"},
        "field": [
            {"@type": "cr:Field", "@id": "splits/name", "name": "name", "dataType": "sc:Text"},
            {"@type": "cr:Field", "@id": "splits/url", "name": "url", "dataType": "sc:URL"},
        ],
        "data": [
            {"splits/name": name, "splits/url": _SPLIT_URLS.get(name, "cr:Split")} for name in names
        ],
    }


def _record_sets(manifest: Manifest) -> Iterator[dict[str, Any]]:
    yield _record_set("records", RECORDS, _FILES)
    if manifest.rows("preferences"):
        yield _record_set(_PAIRS, PREFERENCES, f"{_PAIRS}-{_FILES}")


def _record_set(name: str, schema: pa.Schema, files: str) -> dict[str, Any]:
    return {
        "@type": "cr:RecordSet",
        "@id": name,
        "name": name,
        "key": {"@id": f"{name}/{schema.names[0]}"},
        "field": [_field(f"{name}/{f.name}", f, (files, f.name), ()) for f in schema],
    }


def _field(
    name: str, field: pa.Field, place: tuple[str, str], steps: tuple[str, ...]
) -> dict[str, Any]:
    """Describes a column of some files, or a field within one, with its inner fields.

    Args:
        name: Its id.
        field: Its name and type.
        place: The id of the files, and the name of the column.
        steps: Names that lead from the column to the field.
    """
    repeated = pa.types.is_list(field.type)
    kind = field.type.value_type if repeated else field.type
    described: dict[str, Any] = {"@type": "cr:Field", "@id": name, "name": field.name}
    if repeated:
        described |= {"isArray": True, "arrayShape": "-1"}
    if pa.types.is_struct(kind):
        inner = [f for f in kind if not _holds_rows(f)]
        return described | {
            "subField": [_field(f"{name}/{f.name}", f, place, (*steps, f.name)) for f in inner]
        }
    files, column = place
    if column == "split":
        described["references"] = {
            "field": {"@id": "splits/name"}
        }  # the reference reader requires it
    source: dict[str, Any] = {"fileSet": {"@id": files}, "extract": {"column": column}}
    if steps:
        source["transform"] = {"jsonPath": ".".join(steps)}
    return described | {"dataType": _data_type(kind), "source": source}


def _holds_rows(field: pa.Field) -> bool:
    """Whether a field within a column is a list of structs, which a Croissant path cannot reach.

    Such lists (terms, duties, generators, filters, the likeliest tokens) are described by the
    Parquet schema alone.
    """
    return bool(pa.types.is_list(field.type) and pa.types.is_struct(field.type.value_type))


def _data_type(kind: pa.DataType) -> str:
    if pa.types.is_integer(kind):
        return "sc:Integer"
    if pa.types.is_floating(kind):
        return "sc:Float"
    return "sc:DateTime" if pa.types.is_timestamp(kind) else "sc:Text"
