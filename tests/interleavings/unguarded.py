"""Scripts and flights of which each lacks one guard: what the mutations put in the place of the real ones."""

from __future__ import annotations

from typing import Any

from rcollections.plans.flight import Flight
from rcollections.plans.flights import Flights
from tests.interleavings.guarded_scripts import guard_open
from tests.interleavings.scripts import SCRIPTS, put, stamps

__all__ = [
    "EagerFlight",
    "EagerFlights",
    "LateFlight",
    "LateFlights",
    "begin_politely",
    "clear_data_only",
    "delete_entry_only",
    "expire_entry_only",
    "fetch_over",
    "fetch_unseen",
    "free_anyway",
    "open_over",
    "open_unseen",
    "put_entry_only",
    "remake_tags",
    "renew_anyway",
    "store_anyway",
]


def store_anyway(m: Any, keys: Any, args: Any) -> list[Any]:
    put(m, keys[0], args[1], args[2])
    m.unlink(keys[1])
    m.publish(args[3])
    return [b"ok"]


def delete_entry_only(m: Any, keys: Any, args: Any) -> list[Any]:
    m.publish(args[0])
    return [b"ok", m.unlink(keys[0])]


def put_entry_only(m: Any, keys: Any, args: Any) -> list[Any]:
    head, value, ttl, tag_ms, channel, *news = args
    put(m, keys[0], head + stamps(m, keys[2:], tag_ms, news) + value, ttl)
    m.publish(channel)
    return [b"ok"]


def fetch_unseen(m: Any, keys: Any, args: Any) -> list[Any]:
    """The lease without a second look at the entry."""
    entry = m.data.pop(keys[0], None)
    reply = SCRIPTS["entry_fetch"](m, keys, args)
    if entry is not None:
        m.data[keys[0]] = entry
    return reply


def fetch_over(m: Any, keys: Any, args: Any) -> list[Any]:
    """The lease, whoever has it."""
    reply = SCRIPTS["entry_fetch"](m, keys, args)
    if reply[0] == b"wait":
        m.set(keys[1], args[0], b"PX", args[1])
        reply[0] = b"lease"
    return reply


def renew_anyway(m: Any, keys: Any, args: Any) -> list[Any]:
    m.set(keys[0], args[0], b"PX", args[1])
    return [b"ok"]


def free_anyway(m: Any, keys: Any, args: Any) -> list[Any]:
    m.unlink(keys[0])
    m.publish(args[1])
    return [b"ok"]


def begin_politely(m: Any, keys: Any, args: Any) -> list[Any]:
    """The lease only if nobody has it."""
    current = stamps(m, keys[2:], args[2], args[3:])
    m.unlink(keys[0])
    m.set(keys[1], args[0], b"NX", b"PX", args[1])
    return [b"lease", current]


def expire_entry_only(m: Any, keys: Any, args: Any) -> list[Any]:
    lease = m.data.get(keys[1])
    reply = SCRIPTS["entry_expire"](m, keys, args)
    if lease is not None:
        m.data[keys[1]] = lease
    return reply


def remake_tags(m: Any, keys: Any, args: Any) -> list[Any]:
    """FETCH makes its tags anew, although they are there."""
    for tag, new in zip(keys[2:], args[5:], strict=True):
        m.set(tag, new)
    return SCRIPTS["entry_fetch"](m, keys, args)


def clear_data_only(m: Any, keys: Any, _args: Any) -> list[Any]:
    """The guard stays, and what was to be stored before is."""
    return [b"ok", m.unlink(keys[0], keys[2])]


def open_over(m: Any, keys: Any, args: Any) -> list[Any]:
    """The right to load, whoever has it."""
    reply = guard_open(m, keys, args)
    if reply[0] != b"wait":
        return reply
    m.unlink(keys[2])
    return guard_open(m, keys, args)


def open_unseen(m: Any, keys: Any, args: Any) -> list[Any]:
    """The right to load, loaded or not."""
    data = m.data.pop(keys[0], None)
    reply = guard_open(m, keys, args)
    if data is not None:
        m.data[keys[0]] = data
    return reply


class EagerFlight(Flight):
    """Takes part in a read that is sent already."""

    def join(self, caller: Any) -> Any:
        current = self.current
        if current is None or current.leader is None:
            return super().join(caller)
        self._wanted(current)
        return current, False, None


class EagerFlights(Flights):
    def make(self, key: str) -> Flight:
        return EagerFlight(self, key)


class LateFlight(Flight):
    """Lets callers queue for a read that is sent already."""

    def land_reading(self) -> Any:
        ticket = self.ticket
        return ticket if ticket is not None and ticket.queued else super().land_reading()

    def answer(self, caller: Any, ticket: Any, reply: Any = None, error: Any = None, valid: bool = True) -> None:
        self._landed()
        super().answer(caller, ticket, reply, error, valid)


class LateFlights(Flights):
    def make(self, key: str) -> Flight:
        return LateFlight(self, key)
