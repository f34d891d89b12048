"""A record of the corpus with its whole provenance, a pair of them, and a rejected record.

Field names here, in `arrow.py` and in `record.schema.json` are the same; a test holds them equal.
"""

from __future__ import annotations

from dataclasses import dataclass

from schemas.canonical import digest
from schemas.codes import DedupeMethod, JudgeVerdict, ModelRole, RowKind, Severity, Stage
from schemas.logprobs import Logprobs
from schemas.manifest import Compared
from schemas.prompts import Message
from schemas.responses import ToolCall
from schemas.terms import Duty, TermsVersion


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptProvenance:
    """Where the prompt came from; see `Prompt`."""

    source: str
    license: str
    file: str
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TeacherProvenance:
    """Which model wrote the record, as asked for and as answered."""

    route: str
    api: str
    host: str
    requested_model: str
    response_model: str
    revision: str
    system_fingerprint: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestProvenance:
    """What was asked, and when; times in milliseconds since 1970 UTC."""

    id: str
    sample_index: int
    parameters: str
    sent_at: int
    received_at: int
    attempts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponseProvenance:
    """What came back; `sha256` is that of the body as received, `usd` what it cost.

    Tokens are as the provider counted them, see `Usage`. `repair_of` is the `sha256` of the first
    answer, which violated its JSON Schema and was asked for once more; tokens and cost are then
    those of both. Else it is "".
    """

    id: str
    finish_reason: str
    prompt_tokens: int | None
    completion_tokens: int | None
    cached_tokens: int | None
    reasoning_tokens: int | None
    usd: float
    sha256: str
    repair_of: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionProvenance:
    """The guard's decision at the moment of collection."""

    id: str
    use: str
    registry_digest: str
    decided_at: int
    authorisations: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Generator:
    """A model that touched the record, and in which role."""

    role: ModelRole
    route: str
    model: str
    decision_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PipelineProvenance:
    """Which stillroom, with which run file, collected the answer in which run."""

    version: str
    config_digest: str
    collected_run: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where something stood: characters `start` to `end`, the end excluded, of a part.

    The part is `completion`, `reasoning` or `message` with its number in the prompt, from 1. The
    characters are those of the text as it was received, before anything in it was redacted.
    """

    part: str
    start: int
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedFinding:
    """What a rule found in a record.

    Attributes:
        rule: Name of the rule.
        version: Version of the rule: raised when its answers change.
        code: What was found, in a word: a rule may know several.
        action: What it led to: `drop`, `quarantine`, `redact` or `tag`.
        value: The measured number, or None where there is nothing to measure.
        finding: What was found, for a person.
        severity: How grave the rule holds it to be, whatever the run made of it.
        span: Where it stands, or None where it is the record as a whole.
    """

    rule: str
    version: int
    code: str
    action: str
    value: float | None
    finding: str
    severity: Severity = Severity.REMARK
    span: Place | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What a judge answered when it was asked to rate the record.

    Attributes:
        route: The route asked.
        model: The model that answered, by its own account.
        request_id: The judge's request: the ledger holds what was asked and what came back.
        decision_id: The guard's decision, for the use `select`, on the day on which it was asked.
        judged_at: When it was asked, milliseconds since 1970 UTC.
        criteria: What it was asked to rate.
        lowest: The worst score that there was to give.
        highest: The best.
        score: The score given; None where none could be read.
        verdict: What the score means.
        rationale: What it said beside the score.
        usd: What asking it cost.
    """

    route: str
    model: str
    request_id: str
    decision_id: str
    judged_at: int
    criteria: str
    lowest: int
    highest: int
    score: float | None
    verdict: JudgeVerdict
    rationale: str
    usd: float


@dataclass(frozen=True, slots=True)
class DedupeProvenance:
    """The cluster the record stands for: its name, its size, and how it was found."""

    cluster: str
    size: int
    method: DedupeMethod


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """Everything that explains a record."""

    prompt: PromptProvenance
    teacher: TeacherProvenance
    request: RequestProvenance
    response: ResponseProvenance
    terms: tuple[TermsVersion, ...]
    decision: DecisionProvenance
    duties: tuple[Duty, ...]
    obligation_class: str
    generators: tuple[Generator, ...]
    pipeline: PipelineProvenance
    filters: tuple[RecordedFinding, ...]
    judgements: tuple[Judgement, ...]
    dedupe: DedupeProvenance


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One record of the corpus.

    Attributes:
        record_id: The id of the request that it answers.
        prompt_id: The id of the prompt.
        messages: The whole conversation, the completion last.
        completion: The answer alone.
        reasoning: What the model thought before it, kept apart.
        tool_calls: The calls of tools that the answer asks for; the tools stand in the request's
            parameters.
        language: ISO 639-1 code of the completion's language, or "" where it cannot be told.
        split: `train`, `validation`, …
        tags: Codes of the findings that tag.
        counted_tokens: Tokens of the completion by our own count (tiktoken, cl100k_base).
        logprobs: Log probabilities of the answer's tokens; empty where they were not asked for.
        provenance: Everything that explains it.
    """

    record_id: str
    prompt_id: str
    messages: tuple[Message, ...]
    completion: str
    reasoning: str
    tool_calls: tuple[ToolCall, ...]
    language: str
    split: str
    tags: tuple[str, ...]
    counted_tokens: int
    logprobs: Logprobs
    provenance: Provenance


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejected:
    """What did not make it into the corpus, and why. It was paid for, so it is kept.

    Attributes:
        record_id: The request's id, or "" where no request came of a prompt.
        prompt_id: The prompt's id, or "" where it could not be read.
        stage: Where it ended.
        kind: What the manifest counts it as.
        reason: Reason code: one of `schemas.codes`, an outcome of asking, or a rule's own.
        detail: What was found, for a person.
        file: Prompt file.
        line: Line in it.
        teacher: Route asked, or "".
        sample_index: Which sample, or None.
        messages: The conversation asked.
        completion: The answer, or "".
        reasoning: What the model thought before it, or "".
        tool_calls: The calls of tools that the answer asks for.
        usd: What it cost.
        finish_reason: Why the answer ended; "" where there is none.
        prompt_tokens: As the provider counted; None where it did not.
        completion_tokens: The same.
        findings: What the rules found.
        witness: For a duplicate: the id of the surviving record that it duplicates. For a sample
            that was not the best: the id of the best one.
        similarity: For a duplicate: how alike the two are, from 0 to 1.
    """

    record_id: str
    prompt_id: str
    stage: Stage
    kind: RowKind
    reason: str
    detail: str
    file: str
    line: int | None
    teacher: str
    sample_index: int | None
    messages: tuple[Message, ...]
    completion: str
    reasoning: str
    tool_calls: tuple[ToolCall, ...]
    usd: float
    finish_reason: str
    prompt_tokens: int | None
    completion_tokens: int | None
    findings: tuple[RecordedFinding, ...]
    witness: str
    similarity: float | None


def duplicate_detail(witness: str, of: Compared | None = None) -> str:
    """Returns the `detail` of a duplicate's row.

    Args:
        witness: Id of the record that stays.
        of: The earlier version of a corpus that holds the witness; None for this corpus's own.
    """
    return f"duplicates {witness}" + (f" of {of.name} version {of.version}" if of else "")


def pair_id(chosen_id: str, rejected_id: str) -> str:
    """Returns the id of a pair of answers: the digest of their ids, the better one's first."""
    return digest([chosen_id, rejected_id])


@dataclass(frozen=True, slots=True, kw_only=True)
class Preference:
    """A better and a worse answer to one prompt, in TRL's conversational preference format.

    Attributes:
        pair_id: Digest of the ids of the two answers.
        prompt_id: The id of the prompt.
        prompt: The conversation asked.
        chosen: The turn that answers it better.
        rejected: The turn that answers it worse.
        chosen_id: The better answer's id: a record of the corpus.
        rejected_id: The worse answer's id: a record of the corpus, or a rejected one.
        chosen_score: What the better answer scores.
        rejected_score: What the worse answer scores.
        chosen_by: What scored them: `judge`, or the name of a rule.
        split: `train`, `validation`, …
        chosen_provenance: Everything that explains the better answer.
        rejected_provenance: Everything that explains the worse answer.
    """

    pair_id: str
    prompt_id: str
    prompt: tuple[Message, ...]
    chosen: tuple[Message, ...]
    rejected: tuple[Message, ...]
    chosen_id: str
    rejected_id: str
    chosen_score: float
    rejected_score: float
    chosen_by: str
    split: str
    chosen_provenance: Provenance
    rejected_provenance: Provenance
