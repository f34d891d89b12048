"""The codes that records, reports and exit codes are counted by.

Each is a `StrEnum`, so files hold the plain string. Codes that are not ours stay strings: those of
a rule, `http_NNN` with a server's status, `batch_…` with a provider's code.
"""

from __future__ import annotations

from enum import StrEnum


class Stage(StrEnum):
    """Where a prompt or an answer was kept out of the corpus."""

    READ = "read"
    GUARD = "guard"
    ASK = "ask"
    PARSE = "parse"
    FILTER = "filter"
    DECONTAMINATE = "decontaminate"
    JUDGE = "judge"
    CHOOSE = "choose"
    DEDUPE = "dedupe"
    WITHDRAW = "withdraw"


class RowKind(StrEnum):
    """What the manifest counts a rejected row as."""

    REJECTED = "rejected"
    DUPLICATE = "duplicate"
    FAILED = "failed"
    UNREAD = "unread"  # a prompt that never became a request


class Reason(StrEnum):
    """Why a stage after asking rejects an answer. A rule's code is a reason too."""

    TERMS_AT_COLLECTION = "terms_at_collection"
    TERMS_AT_BUILD = "terms_at_build"
    SERVED_MODEL_DIFFERS = "served_model_differs"
    JUDGE_FAILED = "judge_failed"
    JUDGE_UNREADABLE = "judge_unreadable"
    JUDGED_LOW = "judged_low"
    NOT_BEST = "not_best"
    EXACT_DUPLICATE = "exact_duplicate"
    NEAR_DUPLICATE = "near_duplicate"
    WITHDRAWN = "withdrawn"


class UnreadReason(StrEnum):
    """Why a record of a prompt file is no prompt."""

    BROKEN_JSON = "broken_json"
    DUPLICATE_PROMPT = "duplicate_prompt"
    EMPTY_PROMPT = "empty_prompt"
    INVALID_UTF8 = "invalid_utf8"
    LONE_SURROGATE = "lone_surrogate"
    MISSING_FIELD = "missing_field"
    NO_LICENCE = "no_licence"
    NO_SOURCE = "no_source"
    WRONG_TYPE = "wrong_type"


class MalformedReason(StrEnum):
    """Why a body holds no answer that could be read."""

    DUPLICATE_KEY = "duplicate_key"
    EMPTY_BODY = "empty_body"
    ERROR_OBJECT = "error_object"
    HTML = "html"
    INVALID_UTF8 = "invalid_utf8"
    LONE_SURROGATE = "lone_surrogate"
    NOT_FINITE = "not_finite"
    NOT_JSON = "not_json"
    NO_CANDIDATES = "no_candidates"
    NO_CHOICES = "no_choices"
    NO_CONTENT = "no_content"
    NO_ID = "no_id"
    NO_MESSAGE = "no_message"
    NO_STATUS = "no_status"
    NO_TIME = "no_time"
    NULL_CONTENT = "null_content"
    NUL_CHARACTER = "nul_character"
    NUMBER_TOO_LONG = "number_too_long"
    TOO_DEEP = "too_deep"
    TRUNCATED_JSON = "truncated_json"
    WRONG_TYPE = "wrong_type"


class UsageDoubt(StrEnum):
    """Why the token counts of an answer are not as its server reports them."""

    CONTRADICTORY = "contradictory_usage"  # the dearer reading counts
    IMPLAUSIBLE = "implausible_usage"  # more than was asked for, which counts
    ZERO = "zero_usage"  # a zero that cannot be true: unknown


class Outcome(StrEnum):
    """What one attempt at a request brought, beside `http_NNN` and a provider's `batch_…`.

    A response with status 2xx that holds no answer has a `MalformedReason`.
    """

    ANSWER = "answer"  # a response with status 2xx that holds an answer, readable or not
    BAD_HTTP = "bad_http"
    BODY_TOO_LARGE = "body_too_large"
    CONNECTION_CLOSED = "connection_closed"
    CONNECTION_FAILED = "connection_failed"
    CONNECT_TIMEOUT = "connect_timeout"
    KEY_NOT_RENEWED = "key_not_renewed"
    LOST = "lost"  # about to be sent, or sent, when its process died
    OTHER_ANSWER = "other_answer"  # a response that names another request of ours
    REDIRECT = "redirect"
    TIMEOUT = "timeout"
    TLS_FAILED = "tls_failed"
    BATCH_CANCELLED = "batch_cancelled"
    BATCH_EXPIRED = "batch_expired"
    BATCH_FAILED = "batch_failed"
    BATCH_LOST = "batch_lost"
    BATCH_MISSING = "batch_missing"
    BATCH_REQUEST_TIMEOUT = "batch_request_timeout"
    BATCH_TOKEN_LIMIT_EXCEEDED = "batch_token_limit_exceeded"  # noqa: S105 - a code, no password


class StopReason(StrEnum):
    """Why a run or a route stopped asking although requests were left."""

    ACCESS = "access"  # the host withdrew access
    TERMS = "terms"  # the guard no longer permits it
    MONEY = "money"  # the account has no money left at the provider
    BUDGET = "budget"  # the run's own
    QUOTA = "quota"
    FAILING = "failing"  # nothing but failures came back
    UNREACHABLE = "unreachable"  # no connection to the host was ever made
    PROMPTS = "prompts"  # every prompt and sample was asked, and the target was not reached
    INTERRUPTED = "interrupted"


class ModelRole(StrEnum):
    """The part of a model in making a record."""

    TEACHER = "teacher"
    JUDGE = "judge"
    REWRITER = "rewriter"


class JudgeVerdict(StrEnum):
    """What a judge's score means for a record."""

    PASSED = "passed"
    LOW = "low"  # below the run's minimum
    UNREADABLE = "unreadable"


class DedupeMethod(StrEnum):
    """How the duplicates of a record were found."""

    NONE = "none"
    EXACT = "exact"
    NEAR = "near"


class Severity(StrEnum):
    """How grave a rule's finding is; the run's action does not change it."""

    DEFECT = "defect"  # spoils the record
    RISK = "risk"  # should not be published
    REMARK = "remark"  # for the reader to judge


class TermsState(StrEnum):
    """The state of a document of terms that a team relies on, on a day."""

    APPROVED = "approved"
    OPEN = "open"  # an open licence, which needs no approval
    UNAPPROVED = "unapproved"
    EXPIRED = "expired"
    UNKNOWN = "unknown"
    NOT_IN_FORCE = "not_in_force"


class TermsProblemKind(StrEnum):
    """What `terms check` reports of a document."""

    UNAPPROVED = "unapproved"
    EXPIRED = "expired"
    UNKNOWN = "unknown"
    NOT_IN_FORCE = "not_in_force"
    CHANGED = "changed"
    SUPERSEDED = "superseded"
    EXPIRING = "expiring"
    AUTHORISATION_ENDED = "authorisation_ended"
    AUTHORISATION_EXPIRING = "authorisation_expiring"
    UNREACHABLE = "unreachable"


class TextState(StrEnum):
    """How a document's newest text compares with the text that was read."""

    SAME = "same"
    CHANGED = "changed"
    UNREACHABLE = "unreachable"
    NOT_COMPARED = "not_compared"
