"""Scenarios in which something goes wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.interleavings.actors import bumper, writer
from tests.interleavings.catalog import ACTORS
from tests.interleavings.parts import KEY, LEASE
from tests.interleavings.scenario import TAG, Scenario, cold, stored

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["long_troubles", "stale_ones", "trouble", "troubles"]

CALL, FAIL, WRITE = ACTORS["call"], ACTORS["fail"], writer
DELETE, DELETE_CALL, BUMP, PUT = ACTORS["delete"], ACTORS["delete, call"], ACTORS["bump"], ACTORS["put"]
SLOW = (600,)  # ms, more than a lease
TWO_BUMPS = bumper(TAG, then_again=(TAG,))


def trouble(name: str, *processes: tuple[Any, ...], **settings: Any) -> Scenario:
    """One scenario with something that goes wrong."""
    tags = settings.setdefault("tags", ())
    warm = settings.pop("warm", False)
    settings.setdefault("initial", stored(tags=tags) if warm else cold)
    return Scenario(processes, name, after=(CALL,), **settings)


def troubles() -> Iterator[Scenario]:
    """Crashes, cancellations, slow owners, evictions, late and lost messages, and silence."""
    tagged: dict[str, Any] = {"tags": (TAG,)}
    for others in ((DELETE,), (CALL,), (WRITE,)):
        names = {DELETE: "delete", CALL: "call", WRITE: "write"}
        other = names[others[0]]
        yield trouble(f"crash: call | {other}", (CALL,), others, crashes=1, may_crash=(0,))
        yield trouble(f"slow owner: call | {other}", (CALL,), others, ticks=SLOW)
        if other == "delete":
            yield trouble(f"slow owner renews: call | {other}", (CALL,), others, ticks=SLOW, renewals=1)
        yield trouble(f"evictions: call | {other}", (CALL,), others, evict=(LEASE, KEY))
        yield trouble(f"deaf: call | call | {other}", (CALL,), (CALL,), others, deaf=True)
    yield trouble("cancelled among two", (CALL, CALL), cancels=1, may_cancel=(0,))
    yield trouble("a writer crashes", (WRITE,), (CALL,), crashes=1, may_crash=(0,))
    yield trouble("a slow writer", (WRITE,), (DELETE,), ticks=SLOW)
    yield trouble("two slow writers", (WRITE,), (WRITE,), ticks=SLOW)
    yield trouble("cancelled while another fails", (FAIL, CALL), cancels=1, may_cancel=(0,))
    yield trouble("tags evicted", (CALL,), (BUMP,), evict=(TAG, LEASE), warm=True, **tagged)
    yield trouble("tags evicted, cold", (CALL,), (TWO_BUMPS,), evict=(TAG,), **tagged)
    yield trouble("bump retried", (CALL,), (TWO_BUMPS,), faults=1, may_fail=("tag_bump",), warm=True, **tagged)
    yield trouble("bump retried, cold", (CALL,), (TWO_BUMPS,), faults=1, may_fail=("tag_bump",), **tagged)
    for script in ("entry_fetch", "entry_store", "entry_delete", "lease_free"):
        faults: dict[str, Any] = {"faults": 1, "may_fail": (script,)}
        yield trouble(f"{script} without answer", (CALL,), (DELETE_CALL,), **faults)
        yield trouble(f"{script} without answer, failing", (FAIL,), (CALL,), **faults)
    yield trouble("put without answer", (PUT,), (CALL,), faults=1, may_fail=("entry_put",), plain_writers=2)


def stale_ones() -> Iterator[Scenario]:
    """Values that are stale, or about to be, and readers that take them."""
    stale = stored(grace=50_000, left=40_000)  # for 10 s
    served: dict[str, Any] = {"initial": stale, "split": True, "window": 50_000}
    swr, sie = {"swr": 50.0}, {"sie": 50.0}
    soft = {"sie": 50.0, "soft_timeout": 0.3}
    early = {"async_ttl": 90.0}
    for name, others in (("delete", (DELETE,)), ("call", (CALL,)), ("expire", (ACTORS["expire"],))):
        yield trouble(f"stale while revalidate: call | {name}", (CALL,), others, options=swr, **served)
        yield trouble(f"stale if error: fail | {name}", (FAIL,), others, options=sie, **served)
        yield trouble(f"refresh ahead: call | {name}", (CALL,), others, options=early, warm=True, split=True)
        if name != "call":
            yield trouble(f"soft timeout: call | {name}", (CALL,), others, options=soft, ticks=(400,), **served)
    yield trouble("soft timeout: call", (CALL,), options=soft, ticks=(400,), **served)
    yield trouble("stale while revalidate: call + call", (CALL, CALL), options=swr, **served)
    yield trouble("stale if error: fail + fail", (FAIL, FAIL), options=sie, **served)
    ending = stored(grace=10_000, left=8_500)  # stale for 1.5 s
    inside: dict[str, Any] = {"initial": ending, "window": 2_000, "ticks": (1_000,), "split": True}
    yield trouble("stale in hand leaves its window: fail", (FAIL,), options={"sie": 2.0}, **inside)
    yield trouble("stale in hand leaves its window: call", (CALL,), options={"swr": 2.0}, **inside)


def long_troubles() -> Iterator[Scenario]:
    """The larger forms, for ``make explore``."""
    yield trouble("the driver crashes with its process", (CALL, CALL), (CALL,), crashes=1, may_crash=(0,))
    yield trouble("cancelled among three", (CALL, CALL, CALL), cancels=1, may_cancel=(0,))
    yield trouble("convoy", (FAIL, FAIL, FAIL), fails=True)
    yield trouble("convoy in two processes", (FAIL, FAIL), (FAIL,), fails=True)
    yield trouble("a writer crashes", (WRITE,), (CALL,), (CALL,), crashes=1, may_crash=(0,))
    yield trouble("all tags evicted", (CALL,), (BUMP,), (CALL,), evict=(TAG, LEASE), warm=True, tags=(TAG,))
    for others, other in (((DELETE,), "delete"), ((CALL,), "call"), ((WRITE,), "write")):
        yield trouble(f"crash: call | call | {other}", (CALL,), (CALL,), others, crashes=1, may_crash=(0,))
        yield trouble(f"slow owner: call | call | {other}", (CALL,), (CALL,), others, ticks=SLOW)
        yield trouble(f"very slow owner: call | {other}", (CALL,), others, ticks=(*SLOW, *SLOW))
        yield trouble(f"slow owner renews twice: call | {other}", (CALL,), others, ticks=SLOW, renewals=2)
        yield trouble(f"evictions: call | call | {other}", (CALL,), (CALL,), others, evict=(LEASE, KEY))
        yield trouble(f"cancel: call + call | {other}", (CALL, CALL), others, cancels=1, may_cancel=(0,))
    yield trouble("a slow writer, two others", (WRITE,), (CALL,), (DELETE,), ticks=SLOW)
    yield trouble("two slow writers and a call", (WRITE,), (WRITE,), (CALL,), ticks=SLOW)
    yield trouble("cancelled while another fails, three", (FAIL, CALL), (CALL,), cancels=1, may_cancel=(0,))
    for script in ("entry_fetch", "entry_store", "entry_delete", "lease_free"):
        faults: dict[str, Any] = {"faults": 1, "may_fail": (script,)}
        yield trouble(f"{script} without answer, three", (CALL,), (DELETE_CALL,), (CALL,), **faults)
        yield trouble(f"{script} without answer, failing, three", (FAIL,), (DELETE,), (CALL,), **faults)
        yield trouble(f"{script} without answer, shared", (CALL, CALL), (DELETE,), **faults)
