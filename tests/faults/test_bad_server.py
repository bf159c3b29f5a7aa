"""A server that is down, frozen, full, read-only, loading or closed to us: each a clear error, in time."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any

import pytest
import redis

from rcollections import (
    CacheConnectionError,
    CacheError,
    CacheTimeout,
    DictCache,
    EncodeError,
    KeyCache,
    WrongTypeError,
    configure,
    connection,
)
from rcollections.testing import Proxy, Server, isolated, wait_until
from tests.kinds import SERVERS, one_server

if TYPE_CHECKING:
    from collections.abc import Iterator

# A timeout ends on a noisy machine too; what may not happen is waiting for several of them.
SLACK = 1.0


@pytest.fixture(params=SERVERS)
def own(request: pytest.FixtureRequest) -> Iterator[Server]:
    """A server that this test alone may break."""
    with Server(request.param, tcp=True) as server, isolated(server.dsn + "?timeout=0.4&connect_timeout=0.4"):
        yield server


def calls() -> dict[str, Any]:
    """A read, a write, a script and a pipeline."""

    def pipeline() -> None:
        with DictCache("d").pipeline() as p:
            p["a"] = 1

    return {
        "read": lambda: KeyCache("k").get(),
        "write": lambda: KeyCache("k").set(1),
        "script": lambda: DictCache("d").update({"a": 1}),
        "pipeline": pipeline,
    }


@pytest.mark.parametrize("call", calls())
def test_a_server_that_is_down(own: Server, call: str) -> None:
    """CacheConnectionError that says so, at once; soon after its return calls work."""
    calls()[call]()
    own.kill()
    began = time.monotonic()
    with pytest.raises(CacheConnectionError, match="refused|lost|closed"):
        calls()[call]()
    assert time.monotonic() - began < 0.4 + SLACK
    own.restart()
    wait_until(connection().breaker.allows)
    calls()[call]()


@pytest.mark.parametrize("call", calls())
def test_a_server_that_is_frozen(own: Server, call: str) -> None:
    """CacheTimeout within the timeout, with warm and with cold connections; then it works again."""
    calls()[call]()
    own.freeze()
    try:
        for _ in range(2):
            began = time.monotonic()
            with pytest.raises(CacheTimeout):
                calls()[call]()
            assert time.monotonic() - began < 0.4 + SLACK
    finally:
        own.thaw()
    wait_until(connection().breaker.allows)
    calls()[call]()


def test_a_server_that_is_slow(own: Server) -> None:
    """A command that takes longer than the timeout is given up."""
    with pytest.raises(CacheTimeout):
        connection().raw("DEBUG", "SLEEP", "1.2")


def test_a_server_that_is_full(own: Server) -> None:
    """CacheError naming memory; reading and removing go on; nothing is half written."""
    d = DictCache[str, str]("d", data={"a": "x"})
    with own.client() as bare:
        bare.config_set("maxmemory", "100kb")
        for call in ("write", "script", "pipeline"):
            with pytest.raises(CacheError, match="out of memory"):
                calls()[call]()
        assert d.to_dict() == {"a": "x"}
        assert not KeyCache("k").exists()
        assert d.pop("a") == "x"
        bare.config_set("maxmemory", "0")
    d["a"] = "y"


def test_a_read_only_replica(own: Server) -> None:
    """CacheError that says to use the primary; reads work."""
    with own.client() as bare:
        bare.replicaof("127.0.0.1", 1)
        bare.config_set("replica-serve-stale-data", "yes")
        with pytest.raises(CacheError, match="read-only replica"):
            KeyCache("k").set(1)
        with pytest.raises(CacheError, match="read-only replica"):
            DictCache("d").update({"a": 1})
        assert KeyCache("k").get("none") == "none"


@pytest.mark.parametrize("given", ["", ":wrong@", "nobody:wrong@"])
def test_a_server_that_wants_a_password(given: str, caplog: pytest.LogCaptureFixture) -> None:
    """CacheConnectionError that tells what to do; no password in message, cause or log."""
    caplog.set_level(logging.DEBUG)
    with (
        Server(one_server(), tcp=True, password="s3cret") as server,
        isolated(f"redis://{given}127.0.0.1:{server.port}"),
    ):
        with pytest.raises(CacheConnectionError, match="refused the login") as caught:
            KeyCache("k").get()
        seen = f"{caught.value} {caught.value.__cause__} {caplog.text}"
        assert "wrong" not in seen
        configure(f"redis://:s3cret@127.0.0.1:{server.port}")
        KeyCache("k").set(1)


def test_a_user_without_the_right(own: Server) -> None:
    """An ACL that forbids a command is named."""
    with own.client() as bare:
        bare.execute_command("ACL", "SETUSER", "reader", "on", ">pw", "~*", "+get", "+hello", "+client", "+select")
    configure(f"redis://reader:pw@127.0.0.1:{own.port}")
    with pytest.raises(CacheError, match="may not do this"):
        KeyCache("k").set(1)


def test_a_server_that_is_loading(own: Server) -> None:
    """Nothing was executed yet, so the call is repeated until its time is up."""
    with own.client() as bare:
        bare.config_set("save", "")
        bare.execute_command("DEBUG", "POPULATE", 20_000, "p", 3000)
        bare.config_set("key-load-delay", "50")
        try:
            bare.config_set("loading-process-events-interval-bytes", "1024")
        except redis.ResponseError:  # Redis 6.2 looks around every 2 MB: which come sooner uncompressed
            bare.config_set("rdbcompression", "no")
    with Proxy(own) as between, isolated(between.dsn + "?timeout=0.3"):
        KeyCache("k").get()
        with own.client(socket_timeout=60) as bare:
            import threading

            reload = threading.Thread(target=lambda: bare.execute_command("DEBUG", "RELOAD"))
            reload.start()
            with own.client(socket_timeout=1) as probe:

                def loading() -> bool:
                    try:
                        probe.ping()
                    except Exception as error:  # redis-py has many; the text is what counts
                        return "LOADING" in str(error) or "loading" in str(error)
                    return False

                try:
                    wait_until(loading, 20, "the server to be loading")
                    with pytest.raises(CacheError, match="loading|in time"):
                        KeyCache("k").get()
                finally:
                    with own.client(socket_timeout=60) as fixer:
                        wait_until(lambda: _speed_up(fixer), 30, "the load delay to be lifted")
                    reload.join(60)
        KeyCache("k").get()


def _speed_up(client: Any) -> bool:
    try:
        client.config_set("key-load-delay", "0")
    except Exception:  # still loading: not every command is allowed
        return False
    return True


def test_a_value_over_the_limit(own: Server) -> None:
    """EncodeError before anything is sent."""
    configure(own.dsn + "?max_value=100")
    d = DictCache[str, str]("d", data={"a": "small"})
    for write in (
        lambda: KeyCache("k").set("x" * 200),
        lambda: d.update({"b": "small", "c": "x" * 200}),
        lambda: d.__setitem__("c", "x" * 200),
    ):
        with pytest.raises(EncodeError, match="max_value|100"):
            write()
    assert d.to_dict() == {"a": "small"}
    assert not KeyCache("k").exists()


def test_wrong_types_are_named(own: Server) -> None:
    """WrongTypeError (a TypeError) names the key; the other structure is untouched."""
    KeyCache("x").set("text")
    DictCache("h", data={"a": 1})
    for act in (
        lambda: DictCache("x")["a"],
        lambda: DictCache("x").update({"a": 1}),
        lambda: DictCache("x").to_dict(),
        lambda: DictCache("x").popitem(),
        lambda: KeyCache("h").get(),
        lambda: KeyCache("h").increment(),
        lambda: KeyCache("x").increment(),
    ):
        with pytest.raises(WrongTypeError, match="'[xh]'"):
            act()
    assert KeyCache("x").get() == "text"
    assert DictCache("h").to_dict() == {"a": 1}
