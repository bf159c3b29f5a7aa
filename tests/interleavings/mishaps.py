"""What goes wrong in a world, and how its time passes: one step each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rcollections.errors import CacheConnectionError
from rcollections.plans.effects import Script
from tests.interleavings.parts import Cancelled, Process
from tests.interleavings.promises import Broken

if TYPE_CHECKING:
    from tests.interleavings.model import Model
    from tests.interleavings.parts import Actor, Held
    from tests.interleavings.promises import Promises
    from tests.interleavings.scenario import Scenario

__all__ = ["Mishaps"]


class Mishaps:
    """Half of ``World``."""

    scenario: Scenario
    model: Model
    promises: Promises
    actors: list[Actor]
    processes: list[Process]
    late: list[tuple[Script, Held | None]]
    ticks: list[int]
    evictions: list[str]
    faults: int
    crashes: int
    cancels: int
    current: Actor | None
    add: Any
    answer: Any
    moves: Any
    resume: Any
    serve: Any
    step: Any

    # -- what goes wrong ---------------------------------------------------------------------------

    def _late_copy(self, number: int) -> None:
        """No answer in time: the message may arrive later, or never."""
        actor = self.actors[number]
        self.faults -= 1
        actor.failed = True
        self.late.append((actor.effect, None))
        self.answer(actor, None, CacheConnectionError("no answer"))

    def _lost_reply(self, number: int) -> None:
        """It arrived, but its reply did not."""
        actor = self.actors[number]
        self.faults -= 1
        actor.failed = True
        self.current = actor
        self.serve(actor.effect)
        self.answer(actor, None, CacheConnectionError("no answer"))

    def _late(self, number: int) -> None:
        step, held = self.late.pop(number)
        self.current = None
        reply = self.serve(step)
        if held is not None and reply[0] != b"ok":
            held.stopped = True

    def _renew(self, number: int) -> None:
        """A renewal is sent; it arrives when it likes."""
        held = self.actors[number].held
        assert held is not None
        held.renewed += 1
        self.late.append((Script("lease_renew", (held.lease,), (held.token, held.ms)), held))

    def _evict(self, key: str) -> None:
        self.evictions.remove(key)
        self.model.unlink(key.encode())
        self.promises.evicted(key)

    def _crash(self, number: int) -> None:
        """The whole process ends, as with kill -9."""
        self.crashes -= 1
        for actor in self.actors:
            if actor.process is self.actors[number].process:
                actor.crashed = True

    def _cancel(self, number: int) -> None:
        self.cancels -= 1
        actor = self.actors[number]
        actor.replied = False
        actor.batch = []
        self.resume(actor, None, Cancelled())

    # -- time --------------------------------------------------------------------------------------

    def _tick(self) -> None:
        self.model.advance(self.ticks.pop(0))

    def _idle(self) -> None:
        """Nobody can go on: time passes until somebody can."""
        if self.scenario.prompt:
            raise Broken("somebody waits although there is nothing to wait for")
        ends = [actor.until for actor in self.actors if not actor.over and actor.until is not None]
        if not ends:
            raise Broken("somebody waits for ever")
        self.model.advance(min(ends) - self.model.now)
        if self.model.now > self.scenario.patience:
            raise Broken(f"somebody still waits after {self.model.now} ms")

    def _end(self) -> None:
        """All have ended: one more call, alone, must get an answer that is right and in time."""
        self.ended = True
        before = self.model.now
        process = Process(self, len(self.processes), False)
        self.processes.append(process)
        for life in self.scenario.after:
            actor = self.add(process, life(self, self.scenario.at(process)))
            for _ in range(200):
                if actor.over:
                    break
                moves = self.moves(actor)
                if moves:
                    self.step(moves[0])
                elif actor.until is None:
                    raise Broken("the last caller waits for ever")
                else:
                    self.model.advance(actor.until - self.model.now)
            if not actor.over or self.model.now - before > self.scenario.patience:
                raise Broken("the last caller gets no answer in time")
