"""How much may be spent now, so that no minute sees more than its limit: pure, time passed in.

For a limit that is known, three rules together, of which each does what the others cannot:

- The *minute* holds every amount spent in it, at what was reserved until it is settled to what was
  used. It makes the limit exact over any sliding minute, whatever the answers turn out to be.
- *Ten seconds* hold what each amount is likely to use, then what it did use, and see no more than a
  sixth of the limit. By reserved amounts a teacher whose answers are far shorter than allowed
  would be asked far too slowly.
- The *pace* spreads what is spent within them, from the first second. It is the generic cell rate
  algorithm (ITU-T I.371): each amount moves on the time at which the next one is due.

What is guaranteed, and what is likely: a minute is never over its limit. Ten seconds are never over
a sixth of it where what is reserved is what is used, as with requests. Where answers vary, nothing
is added to ten seconds that are full by what is likely; what is in flight may yet turn out larger.
For that, room is kept by how far off answers were before: two standard deviations of the sum of
what is in flight, but no more than 3 %. Amounts of which fewer than 33 fit into ten seconds cannot
fill them exactly: such ten seconds are over by one of them at most, if it is as large as likely.

For a limit that nobody named, a server that is merely busy, there is `Window`.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

MINUTE_SECONDS = 60.0
# Share of the limit that the pace aims at. What is left lets requests arrive earlier or later than
# they were sent without crowding ten seconds at the server.
TARGET_SHARE = 0.985
SHORT_WINDOW_SECONDS = 10.0
# Requests reach the server at other intervals than they leave us; a window a little longer than a
# minute here holds for a minute there, and so do ten seconds.
WINDOW_MARGIN = 1.01
# Standard deviations of what is in flight for which ten seconds keep room. Of 60,000 tokens a
# minute in answers of 1 to 50, at 500 ms: without any, ten seconds were up to 1.4 % over; with two
# 0.1 %, and 97 % of the limit was used; with more of them, less was.
STANDARD_DEVIATIONS = 2.0
# No more than this share of ten seconds is kept free. Amounts that are larger would leave more of
# them unused, if only whole ones might fit: then one more is let in, and the pace spaces them.
MAX_SPARE_SHARE = 0.03
# Time that passed before an amount turned out small is not lost: so much of it is made up for.
CATCH_UP_SECONDS = 0.5
MAX_EARLY_SECONDS = 0.03  # an event loop that is not overloaded wakes us no later than this
# Weight of an answer in what is expected of the next. A larger one takes the last few for all, and
# is then wrong in the same way about everything in flight.
LEARNING_RATE = 0.02
ROUNDING = 1e-6  # amounts are whole; sums of likely ones are off by less than this


@dataclass(slots=True)
class PacedRequest:
    """An amount that was spent.

    Attributes:
        time: When, seconds.
        reserved: How much was reserved for it.
        amount: How much it counts in a minute: what was reserved, then what was used.
        paced: How much it counts in ten seconds: what was likely to be used, then what was.
        doubt: Variance of what is likely to be used; 0 once that is known.
    """

    time: float
    reserved: int
    amount: int
    paced: float
    doubt: float


class MinuteLimit:
    """Holds one kind of amount, such as tokens, to a limit a minute.

    Args:
        limit: Largest sum in any 60 seconds.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._answers = _Answers()
        self._minute = _Minute(limit)
        self._even = _Even(limit)
        self._pace = _Pace(limit)

    def wait(self, amount: int, now: float) -> float:
        """Returns how long to wait before an amount may be spent.

        Args:
            amount: The most that it can come to.
            now: Seconds, by a clock that never goes back.

        Returns:
            Seconds, 0 for none; infinity for an amount beyond the limit.
        """
        if amount > self.limit:
            return math.inf
        wanted = self._entry(amount, now)
        return max(self._minute.wait(wanted), self._even.wait(wanted), self._pace.wait(wanted))

    def spend(self, amount: int, now: float) -> PacedRequest:
        """Spends an amount for which there is nothing to wait for.

        Returns:
            The entry, by which it is settled.
        """
        entry = self._entry(amount, now)
        self._minute.add(entry)
        self._even.add(entry)
        self._pace.add(entry)
        return entry

    def settle(self, entry: PacedRequest, used: int) -> None:
        """Puts what was used in place of what was reserved, as of the time it was spent."""
        self._minute.settle(entry, used)
        self._even.settle(entry, used)
        self._pace.settle(entry, used)
        self._answers.learn(entry.reserved, used)
        entry.amount, entry.paced, entry.doubt = used, used, 0.0

    def _entry(self, amount: int, now: float) -> PacedRequest:
        return PacedRequest(
            now, amount, amount, self._answers.likely(amount), self._answers.doubt(amount)
        )


class _Answers:
    """What is used of what was reserved: its mean and its variance, newer answers weighing more.

    It begins as if one had used all. The incremental formulas are those of T. Finch, "Incremental
    calculation of weighted mean and variance" (2009), section 9; until enough are known, all
    weigh the same.
    """

    def __init__(self) -> None:
        self._known = 1
        self._share = 1.0
        self._variance = 0.0

    def likely(self, amount: int) -> float:
        return amount * self._share

    def doubt(self, amount: int) -> float:
        return amount * amount * self._variance

    def learn(self, reserved: int, used: int) -> None:
        if not (used and reserved):
            return  # one that failed used nothing, and says nothing of the others
        self._known += 1
        rate = max(LEARNING_RATE, 1 / self._known)
        off = used / reserved - self._share
        self._share += rate * off
        self._variance = (1 - rate) * (self._variance + rate * off * off)


class _Recent:
    """What was spent within some seconds, oldest first."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._log: deque[PacedRequest] = deque()
        self._forgotten = -math.inf  # time of the newest entry that has left
        self.amount = 0
        self.paced = self.doubt = 0.0

    def add(self, entry: PacedRequest) -> None:
        self._log.append(entry)
        self.amount += entry.amount
        self.paced += entry.paced
        self.doubt += entry.doubt

    def settle(self, entry: PacedRequest, used: int) -> None:
        if entry.time > self._forgotten:
            self.amount += used - entry.amount
            self.paced += used - entry.paced
            self.doubt -= entry.doubt

    def forget(self, now: float) -> None:
        while self._log and self._log[0].time <= now - self._seconds:
            entry = self._log.popleft()
            self._forgotten = entry.time
            self.amount -= entry.amount
            self.paced -= entry.paced
            self.doubt -= entry.doubt
        if not self._log:
            self.paced = self.doubt = 0.0

    def until(self, over: float, counted: Callable[[PacedRequest], float], now: float) -> float:
        """Returns the seconds after which so much has left, or everything."""
        wait = 0.0
        for entry in self._log:
            if over <= ROUNDING:
                break
            over -= counted(entry)
            wait = entry.time + self._seconds - now
        return wait


class _Minute(_Recent):
    """The sum over the last minute never exceeds the limit."""

    def __init__(self, limit: int) -> None:
        super().__init__(MINUTE_SECONDS * WINDOW_MARGIN)
        self._limit = limit

    def wait(self, wanted: PacedRequest) -> float:
        self.forget(wanted.time)
        over = self.amount + wanted.amount - self._limit
        return self.until(over, lambda entry: entry.amount, wanted.time)


class _Even(_Recent):
    """The sum over the last ten seconds does not exceed their share, as far as can be told."""

    def __init__(self, limit: int) -> None:
        super().__init__(SHORT_WINDOW_SECONDS * WINDOW_MARGIN)
        self._share = limit * SHORT_WINDOW_SECONDS / MINUTE_SECONDS

    def wait(self, wanted: PacedRequest) -> float:
        self.forget(wanted.time)
        over = self.paced + wanted.paced - self._room(wanted)
        return self.until(over, lambda entry: entry.paced, wanted.time)

    def _room(self, wanted: PacedRequest) -> float:
        few = MAX_SPARE_SHARE * self._share
        spare = min(STANDARD_DEVIATIONS * math.sqrt(max(0.0, self.doubt + wanted.doubt)), few)
        more = wanted.paced if wanted.paced > few else 0.0
        return self._share - spare + more


class _Pace:
    """What is spent is spread evenly."""

    def __init__(self, limit: int) -> None:
        self._seconds_each = MINUTE_SECONDS / (limit * TARGET_SHARE)
        self._due = -math.inf
        self._saved = 0.0  # seconds by which it was due earlier than was known

    def wait(self, wanted: PacedRequest) -> float:
        return max(0.0, self._due - self._early(wanted) - wanted.time)

    def add(self, entry: PacedRequest) -> None:
        # Other time that was let pass is gone: it is not made up for.
        due = max(self._due, entry.time - min(self._saved, CATCH_UP_SECONDS))
        self._saved = max(0.0, entry.time - due)
        self._due = due + entry.paced * self._seconds_each

    def settle(self, entry: PacedRequest, used: int) -> None:
        earlier = (entry.paced - used) * self._seconds_each
        self._due -= earlier
        self._saved = max(0.0, self._saved + earlier)

    def _early(self, wanted: PacedRequest) -> float:
        """Returns how much before its time an amount may be spent.

        Being early now makes up for waking late now and then; half of the room is used for it.
        """
        interval = wanted.paced * self._seconds_each
        # What `TARGET_SHARE` leaves in ten seconds, where 10 / interval + 1 amounts fit.
        room = SHORT_WINDOW_SECONDS * (1.0 - TARGET_SHARE) - interval
        return min(max(0.0, room / 2), MAX_EARLY_SECONDS)


class ConcurrencyWindow:
    """How many requests a server seems to bear at once, by what it says to them.

    It begins at the ceiling, halves when the server pushes back, and widens by one with each
    round trip of answers: additive increase, multiplicative decrease, which shares a bottleneck
    fairly among those who know nothing of each other (Chiu and Jain, 1989; RFC 5681, 3.1). All
    that were in flight at a cut may be pushed back for the same reason, so only a request that
    was sent after it cuts again: at most once a round trip.

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
        """How many may be in flight now, at least 1."""
        return int(self._size)

    def is_full(self) -> bool:
        """Tells whether another one would be too many. The ceiling is for its owner to keep."""
        return self._size < self._ceiling and self._in_flight >= self.size

    def send(self) -> int:
        """Counts one in flight; returns its number, from 1."""
        self._sent += 1
        self._in_flight += 1
        return self._sent

    def settle(self) -> None:
        """Counts one that is no longer in flight."""
        self._in_flight -= 1

    def widen(self) -> None:
        """Takes note of an answer."""
        if self._size < self._ceiling:
            self._size = min(self._ceiling, self._size + 1 / self._size)

    def cut(self, number: int) -> None:
        """Takes note that the server pushed back.

        Args:
            number: The number of the request that it pushed back.
        """
        if number > self._sent_at_cut:
            self._size = max(1.0, self._size / 2)
            self._sent_at_cut = self._sent
