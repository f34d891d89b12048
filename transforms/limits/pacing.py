"""How much may be spent now, so that no minute exceeds its limit. Pure: the time is passed in.

Three rules together keep a known limit. Each does what the others cannot:

- The *minute* counts each amount as what was reserved, and once it is settled, as what was used.
  So no sliding minute exceeds the limit, whatever the answers turn out to be.
- *Ten seconds*, the short window, count each amount as what it is expected to use, then as what it
  used, and hold at most a sixth of the limit. If they counted what was reserved, a teacher whose
  answers are far shorter than allowed would be asked far too slowly.
- The *pace* spreads amounts within the ten seconds, from the first second. It is the generic cell
  rate algorithm (ITU-T I.371): each amount moves the time at which the next one is due.

Guaranteed: a minute never exceeds its limit. Ten seconds never exceed a sixth of it if all that is
reserved is used, as with requests. If answers vary, nothing is added to ten seconds that are full
by what is expected, but amounts in flight may turn out larger. Room is kept for that, by the errors
of earlier expectations: two standard deviations of the sum of what is in flight, but at most 3 %.
If fewer than 33 amounts fit into ten seconds, they cannot fill them exactly: such ten seconds
exceed their share by one amount at most, if it is as large as expected.

`ConcurrencyWindow` is for a limit that is not known: that of a busy server.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

MINUTE_SECONDS = 60.0
# Share of the limit that the pace aims at. The rest allows requests to arrive earlier or later than
# they were sent, without more than a sixth of the limit in ten seconds at the server.
TARGET_SHARE = 0.985
SHORT_WINDOW_SECONDS = 10.0
# Requests reach the server at other intervals than they leave us. So both windows are counted a
# little longer here, to hold there.
WINDOW_MARGIN = 1.01
# Standard deviations of what is in flight for which ten seconds keep room. Measured with 60,000
# tokens a minute, answers of 1 to 50 tokens and 500 ms: ten seconds exceeded their share by up to
# 1.4 % without any, and by 0.1 % with two; then 97 % of the limit was used. With more, less was.
STANDARD_DEVIATIONS = 2.0
# At most this share of ten seconds is kept free. Single amounts that are larger than that would
# leave more unused, if only whole ones fitted in: one more is let in, and the pace spaces them.
MAX_SPARE_SHARE = 0.03
# An amount that turns out small was paced too slowly. At most so much of that time is made up for.
CATCH_UP_SECONDS = 0.5
MAX_EARLY_SECONDS = 0.03  # the latest wake-up of an event loop that is not overloaded
# Weight of an answer in what is expected of the next. A larger weight follows the last few answers,
# and is then wrong in the same way about everything in flight.
LEARNING_RATE = 0.02
ROUNDING = 1e-6  # rounding errors of sums are smaller; amounts are whole numbers


@dataclass(slots=True, kw_only=True)
class PacedRequest:
    """What a request counts in one limit.

    Attributes:
        time: When it was sent, seconds.
        reserved: What was reserved for it.
        amount: What it counts in a minute: what was reserved, then what was used.
        paced: What it counts in ten seconds: what it is expected to use, then what was used.
        variance: Variance of what it is expected to use; 0 once that is known.
    """

    time: float
    reserved: int
    amount: int
    paced: float
    variance: float


class MinuteLimit:
    """Keeps one kind of amount, such as tokens, within a limit a minute.

    Args:
        limit: Largest sum in any 60 seconds.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._answers = _Answers()
        self._minute = _MinuteWindow(limit)
        self._short = _ShortWindow(limit)
        self._pace = _Pace(limit)

    def wait(self, amount: int, now: float) -> float:
        """Returns how long to wait before an amount may be spent.

        Args:
            amount: The most that may be used.
            now: Seconds, by a clock that never goes back.

        Returns:
            Seconds; 0 if it may be spent now, infinity if it is larger than the limit.
        """
        if amount > self.limit:
            return math.inf
        wanted = self._entry(amount, now)
        return max(self._minute.wait(wanted), self._short.wait(wanted), self._pace.wait(wanted))

    def spend(self, amount: int, now: float) -> PacedRequest:
        """Counts an amount whose `wait` is 0.

        Returns:
            The entry by which it is settled.
        """
        entry = self._entry(amount, now)
        self._minute.add(entry)
        self._short.add(entry)
        self._pace.add(entry)
        return entry

    def settle(self, entry: PacedRequest, used: int) -> None:
        """Replaces what was reserved by what was used, as of the time it was spent."""
        self._minute.settle(entry, used)
        self._short.settle(entry, used)
        self._pace.settle(entry, used)
        self._answers.learn(entry.reserved, used)
        entry.amount, entry.paced, entry.variance = used, used, 0.0

    def _entry(self, amount: int, now: float) -> PacedRequest:
        return PacedRequest(
            time=now,
            reserved=amount,
            amount=amount,
            paced=self._answers.expected(amount),
            variance=self._answers.variance(amount),
        )


class _Answers:
    """Mean and variance of the share of a reservation that is used; newer answers weigh more.

    It begins as if one answer had used all. The formulas are those of T. Finch, "Incremental
    calculation of weighted mean and variance" (2009), section 9; the first answers weigh the same.
    """

    def __init__(self) -> None:
        self._known = 1
        self._share = 1.0
        self._variance = 0.0

    def expected(self, amount: int) -> float:
        return amount * self._share

    def variance(self, amount: int) -> float:
        return amount * amount * self._variance

    def learn(self, reserved: int, used: int) -> None:
        if not (used and reserved):
            return  # a failure used nothing; that predicts nothing about answers
        self._known += 1
        rate = max(LEARNING_RATE, 1 / self._known)
        off = used / reserved - self._share
        self._share += rate * off
        self._variance = (1 - rate) * (self._variance + rate * off * off)


class _Recent:
    """What was spent within the last seconds, oldest first."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._log: deque[PacedRequest] = deque()
        self._forgotten = -math.inf  # time of the newest entry that was dropped
        self.amount = 0
        self.paced = self.variance = 0.0

    def add(self, entry: PacedRequest) -> None:
        self._log.append(entry)
        self.amount += entry.amount
        self.paced += entry.paced
        self.variance += entry.variance

    def settle(self, entry: PacedRequest, used: int) -> None:
        if entry.time > self._forgotten:
            self.amount += used - entry.amount
            self.paced += used - entry.paced
            self.variance -= entry.variance

    def forget(self, now: float) -> None:
        while self._log and self._log[0].time <= now - self._seconds:
            entry = self._log.popleft()
            self._forgotten = entry.time
            self.amount -= entry.amount
            self.paced -= entry.paced
            self.variance -= entry.variance
        if not self._log:
            self.paced = self.variance = 0.0

    def until(self, over: float, counted: Callable[[PacedRequest], float], now: float) -> float:
        """Returns the seconds until so much has left the window, or everything."""
        wait = 0.0
        for entry in self._log:
            if over <= ROUNDING:
                break
            over -= counted(entry)
            wait = entry.time + self._seconds - now
        return wait


class _MinuteWindow(_Recent):
    """Keeps the sum of the last minute within the limit."""

    def __init__(self, limit: int) -> None:
        super().__init__(MINUTE_SECONDS * WINDOW_MARGIN)
        self._limit = limit

    def wait(self, wanted: PacedRequest) -> float:
        self.forget(wanted.time)
        over = self.amount + wanted.amount - self._limit
        return self.until(over, lambda entry: entry.amount, wanted.time)


class _ShortWindow(_Recent):
    """Keeps the expected sum of the last ten seconds within their share of the limit."""

    def __init__(self, limit: int) -> None:
        super().__init__(SHORT_WINDOW_SECONDS * WINDOW_MARGIN)
        self._share = limit * SHORT_WINDOW_SECONDS / MINUTE_SECONDS

    def wait(self, wanted: PacedRequest) -> float:
        self.forget(wanted.time)
        over = self.paced + wanted.paced - self._room(wanted)
        return self.until(over, lambda entry: entry.paced, wanted.time)

    def _room(self, wanted: PacedRequest) -> float:
        few = MAX_SPARE_SHARE * self._share
        spare = min(STANDARD_DEVIATIONS * math.sqrt(max(0.0, self.variance + wanted.variance)), few)
        more = wanted.paced if wanted.paced > few else 0.0
        return self._share - spare + more


class _Pace:
    """Spreads what is spent evenly."""

    def __init__(self, limit: int) -> None:
        self._seconds_each = MINUTE_SECONDS / (limit * TARGET_SHARE)
        self._due = -math.inf
        self._saved = 0.0  # seconds by which it turned out to be due earlier

    def wait(self, wanted: PacedRequest) -> float:
        return max(0.0, self._due - self._early(wanted) - wanted.time)

    def add(self, entry: PacedRequest) -> None:
        # Time that passed for other reasons is not made up for.
        due = max(self._due, entry.time - min(self._saved, CATCH_UP_SECONDS))
        self._saved = max(0.0, entry.time - due)
        self._due = due + entry.paced * self._seconds_each

    def settle(self, entry: PacedRequest, used: int) -> None:
        earlier = (entry.paced - used) * self._seconds_each
        self._due -= earlier
        self._saved = max(0.0, self._saved + earlier)

    def _early(self, wanted: PacedRequest) -> float:
        """Returns the seconds by which an amount may be spent before it is due.

        This makes up for late wake-ups. It uses half of the room there is.
        """
        interval = wanted.paced * self._seconds_each
        # What `TARGET_SHARE` leaves of ten seconds, in which 10 / interval + 1 amounts fit.
        room = SHORT_WINDOW_SECONDS * (1.0 - TARGET_SHARE) - interval
        return min(max(0.0, room / 2), MAX_EARLY_SECONDS)


class ConcurrencyWindow:
    """How many requests may be in flight at once, by how the server responds.

    It begins at the ceiling, halves when the server is overloaded, and grows by one with each
    round trip of answers. Additive increase and multiplicative decrease share a bottleneck fairly
    among clients that do not communicate (Chiu and Jain, 1989; RFC 5681, 3.1). All requests in
    flight at a cut may be rejected for the same reason, so only one that was sent later cuts
    again: at most once a round trip.

    Args:
        ceiling: Most requests in flight at once.
    """

    def __init__(self, ceiling: int) -> None:
        self._ceiling = ceiling
        self._size = float(ceiling)
        self._sent = 0
        self._sent_at_cut = 0
        self._in_flight = 0

    @property
    def size(self) -> int:
        """Most requests in flight now, at least 1."""
        return int(self._size)

    def is_full(self) -> bool:
        """Returns whether another one would be too many. The caller keeps to the ceiling."""
        return self._size < self._ceiling and self._in_flight >= self.size

    def send(self) -> int:
        """Counts a request in flight; returns its number, from 1."""
        self._sent += 1
        self._in_flight += 1
        return self._sent

    def settle(self) -> None:
        """Counts a request that is no longer in flight."""
        self._in_flight -= 1

    def widen(self) -> None:
        """Notes an answer."""
        if self._size < self._ceiling:
            self._size = min(self._ceiling, self._size + 1 / self._size)

    def cut(self, number: int) -> None:
        """Notes that the server is overloaded.

        Args:
            number: The number of the request that it rejected for that.
        """
        if number > self._sent_at_cut:
            self._size = max(1.0, self._size / 2)
            self._sent_at_cut = self._sent
