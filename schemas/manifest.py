"""The manifest: the list of a corpus version's shards with digests, and what the run did."""

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
        path: Relative to the version's folder.
        kind: `records`, `preferences` (pairs of answers) or `rejected`.
        split: Split of its rows, or "" for rejected ones.
        obligation_class: Of its rows, or "" for rejected ones.
        records: Rows.
        bytes: Size.
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
        requests: Requests that the prompts and teachers make.
        accepted: Records of the corpus.
        rejected: By reason code.
        duplicates: Records that duplicate another one of this corpus.
        failed: By reason code: no answer that could be read.
        pending: Not asked, or asked without a final answer, for want of budget, quota or time.
        unread: Prompts that never became requests, by reason code; apart from the balance.
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
        """Requests that are accounted for."""
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
    """What the answers in a corpus cost, by what became of them.

    Attributes:
        usd: US dollars, of all answers.
        usd_accepted: Of the accepted ones.
        usd_rejected: Of the rejected ones, but for those that were cut short.
        usd_truncated: Of the rejected ones that were cut short: their limit of tokens was too low.
        usd_duplicates: Of the duplicates.
        usd_failed: Of those that could not be read.
        usd_uncertain: On top, the most that may have been paid for nothing: attempts that broke off
            after they were sent, answers that do not tell what they used, and further answers to a
            request that had one.
        prompt_tokens: Of the accepted ones, as the providers counted; 0 where they did not.
        completion_tokens: The same.
        rejected_prompt_tokens: Of all others together.
        rejected_completion_tokens: The same.
        usd_judge: Of the judge's answers, which `usd` includes and the others do not.
    """

    usd: float
    usd_accepted: float
    usd_rejected: float
    usd_truncated: float
    usd_duplicates: float
    usd_failed: float
    usd_uncertain: float
    prompt_tokens: int
    completion_tokens: int
    rejected_prompt_tokens: int
    rejected_completion_tokens: int
    usd_judge: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Removed:
    """What was taken out of a corpus to make this one.

    Attributes:
        where: What was selected, as it was written.
        records: How many records.
        sha256: Digest of their ids, sorted, a line each.
        preferences: How many pairs of answers, one of which at least was selected.
    """

    where: str
    records: int
    sha256: str
    preferences: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """An earlier version that the records were compared with.

    Attributes:
        name: Name of its run file.
        version: The version.
        sha256: Digest of its manifest.
        own: Whether it is an earlier version of this very corpus.
    """

    name: str
    version: str
    sha256: str
    own: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """One published state of a corpus.

    Its content decides the version's name, see `content`. The rest tells how it came about and
    may differ between two runs that gave the same corpus.

    Attributes:
        format: Version of this file's format.
        name: Name of the run file.
        version: First 16 hex digits of the SHA-256 of the content.
        schema_version: Version of the Arrow schema.
        purpose: The declared use, with all that it was judged by.
        unapproved: The run file's choice: `deny` or `allow`.
        config_digest: Digest of the run file.
        registry_digest: Digest of catalogue and registry at the time of the build.
        shards: Every file, by path.
        funnel: Where every request ended.
        spend: What it cost.
        pending_duties: What the records owe that falls due after collection.
        verdicts: The guard's verdicts at the time of the build.
        decisions: The guard's decisions that the records name: its verdicts for the days on which
            they were collected, by the same registry.
        run_id: The run that published it.
        created_at: When, ISO 8601 UTC.
        writer: Versions of stillroom, pyarrow and the writer's settings.
        parent: For a corpus that was withdrawn from: the version it was made of.
        removed: For the same: what was taken out.
        against: Earlier versions whose records went before those of this one.
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
        """Returns how many rows the shards of a kind hold."""
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
    """Returns the name that a manifest's content gives its version: 16 hex digits.

    Content is what a reader gets and may do with it: the shards, the use they were made for, what
    they owe, where every request ended, and which other corpora hold nothing of it. Dates, spend,
    and the names of runs are none; nor is an earlier version of the corpus itself, so that a run
    that adds nothing to it makes no new version.
    """
    content = {name: unstructure(getattr(manifest, name)) for name in _CONTENT}
    others = [unstructure(version) for version in manifest.against if not version.own]
    return digest(content | {"against": others})[:16]
