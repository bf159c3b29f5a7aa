"""Algebra and copies over slots: small operands travel at once, wide ones page by page, and faults come in between."""

from __future__ import annotations

import asyncio
import re
import tracemalloc
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from rcollections import (
    CacheError,
    CounterCache,
    DictCache,
    SetCache,
    SortedSetCache,
    connection,
    invalidate_tags,
    unsafe_clear,
)
from rcollections.plans.cluster import wide
from rcollections.plans.cluster.scattered import scattered
from rcollections.plans.effects import Script
from rcollections.plans.scripts import source
from rcollections.servers.topology.cluster import ClusterConnection
from rcollections.testing import Cluster, isolated, wait_until
from tests.trips import sent, trips

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rcollections.plans.cluster.forms import Round

MANY = 12_000


@pytest.fixture
def here(cluster: Cluster) -> Iterator[Cluster]:
    """A cluster as the default connection."""
    with isolated(cluster.dsn + "?timeout=5&connect_timeout=5"):
        yield cluster


def two(cluster: Cluster, prefix: str) -> tuple[str, str]:
    """Keys of two primaries."""
    first, second, _ = cluster.primaries
    return cluster.key_on(first, prefix), cluster.key_on(second, prefix)


def left_over() -> list[bytes]:
    return [key for key in connection().raw("KEYS", "*") if b"rc:s:" in key]


def fill(key: str, members: Any) -> None:
    """A set of these texts as the library writes them, however many."""
    SetCache(key).update(set(members))


def lose() -> None:
    """Remove what is staged."""
    for key in left_over():
        connection().raw("DEL", key)


@contextmanager
def at_round(number: int, fault: Callable[[], Any]) -> Iterator[list[int]]:
    """Something happens before that round of a plan; gives how many rounds there were."""
    count = [0]
    real = ClusterConnection._routed

    def routed(self: ClusterConnection, some: Round, until: float = 0.0) -> list[Any]:
        count[0] += 1
        if count[0] == number:
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(ClusterConnection, "_routed", real)
                fault()
        return real(self, some, until)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ClusterConnection, "_routed", routed)
        yield count


def test_small_operands_are_one_snapshot(here: Cluster) -> None:
    """One read, one MULTI."""
    a, b = (SetCache(key) for key in two(here, "s"))
    a.update({1})
    b.update(range(3000))
    with sent() as seen:
        a |= b
    assert len(seen) == 2
    assert trips(None, lambda: a | b) == 2
    assert len(a) == 3000


def test_wide_sets(here: Cluster) -> None:
    """All of the algebra, against Python's."""
    a, b = (SetCache(key) for key in two(here, "w"))
    mine, theirs = set(range(MANY)), set(range(MANY // 2, 2 * MANY))
    fill(a.key, mine)
    fill(b.key, theirs)
    assert a | b == mine | theirs
    assert a & b == mine & theirs
    assert a - b == mine - theirs
    assert a ^ b == mine ^ theirs
    assert not a.isdisjoint(b)
    assert not a <= b
    a ^= b
    assert set(a) == mine ^ theirs
    a |= b
    assert set(a) == mine | theirs
    a -= b
    assert set(a) == mine - theirs
    b.copy_to(a.key)
    assert set(a) == theirs
    a &= b
    assert len(a) == len(theirs)
    assert not left_over()


def test_wide_sorted_sets(here: Cluster) -> None:
    """Scores stay what they are, to the last bit."""
    a, b = (SortedSetCache(key) for key in two(here, "z"))
    theirs = {f"m{n}": n / 7 for n in range(MANY)} | {"inf": float("inf"), "tiny": 5e-324}
    b.update(theirs)
    a.update({"m1": 1.0})
    a.union_update(b)
    assert dict(a) == theirs | {"m1": 1.0 + 1 / 7}
    b.copy_to(a.key)
    assert dict(a) == theirs
    assert a.difference(b) == {}
    assert not left_over()


def test_wide_hashes(here: Cluster) -> None:
    """Copies; sums and merges of wide hashes are made by the caller, page by page, as on one server."""
    a, b = (DictCache(key) for key in two(here, "d"))
    theirs = {f"f{n}": n for n in range(MANY)}
    b.update(theirs)
    b.copy_to(a.key)
    assert a.to_dict() == theirs
    a.clear()
    a.update(b)
    assert len(a) == MANY
    m, n = (CounterCache(key) for key in two(here, "c"))
    n.update(theirs)
    m += n
    assert len(m) == MANY - 1
    n.copy_to(m.key)
    assert m.to_dict() == theirs
    assert not left_over()


def test_ttls_of_fields_go_along(here: Cluster) -> None:
    """Where the server knows them."""
    a, b = (DictCache(key) for key in two(here, "t"))
    b.update({f"f{n}": n for n in range(MANY)})
    try:
        b.set_many({"soon": 1, "later": 2}, ttl=500)
    except CacheError:
        pytest.skip("this server knows no ttl of a field")
    b.copy_to(a.key)
    assert len(a) == MANY + 2
    left = connection().raw("HPTTL", a.key, "FIELDS", 2, "soon", "f1")
    assert 0 < left[0] <= 500_000
    assert left[1] == -1


def test_fields_that_end_meanwhile(here: Cluster) -> None:
    """They are missing in the copy, and it counts as whole."""
    a, b = (DictCache(key) for key in two(here, "u"))
    b.update({f"f{n}": n for n in range(MANY)})
    try:
        b.set_many({f"soon{n}": n for n in range(300)}, ttl=0.5)
    except CacheError:
        pytest.skip("this server knows no ttl of a field")
    with at_round(6, lambda: wait_until(lambda: "soon1" not in b, what="the end of a field")):
        b.copy_to(a.key)
    assert len(a) in range(MANY, MANY + 301)
    assert "soon1" not in a


@pytest.mark.parametrize(("members", "size"), [(100_000, 100), (3_000, 8_000)], ids=["many", "large"])
def test_the_memory_of_the_caller_is_bounded(here: Cluster, members: int, size: int) -> None:
    """A page at a time, of some hundred KB, whatever the operand has."""
    a, b = two(here, "m")
    con = connection()
    for first in range(0, members, 500):
        some = [b"%0*d" % (size, n) for n in range(first, first + 500)]
        con.raw("SADD", b, *some)
    con.raw("SADD", a, "x")
    step = Script("set_combine", (a, f"rc:s:{{{a}}}:1", f"rc:s:{{{a}}}:2", b), (0, "last", "union", 0))
    con.one(step)
    con.raw("DEL", a)
    tracemalloc.start()
    try:
        con.one(step)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert con.raw("SCARD", a) == members
    assert peak < 4 << 20  # of 10 and 24 MB
    assert not left_over()


def test_what_is_there_all_the_time_is_in(here: Cluster) -> None:
    """What comes or goes meanwhile may be."""
    a, b = (SetCache(key) for key in two(here, "w"))
    fill(b.key, range(MANY))
    for number in range(2, 6):

        def change(n: int = number) -> None:
            b.update({f"new{n}.{m}" for m in range(3000)})
            b.discard(n)

        with at_round(number, change):
            a |= b
        found = set(a)
        assert found >= set(range(10, MANY))
        assert all(type(each) is int or each.startswith("new") for each in found)


def test_a_lost_copy_is_made_once_more(here: Cluster) -> None:
    """At whatever moment: what would be a part of the operand is never taken for the whole."""
    a, b = (SetCache(key) for key in two(here, "w"))
    fill(b.key, range(MANY))
    with at_round(0, lambda: None) as count:
        a |= b
    for number in range(2, count[0] + 1):
        a.clear()

        with at_round(number, lose):
            a |= b
        assert len(a) == MANY
        with at_round(number, lose):
            assert len(a & b) == MANY
    assert not left_over()


def test_a_copy_goes_with_its_caller(here: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each page renews its ttl; without its caller it ends."""
    a, b = (SetCache(key) for key in two(here, "w"))
    fill(b.key, range(MANY))
    con: Any = connection()
    step = Script("set_combine", (a.key, f"rc:s:{{{a.key}}}:1", f"rc:s:{{{a.key}}}:2", b.key), (0, "last", "union", 0))
    for stay in (wide.STAY_MS, 400):
        monkeypatch.setattr(wide, "STAY_MS", stay)
        plan: Any = scattered((step,), con, False)
        some = plan.send(None)
        for _ in range(4):
            some = plan.send(con._routed(some))
        (copy,) = left_over()
        assert 0 < con.raw("PTTL", copy) <= stay
        plan.close()
        con.raw("DEL", copy) if stay > 400 else wait_until(lambda: not left_over(), what="the end of the copy")
    assert len(a) == 0


def test_slots_that_move_meanwhile(here: Cluster) -> None:
    """A cursor means nothing to another node: the copy begins anew. The copy itself may move."""
    first, second, third = here.primaries
    a, b = SetCache(here.key_on(first, "w")), SetCache(here.key_on(second, "w"))
    fill(b.key, range(MANY))
    there = second
    for number in (2, 4, 5):
        other = third if there is second else second
        with at_round(number, lambda source=there, target=other: here.reshard(here.slot(b.key), source, target)):
            a |= b
        there = other
        assert len(a) == MANY
        a.clear()
    with at_round(4, lambda: here.reshard(here.slot(a.key), first, third)):
        a |= b
    assert len(a) == MANY


def test_connections_that_break_meanwhile(here: Cluster) -> None:
    """Pages are read and staged again; the last step is sent once."""
    a, b = (SetCache(key) for key in two(here, "w"))
    fill(b.key, range(MANY))

    def cut() -> None:
        for node in here.primaries:
            node.ask("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")

    for number in range(2, 6):
        with at_round(number, cut):
            a |= b
        assert len(a) == MANY
        a.clear()


def test_an_operand_that_is_invalidated_meanwhile(here: Cluster) -> None:
    """It is never half of before, half of after."""

    class Tagged(SetCache[int]):
        prefix = "tagged"
        tags = ("wide",)

    n = next(n for n in range(100) if here.owner(Tagged(n).key) is not here.owner(Tagged(0).key))
    a, b = Tagged(0), Tagged(n)

    def again() -> None:
        invalidate_tags("wide")
        a.add(-1)
        b.update(range(MANY, 2 * MANY))

    for number in range(2, 7):
        invalidate_tags("wide")
        a.add(-1)
        b.update(range(MANY))
        with at_round(number, again):
            a |= b
        assert set(a) in ({-1, *range(MANY)}, {-1, *range(MANY, 2 * MANY)}), number
    assert not left_over()


def test_pipelines(here: Cluster) -> None:
    """Copies are made before anything changes."""
    a, b = (SetCache(key) for key in two(here, "w"))
    fill(b.key, range(MANY))
    with a.pipeline() as p:
        p.add("x")
        p.update(b)
        size = p.length()
    assert size.value == MANY + 1
    assert not left_over()


def test_in_an_event_loop(here: Cluster) -> None:
    """The same plan."""
    a, b = (SetCache(key) for key in two(here, "w"))
    fill(b.key, range(MANY))

    async def main() -> None:
        await a.aio.update(b)
        assert await a.aio.length() == MANY
        assert len(await a.aio.intersection(b)) == MANY
        task = asyncio.create_task(a.aio.update(b))
        await asyncio.sleep(0.002)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await a.aio.update(b)

    asyncio.run(main())
    assert len(a) == MANY


def test_a_staged_script_is_the_script() -> None:
    """With one argument more, and one reply more."""
    plain, guarded = source("set_combine"), source("guarded:set_combine")
    for each in (plain, guarded):
        staged = source(f"staged:{each.name}")
        assert staged.header is each.header
        assert staged.args == each.args + 1
        assert set(staged.words) == {*each.words, "lost"}
        assert staged.sha != each.sha


def test_a_user_with_few_rights(cluster: Cluster) -> None:
    """Those that the page on configuration lists are enough, for scans as well."""
    page = (Path(__file__).parents[1] / "docs" / "configuration.md").read_text()
    rights = re.findall(r"^ACL SETUSER shop (.+)$", page, re.M)
    assert len(rights) == 2
    for node in cluster.nodes:
        for some in rights:
            node.ask("ACL", "SETUSER", "shop", *some.split())
    dsn = cluster.dsn.replace("://", "://shop:secret@") + "?timeout=5&connect_timeout=5&namespace=shop"
    try:
        with isolated(dsn):
            a, b = (SetCache(key.removeprefix("shop.")) for key in two(cluster, "shop.w"))
            fill(b.key, range(MANY))
            a |= b
            assert len(a) == MANY
            assert SetCache.at(b.key).clear()
            tagged = DictCache("some.thing", data={"a": 1})
            assert tagged.to_dict() == {"a": 1}
            source = cluster.owner(a.key)
            target = next(node for node in cluster.primaries if node is not source)
            cluster.reshard(cluster.slot(a.key), source, target)
            assert unsafe_clear("*") == 2
    finally:
        for node in cluster.nodes:
            node.ask("ACL", "DELUSER", "shop")
