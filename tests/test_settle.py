"""``settle=True``: when the call returns, no process serves the old value any more; what fails is waited out."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from rcollections import (
    CacheTimeout,
    KeyCache,
    ainvalidate_tags,
    cached,
    connection,
    deadline,
    invalidate_tags,
    l1_info,
    multi_cached,
)
from rcollections.testing import Process, Server, isolated, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

OTHER = """
import threading
from rcollections import cached, connection, l1_info
@cached(ttl=600, tags=("prices",), l1=True, name="settled.price", key="price")
def price():
    return int(connection().raw("GET", "source") or 0)
def spin(n):
    for _ in range(n):
        threading.Thread(target=_spin, daemon=True).start()
def _spin():
    while True:
        sum(range(1000))
def live():
    price()
    return l1_info().state == "live"
"""


@cached(ttl=600, tags=("prices",), l1=True, name="settled.price", key="price")
def price() -> int:
    return int(connection().raw("GET", "source") or 0)


def other(dsn: str) -> Process:
    return Process(OTHER, dsn, quiet=False)


def holds(process: Process) -> None:
    wait_until(lambda: process("live()"), 20, what="the other process listens")
    before = process("l1_info().hits")
    wait_until(lambda: process("price(), l1_info().hits")[1] > before, 20, what="it holds the value")


def ids(namespace: str = "") -> dict[bytes, bytes]:
    flat = connection().raw("HGETALL", f"{namespace}rc:z")
    found = dict(zip(flat[::2], flat[1::2], strict=True))
    found.pop(b"round", None)
    return found


@pytest.fixture
def own() -> Iterator[Server]:
    with Server("valkey") as server, isolated(server.dsn):
        yield server


def test_no_process_gives_an_old_answer_after_it_returned(own: Server) -> None:
    """Three other processes with busy threads read at once what was settled."""
    with other(own.dsn) as one, other(own.dsn) as two, other(own.dsn) as three:
        processes = (one, two, three)
        for each in processes:
            holds(each)
        two("spin(2)")
        for n in range(1, 40):
            connection().raw("SET", "source", n)
            invalidate_tags("prices", settle=True)
            assert [each("price()") for each in processes] == [n] * 3


def test_a_process_that_is_stopped_is_waited_out_once(own: Server) -> None:
    """After ``staleness`` it serves nothing; who did not answer for long is taken out, and is waited for no more."""
    with isolated(own.dsn + "?staleness=0.3"), other(own.dsn + "?staleness=0.3") as one:
        holds(one)
        one.freeze()
        try:
            connection().raw("SET", "source", 1)
            began = time.monotonic()
            invalidate_tags("prices", settle=True)
            assert 0.25 < time.monotonic() - began < 3
            wait_until(lambda: invalidate_tags("prices", settle=True) is None and not ids(), 10, what="it is out")
            began = time.monotonic()
            connection().raw("SET", "source", 2)
            invalidate_tags("prices", settle=True)
            took = time.monotonic() - began
            assert took < 0.5
        finally:
            one.thaw()
        assert one("price()") == 2
        wait_until(lambda: one("live()") and len(ids()) == 1, 20, what="it has entered anew")


def test_every_change_can_settle(own: Server) -> None:
    """Functions, many ids, classes and blocks, awaited too; as an option it counts for all changes."""
    rounds = lambda: int(connection().raw("HGET", "rc:z", "round") or 0)  # noqa: E731

    @cached(ttl=60)
    def f(n: int) -> int:
        return n

    @cached(ttl=60, settle=True)
    async def g(n: int) -> int:
        return n

    @cached(ttl=60)
    def named(settle: str) -> str:
        return settle

    class Item(KeyCache[int]):
        prefix = "settled-item"
        settle = True

    @multi_cached("ids", Item)
    def many(ids: list[int]) -> dict[int, int]:
        return {each: each for each in ids}

    f.invalidate(1)
    named.invalidate(settle="x")
    assert rounds() == 0
    f.invalidate(1, settle=True)
    f.expire(1, settle=True)
    f.put(1, _cache_put=2, settle=True)
    f.store(3)(1, settle=True)  # type: ignore[call-arg]
    with f.writing(1, settle=True) as w:
        w.put(4)
    assert rounds() == 5
    assert f(1) == 4
    many.invalidate([1, 2])
    with Item(1).writing():
        pass
    with Item(1).writing(settle=False):
        pass
    assert rounds() == 7
    f.bg().invalidate(1, settle=True)  # type: ignore[call-arg]
    wait_until(lambda: rounds() == 8, what="the background settles too")

    async def all_of_them() -> None:
        await g.invalidate(1)
        await g.put(1, _cache_put=2)
        async with g.writing(1) as w:
            w.put(3)
        await ainvalidate_tags("prices", settle=True)

    asyncio.run(all_of_them())
    assert rounds() == 12
    with pytest.raises(TypeError, match="settle is True or False"):
        f.invalidate(1, settle="yes")  # type: ignore[arg-type]


def test_calls_at_a_time_share_rounds(own: Server) -> None:
    """Eight threads need fewer rounds than calls, and tasks as well."""
    with other(own.dsn) as one:
        holds(one)
        threads = [
            threading.Thread(target=lambda: [invalidate_tags("prices", settle=True) for _ in range(20)])
            for _ in range(8)
        ]
        for each in threads:
            each.start()
        for each in threads:
            each.join(30)
        shared = int(connection().raw("HGET", "rc:z", "round"))
        assert shared < 160

        async def tasks() -> None:
            await asyncio.gather(*(ainvalidate_tags("prices", settle=True) for _ in range(40)))

        asyncio.run(tasks())
        assert int(connection().raw("HGET", "rc:z", "round")) - shared < 40


def test_the_callers_own_deadline_says_what_is_missing(own: Server) -> None:
    """The change is on the server then."""
    with other(own.dsn) as one:
        holds(one)
        one.freeze()
        try:
            with deadline(0.2), pytest.raises(CacheTimeout, match="acknowledged, not settled"):
                invalidate_tags("prices", settle=True)
        finally:
            one.thaw()


def test_who_listens_without_having_entered_is_waited_for(own: Server) -> None:
    """Nobody knows how stale its values may be."""
    with own.client() as bare, isolated(own.dsn + "?staleness=0.2"):
        pubsub: Any = bare.pubsub()
        pubsub.subscribe("rc:z:0")
        wait_until(lambda: connection().raw("PUBLISH", "rc:z:0", "x") == 1, what="it has subscribed")
        began = time.monotonic()
        invalidate_tags("prices", settle=True)
        assert time.monotonic() - began >= 0.2
        pubsub.close()


def test_a_listener_leaves_with_its_process_and_by_close(own: Server) -> None:
    """Nobody waits for a process that has ended."""
    with other(own.dsn) as one:
        holds(one)
        assert len(ids()) == 1
    wait_until(lambda: not ids(), 5, what="it has left")


def test_a_listener_that_is_forgotten_enters_anew(own: Server) -> None:
    """FLUSHALL, or somebody that takes it out: it empties its tier and enters under a new id."""
    with other(own.dsn) as one:
        holds(one)
        before = set(ids())
        connection().raw("HDEL", "rc:z", *before)
        wait_until(lambda: bool(set(ids()) - before), 10, what="it has entered under a new id")
        holds(one)


def test_a_namespace_and_a_database_have_listeners_of_their_own(own: Server) -> None:
    """One process that listens for two places enters in both."""
    dsn = own.dsn
    with isolated({"default": dsn + "?namespace=a", "b": dsn.replace("/0", "/0") + "?namespace=b"}):

        class A(KeyCache[int]):
            prefix, l1 = "x", True

        class B(KeyCache[int]):
            prefix, l1, connection_name = "x", True, "b"

        assert A(1).get() is B(1).get() is None
        wait_until(lambda: len(ids("a.")) == len(ids("b.")) == 1, 10, what="it has entered in both")
        wait_until(lambda: l1_info().state == "live", 10, what="it is live")


TWO_PLACES = (
    OTHER
    + """
from rcollections import KeyCache, configure
configure(sys.argv[1] + "&namespace=b#b")
class B(KeyCache[int]):
    prefix, l1, connection_name = "x", True, "b"
def both():
    before = l1_info("b").hits
    B(1).get()
    return live() and l1_info("b").hits > before
"""
)


def test_a_process_in_two_places_answers_in_both(own: Server) -> None:
    """And enters anew in both when it was stopped for long."""
    dsn = own.dsn + "?staleness=0.4"
    with isolated(dsn), Process(TWO_PLACES, dsn, quiet=False) as one:
        connection().raw("SET", "b.x.1", "1")
        wait_until(lambda: one("both()"), 20, what="it holds values of both")
        holds(one)
        assert one("len(connection().tiering.listener.ear.places)") == 2
        for n in range(1, 20):
            connection().raw("SET", "source", n)
            began = time.monotonic()
            invalidate_tags("prices", settle=True)
            assert time.monotonic() - began < 0.35, "it has not answered"
            assert one("price()") == n
            connection().raw("SET", "b.x.1", str(n))
            wait_until(lambda n=n: one("B(1).get()") == n, 5, what="changes in the other place are heard")
        before = {**ids(), **ids("b.")}
        one.freeze()
        time.sleep(0.6)
        one.thaw()
        wait_until(lambda: one("both()"), 20, what="it holds values again")
        wait_until(lambda: not {*ids(), *ids("b.")} & {*before} and ids() and ids("b."), 10, what="under new ids")


def test_without_the_right_to_publish_it_waits(own: Server) -> None:
    """A refused round becomes waiting, and no error."""
    with own.client() as bare:
        bare.execute_command("ACL", "SETUSER", "few", "on", ">secret12", "~*", "resetchannels", "+@all")
    dsn = own.dsn.replace("://", "://few:secret12@", 1) + "?staleness=0.3"
    with isolated(dsn):
        began = time.monotonic()
        invalidate_tags("prices", settle=True)
        assert 0.3 <= time.monotonic() - began < 2


def test_a_user_who_may_not_subscribe_keeps_its_tier(own: Server) -> None:
    """Its listener is waited out, and a caller that waits for another process does not empty the tier."""
    with own.client() as bare:
        rights = "on >secret12 ~* +@all resetchannels &__redis__:invalidate"
        bare.execute_command("ACL", "SETUSER", "deaf", *rights.split())
    dsn = own.dsn.replace("://", "://deaf:secret12@", 1) + "?staleness=1.5"
    with isolated(dsn):
        price()
        wait_until(lambda: l1_info().state == "live", 10, what="it listens")
        assert [each[:5] for each in ids()] == [b"deaf:"]
        with own.client() as bare:
            bare.delete("price")
            bare.set("rc:l:{price}", "another", px=700)
            seen = set()
            thread = threading.Thread(target=price)
            thread.start()
            while thread.is_alive():
                seen.add(l1_info().state)
                time.sleep(0.01)
            assert seen == {"live"}
    with other(dsn) as one, isolated(own.dsn + "?staleness=0.1"):
        wait_until(lambda: one("live()"), 10, what="it listens")
        began = time.monotonic()
        invalidate_tags("prices", settle=True)
        assert time.monotonic() - began >= 1.5
