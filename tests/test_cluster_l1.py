"""What a process holds of a real cluster, while nodes die, slots move and nodes are cut off."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

from rcollections import CacheError, KeyCache, cached, l1_info
from rcollections.testing import Cluster, isolated, wait_until
from tests.near import quick, settle

if TYPE_CHECKING:
    from collections.abc import Iterator

STALENESS = 0.5


@pytest.fixture(scope="module", params=["valkey", "redis"])
def running(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    with Cluster(request.param, node_timeout=1.0) as cluster:
        yield cluster


@pytest.fixture
def here(running: Cluster) -> Iterator[Cluster]:
    """It, healed and empty, as the default connection."""
    running.heal()
    with isolated(f"{running.dsn}?staleness={STALENESS}&timeout=2&connect_timeout=2"):
        yield running


class Held(KeyCache[int]):
    prefix = "held"
    l1 = True


def on(cluster: Cluster, node: Any, number: int = 0) -> str:
    """A key of this class on this node, held."""
    name = cluster.key_on(node, "held.", number).removeprefix("held.")
    Held(name).set(1)
    settle(Held(name).get)
    return name


def hits(name: str) -> bool:
    """Whether a read is answered by this process; an error of the server is none."""
    before = l1_info().hits
    try:
        Held(name).get()
    except Exception:  # its node is away
        return False
    return l1_info().hits > before


def test_a_dead_primary_leaves_the_others_values(here: Cluster) -> None:
    """They are served all the time, while the cluster heals; then its own are held again."""
    first, second, third = here.primaries
    lost, *others = [on(here, node) for node in (first, second, third)]
    first.kill()
    wait_until(lambda: "1 of 3 nodes" in l1_info().why or "nodes" not in l1_info().why, 10, "its ear is gone")
    end = time.monotonic() + 1.0
    misses = 0
    while time.monotonic() < end:
        misses += sum(not hits(name) for name in others)
        time.sleep(0.01)
    assert misses <= 2, "a replica may have been promoted meanwhile, and a value read anew"
    here.wait_for_failover(first)

    def writes() -> bool:
        try:
            Held(lost).set(2)
        except CacheError:
            return False
        return True

    wait_until(writes, 20, "the new primary")
    settle(Held(lost).get)
    assert Held(lost).get() == 2


def test_slots_that_move_between_listened_nodes(here: Cluster) -> None:
    """A write at the new owner shows, and what lies in other slots is served on."""
    source, target, _ = here.primaries
    moves, stays = on(here, source), on(here, source, 1)
    slot = here.slot(f"held.{moves}")
    assert here.slot(f"held.{stays}") != slot
    here.reshard(slot, source, target)
    with target.client() as bare:
        bare.set(f"held.{moves}", 7)
    began = time.monotonic()
    wait_until(lambda: Held(moves).get() == 7, 5, "the change at the new owner")
    assert time.monotonic() - began < STALENESS + 0.5
    assert hits(stays)
    settle(Held(moves).get)
    assert quick(Held(moves).get)


def test_left_over_keys_of_a_slot_that_went(here: Cluster) -> None:
    """A slot is given away with its keys left, and Redis 7 announces nothing: they go with the next map."""
    source, target, _ = here.primaries
    name = on(here, source)
    slot = here.slot(f"held.{name}")
    with target.client() as bare:
        bare.execute_command("CLUSTER", "SETSLOT", slot, "IMPORTING", source.id)
        bare.execute_command("CLUSTER", "SETSLOT", slot, "NODE", target.id)
    wait_until(lambda: here.owner(slot) is target, 5, "the others learn it")
    began = time.monotonic()
    wait_until(lambda: Held(name).get() is None, 5, "what the source had is served no more")
    assert time.monotonic() - began < 2.6


def test_a_flush_of_one_node(here: Cluster) -> None:
    first, second, _ = here.primaries
    gone, stays = on(here, first), on(here, second)
    with first.client() as bare:
        bare.flushall()
    wait_until(lambda: Held(gone).get() is None, 5, "the flush shows")
    assert hits(stays)


def test_a_primary_that_no_longer_takes_writes_proves_nothing(here: Cluster) -> None:
    """Q7: a demoted node answers each PING; its ear's keyed write is refused, and its values go."""
    first, second, _ = here.primaries
    name, stays = on(here, first), on(here, second)
    new = here.failover(first)
    with new.client() as bare:
        bare.set(f"held.{name}", 9)
    began = time.monotonic()
    wait_until(lambda: Held(name).get() == 9, 5, "the new primary's value")
    assert time.monotonic() - began < STALENESS + 0.5
    assert hits(stays)


def test_a_function_with_tags_on_all_nodes_while_one_is_frozen(here: Cluster) -> None:
    """Its results depend on that node too; those without its tag are served on."""
    first, second, _ = here.primaries
    tag = next(f"t{n}" for n in range(1000) if here.owner(f"rc:t:t{n}") is first)

    @cached(ttl=60, l1=True, tags=(tag,))
    def tagged(n: int) -> int:
        return n

    stays = on(here, second)
    settle(lambda: tagged(1))
    first.freeze()
    try:
        began = time.monotonic()
        wait_until(lambda: l1_info().why != "changes are heard" or time.monotonic() - began > STALENESS + 0.5, 5)
        assert hits(stays)
    finally:
        first.thaw()
