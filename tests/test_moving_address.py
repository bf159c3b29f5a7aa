"""An address that leads to another server while connections to the old one live: DNS, a virtual IP, a proxy."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import pytest

from rcollections import CacheError, DictCache, KeyCache, connection, l1_info
from rcollections.coherence import post
from rcollections.testing import Proxy, Server, isolated, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

STALENESS = 0.4


@pytest.fixture
def two() -> Iterator[tuple[Server, Server]]:
    with Server("valkey") as old, Server("valkey") as new:
        yield old, new


class Held(KeyCache[int]):
    prefix = "held"
    l1 = True


def moves(proxy: Proxy, server: Server) -> None:
    """New connections go to this server; those that are there stay with the old one."""
    network = proxy._network
    network.do(lambda: setattr(network, "target", server.address))


def holds(value: int) -> None:
    def hit() -> bool:
        before = l1_info().hits
        return Held(1).get() == value and l1_info().hits > before

    wait_until(hit, 10, what=f"{value} is held ({l1_info()})")


def test_a_process_that_asks_nothing_notices(two: tuple[Server, Server], monkeypatch: pytest.MonkeyPatch) -> None:
    """The ear opens its data connection anew now and then; the other server is not the one that it hears."""
    monkeypatch.setattr(post, "ANEW", 0.3)
    old, new = two
    with Proxy(old) as proxy, isolated(f"{proxy.dsn}?staleness={STALENESS}"):
        Held(1).set(1)
        holds(1)
        with new.client() as bare:
            bare.set("held.1", 2)
        moves(proxy, new)
        wait_until(lambda: Held(1).get() == 2, 5, what="the new server is asked")
        holds(2)
        with new.client() as bare:
            bare.set("held.1", 3)
            wait_until(lambda: Held(1).get() == 3, 5, what="changes there are heard")


def test_a_new_link_to_another_server_ends_what_is_held(two: tuple[Server, Server]) -> None:
    """Whoever reads over a new connection finds out, and the listener starts anew there."""
    old, new = two
    with Proxy(old) as proxy, isolated(f"{proxy.dsn}?staleness={STALENESS}"):
        Held(1).set(1)
        holds(1)
        moves(proxy, new)
        with new.client() as bare:
            bare.set("held.1", 2)
        connection().links.renew()
        Held(2).get()  # a read that may be held, over a new link
        assert Held(1).get() == 2
        holds(2)


def test_an_address_of_several_servers_holds_nothing(
    two: tuple[Server, Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second change within a minute makes a pause, and the state says why."""
    monkeypatch.setattr(post, "ANEW", 0.2)
    old, new = two
    with Proxy(old) as proxy, isolated(f"{proxy.dsn}?staleness={STALENESS}"):
        Held(1).set(1)
        holds(1)
        moves(proxy, new)
        wait_until(lambda: l1_info().state != "live", 5, what="the first change")
        wait_until(lambda: l1_info().state == "live", 5, what="it hears the other one")
        moves(proxy, old)
        wait_until(lambda: "several servers" in l1_info().why, 5, what="the second change")
        assert l1_info().state == "down"
        assert Held(3).get() is None


def test_a_write_that_a_replica_refuses_goes_to_the_new_primary(two: tuple[Server, Server]) -> None:
    """At once, in the same call, for threads and tasks; a batch in MULTI as well."""
    old, new = two
    with Proxy(old, tcp=True) as proxy, isolated(f"{proxy.dsn}?staleness={STALENESS}"):
        d = DictCache("d", data={"a": 1})
        Held(1).set(1)
        holds(1)
        assert asyncio.run(_set(1)) is True
        moves(proxy, new)
        _demote(old, new)
        d["a"] = 2
        with new.client() as bare:
            assert bare.hget("d", "a") == b"2"
            assert asyncio.run(_set(5)) is True
            assert bare.get("async") == b"5"
            bare.set("held.1", 7)
        assert Held(1).get() == 7
        holds(7)


async def _set(value: int) -> bool:
    from rcollections import cached

    @cached(ttl=60, name="moved", key="async")
    async def f() -> int:
        return value

    await f.put(_cache_put=value)
    return True


def _demote(old: Server, new: Server) -> None:
    with old.client() as bare:
        bare.execute_command("REPLICAOF", "127.0.0.1", "1")
        wait_until(lambda: bare.info("replication")["role"] == "slave", 5, what="it is a replica")


def test_a_server_that_stays_a_replica_says_so(two: tuple[Server, Server]) -> None:
    """One more try, then the error as it was; reads go on."""
    old, new = two
    with isolated(old.dsn):
        KeyCache("x").set(1)
        _demote(old, new)
        began = time.monotonic()
        for _ in range(20):
            with pytest.raises(CacheError, match="read-only replica"):
                KeyCache("x").set(2)
        assert time.monotonic() - began < 5
        assert KeyCache("x").get() == 1
