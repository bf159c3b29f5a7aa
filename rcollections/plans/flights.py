"""Flights: what the callers of one key inside this process share, and what they must not share.

They share reads and wake-ups, never a result that was computed for a call that began earlier:
a read answers only those that began before it was sent. Of all callers that missed, one drives (talks to
the server about the lease, computes, or waits for another process); the others wait for it to end.
Every method is one atomic step in memory. Waiting itself is an effect, so this knows no threads and no loop.

A caller who finds nobody at his key makes no flight: an ``Alone`` says that his read is under way. Whoever comes
meanwhile makes a flight of it, in which that read is the round that is sent. So most hits cost two looks into a table.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from .circles import Waits
from .flight import Flight
from .rounds import Round

if TYPE_CHECKING:
    from collections.abc import Callable

    from .rounds import Signal

__all__ = ["Alone", "Flights"]


class Alone:
    """A caller whose read began while nobody else was at his key."""

    flight: Flight | None = None  # of those who came meanwhile: the caller is one of its users


class Flights:
    """All flights of one connection, among threads or among the tasks of one event loop; these share the ``waits``."""

    def __init__(self, signal: Callable[[], Signal], waits: Waits | None = None) -> None:
        self.signal = signal
        self.lock = threading.Lock()
        self.table: dict[str, Flight | Alone] = {}
        self.waits = waits or Waits()

    def forget(self) -> None:
        """In the child of a fork: whoever drives or waits here is in the parent."""
        self.lock = threading.Lock()
        self.table.clear()
        self.waits.forget()

    # -- a caller who is alone ---------------------------------------------------------------------

    def begin(self, key: str, alone: Alone) -> bool:
        """Whether nobody is at this key: then the caller reads at once, and calls ``end`` or ``gone`` after it."""
        return self.table.setdefault(key, alone) is alone  # one step in memory without the lock

    def end(self, key: str, alone: Alone, reply: Any) -> Flight | None:
        """His read has ended. None: he was alone all the time. Else the flight, of which he is one: he has to leave."""
        with self.lock:
            flight = alone.flight
            if flight is None:
                if self.table.get(key) is alone:  # not so in the child of a fork
                    del self.table[key]
                return None
            turn = flight.current
        if turn is not None:
            flight.end(turn, reply)
        return flight

    def gone(self, key: str, alone: Alone) -> None:
        """His read failed, or he goes away without it (or never began)."""
        flight = self.end(key, alone, None)
        if flight is not None:
            flight.leave()

    # -- flights -----------------------------------------------------------------------------------

    def enter(self, key: str) -> Flight:
        """The flight of this key; every ``enter`` needs a ``leave``."""
        with self.lock:
            there = self.table.get(key) or self.table.setdefault(key, self.make(key))
            if isinstance(there, Alone):
                there.flight = flight = self.table[key] = self.make(key)
                flight.users = 1
                flight.current = Round(sent=True)
            else:
                flight = there
            flight.users += 1
            return flight

    def make(self, key: str) -> Flight:
        """A new flight, of nobody yet."""
        return Flight(self, key)

    def leave(self, flight: Flight) -> None:
        """Drop the flight with its last user."""
        with self.lock:
            flight.users -= 1
            if not flight.users and self.table.get(flight.key) is flight:
                del self.table[flight.key]
