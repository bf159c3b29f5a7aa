"""Whether the in-process tier serves, and why not: the words of ``l1_info()``, what is allowed, who asks for it."""

from __future__ import annotations

import asyncio
import itertools
import logging
import socketserver
import threading
from contextlib import contextmanager
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import hiredis
import pytest
import redis.exceptions

from rcollections import KeyCache, cached, configure, connection, l1_info
from rcollections.coherence.tiering import EAGER
from rcollections.servers.loops import aclose
from rcollections.testing import Proxy, Server, isolated, wait_until
from rcollections.wire.asked import Asked
from rcollections.wire.failures import ErrorReply

if TYPE_CHECKING:
    from collections.abc import Iterator


def state_is(word: str, seconds: float = 10.0) -> str:
    """Wait for this state; gives why."""
    wait_until(lambda: l1_info().state == word, seconds, f"the state {word} (it is {l1_info().state})")
    return l1_info().why


@contextmanager
def behind(server: Server, options: str = "") -> Iterator[Proxy]:
    with Proxy(server) as proxy, isolated(f"{proxy.dsn}?timeout=0.3&connect_timeout=0.3&staleness=0.4{options}"):
        yield proxy


def held(call: Any, *args: Any) -> bool:
    """Whether this call is answered by what is held."""
    before = l1_info().hits
    call(*args)
    return l1_info().hits > before


def listeners(server: Server) -> int:
    with server.client() as bare:
        return len([each for each in bare.client_list() if each["sub"] != "0"])


# -- states ----------------------------------------------------------------------------------------


def test_idle_starting_live_unproven_down_and_live_again(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    with behind(server) as proxy:
        with monkeypatch.context() as alone:
            alone.setattr("rcollections.l1.users.registered", list)
            assert l1_info()[:3] == ("idle", "there is nothing that would be held", None)

        @cached(l1=True)
        def f(n: int) -> int:
            return n

        proxy.freeze("requests")
        assert l1_info().state == "starting", "asking for it begins it"
        assert state_is("starting") == "the listener connects"
        proxy.heal()
        f(1)
        assert state_is("live") == "changes are heard"
        wait_until(lambda: held(f, 1), what="it is held")
        age = l1_info().age
        assert age is not None
        assert 0 <= age < 0.4
        proxy.freeze("replies", which="listeners")
        assert state_is("unproven") == "the listener has not heard of the server for too long"
        assert not held(f, 1)
        assert state_is("live"), "the silent connection was given up, and there is another one"
        proxy.refuse()
        assert "lost its connection" in state_is("down")
        assert l1_info().entries == 0, "nothing that was held counts any more"
        proxy.heal()
        state_is("live")
        wait_until(lambda: held(f, 1), what="it is held again")


def test_off_by_the_dsn_and_by_the_environment(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    @cached
    def f(n: int) -> int:
        return n

    with isolated(server.dsn + "?l1=off"):
        for _ in range(2 * EAGER):
            f(1)
        assert l1_info()[:2] == ("off", "the DSN says l1=off")
        assert listeners(server) == 0
    monkeypatch.setenv("CACHES_DISABLE", "1")
    with isolated(server.dsn):
        f(1)
        assert l1_info()[:2] == ("off", "CACHES_DISABLE=1 switches all caches off")


# -- not allowed -----------------------------------------------------------------------------------


# Redis 6.2 can forbid no subcommand alone, so all of CLIENT is forbidden except for one.
@pytest.mark.parametrize(
    "rule",
    ["-client +client|id", "-client +client|tracking", "-client", "-info", "-subscribe", "resetchannels"],
)
def test_where_listening_is_not_allowed_nothing_is_held(
    server: Server, caplog: pytest.LogCaptureFixture, rule: str
) -> None:
    """One warning, the state says why, and all calls work."""
    caplog.set_level(logging.INFO, "rcollections")
    with server.client() as bare:
        bare.execute_command(
            "ACL", "SETUSER", "limited", "reset", "on", ">forty winks", "~*", "&*", "+@all", *rule.split()
        )
    with isolated(server.dsn.replace("://", "://limited:forty%20winks@")):
        counts = [0, 0]

        @cached(l1=True)
        def f(n: int) -> int:
            counts[0] += 1
            return n

        @cached(l1=True)
        def g(n: int) -> int:
            counts[1] += 1
            return n

        for call in (f, g):
            for _ in range(2 * EAGER):
                assert call(1) == 1
        why = state_is("refused")
        assert why.startswith("the server does not allow to listen: ")
        assert f(1) == g(1) == 1
        assert counts == [1, 1]
        info = l1_info()
        assert (info.hits, info.fills, info.entries) == (0, 0, 0)
        assert len([each for each in caplog.records if "nothing is held" in each.message]) == 1
        assert "winks" not in caplog.text


def test_a_server_that_is_full_is_tried_again_soon(server: Server) -> None:
    """That it takes no more clients at present is no refusal to listen."""
    with isolated(server.dsn), server.client() as bare:

        @cached(l1=True)
        def f(n: int) -> int:
            return n

        before = bare.config_get("maxclients")["maxclients"]
        connection().raw("PING")
        bare.config_set("maxclients", bare.info("clients")["connected_clients"])
        try:
            f(1)
            state_is("down")
        finally:
            bare.config_set("maxclients", before)
        state_is("live", 5)


# -- who asks for it -------------------------------------------------------------------------------


def test_a_process_that_reads_little_does_not_listen(server: Server) -> None:
    with isolated(server.dsn):

        @cached
        def f(n: int) -> int:
            return n

        for n in range(EAGER - 1):
            f(n)
        assert connection().tiering.state.word == "idle"
        assert listeners(server) == 0
        f(0)
        wait_until(lambda: connection().tiering.state.word == "live", what="it listens")
        assert listeners(server) == 1


def test_functions_and_classes_choose_for_themselves(server: Server) -> None:
    class Near(KeyCache):
        l1 = True

    class Far(KeyCache):
        l1 = False

    def double(n: int) -> int:
        return 2 * n

    with isolated(server.dsn + "?l1=off"):
        near, far = cached(Near, version="1")(double), cached(Near, version="2", l1=False)(double)
        near(1)
        state_is("live")
        wait_until(lambda: held(near, 1), what="it is held")
        assert not any(held(far, 1) for _ in range(2 * EAGER))
    with isolated(server.dsn):
        near, far = cached(Far, version="3", l1=True)(double), cached(Far, version="4")(double)
        near(1)
        state_is("live")
        wait_until(lambda: held(near, 1), what="it is held")
        assert not any(held(far, 1) for _ in range(2 * EAGER))


def test_staleness_that_becomes_shorter_is_kept_up_with(server: Server) -> None:
    """A second connection to the same server wants more: the listener asks more often from then on."""
    configure(server.dsn)

    @cached(l1=True)
    def f(n: int) -> int:
        return n

    class Quick(KeyCache):
        connection_name = "quick"

    @cached(Quick, l1=True)
    def g(n: int) -> int:
        return n

    f(1)
    state_is("live")
    configure({"default": server.dsn, "quick": server.dsn + "?staleness=0.1"})
    g(1)
    wait_until(lambda: l1_info("quick").state == "live", what="it listens")
    assert listeners(server) == 1
    ages = [0.0]

    def proofs() -> int:
        ages.append(l1_info("quick").age or 0.0)
        return sum(later < age for age, later in itertools.pairwise(ages))

    wait_until(lambda: proofs() >= 10, what="ten proofs")
    assert sorted(ages)[len(ages) // 2] < 0.1


# -- asyncio ---------------------------------------------------------------------------------------


def test_a_connection_of_asyncio_from_before_serves_too(server: Server) -> None:
    """It was opened when nobody held anything: which server it leads to is asked when that is wanted."""

    @cached(l1=True)
    async def f(n: int) -> int:
        return n

    async def main() -> bool:
        await g(1)
        assert not connection().has_tiering
        await f(1)
        for _ in range(500):
            before = l1_info().hits
            await f(1)
            if l1_info().hits > before:
                return True
            await asyncio.sleep(0.01)
        return False

    @cached(l1=False)
    async def g(n: int) -> int:
        return n

    assert asyncio.run(main())


def test_connections_that_were_opened_while_the_server_was_busy_serve_later(server: Server) -> None:
    """They did not get to know then which server they lead to."""

    @cached(l1=True)
    async def f(n: int) -> int:
        return n

    async def main() -> None:
        await f(1)
        await asyncio.to_thread(state_is, "live")
        with server.client() as bare:
            await aclose(connection())
            bare.config_set("lua-time-limit", 20)
            script = bare.connection_pool.get_connection()
            script.send_command("EVAL", "while true do end", 0)
            wait_until(lambda: says_busy(bare), what="the server is busy")
            await f(1)
            bare.script_kill()
            wait_until(lambda: not says_busy(bare), what="the script has ended")
            script.disconnect()
            bare.config_set("lua-time-limit", 5000)
        for _ in range(2000):
            before = l1_info().hits
            await f(1)
            if l1_info().hits > before:
                return
            await asyncio.sleep(0.005)
        raise AssertionError("it is never held")

    asyncio.run(main())


def says_busy(bare: Any) -> bool:
    try:
        bare.ping()
    except redis.exceptions.ResponseError:
        return True
    return False


def test_who_was_too_busy_to_say_which_server_it_is_is_asked_again() -> None:
    link = SimpleNamespace(server=None)
    for error, again in ((ErrorReply("BUSY Redis is busy"), 2), (ErrorReply("NOPERM this user has no permissions"), 1)):
        asked = Asked("key")
        assert len(asked.questions(link)) == 2
        assert asked.answers(link, [error, 5, b"x"]) == [b"x"]
        assert (asked.server, asked.ms) == (b"?", 5)
        assert len(asked.questions(link)) == again


@contextmanager
def answering(info: bytes) -> Iterator[tuple[str, list[bytes]]]:
    """A server that knows little: the DSN of it, and the names of the commands that came. It stands for proxies."""
    came: list[bytes] = []
    replies = {b"INFO": b"$%d\r\n%s\r\n" % (len(info), info), b"CLIENT": b":5\r\n", b"PING": b"+PONG\r\n"}

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            reader = hiredis.Reader()
            while data := self.request.recv(65536):
                reader.feed(data)
                while (words := reader.gets()) is not False:
                    came.append(words[0].upper())
                    self.request.sendall(replies.get(words[0].upper(), b"$-1\r\n"))

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as listening:
        listening.daemon_threads = True
        thread = threading.Thread(target=listening.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield f"redis://127.0.0.1:{listening.server_address[1]}", came
        finally:
            listening.shutdown()
            thread.join()


@pytest.mark.parametrize(
    ("info", "reason"),
    [
        (b"redis_version:7.0.0\r\n", "tells no run_id"),
        (b"redis_version:7.0.0\r\nrun_id:\r\n", "tells no run_id"),
        (b"", "tells no run_id"),
        (b"run_id:abc\r\n", "tells no version"),
        (b"run_id:abc\r\nredis_version:unknown\r\n", "tells no version"),
    ],
)
def test_a_server_that_does_not_say_who_it_is_is_refused(
    info: bytes, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    """As a proxy, or a managed service: one warning with the reason, one try, and all calls work."""
    with answering(info) as (dsn, came), isolated(dsn):

        class Held(KeyCache[int]):
            prefix = "held"
            l1 = True

        assert Held("x").get() is None
        why = state_is("refused")
        assert why.startswith("the server does not allow to listen: its answer to INFO ")
        assert reason in why
        asked = came.count(b"INFO")
        for _ in range(2 * EAGER):
            assert Held("x").get() is None
        assert came.count(b"INFO") == asked, "the next try is a minute away"
        assert len([each for each in caplog.records if "nothing is held" in each.message]) == 1
