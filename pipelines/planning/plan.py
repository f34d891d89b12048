"""Plans a run: verdicts, requests, tokens, maximum cost and minimum time. Sends nothing."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any, TypeVar

from pipelines.planning.lookups import Standing, look_up
from pipelines.planning.other_settings import MOST_REQUESTS, OtherAnswers, other_answers
from schemas.codes import ModelRole
from schemas.errors import InputError
from schemas.files import unstructure
from schemas.inputs.registry import Route
from schemas.inputs.run import RunFile
from schemas.money import sum_known
from schemas.prompts import Prompt
from schemas.records import Rejected
from schemas.requests import Request
from schemas.terms import Verdict
from transforms.asking.repair import may_need_repair, repair_tokens
from transforms.guard.evaluate import Guard
from transforms.guard.obligations import contradictions
from transforms.judging.question import estimate_judging
from transforms.ledger import ReaderLike
from transforms.prompts.assign import assign_teachers
from transforms.prompts.evaluation import evaluation_index, holds_item, shared_files
from transforms.prompts.extent import widest_extent
from transforms.prompts.read import read_prompts
from transforms.providers.tokens import NO_TOKENS, Tokens, estimated_tokens

T = TypeVar("T")

_ANNOUNCED_EVERY = 1_000  # prompts; planned in a tenth of a second


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgeShare:
    """The most that the judge may be asked: to rate an answer to every request.

    How many answers it must rate is not known before the run.

    Attributes:
        requests: Requests to the judge.
        prompt_tokens: Tokens of its prompts, if each answer has the maximum length.
        max_completion_tokens: Tokens of its replies, if each has the maximum length.
        usd_max: US dollars; None if its price is unknown.
    """

    requests: int
    prompt_tokens: int
    max_completion_tokens: int
    usd_max: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a run would do. With a target: at its widest extent.

    Attributes:
        verdicts: The guard's answer for each model and prompt licence.
        contradictions: Duties that cannot all be met, in a sentence each.
        prompts: Prompts that can be asked.
        unread: Records of the prompt files that cannot, by reason.
        requests: All requests.
        in_ledger: Requests whose answer is in the ledger already.
        refused: Requests that are not asked, since the server refused them before.
        contaminated: Prompts that are not asked, since they hold an item of an evaluation set.
        withheld: Requests of these prompts without an answer.
        shared_files: Files that are both prompts and an evaluation set.
        other_answers: Answers to requests to send that the ledger holds under other settings.
        prompt_tokens: Tokens of the prompts to send, by our own count. This and the following
            figures include the judge's share.
        max_completion_tokens: Tokens of the completions, if each has the maximum length and each
            that may be repaired is.
        usd_max: US dollars for these tokens; None if a price is unknown.
        seconds_min: Seconds that the run takes at least, by the quotas of minutes.
        days_min: UTC days on which it asks at least, by the quotas of days.
        open_routes: Ids of the routes with requests to send.
        unpriced: Those of them whose price is unknown.
        judge: The judge's share; None without a judge.
    """

    verdicts: tuple[Verdict, ...]
    contradictions: tuple[str, ...]
    prompts: int
    unread: dict[str, int]
    requests: int
    in_ledger: int
    prompt_tokens: int
    max_completion_tokens: int
    usd_max: float | None
    seconds_min: float
    days_min: int
    open_routes: tuple[str, ...]
    unpriced: tuple[str, ...] = ()
    judge: JudgeShare | None = None
    refused: int = 0
    contaminated: int = 0
    withheld: int = 0
    shared_files: tuple[str, ...] = ()
    other_answers: tuple[OtherAnswers, ...] = ()

    @property
    def to_ask(self) -> int:
        """Number of requests to send."""
        return self.requests - self.in_ledger - self.refused - self.withheld

    @property
    def permitted(self) -> bool:
        """Whether every teacher may be asked and every duty can be met."""
        return all(verdict.permits for verdict in self.verdicts) and not self.contradictions

    def as_json(self) -> dict[str, Any]:
        """Returns the plan as the command line prints it."""
        plain: dict[str, Any] = unstructure(self)
        return plain | {"to_ask": self.to_ask}


@dataclass(slots=True)
class _Load:
    """The requests and tokens of one route."""

    requests: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    repairs: Tokens = NO_TOKENS

    def ask(self, request: Request) -> None:
        self.add(estimated_tokens(request))
        if may_need_repair(request):
            self.repairs += repair_tokens(request)

    def add(self, tokens: Tokens) -> None:
        self.requests += 1
        self.prompt_tokens += tokens.prompt
        self.completion_tokens += tokens.completion

    def usd(self, route: Route, batch: bool) -> float | None:
        price = route.price.in_batch() if batch else route.price
        if price.input_usd_per_million is None or price.output_usd_per_million is None:
            return None
        return (
            (self.prompt_tokens + self.repairs.prompt) * price.input_usd_per_million
            + (self.completion_tokens + self.repairs.completion) * price.output_usd_per_million
        ) / 1e6

    def days(self, route: Route, batch: bool) -> int:
        if batch:
            return 1
        quota, tokens = route.quota, self.prompt_tokens + self.completion_tokens
        parts = ((self.requests, quota.requests_per_day), (tokens, quota.tokens_per_day))
        return max((math.ceil(amount / limit) for amount, limit in parts if limit), default=1)

    def seconds(self, route: Route, batch: bool) -> float:
        if batch:  # a batch does not count against the quota
            return 0.0
        quota, tokens = route.quota, self.prompt_tokens + self.completion_tokens
        minutes = [
            amount / limit
            for amount, limit in (
                (self.requests, quota.requests_per_minute),
                (tokens, quota.tokens_per_minute),
                (self.prompt_tokens, quota.input_tokens_per_minute),
                (self.completion_tokens, quota.output_tokens_per_minute),
            )
            if limit
        ]
        return 60 * max(minutes, default=0.0)


@dataclass(slots=True)
class _Tally:
    prompts: int = 0
    requests: int = 0
    standings: Counter[Standing] = field(default_factory=Counter)
    open: list[Request] = field(default_factory=list)  # the first of them
    contaminated: int = 0
    unread: Counter[str] = field(default_factory=Counter)
    kinds: dict[tuple[str, bool], None] = field(default_factory=dict)
    loads: dict[str, _Load] = field(default_factory=lambda: defaultdict(_Load))
    judging: _Load = field(default_factory=_Load)


def make_plan(
    run: RunFile,
    guard: Guard,
    ledger: ReaderLike,
    today: date,
    counted: Callable[[int], object] = lambda _: None,
) -> Plan:
    """Plans a run.

    Args:
        run: The run file.
        guard: The guard.
        ledger: The answers of earlier runs.
        today: The day to decide for, UTC.
        counted: Called now and then with how many prompts are planned.

    Returns:
        The plan, also where terms refuse.

    Raises:
        InputError: A route is unknown, a prompt file is missing, or no prompt can be asked.
    """
    routes = {teacher.id: guard.route(teacher.id) for teacher in run.teachers}
    prompts = _announced(read_prompts(run.prompts, run.base), counted)
    tally = _count(run, routes, prompts, ledger)
    if not tally.prompts:
        raise InputError(
            "no prompt can be asked",
            where=run.path,
            found=", ".join(f"{count} x {reason}" for reason, count in tally.unread.items())
            or "no record",
            expected="at least one prompt in the files that `prompts` names",
        )
    verdicts = tuple(_verdicts(run, guard, today, tally.kinds))
    rounds = [
        [(routes[name], name in run.batch_routes, load) for name, load in tally.loads.items()]
    ]
    if run.judge:
        judging = run.judge.teacher
        rounds.append([(guard.route(judging.id), judging.mode == "batch", tally.judging)])
    loads = [load for each in rounds for load in each]
    return Plan(
        verdicts=verdicts,
        contradictions=tuple(contradictions(verdicts, run.purpose)),
        prompts=tally.prompts,
        unread=dict(tally.unread),
        requests=tally.requests,
        in_ledger=tally.standings[Standing.ANSWERED],
        refused=tally.standings[Standing.REFUSED],
        contaminated=tally.contaminated,
        withheld=tally.standings[Standing.WITHHELD],
        shared_files=shared_files(run),
        other_answers=other_answers(tally.open, run.system, ledger),
        prompt_tokens=sum(load.prompt_tokens for *_, load in loads),
        max_completion_tokens=sum(
            load.completion_tokens + load.repairs.completion for *_, load in loads
        ),
        usd_max=sum_known(load.usd(route, batch) for route, batch, load in loads),
        seconds_min=sum(
            max((load.seconds(route, batch) for route, batch, load in each), default=0.0)
            for each in rounds
        ),
        days_min=max((load.days(route, batch) for route, batch, load in loads), default=1),
        open_routes=tuple(sorted({route.id for route, *_ in loads})),
        unpriced=tuple(sorted({route.id for route, *_ in loads if not route.price.known})),
        judge=_share(*rounds[1][0]) if run.judge else None,
    )


def _share(route: Route, batch: bool, load: _Load) -> JudgeShare:
    return JudgeShare(
        requests=load.requests,
        prompt_tokens=load.prompt_tokens,
        max_completion_tokens=load.completion_tokens,
        usd_max=load.usd(route, batch),
    )


def _verdicts(
    run: RunFile, guard: Guard, today: date, kinds: Iterable[tuple[str, bool]]
) -> Iterator[Verdict]:
    """Yields one verdict a model and kind of prompt, each distinct one once.

    A kind is a licence that was found, and whether its prompts are confidential.
    """
    kinds = tuple(kinds)
    seen = set()
    asked = [(teacher.id, run.purpose) for teacher in run.teachers]
    if run.judge:
        asked.append((run.judge.teacher.id, run.purpose.of(ModelRole.JUDGE)))
    for name, purpose in asked:
        for license_, confidential in kinds:
            verdict = guard.decide(
                name,
                purpose,
                today,
                prompt_license=license_,
                confidential=confidential,
            )
            if verdict.decision_id not in seen:
                seen.add(verdict.decision_id)
                yield verdict


def _announced(prompts: Iterable[T], counted: Callable[[int], object]) -> Iterator[T]:
    for number, prompt in enumerate(prompts, 1):
        yield prompt
        if number % _ANNOUNCED_EVERY == 0:
            counted(number)


def _count(
    run: RunFile,
    routes: Mapping[str, Route],
    prompts: Iterable[Prompt | Rejected],
    ledger: ReaderLike,
) -> _Tally:
    tally = _Tally()
    for found in look_up(_requests(run, routes, prompts, tally), ledger, routes):
        tally.requests += 1
        tally.standings[found.standing] += 1
        if found.standing is Standing.OPEN and len(tally.open) < MOST_REQUESTS:
            tally.open.append(found.request)
        if found.following is not None:
            tally.loads[found.request.teacher].ask(found.following)
        if run.judge and found.may_pass:
            tokens = estimated_tokens(found.request)
            tally.judging.add(estimate_judging(tokens, run.judge))
    return tally


def _requests(
    run: RunFile,
    routes: Mapping[str, Route],
    prompts: Iterable[Prompt | Rejected],
    tally: _Tally,
) -> Iterator[tuple[Request, bool]]:
    """Yields each request with whether its prompt holds an evaluation item; counts the prompts."""
    extent, evaluation = widest_extent(run), evaluation_index(run)
    for prompt in prompts:
        if isinstance(prompt, Rejected):
            tally.unread[prompt.reason] += 1
            continue
        tally.prompts += 1
        tally.kinds[prompt.license, prompt.confidential] = None
        contaminated = holds_item(evaluation, prompt.messages)
        tally.contaminated += contaminated
        for request in assign_teachers(prompt, run, routes, extent):
            yield request, contaminated
