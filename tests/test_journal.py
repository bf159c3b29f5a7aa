"""What could not be invalidated is kept, and removed before anybody reads it again (rules J1, T5 and R1)."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from rcollections import (
    CacheConnectionError,
    CacheError,
    CacheTimeout,
    KeyCache,
    ainvalidate_tags,
    cached,
    configure,
    connection,
    deadline,
    invalidate_tags,
    multi_cached,
)
from rcollections.plans.purpose import Due, Whole
from rcollections.servers import journal as journals
from rcollections.servers.connection import Connection
from rcollections.servers.journal import Journal
from rcollections.servers.resending import Sender
from rcollections.testing import Process, Proxy, Server, isolated, wait_until
from tests.kinds import one_server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")

OPTIONS = "?timeout=0.3&connect_timeout=0.3"


@pytest.fixture
def own() -> Iterator[Server]:
    """A server of this test's own that keeps its data over a kill."""
    config = {"appendonly": "yes", "appendfsync": "always"}
    with Server(one_server(), config=config) as server, isolated(server.dsn + OPTIONS):
        yield server


class Source:
    """A source of one number, and functions that read it."""

    def __init__(self, **options: Any) -> None:
        self.value = 1
        self.calls = 0

        def read() -> int:
            self.calls += 1
            return self.value

        self.f = cached(ttl=600, tags=("t",), **options)(read)
        assert self.f() == 1
        wait_until(lambda: self.f() == 1 and self.f.cache_info().hits > 0)


CHANGES: dict[str, Callable[[Any], object]] = {
    "tags": lambda _: invalidate_tags("t"),
    "invalidate": lambda f: f.invalidate(),
    "expire": lambda f: f.expire(),
    "put": lambda f: f.put(_cache_put=3),
    "writing": lambda f: f.writing().__enter__(),
    "clear": lambda f: f.clear(),
}


def fails(call: Callable[[], object]) -> CacheError:
    with pytest.raises((CacheConnectionError, CacheTimeout)) as raised:
        call()
    return raised.value


def kept() -> Journal:
    return connection().journal


# -- the server was away --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CHANGES)
def test_nobody_gets_the_old_value_once_the_server_is_back(own: Server, name: str) -> None:
    """The change is committed, the server is down, the call raises. By itself, without calls, it is made up for."""
    source = Source()
    f = source.f
    own.kill()
    source.value = 2
    fails(lambda: CHANGES[name](f))
    assert len(kept()) == 1
    assert kept().age >= 0.0
    assert f() == 2, "computed, since the server is down"
    own.start()
    wait_until(lambda: not len(kept()), seconds=6, what="the journal is sent by itself")
    with Process("""
from rcollections import cached, connection
""", own.dsn) as other:  # fmt: skip
        assert other(f"connection().raw('EXISTS', {str(f.key())!r})") == 0 or name == "tags"
    wait_until(lambda: not connection().breaker.is_open, seconds=6)
    assert f() == 2
    assert f.peek() == 2


def test_the_first_call_sends_it(own: Server) -> None:
    """No call of any connection to that server overtakes it, reads included, whatever the connection's name."""
    source = Source(on_error="raise")
    configure({"default": own.dsn + OPTIONS, "second": {"dsn": own.dsn, "timeout": 0.5}})
    own.kill()
    source.value = 2
    fails(lambda: invalidate_tags("t", connection_name="default"))
    own.start()
    assert connection().journal is connection("second").journal
    assert connection("second").raw("EXISTS", "rc:t:t") == 0
    assert not kept().holds


def test_a_frozen_server(own: Server) -> None:
    """The step may have arrived, or may arrive: it counts as not sent."""
    source = Source()
    own.freeze()
    source.value = 2
    began = time.monotonic()
    fails(source.f.invalidate)
    fails(lambda: invalidate_tags("t"))
    assert time.monotonic() - began < 1.2
    own.thaw()
    wait_until(lambda: not kept().holds, seconds=6)
    wait_until(connection().breaker.allows, seconds=6)
    wait_until(lambda: source.f() == 2 and source.f.peek() == 2, seconds=6)


def test_an_answer_that_is_cut(own: Server) -> None:
    """The caller cannot know. Whatever the server has done, the value goes."""
    with Proxy(own) as proxy, isolated(proxy.dsn + OPTIONS):
        source = Source()
        source.value = 2
        for command in ("EVALSHA", "EVAL"):
            proxy.cut_after_request(1, command)
        fails(lambda: source.f.put(_cache_put=1))
        wait_until(lambda: not kept().due(), seconds=6)
        assert source.f() == 2


def test_l1_does_not_serve_what_is_kept(own: Server) -> None:
    """A held value goes when the call raises, also where nothing was sent."""
    source = Source(l1=True)
    f = source.f
    wait_until(lambda: f() == 1 and connection().tiering.tier.counts.hits > 0, seconds=10)
    own.freeze()
    source.value = 2
    fails(f.invalidate)
    assert f() == 2
    own.thaw()


def test_a_refresh_that_stored_nothing(own: Server) -> None:
    """Its caller has the new value; the older one does not stay for its ttl."""
    source = Source()
    own.kill()
    source.value = 2
    assert source.f.refresh() == 2
    assert len(kept()) == 1
    own.start()
    wait_until(lambda: not kept().holds, seconds=6)
    wait_until(connection().breaker.allows, seconds=6)
    wait_until(lambda: source.f() == 2 and source.f.peek() == 2, seconds=6)


def test_many_ids(own: Server) -> None:
    """More names than one trip carries: the own ones go first, all others soon."""

    class Item(KeyCache[int]):
        prefix = "item"

    @multi_cached("ids", Item)
    def many(ids: list[int]) -> dict[int, int]:
        return dict.fromkeys(ids, source[0])

    source = [1]
    assert many(range(1200)) == dict.fromkeys(range(1200), 1)
    own.kill()
    source[0] = 2
    fails(lambda: many.invalidate(range(1200)))
    assert len(kept()) == 1200
    own.start()
    assert connection().raw("EXISTS", "item.1150") == 0
    wait_until(lambda: not kept().holds, seconds=6)
    assert own.client().keys("item*") == []
    fails_again = 3
    own.kill()
    assert many.refresh(range(fails_again)) == {0: 2, 1: 2, 2: 2}
    assert len(kept()) == fails_again


# -- what is not kept -----------------------------------------------------------------------------------


def test_a_mistake_of_the_caller_is_not_kept(own: Server) -> None:
    """No right, or another kind of value: the same would be refused again."""
    source = Source(key="mine")
    own.client().execute_command("ACL", "SETUSER", "reader", "on", ">pw", "~*", "&*", "+@all", "-evalsha", "-eval")
    with isolated(own.dsn.replace("unix://", "unix://reader:pw@") + OPTIONS):
        with pytest.raises(CacheError, match="ACL"):
            invalidate_tags("t")
        with pytest.raises(CacheError, match="ACL"):
            source.f.invalidate()
        assert not kept().holds


def test_writes_of_collections_are_never_kept(own: Server) -> None:
    """A later write that was acknowledged must not be removed."""
    own.kill()
    for call in (lambda: KeyCache("k").set(1), lambda: KeyCache("k").clear(), KeyCache("k").writing().__enter__):
        fails(call)
    assert not kept().holds


def test_names_that_the_login_may_no_longer_remove(own: Server, caplog: Any) -> None:
    """They are given up, said in the log; the others are sent."""
    own.client().execute_command("ACL", "SETUSER", "some", "on", ">pw", "~*", "&*", "+@all")
    with isolated(own.dsn.replace("unix://", "unix://some:pw@") + OPTIONS):
        connection().kept.keep([Due("rc:t:a"), Due("elsewhere")])
        own.client().execute_command("ACL", "SETUSER", "some", "resetkeys", "~rc:*")
        own.client().set("rc:t:a", "x")
        assert connection().raw("EXISTS", "rc:t:a") == 0
        assert not kept().holds
        assert [r for r in caplog.records if "may not remove 'elsewhere'" in r.message]


# -- later writes ---------------------------------------------------------------------------------------


def test_a_later_put_is_not_removed(own: Server) -> None:
    """Its trip sends what was kept first, and nothing is left to remove it afterwards."""
    source = Source()
    own.kill()
    fails(source.f.invalidate)
    own.start()
    source.f.put(_cache_put=5)
    assert not kept().holds
    assert source.f() == 5


def test_a_trip_of_the_same_keys_waits_for_the_one_that_carries_them() -> None:
    """Otherwise a copy that is late would remove what was stored in between."""
    journal = Journal("redis://x")
    journal.keep([Due("a"), Due("b")])
    first = journal.take(frozenset(["a"]))
    assert first is not None
    assert {due.key for due, _ in first.dues} == {"a", "b"}
    assert journal.take(frozenset(["b"])) is None
    other = journal.take(frozenset(["c"]))
    assert other is not None
    assert not other.dues
    journal.keep([Due("a")])  # the source has changed once more
    journal.delivered(first)
    assert len(journal) == 1
    assert journal.holds
    again = journal.take(frozenset(["a"]))
    assert again is not None
    journal.put_back(again)
    assert len(journal) == 1
    journal.stored("a", 0)
    assert len(journal) == 1, "kept after that put was sent"
    journal.stored("a", journal.number)
    assert not journal.holds


def test_beyond_the_limit_all_of_a_function_goes(own: Server, monkeypatch: pytest.MonkeyPatch, caplog: Any) -> None:
    """It costs misses: no old value stays, and the journal stays small."""
    monkeypatch.setattr(journals, "MOST", 100)
    source = [1]

    @cached(ttl=600)
    def f(x: int) -> int:
        return source[0]

    @cached(ttl=600)
    def g(x: int) -> int:
        return source[0]

    for n in range(150):
        f(n)
    g(0)
    own.kill()
    source[0] = 2
    for n in range(149):
        with deadline(0.1):
            fails(lambda: f.invalidate(n))  # noqa: B023 - called at once
    assert len(kept()) <= 100
    own.start()
    with pytest.raises(CacheError):
        f.peek(7)
    wait_until(lambda: not kept().holds, seconds=6)
    assert own.client().keys("fn:*") == [str(g.key(0)).encode()]
    assert "too many failed invalidations" in caplog.text


def test_marks_cover_the_keys_of_a_trip() -> None:
    """Until the scan is done, a trip removes its own keys with that beginning."""
    journal = Journal("redis://x")
    journal.keep_whole(Whole("fn:m:f(", "rc:l:{fn:m:f("))
    taken = journal.take(frozenset(["MGET", "fn:m:f(1)", "fn:m:g(1)"]))
    assert taken is not None
    assert taken.more == ["fn:m:f(1)"]
    [(whole, number)] = journal.wholes()
    journal.keep_whole(whole)
    journal.swept(whole, number)
    assert journal.holds, "marked once more meanwhile"


# -- one deadline, one at a time ------------------------------------------------------------------------


@pytest.mark.parametrize("asynchronous", [False, True])
def test_all_tries_are_inside_one_deadline(asynchronous: bool) -> None:
    """Of every connection: the timeout, or the deadline around the call. A server that is well is told in any case."""
    with Server(one_server()) as dead, Server(one_server()) as well, isolated(dead.dsn + "?timeout=0.6"):
        configure({"default": dead.dsn + "?timeout=0.6", "second": {"dsn": well.dsn, "timeout": 0.6}})

        def run() -> None:
            if asynchronous:
                asyncio.run(ainvalidate_tags("t"))
            else:
                invalidate_tags("t")

        run()
        before = well.client().get("rc:t:t")
        dead.freeze()
        began = time.monotonic()
        fails(run)
        assert time.monotonic() - began < 1.1
        assert well.client().get("rc:t:t") != before
        began = time.monotonic()
        with deadline(0.1):
            fails(run)
        assert time.monotonic() - began < 0.5
        dead.thaw()


def test_while_the_breaker_is_open_one_at_a_time_tries(own: Server) -> None:
    """The others raise at once, and what they were to do is kept."""
    Source()
    own.freeze()
    fails(lambda: invalidate_tags("t"))
    assert connection().breaker.is_open
    took: list[float] = []

    def change(n: int) -> None:
        began = time.monotonic()
        fails(lambda: invalidate_tags(f"t{n}"))
        took.append(time.monotonic() - began)

    threads = [threading.Thread(target=change, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(each > 0.2 for each in took) <= 2
    assert len(kept()) == 9
    own.thaw()
    wait_until(lambda: not kept().holds and not connection().breaker.is_open, seconds=6)


def test_no_answer_closes_the_breaker_before_the_journal_was_sent(own: Server) -> None:
    """A read that was sent before proves nothing about what came after it."""
    breaker = connection().breaker
    breaker.failed(CacheTimeout("no answer"))
    kept().keep([Due("x")])
    breaker.worked()
    assert breaker.is_open
    assert connection().raw("PING") in (b"PONG", "PONG")
    breaker.worked()
    assert not breaker.is_open


def test_a_full_server(own: Server) -> None:
    """It takes no new stamps, and removes the tags instead. A put that it refuses removes the older value."""
    source = Source(key="one")
    bare = own.client()
    bare.config_set("maxmemory", 1)
    try:
        source.value = 2
        invalidate_tags("t")
        assert source.f() == 2
        bare.config_set("maxmemory", 0)
        assert source.f() == 2
        assert source.f.peek() == 2
        bare.config_set("maxmemory", 1)
        bare.delete("rc:t:t")  # a put would make it
        with pytest.raises(CacheError, match="out of memory"):
            source.f.put(_cache_put=3)
        assert source.f() == 2
        assert not kept().holds
        assert bare.exists("one") == 0
    finally:
        bare.config_set("maxmemory", 0)


# -- asyncio, threads, forks, the end --------------------------------------------------------------------


def test_asyncio(own: Server) -> None:
    """The same journal: what an event loop could not send, and what it is the first to ask for."""
    source = [1]

    @cached(ttl=600, tags=("t",))
    async def f() -> int:
        return source[0]

    async def before() -> None:
        assert await f() == 1
        own.kill()
        source[0] = 2
        for call in (lambda: ainvalidate_tags("t"), f.invalidate, lambda: f.put(_cache_put=1)):
            with pytest.raises(CacheConnectionError):
                await call()
        assert len(kept()) == 2
        own.start()
        await asyncio.sleep(0)
        assert await f() == 2
        for _ in range(500):
            if await f() == 2 and not kept().holds and not connection().breaker.is_open:
                break
            await asyncio.sleep(0.01)
        assert await f.peek() == 2

    asyncio.run(before())


def test_a_cancelled_invalidation_is_kept(own: Server) -> None:
    """Whoever was cancelled cannot know whether it took effect."""

    async def main() -> None:
        own.freeze()
        task = asyncio.ensure_future(ainvalidate_tags("t"))
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert len(kept()) == 1
        own.thaw()

    asyncio.run(main())


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_child_begins_with_an_empty_journal(own: Server) -> None:
    """It is the parent that sends."""
    own.kill()
    fails(lambda: invalidate_tags("t"))
    pid = os.fork()
    if pid == 0:
        os._exit(3 if kept().holds or len(kept()) else 0)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert len(kept()) == 1


@pytest.mark.parametrize("how", ["close", "exit"])
def test_close_and_the_end_of_the_process_try_once(own: Server, how: str) -> None:
    """What is kept is sent then, if the server is there."""
    program = """
from rcollections import connection
from rcollections.plans.purpose import Due
"""
    own.client().set("old", 1)
    with Process(program, own.dsn, quiet=False) as other:
        other("connection().journal.keep([Due('old')])")
        other("connection()._sender.roads.add(connection()) or 0")
        if how == "close":
            other("connection().close()")
        else:
            other("connection().kept.keep([Due('older')])")
    assert own.client().exists("old") == 0


def test_a_new_connection_to_that_server_goes_on(own: Server) -> None:
    """``configure`` in the middle of an outage loses nothing."""
    own.client().set("old", 1)
    own.kill()
    connection().kept.keep([Due("old")])
    configure(own.dsn + "?timeout=0.5")
    assert len(kept()) == 1
    own.start()
    wait_until(lambda: not kept().holds, seconds=6)
    assert own.client().exists("old") == 0


def test_a_new_connection_stands_before_anything_is_sent_over_it(own: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """The thread of the journal may begin before the constructor has ended."""
    own.client().set("old", 1)
    monkeypatch.setattr(Sender, "start", lambda sender: None)
    connection().kept.keep([Due("old")])
    monkeypatch.setattr(Sender, "start", Sender.flush)
    second = Connection(connection().dsn, lambda: None)
    assert len(kept()) == 0, "sent from inside the constructor"
    assert own.client().exists("old") == 0
    second.close()


def test_threads_that_read_while_it_is_sent(own: Server) -> None:
    """None of them gets the old value after the server is back."""
    source = Source(on_error="raise")
    own.kill()
    source.value = 2
    fails(source.f.invalidate)
    answers: list[int] = []
    stop = threading.Event()

    def ask() -> None:
        while not stop.is_set():
            try:
                answers.append(source.f())
            except CacheError:
                time.sleep(0.001)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    own.start()
    try:
        wait_until(lambda: len(answers) > 50, seconds=15)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert set(answers) == {2}
