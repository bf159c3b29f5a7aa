"""Filling a collection from its source: under one lease, and never with data that was read before an invalidation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...errors import CacheError
from ..draws import draw, new_token
from ..effects import Batch, Call, Command, Hold, Now, Plan, Script, Subscribe, Wait, carried, original
from ..flights import Alone
from ..guards import Refused
from ..marks import counting, failed_mark, pause, raised_by, read_mark
from ..op import as_plan
from ..orphans import with_orphans
from ..rounds import Landing
from ..through import through
from ..waiting import marked, waiting_for
from .loading import Load, Since

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..effects import Arg
    from ..guards import Guarded
    from ..marks import Mark
    from ..op import Operation

__all__ = ["AGAIN", "Load", "Since", "fill", "mark"]

AGAIN = object()  # another caller has filled the collection or field meanwhile: read again
LEASE_MS = 3_000
FIRST_NET, LAST_NET = 0.2, 1.0  # seconds between two looks of a waiting caller, in case its wake-up was lost
TRIES = 5


def _open(key: Guarded, lease: str, mode: str, field: bytes, token: bytes) -> Script:
    args: tuple[Arg, ...] = (mode, field, token, LEASE_MS, key.tag_ms, draw(), *(draw() for _ in key.tags))
    return Script("guard_open", (str(key), key.guard, lease, *key.tags), args)


def mark(key: Guarded, lease: str, mode: str) -> Plan[bytes]:
    """The guard as it is now, before the source is read; the server makes one if there is none."""
    reply = yield _open(key, lease, mode, b"", b"")
    return bytes(reply[1])


def fill(load: Load) -> Plan[Any]:
    """Fill the collection or field, or wait until another caller has (``AGAIN``).

    Callers that wait in this process get the same error, unless it is older than an invalidation (W3').
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
            raise carried(ticket.error)
        return AGAIN
    landing = Landing(caller)
    shared: BaseException | None = None
    try:
        return (yield from _lead(load, lambda: flight.land_failing(landing)))
    except Failed as failed:
        error, shared = failed.error, failed.error if failed.shared else None
    except Exception as failed:  # the server failed, which says the same to the others
        flight.land_failing(landing)
        shared = failed
        raise
    finally:
        flight.close(landing)
        if landing.ticket is not None:
            flight.fail(landing, shared)
        else:
            flight.land()
    raise carried(error)


class Failed(Exception):
    """The user's function raised; ``shared``: no invalidation came between."""

    def __init__(self, error: BaseException, shared: bool) -> None:
        self.error = error
        self.shared = shared


def _lead(load: Load, ending: Callable[[], None]) -> Plan[Any]:
    for _ in range(TRIES):
        token, seen, mark = yield from _lease(load)
        if mark is not None:
            return (yield from _after(load, mark, ending))
        if token is None:
            return AGAIN
        stored, value = yield from _run(load, token, seen, ending)
        if stored or load.mode == "field":
            return value
    raise CacheError(
        f"{str(load.key)!r} was changed or invalidated {TRIES} times while {load.name} ran: nothing was stored"
    )


def _lease(load: Load) -> Plan[tuple[bytes | None, bytes, Mark | None]]:
    """The token of the lease, with the guard of this moment.

    (None, …) if another caller has filled it; with the mark of that caller, if its computation has failed (W4).
    """
    heard: object = None
    waited = b""
    pause = FIRST_NET
    while True:
        mark = (yield from _failed(load, waited)) if waited else None
        if mark is not None:
            return None, b"", mark
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
            _leave(load, token)  # the question may still be on its way, and arrive behind that
            raise
        if reply[0] != b"wait":
            return (token if reply[0] == b"lease" else None), bytes(reply[1]), None
        waited = reply[2]
        if heard is None:  # subscribe first, then look once more
            heard = yield Subscribe(load.channel)
            held = yield Command(("GET", load.lease))
            if held is None or read_mark(held) is not None:
                heard = None
                continue
        left = max(reply[1] / 1000, 0.01)
        with waiting_for(load):
            if (yield Wait(heard, min(pause * load.jitter(), left))):
                heard = None
        pause = min(2 * pause, LAST_NET)


def _call(load: Load, seen: bytes) -> Call:
    """The user's function, marked as running."""
    return Call(marked(lambda: load.make(seen), (load,)))


def _run(load: Load, token: bytes, seen: bytes, ending: Callable[[], None]) -> Plan[tuple[bool, object]]:
    held: Any = None
    began = 0.0
    try:
        held = yield Hold(load.lease, token, LEASE_MS)
        began = yield Now()
        result = yield from _stored(*(yield _call(load, seen)))
        held.stop()
    except BaseException as raised:  # failed, cancelled or interrupted: another caller may fill it at once
        if held is not None:
            held.stop()
        if isinstance(raised, GeneratorExit):  # the plan was dropped, no driver is left to act
            _leave(load, token)
        elif isinstance(raised, Exception):
            error = original(raised)
            shared = yield from _free_failed(load, token, seen, error, began, ending)
            raise Failed(error, shared) from error
        else:
            yield from _free(load, token)
        raise
    yield from _free(load, token)
    return result


def _failed(load: Load, waited: bytes) -> Plan[Mark | None]:
    """The mark of the computation that was waited for, if no tag was invalidated since its beginning (W3')."""
    steps = [Command(("GET", load.lease))]
    if load.key.tags:
        steps.append(Command(("MGET", *load.key.tags)))
    left, *stamps = yield Batch(steps)
    return counting(read_mark(left), waited, stamps[0] if stamps else ())


def _after(load: Load, mark: Mark, ending: Callable[[], None]) -> Plan[Any]:
    """W4: raise the exception of another process; where its mark holds none, fill without the lease, fenced by C4."""
    error = raised_by(mark, load.sharing, str(load.key), load.name)
    if error is not None:
        ending()
        raise Failed(error, True)
    seconds = pause(mark, load.jitter())
    if seconds > 0:
        yield Wait(load.flights.signal(), seconds)
    seen = bytes((yield _open(load.key, load.lease, "open", b"", b""))[1])
    try:
        stored, value = yield from _stored(*(yield _call(load, seen)))
    except Exception as raised:
        ending()
        raise Failed(original(raised), False) from original(raised)
    return value if stored or load.mode == "field" else AGAIN


def _free(load: Load, token: bytes, mark: Mark | None = None) -> Plan[bool]:
    """Give the lease back. Gives whether it was still ours, and the tags still have the stamps of the mark."""
    left: tuple[Arg, ...] = () if mark is None else (mark.pack(), mark.life)
    try:
        reply = yield Script("lease_free", (load.lease, *load.key.tags), (token, load.channel, *left))
    except CacheError:
        _leave(load, token)
        return False
    except BaseException:  # cancelled, interrupted or dropped
        _leave(load, token)
        raise
    return mark is not None and reply[0] == b"ok" and reply[1] == mark.stamps


def _free_failed(
    load: Load, token: bytes, seen: bytes, error: BaseException, began: float, ending: Callable[[], None]
) -> Plan[bool]:
    """Give the lease back after the user's function raised, with a mark of that; gives what ``_free`` gives."""
    try:
        took = (yield Now()) - began
    except BaseException:  # cancelled, interrupted or dropped
        _leave(load, token)
        raise
    ending()
    about = str(load.key), token, seen[: 8 * len(load.key.tags)], (1, 0, round(took * 1000))
    return (yield from _free(load, token, failed_mark(error, load.sharing, *about)))


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
