"""The plan of a trip to a cluster, step by step and without servers: who gets what, and what is sent again (K7)."""

from __future__ import annotations

from time import monotonic
from typing import Any

import hiredis
import pytest

from rcollections.errors import CacheConnectionError, CacheError, CacheTimeout
from rcollections.plans.effects import Command, Script
from rcollections.plans.purpose import Due
from rcollections.plans.scripts import source
from rcollections.plans.slots import slot_of
from rcollections.wire.due import Taken
from rcollections.wire.failures import Broken, ErrorReply, Late, NotConnected, Unsent
from rcollections.wire.groups import bytes_of, check
from rcollections.wire.routes import Fan, Hop
from rcollections.wire.routing import Sent, route
from rcollections.wire.trips import Pause

A, B, C = ("a", 1), ("b", 2), ("c", 3)


class FakeNode:
    def __init__(self, address: tuple[str, int]) -> None:
        self.address = address
        self.shown = f"redis://{address[0]}:{address[1]}/0"
        self.known: set[str] = set()
        self.trips = 0
        self.cut = 0.0
        self.error: CacheError | None = None
        self.failures: list[CacheError] = []

    def hop(self, groups: Any, steps: Any, atomic: bool) -> Hop:
        for each in groups:
            each.noop = check(each, steps, "") if self.cut else b""
        return Hop(self, *bytes_of(groups, steps, atomic, self.known), all(each.safe for each in groups))

    def away(self) -> CacheError | None:
        return self.error

    def answered(self) -> None: ...

    def failed(self, error: CacheError) -> None:
        self.failures.append(error)

    def doubt(self) -> None: ...

    def told(self, reply: object) -> None:
        self.cut = monotonic() if isinstance(reply, ErrorReply) else 0.0

    def lapses(self, why: BaseException) -> bool:
        return False


class Nothing:
    holds = False
    handovers = 0


class Roads:
    """A cluster of three nodes: even slots are A's, odd ones B's."""

    shown, namespace, timeout, trips, mapped, failures, moves = "redis+cluster://a:1", "", 1.0, 0, True, 0, False
    durable = 0
    journal: Any = Nothing()

    def __init__(self) -> None:
        self.nodes = {address: FakeNode(address) for address in (A, B, C)}
        self.owners: dict[int, Any] = {}
        self.learned = 0
        self.written: list[Any] = []
        self.old: dict[int, Any] = {}

    def node(self, slot: int, place: Any) -> FakeNode | None:
        where = place or self.owners.get(slot, (A, B)[slot % 2])
        return self.nodes.get(where)

    def moved(self, slot: int, owner: Any) -> None:
        self.owners[slot] = owner

    def before(self, slot: int) -> Any:
        return self.old.get(slot)

    def map_sum(self) -> int:
        return 1 + len(self.owners)

    def learn_soon(self) -> None:
        self.learned += 1

    def wrote(self, steps: Any) -> None:
        self.written += steps

    def failed(self, error: CacheError) -> None: ...

    def unmapped(self) -> CacheError:
        return CacheConnectionError("nobody knows")


def key(parity: int, number: int = 0) -> str:
    """A key of A (0) or of B (1)."""
    return [f"k{n}" for n in range(200) if slot_of(f"k{n}") % 2 == parity][number]


def words(hop: Hop) -> list[list[bytes]]:
    reader = hiredis.Reader()
    reader.feed(hop.data)
    found = []
    while (command := reader.gets()) is not False:
        found.append(command)
    return found


class Journey:
    """A plan under way: ``sent`` is what goes where now, ``answer`` what comes back."""

    def __init__(self, plan: Any) -> None:
        self.plan = plan
        self.result: Any = None
        self.pauses: list[float] = []
        self._next(None)

    def _next(self, value: Any) -> None:
        self.sent: dict[Any, list[list[bytes]]] = {}
        try:
            effect = self.plan.send(value)
            while type(effect) is Pause:
                self.pauses.append(effect.seconds)
                end = monotonic() + effect.seconds
                while monotonic() < end:
                    pass
                effect = self.plan.send(None)
        except StopIteration as end_:
            self.result = end_.value
            return
        assert type(effect) is Fan
        self.hops = effect.hops
        self.sent = {hop.node.address: words(hop) for hop in effect.hops}

    def answer(self, replies: dict[Any, Any]) -> Journey:
        self._next([replies[hop.node.address] for hop in self.hops])
        return self


def get(name: str) -> Command:
    return Command(("GET", name))


def test_all_nodes_are_asked_at_once_and_replies_are_in_order() -> None:
    """One fan-out, however the keys lie."""
    roads = Roads()
    a, b, a2 = key(0), key(1), key(0, 1)
    way = Journey(route(roads, [get(a), get(b), get(a2)]))
    assert way.sent == {A: [[b"GET", a.encode()], [b"GET", a2.encode()]], B: [[b"GET", b.encode()]]}
    way.answer({A: [b"1", b"3"], B: [b"2"]})
    assert way.result == [b"1", b"2", b"3"]
    assert roads.trips == 1
    assert roads.written == [get(a), get(b), get(a2)]


def test_moved_corrects_the_map_and_is_followed_at_once() -> None:
    """Only the group of that slot goes again."""
    roads = Roads()
    a, b = key(0), key(1)
    way = Journey(route(roads, [get(a), get(b)]))
    way.answer({A: [ErrorReply(f"MOVED {slot_of(a)} c:3")], B: [b"2"]})
    assert way.sent == {C: [[b"GET", a.encode()]]}
    assert way.pauses == []
    assert way.answer({C: [b"1"]}).result == [b"1", b"2"]
    assert roads.owners[slot_of(a)] == C
    assert roads.learned == 1


def test_a_host_that_is_not_told_is_the_one_that_said_so() -> None:
    """ "MOVED 1 :2" comes from servers that do not know their names."""
    roads = Roads()
    roads.nodes["a", 9] = FakeNode(("a", 9))
    a = key(0)
    way = Journey(route(roads, [get(a)]))
    assert way.answer({A: [ErrorReply(f"MOVED {slot_of(a)} :9")]}).sent == {("a", 9): [[b"GET", a.encode()]]}


def test_a_host_that_is_not_known_has_to_be_learned() -> None:
    """A "?" leads nowhere: the map is asked for, and the step goes again after a pause."""
    roads = Roads()
    a = key(0)
    way = Journey(route(roads, [get(a)]))
    way.answer({A: [ErrorReply(f"MOVED {slot_of(a)} ?:9")]})
    assert roads.learned
    assert way.pauses
    assert way.answer({A: [b"1"]}).result == [b"1"]


def test_ask_counts_once_and_leaves_the_map() -> None:
    """Each command has its own ASKING; MULTI has one."""
    roads = Roads()
    a = key(0)
    way = Journey(route(roads, [get(a), get(a)]))
    way.answer({A: [b"1", ErrorReply(f"ASK {slot_of(a)} c:3")]})
    assert way.sent == {C: [[b"ASKING"], [b"GET", a.encode()]] * 2}
    assert way.answer({C: [b"OK", b"1", b"OK", b"2"]}).result == [b"1", b"2"]
    assert not roads.owners
    way = Journey(route(roads, [Command(("SET", a, 1)), Command(("UNLINK", f"{{{a}}}"))], atomic=True))
    refused = [b"OK", ErrorReply(f"ASK {slot_of(a)} c:3"), b"QUEUED", ErrorReply("EXECABORT")]
    way.answer({A: refused})
    assert [command[0] for command in way.sent[C]] == [b"ASKING", b"MULTI", b"SET", b"UNLINK", b"EXEC"]
    assert way.answer({C: [b"OK", b"OK", b"QUEUED", b"QUEUED", [b"OK", 0]]}).result == [b"OK", 0]


@pytest.mark.parametrize("word", ["MOVED {} c:3", "ASK {} c:3"])
def test_exec_itself_may_be_refused(word: str) -> None:
    """Where the slot went between queuing and EXEC: nothing ran."""
    a = key(0)
    way = Journey(route(Roads(), [Command(("SET", a, 1))], atomic=True))
    way.answer({A: [b"OK", b"QUEUED", ErrorReply(word.format(slot_of(a)))]})
    assert C in way.sent
    extra = [b"OK"] if "ASK" in word else []
    assert way.answer({C: [*extra, b"OK", b"QUEUED", [b"OK"]]}).result == [b"OK"]


def test_a_group_that_reads_goes_again_as_a_whole_and_in_order() -> None:
    """Else a guard could be read after the data that it is to be read before (hole: data of another generation)."""
    a = key(0)
    guard = f"rc:g:{{{a}}}"
    way = Journey(route(Roads(), [get(guard), get(a)]))
    way.answer({A: [ErrorReply("READONLY x"), b"old"]})
    assert way.sent == {A: [[b"GET", guard.encode()], [b"GET", a.encode()]]}


def test_keys_that_may_be_on_two_nodes_are_read_one_after_another() -> None:
    """At the node that the slot goes to, a key that is still where it was would be missing."""
    a = key(0)
    guard = f"rc:g:{{{a}}}"
    ask = ErrorReply(f"ASK {slot_of(a)} c:3")
    way = Journey(route(Roads(), [get(guard), get(a)]))
    way.answer({A: [b"guard", ask]})
    assert way.sent == {A: [[b"GET", guard.encode()]]}
    way.answer({A: [b"guard"]})
    assert way.sent == {A: [[b"GET", a.encode()]]}
    way.answer({A: [ask]})
    assert way.sent == {C: [[b"ASKING"], [b"GET", a.encode()]]}
    assert way.answer({C: [b"OK", b"data"]}).result == [b"guard", b"data"]


def test_of_writes_only_the_refused_ones_go_again() -> None:
    """What was carried out must not be carried out twice."""
    a = key(0)
    steps = [Command(("INCR", a)), Command(("INCR", f"{{{a}}}"))]
    way = Journey(route(Roads(), steps))
    way.answer({A: [5, ErrorReply(f"ASK {slot_of(a)} c:3")]})
    assert way.sent == {C: [[b"ASKING"], [b"INCR", f"{{{a}}}".encode()]]}
    assert way.answer({C: [b"OK", 7]}).result == [5, 7]


@pytest.mark.parametrize("word", ["TRYAGAIN x", "CLUSTERDOWN x", "READONLY x", "LOADING x", "MASTERDOWN x"])
def test_what_passes_is_tried_again_after_a_pause(word: str) -> None:
    """Writes too: nothing of them ran. The pauses grow."""
    roads = Roads()
    a = key(0)
    way = Journey(route(roads, [Command(("INCR", a))]))
    for _ in range(3):
        way.answer({A: [ErrorReply(word)]})
    assert len(way.pauses) == 3
    assert way.pauses[0] < way.pauses[1] < way.pauses[2] <= 0.1
    assert way.answer({A: [1]}).result == [1]
    assert bool(roads.learned) == (word != "TRYAGAIN x")


def test_the_time_of_the_call_ends_it() -> None:
    """Then the refusal is the reply."""
    a = key(0)
    way = Journey(route(Roads(), [Command(("INCR", a))], until=monotonic() + 0.05))
    while way.result is None:
        way.answer({A: [ErrorReply("CLUSTERDOWN The cluster is down")]})
    assert str(way.result[0]) == "CLUSTERDOWN The cluster is down"


def test_errors_of_scripts_are_no_refusals() -> None:
    """They may have run half: the caller is told."""
    a = key(0)
    script = Script("key_renew", (a,), (5000,))
    for text in ("ERR MOVED 5 c:3", "READONLY You can't write. script: 1234, on @user_script:1."):
        way = Journey(route(Roads(), [script]))
        assert str(way.answer({A: [ErrorReply(text)]}).result[0]) == text


def test_redirects_end() -> None:
    """16 times at most, where two nodes send a caller to each other."""
    a = key(0)
    way = Journey(route(Roads(), [get(a)], until=monotonic() + 30))
    count = 0
    while way.result is None:
        (node,) = way.sent
        other = "c:3" if node == A else "a:1"
        way.answer({node: [ErrorReply(f"MOVED {slot_of(a)} {other}")]})
        count += 1
    assert count == 17
    assert not way.pauses


def test_a_script_that_the_node_does_not_know() -> None:
    """K11: its text is sent, there and nowhere else."""
    roads = Roads()
    a = key(0)
    roads.nodes[A].known = {"key_renew"}
    script = Script("key_renew", (a,), (5000,))
    way = Journey(route(roads, [script]))
    assert way.sent[A][0][:2] == [b"EVALSHA", source("key_renew").sha.encode()]
    way.answer({A: [ErrorReply("NOSCRIPT No matching script")]})
    assert way.sent[A][0][:2] == [b"EVAL", source("key_renew").text.encode()]
    assert way.answer({A: [[b"ok"]]}).result == [[b"ok"]]
    assert roads.nodes[A].known == {"key_renew"}
    assert not roads.nodes[B].known


def test_a_broken_connection() -> None:
    """What reads goes again; of a write nobody knows; what was not sent goes again in any case."""
    a, b = key(0), key(1)
    steps = [get(a), Command(("INCR", b))]
    way = Journey(route(Roads(), steps))
    way.answer({A: Broken("cut"), B: Broken("cut")})
    assert way.sent == {A: [[b"GET", a.encode()]]}
    way.answer({A: [b"1"]})
    assert way.result[0] == b"1"
    assert isinstance(way.result[1], CacheConnectionError)
    for error in (Unsent("gone"), NotConnected("lost", OSError("refused"))):
        way = Journey(route(Roads(), steps[1:]))
        way.answer({B: error})
        assert way.sent == {B: [[b"INCR", b.encode()]]}


def test_a_silent_node_fails_its_own_calls_only() -> None:
    """The others have their replies, and nobody asks that node again as long as it is away."""
    roads = Roads()
    a, b = key(0), key(1)
    way = Journey(route(roads, [get(a), get(b)]))
    way.answer({A: Late(silent=True), B: [b"2"]})
    assert isinstance(way.result[0], CacheTimeout)
    assert way.result[1] == b"2"
    assert len(roads.nodes[A].failures) == 1
    roads.nodes[A].error = CacheConnectionError("away")
    way = Journey(route(roads, [get(a), get(b)]))
    assert set(way.sent) == {B}
    assert way.answer({B: [b"2"]}).result == [roads.nodes[A].error, b"2"]


def test_what_a_quick_try_has_seen_is_where_the_plan_begins() -> None:
    """It is not sent twice."""
    roads = Roads()
    a = key(0)
    sent = Sent(roads.nodes[A], [ErrorReply(f"MOVED {slot_of(a)} c:3")])
    way = Journey(route(roads, [Command(("INCR", a))], sent=sent))
    assert way.sent == {C: [[b"INCR", a.encode()]]}


def test_a_write_settles_at_the_owner_before() -> None:
    """K9: until that refuses a write which changes nothing, it may answer reads of others with what was there."""
    roads = Roads()
    a = key(0)
    roads.moves, roads.old = True, {slot_of(a): B}
    way = Journey(route(roads, [Command(("SET", a, 1))]))
    way.answer({A: [b"OK"]})
    (asked,) = way.sent[B]
    assert asked[0] == b"PERSIST"
    assert slot_of(asked[1]) == slot_of(a)
    way.answer({B: [0]})
    assert list(way.sent) == [B]
    assert way.answer({B: [ErrorReply(f"MOVED {slot_of(a)} a:1")]}).result == [b"OK"]
    way = Journey(route(roads, [get(a)]))
    assert way.answer({A: [b"1"]}).result == [b"1"]


def test_an_entry_and_its_lease_that_are_apart() -> None:
    """K8: FETCH gives no lease then; D1 drops the lease before the entry."""
    a = key(0)
    lease = f"rc:l:{{{a}}}"
    fetch = Script("entry_fetch", (a, lease), (b"token", 3000, 0, "miss", -1, 0))
    drop = Script("entry_delete", (a, lease), ("channel",))
    for step in (fetch, drop):
        began = monotonic()
        way = Journey(route(Roads(), [step], until=monotonic() + 5))
        while way.result is None and way.sent.get(A, [[b"UNLINK"]])[0][0] != b"UNLINK":
            way.answer({A: [ErrorReply("TRYAGAIN Multiple keys request during rehashing of slot")]})
        assert monotonic() - began >= 0.2
        if step is fetch:
            assert way.result == [[b"alone", b"", b"", -2, 0, b""]]
            continue
        assert way.sent == {A: [[b"UNLINK", lease.encode()]]}
        way.answer({A: [1]})
        assert way.sent == {A: [[b"UNLINK", a.encode()]]}
        way.answer({A: [1]})
        (node,) = way.sent
        assert way.sent[node] == [[b"PUBLISH", b"channel", b""]]
        assert way.answer({node: [0]}).result == [[b"ok", 1]]


DOWN = "CLUSTERDOWN The cluster is down"


def test_reads_of_a_node_that_was_cut_off_count_with_a_write_that_it_takes() -> None:
    """K14: it may answer reads as long as it is cut off. A write that it refuses tells; one that it takes ends it."""
    roads = Roads()
    a, b = key(0), key(1)
    way = Journey(route(roads, [Command(("SET", a, 1)), get(b)]))
    way.answer({A: [ErrorReply(DOWN)], B: [b"2"]})
    assert roads.nodes[A].cut
    assert way.answer({A: [b"OK"]}).result == [b"OK", b"2"]
    roads.nodes[A].cut = monotonic()
    way = Journey(route(roads, [get(a), get(a), get(b)]))
    assert [command[0] for command in way.sent[A]] == [b"PERSIST", b"GET", b"GET"]
    assert slot_of(way.sent[A][0][1]) == slot_of(a)
    assert way.sent[B] == [[b"GET", b.encode()]]
    way.answer({A: [ErrorReply(DOWN), b"old", b"old"], B: [b"2"]})
    assert [command[0] for command in way.sent[A]] == [b"PERSIST", b"GET", b"GET"]
    assert way.answer({A: [0, b"new", b"new"]}).result == [b"new", b"new", b"2"]
    assert not roads.nodes[A].cut
    assert roads.learned


def test_a_call_waits_for_such_a_node_once() -> None:
    """Then the breaker of the node opens. A write that goes there tells for itself, so nothing goes ahead of it."""
    roads = Roads()
    a = key(0)
    roads.nodes[A].cut = monotonic() - 0.6
    way = Journey(route(roads, [Command(("INCR", a))], until=monotonic() + 0.05))
    assert way.sent == {A: [[b"INCR", a.encode()]]}
    roads.nodes[A].told = lambda reply: None  # type: ignore[method-assign]
    while way.result is None:
        way.answer({A: [ErrorReply(DOWN)]})
    (failure,) = roads.nodes[A].failures
    assert failure._about == "server"
    assert "CLUSTER INFO" in str(failure)


class Kept(Nothing):
    """A journal in which names come up under way."""

    def __init__(self, *dues: Due) -> None:
        self.dues, self.holds = dues, bool(dues)
        self.out: list[str] = []

    def take(self, words: frozenset[str], near: Any = None) -> Taken:
        keys = [due.key for due in self.dues]
        self.near = [each for each in keys if near is None or near(each)]
        return Taken([(due, 1) for due in self.dues if due.key in words or due.key in self.near], [])

    def delivered(self, taken: Taken) -> None:
        gone = [due.key for due, _ in taken.dues]
        self.out += gone
        self.dues = tuple(due for due in self.dues if due.key not in gone)
        self.holds = bool(self.dues)

    def put_back(self, taken: Taken) -> None: ...


def test_what_is_kept_goes_ahead_at_the_nodes_of_the_trip() -> None:
    """J1: names of other nodes wait for trips there, so a node that is away holds up no call for another one."""
    roads = Roads()
    a, a2, b = key(0), key(0, 1), key(1)
    roads.journal = Kept(Due(a2), Due(b))
    way = Journey(route(roads, [get(a)]))
    assert way.sent == {A: [[b"UNLINK", a2.encode()]]}
    way.answer({A: [1]})
    assert roads.journal.out == [a2]
    while way.result is None:
        way.answer({A: [b"1"] if b"GET" in way.sent[A][0] else [1]})
    assert way.result == [b"1"]
    assert roads.journal.holds, "the other one waits"


def test_what_a_refusal_brings_up_goes_first() -> None:
    """K13: the node that says MOVED has been replaced; before the step goes to its heir, what is kept goes there."""
    roads = Roads()
    a, a2 = key(0), key(0, 1)
    journal = roads.journal = Kept()

    def moved(slot: int, owner: Any) -> None:
        Roads.moved(roads, slot, owner)
        journal.dues, journal.holds, journal.handovers = (Due(a), Due(a2)), True, 1

    roads.moved = moved  # type: ignore[method-assign]
    way = Journey(route(roads, [get(a)]))
    way.answer({A: [ErrorReply(f"MOVED {slot_of(a)} c:3")]})
    assert way.sent[C] == [[b"UNLINK", a.encode()]]
    assert way.answer({each: [1] for each in way.sent}).sent == {C: [[b"GET", a.encode()]]}
    assert way.answer({C: [None]}).result == [None]
