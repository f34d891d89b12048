"""How much may be spent now, so that no minute sees more than its limit: pure, time passed in.

For a limit that is known, two rules together, of which each does what the other cannot:

- A *window* holds every amount spent in the last minute, at what was reserved until it is settled
  to what was used. It makes the limit exact over any sliding minute.
- A *pace* spreads what is spent evenly, from the first second, so that ten seconds see no more than
  a sixth of the limit. It goes by what is likely to be used: by reserved amounts a teacher whose
  answers are far shorter than allowed would be asked far too slowly.

The pace is the generic cell rate algorithm (ITU-T I.371): each amount moves on the time at which
the next one is due.

For a limit that nobody named, a server that is merely busy, there is `Window`.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass

MINUTE_SECONDS = 60.0
# Share of the limit that the pace aims at. What is left lets requests arrive earlier or later than
# they were sent without crowding ten seconds at the server.
AIM = 0.985
EVEN_SECONDS = 10.0
# Requests reach the server at other intervals than they leave us; a window a little longer than a
# minute here holds for a minute there.
WINDOW_MARGIN = 1.01
# How much of what is left an amount that turned out small may bring the next one forward. Without
# it small amounts would count as large as they were taken for, and large ones in full: of answers
# of 1 to 50 tokens, 97 % of the aim was used. With more, ten seconds see more than their share.
_FORWARD_SHARE = 1 / 8
MOST_EARLY_SECONDS = 0.03  # an event loop that is not overloaded wakes us no later than this
LEARNING_RATE = 0.1


@dataclass(slots=True)
class Entry:
    """An amount that was spent.

    Attributes:
        time: When, seconds.
        reserved: How much was reserved for it.
        amount: How much it counts now: what was reserved, then what was used.
        paced: How much the pace took it for.
    """

    time: float
    reserved: int
    amount: int
    paced: float


class Meter:
    """Holds one kind of amount, such as tokens, to a limit a minute.

    Args:
        limit: Largest sum in any 60 seconds.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._window = _Window(limit)
        self._pace = _Pace(limit)

    def wait(self, amount: int, now: float) -> float:
        """Returns how long to wait before an amount may be spent.

        Args:
            amount: The most that it can come to.
            now: Seconds, by a clock that never goes back.

        Returns:
            Seconds, 0 for none; infinity for an amount beyond the limit.
        """
        return max(self._window.wait(amount, now), self._pace.wait(amount, now))

    def spend(self, amount: int, now: float) -> Entry:
        """Spends an amount for which there is nothing to wait for.

        Returns:
            The entry, by which it is settled.
        """
        entry = Entry(now, amount, amount, self._pace.likely(amount))
        self._window.add(entry)
        self._pace.add(entry)
        return entry

    def settle(self, entry: Entry, used: int) -> None:
        """Puts what was used in place of what was reserved, as of the time it was spent."""
        self._pace.settle(entry, used)
        self._window.settle(entry, used)


class _Window:
    """The sum over the last minute never exceeds the limit."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._seconds = MINUTE_SECONDS * WINDOW_MARGIN
        self._log: deque[Entry] = deque()
        self._sum = 0
        self._forgotten = -math.inf  # time of the newest entry that has left the window

    def wait(self, amount: int, now: float) -> float:
        while self._log and self._log[0].time <= now - self._seconds:
            entry = self._log.popleft()
            self._sum -= entry.amount
            self._forgotten = entry.time
        over = self._sum + amount - self._limit
        if over <= 0:
            return 0.0
        for entry in self._log:
            over -= entry.amount
            if over <= 0:
                return entry.time + self._seconds - now
        return math.inf

    def add(self, entry: Entry) -> None:
        self._log.append(entry)
        self._sum += entry.amount

    def settle(self, entry: Entry, used: int) -> None:
        if entry.time > self._forgotten:
            self._sum += used - entry.amount
        entry.amount = used


class _Pace:
    """What is spent is spread evenly."""

    def __init__(self, limit: int) -> None:
        self._seconds_each = MINUTE_SECONDS / (limit * AIM)
        self._due = -math.inf
        self._last: Entry | None = None
        self._used_share: float | None = None  # of what was reserved, on average

    def likely(self, amount: int) -> float:
        return amount if self._used_share is None else amount * self._used_share

    def wait(self, amount: int, now: float) -> float:
        return max(0.0, self._due - self._early(amount) - now)

    def add(self, entry: Entry) -> None:
        self._due = max(self._due, entry.time) + entry.paced * self._seconds_each
        self._last = entry

    def settle(self, entry: Entry, used: int) -> None:
        self._due += (used - entry.paced) * self._seconds_each
        entry.paced = used
        if self._last is not None:  # time that was let pass is gone: it is not made up for
            interval = self._last.paced * self._seconds_each
            forward = _room(interval) * _FORWARD_SHARE
            self._due = max(self._due, self._last.time + interval - forward)
        if used and entry.reserved:  # one that failed used nothing, and says nothing of the others
            self._learn(used / entry.reserved)

    def _learn(self, share: float) -> None:
        if self._used_share is None:
            self._used_share = share
        self._used_share += LEARNING_RATE * (share - self._used_share)

    def _early(self, amount: int) -> float:
        """Returns how much before its time an amount may be spent.

        Being early now makes up for waking late now and then; half of the room is used for it.
        """
        interval = self.likely(amount) * self._seconds_each
        return min(_room(interval) / 2, MOST_EARLY_SECONDS)


def _room(interval: float) -> float:
    """Returns the seconds that `AIM` leaves in ten, where 10 / interval + 1 amounts fit."""
    return max(0.0, EVEN_SECONDS * (1.0 - AIM) - interval)


class Window:
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
