"""Rule K13 in every order: a slot is handed over to a replica that has not heard of an invalidation: it has two owners.

Real are the plan of a trip, the learner of the map, the journal, and the change on purpose. Nodes, wires and the
clock are of the world. What is sent is carried out at one step, and its reply comes at another one. Promised is: a call
of this process that begins after the invalidation has returned never gets what it was about.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import hiredis
import pytest

from rcollections.plans.effects import Command
from rcollections.plans.purpose import Due, Purpose, change, sent
from rcollections.plans.slots import SLOTS, slot_of
from rcollections.wire.failures import ErrorReply
from rcollections.wire.groups import bytes_of
from rcollections.wire.routes import Fan, Hop
from rcollections.wire.slotmap import read_slots
from rcollections.wire.views import View
from tests.interleavings.mutants import changed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rcollections.wire.slotmap import SlotMap

KEY = "k"
OLD, HEIR, OTHER = ("a", 1), ("b", 2), ("c", 3)
FIRST = b"1"  # what the key has at first, at the primary and at its replica


class BrokenPromiseError(Exception):
    """A caller got what had been invalidated."""


class Parts(NamedTuple):
    """The modules that are stepped."""

    learning: Any
    journal: Any
    handovers: Any
    routing: Any


MODULES = {
    "learning": "servers.topology.learning",
    "journal": "servers.journal",
    "handovers": "servers.handovers",
    "routing": "wire.routing",
}


def parts(**changes: tuple[tuple[str, str], ...]) -> Parts:
    """The modules, with these changes of their texts."""
    return Parts(**{name: changed(path, *changes.get(name, ())) for name, path in MODULES.items()})


SLOT = slot_of(KEY)
MEMBERS = {False: (OLD, HEIR), True: (HEIR, OLD)}  # the owner of the slot and its replica, by who knows of the failover
OTHERS = [OTHER[0].encode(), OTHER[1]]
MAPS = {
    knows: read_slots(
        [
            [0, SLOT - 1, OTHERS],
            [SLOT, SLOT, *([host.encode(), port] for host, port in found)],
            [SLOT + 1, SLOTS - 1, OTHERS],
        ],
        OTHER,
    )
    for knows, found in MEMBERS.items()
}


def differ(old: SlotMap, new: SlotMap) -> frozenset[int]:
    """The slots that have another owner: there is one slot here."""
    return frozenset({SLOT} if old.owner(SLOT) != new.owner(SLOT) else ())


class Node:
    """A node: what it has, and who it believes is the owner."""

    cut = 0.0
    trips = 0

    def __init__(self, address: tuple[str, int], value: bytes | None) -> None:
        self.address = address
        self.shown = address[0]
        self.known: set[str] = set()
        self.value = value
        self.knows = False  # of the new owner

    def hop(self, groups: Any, steps: Any, atomic: bool) -> Hop:
        return Hop(self, *bytes_of(groups, steps, atomic, self.known), all(each.safe for each in groups))  # type: ignore[arg-type]

    def carry_out(self, data: bytes) -> list[Any]:
        reader = hiredis.Reader()
        reader.feed(data)
        found = []
        while (words := reader.gets()) is not False:
            found.append(self.reply([each.decode() for each in words]))
        return found

    def reply(self, words: list[str]) -> Any:
        owner = HEIR if self.knows else OLD
        if words[0] == "PUBLISH":
            return 0
        if self.address != owner:
            return ErrorReply(f"MOVED {slot_of(words[1])} {owner[0]}:{owner[1]}")
        if words[0] == "GET":
            return self.value
        if words[0] == "UNLINK" and KEY in words[1:]:
            self.value = None
        return 0

    def tells(self) -> View:
        """CLUSTER SLOTS and the epoch."""
        return View(MAPS[self.knows], True, 1 + self.knows, self.address)

    def away(self) -> None: ...

    def answered(self) -> None: ...

    def told(self, _reply: object) -> None: ...

    def lapses(self, _why: object) -> bool:
        return False

    failed = doubt = answered


class World:
    """Two plans of one process, a learner, and a failover.

    ``races``: a call begins while the learner tells of the new primary, "before" or "after" the journal has heard it.
    """

    def __init__(self, made: Parts, races: str) -> None:
        made.learning.changed = differ
        made.learning.after_fork = lambda _: None
        made.learning.time = made.journal.time = self
        made.journal.wrote = made.journal.wrote_anything = lambda *_: None
        made.learning.ask = lambda _dsn, place, **_: (self.nodes[place].tells(), 1.0)
        self.made, self.races = made, races
        self.nodes = {OLD: Node(OLD, FIRST), HEIR: Node(HEIR, FIRST), OTHER: Node(OTHER, None)}
        self.journal = type("Journal", (made.journal.Journal,), {"done": made.handovers.Handovers.done})("cluster")
        self.journal.remembers = True
        self.learner = made.learning.Learner(Roads, lambda _map: None, self.handed_over)
        self.learner.soon = lambda: None
        self.round(OTHER)
        self.returned = False  # whether the invalidation has
        self.calls = [Call(self, self.invalidates), Call(self, self.reads)]
        self.telling = 0

    def monotonic(self) -> float:
        return 1.0

    # -- what happens to the cluster

    def promote(self) -> None:
        """The replica is the primary, without what it has not heard of, and all know but the old one."""
        self.nodes[HEIR].knows = self.nodes[OTHER].knows = True

    def demote(self) -> None:
        """The old one knows too, and has what the new one has."""
        self.nodes[OLD].knows = True
        self.nodes[OLD].value = self.nodes[HEIR].value

    def round(self, place: tuple[str, int] = OTHER) -> None:
        """The learner asks a node."""
        self.learner._candidates = lambda: [place]
        self.learner._round()

    def round_of_the_old_one(self) -> None:
        self.round(OLD)

    def handed_over(self, handover: Any, begins: bool) -> None:
        """What a connection does."""
        self.telling += 1
        for moment in ("before", "after"):
            if moment == "after":
                self.journal.again(1.0, handover.slots, handover.heirs, begins=begins)
            if moment == self.races and self.telling == 1 and self.calls[1].state == "new" and self.returned:
                self.calls[1].go_on()

    # -- calls

    def invalidates(self) -> Iterator[Any]:
        journal = self.journal

        class Shared:
            """The journal as a connection has it: it notes who has acknowledged."""

            number = 0
            handovers = property(lambda _: journal.handovers)
            keep = staticmethod(journal.keep)
            keep_whole = staticmethod(journal.keep_whole)

            @staticmethod
            def done(dues: Any, whole: Any, since: int) -> None:
                place = self.learner.map.owner(slot_of(KEY))
                journal.done(dues, whole, since, True, {place: dues})

        purpose = Purpose(Breaker(), Shared(), lambda: False)  # type: ignore[arg-type]
        yield from self.driven(change(purpose, sent(Command(("UNLINK", KEY))), (Due(KEY),)))
        self.returned = True

    def reads(self) -> Iterator[Any]:
        for _ in range(1 + bool(self.races)):
            if (yield from self.driven(sent(Command(("GET", KEY))))) == FIRST:
                raise BrokenPromiseError("the old value is back behind the invalidation")

    def driven(self, plan: Any) -> Any:
        """Carry a plan of single steps out."""
        reply = None
        while True:
            try:
                step = plan.send(reply)
            except StopIteration as end:
                return end.value
            (reply,) = yield from self.made.routing.route(Roads(self), (step,))


class Breaker:
    """A breaker that never opens."""

    def may_try(self, _turn: object) -> bool:
        return True

    def tried(self, _turn: object) -> None: ...

    def worked(self) -> None: ...


class Roads:
    """The cluster, as a trip sees it."""

    shown, namespace, timeout, hosts = "cluster", "", 1e9, (OTHER,)
    trips, failures, durable, mapped = 0, 0, 0, True

    def __init__(self, world: World) -> None:
        self.world = world
        self.journal = world.journal

    def node(self, slot: int, place: Any = None) -> Node | None:
        return self.world.nodes.get(place or self.world.learner.map.owner(slot))

    @property
    def moves(self) -> bool:
        return bool(self.world.learner.moves)

    def map_sum(self) -> int:
        owner = self.world.learner.map.owner(SLOT)
        return int(owner[1])

    def before(self, slot: int) -> Any:
        return self.world.learner.before(slot)

    def moved(self, slot: int, owner: Any) -> None:
        self.world.learner.moved(slot, owner)

    def learn_soon(self) -> None: ...

    def wrote(self, _steps: object) -> None: ...


class Call:
    """A call under way: it begins, sends, and gets its replies; each is a step."""

    def __init__(self, world: World, plan: Callable[[], Iterator[Any]]) -> None:
        self.world = world
        self.reads = plan == world.reads
        self.plan: Any = plan()
        self.state = "new"  # sent: bytes are on their way; answered: replies are; waits: until others have gone on
        self.fan: Fan | None = None
        self.outcome: Any = None

    def may_go_on(self) -> bool:
        return self.state not in ("over", "waits") and (self.state != "new" or not self.reads or self.world.returned)

    def go_on(self) -> None:
        if self.state == "sent":
            assert self.fan is not None
            self.outcome = [each.node.carry_out(each.data) for each in self.fan.hops]  # type: ignore[attr-defined]
            self.state = "answered"
            return
        reply, self.outcome = self.outcome, None
        try:
            effect = self.plan.send(reply)
        except StopIteration:
            self.state = "over"
            return
        self.fan, self.state = (effect, "sent") if isinstance(effect, Fan) else (None, "waits")


def explore(made: Parts, races: str, rounds: tuple[Any, ...]) -> int:
    """Every order of the failover, of the rounds of the learner, and of the two calls."""
    path: list[tuple[int, int]] = []
    count = 0
    while True:
        world = World(made, races)
        actors: list[list[Any]] = [[world.promote, world.demote], [getattr(world, each) for each in rounds]]
        depth = 0
        while True:
            choices = [actor for actor in actors if actor] + [each for each in world.calls if each.may_go_on()]
            if not choices:
                choices = [each for each in world.calls if each.state == "waits"]
            if not choices:
                break
            if depth == len(path):
                path.append((0, len(choices)))
            chosen = choices[path[depth][0]]
            depth += 1
            if isinstance(chosen, Call):
                chosen.go_on()
            else:
                chosen.pop(0)()
            for each in world.calls:
                if each.state == "waits" and each is not chosen:
                    each.state = "ready"
        count += 1
        while path and path[-1][0] + 1 == path[-1][1]:
            path.pop()
        if not path:
            return count
        path[-1] = (path[-1][0] + 1, path[-1][1])


STORIES = {
    "a round": ("", ("round",)),
    "a call that begins before the word": ("before", ("round",)),
    "a call that begins behind the word": ("after", ("round",)),
    "no round": ("", ()),
    "a round of the old primary": ("", ("round_of_the_old_one", "round")),
}


@pytest.mark.parametrize("name", STORIES)
def test_it_holds_in_every_order(name: str) -> None:
    assert explore(parts(), *STORIES[name]) > 20


AHEAD = "if first and road.journal.holds:"
FIRST_WORD = "            self._handed_over(handover, True)\n"
GUARDS: dict[str, tuple[str, dict[str, tuple[tuple[str, str], ...]]]] = {
    "what an heir may not have heard of": ("a round", {
        "learning": (("handed_over(self._told, found, changed(self._told, found))", "None"),)}),
    "what an heir may not have heard of, by a refusal": ("no round", {
        "learning": (("taken_over(self._told, slot, owner)", "None"),)}),
    "names before the map": ("a call that begins before the word", {
        "learning": ((FIRST_WORD, "            pass\n"),)}),
    "names of a change under way": ("a round", {
        "handovers": (("moved = self.handovers != since or self._between", "moved = False"),)}),
    "names before what is sent on": ("no round", {
        "routing": ((AHEAD, AHEAD.replace("road", "not groups[0].hops and road")),)}),
}  # fmt: skip


@pytest.mark.parametrize("name", GUARDS)
def test_the_guard_is_needed(name: str) -> None:
    story, changes = GUARDS[name]
    with pytest.raises(BrokenPromiseError):
        explore(parts(**changes), *STORIES[story])
