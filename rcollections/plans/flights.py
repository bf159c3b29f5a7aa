"""Flights: what the callers of one key inside this process share, and what they must not share.

They share reads and wake-ups, never a result that was computed for a call that began earlier. A read answers only
callers that began before it was sent. Of all callers that missed, one is the *driving caller*. It talks to the server
about the lease, computes, or waits for another process. The others wait for it to end.
Every method is one atomic step in memory. Waiting itself is an effect, so flights know neither threads nor loops.

A caller that finds no other caller at its key makes no flight: an ``Alone`` says that its read is under way. A caller
that comes meanwhile makes a flight, in which that read is the round that is sent. So most hits cost two looks into a
table.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from .circles import Waits
from .flight import Flight
from .lines import Lines
from .orphans import Orphans
from .rounds import Round
from .settling import Listeners, Settling
from .unserved import Changes, Unserved

if TYPE_CHECKING:
    from collections.abc import Callable

    from .rounds import Signal, Ticket
    from .unserved import Home

__all__ = ["Alone", "Flights"]


def _nowhere() -> None:
    """``here`` of flights whose callers block no event loop."""


class Alone:
    """A caller. Its read may begin while no other caller is at its key: then it stands in the table itself."""

    flight: Flight | None = None  # this caller is one of its users
    turn: Round | None = None  # its read, if others came meanwhile
    owes: Ticket | None = None  # see ``Flight``


class Flights:
    """All flights of one connection, for its threads or for the tasks of one event loop.

    The flights of threads and those of event loops share ``waits``, ``orphans``, ``lines``, and what they compute
    without the server. ``home`` is their event loop; for threads ``here`` gives the loop that the calling thread runs.
    """

    def __init__(
        self,
        signal: Callable[[], Signal],
        like: Flights | None = None,
        *,
        orphans: Orphans | None = None,
        listeners: Listeners | None = None,
        home: Home | None = None,
        here: Callable[[], Home | None] = _nowhere,
    ) -> None:
        self.signal = signal
        self.settling: Settling = Settling(signal, listeners if like is None else like.settling.listeners)
        self.lock = threading.RLock()
        self.table: dict[str, Flight | Alone] = {}
        self.deaf = False  # whether the last one that wanted to be woken by the server could not be
        self.waits: Waits = Waits() if like is None else like.waits
        self.orphans: Orphans = (Orphans() if orphans is None else orphans) if like is None else like.orphans
        self.lines: Lines = Lines() if like is None else like.lines
        self.home = home
        self.here = here
        self.unserved: dict[str, Unserved] = {} if like is None else like.unserved
        self.changes: Changes = Changes() if like is None else like.changes

    def forget(self) -> None:
        """Forget all flights, in the child of a fork: the callers that drive or wait here are in the parent."""
        self.lock = threading.RLock()
        self.table.clear()
        self.deaf = False
        self.unserved.clear()
        self.changes.running.clear()
        self.waits.forget()
        self.orphans.forget()
        self.lines.forget()
        self.settling.forget()

    # -- a caller that is alone --------------------------------------------------------------------

    def begin(self, key: str, alone: Alone) -> bool:
        """Whether no other caller is at this key: then this one reads at once, and then calls ``end`` or ``gone``."""
        return self.table.setdefault(key, alone) is alone  # one step in memory without the lock

    def end(self, key: str, alone: Alone, reply: object) -> Flight | None:
        """The read of a lone caller has ended. None: the caller was alone all the time.

        Otherwise the flight, of which the caller is a user now: it has to ``leave``.
        """
        with self.lock:
            flight = alone.flight
            if flight is None:
                if self.table.get(key) is alone:  # in the child of a fork the table is empty
                    del self.table[key]
                return None
        turn = alone.turn
        if turn is not None:
            flight.end(turn, reply)
            alone.turn = None
        return flight

    def gone(self, key: str, caller: Alone) -> None:
        """The caller goes away, wherever it was stopped: nothing of it is left, and nobody waits for it."""
        flight = self.end(key, caller, None)
        if flight is not None:
            flight.forsake(caller)
            flight.leave(caller)
        else:  # it may have been stopped between making a flight and entering it
            with self.lock:
                there = self.table.get(key)
                if isinstance(there, Flight) and not there.users:
                    del self.table[key]

    # -- flights -----------------------------------------------------------------------------------

    def enter(self, key: str, caller: Alone) -> Flight:
        """The flight of this key; every ``enter`` needs a ``leave``, or ``gone``."""
        with self.lock:
            there = self.table.get(key) or self.table.setdefault(key, self.make(key))
            if isinstance(there, Alone):
                flight = self.make(key)
                flight.users.add(there)
                flight.current = Round(sent=True, leader=there)
                there.turn, there.flight, self.table[key] = flight.current, flight, flight
            else:
                flight = there
            caller.flight = flight
            flight.users.add(caller)
            return flight

    def make(self, key: str) -> Flight:
        """A new flight, without users yet."""
        return Flight(self, key)

    def leave(self, flight: Flight, caller: object) -> None:
        """This user leaves, if it has not left yet; the flight goes with its last user."""
        with self.lock:
            flight.users.discard(caller)
            if not flight.users and self.table.get(flight.key) is flight:
                del self.table[flight.key]

    # -- without the server ------------------------------------------------------------------------

    def share(self, key: str, mine: Unserved) -> Unserved:
        """The computation of this key that runs: ``mine`` from now on, if there is none. ``unshare`` ends ``mine``.

        One that began before this process changed something is not for callers that come after the change.
        """
        there = self.unserved.setdefault(key, mine)  # one step in memory without the lock
        if there is not mine and there.begun != self.changes.count:
            there = self.unserved[key] = mine
        if there is mine:
            self.changes.running.add(mine)
        else:
            there.joined = True
        return there

    def unshare(self, key: str, mine: Unserved) -> None:
        """Nobody finds it from now on."""
        if self.unserved.get(key) is mine:
            del self.unserved[key]
        self.changes.running.discard(mine)
