"""The manifest of a corpus version: its shards with digests, counts, costs and decisions."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from schemas.canonical import digest
from schemas.files import unstructure
from schemas.purpose import Purpose
from schemas.terms import Duty, Verdict

FORMAT = 1

Kind = Literal["records", "preferences", "rejected"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shard:
    """One Parquet file of the corpus.

    Attributes:
        path: Path relative to the version's folder.
        kind: `records`, `preferences` (pairs of answers) or `rejected`.
        split: Split of its rows; "" for rejected ones.
        obligation_class: Obligation class of its rows; "" for rejected ones.
        records: Number of rows.
        bytes: Size of the file.
        sha256: Digest of the file.
    """

    path: str
    kind: Kind
    split: str
    obligation_class: str
    records: int
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Funnel:
    """Where every request ended. It must balance.

    Attributes:
        requests: Requests of the run: prompts x teachers x samples.
        accepted: Records of the corpus.
        rejected: Rejected answers, by reason code.
        duplicates: Answers that duplicate a record of this corpus or of an earlier version.
        failed: Requests without an answer that can be parsed, by reason code.
        pending: Requests without a final answer: budget, quota or time ended first.
        unread: Prompts without a request, by reason code; not part of the balance.
    """

    requests: int
    accepted: int
    rejected: dict[str, int] = field(default_factory=dict)
    duplicates: int = 0
    failed: dict[str, int] = field(default_factory=dict)
    pending: int = 0
    unread: dict[str, int] = field(default_factory=dict)

    @property
    def ended(self) -> int:
        """Sum of all places where a request can end."""
        return (
            self.accepted
            + sum(self.rejected.values())
            + self.duplicates
            + sum(self.failed.values())
            + self.pending
        )

    @property
    def balances(self) -> bool:
        """Whether every request ended in exactly one place."""
        return self.ended == self.requests


@dataclass(frozen=True, slots=True, kw_only=True)
class SpendSummary:
    """Cost of the answers of a corpus, in US dollars, and their tokens.

    Attributes:
        usd: Cost of all answers, with the judge's.
        usd_accepted: Cost of the accepted answers.
        usd_rejected: Cost of the rejected answers, without `usd_truncated`.
        usd_truncated: Cost of rejected answers that reached their limit of tokens.
        usd_duplicates: Cost of the duplicates.
        usd_failed: Cost of answers that could not be parsed.
        usd_uncertain: Most that may have been paid in addition: for attempts that broke off,
            answers without token counts, and second answers to the same request.
        prompt_tokens: Tokens of the accepted answers' prompts, as the providers counted; 0 if they
            did not.
        completion_tokens: Tokens of the accepted answers, the same.
        rejected_prompt_tokens: Tokens of all other answers' prompts, the same.
        rejected_completion_tokens: Tokens of all other answers, the same.
        usd_judge: Cost of the judge's answers; part of `usd` alone.
    """

    usd: float | None
    usd_accepted: float | None
    usd_rejected: float | None
    usd_truncated: float | None
    usd_duplicates: float | None
    usd_failed: float | None
    usd_uncertain: float | None
    prompt_tokens: int
    completion_tokens: int
    rejected_prompt_tokens: int
    rejected_completion_tokens: int
    usd_judge: float | None = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Removed:
    """What a withdrawal removed from the parent version.

    Attributes:
        where: The selection, as the user wrote it.
        records: Number of records.
        sha256: Digest of their ids, sorted, one per line.
        preferences: Number of pairs with a removed side.
    """

    where: str
    records: int
    sha256: str
    preferences: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """An earlier version that the records were compared with.

    Attributes:
        name: Name of its run.
        version: Name of the version.
        sha256: Digest of its manifest.
        own: Whether it is an earlier version of this corpus.
    """

    name: str
    version: str
    sha256: str
    own: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """One published version of a corpus.

    Some fields make its name, see `version_of`. The others, such as dates and costs, may differ
    between two runs with the same corpus.

    Attributes:
        format: Version of this file's format.
        name: Name of the run file.
        version: First 16 hex digits of the SHA-256 of the content.
        schema_version: Version of the Arrow schema.
        purpose: The declared use, as the guard judged it.
        unapproved: The run file's choice: `deny` or `allow`.
        config_digest: Digest of the run file.
        registry_digest: Digest of catalogue and registry at the time of the build.
        shards: Every file, by path.
        funnel: Where every request ended.
        spend: Cost of the answers.
        pending_duties: Duties of the records that are due after collection.
        verdicts: The guard's verdicts at the time of the build.
        decisions: The decisions that the records name: the guard's verdicts for the days of
            collection, by the same registry.
        run_id: The run that published it.
        created_at: When, ISO 8601 UTC.
        writer: Versions of stillroom, pyarrow and the writer's settings.
        parent: After a withdrawal, the version from which records were removed; else None.
        removed: After a withdrawal, what was removed; else None.
        against: Earlier versions that the records were compared with; their records are kept.
    """

    format: int
    name: str
    version: str
    schema_version: int
    purpose: Purpose
    unapproved: Literal["deny", "allow"]
    config_digest: str
    registry_digest: str
    shards: tuple[Shard, ...]
    funnel: Funnel
    spend: SpendSummary
    pending_duties: tuple[Duty, ...]
    verdicts: tuple[Verdict, ...]
    run_id: str
    created_at: str
    writer: dict[str, str]
    decisions: tuple[Verdict, ...] = ()
    parent: str | None = None
    removed: Removed | None = None
    against: tuple[Compared, ...] = ()

    def rows(self, kind: Kind) -> int:
        """Returns the number of rows in the shards of a kind."""
        return sum(shard.records for shard in self.shards if shard.kind == kind)


@dataclass(frozen=True, slots=True, kw_only=True)
class Latest:
    """The pointer to a corpus's newest version, written last.

    Attributes:
        version: Name of the version.
        manifest: Path of its manifest, relative to the corpus's folder.
        sha256: Digest of that file.
    """

    version: str
    manifest: str
    sha256: str


_CONTENT = (
    "format",
    "schema_version",
    "purpose",
    "unapproved",
    "shards",
    "funnel",
    "pending_duties",
    "parent",
    "removed",
)


def version_of(manifest: Manifest) -> str:
    """Returns the name of a version, 16 hex digits, from the content of its manifest.

    Content is what matters to a reader: the shards, the declared use, duties, counts, and the other
    corpora that were compared with. Dates, costs and names of runs do not count, nor do earlier
    versions of the same corpus: a run that adds nothing makes no new version.
    """
    content = {name: unstructure(getattr(manifest, name)) for name in _CONTENT}
    others = [unstructure(version) for version in manifest.against if not version.own]
    return digest(content | {"against": others})[:16]
