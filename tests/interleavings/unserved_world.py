"""Callers without a server, of threads and of event loops (the real plan), stepped in every order.

A loop may stop for good. A thread that is *inside* a loop makes its call there: the tasks of the loop stand still
until that call has ended.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from rcollections.plans import flights
from rcollections.plans.effects import Call, Wait
from rcollections.plans.functions import unserved
from rcollections.plans.functions.job import Job
from rcollections.plans.functions.recipe import Recipe
from rcollections.plans.target import Target
from tests.interleavings.parts import KEY, Boom, Cancelled, FakeBreaker, Signal

__all__ = ["Harm", "Story", "explore"]


class Harm(Exception):
    """An order of steps in which a promise is broken."""


class Story(NamedTuple):
    """Who calls, and what happens meanwhile."""

    callers: tuple[str, ...]  # "thread", "A" and "B" for tasks of these loops, "in A" for a def inside of a loop
    changes: int = 0  # of the source, told by this process
    leaves: int = 0  # callers that go away, wherever they are
    fails: int = 0  # computations that fail
    stops: str = ""  # this loop stops
    alone: bool = False  # the result is not to be kept
    plan: Any = unserved
    flights: Any = flights


class _Loop:
    """An event loop, as waiting callers see it."""

    def __init__(self, world: _World, name: str) -> None:
        self.world, self.name = world, name
        self.stopped = False
        self.waits_for: Any = None

    def is_stuck(self) -> bool:
        return self.stopped


class _Caller:
    def __init__(self, kind: str, plan: Any) -> None:
        self.kind, self.plan = kind, plan
        self.effect: Any = None
        self.floor = 0  # changes that were told when it began
        self.reads = 0  # what its computation has read
        self.over = False


class _World:
    def __init__(self, story: Story) -> None:
        self.story = story
        self.source = self.left = self.failed = 0
        self.current = 0
        self.loops = {name: _Loop(self, name) for name in "AB"}
        self.threads = story.flights.Flights(Signal, here=self.here)
        self.tasks = {name: story.flights.Flights(Signal, self.threads, home=loop) for name, loop in self.loops.items()}
        self.callers = [_Caller(kind, self.plan(kind)) for kind in story.callers]

    def plan(self, kind: str) -> Any:
        target = Target(
            KEY, "f", None, dumps=lambda value, *_: b"%d" % value, load=lambda data, *_: int(data), encode=bytes,
            read=bytes, ttl=100, mode="last", jitter=0,
        )  # fmt: skip
        ttl: Any = (lambda _: 0) if self.story.alone else 100.0
        breaker: Any = FakeBreaker()
        recipe = Recipe("f", target, self.tasks.get(kind, self.threads), breaker, ttl=ttl)
        return self.story.plan.compute_unserved(Job(recipe, KEY, (), lambda: None))

    def here(self) -> _Loop | None:
        return self.loops.get(self.callers[self.current].kind.removeprefix("in "))

    def choices(self) -> list[tuple[str, int]]:
        found = []
        for number, caller in enumerate(self.callers):
            if caller.over or self.stands_still(caller):
                continue
            effect = caller.effect
            if type(effect) is not Wait or effect.signal.ready or (effect.seconds is not None and self.stopped()):
                found.append(("go", number))
            if effect is not None and self.left < self.story.leaves:
                found.append(("leave", number))
            if type(effect) is Call and self.failed < self.story.fails:
                found.append(("fail", number))
        if self.source < self.story.changes:
            found.append(("change", 0))
        if self.story.stops and not self.loops[self.story.stops].stopped:
            found.append(("stop", 0))
        return found

    def stopped(self) -> bool:
        """Whether a look at the loops gives anything."""
        return any(loop.stopped for loop in self.loops.values())

    def stands_still(self, caller: _Caller) -> bool:
        loop = self.loops.get(caller.kind)
        inside = (each for each in self.callers if each.kind == f"in {caller.kind}")
        return loop is not None and (loop.stopped or any(each.effect is not None and not each.over for each in inside))

    def go(self, number: int) -> None:
        caller = self.callers[number]
        if caller.effect is None:
            caller.floor = self.source
            self.step(number, caller.plan.send, None)
        elif type(caller.effect) is Call:
            self.step(number, caller.plan.send, caller.reads)
        else:
            self.step(number, caller.plan.send, caller.effect.signal.ready)

    def leave(self, number: int) -> None:
        self.left += 1
        self.step(number, self.callers[number].plan.throw, Cancelled())

    def fail(self, number: int) -> None:
        self.failed += 1
        self.step(number, self.callers[number].plan.throw, Boom(self.callers[number].reads))

    def change(self, _: int) -> None:
        self.source += 1
        if self.threads.changes.running:
            self.threads.changes.count += 1

    def stop(self, _: int) -> None:
        self.loops[self.story.stops].stopped = True

    def step(self, number: int, how: Any, what: Any) -> None:
        self.current, caller = number, self.callers[number]
        try:
            caller.effect = how(what)
        except StopIteration as end:
            self.ended(caller, end.value)
        except Boom as error:
            self.ended(caller, error.args[0])
        except Cancelled:
            caller.over = True
        else:
            if type(caller.effect) is Call:
                caller.reads = self.source
                self.alone_computes()

    def ended(self, caller: _Caller, version: int) -> None:
        caller.over = True
        if version < caller.floor:
            raise Harm(f"{version}, though {caller.floor} had been told")

    def alone_computes(self) -> None:
        """Nobody computes what another one computes, but for the reasons that are said."""
        story = self.story
        if story.changes or story.stops or story.alone or any(each.startswith("in ") for each in story.callers):
            return
        if sum(type(each.effect) is Call and not each.over for each in self.callers) > 1:
            raise Harm("two compute at the same time")

    def finished(self) -> None:
        """Nothing more can happen."""
        for caller in self.callers:
            if not caller.over and caller.kind != self.story.stops:
                raise Harm(f"{caller.kind} waits for ever")

    def key(self) -> Any:
        seen: dict[int, int] = {}
        parts = [_state(each, seen) for each in self.callers]
        table = [_of(each, seen) for each in self.threads.unserved.values()]
        return str((
            parts, table, self.source, self.left, self.failed, self.threads.changes.count,
            [each.stopped for each in self.loops.values()],
        ))  # fmt: skip


def _state(caller: _Caller, seen: dict[int, int]) -> Any:
    found = []
    plan = None if caller.over else caller.plan
    while plan is not None:
        frame = plan.gi_frame
        if frame is not None:
            held = [_of(frame.f_locals[name], seen) for name in ("mine", "there") if name in frame.f_locals]
            found.append((plan.__name__, frame.f_lasti, held))
        plan = plan.gi_yieldfrom
    ready = type(caller.effect) is Wait and caller.effect.signal.ready
    return found, caller.over, caller.floor, caller.reads, ready


def _of(one: Any, seen: dict[int, int]) -> Any:
    """One computation: which of all, and how it stands."""
    number = seen.setdefault(id(one), len(seen))
    return number, one.begun, one.joined, one.over, one.valued, one.value, one.alone, one.error is None


def explore(story: Story) -> int:
    """Every order of the steps; gives how many states there are. Harm, with the order, where a promise is broken."""
    known: set[Any] = set()
    paths: list[tuple[tuple[str, int], ...]] = [()]
    while paths:
        path = paths.pop()
        world = _World(story)
        try:
            for name, number in path:
                getattr(world, name)(number)
            choices = world.choices()
            if not choices:
                world.finished()
        except Harm as harm:
            raise Harm(f"{harm}: {' '.join(f'{name} {number}' for name, number in path)}") from None
        key = world.key()
        if key not in known:
            known.add(key)
            paths += [(*path, choice) for choice in choices]
    return len(known)
