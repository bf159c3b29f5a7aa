"""What is promised, checked at every step: Broken says which promise did not hold.

The books are kept here, from what was asked and answered, and not read from the model: a script or a plan that
lost one of its guards changes the model, but not who has the right to do what.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rcollections.plans.effects import Script, Wait
from rcollections.plans.entries import unpack
from rcollections.plans.marks import read_mark
from tests.interleavings.parts import KEY, LEASE

if TYPE_CHECKING:
    from tests.interleavings.parts import Actor
    from tests.interleavings.world import World

__all__ = ["BY_HAND", "Broken", "Promises"]

BY_HAND = 1000  # added to a version that was put by hand


class Broken(AssertionError):
    """A promise did not hold."""


class Promises:
    """The books of one world."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.floor = 1  # what a call that begins now must get at least
        self.fresh_floor = 1  # the same for one that takes no stale values, or gets none
        self.holder: bytes | None = None
        self.holder_until = 0
        self.lives: dict[int, tuple[int, int]] = {}  # of each version: until when it is fresh, and there at all
        self.computed = 0

    def state(self) -> Any:
        return self.floor, self.fresh_floor, self.holder, self.holder_until, self.lives, self.computed

    def valid(self) -> bytes | None:
        """The token of the one who has the right to compute."""
        return self.holder if self.holder is not None and self.world.model.now < self.holder_until else None

    # -- told by actors ----------------------------------------------------------------------------

    def begins(self) -> tuple[int, int]:
        """A call begins: what it must get at least."""
        actor = self.world.current
        assert actor is not None
        actor.began, actor.note = self.world.model.now, None
        return self.floor, self.fresh_floor

    def invalidated(self, version: int, stale_may_be_served: bool = False) -> None:
        """A change, and what tells the cache about it, has returned."""
        self.fresh_floor = max(self.fresh_floor, version)
        if not stale_may_be_served:
            self.floor = max(self.floor, version)

    def returned(self, value: int, floors: tuple[int, int]) -> None:
        """A call returns: nothing older than what it had to get, and stale only as allowed."""
        actor, scenario = self.world.current, self.world.scenario
        assert actor is not None
        word, when, window = actor.note or (None, 0, 0)
        floor = floors[0] if word == "stale" else max(floors)
        by_hand = value >= BY_HAND
        version = value % BY_HAND
        if version < floor and not (by_hand and scenario.plain_writers > 1):
            raise Broken(f"a call got {version}, although {floor} was told to the cache before it began")
        fresh, there = self.lives.get(value, (10**12, 10**12))
        if word == "hit" and fresh < actor.began:
            raise Broken(f"{value} is stale since {fresh} ms, and was given as fresh at {when} ms")
        if word == "stale" and (when >= there or when - fresh >= window):
            raise Broken(f"{value} is stale since {fresh} ms, gone at {there} ms, and was given at {when} ms")

    def raised(self, version: int, floors: tuple[int, int]) -> None:
        """A call raises what the source of this version makes the function raise: that must not be too old either."""
        if version < max(floors):
            raise Broken(f"a call raised the error of {version}, although {max(floors)} was told before it began")

    def noted(self, word: str, _key: str, _error: BaseException | None = None) -> None:
        """What a job tells its counters."""
        actor = self.world.current
        if actor is None:
            return
        if word in ("hit", "stale", "compute"):
            actor.note = (word, actor.clock, self.world.scenario.window)

    # -- told by the world -------------------------------------------------------------------------

    def computes(self, actor: Actor) -> None:
        """An actor reads the source, to compute."""
        self.computed += 1
        scenario = self.world.scenario
        if scenario.computations is not None and self.computed > scenario.computations:
            raise Broken(f"computed {self.computed} times")
        if actor.spared:
            raise Broken("a caller that waited for a computation that failed computes again: a convoy")
        if scenario.fails:
            self._spare(actor)
        held = actor.held
        away = any(each.failed for each in self.world.actors if each.process is actor.process)
        if (held is None or held.used) and not away and not actor.unkept:
            raise Broken("somebody computes without having asked for the lease")  # without a server everybody does
        actor.unkept = False
        if held is not None:
            held.used = True

    def _spare(self, actor: Actor) -> None:
        flight = actor.process.flights.table.get(KEY)
        ticket = flight.ticket if flight is not None else None
        for other in self.world.actors:
            if ticket is not None and isinstance(other.effect, Wait) and other.effect.signal is ticket.signal:
                other.spared = True

    def evicted(self, key: str) -> None:
        if key == LEASE:
            self.holder = None

    def served(self, actor: Actor | None, step: Any, reply: Any) -> None:
        """The server carried out a step."""
        if not isinstance(step, Script):
            if actor is not None and step.args[0] == "GET" and step.args[1] == LEASE:
                actor.unkept = read_mark(reply) is not None
            if step.args[0] in ("UNLINK", "DEL") and {LEASE, LEASE.encode()} & {*step.args}:
                self.holder = None
            elif step.args[0] == "SET" and step.args[1] == KEY:
                self._stored(step.args[2], 100_000)
            return
        now, name, args = self.world.model.now, step.name, step.args
        if name in ("entry_fetch", "entry_begin") and reply[0] == b"lease":
            forced = name == "entry_begin" or args[3] == "force"
            if not forced and self.valid() is not None:
                raise Broken("two have the lease")
            self.holder, self.holder_until = bytes(args[0]), now + int(args[1])
        elif name == "lease_renew" and args[0] == self.valid():
            self.holder_until = now + int(args[1])
        elif name == "lease_free" and args[0] == self.holder:
            self.holder = None
        elif name == "entry_store" and reply[0] == b"ok":
            if args[0] != self.valid():
                raise Broken("a store landed without a lease")
            self.holder = None
            self._stored(bytes(args[1]), int(args[2]))
        elif name == "entry_put":
            self.holder = None
            stamps = b"\0" * (8 * (len(step.keys) - 2))
            self._stored(bytes(args[0]) + stamps + bytes(args[1]), int(args[2]))
        elif name in ("entry_delete", "entry_expire"):
            self.holder = None
            if name == "entry_expire":
                self.lives = {value: (min(fresh, now), there) for value, (fresh, there) in self.lives.items()}

    def _stored(self, data: bytes, ms: int) -> None:
        entry = unpack(data)
        if entry is None or not entry.value.isdigit():
            return
        there = self.world.model.now + (ms or 10**12)
        fresh, until = self.lives.get(int(entry.value), (0, 0))
        self.lives[int(entry.value)] = (max(fresh, there - entry.grace), max(until, there))
