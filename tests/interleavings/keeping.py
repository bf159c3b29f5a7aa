"""Worlds whose processes keep what could not be sent (rule J1): the real journal, carried by trips and by a probe.

A change that got no answer was carried out all the same, or was not. What a process owes since then, its own calls
get from the next one on; everybody gets it once the journal is empty.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rcollections.errors import CacheConnectionError, CacheError
from rcollections.plans.effects import Batch, Command, Script
from rcollections.plans.purpose import Purpose
from rcollections.wire.due import names
from tests.interleavings.actors import calling
from tests.interleavings.asking import asked
from tests.interleavings.parts import Change, FakeBreaker, Process
from tests.interleavings.promises import BY_HAND, Broken, Promises
from tests.interleavings.world import World

if TYPE_CHECKING:
    from collections.abc import Callable

    from rcollections.plans.effects import Plan
    from rcollections.plans.functions.job import Job
    from rcollections.wire.due import Taken
    from tests.interleavings.parts import Actor
    from tests.interleavings.scenario import Scenario

__all__ = ["KeepingPromises", "KeepingWorld", "kept_bump", "kept_delete", "put_after"]

NOBODY = frozenset[str]()


class KeepingProcess(Process):
    """A process with a journal. What it carries: by the number of the actor, None is the probe."""

    def __init__(self, world: KeepingWorld, number: int, split: bool) -> None:
        super().__init__(world, number, split)
        self.journal = world.parts.journal("model")
        self.owes = 0
        self.carries: dict[int | None, tuple[Taken, bool]] = {}  # and whether the server has removed it
        world.named[id(self.journal)] = f"journal {number}"

    def job(self, *args: Any, **options: Any) -> Job[Any]:
        return super().job(*args, journal=self.journal, **options)

    def state(self) -> Any:
        journal = self.journal
        order = sorted(number for _, number, _ in journal._names.values())
        kept = sorted((key, order.index(number)) for key, (_, number, _) in journal._names.items())
        carried = sorted(
            (-1 if who is None else who, removed, sorted((due.key, journal._names.get(due.key, ("", 0))[1] == number)
             for due, number in taken.dues))
            for who, (taken, removed) in self.carries.items()
        )  # fmt: skip
        return super().state(), kept, sorted(journal._under_way), carried, self.owes


class KeepingPromises(Promises):
    """A call gets at least what its own process owes."""

    def begins(self) -> tuple[int, int]:
        floor, fresh = super().begins()
        actor = self.world.current
        owes = getattr(actor.process if actor is not None else None, "owes", 0)
        return max(floor, owes), max(fresh, owes)


class KeepingWorld(World):
    """A message that gets no answer has been carried out, or gets lost."""

    def __init__(self, scenario: Scenario) -> None:
        self.clear: set[int] = set()  # actors whose step may be sent: what was kept before has been removed
        super().__init__(scenario)

    def process(self, number: int, split: bool) -> Process:
        return KeepingProcess(self, number, split)

    def choices(self) -> list[Any]:
        found = [each for each in super().choices() if each != ("idle",)]
        for process in self.processes:
            if isinstance(process, KeepingProcess):
                if None in process.carries:
                    found.append(("carried", process.number, None))
                elif process.journal.due() and not process.journal._under_way:
                    found.append(("carry", process.number, None))
        if not found and any(not actor.over for actor in self.actors):
            found.append(("idle",))
        over = all(not getattr(process, "journal", ()) for process in self.processes)
        return found if over else [each for each in found if each != ("end",)]

    def moves(self, actor: Actor) -> list[Any]:
        found = [("lost", *each[1:]) if each[0] == "late copy" else each for each in super().moves(actor)]
        process = actor.process
        if not isinstance(process, KeepingProcess) or ("do", actor.number) not in found:
            return found
        if not isinstance(actor.effect, (Command, Script, Batch)) or actor.batch or not self.parts.ahead:
            return found
        if actor.number in process.carries:
            return [("carried", process.number, actor.number)]
        if not process.journal.holds or actor.number in self.clear:
            return found
        lost = [each for each in found if each[0] == "lost"]  # no time is left, or the breaker lets nobody ask
        return lost if process.journal.waits(self.words(actor)) else [*lost, ("carry", process.number, actor.number)]

    def words(self, actor: Actor) -> frozenset[str]:
        effect = actor.effect
        return names(effect.steps if isinstance(effect, Batch) else (effect,))

    def _lost(self, number: int) -> None:
        """It never arrives."""
        actor = self.actors[number]
        self.faults -= 1
        actor.failed = True
        self.answer(actor, None, CacheConnectionError("no answer"))

    def _carry(self, process: int, number: int | None) -> None:
        """A trip takes names, and sends them."""
        mine: Any = self.processes[process]
        taken = mine.journal.take(NOBODY if number is None else self.words(self.actors[number]))
        if taken.dues:
            mine.carries[number] = taken, False
        elif number is not None:
            self.clear.add(number)

    def _carried(self, process: int, number: int | None) -> None:
        """They arrive; and in another step the answer is heard."""
        mine: Any = self.processes[process]
        taken, removed = mine.carries[number]
        self.current = None
        if not removed:
            for step in self.parts.removal([due for due, _ in taken.dues]):
                self.serve(step)
            mine.carries[number] = taken, True
            return
        del mine.carries[number]
        mine.journal.delivered(taken)
        if number is not None:
            self.clear.add(number)
        if not mine.journal.holds:
            self.promises.invalidated(mine.owes)

    def resume(self, actor: Actor, reply: Any, error: BaseException | None = None) -> None:
        self.clear.discard(actor.number)
        super().resume(actor, reply, error)

    def more(self, canon: Any) -> Any:
        return tuple(sorted(self.clear))


# -- lives ---------------------------------------------------------------------------------------------


def owing(w: World, version: int) -> None:
    """The change raised: the process makes up for it."""
    assert w.current is not None
    process: Any = w.current.process
    process.owes = max(process.owes, version)


def kept_delete(times: int = 1, then_calls: bool = True, of: Any = None) -> Any:
    """Changes the source and drops the entry, which may fail; then it calls, or lives the life ``of``."""

    def life(w: World, job: Callable[..., Job[Any]]) -> Plan[None]:
        one = job()
        for _ in range(times):
            version = yield Change()
            try:
                yield from w.parts.invalidate.delete(one)
            except CacheError:
                owing(w, version)
            else:
                w.promises.invalidated(version)
        if then_calls:
            yield from calling(w, one) if of is None else of(w, job)

    return life


def kept_bump(*tags: str) -> Any:
    """The same with tags."""

    def life(w: World, job: Callable[..., Job[Any]]) -> Plan[None]:
        one = job()
        breaker: Any = FakeBreaker()
        version = yield Change()
        try:
            purpose = Purpose(breaker, one.recipe.journal, lambda: False)
            yield from w.parts.bump.invalidate(tags, "", purpose, lambda: True)
        except CacheError:
            owing(w, version)
        else:
            w.promises.invalidated(version)
        yield from calling(w, one)

    return life


def put_after(w: World, job: Callable[..., Job[Any]]) -> Plan[None]:
    """A deletion that may fail, and then a put: nothing that is sent late may remove what was put."""
    one = job()
    yield from kept_delete(then_calls=False)(w, job)
    version = yield Change()
    yield from w.parts.put.store(one, BY_HAND + version)
    w.promises.invalidated(version)
    floor = w.promises.begins()
    value = yield from asked(w.parts, one)
    w.promises.returned(value, floor)
    if value != BY_HAND + version:
        raise Broken(f"{BY_HAND + version} was put, and read as {value}")
