"""The plan of a trip to a cluster where replicas are asked (K10), or have to have a write; step by step, no servers."""

from __future__ import annotations

from time import monotonic
from typing import Any

import pytest

from rcollections.plans.effects import Command, Script
from rcollections.plans.slots import slot_of
from rcollections.wire.failures import Broken, ErrorReply, NotConnected
from rcollections.wire.routing import Sent, route
from tests.interrupting import TimeLimit
from tests.test_cluster_routing import A, B, C, FakeNode, Journey, Roads, get, key

D = ("d", 4)


class FakeReplica(FakeNode):
    """It is passed over once it has refused or broken."""

    fit = True

    def lapses(self, why: BaseException) -> bool:
        self.fit = False
        return True


class Far(Roads):
    """Replicas C and D of A, and none of B."""

    def __init__(self) -> None:
        super().__init__()
        self.primary = Roads()
        self.replicas = [FakeReplica(C), FakeReplica(D)]

    def node(self, slot: int, place: Any) -> FakeNode | None:
        owner = self.primary.node(slot, place)
        if place is not None or owner is None or owner.address != A:
            return owner
        return next((each for each in self.replicas if each.fit), owner)


class Durable(Roads):
    durable = 2

    def lacks(self, replicas: int) -> str:
        return f"{replicas} of 2" if replicas < 2 else ""


@pytest.mark.parametrize(
    "why",
    [
        [ErrorReply("MOVED 1 b:2")], [ErrorReply("LOADING it reads")], [ErrorReply("MASTERDOWN its primary is away")],
        [ErrorReply("CLUSTERDOWN it is cut off")], Broken("gone"), NotConnected("lost", OSError("refused")),
    ],
)  # fmt: skip
def test_a_replica_that_does_not_serve_is_passed_over_in_the_same_call(why: Any) -> None:
    """The next replica is asked at once, and then the owner."""
    roads = Far()
    a = key(0)
    way = Journey(route(roads, [get(a)]))
    assert list(way.sent) == [C]
    assert list(way.answer({C: why}).sent) == [D]
    assert list(way.answer({D: why}).sent) == [A]
    assert way.pauses == []
    assert way.answer({A: [b"1"]}).result == [b"1"]
    assert roads.learned >= 2
    assert not roads.owners
    assert not roads.primary.owners


def test_what_owners_have_to_answer_is_apart_from_what_replicas_may() -> None:
    """Also where both are in one slot; all are asked at the same time."""
    a = key(0)
    tag = f"rc:t:{{{a}}}"
    way = Journey(route(Far(), [get(a), get(tag), get(key(1))], owned=(1,)))
    assert way.sent == {C: [[b"GET", a.encode()]], A: [[b"GET", tag.encode()]], B: [[b"GET", key(1).encode()]]}
    assert way.answer({C: [b"1"], A: [b"2"], B: [b"3"]}).result == [b"1", b"2", b"3"]


def test_an_owner_that_replicas_do_not_stand_for_says_moved() -> None:
    roads = Far()
    b = key(1)
    way = Journey(route(roads, [get(b)]))
    assert list(way.answer({B: [ErrorReply(f"MOVED {slot_of(b)} a:1")]}).sent) == [A]


def test_each_node_waits_for_its_replicas_and_the_fewest_count() -> None:
    """WAIT goes behind what writes; what was written is lacking where its node says so."""
    a, b = key(0), key(1)
    steps = [Command(("SET", a, 1)), Command(("SET", b, 1))]
    way = Journey(route(Durable(), steps))
    assert [sent[-1][:2] for sent in way.sent.values()] == [[b"WAIT", b"2"]] * 2
    assert way.answer({A: [b"OK", 2], B: [b"OK", 2]}).result == [b"OK", b"OK"]
    way = Journey(route(Durable(), steps))
    found = way.answer({A: [b"OK", 0], B: [b"OK", 1]}).result
    assert [str(each) for each in found] == ["NOTREPLICATED 0 of 2"] * 2
    way = Journey(route(Durable(), steps))
    first, second = way.answer({A: [b"OK", 2], B: [b"OK", 1]}).result
    assert (first, str(second)) == (b"OK", "NOTREPLICATED 1 of 2")


def test_reads_wait_for_nobody() -> None:
    way = Journey(route(Durable(), [get(key(0))]))
    assert way.sent == {A: [[b"GET", key(0).encode()]]}


def test_what_is_sent_on_waits_where_it_arrives() -> None:
    """The count that came with a refusal says nothing."""
    a = key(0)
    way = Journey(route(Durable(), [Command(("SET", a, 1))]))
    way.answer({A: [ErrorReply(f"MOVED {slot_of(a)} c:3"), 0]})
    assert [each[0] for each in way.sent[C]] == [b"SET", b"WAIT"]
    assert way.answer({C: [b"OK", 2]}).result == [b"OK"]


def test_a_wait_that_is_refused_says_why() -> None:
    way = Journey(route(Durable(), [Command(("SET", key(0), 1))]))
    (found,) = way.answer({A: [b"OK", ErrorReply("NOPERM no WAIT")]}).result
    assert str(found) == "NOTREPLICATED NOPERM no WAIT"


def test_pieces_of_a_step_count_together() -> None:
    """K8: all of them are carried out, however few replicas have the first."""
    a = key(0)
    lease = f"rc:l:{{{a}}}"
    way = Journey(route(Durable(), [Script("entry_delete", (a, lease), ("channel",))], until=monotonic() + 5))
    while way.sent[A][0][0] != b"UNLINK":
        way.answer({A: [ErrorReply("TRYAGAIN Multiple keys"), 0]})
    assert way.answer({A: [1, 1]}).sent[A][0] == [b"UNLINK", a.encode()]
    way.answer({A: [1, 2]})
    ((node, _),) = way.sent.items()
    (found,) = way.answer({node: [0]} if len(way.sent[node]) == 1 else {node: [0, 2]}).result
    assert str(found) == "NOTREPLICATED 1 of 2"


def test_what_a_signal_handler_raised_in_a_quick_try_is_raised() -> None:
    """It says nothing of the node."""
    roads = Roads()
    with pytest.raises(TimeLimit):
        Journey(route(roads, [get(key(0))], sent=Sent(roads.nodes[A], TimeLimit())))
    assert not roads.nodes[A].failures
