"""``Watch``: the thread that asks the sentinels of one master, and knows where the primary is (rules M1, M3).

It asks while the primary is used: each third of ``staleness``, at least once a second, and at once when somebody doubts
(a connection failed, a server refused as a replica does) or a sentinel tells of another primary. Who opens a connection
gets the answer to the last question; after a doubt, to a question that was asked after it. After a minute without use
the thread ends, and those that follow are told, so that they keep no connection that nobody looks after.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from _thread import allocate_lock
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from ...forks import after_fork
from ..elsewhere import elsewhere
from .words import nobody

if TYPE_CHECKING:
    from collections.abc import Callable

    from .follower import Follower
    from .voices import Voices
    from .words import Address, Trouble, Verdict

__all__ = ["Watch"]

log = logging.getLogger("rcollections")

LONGEST = 1.0  # seconds between two questions
IDLE = 60.0  # seconds without use after which nobody asks any more
GAP = 0.02  # seconds between two questions at least, however many doubt
LOOK = 0.25  # seconds after which a waiting caller looks again, in case a wake-up was lost


class Watch:
    """What the sentinels say. ``voices`` makes the connections to them. ``shown`` is the DSN, for messages."""

    def __init__(self, voices: Callable[[], Voices], shown: str, master: str, timeout: float) -> None:
        self._make = voices
        self.shown = shown
        self._master = master
        self._timeout = timeout
        self.period = LONGEST
        self.followers: WeakSet[Any] = WeakSet()
        self.verdict: Verdict | None = None  # the last one
        self._forget()
        after_fork(self._after_fork)

    def _forget(self) -> None:
        self._lock = threading.RLock()  # of starting and ending the thread
        self._thread: threading.Thread | None = None
        self._voices: Voices | None = None
        self._pipe: tuple[int, int] | None = None  # wakes the thread; closed by nobody, whose number could be another's
        self._begun = self._done = self._wanted = 0  # rounds
        self._failed = False  # whether the last round brought nothing new
        self._troubles: dict[Address, Trouble] = {}
        self._waiting: list[Any] = []  # a lock for each caller that waits
        self._used = time.monotonic()

    def _after_fork(self) -> None:
        """The thread is in the parent; these sockets are copies."""
        voices, pipe = self._voices, self._pipe
        self._forget()
        for fd in pipe or ():
            with suppress(OSError):
                os.close(fd)
        if voices is not None:
            voices.close()

    # -- for those who connect ---------------------------------------------------------------------

    def primary(self, until: float) -> Verdict:
        """Where the primary is. Waits for an answer where there is none yet, or where somebody has doubted.

        NoPrimary if nobody ever knew. Where the sentinels fall silent later, the last primary stays: they are waited
        for half of the time, since a connection to it has to be opened in the other half.
        """
        now = self._used = time.monotonic()
        if self.verdict is not None:
            until = min(until, now + (until - now) / 2)
        wanted = max(self._wanted, self._done)
        if self.verdict is None or not self.runs:
            wanted = self._begun + 1
            self._want(wanted)
        while self._done < wanted:
            left = until - time.monotonic()
            if left <= 0:
                break
            self._wait(wanted, min(left, LOOK))
        verdict = self.verdict
        if verdict is None:
            raise nobody(dict(self._troubles), self._master)
        return verdict

    @property
    def runs(self) -> bool:
        """Whether somebody asks from time to time."""
        return self._thread is not None

    @property
    def answered(self) -> bool:
        """Whether the last question brought a verdict."""
        return not self._failed

    def doubt(self) -> None:
        """The primary may be another one by now: ask at once. From any thread; does not wait."""
        self._want(self._begun + 1)

    def asked_since(self, instant: int) -> Verdict | None:
        """The verdict of a question that was asked after this instant (monotonic ns); None: not yet."""
        verdict = self.verdict
        return verdict if verdict is not None and verdict.began >= instant and not self._failed else None

    def keep(self, period: float) -> None:
        """Ask at least once in that many seconds."""
        self.period = min(self.period, period)

    def use(self) -> None:
        """Somebody hears the primary."""
        self._used = time.monotonic()

    def _want(self, number: int) -> None:
        self._wanted = max(self._wanted, number)
        if self._thread is None:
            elsewhere(self._start)
        else:
            self._wake()

    def _wait(self, wanted: int, seconds: float) -> None:
        lock = allocate_lock()
        lock.acquire()
        self._waiting.append(lock)
        if self._done < wanted:
            lock.acquire(True, seconds)

    # -- the thread --------------------------------------------------------------------------------

    def _start(self) -> None:
        with self._lock:
            if self._thread is not None:
                return
            if self._pipe is None:
                self._pipe = os.pipe()
                os.set_blocking(self._pipe[0], False)
                os.set_blocking(self._pipe[1], False)
            voices = self._voices = self._make()
            thread = self._thread = threading.Thread(
                target=self._run, args=(voices, self._pipe[0]), name="rcollections-sentinels", daemon=True
            )
            try:
                thread.start()
            except RuntimeError:  # at the end of the interpreter, or with too many threads: asked once, here
                self._thread = None
                self._round(voices)
                voices.close()

    def _run(self, voices: Voices, pipe: int) -> None:
        me = threading.current_thread()
        trips, due = -1, 0.0
        try:
            while self._thread is me:
                now = time.monotonic()
                if now >= due or self._wanted > self._done:
                    self._round(voices)
                    due = now + self.period
                if (count := self._trips()) != trips:
                    trips, self._used = count, now
                if now - self._used > IDLE and self._rests():
                    return
                if self._wanted > self._done:  # somebody has doubted meanwhile
                    time.sleep(max(0.0, GAP - (time.monotonic() - now)))
                elif self._listen(voices, pipe, due - time.monotonic()):
                    self._wanted = max(self._wanted, self._begun + 1)
        finally:
            voices.close()

    def _listen(self, voices: Voices, pipe: int, seconds: float) -> bool:
        switched = voices.listen(seconds, pipe)
        _drain(pipe)
        return switched

    def _trips(self) -> int:
        return sum(each.trips for each in list(self.followers))

    def _round(self, voices: Voices) -> None:
        self._begun += 1
        number, before = self._begun, self.verdict
        began = time.monotonic_ns()
        try:
            found = voices.ask(before, time.monotonic() + self._timeout)
            self._troubles = dict(voices.troubles())
            self._failed = found is None or found.began < began
            if found is not None:
                moved = before is not None and before.address != found.address
                if moved:
                    host, port = found.address
                    log.warning("%s: the primary is %s:%d now (epoch %d)", self.shown, host, port, found.epoch)
                    self._tell(lambda each: each.moved(found))
                self.verdict = found
                if moved:
                    self._tell(lambda each: each.arrived())
                if before is not None and {*before.replicas} != {*found.replicas}:
                    self._tell(lambda each: each.others())
        except Exception:  # a bug must not end the thread
            self._failed = True
            log.exception("asking the sentinels of %s failed", self.shown)
        self._done = number
        waiting, self._waiting = self._waiting, []
        for lock in waiting:
            lock.release()
        self._tell(lambda each: each.looked())

    def _tell(self, tell: Callable[[Follower], None]) -> None:
        for each in list(self.followers):
            try:
                tell(each)
            except Exception:  # the others have to be told
                log.exception("a connection did not follow to the primary of %s", self.shown)

    # -- the end -----------------------------------------------------------------------------------

    def _rests(self) -> bool:
        with self._lock:
            if time.monotonic() - self._used <= IDLE:
                return False
            self._thread = self._voices = None
        for each in list(self.followers):
            each.unwatched()
        return True

    def leave(self, follower: object) -> None:
        """This connection is closed. The last one ends the thread."""
        self.followers.discard(follower)
        with self._lock:
            if not self.followers and self._thread is not None:
                self._thread = self._voices = None
                self.verdict, self.period = None, LONGEST
                self._wake()

    def _wake(self) -> None:
        if self._pipe is not None:
            with suppress(OSError):
                os.write(self._pipe[1], b".")


def _drain(pipe: int) -> None:
    try:
        while os.read(pipe, 1024):
            pass
    except BlockingIOError:
        return
