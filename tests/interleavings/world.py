"""A world: the model of the server, processes, actors that run the real plans, time and a bad network.

``choices()`` are the steps that may come next, ``step`` takes one. A command of an actor that is alone in its
process is one step, with all that its plan does until the next effect: nobody else could see it in between.
Where actors share a process, sending, executing and hearing the reply are steps of their own.
"""

from __future__ import annotations

import marshal
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from rcollections.plans import draws
from rcollections.plans.effects import Batch, Call, Command, Hold, Now, Script, Sleep, Spawn, Subscribe, Wait
from tests.interleavings.canonical import Canon
from tests.interleavings.mishaps import Mishaps
from tests.interleavings.model import Model
from tests.interleavings.parts import Actor, Ask, Cancelled, Change, Handle, Held, Process, Signal
from tests.interleavings.promises import Broken

if TYPE_CHECKING:
    from tests.interleavings.scenario import Scenario

__all__ = ["World"]

Choice = tuple[Any, ...]
SHORT = 100  # ms


class World(Mishaps):
    """One run of a scenario, so far."""

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        self.parts = scenario.parts
        self.model = Model(scenario.parts.scripts)
        self.source = 1
        self.promises = scenario.promises(self)
        self.late: list[tuple[Script, Held | None]] = []  # messages that may still arrive
        self.ticks = list(scenario.ticks)
        self.evictions = list(scenario.evict)
        self.faults, self.crashes, self.cancels = scenario.faults, scenario.crashes, scenario.cancels
        self.current: Actor | None = None
        self.named: dict[int, str] = {id(self): "w"}
        self.processes: list[Process] = []
        self.actors: list[Actor] = []
        for number, lives in enumerate(scenario.processes):
            split = len(lives) > 1 or scenario.split
            process = self.process(number, split)
            self.processes.append(process)
            for life in lives:
                self.add(process, life(self, scenario.at(process)))
        scenario.initial(self)

    def process(self, number: int, split: bool) -> Process:
        """One more process."""
        return Process(self, number, split)

    def add(self, process: Process, plan: Any) -> Actor:
        """One more actor."""
        actor = Actor(len(self.actors), process, plan)
        self.actors.append(actor)
        return actor

    # -- choosing ----------------------------------------------------------------------------------

    def choices(self) -> list[Choice]:
        """What may come next; the first ones are those of the actors."""
        found: list[Choice] = []
        for actor in self.actors:
            found += self.moves(actor)
        if not found and any(not actor.over for actor in self.actors):
            found.append(("idle",))
        for name in ("crash", "cancel"):
            if getattr(self, name + ("es" if name == "crash" else "s")):
                allowed = getattr(self.scenario, f"may_{name}")
                found += [(name, actor.number) for actor in self.actors if actor.number in allowed and actor.running]
        found += [("late", number) for number in range(len(self.late))]
        found += [("evict", key) for key in self.evictions if key.encode() in self.model.data]
        if self.scenario.renewals:
            found += [("renew", actor.number) for actor in self.actors if actor.may_renew(self.scenario.renewals)]
        if self.ticks and any(not actor.over for actor in self.actors):
            found.append(("tick",))
        if all(actor.over for actor in self.actors):
            found.append(("end",))
        return found

    def moves(self, actor: Actor) -> list[Choice]:
        """The steps of one actor."""
        effect, number = actor.effect, actor.number
        if actor.over:
            return []
        if actor.replied or effect is None:
            return [("go", number)]
        if isinstance(effect, Wait):
            over = effect.signal.is_set() or (actor.until is not None and actor.until <= self.model.now)
            if over:
                return [("go", number)]
            # Short waits may be over at any time; the end of longer ones comes when time is let pass.
            short = actor.until is not None and actor.until - self.model.now <= SHORT
            return [("time out", number)] if short else []
        if isinstance(effect, Sleep):
            return [("go", number)]  # that much time passes, for all
        found: list[Choice] = [("do", number)]
        if self.faults and isinstance(effect, Script) and effect.name in self.scenario.may_fail:
            found += [("late copy", number)] * self.scenario.late_copies + [("lost reply", number)]
        return found

    # -- stepping ----------------------------------------------------------------------------------

    def step(self, choice: Choice) -> None:
        """Take this step; Broken if a promise did not hold."""
        draws.source[0] = self.draw
        getattr(self, "_" + choice[0].replace(" ", "_"))(*choice[1:])

    def clock(self, _actor: Actor) -> float:
        """What ``Now`` gives."""
        return self.model.now / 1000

    def draw(self) -> bytes:
        """Numbered by actor, so that a draw does not depend on what others did before."""
        actor = self.current
        if actor is None:
            return b"nobody's"
        actor.draws += 1
        return self.parts.draw(actor)

    def _go(self, number: int) -> None:
        actor = self.actors[number]
        if actor.effect is None:
            self.resume(actor, None)
        elif actor.replied:
            self.resume(actor, *actor.take())
        elif isinstance(actor.effect, Wait):
            self.resume(actor, actor.effect.signal.is_set())
        else:
            self.model.advance(max(0, (actor.until or 0) - self.model.now))
            self.resume(actor, None)

    def _time_out(self, number: int) -> None:
        actor = self.actors[number]
        self.model.advance(max(0, (actor.until or 0) - self.model.now))
        self.resume(actor, False)

    def _do(self, number: int) -> None:
        actor = self.actors[number]
        self.current = actor
        effect = actor.effect
        if isinstance(effect, Batch):
            actor.batch.append(self.serve(effect.steps[len(actor.batch)]))
            while effect.atomic and len(actor.batch) < len(effect.steps):
                actor.batch.append(self.serve(effect.steps[len(actor.batch)]))
            if len(actor.batch) < len(effect.steps):
                return
            self.answer(actor, actor.batch)
            actor.batch = []
        elif isinstance(effect, (Command, Script)):
            self.answer(actor, self.serve(effect))
        elif isinstance(effect, Subscribe):
            signal = Signal()
            if not self.scenario.deaf:
                self.model.listen(effect.channel, signal)
            self.answer(actor, signal)
        elif isinstance(effect, Change):
            self.source += 1
            self.answer(actor, self.source)
        elif isinstance(effect, Ask):
            self.answer(actor, self.source)
        elif isinstance(effect, Call):
            self.promises.computes(actor)
            try:
                self.answer(actor, effect.fn())
            except Exception as error:
                self.answer(actor, None, error)
        else:
            raise AssertionError(f"no such effect: {effect!r}")

    def serve(self, step: Command | Script) -> Any:
        reply = self.model.run(step)
        self.promises.served(self.current, step, reply)
        return reply

    def answer(self, actor: Actor, reply: Any, error: BaseException | None = None) -> None:
        """The reply is there. Alone in its process (and no slow function to be told apart), the actor goes on."""
        actor.reply, actor.error, actor.replied = reply, error, True
        slow = isinstance(actor.effect, Call) and (self.scenario.renewals or self.scenario.ticks)
        if not actor.process.split and not slow:
            self.resume(actor, *actor.take())

    def resume(self, actor: Actor, reply: Any, error: BaseException | None = None) -> None:
        """Let the plan go on to its next effect; what nobody else can see is done at once."""
        self.current = actor
        while True:
            try:
                effect = actor.plan.send(reply) if error is None else actor.plan.throw(error)
            except StopIteration as end:
                return actor.end(end.value)
            except Cancelled:
                return actor.end(None)
            except Broken:
                raise
            except BaseException as raised:
                if actor.handle is None:
                    raise Broken(f"actor {actor.number} got {raised!r}") from raised
                return actor.end(None, raised)
            actor.effect, error = effect, None
            if isinstance(effect, Now):
                actor.clock = self.model.now
            if isinstance(effect, Now) and not self.scenario.ticks:
                reply = self.clock(actor)
            elif isinstance(effect, Now):
                actor.reply, actor.error, actor.replied = self.clock(actor), None, True
                return None
            elif isinstance(effect, Hold):
                reply = actor.held = Held(*effect)
            elif isinstance(effect, Spawn):
                spawned = self.add(actor.process, effect.plan)
                reply = spawned.handle = Handle()
            else:
                seconds = getattr(effect, "seconds", None)
                actor.until = None if seconds is None else self.model.now + max(1, round(seconds * 1000))
                return None

    ended = False

    # -- the state ---------------------------------------------------------------------------------

    def canon(self) -> Canon:
        """What sees the state."""
        return Canon(self.named)

    def more(self, _canon: Canon) -> Any:
        """What else a world of another kind has."""
        return ()

    def key(self) -> bytes:
        """Equal for two worlds with the same future."""
        canon = self.canon()
        state = (
            self.model.now, self.source, len(self.ticks), tuple(self.evictions),
            self.faults, self.crashes, self.cancels,
            tuple(sorted(self.model.data.items())),
            tuple(canon.of(actor.state()) for actor in self.actors),
            tuple(canon.of(process.state()) for process in self.processes),
            canon.of(self.model.listeners), canon.of(self.late), canon.of(self.promises.state()), self.more(canon),
        )  # fmt: skip
        # Version 2 does not care which equal objects are one; the state itself would fill the memory.
        return blake2b(marshal.dumps(state, 2), digest_size=16).digest()
