"""Errors of a computation for which others wait, in the process and in others: who gets them, and who does not."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from rcollections import CacheError, cached, connection, invalidate_tags, register
from rcollections.plans.marks import NAMED, THROWN, Mark, read_mark
from rcollections.testing import Proxy, isolated, wait_until
from rcollections.values.shared import SharedErrors
from rcollections.values.signing import Keyring
from tests.leases import leases

if TYPE_CHECKING:
    from collections.abc import Callable

    from rcollections.testing import Server

ROOT = Path(__file__).parents[1]

WORKER = """
import json, sys, time
import redis
from rcollections import DictCache, KeyCache, cached, multi_cached, register

bare = redis.Redis(unix_socket_path=sys.argv[1])
how, knows = sys.argv[2:4]

class Missing(Exception): pass
if knows == "yes": register(Missing)

def fails():
    bare.rpush("log", json.dumps(time.time()))
    time.sleep(0.5)
    raise Missing("no row", 7)

class Row(KeyCache): prefix = "row"
class Page(DictCache):
    prefix = "page"
    def load(self): return fails()

one = cached(ttl=60, key="one")(fails)
several = multi_cached("ids", Row)(lambda ids: fails())
calls = {"one": one, "many": lambda: several([1, 2]), "load": lambda: Page("a")["x"]}

cached(key="warm", ttl=60)(lambda: 1)()  # connects, and imports what a first computation needs
bare.incr("ready")
bare.blpop("go", 20)
began = time.time()
try:
    calls[how]()
except Exception as error:
    print(json.dumps([type(error).__name__, str(error.args), time.time() - began]))
"""


def six(server: Server, how: str, knows: list[str]) -> tuple[list[Any], list[float]]:
    """What each process got, with the seconds that it took, and when the source was asked."""
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", WORKER, server.socket, how, each],
            env={**os.environ, "PYTHONPATH": str(ROOT), "CACHES_DSN": f"{server.dsn}?timeout=20"},
            stdout=subprocess.PIPE, text=True,
        )
        for each in knows
    ]  # fmt: skip
    with server.client() as bare:
        wait_until(lambda: int(bare.get("ready") or 0) == len(knows), seconds=30, what="all workers are ready")
        bare.rpush("go", *range(len(knows)))
        got = [json.loads(process.communicate(timeout=30)[0]) for process in processes]
        return got, sorted(float(each) for each in bare.lrange("log", 0, -1))


@pytest.mark.parametrize("how", ["one", pytest.param("many", marks=pytest.mark.long), "load"])
def test_a_declared_error_reaches_all_processes(server: Server, how: str) -> None:
    """The source is asked once, and all have the very error soon after."""
    got, asked = six(server, how, ["yes"] * 6)
    assert len(asked) == 1
    assert {(name, args) for name, args, _ in got} == {("Missing", "('no row', 7)")}
    assert max(seconds for *_, seconds in got) < 1.1


@pytest.mark.long
@pytest.mark.parametrize("how", ["one", "many", "load"])
def test_another_error_makes_no_convoy(server: Server, how: str) -> None:
    """Its text may be a secret: each process asks for itself, at the same time."""
    got, asked = six(server, how, ["no"] * 6)
    assert {name for name, *_ in got} == {"Missing"}
    assert len(asked) <= 7
    assert max(seconds for *_, seconds in got) < 2
    assert asked[-1] - asked[0] < 1.5, "they do not queue"


def test_an_error_that_is_not_declared_here(server: Server) -> None:
    """Where only the other process declares it, a CacheError names it."""
    got, asked = six(server, "one", ["yes", "yes", "yes", "no", "no", "no"])
    names = {name for name, *_ in got}
    assert names <= {"Missing", "CacheError"}
    if len(asked) == 1:  # a process that declares it was first
        assert names == {"Missing", "CacheError"}
        assert all("__main__.Missing" in args and "register" in args for name, args, _ in got if name == "CacheError")


@pytest.mark.parametrize("change", ["invalidate", "tags", "put", "writing"])
@pytest.mark.parametrize("tries", [1, 3])
def test_no_error_is_older_than_an_invalidation(store: Any, change: str, tries: int) -> None:
    """A reads "no row", the row is made, the cache is told: whoever calls then gets the row, not A's error."""
    rows: dict[int, str] = {}
    begun, end = threading.Event(), threading.Event()

    @cached(ttl=60, tags=("rows",))
    def row(i: int) -> str:
        if i in rows:
            return rows[i]
        begun.set()
        assert end.wait(10)
        raise LookupError("no such row")

    changes: dict[str, Callable[[], object]] = {
        "invalidate": lambda: row.invalidate(1),
        "tags": lambda: invalidate_tags("rows"),
        "put": lambda: row.put(1, _cache_put="here"),
    }
    with ThreadPoolExecutor(tries + 2) as pool:
        first = pool.submit(row, 1)
        assert begun.wait(10)
        if change == "writing":
            with row.writing(1) as w:
                rows[1] = "here"
                w.put("here")
        else:
            rows[1] = "here"
            changes[change]()
        others = [pool.submit(row, 1) for _ in range(tries)]
        if change in ("invalidate", "tags"):
            wait_until(lambda: row.cache_info().misses >= 1 or row.cache_info().waits)
        end.set()
        assert [other.result(10) for other in others] == ["here"] * tries
        with pytest.raises(LookupError):
            first.result(10)
    assert not leases(store)


@pytest.mark.parametrize("change", ["invalidate", "tags", "put"])
@pytest.mark.parametrize("away", ["meanwhile", "from then on", "from the beginning", "all the time"])
def test_no_error_is_older_than_a_change_that_was_kept(server: Server, change: str, away: str) -> None:
    """The same where the change could not be sent, whether the server is back when the function fails or not."""
    rows: dict[int, str] = {}
    begun, end = threading.Event(), threading.Event()

    @cached(ttl=60, tags=("rows",))
    def row(i: int) -> str:
        if i in rows:
            return rows[i]
        begun.set()
        assert end.wait(10)
        raise LookupError("no such row")

    changes: dict[str, Callable[[], object]] = {
        "invalidate": lambda: row.invalidate(1),
        "tags": lambda: invalidate_tags("rows"),
        "put": lambda: row.put(1, _cache_put="here"),
    }
    with Proxy(server) as proxy, isolated(proxy.dsn + "?timeout=0.5&l1=off"), ThreadPoolExecutor(5) as pool:
        cached(ttl=60, key="warm")(lambda: 1)()
        if away in ("from the beginning", "all the time"):
            proxy.refuse()
        first = pool.submit(row, 1)
        assert begun.wait(10)
        rows[1] = "here"
        proxy.refuse()
        with pytest.raises(CacheError):
            changes[change]()
        if away in ("meanwhile", "from the beginning"):
            proxy.heal()
            wait_until(lambda: connection().breaker.allows(), what="the breaker is closed")
        others = [pool.submit(row, 1) for _ in range(3)]
        if away == "meanwhile":
            wait_until(lambda: row.cache_info().waits or any(each.done() for each in others))
        end.set()
        assert [other.result(10) for other in others] == ["here"] * 3
        with pytest.raises(LookupError):
            first.result(10)
        proxy.heal()
        wait_until(lambda: not connection().flights.orphans, what="no lease is left")
        wait_until(lambda: not len(connection().journal), what="the change is sent")
        wait_until(lambda: connection().breaker.allows(), what="the breaker is closed")
        assert row(1) == "here"


def test_two_processes_and_an_invalidation(server: Server) -> None:
    """The same between processes: the mark is dropped with the entry, and does not count under other stamps."""
    code = """
import sys, threading
from rcollections import cached, configure, connection, register
configure(sys.argv[1])
@register
class Missing(Exception): pass
@cached(ttl=60, key="row", tags=("rows",))
def row():
    raw = connection().raw
    there = raw("GET", "there")
    raw("INCR", "began")
    if there is None:
        while raw("GET", "end") is None: threading.Event().wait(0.01)
        raise Missing("no row")
    return "here"
try: print(row())
except Missing as error: print(error)
"""
    for change in ("invalidate", "tags"):
        with server.client() as bare, isolated(server.dsn):
            bare.flushdb()

            @cached(ttl=60, key="row", tags=("rows",))
            def row() -> str:
                return "here"

            command = [sys.executable, "-c", code, f"{server.dsn}?timeout=20"]
            environment = {**os.environ, "PYTHONPATH": str(ROOT)}
            failing = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
            wait_until(lambda: bare.get("began") == b"1", seconds=20)
            bare.set("there", 1)
            row.invalidate() if change == "invalidate" else invalidate_tags("rows")
            late = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
            if change == "tags":  # it waits for the computation whose result is dead
                wait_until(lambda: bare.pubsub_numsub("rc:w:row")[0][1] == 1, seconds=20)
            bare.set("end", 1)
            assert failing.communicate(timeout=20)[0] == "no row\n"
            assert late.communicate(timeout=20)[0] == "here\n"


# -- what travels ------------------------------------------------------------------------------------


@register
class Known(Exception):
    """Registered, and made of plain arguments."""


class Secret(Exception):
    """Not registered."""


def test_only_declared_errors_travel() -> None:
    """Registered ones and those of the function; with plain arguments; and they come back as they were."""
    shared = SharedErrors(lambda: None, (KeyError,))
    for error in (Known("a", 1), KeyError(("k", 2))):
        data = shared.dump(error, "key", b"token")
        assert data is not None
        made = shared.load(data, "key", b"token")
        assert type(made) is type(error)
        assert made.args == error.args
    for error in (Secret("a"), Known(object()), ValueError()):
        assert shared.dump(error, "key", b"token") is None
    data = shared.dump(KeyError("k"), "key", b"token")
    assert data is not None
    assert SharedErrors(lambda: None).load(data, "key", b"token") is None, "not declared there"


def test_with_a_key_they_are_signed() -> None:
    """For key and token: no other bytes count, and none count elsewhere."""
    keys = Keyring([b"0123456789abcdef"])
    shared, plain = SharedErrors(lambda: keys), SharedErrors(lambda: None)
    data = shared.dump(Known("a"), "key", b"token")
    assert data is not None
    made = shared.load(data, "key", b"token")
    assert made is not None
    assert made.args == ("a",)
    unsigned = plain.dump(Known("a"), "key", b"token")
    assert unsigned is not None
    for bad, place in ((data, ("other", b"token")), (data, ("key", b"another")), (unsigned, ("key", b"token"))):
        with pytest.raises(CacheError, match="signed"):
            shared.load(bad, *place)


def test_what_the_server_holds_of_an_error(store: Any) -> None:
    """Of an undeclared one the type's name and no text; of a declared one at most 4 KB."""

    errors: list[Exception] = []

    @cached(key="k")
    def f() -> None:
        raise errors[-1]

    for error, kind in (
        (Secret("my password"), NAMED), (Known("short"), THROWN), (Known("long" * 2000), NAMED),
    ):  # fmt: skip
        errors.append(error)
        with pytest.raises(type(error)):
            f()
        data = connection().raw("GET", "rc:l:{k}")
        mark = read_mark(data)
        assert isinstance(mark, Mark)
        assert mark.kind == kind
        assert len(data) <= 4096
        assert b"password" not in data
        assert mark.type_name == f"{__name__}.{type(error).__name__}"
        assert 1000 < store.raw("PTTL", "rc:l:{k}") <= 60_000
