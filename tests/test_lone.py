"""A call that is alone at its key reads by itself: what that read cannot answer goes on with the reply in hand."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rcollections import CacheError, KeyCache, cached, connection, invalidate_tags
from rcollections.observe import events
from rcollections.plans.entries import ERROR, Entry, pack
from rcollections.plans.functions import call as plan
from rcollections.plans.op import UNSENT
from rcollections.plans.parts import join, simple
from rcollections.servers.loops import flights_of
from tests.trips import sent

if TYPE_CHECKING:
    from collections.abc import Callable

ROW = {"id": 7, "name": "tea"}


@pytest.fixture
def planned(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The keys of the calls that needed a plan."""
    seen: list[str] = []

    def noted(job: Any, lone: Any = None) -> Any:
        seen.append(job.key)
        return plan.call(job, lone)

    monkeypatch.setattr("rcollections.functions.sync.call", noted)
    monkeypatch.setattr("rcollections.functions.aio.call", noted)
    return seen


def test_a_hit_needs_no_plan(store: Any, planned: list[str]) -> None:
    """With tags of its own as well; the read is the one command of the plan, in one round trip."""

    @cached(ttl=60, l1=False, tags=lambda n: [f"n:{n}", "all"])
    def f(n: int) -> dict[str, Any]:
        return {**ROW, "n": n}

    assert f(1) == f(1) == {**ROW, "n": 1}
    assert len(planned) == 1
    with sent(store) as seen:
        assert f(1) == {**ROW, "n": 1}
    assert seen == [["MGET"]] or store.dsn.kind == "memory"
    assert not store.flights.table
    assert (f.cache_info().hits, f.cache_info().misses) == (2, 1)


def test_a_miss_reads_once(server: Any) -> None:
    """The plan of a miss has the reply in hand: no second read is sent."""

    @cached(ttl=60, l1=False)
    def f(n: int) -> int:
        return n

    f(1)
    with sent() as seen:
        assert f(2) == 2
    assert [names for names in seen if "MGET" in names] == [["MGET"]]
    assert seen[0] == ["MGET"]
    assert len(seen) == 3, "the read, the lease, the value"


def test_an_async_call_too(store: Any, planned: list[str]) -> None:
    @cached(ttl=60, l1=False, tags=("a",))
    async def f(n: int) -> dict[str, int]:
        return {"n": n}

    async def main() -> None:
        assert await f(1) == await f(1) == {"n": 1}
        assert len(planned) == 1
        invalidate_tags("a")
        assert await f(1) == {"n": 1}
        assert len(planned) == 2
        assert await asyncio.gather(*(f(1) for _ in range(5))) == [{"n": 1}] * 5
        assert not flights_of(store).table

    asyncio.run(main())
    assert f.cache_info().computes == 2


@pytest.mark.parametrize("many", [1, 3, 16, 17, 40])
def test_tags(store: Any, planned: list[str], many: int) -> None:
    """Each of them counts, however many there are; a missing one matches nothing."""
    names = [f"t{n:02}" for n in range(many)]

    @cached(ttl=60, l1=False, tags=tuple(names))
    def f(n: int) -> int:
        return n

    f(1), f(1)
    assert len(planned) == (1 if many < 17 else 2)
    for name in (names[0], names[-1]):
        before = f.cache_info().computes
        invalidate_tags(name)
        f(1), f(1)
        assert f.cache_info().computes == before + 1
    store.raw("DEL", f"rc:t:{names[0]}")
    before = f.cache_info().computes
    f(1)
    assert f.cache_info().computes == before + 1


@pytest.mark.parametrize(
    ("stored", "expected"),
    # 3 is computed anew
    [
        (pack(Entry(b"5", stamps=(b"12345678",))), 3),  # of a tag that this function has not
        (pack(Entry(b"5", grace=1000)), 5),  # its ttl tells, which the lease's script sees
        (pack(Entry(b"5", kind=ERROR)), 3),
        (b"\xc0", 3),
        (b"\xc1?", 3),
        (pack(Entry(b"\xc0\x00")), 3),
    ],
)
def test_what_is_no_plain_hit_gets_a_closer_look(store: Any, planned: list[str], stored: bytes, expected: int) -> None:
    @cached(ttl=60, l1=False)
    def f(n: int) -> int:
        return n

    store.raw("SET", f.key(3), stored)
    assert f(3) == expected
    assert len(planned) == 1
    assert f.cache_info().computes == (expected == 3)
    assert not store.flights.table


def test_bytes_that_cannot_be_read_are_told(store: Any) -> None:
    """Once for each read that the plan looks at: the caller's own, and that with the lease."""

    class Shelf(KeyCache[int]):
        prefix = "shelf"
        serializer = "json"

    @cached(Shelf, key="{n}", l1=False)
    def f(n: int) -> int:
        return n

    store.raw("SET", f.key(3), b"{")
    assert f(3) == 3
    assert f._function.counts._words["unreadable"] == 2


def test_an_error_of_normalize_is_raised(store: Any) -> None:
    class Shelf(KeyCache[int]):
        prefix = "shelf"

        def normalize(self, value: int) -> int:
            if value == 3:
                raise StopIteration(value)
            return value

    @cached(Shelf, key="{n}", l1=False)
    def f(n: int) -> int:
        return n

    store.raw("SET", f.key(3), b"3")
    with pytest.raises(StopIteration):
        f(3)
    assert not store.flights.table


@pytest.mark.parametrize("on_error", ["compute", "raise"])
def test_a_server_that_refuses_the_read(server: Any, on_error: str) -> None:
    """The error is counted once, and is the caller's only where the function wants that."""

    @cached(ttl=60, l1=False, on_error=on_error, tags=("a",))
    def f(n: int) -> int:
        return n

    f(1)
    where = connection()
    with server.client() as bare:
        user = bare.acl_whoami()
        bare.execute_command("ACL", "SETUSER", user, "-mget")
        try:
            if on_error == "raise":
                with pytest.raises(CacheError, match="extend its ACL"):
                    f(1)
            else:
                assert f(1) == 1
        finally:
            bare.execute_command("ACL", "SETUSER", user, "+mget")
    assert f.cache_info().errors == 1
    assert not where.flights.table


def test_key_functions_run_once_a_call(store: Any) -> None:
    """For a miss as well."""
    calls = []

    def key(n: int) -> list[object]:
        calls.append(n)
        return ["f", n]

    @cached(key=key, l1=False, tags=lambda n: calls.append(n) or (str(n),))
    def f(n: int) -> int:
        return n

    f(1)
    assert calls == [1, 1]


def test_observers_see_all(store: Any, planned: list[str]) -> None:
    """With one the calls take the plan, which tells."""
    seen: list[str] = []

    class Watch:
        def after(self, event: Any) -> None:
            seen.append(event.operation)

    @cached(ttl=60, l1=False)
    def f(n: int) -> int:
        return n

    f(1)
    watch = Watch()
    events.add(watch)
    try:
        f(1)
    finally:
        events.remove(watch)
    assert "hit" in seen
    assert len(planned) == 2


def test_company_shares_reads(store: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Callers that come while another one reads are not answered by that read, and share the next one."""

    @cached(ttl=60, l1=False)
    def f(n: int) -> int:
        return n

    f(1)
    began, go = threading.Event(), threading.Event()
    real: Callable[[Any], Any] = store.one
    reads: list[Any] = []

    def one(step: Any, _seen: object = UNSENT) -> Any:
        reads.append(step)
        if len(reads) == 1:
            began.set()
            assert go.wait(10)
        return real(step)

    monkeypatch.setattr(store, "ask", lambda *_: UNSENT)
    monkeypatch.setattr(store, "one", one)
    found: list[int] = []
    threads = [threading.Thread(target=lambda: found.append(f(1))) for _ in range(4)]
    threads[0].start()
    assert began.wait(10)
    for thread in threads[1:]:
        thread.start()
    key = f.key(1)
    while len(getattr(store.flights.table.get(key), "users", ())) < 4:
        pass
    go.set()
    for thread in threads:
        thread.join(10)
    assert found == [1] * 4
    assert len(reads) == 2
    assert not store.flights.table
    assert f.cache_info().hits == 4


PARTS = st.one_of(st.text(max_size=5), st.integers(), st.sampled_from(["rc:", "a.b", "{x}", "", "ü", "a(b", "\x7f"]))


@given(st.lists(PARTS, max_size=4), st.sampled_from(["", "p", "p.q"]))
def test_simple_parts(parts: list[object], prefix: str) -> None:
    """What is made in one step is what is made part by part."""
    text = simple(parts)
    if text:
        assert (f"{prefix}.{text}" if prefix else text) == join("T", prefix, parts, lenient=True)


def test_parts_that_are_simple() -> None:
    assert simple(["user", 7]) == "user.7"
    assert simple(["a.b"]) == simple(["a.b", 1]) == "", "a dot needs a closer look"
    assert simple([True]) == simple([1.5]) == simple(["rc:", 1]) == simple([]) == ""


@pytest.mark.parametrize(
    ("template", "given_"),
    [
        ("u:{a}-{b}", (1, 2)),
        ("u:{a}-{b}", (-1, "x-y")),
        ("{a}:{{x}}:{b}", ("ü.", 10**30)),
        ("{b}", (0, True)),
    ],
)
def test_templates_by_position_and_by_name(store: Any, template: str, given_: tuple[object, ...]) -> None:
    """The same key, however the arguments are given."""

    @cached(key=template, l1=False)
    def f(a: object, b: object) -> int:
        return 1

    assert f.key(*given_) == f.key(given_[0], b=given_[1]) == f.key(b=given_[1], a=given_[0])
