"""Nodes that disagree about slots: the claim with the highest config epoch counts, and nobody takes a map back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from rcollections import KeyCache, connection
from rcollections.testing import Cluster, isolated, wait_until
from rcollections.wire.slotmap import SlotMap, changed, read_slots
from rcollections.wire.views import View, agree, decided, read_nodes
from tests.kits import TOGETHER

if TYPE_CHECKING:
    from collections.abc import Iterator

A, B, C = ("a", 1), ("b", 2), ("c", 3)
IDS = {A: "ida", B: "idb", C: "idc"}


def told(*parts: tuple[int, int, tuple[str, int]]) -> SlotMap:
    """A map of these parts: first slot, last slot, owner."""
    reply = [[first, last, [owner[0].encode(), owner[1], IDS[owner].encode(), []]] for first, last, owner in parts]
    return read_slots(reply, ("asked", 1))


OLD = told((0, 9999, A), (10000, 16383, B))
NEW = told((0, 9999, C), (10000, 16383, B))


def epochs(**found: int) -> dict[str, int]:
    return {f"id{name}": epoch for name, epoch in found.items()}


def test_the_higher_config_epoch_owns_a_slot() -> None:
    """Even if more nodes tell the old map, and whatever is asked first."""
    old = View(OLD, True, 3, A, epochs(a=1, b=2))
    new = View(NEW, True, 4, C, epochs(a=1, b=2, c=4))
    for views in ([old, new], [new, old], [old, old, new], [new, old, old]):
        found = decided(views)
        assert found.owner(5) == C
        assert found.owner(12000) == B
        assert found.nodes == (C, B)
        assert not changed(found, NEW)


def test_each_slot_by_itself() -> None:
    """One view may be newer for some slots, and older for others."""
    one = View(told((0, 99, C), (100, 9999, A), (10000, 16383, B)), True, 5, A, epochs(a=1, b=2, c=5))
    other = View(told((0, 9999, A), (10000, 10099, C), (10100, 16383, B)), True, 5, B, epochs(a=1, b=2, c=4))
    for views in ([one, other], [other, one]):
        found = decided(views)
        assert [found.owner(slot) for slot in (50, 100, 10050, 10100)] == [C, A, C, B]
        assert set(found.nodes) == {A, B, C}
        assert found.covered


def test_without_epochs_most_of_them_decide() -> None:
    """As where the user may not ask for them; of as many the highest current epoch."""
    old, new = View(OLD, True, 4), View(NEW, True, 4)
    assert decided([old, new, new]).owner(5) == C
    assert decided([old, old, new]).owner(5) == A
    assert decided([old, new._replace(epoch=5)]).owner(5) == C


def test_nodes_of_a_cluster_that_is_down_count_only_where_all_say_so() -> None:
    """Whoever does not serve knows that it knows nothing."""
    down = View(OLD, False, 9, A, epochs(a=9, b=9))
    assert decided([down, View(NEW, True, 4, C, epochs(c=4))]).owner(5) == C
    assert decided([down]).owner(5) == A


def test_holes_are_filled() -> None:
    """A slot that one view gives to nobody."""
    hole = View(told((10000, 16383, B)), True, 5, B, epochs(b=5))
    assert decided([hole, View(OLD, True, 4, A, epochs(a=1, b=2))]).owner(5) == A
    assert decided([View(SlotMap.empty(), True, 5), View(SlotMap.empty(), True, 5)]).owner(5) is None


def test_who_agrees() -> None:
    """By owners, whatever the replicas."""
    assert agree([View(OLD, True, 1), View(OLD, False, 2)])
    assert not agree([View(OLD, True, 1), View(OLD, True, 1), View(NEW, True, 1)])


def test_config_epochs_are_read() -> None:
    """Whatever else a line says."""
    reply = (
        b"ida 10.0.0.1:1@10001,host myself,master - 0 0 7 connected 0-5 [93-<-idb]\n"
        b"idb :2@10002 slave,fail ida 1 2 8 disconnected\n"
        b"broken line\n\n"
    )
    assert read_nodes(reply) == {"ida": 7, "idb": 8}


@pytest.fixture(scope="module", params=TOGETHER)
def parted(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """A cluster whose network breaks."""
    with Cluster(request.param, node_timeout=0.5, network=True) as cluster:
        yield cluster


@pytest.mark.long
def test_a_node_that_was_left_behind_takes_nothing_back(parted: Cluster) -> None:
    """It says for a minute that all is well, and that it owns its slots. Clients reach it as before."""
    parted.heal()
    old = parted.primaries[0]
    key = parted.key_on(old)
    old.configure(cluster_node_timeout=60_000)
    with isolated(f"{parted.dsn}?timeout=5&connect_timeout=5"):
        KeyCache(key).set(1)
        con: Any = connection()
        place, slot = (old.host, old.port), parted.slot(key)
        assert con.learner.map.owner(slot) == place
        others = [node for node in parted.nodes if node is not old]
        for which in ("bus", "replication"):
            parted.network.freeze(old, others, which)
        wait_until(lambda: _left(con, slot, place), 20, "another owner")
        asked = set()
        real = con.learner._ask

        def ask(at: Any) -> Any:
            view = real(at)
            if view.serves and view.map.owner(slot) == place:
                asked.add(at)
            return view

        con.learner._ask = ask
        rest = [each for each in con.learner._candidates() if each != place]
        for n in range(20):
            con.learner._candidates = lambda n=n: [*rest[: n % 3], place, *rest[n % 3 :]]
            con.learner._round()
            assert con.learner.map.owner(slot) != place
        assert asked == {place}  # it was asked, and told its map
        assert KeyCache(key).set(2)
        assert KeyCache(key).get() == 2
    parted.heal()


def _left(con: Any, slot: int, place: tuple[str, int]) -> bool:
    con.learner.soon()
    return bool(con.learner.map.owner(slot) != place)


def test_a_map_that_is_confirmed_costs_one_question(cluster: Cluster) -> None:
    """Only a change is asked about at more nodes."""
    with isolated(f"{cluster.dsn}?timeout=5&connect_timeout=5"):
        KeyCache("a").set(1)
        con: Any = connection()
        wait_until(lambda: con.learner._thread is None, what="the first round")
        asked: list[Any] = []
        real = con.learner._ask
        con.learner._ask = lambda place: asked.append(place) or real(place)
        con.learner._round()
        assert len(asked) == 1
        source, target, _ = cluster.primaries
        cluster.reshard(cluster.slot(cluster.key_on(source)), source, target)
        asked.clear()
        con.learner._round()
        assert len(asked) == 3
