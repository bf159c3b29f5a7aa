"""A tagged set of the versions of a source, as one process sees it; lives of actors that read and write it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rcollections.plans.collections import keys, sets
from rcollections.plans.collections.loads import Load
from rcollections.plans.op import Op
from rcollections.plans.tags import DAY_MS
from rcollections.plans.target import Target
from tests.interleavings.collection_promises import ADDED, REPLACED
from tests.interleavings.parts import CHANNEL, GUARD, KEY, LEASE, Ask, Boom, Change

if TYPE_CHECKING:
    from rcollections.plans.effects import Plan
    from tests.interleavings.parts import Process
    from tests.interleavings.world import World

__all__ = ["Collection", "adder", "afresh", "bumper", "clearer", "filler", "looker", "replacer"]

Life = Any


class StillLoad(Load):
    """A load whose waiters ask in step, so that every run is the same."""

    __slots__ = ()

    def jitter(self) -> float:
        return 1.0


class Collection:
    """A handle, and what ``SetCache`` does with it: each method is a plan."""

    def __init__(self, process: Process) -> None:
        self.world = process.world
        self.process = process
        self.fails = bool(self.world.scenario.options.get("fails"))
        self.plain = self.target()
        self.name(self, "collection")

    def name(self, thing: Any, name: str) -> Any:
        """Never changes, so explorers need not look into it."""
        self.process.jobs.append(thing)  # kept, so that no other object gets its address
        self.world.named[id(thing)] = name
        return thing

    def target(self, since: bytes = b"") -> Target:
        loads = self.load if self.world.scenario.options.get("loads") else None
        guarded = self.world.parts.guards.Guarded
        key = guarded.make(KEY, GUARD, self.world.scenario.tags, DAY_MS, 100_000, loads, since)
        target = Target(
            self.name(key, f"key {since!r}"), "Versions", None,
            dumps=lambda value, *_: value.encode(), load=lambda data, *_: int(data),
            encode=lambda version: b"%d" % version, read=int, ttl=100, mode="last", jitter=0,
        )  # fmt: skip
        return self.name(target, f"target {since!r}")  # type: ignore[no-any-return]

    def run(self, op: Any) -> Plan[Any]:
        """One operation."""
        return op.decode((yield from self.world.parts.through.one(op.step)))

    def members(self) -> Plan[set[int]]:
        """``c.to_set()``"""
        found: set[int] = yield from self.world.parts.through.through(sets.whole(self.plain))
        return found

    def add(self, version: int) -> Plan[Any]:
        """``c.add(version)``"""
        return self.run(added(self.plain, version))

    def replace(self, version: int) -> Plan[Any]:
        """``c.data = {version}``"""
        return self.run(replaced(self.plain, version))

    def clear(self) -> Plan[Any]:
        """``c.clear()``"""
        return self.run(keys.clear(self.plain, GUARD, LEASE))

    def since(self) -> Plan[bytes]:
        """``c.since()``"""
        return self.world.parts.loads.mark(self.plain.key, LEASE, "open")  # type: ignore[no-any-return]

    def fill(self, version: int, seen: bytes, merge: bool = False) -> Plan[bool]:
        """``c.fill({version}, since=…, merge=…)``"""
        target = self.target(seen)
        try:
            yield from self.run(added(target, version) if merge else replaced(target, version))
        except self.world.parts.guards.Refused:
            return False
        return True

    def load(self) -> Plan[None]:
        """What a read of a class with ``load`` does when there is nothing."""
        load = StillLoad("load()", self.plain.key, LEASE, CHANNEL, self.process.flights, self.make)  # type: ignore[arg-type]
        return self.world.parts.loads.fill(self.name(load, "load"))  # type: ignore[no-any-return]

    def make(self, seen: bytes) -> tuple[int, Op[Any]]:
        """The user's load() reads the source; then, steps of their own, what it gave is stored."""
        if self.fails:
            raise Boom
        return self.world.source, replaced(self.target(seen), self.world.source)


def added(t: Target, version: int) -> Op[bool]:
    """Adds this version."""
    return sets.add_many(t, "add", [b"%d" % version], bool)


def replaced(t: Target, version: int) -> Op[Any]:
    """Makes this version the whole content."""
    op = sets.replace(t, [b"%d" % version])
    assert isinstance(op, Op)
    return op


# -- lives -----------------------------------------------------------------------------------------


def looker(w: World, c: Collection) -> Plan[None]:
    """Reads it."""
    w.promises.begins_to_look()
    try:
        found = yield from c.members()
    except Boom:
        return
    w.promises.looked(found)


def filler(merge: bool = False) -> Life:
    """Reads the source and stores what it read, with ``since``."""

    def life(_w: World, c: Collection) -> Plan[None]:
        seen = yield from c.since()
        version = yield Ask()
        yield from c.fill(version, seen, merge)

    return life


def adder(w: World, c: Collection) -> Plan[None]:
    """Adds something of its own."""
    yield from c.add(ADDED + w.current.number)  # type: ignore[union-attr]


def replacer(w: World, c: Collection) -> Plan[None]:
    """Changes the source, and puts the new version in the place of everything."""
    version = yield Change()
    yield from c.replace(REPLACED + version)
    w.promises.invalidated(version)


def bumper(*tags: str) -> Life:
    """Changes the source and invalidates tags."""

    def life(w: World, _c: Collection) -> Plan[None]:
        version = yield Change()
        yield from w.parts.bump.bump(tags)
        w.promises.invalidated(version)

    return life


def afresh(w: World, c: Collection) -> Plan[None]:
    """Clears it, and reads what is there then."""
    yield from c.clear()
    yield from looker(w, c)


def clearer(w: World, c: Collection) -> Plan[None]:
    """Changes the source and clears the collection."""
    version = yield Change()
    yield from c.clear()
    w.promises.invalidated(version)
