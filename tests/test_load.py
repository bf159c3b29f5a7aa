"""``load(self)`` fills a collection that is missing, ``__missing__`` a field: once, over threads and processes."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from rcollections import (
    CacheError,
    ConfigError,
    CounterCache,
    DictCache,
    KeyCache,
    SetCache,
    SortedSetCache,
    configure,
    invalidate_tags,
)
from tests.leases import leases
from tests.test_tagged_collections import content

SOURCE: dict[Any, Any] = {}
calls: list[str] = []


@pytest.fixture(autouse=True)
def _clean() -> None:
    SOURCE.clear()
    SOURCE.update({"a": 1, "b": 2})
    calls.clear()


class Loads:
    ttl = 100

    def load(self) -> Any:
        calls.append(self.key)  # type: ignore[attr-defined]
        return dict(SOURCE)


class D(Loads, DictCache[str, int]):
    tags = ("one",)


class S(Loads, SetCache[str]):
    tags = ("one",)


class Z(Loads, SortedSetCache[str]):
    tags = ("one",)


class C(Loads, CounterCache[str]):
    tags = ("one",)


class Bare(Loads, DictCache[str, int]):
    pass


TYPES = (D, S, Z, C, Bare)


@pytest.mark.parametrize("cls", TYPES)
def test_the_first_read_fills_it(store: Any, cls: type[Any]) -> None:
    """Every later one finds it; a read of any kind fills, and gives the right answer at once."""
    c = cls("x")
    assert len(c) == 2
    assert "a" in c
    assert set(content(c)) == {"a", "b"}
    assert len(calls) == 1
    for number, read in enumerate((lambda c: "a" in c, content, list, lambda c: c.exists(), bool)):
        assert read(cls("y", number))
    assert len(calls) == 6


@pytest.mark.parametrize("cls", TYPES)
def test_it_is_loaded_again_when_it_is_gone(store: Any, cls: type[Any]) -> None:
    """Invalidated, cleared, evicted, expired; what is loaded then is what the source has then."""
    c = cls("x")
    assert len(c) == 2
    SOURCE["c"] = 3
    assert len(c) == 2
    if c.tags:
        invalidate_tags("one")
    else:
        c.clear()
    assert len(c) == 3
    SOURCE["d"] = 3
    store.raw("DEL", "x")
    assert len(c) == 4
    store.raw("DEL", "rc:g:{x}")
    assert len(c) == 4
    assert len(calls) == 4


@pytest.mark.parametrize("cls", TYPES)
def test_nothing_to_load_is_remembered(store: Any, cls: type[Any]) -> None:
    """An empty source is not asked again and again; None means the same."""
    SOURCE.clear()
    c = cls("x")
    for _ in range(3):
        assert len(c) == 0
    assert len(calls) == 1
    assert 90_000 < store.raw("PTTL", "rc:g:{x}") <= 100_000
    SOURCE["a"] = 1
    c.clear()
    assert len(c) == 1


@pytest.mark.parametrize("cls", TYPES)
def test_writes_find_it_loaded(store: Any, cls: type[Any]) -> None:
    """A single write comes on top of what load() gives; replacing the whole needs no load."""
    c = cls("x")
    c.add("n") if cls in (S, Z) else c.set("n", 5)
    assert set(content(c)) == {"a", "b", "n"}
    c.discard("a")
    c.discard("b")
    c.discard("n")
    assert len(c) == 0
    assert len(calls) == 1
    c = cls("y", data={"z": 1})
    assert set(content(c)) == {"z"}
    assert len(calls) == 1


def test_operands_are_loaded(store: Any) -> None:
    """Set algebra on the server loads what takes part."""
    assert S("x") | S("y") == {"a", "b"}
    plain = SetCache("plain", data={"a"})
    plain |= S("z")
    assert plain == {"a", "b"}
    assert sorted(calls) == ["x", "y", "z"]
    assert S("u").copy_to("v") == {"a", "b"}


def test_a_pipeline_takes_what_is_there(store: Any) -> None:
    """Inside MULTI nobody can load: reads are empty, parts that were written there are loaded over."""
    d = D("x")
    with d.pipeline() as p:
        n = p.length()
        p["n"] = 1
    assert n.value == 0
    assert d.to_dict() == {"a": 1, "b": 2}


@pytest.mark.parametrize("cls", TYPES)
def test_many_threads_load_once(store: Any, cls: type[Any]) -> None:
    """The others wait, and read what the first has stored."""
    slow = type("Slow", (cls,), {"load": lambda self: (time.sleep(0.1), Loads.load(self))[1]})
    found: list[int] = []
    threads = [threading.Thread(target=lambda: found.append(len(slow("x")))) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [2] * 20
    assert len(calls) == 1


@pytest.mark.parametrize("cls", TYPES)
def test_an_invalidation_while_it_loads(store: Any, cls: type[Any]) -> None:
    """What load() read before is not stored; it is asked again."""

    class Racing(cls):  # type: ignore[misc, valid-type]
        tags = ("one",)

        def load(self) -> Any:
            old = Loads.load(self)
            if len(calls) == 1:
                SOURCE["c"] = 3
                invalidate_tags("one")
            return old

    assert set(content(Racing("x"))) == {"a", "b", "c"}
    assert len(calls) == 2


def test_it_gives_up_when_it_is_always_too_late(store: Any) -> None:
    """A load that invalidates its own tag would never end."""

    class Never(DictCache[str, int]):
        tags = ("one",)

        def load(self) -> Any:
            invalidate_tags("one")
            return {"a": 1}

    with pytest.raises(CacheError, match=r"'x' was changed or invalidated 5 times while Never.load\(\) ran"):
        len(Never("x"))
    assert store.raw("EXISTS", "rc:l:{x}") == 0


def test_load_that_reads_its_own_collection(store: Any) -> None:
    """A clear error instead of a deadlock; another key is fine."""

    class Self(DictCache[str, int]):
        def load(self) -> Any:
            return {"a": len(self) if self.key == "x" else 7} if self.key != "z" else dict(Self("y"))

    with pytest.raises(CacheError, match=r"Self.load\(\) of 'x' reads what it is about to fill"):
        len(Self("x"))
    assert Self("z") == {"a": 7}


def test_errors_reach_all_that_wait_and_free_the_lease(store: Any) -> None:
    """Nothing is stored; the next read tries again."""
    began = threading.Event()
    go = threading.Event()

    class Fails(DictCache[str, int]):
        def load(self) -> Any:
            calls.append("load")
            began.set()
            go.wait(5)
            raise LookupError("the source is down")

    errors: list[Exception] = []

    def read() -> None:
        try:
            len(Fails("x"))
        except LookupError as error:
            errors.append(error)

    threads = [threading.Thread(target=read) for _ in range(5)]
    threads[0].start()
    began.wait(5)
    for thread in threads[1:]:
        thread.start()
    time.sleep(0.1)
    go.set()
    for thread in threads:
        thread.join()
    assert len(errors) == 5
    assert len(calls) == 1
    assert not leases(store)
    with pytest.raises(LookupError):
        len(Fails("x"))


def test_more_than_one_script_carries(store: Any) -> None:
    """Large contents are built aside, and put in place under the same conditions."""
    SOURCE.clear()
    SOURCE.update((str(n), n) for n in range(6000))
    for cls in TYPES:
        assert len(cls(cls.__name__)) == 6000
    assert len(calls) == len(TYPES)


def test_missing_makes_a_field_once(store: Any) -> None:
    """Under a lease of its own: 20 threads, one call; another field does not wait for it."""

    class Squares(DictCache[int, int]):
        tags = ("one",)

        def __missing__(self, n: int) -> int:
            calls.append(str(n))
            time.sleep(0.1)
            return n * n

    found: list[int] = []
    threads = [threading.Thread(target=lambda n=n: found.append(Squares("x")[n % 2 + 2])) for n in range(20)]
    start = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert time.monotonic() - start < 2
    assert sorted(found) == [4] * 10 + [9] * 10
    assert sorted(calls) == ["2", "3"]
    assert Squares("x").get(4) is None
    assert Squares("x") == {2: 4, 3: 9}


def test_a_field_made_before_an_invalidation_is_not_stored(store: Any) -> None:
    """Its caller gets it, nobody else does; with clear() the same, without tags too."""

    class Racing(DictCache[str, int]):
        tags = ("one",)

        def __missing__(self, field: str) -> int:
            if len(calls) == 0:
                invalidate_tags("one")
            elif len(calls) == 1:
                self.clear()
            calls.append(field)
            return len(calls)

    d = Racing("x")
    assert d["a"] == 1
    assert d["a"] == 2
    assert d["a"] == 3
    assert d["a"] == 3
    bare = Racing("y", tags=())
    calls[1:] = []
    assert bare["a"] == 2
    assert len(bare) == 0
    assert bare["a"] == 3
    assert bare == {"a": 3}


def test_missing_that_asks_for_itself(store: Any) -> None:
    """A clear error; what the hook stores itself is what counts."""

    class Self(DictCache[str, int]):
        def __missing__(self, field: str) -> int:
            if field == "itself":
                return self["itself"]
            if field == "stores":
                self[field] = 5
            return 6 if field != "other" else self["leaf"]

    d = Self("x")
    with pytest.raises(CacheError, match=r"Self.__missing__\(\) of 'x' reads what it is about to fill"):
        d["itself"]
    assert d["stores"] == 5
    assert d["other"] == 6
    assert set(d) == {"stores", "other", "leaf"}


WORKER = """
import sys, time
from rcollections import DictCache, configure
configure(sys.argv[1])
class Slow(DictCache[str, int]):
    tags = ("one",)
    def load(self):
        print("load", flush=True)
        time.sleep(0.4)
        return {"a": 1}
sys.stdin.readline()
assert Slow("x").to_dict() == {"a": 1}
"""


def test_processes_load_once(server: Any) -> None:
    """Four processes on one cold collection: one of them loads."""
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", WORKER, server.dsn],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[1],
        )
        for _ in range(4)
    ]
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    printed = "".join(process.communicate(timeout=30)[0] for process in processes)
    assert [process.returncode for process in processes] == [0] * 4
    assert printed.count("load") == 1


def test_one_value_is_not_loaded(store: Any) -> None:
    """A load() that nobody would call is refused, with the way that there is."""
    with pytest.raises(ConfigError, match=r"@cached\(Price, key="):

        class Price(KeyCache[int]):
            def load(self) -> int:
                return 1


def test_disabled(monkeypatch: pytest.MonkeyPatch) -> None:
    """With CACHES_DISABLE=1 a collection reads as empty, and a field is made each time."""
    from rcollections.testing import isolated

    class Squares(DictCache[int, int]):
        def __missing__(self, n: int) -> int:
            calls.append(str(n))
            return n * n

    monkeypatch.setenv("CACHES_DISABLE", "1")
    with isolated():
        configure("redis://127.0.0.1:1")
        assert len(D("x")) == 0
        assert Squares("x")[3] == 9
        assert Squares("x")[3] == 9
    assert calls == ["3", "3"]
