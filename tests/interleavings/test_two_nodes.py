"""The real tier with two nodes, in every order: a value whose key is on the one and whose tag is on the other.

Promised is: a hit gives what both servers had at one moment within ``staleness`` before it. And after the map was
followed no hit gives what was read before in a slot that moved, since nobody announces its changes any more.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from rcollections.l1 import ABSENT
from rcollections.l1.tier import Tier
from tests.interleavings.mutants import changed

if TYPE_CHECKING:
    from collections.abc import Iterator

STALENESS, HALF = 1000, 600  # ms
KEY, TAG, OWNER = "k", "rc:t:x", 2
SLOTS = (5, 7)  # of the key and of the tag


class BrokenPromiseError(Exception):
    """A hit gave what it must not."""


class World:
    """Two servers with one name each (a key, a tag), their ears, and the tier."""

    def __init__(self, tier: type[Tier]) -> None:
        self.now = 0
        self.tier = tier(10, staleness=STALENESS / 1000, clock=self.clock, wall=self.clock)
        self.value = [0, 0]  # of the key on node 0, of the tag on node 1
        self.since = {(0, 0): 0}
        self.until: dict[tuple[int, ...], int] = {}
        self.queue: list[list[str | None]] = [[], []]
        self.hears, self.heard = [True, True], [True, True]
        self.pinged = [0, 0]
        self.token: Any = None
        self.reply: Any = None
        self.early = False  # the token is from before the map was followed
        self.followed = False
        self.moved = False
        for node in (0, 1):
            self.tier.begin(node=node)
            self.tier.prove(self.tier.instant(), node)

    def clock(self) -> float:
        return self.now / 1000

    def hold(self) -> None:
        self.take()
        self.ask()
        self.bring()

    # -- steps

    def write(self, node: int) -> None:
        self.until[tuple(self.value)] = self.now
        self.value[node] += 1
        if self.heard[node] and not (node == 0 and self.moved):
            self.queue[node].append((KEY, TAG)[node])

    def flush(self, node: int) -> None:
        self.write(node)
        if self.queue[node]:
            self.queue[node][-1] = None

    def ping(self, node: int) -> None:
        self.pinged[node] = self.now

    def pong(self, node: int) -> None:
        """All that came before is told, then what that proves (two PONGs are tested elsewhere)."""
        if not self.heard[node] or not self.hears[node]:
            return
        for name in self.queue[node]:
            if name is None:
                self.tier.void(node)
            else:
                self.tier.changed([name.encode()])
        self.queue[node] = []
        self.tier.prove((self.pinged[node] * 10**6, self.pinged[node] * 10**6), node)

    def cut(self, node: int) -> None:
        self.heard[node], self.queue[node] = False, []

    def eof(self, node: int) -> None:
        if not self.heard[node]:
            self.hears[node] = False
            self.tier.lost(node)

    def back(self, node: int) -> None:
        if not self.hears[node]:
            self.hears[node] = self.heard[node] = True
            self.tier.begin(node=node)
            self.pinged[node] = self.now
            self.pong(node)

    def tick(self, ms: int) -> None:
        self.now += ms

    def prove(self, node: int) -> None:
        """A whole period of the proof."""
        self.ping(node)
        self.pong(node)

    def take(self, _: int = 0) -> None:
        self.early = not self.followed
        self.token = self.tier.token(KEY, (TAG,), 0b11, SLOTS)

    def ask(self, _: int = 0) -> None:
        self.reply = tuple(self.value)

    def bring(self, _: int = 0) -> None:
        if self.token is not None:
            self.tier.keep(self.token, OWNER, (1,), (self.reply, self.early))

    def move(self, _: int = 0) -> None:
        """The slot of the key gets another owner, whom nobody here listens to."""
        self.moved = True

    def follow(self, _: int = 0) -> None:
        if self.moved:
            self.followed = True
            self.tier.moved({SLOTS[0]})

    def hit(self, _: int = 0) -> None:
        found = self.tier.held(OWNER, (1,), ABSENT)
        if found is ABSENT:
            return
        value, early = found
        if self.followed and early:
            raise BrokenPromiseError(f"{value} was read before the map was followed")
        if not self.moved and self.until.get(value, self.now) + STALENESS <= self.now:
            raise BrokenPromiseError(f"{value} was given at {self.now} ms, and is too old")


Step = tuple[Callable[..., None], int]
FILL: list[Step] = [(World.take, 0), (World.ask, 0), (World.bring, 0)]
HITS: list[Step] = [(World.hit, 0)]
TIME: list[Step] = [(World.tick, HALF), (World.tick, HALF)]
LONG: list[Step] = [(World.tick, STALENESS)]
PROVE: list[Step] = [(World.prove, 0)]


def proof(node: int) -> list[Step]:
    return [(World.ping, node), (World.pong, node)]


SCENARIOS: dict[str, tuple[bool, list[list[Step]]]] = {
    "the tag changes": (True, [[(World.write, 1)], proof(0), proof(1), TIME, HITS]),
    "the key changes": (True, [[(World.write, 0)], proof(0), proof(1), TIME, HITS]),
    "the tag's node is flushed": (True, [[(World.flush, 1)], proof(0), proof(1), TIME, HITS]),
    "a fill beside a flush": (
        False, [[(World.flush, 1), (World.prove, 1), (World.prove, 1)], PROVE, FILL, LONG]),
    "the tag's node is lost": (
        True, [[(World.cut, 1), (World.write, 1), (World.eof, 1), (World.back, 1)], proof(0), TIME, HITS]),
    "a fill beside a loss": (
        False, [[(World.cut, 1), (World.write, 1), (World.eof, 1), (World.back, 1)], PROVE, FILL, LONG]),
    "the slot moves": (True, [[(World.move, 0), (World.write, 0), (World.follow, 0)], proof(0), HITS]),
    "a fill beside a move": (False, [[(World.move, 0), (World.write, 0), (World.follow, 0)], FILL, HITS]),
}  # fmt: skip


def orders(actors: list[list[Step]]) -> Iterator[list[Step]]:
    """All orders that keep the order of each actor."""
    if not any(actors):
        yield []
        return
    for n, actor in enumerate(actors):
        if actor:
            rest = [*actors[:n], actor[1:], *actors[n + 1 :]]
            for order in orders(rest):
                yield [actor[0], *order]


def explore(name: str, tier: type[Tier] = Tier) -> int:
    warm, actors = SCENARIOS[name]
    count = 0
    for order in orders(actors):
        world = World(tier)
        if warm:
            world.hold()
        for step, node in order:
            step(world, node)
        world.hit()
        count += 1
    return count


@pytest.mark.parametrize("name", SCENARIOS)
def test_it_holds_in_every_order(name: str) -> None:
    assert explore(name) > 10


DROPS = "            self._leave_behind(lambda token: bool(token.nodes >> node & 1))\n"
GUARDS = {
    "the proof of each node": ((("return all(now", "return any(now"),), "the tag changes"),
    "a proof is of its node": (
        (("                self._at[node], self._until[node] = now, now + self._staleness\n"
          "                self._until_wall[node] = wall + self._staleness\n",
          "                self._until = [now + self._staleness] * NODES\n"
          "                self._until_wall = [wall + self._staleness] * NODES\n"),), "the tag changes"),
    "a flush of one node drops": (
        (("            self._leave_behind(lambda token: bool(token.nodes >> node & 1), node)\n            return\n",
          "            return\n"),), "the tag's node is flushed"),
    "the epoch of one node": (
        (("                    self._epochs[node] += 1\n", "                    pass\n"),), "a fill beside a flush"),
    "a loss of one node drops": (((DROPS, "            pass\n"),), "the tag's node is lost"),
    "the fence of a loss": ((("            or token.epoch != self._epoch\n", ""),), "a fill beside a loss"),
    "slots that moved go": (
        (("        self._leave_behind(lambda token: not gone.isdisjoint(token.slots))\n",
          "        self._epoch += 1\n"),), "the slot moves"),
    "the fence of a move": ((("            or token.epoch != self._epoch\n", ""),), "a fill beside a move"),
}  # fmt: skip


@pytest.mark.parametrize("name", GUARDS)
def test_the_guard_is_needed(name: str) -> None:
    changes, scenario = GUARDS[name]
    with pytest.raises(BrokenPromiseError):
        explore(scenario, changed("l1.tier", *changes).Tier)
