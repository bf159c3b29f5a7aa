"""Hears for all tiers of one server: keeps one ear open, opens it again, and replaces it by a wider ear without a gap.

There is one listener per process and server, whatever the number of named connections. Prefixes only grow. A wider
set needs another connection, because a subscribed connection takes no other command. The old ear goes on until the
new ear is proven. It also goes on until it has told all changes from before the new ear listened, since these changes
come by the old ear alone. So no held value has to go. After an error the listener pauses before the next try. The
pause doubles up to five seconds; where the server refuses to be listened to, it is a minute.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from ..forks import after_fork
from ..l1 import Words
from ..wire.elsewhere import elsewhere
from .ear import Ear, Refused
from .prefixes import Wish, Wishes

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ..l1 import Tier
    from ..wire.dsn.dsn import Dsn

__all__ = ["Listener", "listener_of"]

log = logging.getLogger("rcollections")

FIRST_PAUSE, LAST_PAUSE, REFUSED_PAUSE = 0.1, 5.0, 60.0


class Listener:
    """The ear of one server, and the tiers that it tells."""

    def __init__(self, dsn: Dsn) -> None:
        self._dsn = dsn
        self._tiers: list[Tier] = []
        self.wishes = Wishes(dsn.shown)
        self.followers: WeakSet[Any] = WeakSet()  # the ``Wakeups`` that want published messages
        self.staleness = dsn.staleness
        self.words = Words(dsn.l1_entries)  # what a compiled ear moves, and compiled tiers compare
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

    def add(self, tier: Tier, staleness: float) -> None:
        """Tell this tier of changes from now on."""
        with self._lock:
            tier.follow(self.words)
            self._tiers = [*self._tiers, tier]
            self.staleness = min(self.staleness, staleness)
            self.words.want(self.staleness)
            if self._ear is not None:
                tier.begin()

    def remove(self, tier: Tier) -> None:
        """Tell this tier no more. Listening ends with the last tier."""
        with self._lock:
            self._tiers = [each for each in self._tiers if each is not tier]
            tier.lost()
            if not self._tiers:
                for ear in (self._ear, self._next):
                    if ear is not None:
                        ear.stop()
                self._ear = self._next = None
                self._trying = self._ready = self._warned = False
                self.prefixes = ()
                self.wishes.clear()
                self.state, self.why = "idle", "nobody listens any more"

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
                self._next.stop()
            ear = self._next = Ear(self._dsn, self.wishes.fewest(), self)
            self._trying = True
            if self._ear is None:
                self.state, self.why = "starting", "the listener connects"
            try:
                threading.Thread(target=self._run, args=(ear,), name="rcollections-listener", daemon=True).start()
            except RuntimeError:  # in an exit handler, or too many threads: every call asks the server
                self._next, self._trying = None, False
                self.state, self.why = "down", "no thread can be started to listen"

    def _covers(self, ear: Ear | None) -> bool:
        return ear is not None and all(each.startswith(ear.prefixes) for each in self.wishes.fewest())

    def _run(self, ear: Ear) -> None:
        pause = FIRST_PAUSE
        while not ear.stopped:
            began = time.monotonic()
            try:
                ear.open()
                ear.run()
            except Refused as error:
                self._lost(ear, "refused", f"the server does not allow to listen: {error}")
                pause = REFUSED_PAUSE
            except Exception as error:  # after any error this connection proves nothing any more
                self._lost(ear, "down", f"the listener lost its connection ({type(error).__name__})")
                log.debug("the listener lost its connection", exc_info=True)
                pause = FIRST_PAUSE if time.monotonic() - began > LAST_PAUSE else min(2 * pause, LAST_PAUSE)
            finally:
                ear.close()
            if not ear.stopped:
                ear.rest(pause * random.uniform(0.75, 1.0))  # noqa: S311 - spreads processes

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
                    ear.stop()  # ``_next`` hears more prefixes
            if self._ear is None:
                self.state, self.why = state, why
            if state == "refused" and not self._warned:
                self._warned = True
                log.warning("%s: nothing is held in this process, %s", self._dsn.shown, why)
            if self._ready and self._ear is None and self._next is not None:
                self._take(self._next)
        self.start()  # more prefixes may be wanted by now

    def _empty(self) -> None:
        """Nothing that was read before counts any more (F4)."""
        self.words.end()
        for tier in self._tiers:
            tier.lost()

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
        self.words.lead(ear)  # before the old one is stopped: its end is the end of no proof
        self.server, self.version, self.prefixes = ear.server, ear.version, ear.prefixes
        self.state, self.why = "live", "changes are heard"
        if old is not None and old is not ear:
            old.stop()
            self.missed(old)
            if old.server != ear.server:
                self._empty()
        for tier in self._tiers:
            tier.begin()

    def changed(self, ear: Ear, keys: Sequence[bytes]) -> None:  # noqa: ARG002 - an ear that is not confirmed may tell too
        """These keys changed."""
        for tier in self._tiers:
            tier.changed(keys)

    def announced(self, ear: Ear, numbers: Sequence[int]) -> None:  # noqa: ARG002
        """The words of these keys have moved: what the tiers hold of them can go."""
        for tier in self._tiers:
            tier.announced(numbers)

    def flushed(self, ear: Ear) -> None:  # noqa: ARG002
        """All keys changed."""
        for tier in self._tiers:
            tier.void()

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
            tier.prove(instant)
        if self._ready:
            with self._lock:
                new = self._next
                if not self._ready or ear is not self._ear or new is None or instant[0] < new.since:
                    return
                self._take(new)
            self.start()

    def published(self, ear: Ear, message: list[object]) -> None:
        """A message on another channel: for the followers, which wake waiting callers."""
        if ear is self._ear:
            for each in list(self.followers):
                each.heard(message)

    def missed(self, ear: Ear) -> None:
        """Messages for the followers may have been missed: they look for themselves."""
        for each in list(self.followers):
            each.lost(ear)

    @property
    def ear(self) -> Ear | None:
        """The confirmed ear, or None: followers may subscribe on its connection."""
        return self._ear


_listeners: dict[tuple[object, ...], Listener] = {}
_lock = threading.RLock()


def listener_of(dsn: Dsn) -> Listener:
    """The listener of this server: one for all connections of one address and login."""
    place = (dsn.host, dsn.port, dsn.path, dsn.user, dsn.password, dsn.tls, tuple(sorted(dsn.ssl.items())))
    with _lock:
        return _listeners.get(place) or _listeners.setdefault(place, Listener(dsn))
