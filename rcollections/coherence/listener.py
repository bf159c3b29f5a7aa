"""Hears for all tiers of one server: keeps one ear open, opens it again, and replaces it by a wider ear without a gap.

There is one listener per process and server, whatever the number of named connections. Of a cluster there is one for
each primary, with all else in common (``nodes.py``). Prefixes only grow. A wider
set needs another connection, because a subscribed connection takes no other command. The old ear goes on until the
new ear is proven. It also goes on until it has told all changes from before the new ear listened, since these changes
come by the old ear alone. So no held value has to go. After an error the listener pauses before the next try. The
pause doubles up to five seconds; where the server refuses to be listened to, it is a minute.
"""

from __future__ import annotations

import logging
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from ..forks import after_fork
from ..plans.draws import spread
from ..wire.elsewhere import elsewhere
from .attendant import Apart, Wait
from .common import Common
from .ear import Ear
from .facts import Refused
from .moving import Member, Moving, others, stop
from .places import Moved
from .prefixes import Wish

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ..l1 import Tier
    from ..wire.dsn.dsn import Dsn
    from .attendant import Job
    from .places import Place

__all__ = ["Listener"]

log = logging.getLogger("rcollections")

FIRST_PAUSE, LAST_PAUSE, REFUSED_PAUSE = 0.1, 5.0, 60.0


class Listener(Moving):
    """The ear of one server, and the tiers that it tells. ``common``: of the listeners of several nodes."""

    def __init__(self, dsn: Dsn, node: int = 0, common: Common | None = None) -> None:
        self.common = Common(dsn) if common is None else common
        super().__init__(self.common.words, node)
        self._dsn = dsn
        self._alone = common is None
        self.wishes = self.common.wishes
        self.staleness = dsn.staleness
        self._forget()
        after_fork(self._after_fork)

    def _forget(self) -> None:
        self._lock = threading.RLock()
        self._ear: Ear | None = None  # the confirmed ear: the tiers go by it
        self._next: Ear | None = None  # the ear that is being opened
        self._trying = False  # ``_next`` has not failed so far
        self._ready = False  # ``_next`` is confirmed, and waits for a proof of ``_ear``
        self.prefixes: tuple[str, ...] = ()  # the prefixes that are heard
        self.server = b""  # the run_id of the server that is heard
        self.version: tuple[int, ...] = ()
        self.state, self.why = "idle", "nothing was asked for yet"
        self._warned = False

    def _after_fork(self) -> None:
        """The threads are in the parent: close the copies of its sockets, and drop held values."""
        ears = self._ear, self._next
        self._forget()
        self._empty()
        for ear in ears:
            if ear is not None:
                with suppress(Exception):
                    ear.close()

    # -- tiers and prefixes ------------------------------------------------------------------------

    def add(
        self, tier: Tier, staleness: float, place: Place | None = None, renew: Callable[[], None] | None = None
    ) -> None:
        """Tell this tier of changes from now on. ``renew`` drops the links of its connection."""
        with self._lock:
            if self._alone:
                tier.follow(self.words)
            self._tiers = [*self._tiers, tier]
            self._members[id(tier)] = Member(staleness, place, renew)
            self.staleness = min(self.staleness, staleness)
            self.words.want(self.staleness)
            if self._ear is not None and self._is_there(self._ear, tier):
                tier.begin(node=self.node)

    def remove(self, tier: Tier) -> None:
        """Tell this tier no more. Listening ends with the last tier."""
        with self._lock:
            self._tiers = others(self._tiers, tier)
            self._members.pop(id(tier), None)
            tier.lost(self.node)
            if not self._tiers:
                self._stop(self._ear, self._next)
                self._ear = self._next = None
                self._trying = self._ready = self._warned = False
                self.prefixes = ()
                if self._alone:
                    self.wishes.clear()
                self.state, self.why = "idle", "nobody listens any more"

    def end(self) -> None:
        """The node is left: nothing that was read from it counts any more (F4)."""
        with self._lock:
            self._empty()
            for tier in self._tiers:
                self.remove(tier)

    def want(self, prefixes: Iterable[str], wish: Wish = Wish()) -> None:  # noqa: B008 - it cannot be changed
        """Note that a tier wants keys with these prefixes; ``start`` asks the server for them."""
        self.wishes.add(prefixes, wish)

    def start(self) -> None:
        """Listen to all wanted prefixes, unless an ear covers them already."""
        if not (self._covers(self._ear) or self._covers(self._next)):
            elsewhere(self._start)

    def _start(self) -> None:
        with self._lock:
            # An ear that is being opened is not disturbed: more prefixes are asked for after it is open.
            if self._covers(self._ear) or self._covers(self._next) or self._trying or not self._tiers:
                return
            if self._next is not None:
                self._stop(self._next)
            ear = self._next = Ear(self._dsn, self.wishes.fewest(), self, self._places())
            self._trying = True
            if self._ear is None:
                self.state, self.why = "starting", "the listener connects"
            try:
                self.common.attendant.attend(self._run(ear))
            except RuntimeError:  # in an exit handler, or too many threads: every call asks the server
                self._next, self._trying = None, False
                self.state, self.why = "down", "no thread can be started to listen"

    def _covers(self, ear: Ear | None) -> bool:
        if ear is None or not all(each.startswith(ear.prefixes) for each in self.wishes.fewest()):
            return False
        return all(ear.places.get(place, 0) >= ms for place, ms in self._places().items())

    def _stop(self, *ears: Ear | None) -> None:
        stop(*ears)
        self.common.attendant.wake()

    def _run(self, ear: Ear) -> Job:
        """The life of an ear: it is opened, hears until its connection breaks, and is opened again after a pause."""
        pause = FIRST_PAUSE
        while not ear.stopped:
            began = time.monotonic()
            try:
                yield Apart(ear.open)
                yield from ear.run()
            except Refused as refused:
                self._lost(ear, "refused", f"the server does not allow to listen: {refused}")
                pause = REFUSED_PAUSE
            except Exception as failed:  # after any error this connection proves nothing any more
                error: Exception = ear.reason or failed
                why, short = f"the listener lost its connection ({type(error).__name__})", time.monotonic() - began
                pause = FIRST_PAUSE if short > LAST_PAUSE else min(2 * pause, LAST_PAUSE)
                if isinstance(error, Moved):
                    why, several = self._moves(error)
                    pause = REFUSED_PAUSE if several else pause
                self._lost(ear, "down", why)
                log.debug("the listener lost its connection", exc_info=True)
            finally:
                ear.close()
            if not ear.stopped:
                yield Wait((), pause * spread.uniform(0.75, 1.0), lambda: ear.stopped)  # spreads processes

    def _lost(self, ear: Ear, state: str, why: str) -> None:
        with self._lock:
            if ear.stopped or ear not in (self._ear, self._next):
                return
            if ear is self._next:
                self._trying = self._ready = False
            else:
                self._ear = None
                self.prefixes = ()
                self._empty()
                self.missed(ear)
                if self._next is None:
                    self._next = ear
                else:
                    self._stop(ear)  # ``_next`` hears more prefixes
            if self._ear is None:
                self.state, self.why = state, why
            if state == "refused" and not self._warned:
                self._warned = True
                log.warning("%s: nothing is held in this process, %s", self._dsn.shown, why)
            if self._ready and self._ear is None and self._next is not None:
                self._take(self._next)
        self.start()  # more prefixes may be wanted by now

    # -- told by an ear ----------------------------------------------------------------------------

    def confirmed(self, ear: Ear) -> None:
        """The server has answered this ear twice: the tiers go by it now, or after the next proof of the old ear."""
        with self._lock:
            if ear.stopped or ear not in (self._ear, self._next):
                return
            if ear is self._next and self._ear is not None and self._ear.server == ear.server:
                self._ready = True
                return
            self._take(ear)
        self.start()  # more prefixes may be wanted by now

    def _take(self, ear: Ear) -> None:
        if ear is self._next:
            self._next = None
            self._trying = self._ready = False
        old, self._ear = self._ear, ear
        self.words.lead(ear, self.node)  # before the old one is stopped: its end is the end of no proof
        self.server, self.version, self.prefixes = ear.server, ear.version, ear.prefixes
        self.state, self.why = "live", "changes are heard"
        if old is not None and old is not ear:
            self._stop(old)
            self.missed(old)
            if old.server != ear.server:
                self._empty()
        for tier in self._tiers:
            if self._is_there(ear, tier):
                tier.begin(node=self.node)
        self._hears(ear)

    def unsure(self, ear: Ear) -> None:
        """Changes may have been missed."""
        with self._lock:
            if ear is self._next:
                self._ready = False
            if ear is not self._ear:
                return
            self._empty()
            self.prefixes = ()
            self.state, self.why = "unproven", "the server answered the listener with an error"
            self.missed(ear)  # the error may have answered a SUBSCRIBE of a follower

    def proved(self, ear: Ear, instant: tuple[int, int]) -> None:
        """All changes that were acknowledged before this instant have been heard."""
        if ear is not self._ear:
            return
        for tier in self._tiers:
            tier.prove(instant, self.node)
        if self._ready:
            with self._lock:
                new = self._next
                if not self._ready or ear is not self._ear or new is None or instant[0] < new.since:
                    return
                self._take(new)
            self.start()

    @property
    def ear(self) -> Ear | None:
        """The confirmed ear, or None: followers may subscribe on its connection."""
        return self._ear
