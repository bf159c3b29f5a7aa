"""Lives of actors. Each makes a plan for a world: real plans, changes of the source, and what is promised."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rcollections.errors import CacheError
from rcollections.plans.effects import Hold
from rcollections.plans.functions.values import dump
from tests.interleavings.asking import asked
from tests.interleavings.parts import KEY, LEASE, Boom, Change, Shared
from tests.interleavings.promises import BY_HAND, Broken

if TYPE_CHECKING:
    from collections.abc import Callable

    from rcollections.plans.effects import Plan
    from rcollections.plans.functions.job import Job
    from tests.interleavings.world import World

__all__ = [
    "bumper",
    "changer",
    "clearer",
    "failing",
    "missing",
    "putter",
    "reader",
    "refresher",
    "setter",
    "setter_ahead",
    "writer",
]

Life = Any

SHARED = Shared()


def reader(**options: Any) -> Life:
    """Calls the function once."""

    def life(w: World, job: Callable[..., Job[Any]]) -> Plan[None]:
        return calling(w, job(**options))

    return life


def calling(w: World, job: Job[Any]) -> Plan[None]:
    floor = w.promises.begins()
    try:
        value = yield from asked(w.parts, job)
    except Boom as boom:
        if boom.args:
            w.promises.raised(boom.args[0], floor)
        return
    w.promises.returned(value, floor)


def twice(w: World, job: Callable[..., Job[Any]]) -> Plan[None]:
    """Calls, and calls again."""
    one = job()
    yield from calling(w, one)
    yield from calling(w, one)


def failing(**options: Any) -> Life:
    """Calls a function that raises."""

    def fail() -> None:
        raise Boom

    return reader(fn=fail, **options)


def missing(**options: Any) -> Life:
    """Calls a function that raises until the source has changed: there is no such row yet."""

    def life(w: World, job: Callable[..., Job[Any]]) -> Plan[None]:
        def fn() -> int:
            if w.source < 2:
                raise Boom(w.source)
            return w.source

        return calling(w, job(fn=fn, **{"sharing": SHARED, **options}))

    return life


def refresher(w: World, job: Callable[..., Job[Any]]) -> Plan[None]:
    """Recomputes, whatever is there."""
    one = job()
    floor = w.promises.begins()
    value = yield from w.parts.refresh.recompute(one)
    w.promises.returned(value, floor)


def changer(how: str, then_calls: bool = False, of: Life = None) -> Life:
    """Changes the source and tells the cache: ``delete`` or ``expire``; then it may call, or live the life ``of``."""

    def life(w: World, job: Callable[..., Job[Any]]) -> Plan[None]:
        one = job()
        version = yield Change()
        try:
            yield from getattr(w.parts.invalidate, how)(one)
        except CacheError:
            return  # nothing is promised to one whose call raised
        w.promises.invalidated(version, stale_may_be_served=how == "expire")
        if then_calls:
            yield from calling(w, one) if of is None else of(w, job)

    return life


def bumper(*tags: str, changes: bool = True, then_calls: bool = False, then_again: tuple[str, ...] = ()) -> Life:
    """Changes the source and invalidates tags."""

    def life(w: World, job: Callable[..., Job[Any]]) -> Plan[None]:
        one = job()
        for each in (tags, then_again) if then_again else (tags,):
            version = (yield Change()) if changes else 0
            try:
                yield from w.parts.bump.bump(each)
            except CacheError:
                return
            w.promises.invalidated(version)
        if then_calls:
            yield from calling(w, one)

    return life


def putter(bumps: tuple[str, ...] = (), exact: bool = False) -> Life:
    """Changes the source, puts the new value by hand, and reads its own write."""

    def life(w: World, job: Callable[..., Job[Any]]) -> Plan[None]:
        one = job()
        if exact:  # it has read before: what it remembers of tags must not matter
            yield from calling(w, one)
        version = yield Change()
        if bumps:
            yield from w.parts.bump.bump(bumps)
        try:
            yield from w.parts.put.store(one, BY_HAND + version)
        except CacheError:
            return
        w.promises.invalidated(version)
        floor = w.promises.begins()
        value = yield from asked(w.parts, one)
        w.promises.returned(value, floor)
        if exact and value != BY_HAND + version:
            raise Broken(f"{BY_HAND + version} was put, and read as {value}")

    return life


def setter(w: World, job: Callable[..., Job[Any]]) -> Plan[None]:
    """Changes the source and writes the new value plainly, as a process does that knows no function of this key."""
    t = job().recipe.target
    t.lease = LEASE  # as ``KeyCache`` does
    version = yield Change()
    yield from w.parts.op.as_plan(w.parts.strings.set(t, BY_HAND + version))
    w.promises.invalidated(version)


def setter_ahead(w: World, job: Callable[..., Job[Any]]) -> Plan[None]:
    """The other order: the plain write first, then the source. No computation may bring back what was before both."""
    t = job().recipe.target
    t.lease = LEASE
    version = w.source + 1
    yield from w.parts.op.as_plan(w.parts.strings.set(t, BY_HAND + version))
    w.promises.invalidated((yield Change()))


def writer(w: World, job: Callable[..., Job[Any]]) -> Plan[None]:
    """``with f.writing() as w:`` around a change of the source, as ``Writing`` does it."""
    one = job()
    if not w.parts.strong:  # the mutation: a plain put
        version = yield Change()
        yield from w.parts.put.store(one, version)
        w.promises.invalidated(version)
        return
    token, stamps = yield from w.parts.writing.begin(one)
    held = yield Hold(one.lease, token, one.recipe.lease_ms)
    version = yield Change()
    held.stop()
    data, ms = dump(one, version)
    yield from w.parts.writing.finish(one, token, stamps, data, ms)
    w.promises.invalidated(version)


def clearer(w: World, _job: Callable[..., Job[Any]]) -> Plan[None]:
    """Changes the source and drops every entry of the function."""
    version = yield Change()
    yield from w.parts.clear(KEY)
    w.promises.invalidated(version)
