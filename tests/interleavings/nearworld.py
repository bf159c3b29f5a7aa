"""A world in which a process holds values: the real tier and the real rule of pongs, with a listening connection.

Promised is what the docs say: a value that the tier returns was the server's at some moment not more than
``staleness`` before; own writes are read at once; nothing is served after its end.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from rcollections.l1 import ABSENT
from rcollections.plans.effects import Command, ReadToHold, Script, Seen
from rcollections.plans.entries import same, unpack
from rcollections.plans.functions.held import held
from rcollections.plans.steps import written
from tests.interleavings.canonical import Canon
from tests.interleavings.links import Link
from tests.interleavings.model import Model
from tests.interleavings.parts import KEY, Process
from tests.interleavings.promises import BY_HAND, Broken
from tests.interleavings.scenario import Scenario
from tests.interleavings.world import World

if TYPE_CHECKING:
    from rcollections.plans.effects import Plan
    from rcollections.plans.functions.job import Job
    from tests.interleavings.parts import Actor

__all__ = ["Idle", "NearScenario", "NearWorld", "Settle", "caller", "calling", "peek", "peeker", "settler", "watcher"]

STALENESS = 1000  # ms
NODES = 2  # that the state tells of
OWNER, ARGS = 2, (1,)


class Idle(NamedTuple):
    """An effect of tests only: the next look comes when it likes."""


class Settle(NamedTuple):
    """The same; before it all that was sent is heard, time passes, and the proof is made anew."""


class NearProcess(Process):
    """A process that holds values, and stands for what ``wire/tiering.py`` gives to plans."""

    def __init__(self, world: NearWorld, number: int, split: bool) -> None:
        super().__init__(world, number, split)
        self.near = world
        self.slept = 0
        self.tier = world.parts.tier(
            10, staleness=STALENESS / 1000, clock=lambda: world.clock_of(self), wall=lambda: world.model.now / 1000
        )
        self.hears = b""  # the run_id of who is heard
        self.link: Link | None = Link(self)
        self.pings = world.near.pings
        self.opens = world.near.opens
        self.forbidden: set[int] = set()  # values that an own write has replaced
        if world.near.live:
            for _ in range(2):
                self.link.ping()
                self.link.hear_reply()

    def answered(self, _key: str, _watched: tuple[str, ...], seen: Seen) -> bool:
        return seen.server == self.hears

    def token(self, key: str, tags: tuple[str, ...]) -> Any:
        return self.tier.token(key, tags)

    def job(self, tags: tuple[str, ...] | None = None, fn: Any = None, **options: Any) -> Job[Any]:
        job = super().job(tags, fn, tiering=self, **options)
        job.held_as = OWNER, ARGS
        return job

    def state(self) -> Any:
        link = None if self.link is None else self.link.state()
        return (
            super().state(), self.tier_state(), link, self.pings, self.opens, self.hears, self.slept,
            tuple(sorted(self.forbidden)),
        )  # fmt: skip

    def tier_state(self) -> Any:
        tier = getattr(self.tier, "pure", self.tier)
        entries = sorted(
            (str(entry.key), entry.value.value, self.counts(entry.value.token), entry.expires)
            for queue in tier._queues
            for entry in queue
        )
        proofs = tuple((tier._until[n], tier._until_wall[n], tier._drift[n]) for n in range(NODES))
        return tier._hears, proofs, entries

    def counts(self, token: Any) -> Any:
        """What still speaks for a token; numbers only grow, so what does not will never do again."""
        tier, token = getattr(self.tier, "pure", self.tier), getattr(token, "pure", token)
        return (
            token.epoch == tier._epoch, token.epochs == tier._epochs_of(token.nodes),
            token.seq == tier._seqs[hash(token.key) % len(tier._seqs)],
            tuple(tier._marks.get(slot, 0) == mark for slot, mark in token.watched),
        )  # fmt: skip


class NearCanon(Canon):
    """Tokens by what speaks for them."""

    def __init__(self, named: dict[int, str], processes: list[Any]) -> None:
        super().__init__(named)
        self.processes = [process for process in processes if isinstance(process, NearProcess)]

    def of(self, thing: Any) -> Any:
        if type(thing).__name__ in ("Token", "Tokens"):
            return ("token", *(process.counts(thing) for process in self.processes))
        return super().of(thing)


class NearWorld(World):
    """The same world with listening connections, and what may happen to them."""

    def __init__(self, scenario: NearScenario) -> None:
        self.near = scenario
        self.busy = False
        self.budget = dict(scenario.budget)
        self.alive: dict[int, int] = {}  # when each value was the server's at last
        self.gone: dict[int, set[int]] = {}  # of each actor: what its writes replaced
        self.old = Model()
        super().__init__(scenario)
        if scenario.old:  # it was left behind
            self.old.data = dict(self.model.data)
            self.model.set(KEY.encode(), b"2")
        self.model.announce = self.announce
        self.silent = False
        self.seen()
        for process in self.held:
            if scenario.warm:
                left = self.model.pttl(KEY.encode())
                process.tier.keep(process.tier.token(KEY, scenario.tags), OWNER, ARGS, 1, left * 1_000_000)

    @property
    def held(self) -> list[NearProcess]:
        return [process for process in self.processes if isinstance(process, NearProcess)]

    def process(self, number: int, split: bool) -> Process:
        return NearProcess(self, number, True) if number in self.near.near else super().process(number, split)

    def clock_of(self, process: Any) -> float:
        return (self.model.now - getattr(process, "slept", 0)) / 1000

    def clock(self, actor: Actor) -> float:
        return self.clock_of(actor.process)

    def canon(self) -> Canon:
        return NearCanon(self.named, self.processes)

    # -- the books ---------------------------------------------------------------------------------

    def value(self) -> int | None:
        """What the server holds for everybody now."""
        data = self.model.get(KEY.encode())
        entry = None if data is None else unpack(data)
        if entry is None or not same(entry, self.model.mget(*(tag.encode() for tag in self.scenario.tags))):
            return None
        return int(entry.value)

    def seen(self) -> None:
        now, value = self.model.now, self.value()
        if value is not None:
            self.alive[value] = now
            for process in self.held:
                process.forbidden.discard(value)
            for gone in self.gone.values():
                gone.discard(value)
        self.alive = {each: when for each, when in self.alive.items() if when > now - STALENESS or each == value}

    def looked(self, process: NearProcess, value: int) -> None:
        """The tier gave this value."""
        now = self.model.now
        if value in process.forbidden:
            raise Broken(f"{value} was given by the process that had replaced it")
        if value not in self.alive:
            raise Broken(f"{value} was given at {now} ms, and had been replaced {STALENESS} ms before")
        if self.promises.lives.get(value, (0, now + 1))[1] <= now:
            raise Broken(f"{value} was given at {now} ms, after its end")
        if value >= BY_HAND and value - BY_HAND > self.source:
            raise Broken(f"{value} was never stored")

    def announce(self, key: bytes | None) -> None:
        if self.silent:
            return
        if key is None or key == KEY.encode() or key.startswith(b"rc:t:"):
            for process in self.held:
                if process.link is not None:
                    process.link.announce(key, self.busy)

    # -- stepping ----------------------------------------------------------------------------------

    def choices(self) -> list[Any]:
        if all(actor.over for actor in self.actors):
            return [("end",)]
        found = super().choices()
        if found == [("idle",)]:
            found = []
        for process in self.held:
            if any(not actor.over for actor in self.actors if actor.process is process):
                found += self.near_choices(process)
        if self.budget.get("busy do") and not self.busy:
            found += [("busy do", choice[1]) for choice in found if choice[0] == "do" and self.writes(choice[1])]
        if self.busy:
            found.append(("flush",))
        return found or [("idle",)]

    def writes(self, number: int) -> bool:
        effect = self.actors[number].effect
        return isinstance(effect, (Command, Script)) and written(effect, "rc:t:") != ()

    def near_choices(self, process: NearProcess) -> list[Any]:
        link, number = process.link, process.number
        found: list[Any] = [(name, number) for name in ("cut", "fork", "sleep") if self.budget.get(name)]
        if link is None:
            return found + ([("open", number)] if process.opens else [])
        found += [("hear", number, key) for key in link.readable()]
        if link.has_reply():
            found.append(("hear reply", number))
        if process.pings and not link.proof.waiting:
            found.append(("ping", number))
            if link.unsent and not link.cut:
                found.append(("ping busy", number))
        if link.cut:
            found.append(("eof", number))
            found = [each for each in found if each[0] != "cut"]
        return found

    def step(self, choice: Any) -> None:
        self.seen()
        self.silent = choice[0] in ("tick", "sleep")  # servers tell of expiry when they find time: not to be relied on
        super().step(choice)
        self.seen()

    def _hear(self, number: int, key: Any) -> None:
        self.held[number].link.hear(key)  # type: ignore[union-attr]

    def _hear_reply(self, number: int) -> None:
        self.held[number].link.hear_reply()  # type: ignore[union-attr]

    def _ping(self, number: int, busy: bool = False) -> None:
        process = self.held[number]
        process.pings -= 1
        process.link.ping(busy)  # type: ignore[union-attr]

    def _ping_busy(self, number: int) -> None:
        self._ping(number, True)

    def settle(self, process: NearProcess) -> None:
        """Whatever was lost is noticed, and what was sent is heard; a while later all is proven anew."""
        self.flush()
        if process.link is not None and process.link.cut:
            self._eof(process.number)
        link = process.link = process.link or Link(process)
        for _ in range(3):
            for key in link.readable():
                link.hear(key)
            if link.has_reply():
                link.hear_reply()
        self.silent = True
        self.model.advance(STALENESS)
        self.seen()
        for _ in range(2):
            link.ping()
            link.hear_reply()

    def flush(self) -> None:
        """The script has ended: what waited for that is sent."""
        self.busy = False
        for process in self.held:
            if process.link is not None:
                process.link.flush()

    _flush = flush

    def _cut(self, number: int) -> None:
        self.budget["cut"] -= 1
        self.held[number].link.lose()  # type: ignore[union-attr]

    def _eof(self, number: int) -> None:
        process = self.held[number]
        process.link, process.hears = None, b""
        process.tier.lost()

    def _open(self, number: int) -> None:
        process = self.held[number]
        process.opens -= 1
        process.link = Link(process)

    def _fork(self, number: int) -> None:
        """From here on this is the child; its parent has the connection."""
        self.budget["fork"] -= 1
        process = self.held[number]
        process.link, process.hears = None, b""
        if self.parts.fork:
            process.tier.lost()

    def _sleep(self, number: int) -> None:
        """The machine sleeps: the clock that only goes forward stands, the world goes on."""
        self.budget["sleep"] -= 1
        self.held[number].slept += 1500
        self.model.advance(1500)

    def _busy_do(self, number: int) -> None:
        self.budget["busy do"] -= 1
        self.busy = True
        self._do(number)

    def _do(self, number: int) -> None:
        actor = self.actors[number]
        effect = actor.effect
        if isinstance(effect, Idle):
            self.answer(actor, None)
        elif isinstance(effect, Settle):
            self.settle(actor.process)  # type: ignore[arg-type]
            self.answer(actor, None)
        elif isinstance(effect, ReadToHold):
            server, model = (b"old", self.old) if actor.process.number in self.near.old else (b"new", self.model)
            ms = model.pttl(effect.key.encode())
            self.answer(actor, Seen([model.run(step) for step in effect.steps], ms, server))
        else:
            super()._do(number)

    # -- own writes (F6) ---------------------------------------------------------------------------

    def serve(self, step: Any) -> Any:
        reply = super().serve(step)
        actor = self.current
        if actor is not None and isinstance(actor.process, NearProcess) and written(step, "rc:t:") != ():
            self.seen()
            value = self.value()
            self.gone.setdefault(actor.number, set()).update(each for each in self.alive if each != value)
        return reply

    def resume(self, actor: Actor, reply: Any, error: BaseException | None = None) -> None:
        """The rule of ``wire/connection.py``, and the books: what an own write replaced counts no more."""
        own = self.parts.own
        if own == "finally" or (own == "reply" and error is None):
            self.wrote(actor)
        gone = self.gone.pop(actor.number, set())
        if gone:
            actor.process.forbidden |= gone  # type: ignore[attr-defined]
        super().resume(actor, reply, error)
        if own == "before":
            self.wrote(actor)

    def wrote(self, actor: Actor) -> None:
        if isinstance(actor.process, NearProcess):
            for step in getattr(actor.effect, "steps", (actor.effect,)):
                if isinstance(step, (Command, Script)):
                    actor.process.tier.wrote(written(step, "rc:t:") or ())

    def more(self, canon: Canon) -> Any:
        return canon.of((self.busy, self.budget, self.alive, {n: tuple(sorted(gone)) for n, gone in self.gone.items()}))


@dataclass(frozen=True)
class NearScenario(Scenario):
    """Some processes hold values; what may happen to their connections."""

    world: Any = NearWorld
    near: tuple[int, ...] = (0,)  # processes that hold values
    live: bool = True  # changes are heard from the beginning, and that is proven
    warm: bool = False  # the value is held from the beginning
    pings: int = 0
    opens: int = 0  # connections that may be made after the first
    old: tuple[int, ...] = ()  # processes that read from a server that nobody writes to any more
    budget: dict[str, int] = field(default_factory=dict)  # of "busy do", "cut", "fork", "sleep"


# -- lives -----------------------------------------------------------------------------------------


def caller(w: NearWorld, job: Any) -> Plan[None]:
    """Calls the function, which may fill; and looks at what is held when all has been heard."""
    yield from calling(w, job())
    yield from settler(w, job)


def watcher(w: NearWorld, job: Any) -> Plan[None]:
    """Calls the function, and looks at what is held when it likes."""
    yield from calling(w, job())
    yield from peeker(w, job)


def peeker(w: NearWorld, job: Any) -> Plan[None]:
    """Looks at what is held, when it likes."""
    yield Idle()
    peek(w, job())


def settler(w: NearWorld, job: Any) -> Plan[None]:
    """Looks at what is held when all has been heard."""
    yield Settle()
    peek(w, job())


def peek(w: NearWorld, job: Job[Any]) -> None:
    """Looks only at what is held."""
    value = held(job)
    if value is not ABSENT:
        w.looked(job.recipe.tiering, value)


def calling(w: NearWorld, job: Job[Any]) -> Plan[None]:
    """One call, as ``@cached`` makes it."""
    value = held(job)
    if value is not ABSENT:
        return w.looked(job.recipe.tiering, value)
    floor = w.promises.begins()
    value = yield from w.parts.call.call(job)
    if not w.near.old:
        w.promises.returned(value, floor)
    return None
