"""A caller that settles (the real plan), a server, and the ear of another process, stepped in every order.

Time goes by in ticks; values may be ``STALENESS`` ticks old. The server sends in order, and the ear reads at any moment
what has come. ``busy``: the server acknowledges a change before it announces it, as past its busy threshold; a PING is
executed after that only. The ear's rules can be left out one by one.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from rcollections.plans import settling
from rcollections.plans.effects import Command, InTurn, Now, Script, Sleep

__all__ = ["Ear", "Old", "Story", "explore"]

STALENESS = 2
PINGS = 3  # that the ear sends at most


class Old(Exception):
    """A process could serve a value that was replaced before a settled change."""


class Ear(NamedTuple):
    """The rules of the ear; a False leaves one out."""

    enters_first: bool = True
    answers_behind: bool = True
    new_id: bool = True
    leaves_last: bool = True


class Story(NamedTuple):
    """What happens: how many changes, how many ticks, and what goes wrong."""

    changes: int = 1
    ticks: int = 3
    busy: bool = False
    starts: bool = False  # the other process is not live yet
    drops: bool = False  # the ear breaks off once
    ear: Ear = Ear()
    plan: Any = settling


class _World:
    def __init__(self, story: Story) -> None:
        self.story = story
        self.clock = 0
        self.value, self.unsaid = 0, 0  # changes so far; those that are not announced yet
        self.queue: list[tuple[str, int]] = []
        self.table: dict[bytes, bytes] = {}
        self.round = 0
        self.ids = 0
        self.id = b""
        self.live = False
        self.held = 0
        self.pinged: int | None = None
        self.before: int | None = None
        self.proof = 0
        self.noted = 0
        self.entered = True
        self.settled = 0  # the change that was settled last
        self.dropped = not story.drops
        self.looked: Any = None
        self.pings = PINGS
        self.plan: Any = None
        where = story.plan.Listeners("rc:z", "rc:z:0", float(STALENESS), lambda: b"me/", lambda: float("inf"), {})
        self.settling = story.plan.Settling(object, where)
        if not story.starts:
            self.enter()
            self.live = True
        else:
            self.held = -1

    def enter(self) -> None:
        self.ids += 1
        self.id = b"ear%d" % self.ids
        self.table[self.id] = b"%d000:0" % STALENESS

    # -- what may happen next

    def choices(self) -> list[str]:
        found = []
        if self.plan is None and self.value < self.story.changes:
            found.append("change")
        if self.plan is not None and self.looked != (self.clock, tuple(sorted(self.table.items()))):
            found.append("settle")
        if self.clock < self.story.ticks:
            found.append("tick")
        if self.queue:
            found.append("read")
        if self.noted:
            found.append("answer")
        if self.pinged is None and self.id and self.pings:
            found.append("ping")
        if not self.live and not self.id:
            found.append("start")
        if self.held == -1 and self.live and self.clock < self.proof + STALENESS:
            found.append("fill")
        if not self.dropped:
            found.append("drop")
        return found

    def step(self, choice: str) -> None:
        getattr(self, choice)()
        if self.live and self.held != -1 and self.held < self.settled and self.clock < self.proof + STALENESS:
            raise Old

    def change(self) -> None:
        self.value += 1
        if self.story.busy:
            self.unsaid += 1
        else:
            self.queue.append(("changed", self.value))
        self.plan = self.settling.settle()
        self.looked = None
        self.go(None)

    def settle(self) -> None:
        self.go(None)

    def go(self, reply: Any) -> None:
        """Let the caller go on to where it waits."""
        try:
            while True:
                effect = self.plan.send(reply)
                if type(effect) is Sleep:
                    self.looked = self.clock, tuple(sorted(self.table.items()))
                    return
                reply = self.reply(effect)
        except StopIteration:
            self.plan, self.settled = None, self.value

    def reply(self, effect: Any) -> Any:
        if type(effect) is Now:
            return float(self.clock)
        if type(effect) is Command:
            return self.fields()
        assert type(effect) is InTurn
        return [self.asked(step) if type(step) is Script else self.pong() for step in effect.steps]

    def pong(self) -> bytes:
        self.announce()
        return b"PONG"

    def announce(self) -> None:
        while self.unsaid:
            self.queue.append(("changed", self.value))
            self.unsaid -= 1

    def asked(self, step: Any) -> list[Any]:
        for each, value in zip(step.args[1::2], step.args[2::2], strict=True):
            if self.table.get(each) == value:
                del self.table[each]
        self.round += 1
        self.queue.append(("round", self.round))
        flat = [word for pair in self.fields().items() for word in pair]
        reply = [b"ok", self.round, min(1, len(self.table)), *flat]
        self.announce()
        return reply

    def fields(self) -> dict[bytes, bytes]:
        return {**self.table, b"round": b"%d" % self.round}

    def tick(self) -> None:
        self.clock += 1

    # -- the ear

    def start(self) -> None:
        if self.story.ear.enters_first:
            self.enter()
        else:
            self.ids += 1
            self.id = b"ear%d" % self.ids
            self.entered = False
        self.live, self.proof = True, self.clock

    def fill(self) -> None:
        self.held = self.value

    def ping(self) -> None:
        self.pinged = self.clock
        self.pings -= 1
        self.announce()
        self.queue.append(("pong", 0))

    def read(self) -> None:
        queue, self.queue = self.queue[:1], self.queue[1:]
        if not self.story.ear.answers_behind:  # it answers before it has read what came first
            rounds = [number for word, number in [*queue, *self.queue] if word == "round"]
            if rounds and self.table.get(self.id) is not None:
                self.table[self.id] = b"%d000:%d" % (STALENESS, max(rounds))
                self.queue = [*queue, *(each for each in self.queue if each[0] != "round")]
                return
        for word, number in queue:
            if word == "changed":
                self.held = -1
            elif word == "round":
                self.noted = number
        if any(word == "pong" for word, _ in queue):
            if self.before is not None:
                self.prove(self.before)
            self.before, self.pinged = self.pinged, None

    def prove(self, instant: int) -> None:
        if not self.entered:
            self.enter()
            self.entered = True
        if self.clock >= self.proof + STALENESS and self.story.ear.new_id:
            self.table.pop(self.id, None)
            self.enter()
            self.noted, self.pinged = 0, None  # two PONGs anew
            self.proof = self.clock - STALENESS  # nothing is served until then
            self.live = self.live and True
            self.restarted()
            return
        self.proof = max(self.proof, instant)

    def restarted(self) -> None:
        self.queue = [each for each in self.queue if each[0] != "pong"]

    def answer(self) -> None:
        number, self.noted = self.noted, 0
        if self.id not in self.table:
            if self.story.ear.new_id:
                self.held, self.live = -1, False
                self.id = b""
                self.pinged = self.before = None
                self.restarted()
            return
        self.table[self.id] = b"%d000:%d" % (STALENESS, number)

    def drop(self) -> None:
        """The ear breaks off: L1 is emptied, then it leaves."""
        self.dropped = True
        self.queue.clear()
        self.table.pop(self.id, None)
        if self.story.ear.leaves_last:
            self.held, self.live, self.id = -1, False, b""
            self.pinged = self.before = None

    def key(self) -> Any:
        return (
            self.clock, self.value, self.unsaid, tuple(self.queue), tuple(sorted(self.table.items())), self.round,
            self.id, self.live, self.held, self.pinged, self.before, self.proof, self.noted, self.entered, self.settled,
            self.dropped, self.looked, self.pings, _state(self.plan), repr(self.settling.listeners.silent),
        )  # fmt: skip


def _state(plan: Any) -> tuple[str, ...]:
    """Where the caller is, without what only says how long it sleeps."""
    found = []
    while plan is not None:
        frame = plan.gi_frame
        if frame is not None:
            names = {
                name: each for name, each in frame.f_locals.items() if name in ("open_", "longest", "number", "unknown")
            }
            found.append(f"{plan.__name__} {frame.f_lasti} {sorted(names.items(), key=str)}")
        plan = plan.gi_yieldfrom
    return tuple(found)


def explore(story: Story) -> int:
    """Every order of the steps; gives how many states there are. Old, with the order, where one breaks the promise."""
    known: set[Any] = set()
    paths: list[tuple[str, ...]] = [()]
    while paths:
        path = paths.pop()
        world = _World(story)
        try:
            for choice in path:
                world.step(choice)
        except Old:
            raise Old(" ".join(path)) from None
        if world.key() not in known:
            known.add(world.key())
            paths += [(*path, choice) for choice in world.choices()]
    return len(known)
