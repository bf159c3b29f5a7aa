"""``mutate``: read, change, store until nobody was faster. No update is lost, and none is made twice."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from rcollections import (
    CacheError,
    CacheMissError,
    ChangedError,
    DecodeError,
    DictCache,
    EncodeError,
    KeyCache,
    configure,
    connection,
)
from rcollections.testing import wait_until
from tests.trips import trips

THREADS, TIMES = 8, 25


class Names(KeyCache[Any]):
    prefix = "names"
    ttl = 60


class Tagged(KeyCache[Any]):
    prefix = "mutated-tagged"
    tags = ("names",)
    ttl = 60


class Signed(KeyCache[Any]):
    prefix = "signed"
    signed = True
    ttl = 60


@pytest.fixture(autouse=True)
def _signing(store: Any) -> None:
    configure(signing_key="a key that is long enough")


def test_it_gives_and_stores_the_new_value(store: Any) -> None:
    for cls in (Names, Tagged, Signed):
        c = cls("a", data=["ann"])
        assert c.mutate(lambda names: [*names, "bob"]) == c.get() == ["ann", "bob"]
        assert 0 < store.raw("PTTL", c.key) <= 60_000
    d = DictCache("d", data={1: 2})
    assert d.mutate(1, lambda n: n * 5) == d[1] == 10
    assert trips(store, lambda: d.mutate(1, lambda n: n + 1)) == 2
    assert trips(store, lambda: Names("a").mutate(lambda n: n)) == 2


def test_nothing_there(store: Any) -> None:
    """As with edit(): the default, or an error that says what is missing; nothing is stored then."""
    with pytest.raises(CacheMissError, match=r"names\.none"):
        Names("none").mutate(lambda value: value)
    with pytest.raises(KeyError) as caught:
        DictCache("d").mutate("none", lambda value: value)
    assert caught.value.args == ("none",)
    assert not store.raw("EXISTS", "names.none", "d")
    assert Names("none").mutate(lambda value: value, default=None) is None
    assert Names("none").mutate(lambda value: (value, 1), default=0) == (None, 1)
    assert DictCache("d").mutate("none", lambda value: value + 1, default=0) == 1
    store.raw("SET", "names.odd", b"\xc1?")
    assert Names("odd").mutate(lambda n: n + 1, default=0) == 1
    store.raw("HSET", "d", "odd", b"\xc1?")
    with pytest.raises(DecodeError):
        DictCache("d").mutate("odd", lambda n: n, default=0)


def test_somebody_is_faster(store: Any) -> None:
    """The function is called again, with what is there by then."""
    c, d = Names("a", data=1), DictCache("d", data={"f": 1})
    seen: list[Any] = []

    def raced(write: Any) -> Any:
        def fn(value: int) -> int:
            seen.append(value)
            if len(seen) % 3:
                write(value + 10)
            return value + 1

        return fn

    assert c.mutate(raced(c.set)) == c.get() == 22
    assert d.mutate("f", raced(lambda value: d.set("f", value))) == d["f"] == 22
    assert seen == [1, 11, 21, 1, 11, 21]


def test_a_default_is_new_for_each_attempt(store: Any) -> None:
    c = Names("a")
    calls = []

    def fn(names: list[str]) -> list[str]:
        calls.append(list(names))
        names.append("ann")
        if len(calls) == 1:
            c.set(["bob"])
            c.clear()
            c.set(["bob"])
        elif len(calls) == 2:
            c.clear()
        return names

    default: list[str] = []
    assert c.mutate(fn, default=default) == ["ann"]
    assert calls == [[], ["bob"], []]
    assert default == []


def test_enough_attempts(store: Any) -> None:
    c, d = Names("a", data=0), DictCache("d", data={"f": 0})
    calls = []

    def slow(value: int) -> int:
        calls.append(value)
        c.set(value + 1)
        d["f"] = value + 1
        return -1

    with pytest.raises(ChangedError, match=r"'names\.a' was changed by somebody else.*3 attempts") as caught:
        c.mutate(slow, attempts=3)
    assert isinstance(caught.value, CacheError)
    assert calls == [0, 1, 2]
    assert c.get() == 3
    with pytest.raises(ChangedError, match="field 'f' of 'd'"):
        d.mutate("f", slow, attempts=1)
    d["f"], _ = [1], c.set([1])
    with pytest.raises(ChangedError, match=r"field 'f' of 'd'.*during edit\(\)"), d.edit("f") as value:
        d["f"] = [*value, value.append(2)]
    with pytest.raises(ChangedError, match=r"names\.a.*during edit\(\)"), c.edit() as value:
        c.set([*value, value.append(2)])
    assert d["f"] == c.get() == [1, None]
    for wrong in (0, -1):
        with pytest.raises(ValueError, match="attempts"):
            c.mutate(slow, attempts=wrong)
    with pytest.raises(TypeError):
        c.mutate(slow, attempts=1.5)  # type: ignore[arg-type]


def test_errors_change_nothing(store: Any) -> None:
    c = Names("a", data=[1])

    def fails(value: list[int]) -> Any:
        value.append(2)
        raise StopIteration(value)

    with pytest.raises(Exception) as caught:
        c.mutate(fails)
    assert not isinstance(caught.value, CacheError)
    with pytest.raises(EncodeError):
        DictCache("d", data={1: 1}).mutate(1, lambda _: (each for each in ()))
    assert c.get() == [1]
    with pytest.raises(TypeError, match="pipeline"), c.pipeline() as p:
        p.mutate(lambda value: value)


@pytest.mark.parametrize("cls", [Names, Tagged, Signed])
def test_threads_lose_no_update(store: Any, cls: type[KeyCache[Any]]) -> None:
    c, d = cls("a", data=[]), DictCache("d")

    def work(number: int) -> None:
        for n in range(TIMES):
            c.mutate(lambda found, n=n: [*found, (number, n)], attempts=10_000)
            d.mutate("sum", lambda found: found + 1, default=0, attempts=10_000)

    threads = [Thread(target=work, args=(number,)) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(c.get()) == [(number, n) for number in range(THREADS) for n in range(TIMES)]
    assert d["sum"] == THREADS * TIMES


PROGRAM = """
import sys
import time
from rcollections import DictCache, KeyCache, configure
configure(sys.argv[1], signing_key="a key that is long enough", timeout=20, connect_timeout=20)
class Signed(KeyCache):
    signed = True
gate, c, d, s = KeyCache("gate"), KeyCache("c"), DictCache("d"), Signed("s")
gate.increment()
while gate.data < 3:
    time.sleep(0.01)
for n in range(60):
    c.mutate(lambda found: found + [1], default=[], attempts=10_000)
    d.mutate("f", lambda found: found + 1, default=0, attempts=10_000)
    s.increment()
"""


def test_processes_lose_no_update(server: Any) -> None:
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    command = [sys.executable, "-c", PROGRAM, server.dsn]
    running = [subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) for _ in range(3)]
    try:
        for process in running:
            wait_until(lambda process=process: process.poll() is not None, 60, "the mutating to end")
            assert process.stderr is not None
            assert process.returncode == 0, process.stderr.read()
    finally:
        for process in running:
            process.kill()
            process.communicate()
    configure(signing_key="a key that is long enough")
    assert KeyCache("c").get() == [1] * 180
    assert DictCache("d")["f"] == 180
    assert int(connection().raw("STRLEN", "s")) > 3
    assert KeyCache("s").get() == 180
