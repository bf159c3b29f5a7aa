"""Rule K13 in every order: an invalidation, a trip that reads, and a map that is learned, around one failover.

The real journal. The old primary goes on: it acknowledges whatever reaches it, and nothing of that gets to the replica,
which has become the primary. The promise: once the invalidation has returned, no trip that begins then reads the old
entry at the new primary, and in the end the entry is gone there. Each safeguard left out does harm.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import pytest

from rcollections.plans.purpose import Due
from rcollections.plans.slots import slot_of
from rcollections.servers.journal import Journal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rcollections.wire.due import Taken

Steps = "Generator[None, None, None]"
KEY = "entry"
OLD, NEW = "old primary", "new primary"
MOST = 4  # times that a trip begins anew


class Stale(Exception):
    """A trip read the old entry at the new primary."""


class Rules(NamedTuple):
    """What is kept to; a False leaves one out."""

    told_before: bool = True  # the journal hears of the handover before the map counts
    told_behind: bool = True  # and once more behind that
    looks_again: bool = True  # a trip begins anew where there was a handover since it looked into the journal
    since: bool = True  # a change that was under way is sent again
    waits: bool = True  # nothing is taken out between the two
    same_map: bool = True  # a trip begins anew where the map is another one than that by which it carried names
    remembers: bool = True  # what the journal has delivered is remembered too


class World:
    def __init__(self, rules: Rules, failed: bool) -> None:
        self.rules = rules
        self.journal = Journal("model")
        self.journal.remembers = rules.remembers
        self.map = OLD
        self.promoted = False
        self.returned = False
        self.has = {OLD: True, NEW: True}  # whether the old entry is there
        if failed:  # the invalidation has failed before all this, and was kept
            self.journal.keep([Due(KEY)])
            self.returned = True

    def remove(self, node: str) -> bool:
        """Whether it was acknowledged."""
        if node == NEW and not self.promoted:
            return False
        self.has[node] = False
        return True

    def deliver(self, taken: Taken, node: str) -> None:
        if self.remove(node):
            self.journal.delivered(taken)
        else:
            self.journal.put_back(taken)

    def invalidates(self) -> Iterator[None]:
        since, node = self.journal.handovers, self.map
        yield
        if not self.remove(node):
            self.journal.keep([Due(KEY)])
        else:
            yield
            self.journal.done([Due(KEY)], None, since if self.rules.since else self.journal.handovers, True,
                              {node: [Due(KEY)]})  # fmt: skip
        self.returned = True

    def reads(self) -> Iterator[None]:
        begins_behind = self.returned
        for _ in range(MOST):
            handovers, by = self.journal.handovers, ""
            if self.journal.holds:
                by = self.map
                taken = self.journal.take(frozenset((KEY,)))
                if taken is not None and taken.dues:
                    node = self.map
                    yield
                    acknowledged = self.remove(node)
                    yield
                    if acknowledged:
                        self.journal.delivered(taken)
                    else:
                        self.journal.put_back(taken)
                        return  # it raises
            yield
            node = self.map
            if self.rules.looks_again and self.journal.handovers != handovers:
                continue
            if self.rules.same_map and by and node != by:
                continue
            if node == NEW and self.has[NEW] and begins_behind:
                raise Stale
            return

    def learns(self) -> Iterator[None]:
        self.promoted = True
        yield
        slots = (slot_of(KEY),)
        if self.rules.told_before:
            self.journal.again(1.0, slots, {OLD: NEW})
            if not self.rules.waits:
                self.journal._opened = 0
            yield
        self.map = NEW
        if self.rules.told_behind:
            yield
            self.journal.again(1.0, slots, {NEW: NEW} if self.rules.told_before else {OLD: NEW}, begins=False)
        self.journal._opened = 0  # also where one of the two was left out

    def end(self) -> None:
        """Whatever is kept is sent; then nothing old is left."""
        while self.journal.holds:
            taken = self.journal.take(frozenset())
            assert taken is not None
            self.deliver(taken, self.map)
        if self.returned and self.has[NEW]:
            raise Stale


def run(rules: Rules, failed: bool, order: list[int]) -> tuple[list[int], list[int]]:
    """One order, by who is next; gives whose turns there were, and who could have gone on at the first free choice."""
    world = World(rules, failed)
    actors = [world.reads(), world.learns(), *(() if failed else (world.invalidates(),))]
    alive, taken, free = set(range(len(actors))), [], []
    for turn in range(100):
        if not alive:
            break
        choices = sorted(alive)
        who = order[turn] if turn < len(order) else choices[0]
        if turn == len(order):
            free = choices
        taken.append(who)
        try:
            next(actors[who])
        except StopIteration:
            alive.discard(who)
    world.end()
    return taken, free


def explore(rules: Rules, failed: bool = False) -> int:
    """All orders; gives how many."""
    count, left = 0, [[]]
    left_: list[list[int]] = list(left)
    while left_:
        order = left_.pop()
        taken, free = run(rules, failed, order)
        count += 1
        for at in range(len(order), len(taken)):
            if at == len(order):
                choices = free
            else:
                _, choices = run(rules, failed, taken[:at])
            left_ += [[*taken[:at], other] for other in choices if other != taken[at]]
    return count


@pytest.mark.parametrize("failed", [False, True])
def test_no_order_brings_the_old_entry_back(failed: bool) -> None:
    assert explore(Rules(), failed) > 50


HANDOVER_GUARDS = {
    "told before the map counts": (Rules(told_before=False), False),
    "told once more behind that": (Rules(told_behind=False), False),
    "nothing is taken out in between": (Rules(waits=False), False),
    "a trip goes by one map": (Rules(same_map=False), False),
    "a trip looks again": (Rules(looks_again=False), False),
    "a change that was under way": (Rules(since=False), False),
    "what was delivered is remembered": (Rules(remembers=False), True),
}


@pytest.mark.parametrize("name", HANDOVER_GUARDS)
def test_each_guard_is_needed(name: str) -> None:
    rules, failed = HANDOVER_GUARDS[name]
    with pytest.raises(Stale):
        explore(rules, failed)
