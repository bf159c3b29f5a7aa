"""``Learner``: keeps the map of a cluster: asks its nodes, one caller at a time and at most every 100 ms.

A node that confirms the map that is known is enough. Where one tells another map, three are asked, and where these
disagree, the config epochs decide (see ``wire/views``): no node that was left behind takes the map back.

The hosts of the DSN stay candidates for ever, as names: where all known nodes are gone, the cluster is found again
under its names, wherever they lead by then.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from typing import TYPE_CHECKING

from ...errors import CacheConnectionError, CacheError, CacheTimeout
from ...forks import after_fork
from ...wire.clock import no_deadline
from ...wire.elsewhere import elsewhere
from ...wire.heirs import handed_over, taken_over
from ...wire.slotmap import SlotMap, changed
from ...wire.views import View, agree, decided, read_nodes
from .asking import NODES, ask, exchange

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ...wire.dsn.dsn import Dsn
    from ...wire.heirs import Handover
    from ...wire.slotmap import Address

__all__ = ["Learner"]

log = logging.getLogger("rcollections")

APART = 0.1  # seconds between the beginnings of two rounds
SETTLING = 0.25  # seconds after a move in which the owner before may not know of it (K9)
SILENT = 5.0  # seconds for which a node that did not answer is asked last
VIEWS = 3  # nodes that are asked where the map has changed


def _nobody(_handover: Handover, _begins: bool) -> None:
    """Nobody remembers what was acknowledged."""


class Learner:
    """The map, and who learns it. ``changed`` is called with each new map, in the thread that has learned it.

    ``handed_over`` is told of slots whose primary was replaced by another node: before the new map counts (True), and
    once more behind that (K13).
    """

    def __init__(
        self, dsn: Dsn, changed: Callable[[SlotMap], None], handed_over: Callable[[Handover, bool], None] = _nobody
    ) -> None:
        self._dsn = dsn
        self._changed = changed
        self._handed_over = handed_over
        self.map = SlotMap.empty()
        self._told = self.map  # the last map as nodes have told it
        self._since = time.monotonic()  # when the map became another one
        self.node_timeout = 0.0  # seconds; 0.0: nobody was asked yet
        self.mapped = False
        self.failures = 0  # rounds without any map
        self.error: CacheError | None = None  # of the last such round
        self.rounds = 0
        self._before: dict[int, tuple[float, Address]] = {}  # by slot: when it got another owner, and who owned it
        self._last = 0.0
        self._moved: dict[int, tuple[float, Address]] = {}  # by slot: when a node has said that another one owns it
        self._began = -APART
        self._epoch = -1  # the highest one that a node which serves has told
        self._silent: dict[Address, float] = {}  # when these did not answer
        self._forget()
        after_fork(self._forget)

    def _forget(self) -> None:
        self._lock = threading.RLock()
        self._thread: threading.Thread | None = None
        self._again = False
        self._closed = False

    @property
    def moves(self) -> bool:
        """Whether any slot has got another owner a moment ago."""
        if self._before and time.monotonic() - self._last > SETTLING:
            self._before = {}
        return bool(self._before)

    def before(self, slot: int) -> Address | None:
        """The node that owned this slot until a moment ago; None: the owner has been the same for a while."""
        when, owner = self._before.get(slot, (-SETTLING, None))
        return owner if time.monotonic() - when <= SETTLING else None

    def _note(self, old: SlotMap, slots: Iterable[int]) -> None:
        """Keep who owned what has another owner now."""
        now, before = time.monotonic(), dict(self._before)
        for slot in slots:
            owner = old.owner(slot)
            if owner is not None:
                before[slot] = now, owner
                self._last = now
        self._before = before

    def moved(self, slot: int, owner: Address) -> None:
        """A node has said that another one owns that slot: it counts until a round that begins later says otherwise."""
        with self._lock:
            if self.map.owner(slot) == owner:
                return
            now, old = time.monotonic(), self.map.owner(slot)
            self._moved[slot] = now, owner
            self._count(self.map.moved(slot, owner), taken_over(self._told, slot, owner))
            if old is not None:
                self._before = {**self._before, slot: (now, old)}
                self._last = now
        self._changed(self.map)

    @property
    def steady(self) -> float:
        """For how many seconds the map has been the same; 0.0 without a map."""
        return time.monotonic() - self._since if self.mapped else 0.0

    def _count(self, found: SlotMap, handover: Handover | None) -> None:
        """From now on this map counts."""
        if handover is not None:
            self._handed_over(handover, True)
        if found.sum != self.map.sum:
            self._since = time.monotonic()
        self.map = found
        if handover is not None:
            self._handed_over(handover._replace(heirs={each: each for each in handover.heirs.values()}), False)

    def soon(self) -> None:
        """Have a thread ask the cluster; a round that is under way is followed by another one."""
        if self._again:
            return
        with self._lock:
            if self._closed:
                return
            if self._thread is not None:
                self._again = True
                return
            thread = self._thread = threading.Thread(target=self._run, name="rcollections-cluster", daemon=True)
        try:
            elsewhere(thread.start)
        except RuntimeError:  # the interpreter ends, or there are too many threads
            self._thread = None
            self._round()

    def _run(self) -> None:
        no_deadline()
        me = threading.current_thread()
        never = threading.Event()
        while True:
            pause = self._began + APART - time.monotonic()
            if pause > 0:
                never.wait(pause)
            self._again = False
            try:
                self._round()
            except Exception:  # a bug must not leave the cluster without a map for ever
                log.exception("learning the map of %s failed", self._dsn.shown)
            with self._lock:
                if self._again and self._thread is me and not self._closed:
                    continue
                if self._thread is me:
                    self._thread = None
                return

    def _round(self) -> None:
        """Ask until a node confirms the map, or enough have told another one."""
        began = self._began = time.monotonic()
        self.rounds += 1
        views: list[View] = []
        error: CacheError | None = None
        for place in self._candidates():
            try:
                views.append(self._ask(place))
            except CacheError as failed:
                error, self._silent[place] = failed, time.monotonic()
                continue
            told = views[-1]
            if not told.serves or not told.map.covered:
                continue
            if not self.mapped or told.epoch > self._epoch:
                self._epoch = told.epoch
                self._apply(told.map, began)  # nobody waits for the others; what they say counts all the same
            elif len(views) == 1 and not changed(self.map, told.map) and set(told.map.known) == set(self.map.known):
                break
            if sum(each.serves for each in views) >= VIEWS:
                break
        if not any(each.map.nodes for each in views):
            self.error = error or CacheConnectionError(f"no node of {self._dsn.shown} knows an owner of any slot")
            self.failures += 1
            return
        serving = [each for each in views if each.serves]
        if serving or not self.mapped:  # of a cluster that is down no node may know who will serve
            self._apply(decided(self._with_epochs(serving or views)), began)

    def _with_epochs(self, views: list[View]) -> list[View]:
        """These views, with the epochs of the nodes where the maps differ."""
        if agree(views):
            return views
        found = []
        for each in views:
            try:
                (nodes,) = exchange(self._dsn, each.place, NODES, 1)
                found.append(each._replace(epochs=read_nodes(nodes)))
            except CacheError:  # then most of them decide
                found.append(each)
        return found

    def _apply(self, found: SlotMap, began: float) -> None:
        with self._lock:
            handover = handed_over(self._told, found, changed(self._told, found)) if self.mapped else None
            self._told = found
            found = self._with_moves(found, began)
            if self.mapped:
                self._note(self.map, changed(self.map, found))
            self._count(found, handover)
            self.mapped = True
            self.failures, self.error = 0, None
        self._changed(found)

    def _with_moves(self, found: SlotMap, began: float) -> SlotMap:
        """This map, with the moves that were told of since it was asked for."""
        for slot, (when, owner) in list(self._moved.items()):
            if when >= began:
                found = found.moved(slot, owner)
            else:
                del self._moved[slot]
        return found

    def _candidates(self) -> Iterable[Address]:
        """All nodes by chance, then the hosts of the DSN; last those that did not answer a moment ago."""
        known, seeds, now = list(self.map.known), list(self._dsn.hosts), time.monotonic()
        random.shuffle(known)
        random.shuffle(seeds)
        silent = self._silent = {place: when for place, when in self._silent.items() if now - when < SILENT}
        return sorted(dict.fromkeys((*known, *seeds)), key=silent.__contains__)

    def _ask(self, place: Address) -> View:
        """What one node tells."""
        told, timeout = ask(self._dsn, place, with_timeout=not self.node_timeout)
        self.node_timeout = timeout or self.node_timeout
        return told

    def close(self) -> None:
        """Learn nothing any more, until the next use."""
        with self._lock:
            self.map, self.mapped, self._epoch = SlotMap.empty(), False, -1
            self._told = self.map
            self._moved.clear()


def unmapped(learner: Learner, shown: str) -> CacheError:
    """The error of a call for which no map could be learned in time."""
    known = learner.error
    if known is None:
        return CacheTimeout(f"no node of {shown} has told the slots in time")
    error = type(known)(str(known))
    error.__cause__ = known.__cause__
    return error
