"""The journal: changes on purpose that failed, kept for each server until the server has them (rule J1).

``invalidate_tags`` that raises has changed nothing, or nobody knows; the source has changed all the same. So what was
to be invalidated is kept here, as names, and is removed on the server before any other step of this process. Then
nobody gets the older value once this process has reached the server again: by any call, or by a thread, see
``resending``. The call raises in any case.

The journal is in the memory of the process. A process that is killed loses it, and the child of a fork begins with
none: it is the parent that will send. ``close()`` and the end of the process try once.
"""

from __future__ import annotations

import logging
import threading
import time
from itertools import islice
from typing import TYPE_CHECKING

from ..coherence.tiering import wrote, wrote_anything
from ..wire.due import Taken
from .handovers import Handovers

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ..plans.purpose import Due, Whole

__all__ = ["MOST", "Journal"]

log = logging.getLogger("rcollections")

MOST = 100_000  # names
BATCH = 500  # names that one trip carries


class Journal(Handovers):
    """What one server and database has not been told, of all connections that lead there with one login.

    At most 100,000 names. Beyond that all names of a function, or all tags of a namespace, become one mark: the keys
    that a call is about are then removed ahead of that call, and a scan removes all keys with that beginning, by one
    process at a time. That is coarser, and as sound: it costs misses. Entries under a ``key=`` of their own have no
    beginning to scan for. Of these no more than 100,000 are kept, and the log says so: the ttl is the bound for the
    others.
    """

    def __init__(self, shown: str) -> None:
        super().__init__()
        self.shown = shown
        self.forget()

    def forget(self) -> None:
        """Begin with nothing: also in the child of a fork, where the thread is gone and a lock may be held."""
        self.forget_handovers()
        self._lock = threading.RLock()  # a signal handler may keep a change while the thread is inside
        self._names: dict[str, tuple[Due, int, float]] = {}  # with a number, and when it was kept
        self._wholes: dict[Whole, int] = {}
        self._under_way: dict[str, int] = {}  # what trips carry at this moment; how many handovers there were before
        self._full = False  # the log says that there is no room
        self.number = 0
        self.holds = False  # whether there is anything: what every trip asks

    def __len__(self) -> int:
        """How many names are kept; what has become one mark counts as one."""
        return len(self._names) + len(self._wholes)

    @property
    def age(self) -> float:
        """Seconds since the oldest name was kept that is kept still; 0.0 without any."""
        with self._lock:
            first = min((since for _, _, since in list(self._names.values())), default=0.0)
        return max(0.0, time.monotonic() - first) if first else 0.0

    def due(self) -> bool:
        """Whether names wait to be sent."""
        return bool(self._names)

    # -- keeping -----------------------------------------------------------------------------------

    def keep(self, dues: Sequence[Due]) -> None:
        """These could not be sent, or nobody knows. From now on no trip of this process overtakes them."""
        if not dues:
            return
        with self._lock:
            for due in dues:
                self._keep(due)
            self.holds = bool(self._names or self._wholes)
        # L1 must not serve what it covers. After that no read fills it with an old value: each trip sends this first.
        wrote([due.key for due in dues])

    def _keep(self, due: Due) -> None:
        self.number += 1
        known = self._names.get(due.key)
        if known is None and len(self._names) >= MOST:
            self._condense()
            if len(self._names) >= MOST:
                self._turned_away(due)
                return
        self._names[due.key] = due, self.number, time.monotonic() if known is None else known[2]

    def keep_whole(self, whole: Whole) -> None:
        """The same for all keys of one function, or of all tags."""
        with self._lock:
            self._mark(whole)
            self.holds = True
        wrote_anything()

    def stored(self, key: str, before: int) -> None:
        """The server has a new value of this entry. What was kept ``before`` that was sent is made up for."""
        if self._names:
            with self._lock:
                known = self._names.get(key)
                if known is not None and known[1] <= before:
                    self._drop(key)

    def _mark(self, whole: Whole) -> None:
        self.number += 1
        self._wholes[whole] = self.number

    def _condense(self) -> None:
        for due, _, _ in list(self._names.values()):
            if due.whole is not None:
                if due.whole not in self._wholes:
                    log.warning("%s: too many failed invalidations, all of %r go", self.shown, due.whole.beginning)
                self._mark(due.whole)
                del self._names[due.key]
        wrote_anything()

    def _turned_away(self, due: Due) -> None:
        if due.whole is not None:
            self._mark(due.whole)
        elif not self._full:
            self._full = True
            log.error("%s: no room for more failed invalidations, some old values stay up to their ttl", self.shown)

    def _drop(self, key: str) -> None:
        self._names.pop(key, None)
        self.holds = bool(self._names or self._wholes)

    def wholes(self) -> list[tuple[Whole, int]]:
        """The marks to sweep, with their numbers."""
        with self._lock:
            return list(self._wholes.items())

    def swept(self, whole: Whole, number: int) -> None:
        """All keys of this mark are gone. A mark that was set once more meanwhile stays."""
        with self._lock:
            if self._wholes.get(whole) == number and not self._between:
                del self._wholes[whole]
            self.holds = bool(self._names or self._wholes)

    # -- for trips ---------------------------------------------------------------------------------

    def waits(self, words: frozenset[str]) -> bool:
        """Whether another trip carries some of these at this moment."""
        return bool(self._under_way) and not self._under_way.keys().isdisjoint(words)

    def take(self, words: frozenset[str], near: Callable[[str], bool] | None = None) -> Taken | None:
        """What a trip with these words carries; None: another trip carries some of its own keys, so it has to wait.

        ``near``: beside its own keys it carries those for which this is true.
        """
        with self._lock:
            if not self.holds:
                return Taken([], [])
            if self.waits(words):
                return None
            return self._taken(words, near)

    # Loops in functions of their own, not where the lock is held: see ``wire/pool.py``.

    def _taken(self, words: frozenset[str], near: Callable[[str], bool] | None) -> Taken:
        mine = [word for word in words if word in self._names]
        others = (key for key in self._names if key not in words and key not in self._under_way)
        some = islice(others, max(0, BATCH - len(mine)))
        keys = [*mine, *(some if near is None else filter(near, some))]
        dues = [self._names[key][:2] for key in keys]
        self._under_way.update(dict.fromkeys(keys, self.handovers))
        beginnings = tuple(whole.beginning for whole in self._wholes)
        return Taken(dues, [word for word in words if beginnings and word.startswith(beginnings)])

    def delivered(self, taken: Taken) -> None:
        """The server has removed these. What was kept once more meanwhile stays."""
        with self._lock:
            self._leave_out(taken)
            self.holds = bool(self._names or self._wholes)
            self._full = self._full and bool(self._names)

    def _leave_out(self, taken: Taken) -> None:
        for due, number in taken.dues:
            before = self._under_way.pop(due.key, self.handovers)
            known = self._names.get(due.key)
            # Where there was a handover meanwhile, nobody knows which of the two servers has removed it.
            sure = before == self.handovers and not self._between
            if known is not None and known[1] == number and sure:
                del self._names[due.key]
        if self.remembers:
            self._remember({None: [due for due, _ in taken.dues]}, None, True)

    def put_back(self, taken: Taken) -> None:
        """These were not sent, or nobody knows. The others have their turn first."""
        with self._lock:
            self._back(taken)

    def _back(self, taken: Taken) -> None:
        for due, _ in taken.dues:
            self._under_way.pop(due.key, None)
            known = self._names.pop(due.key, None)
            if known is not None:
                self._names[due.key] = known

    def refused(self, taken: Taken) -> None:
        """The login may not remove these."""
        log.error("%s: the login may not remove %r, which an invalidation was about", self.shown, taken.dues[0][0].key)
        self.delivered(taken)
