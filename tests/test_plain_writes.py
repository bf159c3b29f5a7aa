"""Plain writes of a ``KeyCache`` on a key that a function computes at the moment: what was computed is too late."""

from __future__ import annotations

import subprocess
import sys
import threading
from typing import Any

import pytest

from rcollections import ConfigError, KeyCache, cached, multi_cached
from tests.trips import trips


class Price(KeyCache[Any]):
    prefix = "plain-price"


class Daily(Price):
    ttl_from = "first"


def _cas(c: Any) -> None:
    assert c.cas(60, c.gets()[1])


def _edit(c: Any) -> None:
    with c.edit(50) as _:
        pass


WRITES: dict[str, tuple[Any, Any]] = {
    "set": (lambda c: c.set(60), 60),
    "set with ttl": (lambda c: c.set(60, ttl=5), 60),
    "set for ever": (lambda c: c.set(60, ttl=0), 60),
    "set nx": (lambda c: c.set(60, nx=True), 60),
    "data": (lambda c: setattr(c, "data", 60), 60),
    "data=": (lambda c: type(c)("tea", data=60), 60),
    "create": (lambda c: type(c).create("tea", data=60), 60),
    "add": (lambda c: c.add(60), 60),
    "cas": (_cas, 60),
    "edit": (_edit, 50),
    "increment": (lambda c: c.increment(60), 60),
    "increment by a float": (lambda c: c.increment(0.5), 0.5),
    "set_many": (lambda c: type(c).set_many({"tea": 60, "milk": 1}), 60),
    "copy_to": (lambda c: type(c)("milk", data=60).copy_to("tea"), 60),
    "getdel": (lambda c: (c.set(1), c.getdel()), None),
    "clear": (lambda c: c.clear(), None),
    "del": (lambda c: delattr(c, "data"), None),
    "delete_many": (lambda c: type(c).delete_many(["tea"]), None),
    "clean": (lambda c: type(c).clean(), None),
}


def while_computing(f: Any, write: Any) -> None:
    """Let ``f`` read its source, then write, then let ``f`` store what it had read."""
    read, go_on = threading.Event(), threading.Event()
    f.uncached.hooks = read, go_on
    thread = threading.Thread(target=f, args=("tea",))
    thread.start()
    assert read.wait(60)
    write()
    go_on.set()
    thread.join(70)


def slow(article: str) -> int:
    read, go_on = slow.hooks  # type: ignore[attr-defined]
    read.set()
    go_on.wait(60)
    return 50


@pytest.mark.parametrize("cls", [Price, Daily])
@pytest.mark.parametrize("name", WRITES)
def test_an_older_computation_does_not_overwrite_it(store: Any, name: str, cls: Any) -> None:
    """Every form of writing: what was computed before it is not stored after it."""
    f = cached(cls, key=lambda article: (article,), version=name)(slow)
    write, value = WRITES[name]
    while_computing(f, lambda: write(cls("tea")))
    assert cls("tea").get() == value
    assert f.cache_info().stores == 0


def test_in_a_pipeline(store: Any) -> None:
    """The write goes into MULTI; results and their order stay as they are."""
    f = cached(Price, key=lambda article: (article,))(slow)

    def write() -> None:
        with Price("tea").pipeline() as p:
            p.set(60)
            p(Price("milk")).set(7)
            p.increment(1)
            value = p.get()
        assert p.results == [True, True, 61, 61]
        assert value.value == 61

    while_computing(f, write)
    assert Price("tea").get() == 61
    assert f.cache_info().stores == 0


def test_the_keys_of_functions_without_a_key_of_their_own(store: Any) -> None:
    """An automatic key that was asked for with ``key()``."""
    f = cached(slow)
    while_computing(f, lambda: KeyCache(f.key("tea")).set(60))
    assert f.peek("tea") == 60
    assert f.cache_info().stores == 0


def test_the_keys_of_ids(store: Any) -> None:
    """``multi_cached``: each id has its own."""
    read, go_on = threading.Event(), threading.Event()

    @multi_cached("ids", Price)
    def prices(ids: list[str]) -> dict[str, int]:
        read.set()
        go_on.wait(60)
        return dict.fromkeys(ids, 50)

    thread = threading.Thread(target=prices, args=(["tea", "milk"],))
    thread.start()
    assert read.wait(60)
    Price("tea").set(60)
    go_on.set()
    thread.join(5)
    assert prices.peek(["tea", "milk"]) == {"tea": 60, "milk": 50}


def test_a_handle_that_is_older_than_the_function(store: Any) -> None:
    """It was used before the function was made."""

    class Late(KeyCache[int]):
        prefix = "late-function"

    handle = Late("tea", data=1)
    handle.clear()
    f = cached(Late, key=lambda article: (article,))(slow)
    while_computing(f, lambda: handle.set(60))
    assert handle.get() == 60


class Own(KeyCache[int]):
    prefix = "nobody-computes"
    computed = False


def test_one_round_trip(server: Any) -> None:
    """Lease and value in one step; a bare SET where the class says that no function computes its keys."""
    from rcollections import connection

    for cls in (Own, Price):
        handle = cls("tea")
        assert trips(connection(), lambda handle=handle: handle.set(1)) == 1
        assert trips(connection(), lambda handle=handle: handle.increment(1)) == 1
        assert trips(connection(), lambda cls=cls: cls.set_many({"tea": 1, "milk": 2})) == 1
    with server.client() as bare, bare.monitor() as monitor:
        Own("tea").set(2)
        Price("tea").set(2)
        bare.echo("end")
        sent = []
        while (seen := monitor.next_command()["command"].split()[:2]) != ["ECHO", "end"]:
            if seen[0] in ("MULTI", "SET", "UNLINK", "EXEC"):  # and not what opens a connection
                sent.append(seen)
    assert sent == [
        ["SET", "nobody-computes.tea"],
        ["MULTI"],
        ["SET", "plain-price.tea"],
        ["UNLINK", "rc:l:{plain-price.tea}"],
        ["EXEC"],
    ]


PUT_ELSEWHERE = """
from rcollections import KeyCache, configure
configure({dsn!r}, timeout=30, connect_timeout=30)  # a busy machine imports slowly
class Price(KeyCache):
    prefix = "plain-price"
{write}
"""


@pytest.mark.parametrize(
    "write",
    [
        "Price('tea').set(60)",
        "Price('tea').add(60)",
        "Price('tea').increment(60)",
        "Price('tea').cas(60, Price('tea').gets()[1])",
        "Price.set_many({'tea': 60})",
        "Price('water', data=60).copy_to('tea')",
    ],
)
def test_a_process_that_does_not_know_the_function(server: Any, write: str) -> None:
    """Whatever the writing process has imported: what was computed before its write is not stored after it."""
    f = cached(Price, key=lambda article: (article,))(slow)
    program = PUT_ELSEWHERE.format(dsn=server.dsn, write=write)
    while_computing(f, lambda: subprocess.run([sys.executable, "-c", program], check=True, timeout=60))
    assert Price("tea").get() == 60
    assert f.cache_info().stores == 0


def test_a_class_whose_keys_no_function_computes() -> None:
    """A function of such a class is refused when it is decorated; so is writing(), which needs the lease."""
    for decorate in (cached(Own), cached(Own, key="k"), multi_cached("article", Own)):
        with pytest.raises(ConfigError, match=r"Own says computed=False"):
            decorate(slow)
    with pytest.raises(ConfigError, match="computed=False"):
        Own("tea").writing()
    with pytest.raises(ConfigError, match="computed is True or False"):
        Own("tea", computed="no")


def test_everything_else_works_there(store: Any) -> None:
    """``computed=False`` changes no answer."""
    c = Own("tea")
    assert c.set(1)
    assert not c.set(2, nx=True)
    assert c.increment(4) == 5
    assert c.cas(6, c.gets()[1])
    Own.set_many({"tea": 7, "milk": 8})
    assert Own.get_many(["tea", "milk"]) == {"tea": 7, "milk": 8}
    assert c.copy_to("water").getdel() == 7
    c.set(9, ttl=5)
    assert c.get_ttl()[0] == 9
