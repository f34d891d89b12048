"""The rows of a corpus: records with their provenance, pairs of answers, and rejected rows.

Field names here, in `arrow.py` and in `record.schema.json` are the same; a test compares them.
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
    """The model that wrote the record: the one requested, and the one that the server reports."""

    route: str
    api: str
    host: str
    requested_model: str
    response_model: str
    revision: str
    system_fingerprint: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestProvenance:
    """The request, with its times in milliseconds since 1970 UTC."""

    id: str
    sample_index: int
    parameters: str
    sent_at: int
    received_at: int
    attempts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponseProvenance:
    """The response: `sha256` of its body as received, and its cost `usd`, NaN if unknown.

    Tokens are as the provider counted them, see `Usage`. If the answer is a follow-up to one that
    violated its JSON Schema, `repair_of` is the `sha256` of that first answer, and tokens and cost
    are those of both; else it is "".
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
    """A model that wrote, rewrote or judged the record, and its role."""

    role: ModelRole
    route: str
    model: str
    decision_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PipelineProvenance:
    """Version of stillroom, digest of the run file, and run that collected the answer."""

    version: str
    config_digest: str
    collected_run: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A place in a text: characters `start` to `end`, end excluded, of a part.

    The part is `completion`, `reasoning` or `message` with its number in the prompt, from 1.
    Characters are counted in the text as received, before redaction.
    """

    part: str
    start: int
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedFinding:
    """What a rule found in a record.

    Attributes:
        rule: Name of the rule.
        version: Version of the rule; it rises when the rule finds something else.
        code: Code of the finding, one of the rule's.
        action: What follows: `drop`, `quarantine`, `redact` or `tag`.
        value: The measured number; None if nothing is measured.
        finding: The finding in a sentence, for a person.
        severity: How grave the finding is.
        span: Its place; None if it is about the whole record.
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
    """A judge's rating of the record.

    Attributes:
        route: The judge's route.
        model: The model that the server reports.
        request_id: Id of the request to the judge, which the ledger holds with its response.
        decision_id: The guard's decision for the use `select`, on the day of the request.
        judged_at: When the request was sent, milliseconds since 1970 UTC.
        criteria: The criteria that the judge was given.
        lowest: The worst score on the scale.
        highest: The best score on the scale.
        score: The score; None if none could be read.
        verdict: What the score means for the record.
        rationale: The judge's text without the score.
        usd: Cost of the rating; NaN if unknown.
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
    """The cluster of duplicates that this record represents: name, size, and how it was found."""

    cluster: str
    size: int
    method: DedupeMethod


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """Where a record comes from, and what it owes."""

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
        reasoning: The model's reasoning, without the answer.
        tool_calls: The tool calls in the answer. The tools are in the request's parameters.
        language: ISO 639-1 code of the completion's language; "" if it is not clear.
        split: `train`, `validation`, …
        tags: Codes of the findings that tag.
        counted_tokens: Tokens of the completion by our own count (tiktoken, cl100k_base).
        logprobs: Log probabilities of the answer's tokens; empty if the request asks for none.
        provenance: Where it comes from.
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
    """An answer, or a prompt, that is not in the corpus, and why. It is kept, as it was paid for.

    Attributes:
        record_id: The request's id; "" for a prompt without a request.
        prompt_id: The prompt's id; "" if the prompt could not be read.
        stage: The stage that rejected it.
        kind: What the manifest counts it as.
        reason: Reason code: one of `schemas.codes`, an outcome of asking, or a rule's own.
        detail: The reason in a sentence, for a person. No code reads it.
        file: Prompt file.
        line: Line in the prompt file; None for an answer.
        teacher: Route asked, or "".
        sample_index: Number of the sample, or None.
        messages: The conversation asked.
        completion: The answer, or "".
        reasoning: The model's reasoning, or "".
        tool_calls: The tool calls in the answer.
        usd: Cost of the answer; NaN if unknown.
        finish_reason: Why the answer ended; "" without an answer.
        prompt_tokens: Tokens of the prompt as the provider counted; None if it did not.
        completion_tokens: Tokens of the completion, the same.
        findings: Findings of the rules.
        witness: For a duplicate, the id of the record that stays. For a sample that is not the
            best, the id of the best one.
        similarity: For a duplicate, the similarity to that record, from 0 to 1.
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
    """Returns the id of a pair: the digest of the ids of its chosen and its rejected side."""
    return digest([chosen_id, rejected_id])


@dataclass(frozen=True, slots=True, kw_only=True)
class Preference:
    """A better and a worse answer to one prompt, in TRL's conversational preference format.

    Attributes:
        pair_id: Digest of the ids of the two answers.
        prompt_id: The id of the prompt.
        prompt: The conversation asked.
        chosen: The turn with the better answer.
        rejected: The turn with the worse answer.
        chosen_id: Id of the better answer, a record of the corpus.
        rejected_id: Id of the worse answer, a record of the corpus or a rejected row.
        chosen_score: Score of the better answer.
        rejected_score: Score of the worse answer.
        chosen_by: What scored both: `judge`, or the name of a rule.
        split: `train`, `validation`, …
        chosen_provenance: Provenance of the better answer.
        rejected_provenance: Provenance of the worse answer.
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
