"""Locks in every order: who takes them, what is promised of them, and their guards."""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING, Any

from rcollections.errors import CacheError, LockLost
from rcollections.plans.effects import Script
from tests.interleavings.guards import Guard
from tests.interleavings.mutants import plans, scripts
from tests.interleavings.parts import KEY, Cancelled, Change
from tests.interleavings.promises import Broken, Promises
from tests.interleavings.scenario import Scenario
from tests.interleavings.scripts import SCRIPTS
from tests.interleavings.unguarded import renew_anyway

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rcollections.plans.effects import Plan
    from tests.interleavings.world import World

__all__ = ["LOCK_GUARDS", "locks", "long_locks"]

MS = 500
SLOW = (600,)  # ms, longer than a lock lasts


class LockPromises(Promises):
    """The books of a world of locks."""

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.inside: list[int] = []  # the numbers of those whose block runs
        self.largest = 0
        self.freed: list[bytes] = []  # the tokens of owners that gave it back in time
        self.line: dict[int, list[int]] = {}  # of each process: the actors that came, in order

    def state(self) -> Any:
        return super().state(), self.inside, self.largest, self.freed, self.line

    def came(self) -> None:
        """A caller is about to wait."""
        actor = self.world.current
        assert actor is not None
        self.line.setdefault(actor.process.number, []).append(actor.number)

    def went(self) -> None:
        """It waits no more, and has no lock."""
        actor = self.world.current
        assert actor is not None
        self.line[actor.process.number].remove(actor.number)

    def enters(self, number: int, token: bytes) -> None:
        """A block begins."""
        actor = self.world.current
        assert actor is not None
        if self.line[actor.process.number].pop(0) != actor.number:
            raise Broken("somebody who came later was first")
        if number <= self.largest:
            raise Broken(f"the number {number} after {self.largest}")
        if self.inside and self.valid() != token:
            raise Broken("two are inside, and the lock of the first has not run out")
        self.largest = number
        self.inside.append(number)

    def ends(self, number: int, token: bytes, *, told: bool) -> None:
        """A block has ended."""
        self.inside.remove(number)
        if not told and token not in self.freed and number < self.largest:
            raise Broken(f"{self.largest} was inside as well, and {number} is not told")

    def released(self, token: bytes) -> bool:
        """Whether FREE met the lock of this owner, by the book."""
        return token in self.freed

    def served(self, actor: Any, step: Any, reply: Any) -> None:
        if not isinstance(step, Script):
            return
        now, token = self.world.model.now, bytes(step.args[0])
        if step.name == "lock_take" and reply[0] == b"held":
            if self.valid() is not None:
                raise Broken("two have the lock")
            self.holder, self.holder_until = token, now + int(step.args[1])
        elif step.name == "lease_renew" and token == self.valid():
            self.holder_until = now + int(step.args[1])
        elif step.name == "lock_free" and token == self.holder:
            if self.valid() is not None:
                self.freed.append(token)
            self.holder = None


def locker(w: World, process: Any) -> Plan[None]:
    """Takes the lock, does something, and gives it back."""
    block = w.parts.lockblocks.LockBlock("", KEY, MS, None)
    w.promises.came()
    try:
        yield from block.begin(process.flights)
    except (CacheError, Cancelled) as error:
        w.promises.went()
        if isinstance(error, CacheError):
            return
        raise
    owned, number = block._owned, block.token
    w.promises.enters(number, owned.token)
    try:
        yield Change()
        yield from block.end(None)
    except LockLost:
        w.promises.ends(number, owned.token, told=True)
        if w.promises.released(owned.token):
            raise Broken("it was not lost") from None
    except Cancelled:
        w.promises.ends(number, owned.token, told=True)
        block.drop()
        raise
    else:
        w.promises.ends(number, owned.token, told=False)


def lock(name: str, *processes: tuple[Any, ...], **settings: Any) -> Scenario:
    """One scenario of locks."""
    at = attrgetter("myself")
    return Scenario(processes, name, **{"after": (locker,), "at": at, "promises": LockPromises, **settings})


LOST: dict[str, Any] = {"faults": 1, "late_copies": False, "patience": 100}


def locks() -> Iterator[Scenario]:
    """Two and three callers, in one process and in several, and what goes wrong around them."""
    one = (locker,)
    yield lock("lock | lock", one, one, prompt=True)
    yield lock("lock + lock", (locker, locker), prompt=True)
    yield lock("lock | lock, deaf", one, one, deaf=True)
    yield lock("a slow owner: lock | lock", one, one, ticks=SLOW)
    yield lock("a slow owner renews: lock | lock", one, one, ticks=SLOW, renewals=1)
    yield lock("an owner crashes: lock | lock", one, one, crashes=1, may_crash=(0,))
    yield lock("cancelled: lock + lock", (locker, locker), cancels=1, may_cancel=(0, 1))
    for script in ("lock_take", "lock_free"):
        yield lock(f"{script} without answer: lock | lock", one, one, faults=1, may_fail=(script,))
        yield lock(f"{script}, only the answer is lost: lock | lock", one, one, may_fail=(script,), **LOST)


def long_locks() -> Iterator[Scenario]:
    """The larger forms, for ``make explore``."""
    yield lock("lock + lock | lock", (locker, locker), (locker,))
    yield lock("cancelled: lock + lock | lock", (locker, locker), (locker,), cancels=1, may_cancel=(0, 1))


def take_over(m: Any, keys: Any, args: Any) -> list[Any]:
    m.unlink(keys[0])
    return SCRIPTS["lock_take"](m, keys, args)


def free_anyway(m: Any, keys: Any, args: Any) -> list[Any]:
    m.unlink(keys[0])
    m.publish(args[1])
    return [b"ok"]


def free_with_counter(m: Any, keys: Any, args: Any) -> list[Any]:
    m.unlink(keys[1])
    return SCRIPTS["lock_free"](m, keys, args)


ONE = (locker,)
LOCK_GUARDS: dict[str, Guard] = {
    "locks: one owner": Guard(lambda: scripts(lock_take=take_over), lock("", ONE, ONE)),
    "locks: free compares the token": Guard(lambda: scripts(lock_free=free_anyway), lock("", ONE, ONE, ticks=SLOW)),
    "locks: renewing makes no lock": Guard(
        lambda: scripts(lease_renew=renew_anyway), lock("", ONE, ONE, renewals=1, patience=100)
    ),
    "locks: numbers grow": Guard(lambda: scripts(lock_free=free_with_counter), lock("", ONE, ONE)),
    "locks: in the order in which they came": Guard(
        lambda: plans(("lines", "            return line[0] is mine\n", "            return True\n")),
        lock("", (locker, locker)),
    ),
    "locks: free what nobody heard of": Guard(
        lambda: plans((
                "locks", "        leave(flights, place, token)\n        raise\n    held.until",
                "        raise\n    held.until",
            )),
        lock("", ONE, ONE, may_fail=("lock_take",), **LOST),
    ),
    "locks: the line outlives its first": Guard(
        lambda: plans(("lines", "            after.set()\n", "            pass\n")),
        lock("", (locker, locker), cancels=1, may_cancel=(0,)),
    ),
    "locks: subscribe first": Guard(
        lambda: plans(
            ("locks", "            heard = yield Subscribe(place.channel)\n            continue\n",
             "            heard = yield Subscribe(place.channel)\n"),
        ),
        lock("", ONE, ONE, prompt=True),
    ),
}  # fmt: skip
