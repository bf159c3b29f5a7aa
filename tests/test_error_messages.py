"""What an error of the server or of the way to it says: what is wrong, what to do, and no chain of tracebacks."""

from __future__ import annotations

import asyncio
import http.server
import os
import socket
import subprocess
import sys
import threading
import traceback
from typing import TYPE_CHECKING

import pytest

from rcollections import CacheConnectionError, CacheError, CacheTimeout, KeyCache, cached
from rcollections.testing import Server, isolated
from rcollections.wire.failures import ErrorReply
from rcollections.wire.translate import translate
from tests.kinds import SERVERS
from tests.tls import Tls

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def nothing() -> Iterator[int]:
    """A port where nobody listens."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]


def error_of(dsn: str, *, asynchronous: bool = False) -> CacheError:
    """The error of a write at this DSN."""

    @cached(ttl=60, on_error="raise")
    async def f() -> int:
        return 1

    with isolated(dsn):
        try:
            asyncio.run(f()) if asynchronous else KeyCache("k").set(1)
        except CacheError as error:
            return error
    raise AssertionError(f"{dsn} works")


@pytest.mark.parametrize("asynchronous", [False, True])
def test_a_refused_connection_is_two_tracebacks(nothing: int, asynchronous: bool) -> None:
    """Ours, and the socket's as its cause: not those of redis-py between them."""
    error = error_of(f"redis://127.0.0.1:{nothing}?timeout=0.3", asynchronous=asynchronous)
    assert isinstance(error.__cause__, ConnectionRefusedError)
    text = "".join(traceback.format_exception(error))
    assert text.count("direct cause") == 1
    assert "During handling" not in text
    assert "redis.exceptions" not in text


def test_a_tls_dsn_and_a_port_without_tls() -> None:
    with Server(SERVERS[0], tcp=True) as server:
        host, port = "127.0.0.1", server.port
        error = error_of(f"rediss://{host}:{port}?connect_timeout=0.3")
    assert isinstance(error, CacheTimeout)
    assert str(error).endswith("Or does its port not speak TLS? Then the DSN has to begin with redis://")


def test_a_plain_dsn_and_a_port_with_tls(tmp_path: Path) -> None:
    """Some servers answer with an alert of TLS, the others close the connection."""
    with Server(SERVERS[0]) as server, Tls(server, tmp_path) as tls:
        told = str(error_of(f"redis://127.0.0.1:{tls.port}"))
    assert "TLS" in told
    assert "rediss://" in told


class _Web(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Stay silent."""


@pytest.mark.parametrize("path", ["", "/3"])
def test_a_web_server_is_no_redis(path: str) -> None:
    web = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Web)
    threading.Thread(target=web.serve_forever, daemon=True).start()
    try:
        plain = str(error_of(f"redis://127.0.0.1:{web.server_port}{path}"))
        secure = str(error_of(f"rediss://127.0.0.1:{web.server_port}{path}"))
    finally:
        web.shutdown()
        web.server_close()
    assert "what answers there is no Redis server (its answer begins with" in plain
    assert plain.endswith("check host and port in the DSN")
    assert secure.endswith("its port does not speak TLS: the DSN has to begin with redis://")


@pytest.mark.parametrize("kind", SERVERS)
def test_a_database_out_of_range(kind: str) -> None:
    with Server(kind, tcp=True) as server:
        host, port = "127.0.0.1", server.port
        told = str(error_of(f"redis://{host}:{port}/99"))
    assert f"{port}/99 has no database of this number" in told
    assert "take a lower one in the DSN, or raise databases on the server" in told


@pytest.mark.parametrize("kind", SERVERS)
@pytest.mark.parametrize("path", ["", "/1"])
def test_no_room_for_more_clients(kind: str, path: str) -> None:
    with Server(kind, tcp=True) as server:
        host, port = "127.0.0.1", server.port
        with server.client() as bare:
            bare.config_set("maxclients", 1)
            told = str(error_of(f"redis://{host}:{port}{path}?timeout=0.5"))
            bare.config_set("maxclients", 100)
    assert "no room for more clients" in told
    assert "maxclients" in told


def test_too_many_open_files(nothing: int) -> None:
    """In a process of its own, since it takes all its descriptors."""
    program = (
        "import os, resource, socket, sys\n"
        "from rcollections import *\n"
        "configure(sys.argv[1])\n"
        "try: KeyCache('k').get()\n"  # imports what a connection needs
        "except CacheError: pass\n"
        "configure(sys.argv[1] + '?l1=off')\n"  # another connection, of which no breaker is open
        "kept = []\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (64, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))\n"
        "try:\n"
        "    while True: kept.append(open(os.devnull))\n"
        "except OSError: pass\n"
        "try: KeyCache('k').get()\n"
        "except CacheConnectionError as error: print(error)\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", program, f"redis://127.0.0.1:{nothing}"],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    assert "this process has too many open files: raise its limit (ulimit -n), or close some" in run.stdout


@pytest.mark.parametrize(
    ("reply", "told"),
    [
        ("MOVED 866 127.0.0.1:7001", "is a node of a cluster, and another node has the key"),
        ("ASK 866 127.0.0.1:7001", "is a node of a cluster, and another node has the key"),
        ("CROSSSLOT Keys in request don't hash to the same slot", "keys of this call in different slots"),
        ("ERR Error running script: @user_script:3: -CROSSSLOT Keys", "keys of this call in different slots"),
        ("CLUSTERDOWN Hash slot not served", "is a cluster that is down, or parts of it are (CLUSTER INFO says why)"),
        ("TRYAGAIN Multiple keys request during rehashing of slot", "moves the keys of this call just now"),
    ],
)
def test_a_node_of_a_cluster(reply: str, told: str) -> None:
    """No cluster is needed to know the words: they are the first of the reply."""
    error = translate(ErrorReply(reply), "redis://one:7000/0", "k")
    assert told in str(error)
    assert "redis://one:7000/0" in str(error)
    assert isinstance(error, CacheConnectionError) == reply.startswith(("CLUSTERDOWN", "TRYAGAIN"))


@pytest.mark.parametrize("kind", SERVERS)
def test_a_real_node_of_a_cluster(kind: str) -> None:
    with Server(kind, "--cluster-enabled", "yes") as server:
        told = str(error_of(server.dsn))
    assert "is a cluster that is down" in told


@pytest.mark.parametrize("kind", SERVERS)
def test_a_replica_says_where_to_write(kind: str) -> None:
    with Server(kind) as server:
        with server.client() as bare:
            bare.config_set("replica-serve-stale-data", "yes")
            bare.execute_command("REPLICAOF", "127.0.0.1", "1")
        with (
            isolated(server.dsn),
            pytest.raises(CacheError, match="read-only replica.*the DSN at the primary"),
        ):
            KeyCache("k").set(1)


def test_a_lost_connection_alone_says_nothing_of_tls() -> None:
    error = translate(OSError("something else"), "redis://one:6379/0", "k")
    assert isinstance(error, CacheConnectionError)
    assert str(error).endswith("the connection was lost")
