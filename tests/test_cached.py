"""``@cached``: values and their ttl, counts, round trips, and what is switched off or bounded."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from rcollections import CacheMissError, EncodeError, KeyCache, cached, configure, deadline, invalidate_tags, observe
from rcollections.functions.sync import CachedFunction
from rcollections.values import encode_raw
from tests.counting import Counting
from tests.leases import keys

if TYPE_CHECKING:
    from rcollections.testing import Server


@pytest.mark.parametrize("value", [None, False, 0, 0.0, "", b"", [], {}, (), "0", "None"])
def test_empty_results_are_kept(store: Any, value: Any) -> None:
    """None, False, 0 and empty values are results like others, and come back exactly."""
    count = Counting()

    @cached
    def f() -> Any:
        count()
        return value

    assert [f(), f()] == [value, value]
    assert type(f()) is type(value)
    assert len(count.calls) == 1


def test_a_result_that_cannot_be_written(store: Any) -> None:
    """If that is asked for it is an EncodeError that names the function; nothing is stored, and the lease is free."""

    @cached(unstorable="raise")
    def f() -> Any:
        return object()

    for _ in range(2):
        with pytest.raises(EncodeError, match=r"\.f#"):
            f()
    assert keys(store) == []


def test_every_caller_gets_what_the_serializer_gives_back(store: Any) -> None:
    """With a serializer, ``normalize`` or plain text, the first result is the round-tripped one too."""

    class Json(KeyCache):
        serializer = "json"

    class Plain(KeyCache):
        serialize = False

    class Doubled(KeyCache):
        @staticmethod
        def normalize(value: Any) -> Any:
            return [*value, "seen"]

    for cls, result, read in (
        (Json, (1, 2), [1, 2]),
        (Plain, "5", encode_raw and 5),
        (Doubled, ["a"], ["a", "seen"]),
    ):

        @cached(cls, version=cls.__name__)
        def f(result: Any) -> Any:
            return result

        assert f(result) == f(result) == read
        assert type(f(result)) is type(read)


def test_bytes_that_nobody_can_read_are_a_miss(store: Any) -> None:
    """Foreign, cut and forged bytes are computed over, on the first call."""

    @cached(tags=("t",), stale_if_error=5)
    def f() -> int:
        return 5

    for junk in (b"\xc0", b"\xc0\x07" + b"\0" * 40, b"\xc1\xff\xff", b"\xff", b"\xc0\0" + b"\0" * 16 + b"\xc1"):
        store.raw("SET", f.key(), junk, "PX", 60000)
        assert f() == 5
        assert f.peek() == 5
    store.raw("DEL", f.key())
    store.raw("HSET", f.key(), "a", "b")
    assert f() == 5, "a key of another type: computed, not stored"


def test_ttl_by_result(store: Any) -> None:
    """``ttl`` may be a function of the result: seconds or a timedelta; 0 and less: not stored; None is for ever."""
    count = Counting()

    @cached(ttl=lambda result: result)
    def f(x: Any) -> Any:
        count()
        return x

    assert f(30) == f(30) == 30
    assert 29 < f.get_ttl(30)[1] <= 30
    assert 29 < f.get_ttl(f(timedelta(seconds=30)))[1] <= 30
    assert (f(None), f.get_ttl(None)) == (None, (None, float("inf")))
    before = len(count.calls)
    for x in (0, -1, 0.0, -0.5, float("-inf"), timedelta(0), timedelta(seconds=-1)):
        assert f(x) == f(x) == x
        with pytest.raises(CacheMissError):
            f.peek(x)
    assert len(count.calls) == before + 14
    for wrong in ("soon", True, False, [5]):
        with pytest.raises(TypeError, match=r"ttl= of .*f gave "):
            f(wrong)
    for wrong in (float("inf"), float("nan"), 1e12, timedelta.max):
        with pytest.raises(ValueError, match=r"ttl= of .*f gave "):
            f(wrong)


def test_a_constant_ttl_of_0_is_for_ever(store: Any) -> None:
    """Of a class, a function and a call; only a function of the result says "not stored" that way."""

    @cached(ttl=0)
    def f() -> int:
        return 1

    assert f() == 1
    assert f.get_ttl() == (1, float("inf"))


def test_storing_by_hand_what_is_not_to_be_stored_drops_the_older_value(store: Any) -> None:
    """``put`` and ``refresh`` with a result that ttl refuses: the older one must not be given any more."""
    source = [5]

    @cached(ttl=lambda result: result)
    def f() -> Any:
        return source[0]

    assert f() == 5
    f.put(_cache_put=0)
    with pytest.raises(CacheMissError):
        f.peek()
    assert f() == 5
    source[0] = -1
    assert f.refresh() == -1
    with pytest.raises(CacheMissError):
        f.peek()


def test_jitter_only_shortens(store: Any) -> None:
    """A class with jitter: no entry lives longer than ttl says, some shorter."""

    class Jittery(KeyCache):
        prefix = "j"
        ttl = 100
        jitter = 0.5

    @cached(Jittery)
    def f(x: int) -> int:
        return x

    left = [f(n) * 0 + f.get_ttl(n)[1] for n in range(30)]
    assert 49 < min(left) < max(left) <= 100
    assert max(left) - min(left) > 5


def test_tags_live_longer_than_the_longest_entry(store: Any) -> None:
    """A ttl function may give more than a day: the tag of such an entry is kept twice as long."""

    @cached(ttl=lambda days: days * 86400, tags=("t",))
    def f(days: int) -> int:
        return days

    f(1)
    f(30)
    f(31)
    assert store.raw("PTTL", "rc:t:t") > 59 * 86400 * 1000


def test_counts_and_observers(store: Any) -> None:
    """hit, miss, compute, store, invalidate are counted and told; a call is timed as a whole."""
    seen: list[Any] = []

    class Seen(observe.Observer):
        def after(self, event: Any) -> None:
            seen.append((event.operation, event.hit))
            assert event.took >= 0

    @cached
    def f(x: int) -> int:
        return x

    with observe.observing(Seen()):
        f(1), f(1), f.invalidate(1)
    assert seen == [
        ("miss", False), ("compute", None), ("store", None), ("call", None),
        ("hit", True), ("call", None), ("invalidate", None),
    ]  # fmt: skip
    observe.collect()
    f(1), f(1), f(1)
    stats = observe.stats(f)
    assert (stats.calls - observe.stats(f, "compute").calls, stats.hits, stats.misses) in ((3, 2, 1), (2, 2, 1))
    assert observe.stats(f, "call").calls == 3
    assert stats.ratio == pytest.approx(2 / 3)
    assert 0 < stats.min <= stats.avg <= stats.max


def test_switched_off(monkeypatch: Any) -> None:
    """``CACHES_DISABLE=1``: functions compute, all at once, and nothing is looked up."""
    from rcollections.testing import isolated

    monkeypatch.setenv("CACHES_DISABLE", "1")
    with isolated("redis://127.0.0.1:1"):
        count = Counting()
        together = threading.Barrier(3)

        @cached(tags=("t",), stale_if_error=5)
        def f() -> int:
            together.wait(5)
            return count()

        threads = [threading.Thread(target=f) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(count.calls) == 3
        f.invalidate()
        f.put(_cache_put=1)
        with pytest.raises(CacheMissError):
            f.peek()
        with f.writing() as w:
            w.put(3)
        invalidate_tags("t")
        assert cached(lambda: 4).refresh() == 4


def test_one_round_trip_on_a_hit(server: Server) -> None:
    """With 0, 3 and 10 tags: one read by the server, and no script; with the options that need the ttl as well."""
    more: list[dict[str, Any]] = [{}, {"stale_while_revalidate": 60, "stale_if_error": 60}, {"async_ttl": 10}]
    with server.client() as bare:
        for tags, options in ((tags, options) for tags in (0, 3, 10) for options in more):

            @cached(
                tags=tuple(f"t{n}" for n in range(tags)), version=f"{tags} {len(options)}", ttl=600, l1=False, **options
            )
            def f() -> int:
                return 1

            f(), f()
            before = bare.info("stats")["total_reads_processed"]
            scripts = bare.info("commandstats").get("cmdstat_evalsha", {}).get("calls", 0)
            for _ in range(20):
                f()
            reads = bare.info("stats")["total_reads_processed"] - before
            assert reads == 20 + 2, "the two others asked for these numbers"
            assert bare.info("commandstats").get("cmdstat_evalsha", {}).get("calls", 0) == scripts


def test_a_new_server_is_found(server: Server) -> None:
    """After ``configure()`` the same function works on the new server."""

    @cached
    def f() -> int:
        return 1

    f()
    configure("memory://")
    with pytest.raises(CacheMissError):
        f.peek()
    assert f() == 1


def test_a_deadline_bounds_waiting(store: Any) -> None:
    """Who waits for another's computation waits no longer than its deadline."""
    from rcollections import CacheTimeout

    started, go = threading.Event(), threading.Event()

    @cached
    def f() -> int:
        started.set()
        go.wait(10)
        return 1

    thread = threading.Thread(target=f)
    thread.start()
    started.wait(5)
    with pytest.raises(CacheTimeout), deadline(0.05):
        f()
    go.set()
    thread.join()
    assert f() == 1
    assert isinstance(f, CachedFunction)
