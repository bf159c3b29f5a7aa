"""What a world is made of: signals, handles, held leases, processes and actors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from rcollections.plans.functions.job import Job
from rcollections.plans.orphans import Orphan
from rcollections.plans.target import Target

if TYPE_CHECKING:
    from rcollections.plans.effects import Plan
    from rcollections.plans.orphans import Orphans
    from tests.interleavings.world import World

__all__ = [
    "CHANNEL", "GUARD", "KEY", "LEASE", "Actor", "Ask", "Boom", "Cancelled", "Change", "Handle", "Held", "Process",
    "Shared", "Signal",
]  # fmt: skip

KEY, LEASE, GUARD, CHANNEL = "f", "rc:l:{f}", "rc:g:{f}", "rc:w:f"


class Boom(Exception):
    """What the user's function raises."""


class Shared:
    """Carries ``Boom`` to other processes."""

    def dump(self, error: BaseException, _key: str, _token: bytes) -> bytes | None:
        return b"%d" % error.args if isinstance(error, Boom) and error.args else None

    def load(self, data: bytes, _key: str, _token: bytes) -> BaseException | None:
        return Boom(int(data))


class Cancelled(BaseException):
    """What a cancelled caller gets."""


class Change(NamedTuple):
    """An effect of tests only: the source changes. Gives its new version."""


class Ask(NamedTuple):
    """An effect of tests only: somebody reads the source without any lease. Gives its version."""


class Signal:
    """Set once."""

    __slots__ = ("ready",)
    deaf = False

    def __init__(self) -> None:
        self.ready = False

    def set(self) -> None:
        self.ready = True

    def is_set(self) -> bool:
        return self.ready


class Handle:
    """What ``Spawn`` gives."""

    __slots__ = ("done", "error", "value")

    def __init__(self) -> None:
        self.done = Signal()
        self.value: Any = None
        self.error: BaseException | None = None

    def result(self) -> Any:
        if self.error is not None:
            raise self.error
        return self.value

    def abandon(self) -> None:
        """Nobody will ask."""


class Held:
    """What ``Hold`` gives; renewals are choices of the world."""

    __slots__ = ("lease", "ms", "renewed", "stopped", "token", "until", "used")

    def __init__(self, lease: str, token: bytes, ms: int) -> None:
        self.lease, self.token, self.ms = lease, token, ms
        self.stopped = False
        self.until = 0.0
        self.renewed = 0
        self.used = False  # the computation that it is for has begun

    silent_ms, lapsed, lost = 0, False, False  # nothing is learned: every run is the same

    def stop(self) -> None:
        self.stopped = True


class StillJob(Job[Any]):
    """A job whose waiters ask in step, so that every run is the same."""

    __slots__ = ()

    def jitter(self) -> float:
        return 1.0


class FakeBreaker:
    """Never opens."""

    def allows(self) -> bool:
        return True

    def failed(self, _error: Any = None) -> None:
        """Nothing."""

    def may_try(self, _turn: object) -> bool:
        return True

    worked = stored = tried = failed


class Process:
    """One process: its flights, and what its calls of the function look like."""

    def __init__(self, world: World, number: int, split: bool) -> None:
        self.world = world
        self.number = number
        self.split = split
        self.flights = world.parts.flights(Signal)
        self.flights.orphans.told = self.tell
        self.jobs: list[Any] = []  # kept, so that no other object gets the address of one
        world.named[id(self)] = f"process {number}"
        world.named[id(self.flights)] = f"flights {number}"

    def job(self, tags: tuple[str, ...] | None = None, fn: Any = None, **options: Any) -> Job[Any]:
        """One call. ``options`` are those of ``Recipe``, the scenario's by default."""
        world = self.world
        target = Target(
            KEY, "f", None, dumps=lambda value, *_: b"%d" % value, load=lambda data, *_: int(data), encode=bytes,
            read=bytes, ttl=100, mode="last", jitter=0,
        )  # fmt: skip
        settings = {"ttl": 100.0, "lease": 0.5, "note": world.promises.noted, **world.scenario.options, **options}
        recipe = world.parts.recipe("f", target, self.flights, FakeBreaker(), **settings)
        tags = world.scenario.tags if tags is None else tags
        job = StillJob(recipe, KEY, tags, fn or (lambda: world.source))
        self.jobs.append(job)
        world.named[id(job)] = f"job {number_of(job)}"
        return job

    @property
    def myself(self) -> Process:
        """For lives that need more than jobs."""
        return self

    def tell(self) -> None:
        """What was left is told to the server by the background, at any time."""
        if not self.world.scenario.idle:
            self.world.add(self, telling(self.flights.orphans)).handle = Handle()

    def state(self) -> Any:
        """Everything in its memory."""
        apart = ("signal", "lock", "table", "orphans")
        orphans = [(each.lease, each.step) for each in self.flights.orphans.take()]
        for lease, step in orphans:
            self.flights.orphans.back(Orphan(lease, step, 0))
        return self.flights.table, orphans, {k: v for k, v in vars(self.flights).items() if k not in apart}


def telling(orphans: Orphans) -> Plan[None]:
    """What the thread of ``servers/leases`` does, for all that is there."""
    for each in orphans.take():
        yield each.step


def number_of(job: Job[Any]) -> str:
    """What tells one job from another."""
    recipe = job.recipe
    return f"{job.tags} {recipe.swr} {recipe.sie} {recipe.early} {recipe.soft_timeout}"


class Actor:
    """One caller: a plan and where it stands."""

    def __init__(self, number: int, process: Process, plan: Any) -> None:
        self.number = number
        self.process = process
        self.plan = plan
        self.effect: Any = None
        self.batch: list[Any] = []
        self.reply: Any = None
        self.error: BaseException | None = None
        self.replied = False
        self.until: int | None = None
        self.held: Held | None = None
        self.handle: Handle | None = None
        self.over = False
        self.draws = 0
        self.began = 0
        self.note: Any = None
        self.clock = 0  # what it read last
        self.spared = False
        self.failed = False  # a message of his got no answer
        self.unkept = False  # it has seen a mark: it may compute without a lease, and nothing of it is kept

    @property
    def running(self) -> bool:
        """Whether it has begun and not ended."""
        return not self.over and self.effect is not None

    @property
    def holds(self) -> bool:
        """Whether it acts under a lease."""
        return self.held is not None and not self.held.stopped and not self.over

    def may_renew(self, most: int) -> bool:
        return self.holds and self.held is not None and self.held.renewed < most

    def take(self) -> tuple[Any, BaseException | None]:
        """The reply that was there."""
        self.replied = False
        return self.reply, self.error

    @property
    def crashed(self) -> bool:
        return self.over

    @crashed.setter
    def crashed(self, _: bool) -> None:
        self.over = True

    def end(self, value: Any, error: BaseException | None = None) -> None:
        """The plan has ended."""
        self.over = True
        if self.handle is not None:
            self.handle.value, self.handle.error = value, error
            self.handle.done.set()

    def state(self) -> Any:
        """Where it stands."""
        if self.over:
            return ("over", self.handle)
        reply = (self.reply, self.error) if self.replied else None
        return (
            self.plan, self.effect, list(self.batch), reply, self.until, self.held, self.handle, self.draws, self.began,
            self.note, self.spared, self.failed, self.clock, self.unkept,
        )  # fmt: skip
