"""``credentials=``: a function that gives the login, asked at each connect. Against real servers with ACL users."""

from __future__ import annotations

import asyncio
import logging
import signal
import threading
import time
import traceback
from typing import TYPE_CHECKING, Any

import pytest

from rcollections import (
    CacheConnectionError,
    ConfigError,
    DictCache,
    KeyCache,
    cached,
    configure,
    connection,
    connections,
    l1_info,
)
from rcollections.plans.effects import Command, Plan
from rcollections.servers import registry
from rcollections.servers.drivers.aio import adrive
from rcollections.servers.drivers.sync import drive
from rcollections.testing import Server, isolated, wait_until
from tests.kinds import SERVERS, one_server
from tests.near import settle

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Vault:
    """Gives what is in it, and counts who asked."""

    def __init__(self, *login: str) -> None:
        self.login: Any = login
        self.asked = 0
        self.threads: set[int] = set()

    def __call__(self) -> Any:
        self.asked += 1
        self.threads.add(threading.get_ident())
        if isinstance(self.login, BaseException):
            raise self.login
        return self.login


class Guarded:
    """A server whose user "app" has a password that changes."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.bare = server.client()
        self.address = f"redis://127.0.0.1:{server.port}/0?timeout=2&connect_timeout=2"

    def password(self, *words: str, nick: str = "app") -> None:
        """The user has these passwords from now on, and no other."""
        with self.server.client() as bare:
            rights = ("~*", "&*", "+@all")
            bare.execute_command("ACL", "SETUSER", nick, "on", "resetpass", *(f">{word}" for word in words), *rights)

    def kick(self) -> None:
        """End the user's connections, as servers do that let sessions run out."""
        with self.server.client() as bare:
            bare.execute_command("CLIENT", "KILL", "USER", "app")

    def users(self) -> list[str]:
        """The users of the connections there are, but ours."""
        with self.server.client() as bare:
            found = [each["user"] for each in bare.client_list()]
        found.remove("default")
        return found


@pytest.fixture(params=SERVERS)
def guarded(request: pytest.FixtureRequest) -> Iterator[Guarded]:
    """Its default user has a password too."""
    with Server(request.param, tcp=True, password="of the administrator") as server:
        found = Guarded(server)
        found.password("first")
        with isolated():
            yield found


@pytest.fixture(params=["threads", "asyncio"])
def run(request: pytest.FixtureRequest) -> Callable[..., Any]:
    """One command over the default connection, in a world; each time over a connection of its own."""

    def plan(words: tuple[Any, ...]) -> Plan[Any]:
        return (yield Command(words))

    def both(*words: Any) -> Any:
        if request.param == "threads":
            return drive(plan(words), connection())
        return asyncio.run(adrive(plan(words), connection()))

    return both


def test_it_is_asked_at_each_connect_and_not_before(guarded: Guarded, run: Any) -> None:
    """Configuring asks nobody; each connection asks once, and calls over it ask no more."""
    vault = Vault("app", "first")
    configure(guarded.address, credentials=vault)
    assert vault.asked == 0
    assert run("SET", "k", "v") == b"OK"
    assert vault.asked == 1
    assert KeyCache("k").get() == "v"
    asked = vault.asked
    for _ in range(5):
        KeyCache("k").get()
    assert vault.asked == asked
    connection().close()
    assert run("ACL", "WHOAMI") == b"app"
    assert vault.asked == asked + 1


def test_a_password_that_changes(guarded: Guarded, run: Any) -> None:
    """Connections that are open stay; new ones log in with what the function gives by then."""
    vault = Vault("app", "first")
    configure(guarded.address, credentials=vault)
    run("SET", "k", "v")
    guarded.password("second")
    vault.login = ("app", "second")
    assert KeyCache("k").get() == "v"
    guarded.kick()
    wait_until(lambda: not guarded.users(), what="the end of the connections")
    assert run("GET", "k") == b"v"
    guarded.kick()
    wait_until(lambda: not guarded.users(), what="the end of the connections")
    KeyCache("k").set("w")  # a write as well, since it was found out before
    assert run("GET", "k") == b"w"


def test_it_may_give_the_password_alone(guarded: Guarded, run: Any) -> None:
    """The user is the DSN's, or the default one."""
    at = guarded.address.removeprefix("redis://")
    configure(f"redis://app:@{at}", credentials=lambda: "first")
    assert run("ACL", "WHOAMI") == b"app"
    configure(guarded.address, credentials=lambda: "of the administrator")
    assert run("ACL", "WHOAMI") == b"default"


def test_the_listener_asks_too(guarded: Guarded) -> None:
    """It hears on, with the password of the day, when the server has ended all connections."""
    vault = Vault("app", "first")
    configure(guarded.address, credentials=vault)

    class Settings(DictCache[str, str]):
        prefix = "settings"
        l1 = True

    Settings()["colour"] = "red"
    settle(lambda: Settings()["colour"])
    guarded.password("second")
    vault.login = ("app", "second")
    asked = vault.asked
    guarded.kick()
    wait_until(lambda: vault.asked > asked + 1, what="new connections")
    settle(lambda: Settings()["colour"])
    assert l1_info().state == "live"
    with guarded.server.client() as bare:
        bare.hset("settings", "colour", "blue")
    wait_until(lambda: Settings()["colour"] == "blue", what="the change")
    assert set(guarded.users()) == {"app"}


SECRET = "hunter-2-of-the-tests"


@pytest.mark.parametrize("login", [("app", SECRET), ("nobody", SECRET)])
def test_a_login_that_is_refused(guarded: Guarded, run: Any, login: Any, caplog: pytest.LogCaptureFixture) -> None:
    """A clear error, with no password in it, its causes or the log; the right password mends it."""
    caplog.set_level(logging.DEBUG)
    vault = Vault(*login)
    configure(guarded.address, credentials=vault)
    with pytest.raises(CacheConnectionError, match="credentials= gave") as caught:
        run("GET", "k")
    told = "".join(traceback.format_exception(caught.value)) + caplog.text + repr(connection()) + repr(connection().dsn)
    assert SECRET not in told
    vault.login = ("app", "first")
    wait_until(connection().breaker.allows)
    assert run("ACL", "WHOAMI") == b"app"


class NoToken(Exception):
    """What a vault raises."""


@pytest.mark.parametrize(
    ("given", "cause", "said"),
    [
        (NoToken("the vault is sealed"), NoToken, "the vault is sealed"),
        (OSError("no route"), OSError, "no route"),
        (None, TypeError, "NoneType"),
        (("app", b"bytes"), TypeError, "(str, bytes)"),
        (("app", "first", "more"), TypeError, "(str, str, str)"),
    ],
)
def test_a_function_that_fails(guarded: Guarded, run: Any, given: Any, cause: Any, said: str) -> None:
    """The call raises, with the cause; functions compute, and all works when it gives a login again."""
    vault = Vault()
    vault.login = given
    configure(guarded.address, credentials=vault)

    @cached(l1=False)
    def double(n: int) -> int:
        return 2 * n

    @cached(l1=False)
    async def adouble(n: int) -> int:
        return 2 * n

    with pytest.raises(CacheConnectionError, match="credentials= failed") as caught:
        run("GET", "k")
    assert isinstance(caught.value.__cause__, cause)
    assert said in str(caught.value.__cause__)
    assert double(2) == 4
    assert asyncio.run(adouble(3)) == 6  # type: ignore[arg-type]
    vault.login = ("app", "first")
    wait_until(connection().breaker.allows)
    assert run("ACL", "WHOAMI") == b"app"


def test_a_vault_that_blocks_holds_no_event_loop_up(guarded: Guarded) -> None:
    """In asyncio a thread of ours asks."""
    begun, go = threading.Event(), threading.Event()

    def slow() -> tuple[str, str]:
        begun.set()
        assert go.wait(10)
        return "app", "first"

    configure(guarded.address, credentials=slow)

    def plan() -> Plan[Any]:
        return (yield Command(("PING",)))

    async def main() -> bytes:
        asking = asyncio.ensure_future(adrive(plan(), connection()))
        while not begun.is_set():
            await asyncio.sleep(0.001)
        assert not asking.done()  # and this loop runs meanwhile
        go.set()
        return bytes(await asking)

    assert asyncio.run(main()) == b"PONG"


def test_without_a_dsn_it_is_for_the_default_connection(monkeypatch: pytest.MonkeyPatch, guarded: Guarded) -> None:
    """The address stands in the environment, and the secret comes from the program."""
    registry.reset()
    monkeypatch.setenv("CACHES_DSN", guarded.address)
    monkeypatch.setenv("CACHES_DSN_1", "memory://#other")
    vault = Vault("app", "first")
    configure(credentials=vault)
    assert connection().raw("ACL", "WHOAMI") == b"app"
    assert sorted(connections()) == ["", "other"]
    again = connection()
    configure(credentials=vault)
    assert connection() is again, "nothing has changed"


def test_beside_a_dsn_in_a_mapping(guarded: Guarded) -> None:
    """Like every option."""
    configure({"default": "memory://", "shop": {"dsn": guarded.address, "credentials": Vault("app", "first")}})
    assert connection("shop").raw("ACL", "WHOAMI") == b"app"
    with pytest.raises(ConfigError, match="go into the mapping"):
        configure({"default": "memory://"}, credentials=Vault())


def _gives() -> str:
    return "a password"


async def _awaited() -> str:
    return "a password"


class _Unhashable:
    __hash__ = None  # type: ignore[assignment]

    def __call__(self) -> str:
        return "a password"


@pytest.mark.parametrize(
    ("dsn", "given", "said"),
    [
        ("redis://h?credentials=mine", None, "argument of configure"),
        ("redis://h", "text", "argument of configure"),
        ("redis://h", _awaited, "no async def"),
        ("redis://h", _Unhashable(), "hashable"),
        ("redis://:secret@h", _gives, "leave one of them out"),
        ("memory://", _gives, "memory:// takes none"),
        ("embedded:///tmp/x", _gives, "embedded:// takes none"),
    ],
)
def test_what_cannot_be(dsn: str, given: Any, said: str) -> None:
    """Each is named, before anything is changed."""
    with isolated("memory://before"):
        before = connection()
        with pytest.raises(ConfigError, match=said) as caught:
            configure(dsn, credentials=given)
        assert "secret" not in str(caught.value)
        assert connection() is before


def test_nothing_to_log_in_to(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without any DSN there is no connection to be for."""
    with isolated():
        registry.reset()
        for name in ("CACHES_DSN", "CACHES_DSN_1"):
            monkeypatch.delenv(name, raising=False)
        with pytest.raises(ConfigError, match="CACHES_DSN"):
            configure(credentials=_gives)


def test_the_dsn_is_shown_without_the_function() -> None:
    """Messages say that there is one, and not what it holds."""
    with isolated():
        configure("redis://h", credentials=_gives)
        assert connection().dsn.shown == "redis://h:6379/0?credentials=***"
        assert "password" not in repr(connection().dsn)


def test_its_time_counts() -> None:
    """A function that takes longer than the call has leaves no time to connect, and the call says so."""
    with Server(one_server(), tcp=True) as server, isolated():
        go = threading.Event()

        def slow() -> str:
            go.wait(0.5)
            return ""

        configure(f"redis://127.0.0.1:{server.port}?timeout=0.2", credentials=slow)
        with pytest.raises(TimeoutError):
            KeyCache("k").get()
        go.set()
        wait_until(connection().breaker.allows)
        assert KeyCache("k").get() is None


class TimeLimit(Exception):
    """What the signal handler of a worker raises."""


def test_a_time_limit_inside_of_it() -> None:
    """It reaches the caller as it is, and nothing of the connection that was to be is left."""

    def limit(*_: object) -> None:
        raise TimeLimit

    def slow() -> str:
        time.sleep(2)
        return ""

    with Server(one_server(), tcp=True) as server, isolated():
        before = signal.signal(signal.SIGALRM, limit)
        try:
            configure(f"redis://127.0.0.1:{server.port}?max_connections=1", credentials=slow)
            signal.setitimer(signal.ITIMER_REAL, 0.1)
            with pytest.raises(TimeLimit):
                KeyCache("k").get()
        finally:
            signal.signal(signal.SIGALRM, before)
        configure(credentials=lambda: "")
        assert connection().breaker.allows()
        assert KeyCache("k").get() is None
