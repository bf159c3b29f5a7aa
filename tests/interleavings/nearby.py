"""The scenarios of processes that hold values: fills, proofs, own writes, lost connections, and time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rcollections.errors import CacheError
from rcollections.plans.effects import Command
from tests.interleavings.actors import bumper, changer, putter, writer
from tests.interleavings.nearworld import Idle, NearScenario, caller, calling, peek, peeker, settler, watcher
from tests.interleavings.parts import Change
from tests.interleavings.promises import BY_HAND
from tests.interleavings.scenario import TAG, cold, stored

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rcollections.plans.effects import Plan
    from rcollections.plans.functions.job import Job
    from tests.interleavings.nearworld import NearWorld

__all__ = ["long_nearby", "near", "nearby", "own"]

CALL, WATCH, PEEK, SETTLE = caller, watcher, peeker, settler
DELETE, EXPIRE, PUT, BUMP, WRITE = changer("delete"), changer("expire"), putter(), bumper(TAG), writer
HALF = 500  # ms; half of the staleness


def own(how: str) -> Any:
    """Changes the source and tells the cache, in a process that holds values, and looks again whatever came of it."""

    def life(w: NearWorld, job: Callable[..., Job[Any]]) -> Plan[None]:
        one = job()
        version = yield Change()
        plans: dict[str, Any] = {
            "delete": lambda: w.parts.invalidate.delete(one),
            "expire": lambda: w.parts.invalidate.expire(one),
            "bump": lambda: w.parts.bump.bump((TAG,)),
            "put": lambda: w.parts.put.store(one, BY_HAND + version),
        }
        try:
            yield from plans[how]()
        except CacheError:
            pass
        else:
            w.promises.invalidated(version)
        yield Idle()
        peek(w, job())

    return life


def call_once(w: NearWorld, job: Any) -> Plan[None]:
    """Calls the function, which may fill."""
    yield from calling(w, job())


def flusher(w: NearWorld, _job: Any) -> Plan[None]:
    """FLUSHDB after a change."""
    version = yield Change()
    yield Command(("FLUSHDB",))
    w.promises.invalidated(version)


def near(name: str, *processes: tuple[Any, ...], **settings: Any) -> NearScenario:
    """One scenario; the first process holds values."""
    settings.setdefault("initial", stored(tags=settings.get("tags", ())))
    return NearScenario(processes, f"near: {name}", **settings)


def nearby() -> Iterator[NearScenario]:
    """One form of each."""
    tagged: dict[str, Any] = {"tags": (TAG,)}
    others: dict[str, tuple[Any, dict[str, Any]]] = {
        "delete": (DELETE, {}), "expire": (EXPIRE, {}), "put": (PUT, {}), "bump": (BUMP, tagged), "write": (WRITE, {}),
        "flush": (flusher, {}),
    }  # fmt: skip
    for name, (life, more) in others.items():
        yield near(f"fill | {name}", (CALL,), (life,), **more)
        yield near(f"held | {name}", (PEEK,), (life,), warm=True, **more)
    for how in ("delete", "expire", "put", "bump"):
        more = tagged if how == "bump" else {}
        yield near(f"fill + own {how}", (call_once, own(how)), **more)
        script = "tag_bump" if how == "bump" else f"entry_{how}"
        faults: dict[str, Any] = {"faults": 1, "may_fail": (script,)}
        yield near(f"held + own {how} without answer", (PEEK, own(how)), warm=True, **faults, **more)
        yield near(f"held + own {how} cancelled", (PEEK, own(how)), warm=True, cancels=1, may_cancel=(1,), **more)
    yield near("held a while", (PEEK,), (DELETE,), warm=True, pings=2, ticks=(HALF, HALF))
    yield near("nothing stored | put", (CALL,), (PUT,), initial=cold)
    yield near("nothing stored | delete", (CALL,), (DELETE,), initial=cold)
    yield near("flushed a while ago", (PEEK,), (flusher,), warm=True, pings=2, ticks=(HALF, HALF))
    yield near("busy script", (PEEK,), (DELETE,), warm=True, pings=3, ticks=(HALF, HALF), budget={"busy do": 1})
    yield near("not live yet", (CALL,), (DELETE,), live=False, pings=2)
    yield near("cut", (PEEK,), (DELETE,), warm=True, opens=1, pings=2, ticks=(HALF, HALF), budget={"cut": 1})
    yield near("cut while filling", (CALL,), (DELETE,), opens=1, pings=2, budget={"cut": 1})
    yield near("two servers", (CALL,), old=(0,))
    yield near("its end", (WATCH,), initial=stored(left=750), ticks=(HALF, HALF), pings=2)
    yield near("fork", (SETTLE,), (DELETE,), warm=True, budget={"fork": 1})
    yield near("fork while filling", (CALL,), (DELETE,), opens=1, pings=2, budget={"fork": 1})
    yield near("sleep past its end", (PEEK,), initial=stored(left=1250), warm=True, pings=2, budget={"sleep": 1})
    yield near("sleep", (PEEK,), (DELETE,), warm=True, pings=2, budget={"sleep": 1})


def long_nearby() -> Iterator[NearScenario]:
    """The larger forms, for ``make explore``."""
    time: dict[str, Any] = {"pings": 2, "ticks": (HALF, HALF)}
    for name, (life, more) in {"delete": (DELETE, {}), "put": (PUT, {}), "bump": (BUMP, {"tags": (TAG,)})}.items():
        yield near(f"fill, time | {name}", (WATCH,), (life,), **time, **more)
        # What is put by hand counts from when it is put: beside another change it may be the older one.
        yield near(f"fill | {name} | delete", (CALL,), (life,), (DELETE,), plain_writers=2, **more)
        yield near(f"fill + fill | {name}", (CALL, CALL), (life,), **more)
    yield near("cut, filling, time | delete", (WATCH,), (DELETE,), opens=1, budget={"cut": 1}, **time)
    yield near("busy, filling | delete", (WATCH,), (DELETE,), budget={"busy do": 1}, **time)
    yield near("two processes | delete", (CALL,), (CALL,), (DELETE,), near=(0, 1))
    for how in ("delete", "put", "bump"):
        more = {"tags": (TAG,)} if how == "bump" else {}
        yield near(f"fill + own {how} | call", (CALL, own(how)), (call_once,), **more)
        yield near(f"fill + own {how} | delete", (CALL, own(how)), (DELETE,), plain_writers=2, **more)
