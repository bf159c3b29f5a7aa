"""Filling a collection from its source: under one lease, and never with data that was read before an invalidation."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

from ...errors import CacheError
from ..draws import draw, new_token
from ..effects import Call, Command, Hold, Plan, Script, Subscribe, Wait
from ..flights import Alone
from ..guards import Refused
from ..op import as_plan
from ..orphans import with_orphans
from ..through import through
from ..waiting import Computation, marked, waiting_for

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..circles import Waits
    from ..effects import Arg
    from ..flights import Flights
    from ..guards import Guarded
    from ..op import Operation

__all__ = ["AGAIN", "Load", "Since", "fill", "mark"]

AGAIN = object()  # another caller has filled the collection or field meanwhile: read again
LEASE_MS = 3_000
FIRST_NET, LAST_NET = 0.2, 1.0  # seconds between two looks of a waiting caller, in case its wake-up was lost
TRIES = 5


class Since:
    """What ``since()`` saw: hand it to ``fill`` or ``set``. Its content is private."""

    __slots__ = ("key", "mark")

    def __init__(self, key: str, seen: bytes) -> None:
        self.key = key
        self.mark = seen

    def __repr__(self) -> str:
        return "Since()"


class Load(Computation):
    """The filling of a whole collection (``mode`` "load"), or of one field of a dict ("field").

    ``make`` takes the guard from before, and calls the user's function. It gives the content, and the operation
    that stores the content under this guard.
    """

    __slots__ = ("channel", "field", "flights", "key", "lease", "make", "mode", "name")

    def __init__(
        self,
        name: str,
        key: Guarded,
        lease: str,
        channel: str,
        flights: Flights,
        make: Callable[[bytes], tuple[object, Operation[Any]]],
        *,
        field: bytes | None = None,
    ) -> None:
        self.name = name  # for messages
        self.key = key
        self.lease = lease
        self.channel = channel
        self.flights = flights
        self.make = make
        self.mode = "load" if field is None else "field"
        self.field = b"" if field is None else field

    def jitter(self) -> float:
        """A random factor that spreads waiting callers, so that they do not ask all at once."""
        return random.uniform(0.75, 1.25)  # noqa: S311 - guards nothing

    # A filling is a computation, as the call of a function is: each may wait for the other.

    @property
    def waits(self) -> Waits:
        return self.flights.waits

    @property
    def known_as(self) -> str:
        return self.lease

    def recursion(self) -> CacheError:
        return CacheError(
            f"{self.name} of {str(self.key)!r} reads what it is about to fill: it would wait for itself; "
            "read the source there, not the collection"
        )

    def circle(self) -> CacheError:
        return CacheError(
            f"{self.name} of {str(self.key)!r} would wait for what waits for it: somebody fills it now, and needs "
            "what the caller is computing; read the source there, not the collection"
        )


def _open(key: Guarded, lease: str, mode: str, field: bytes, token: bytes) -> Script:
    args: tuple[Arg, ...] = (mode, field, token, LEASE_MS, key.tag_ms, draw(), *(draw() for _ in key.tags))
    return Script("guard_open", (str(key), key.guard, lease, *key.tags), args)


def mark(key: Guarded, lease: str, mode: str) -> Plan[bytes]:
    """The guard as it is now, before the source is read; the server makes one if there is none."""
    reply = yield _open(key, lease, mode, b"", b"")
    return bytes(reply[1])


def fill(load: Load) -> Plan[Any]:
    """Fill the collection or field, or wait until another caller has (``AGAIN``).

    Callers that wait in this process get the same error.
    """
    load.guard()
    caller = Alone()
    try:
        try:
            return (yield from _fill(load, caller))
        finally:
            load.flights.gone(load.lease, caller)
    except BaseException:
        load.flights.gone(load.lease, caller)  # once more: the exception of a signal handler may have cut the first one
        raise


def _fill(load: Load, caller: Alone) -> Plan[Any]:
    flight = load.flights.enter(load.lease, caller)
    ticket = flight.drive_or_queue(caller)
    if ticket is not None:
        with waiting_for(load):
            yield Wait(ticket.signal)
        if ticket.error is not None:
            raise ticket.error
        return AGAIN
    error: BaseException | None = None
    try:
        return (yield from _lead(load))
    except Exception as raised:
        error = raised
        raise
    finally:
        flight.land(error)


def _lead(load: Load) -> Plan[Any]:
    for _ in range(TRIES):
        token, seen = yield from _lease(load)
        if token is None:
            return AGAIN
        stored, value = yield from _run(load, token, seen)
        if stored or load.mode == "field":
            return value
    raise CacheError(
        f"{str(load.key)!r} was changed or invalidated {TRIES} times while {load.name} ran: nothing was stored"
    )


def _lease(load: Load) -> Plan[tuple[bytes | None, bytes]]:
    """The token of the lease, with the guard of this moment; (None, …) if another caller has filled it."""
    heard: object = None
    pause = FIRST_NET
    while True:
        token = new_token()
        try:
            step = _open(load.key, load.lease, load.mode, load.field, token)
            reply = yield from with_orphans(load.flights.orphans, load.lease, step)
        except (CacheError, GeneratorExit):
            # The server may have given the lease: no caller shall wait for an owner that does not know of its lease.
            _leave(load, token)
            raise
        except BaseException:  # cancelled or interrupted
            yield from _free(load, token)
            raise
        if reply[0] != b"wait":
            return (token if reply[0] == b"lease" else None), bytes(reply[1])
        if heard is None:  # subscribe first, then look once more
            heard = yield Subscribe(load.channel)
            if not (yield Command(("EXISTS", load.lease))):
                heard = None
                continue
        left = max(reply[1] / 1000, 0.01)
        with waiting_for(load):
            if (yield Wait(heard, min(pause * load.jitter(), left))):
                heard = None
        pause = min(2 * pause, LAST_NET)


def _run(load: Load, token: bytes, seen: bytes) -> Plan[tuple[bool, object]]:
    held: Any = None
    try:
        make = marked(lambda: load.make(seen), (load,))
        held = yield Hold(load.lease, token, LEASE_MS)
        result = yield from _stored(*(yield Call(make)))
        held.stop()
    except BaseException as error:  # failed, cancelled or interrupted: another caller may fill it at once
        if held is not None:
            held.stop()
        if isinstance(error, GeneratorExit):  # the plan was dropped, no driver is left to act
            _leave(load, token)
        else:
            yield from _free(load, token)
        raise
    yield from _free(load, token)
    return result


def _free(load: Load, token: bytes) -> Plan[None]:
    try:
        yield Script("lease_free", (load.lease,), (token, load.channel))
    except CacheError:
        _leave(load, token)
    except BaseException:  # cancelled, interrupted or dropped
        _leave(load, token)
        raise


def _leave(load: Load, token: bytes) -> None:
    """L7: let the background give the lease back, or the next call of this process that needs it."""
    step = Script("lease_free", (load.lease,), (token, load.channel))
    load.flights.orphans.leave(load.lease, step, LEASE_MS)


def _stored(content: object, op: Operation[object]) -> Plan[tuple[bool, object]]:
    """Whether the content was stored, and the value that is there now; after a refusal, the user's content."""
    try:
        value = yield from through(as_plan(op))
    except Refused:
        return False, content
    return True, value
