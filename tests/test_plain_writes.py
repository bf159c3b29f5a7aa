"""Plain writes of a ``KeyCache`` on a key that a function computes at the moment: what was computed is too late."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from rcollections import KeyCache, cached, multi_cached
from rcollections.testing import isolated
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
    assert read.wait(5)
    write()
    go_on.set()
    thread.join(10)


def slow(article: str) -> int:
    read, go_on = slow.hooks  # type: ignore[attr-defined]
    read.set()
    go_on.wait(5)
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
        go_on.wait(5)
        return dict.fromkeys(ids, 50)

    thread = threading.Thread(target=prices, args=(["tea", "milk"],))
    thread.start()
    assert read.wait(5)
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


def test_one_round_trip(server: Any) -> None:
    """With a function that computes such keys, and without: then it is a bare SET, as ever."""
    from rcollections import connection

    class Other(KeyCache[int]):
        prefix = "nobody-computes"

    cached(Price, key=lambda article: (article,))(slow)
    for cls in (Other, Price):
        handle = cls("tea")
        assert trips(connection(), lambda handle=handle: handle.set(1)) == 1
        assert trips(connection(), lambda handle=handle: handle.increment(1)) == 1
        assert trips(connection(), lambda cls=cls: cls.set_many({"tea": 1, "milk": 2})) == 1
    with server.client() as bare, bare.monitor() as monitor:
        Other("tea").set(2)
        Price("tea").set(2)
        bare.echo("end")
        sent = []
        while (seen := monitor.next_command()["command"].split()[:2]) != ["ECHO", "end"]:
            if seen[0] in ("SET", "UNLINK"):  # and not what opens a connection
                sent.append(seen)
    assert sent == [
        ["SET", "nobody-computes.tea"],
        ["UNLINK", "rc:l:{plain-price.tea}"],
        ["SET", "plain-price.tea"],
    ]


def test_functions_announce_their_keys_again() -> None:
    """After all was forgotten (as between tests), the next call does."""
    f = cached(Price, key=lambda article: (article,))(slow)
    with isolated():
        while_computing(f, lambda: Price("tea").set(60))
        assert Price("tea").get() == 60


def test_classes_with_a_prefix_are_not_concerned_by_functions_without(server: Any) -> None:
    """A function whose keys may be anything slows those classes only that have no prefix either."""

    class Else(KeyCache[int]):
        prefix = "something-else"

    cached(key=lambda article: (article,))(slow)
    assert Else("x")._bound().lease is None
    assert KeyCache("x")._bound().lease == "rc:l:{x}"
